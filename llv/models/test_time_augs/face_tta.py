"""Several views of a picture, merged as in the test scripts of the face detectors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmcv.ops import batched_nms
from mmdet.models.test_time_augs import DetTTAModel
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from llv.models.task_modules import vote_boxes
from llv.registry import MODELS

# a smaller view is blind to small faces, a larger one sees large faces badly
SIZE_FILTERS = (dict(scale_below=1.0, min_size=30), dict(scale_above=1.0, max_size=100))
_KEYS = {'scale_below', 'scale_above', 'min_size', 'max_size'}
_MERGE = ('vote', 'nms')


@MODELS.register_module()
class FaceTTAModel(DetTTAModel):
    """Merge the faces found in views of several sizes, mirrored or not, by box voting.

    The views are those of the config's ``tta_pipeline``; the first is the base view, whose size counts as scale 1::

        tta_model = dict(type='llv.FaceTTAModel')
        tta_pipeline = [
            dict(type='LoadImageFromFile'),
            dict(
                type='TestTimeAug',
                transforms=[
                    [dict(type='Resize', scale_factor=s, keep_ratio=True) for s in (1.0, 0.5, 1.5, 2.0)],
                    [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
                    [dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape',
                                                           'scale_factor', 'flip', 'flip_direction'))],
                ],
            ),
        ]

    Source: WIDER FACE test scripts of S3FD, PyramidBox and DSFD. For their results also set ``drop_singletons=True``.

    Args:
        merge: ``vote`` (see :func:`~llv.models.task_modules.box_voting.vote_boxes`) or ``nms``.
        iou_threshold: From which IoU boxes vote together, or beyond which NMS suppresses.
        drop_singletons: With ``vote``, leave out boxes that no other box supports.
        max_per_img: The most faces a picture, best first.
        size_filters: Which faces count in which views. Each has ``scale_below`` or ``scale_above`` (views strictly
            smaller or larger than so many times the base view) and ``min_size`` (faces whose longer side exceeds it) or
            ``max_size`` (faces whose shorter side is less), in pixels of the original picture.
        kwargs: ``module`` and what else mmengine's base class takes.

    Raises:
        ValueError: ``merge`` or a key of ``size_filters`` is unknown.
    """

    def __init__(
        self,
        merge: str = 'vote',
        iou_threshold: float = 0.3,
        drop_singletons: bool = False,
        max_per_img: int = 750,
        size_filters: Sequence[Mapping[str, float]] = SIZE_FILTERS,
        **kwargs: Any,
    ) -> None:
        if merge not in _MERGE:
            raise ValueError(f'`merge` must be one of {", ".join(_MERGE)}, but got {merge!r}.')
        for rule in size_filters:
            if not rule or not _KEYS.issuperset(rule):
                raise ValueError(
                    f'`size_filters` may have {", ".join(sorted(_KEYS))}, but got {dict(rule)}; correct the keys.'
                )
        super().__init__(**kwargs)
        self.merge = merge
        self.iou_threshold = iou_threshold
        self.drop_singletons = drop_singletons
        self.max_per_img = max_per_img
        self.size_filters = [dict(rule) for rule in size_filters]

    def _merge_single_sample(self, data_samples: list[DetDataSample]) -> DetDataSample:
        """One prediction of the views of one picture, in original coordinates."""
        metas = [sample.metainfo for sample in data_samples]
        base = _scale(metas[0])
        found = [
            self._of_fitting_size(sample.pred_instances, _scale(meta) / base)
            for sample, meta in zip(data_samples, metas, strict=True)
        ]
        boxes, scores = self.merge_aug_bboxes(
            [view.bboxes for view in found], [view.scores for view in found], metas
        )
        labels = torch.cat([view.labels for view in found])
        # metrics read the ground truth that comes with the picture, which a mirrored view has mirrored
        plain = next((s for s in data_samples if not s.flip), data_samples[0])
        merged = plain.new()  # the views stay as they are
        merged.pred_instances = self._merge(boxes, scores, labels)
        return merged

    def _of_fitting_size(self, instances: InstanceData, scale: float) -> InstanceData:
        """The faces that count in a view of so many times the base view's size."""
        sides = instances.bboxes[:, 2:] - instances.bboxes[:, :2]
        kept = torch.ones(len(sides), dtype=torch.bool, device=sides.device)
        for rule in self.size_filters:
            if rule.get('scale_above', 0) < scale < rule.get('scale_below', math.inf):
                kept &= sides.amax(dim=1) > rule.get('min_size', -math.inf)
                kept &= sides.amin(dim=1) < rule.get('max_size', math.inf)
        return instances[kept]

    def _merge(self, boxes: Tensor, scores: Tensor, labels: Tensor) -> InstanceData:
        if not len(boxes):
            return InstanceData(bboxes=boxes, scores=scores, labels=labels)
        if self.merge == 'nms':
            nms = dict(type='nms', iou_threshold=self.iou_threshold)
            found, kept = batched_nms(boxes, scores, labels, nms)
            boxes, scores, labels = found[:, :4], found[:, 4], labels[kept]
        else:
            groups = []
            for label in labels.unique():
                own = labels == label
                voted = vote_boxes(
                    boxes[own],
                    scores[own],
                    self.iou_threshold,
                    self.drop_singletons,
                    self.max_per_img,
                )
                groups.append((*voted, label.expand(len(voted[0]))))
            boxes, scores, labels = map(torch.cat, zip(*groups, strict=True))
            scores, order = scores.sort(descending=True, stable=True)
            boxes, labels = boxes[order], labels[order]
        merged = InstanceData(bboxes=boxes, scores=scores, labels=labels)
        return merged[: self.max_per_img]


def _scale(meta: Mapping[str, Any]) -> float:
    """Size of a view relative to the original picture: geometric mean of both directions."""
    return math.sqrt(math.prod(meta['scale_factor']))
