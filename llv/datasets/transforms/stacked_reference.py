"""A reference that goes through the transforms of mm's packages with its picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData

from llv.registry import TRANSFORMS

from .pairs import reference_of

# of mm's packages: these change colours, which a reference must keep, or fill with the colour of three channels
_UNFIT = frozenset(
    """
    AdjustGamma Albu AutoAugment AutoContrast Brightness CLAHE CachedMixUp CachedMosaic Color ColorTransform Contrast
    CopyPaste Corrupt CutOut Equalize Expand Invert MixUp Mosaic Normalize Pad PhotoMetricDistortion Posterize RGB2Gray
    RandAugment RandomAffine RandomCenterCropPad RandomCutOut RandomGrayscale RandomMosaic RandomRotate Rerange Rotate
    Sharpness ShearX ShearY Solarize SolarizeAdd TranslateX TranslateY YOLOXHSVRandomAug
    """.split()
)


@TRANSFORMS.register_module()
class StackReference(BaseTransform):
    """Make the reference channels 4 to 6 of ``img``, so that what moves the picture moves its reference too.

    The transforms of mmdet and mmseg know nothing of references. Resizing (bilinear, nearest, area), flips and crops
    work on any number of channels, and what they draw is drawn once. :class:`PackWithReference` divides both again::

        dict(type='LoadImageFromFile'),
        dict(type='llv.LoadReference', replace={'train/night': 'train/day'}),
        dict(type='llv.StackReference'),
        …,  # LoadAnnotations, Resize, RandomFlip, RandomCrop, MinIoURandomCrop
        dict(type='llv.PackWithReference', pack=dict(type='mmdet.PackDetInputs')),

    Transforms that change colours, and those that fill with a colour (``Pad``, ``Expand``), do not belong between them:
    change colours behind the enhancer (``distortion`` of ``llv.EnhancedDataPreprocessor``) and let the base pad.

    Raises:
        ValueError: There is no reference, its size is another one, or the picture has not three channels.
    """

    def transform(self, results: dict) -> dict:
        """``img``: (H, W, 6) in the type of the picture, picture first; ``reference`` goes."""
        reference = reference_of(results)
        if reference is None:
            raise ValueError(
                '`StackReference` found no `reference`; put `llv.LoadReference` in front of it.'
            )
        picture = results['img']
        if picture.shape[2:] != (3,):
            raise ValueError(
                f'`StackReference` needs a colour picture of 3 channels, but `img` has shape {picture.shape}; load it '
                "with `color_type='color'`, and stack it once."
            )
        results['img'] = np.concatenate([picture, reference.astype(picture.dtype)], axis=2)
        del results['reference']
        return results


@TRANSFORMS.register_module()
class PackWithReference(BaseTransform):
    """Pack as another packer does, and give the sample the reference that is stacked behind its picture.

    ``data_samples.reference`` is PixelData with (3, H, W) uint8 RGB, as of ``llv.PackEnhancementInputs``; all else is
    the packer's. See :class:`StackReference`.

    Args:
        pack: Config of a packer, such as ``mmdet.PackDetInputs`` or ``mmseg.PackSegInputs``.

    Raises:
        ValueError: The picture has not six channels.
    """

    def __init__(self, pack: Mapping[str, Any]) -> None:
        self.pack = TRANSFORMS.build(pack)

    def transform(self, results: dict) -> dict:
        """Return what the packer does, with ``data_samples.reference``."""
        stacked = results['img']
        if stacked.shape[2:] != (6,):
            raise ValueError(
                f'`PackWithReference` needs a picture with its reference, (H, W, 6), but `img` has shape '
                f'{stacked.shape}; put `llv.StackReference` behind the loaders, and nothing that changes colours '
                'behind it.'
            )
        packed = self.pack({**results, 'img': np.ascontiguousarray(stacked[..., :3])})
        # mm loads BGR; references are RGB everywhere in llv
        reference = stacked[..., :2:-1].transpose(2, 0, 1)
        if reference.dtype != np.uint8:  # resizing may leave the range, bicubic does
            reference = reference.round().clip(0, 255)
        reference = np.ascontiguousarray(reference, np.uint8)
        packed['data_samples'].set_field(
            PixelData(data=torch.from_numpy(reference)), 'reference', dtype=PixelData
        )
        return packed


def check_stacked(dataset: Any) -> None:
    """Refuse transforms of mm's packages that would change a stacked reference in another way than its picture needs.

    Args:
        dataset: A data set, wrapped or joined ones too; others than those with pipelines have nothing to check.

    Raises:
        ValueError: Such a transform stands between ``llv.StackReference`` and ``llv.PackWithReference``.
    """
    for inner in [getattr(dataset, 'dataset', None), *(getattr(dataset, 'datasets', None) or ())]:
        if inner is not None:
            check_stacked(inner)
    transforms = getattr(getattr(dataset, 'pipeline', None), 'transforms', ())
    stacked = False
    for transform in _flat(transforms):
        if isinstance(transform, StackReference):
            stacked = True
        elif isinstance(transform, PackWithReference):
            return
        elif stacked and type(transform).__name__ in _UNFIT:
            raise ValueError(
                f'`{type(transform).__name__}` does not work on a picture with its reference behind it; take it out '
                'from between `llv.StackReference` and `llv.PackWithReference`.'
            )


def _flat(transforms: Any) -> Iterator[Any]:
    """Transforms with those inside of others, such as ``RandomApply``."""
    for transform in transforms:
        if isinstance(transform, list | tuple):
            yield from _flat(transform)
            continue
        yield transform
        inner = getattr(transform, 'transforms', ())
        yield from _flat(
            inner if isinstance(inner, list | tuple) else getattr(inner, 'transforms', ())
        )
