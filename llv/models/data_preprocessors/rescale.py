"""Labels and meta information follow an enhancer that enlarges the picture."""

from __future__ import annotations

from typing import Any

from mmengine.structures import BaseDataElement, InstanceData, PixelData
from torch import Tensor


def rescale_sample(
    sample: BaseDataElement, scale: int, size: tuple[int, int], training: bool
) -> BaseDataElement:
    """A copy of a data sample that fits its picture after enlargement.

    ``img_shape`` and ``scale_factor`` (order w, h) are multiplied always, so that predictions return to original
    coordinates; so are ``pad_shape``, ``padding_size`` and ``img_padding_size`` where a pipeline wrote them, because
    mmseg's preprocessor leaves them as they are in testing and its heads resize their logits to ``pad_shape``. What the
    base preprocessor pads itself it writes afterwards, over these. ``ori_shape`` never changes.
    Boxes, masks, keypoints and label maps grow only in training: test annotations were loaded in original coordinates,
    where metrics compare. Proposals are inputs of the model and grow always.

    Args:
        sample: Data sample of any mm package; it is not changed, since samples are reused by TTA and cached datasets.
        scale: Output size / input size.
        size: (H, W) of the picture before enlargement.
        training: Whether the annotations belong to the picture as it is now.

    Raises:
        ValueError: A label map has another size than its picture.
    """
    sample = sample.new()
    meta = sample.metainfo
    factor = meta.get('scale_factor', (1.0, 1.0))
    changed: dict[str, Any] = dict(scale_factor=tuple(float(value) * scale for value in factor))
    for name in ('img_shape', 'pad_shape'):
        if name in meta:
            height, width, *channels = meta[name]
            changed[name] = (height * scale, width * scale, *channels)
    for name in ('padding_size', 'img_padding_size'):
        if name in meta:
            changed[name] = tuple(side * scale for side in meta[name])
    sample.set_metainfo(changed)

    for name, value in sample.items():
        if isinstance(value, InstanceData) and (training or name == 'proposals'):
            setattr(sample, name, _rescale_instances(value, scale, size))
        elif isinstance(value, PixelData) and training and name != 'reference':
            setattr(sample, name, _rescale_pixels(name, value, scale, size, meta.get('img_path')))
    return sample


def _rescale_instances(instances: InstanceData, scale: int, size: tuple[int, int]) -> InstanceData:
    instances = instances.new()
    for name in ('bboxes', 'keypoints'):
        if name in instances:
            value = instances[name]
            if isinstance(value, Tensor):
                setattr(instances, name, value * scale)
            else:  # the box types of mmdet and mmrotate
                value = value.clone()
                value.rescale_((scale, scale))
                setattr(instances, name, value)
    if 'masks' in instances:
        instances.masks = instances.masks.resize((size[0] * scale, size[1] * scale))
    return instances


def _rescale_pixels(
    name: str, pixels: PixelData, scale: int, size: tuple[int, int], path: str | None
) -> PixelData:
    if tuple(pixels.shape) != tuple(size):
        raise ValueError(
            f'`{name}` of `{path}` has size {tuple(pixels.shape)} but its picture {tuple(size)}; resize and crop both '
            'alike in the pipeline.'
        )
    grown = PixelData(metainfo=pixels.metainfo)
    for field, value in pixels.items():
        grown.set_field(
            value.repeat_interleave(scale, dim=-2).repeat_interleave(scale, dim=-1), field
        )
    return grown
