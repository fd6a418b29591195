"""A look at every label map while it is loaded."""

from __future__ import annotations

from mmcv.transforms import BaseTransform

from llv.registry import TRANSFORMS
from llv.utils.label_maps import LabelMapError, check_ids


@TRANSFORMS.register_module()
class CheckLabelMap(BaseTransform):
    """Refuse a label map with ids that no class has, or that does not belong to its picture.

    Stands right after ``LoadAnnotations``. Without it, unknown ids are an error of CUDA or a meaningless loss in
    training, and silently left out of the label areas in testing; label maps of another size are cropped at the wrong
    place. A map of 2 megapixels takes a few milliseconds. Does nothing where ``gt_seg_map`` is absent, so that
    inferencers, which take ``LoadAnnotations`` out, may keep it.

    Reads ``gt_seg_map`` (H, W), ``ori_shape`` (the picture's height and width as loaded), ``label_map`` and
    ``num_classes`` (of llv's readers); changes nothing.

    Args:
        classes: Number of classes; by default that of the reader. Needed with mmseg's own readers unless
            ``metainfo`` chooses among the classes.
        ignore_index: A further allowed value.

    Raises:
        LabelMapError: The map is in colour, has another size than its picture, or unknown ids.
        ValueError: The number of classes is not known.
    """

    def __init__(self, classes: int | None = None, ignore_index: int = 255) -> None:
        self.classes = classes
        self.ignore_index = ignore_index

    def transform(self, results: dict) -> dict:
        """Check ``gt_seg_map``."""
        label_map = results.get('gt_seg_map')
        if label_map is None:
            return results
        path = results.get('seg_map_path', 'without file')
        if label_map.ndim != 2:
            raise LabelMapError(
                f'The label map `{path}` has {label_map.shape[-1]} channels and not one of class ids: '
                'take the files that end in `_labelTrainIds.png`.'
            )
        # in a test the picture is resized before the labels are loaded
        size = tuple(results['ori_shape'] if 'ori_shape' in results else results['img'].shape)[:2]
        if label_map.shape != size:
            raise LabelMapError(
                f'The label map `{path}` has {label_map.shape[0]} rows and {label_map.shape[1]} '
                f'columns, its picture `{results.get("img_path")}` {size[0]} and {size[1]}: pair it with '
                'its own picture, and put `llv.CheckLabelMap` right after `LoadAnnotations`.'
            )
        check_ids(label_map, self._classes(results), self.ignore_index, path)
        return results

    def _classes(self, results: dict) -> int:
        if self.classes is not None:
            return self.classes
        if results.get('num_classes') is not None:
            return results['num_classes']
        if results.get('label_map'):  # of a choice among the classes: old id to new one
            return 1 + max(i for i in results['label_map'].values() if i != self.ignore_index)
        raise ValueError(
            '`llv.CheckLabelMap` does not know the number of classes: pass `classes`, such as 19 for '
            'Cityscapes, or use a reader of llv.'
        )

    def __repr__(self) -> str:
        return f'{type(self).__name__}(classes={self.classes}, ignore_index={self.ignore_index})'
