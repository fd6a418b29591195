"""Average precision of objects by their size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from llv.registry import METRICS

from .average_precision import best_targets, box_areas, box_overlaps, judge, precision_recall
from .samples import instances

_COCO = tuple((50 + 5 * k) / 100 for k in range(10))


# no named tuple: mmengine would hand it on as a plain one
@dataclass(frozen=True)
class _Picture:
    """A picture's detections, judged for all sizes together and for each, and the objects there are to find."""

    scores: np.ndarray  # (N,)
    labels: np.ndarray  # (N,)
    verdicts: np.ndarray  # (S, T, N), rows by size and threshold
    objects: np.ndarray  # (S, classes)


@METRICS.register_module()
class SizeAPMetric(BaseMetric):
    """AP, the mean over overlaps of 0.5, 0.55 … 0.95 and over classes, for all objects and for those of some sizes.

    COCO's small, medium and large objects end at 32 and 96 pixels, which says nothing in pictures of 48. Here the
    bounds are given. The size of a box is the square root of its area in pixels of the original picture, where the
    annotations are, whatever the pipeline or an enhancer made of it.

    For one size, objects of the others are neither to be found nor to be missed, and detections of the others that
    meet nothing are no mistakes: as ``scale_ranges`` of mmdet's ``eval_map``, in continuous coordinates, with the area
    under the curve in the place of COCO's 101 points. Returned are ``AP`` and, by size, ``AP_small`` and ``AP50_small``
    (0.5 alone, where it is among the overlaps). Classes without an object of a size are left out of its mean, and a
    size without any object out of the figures.

    Args:
        sizes: Lowest size and the first that is too large, in pixels, by name: ``dict(small=(0, 9))``. None as the
            second for no bound.
        iou_thrs: Overlaps that a detection needs, to take the mean over.
        collect_device: As mmengine's ``BaseMetric``.
        prefix: As mmengine's ``BaseMetric``.

    Raises:
        ValueError: An argument is out of range, or samples lack annotations or predictions.
    """

    default_prefix = 'size'

    def __init__(
        self,
        sizes: Mapping[str, Sequence[float | None]],
        iou_thrs: Sequence[float] = _COCO,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.thresholds = tuple(float(value) for value in iou_thrs)
        if not self.thresholds or not all(0 < value <= 1 for value in self.thresholds):
            raise ValueError(f'`iou_thrs` must be numbers in (0, 1], but got {iou_thrs}.')
        self.sizes: dict[str, tuple[float, float]] = {'': (0.0, np.inf)}
        for name, bounds in sizes.items():
            low, high = bounds if len(bounds) == 2 else (0, 0)
            high = np.inf if high is None else high
            if not 0 <= low < high:
                raise ValueError(
                    f'`sizes.{name}` must be the lowest size and the first that is too large, but got {bounds}.'
                )
            self.sizes[name] = (float(low), float(high))

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Judge the detections of a batch.

        Args:
            data_batch: Not used.
            data_samples: With ``gt_instances``, ``ignored_instances`` and ``pred_instances``, corners in pixels of the
                original picture.
        """
        for sample in data_samples:
            boxes, labels = instances(sample, 'gt_instances', ('bboxes', 'labels'))
            spared, spared_labels = instances(sample, 'ignored_instances', ('bboxes', 'labels'))
            found, scores, found_labels = instances(
                sample, 'pred_instances', ('bboxes', 'scores', 'labels')
            )
            every = np.vstack([boxes, spared])
            hidden = np.arange(len(every)) >= len(boxes)
            # an object of another class is as good as none
            same = found_labels[:, None] == np.concatenate([labels, spared_labels])
            overlaps, targets = best_targets(np.where(same, box_overlaps(found, every), -1.0))
            verdicts, objects = [], []
            for low, high in self.sizes.values():
                away, outside = (
                    (areas < low**2) | (areas >= high**2)
                    for areas in (box_areas(every), box_areas(found))
                )
                verdicts.append(
                    [
                        judge(scores, overlaps, targets, hidden | away, threshold, outside)
                        for threshold in self.thresholds
                    ]
                )
                counted = labels[~away[: len(boxes)]]
                objects.append(np.bincount(counted, minlength=len(self.dataset_meta['classes'])))
            self.results.append(
                _Picture(scores, found_labels, np.array(verdicts, np.int8), np.stack(objects))
            )

    def compute_metrics(self, results: list[_Picture]) -> dict[str, float]:
        """Average precisions over all pictures."""
        scores = np.concatenate([picture.scores for picture in results])
        labels = np.concatenate([picture.labels for picture in results])
        verdicts = np.concatenate([picture.verdicts for picture in results], axis=2)
        objects = sum(picture.objects for picture in results)
        figures = {}
        for row, name in enumerate(self.sizes):
            kinds = np.flatnonzero(objects[row])
            if not len(kinds):
                continue
            found = np.zeros((len(self.thresholds), len(kinds)))
            for column, kind in enumerate(kinds):
                own, count = np.flatnonzero(labels == kind), int(objects[row, kind])
                for line, judged in enumerate(verdicts[row]):
                    found[line, column] = precision_recall(scores[own], judged[own], count).ap
            tail = f'_{name}' if name else ''
            figures[f'AP{tail}'] = float(found.mean())
            # `AP50` of all objects is that of other metrics, by their rules
            if name and 0.5 in self.thresholds:
                figures[f'AP50{tail}'] = float(found[self.thresholds.index(0.5)].mean())
        return figures
