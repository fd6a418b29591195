"""Average precision of every class, as PASCAL VOC defines it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from llv.registry import METRICS
from llv.utils.markdown import markdown_table

from .average_precision import best_targets, box_overlaps, judge, precision_recall
from .curves import Curve, write_curves
from .samples import instances


# no named tuple: mmengine would hand it on as a plain one
@dataclass(frozen=True)
class _Picture:
    """A picture's detections, judged, and its objects."""

    scores: np.ndarray  # (N,)
    labels: np.ndarray  # (N,)
    verdicts: np.ndarray  # (T, N), one row a threshold
    objects: np.ndarray  # (classes,) how many there are to find
    groups: tuple[str, ...]  # its value of each entry of `groups`


@METRICS.register_module()
class PerClassVOCMetric(BaseMetric):
    """``VOCMetric`` of mmdet with the average precision of every class, unrounded, and its curves.

    Detections are matched by score to the object of their class that they overlap most. Returned are
    ``mAP`` (the mean over thresholds and classes), ``AP50`` (the mean over classes, one for each
    threshold), ``AP50.<Class>`` in the order of the classes, and with `groups` ``mAP.light.Low`` and so
    on, from the pictures of that group alone. Classes without an object are left out everywhere, so a
    mean over no class is 0.

    Args:
        iou_thrs: One or more overlaps that a detection needs.
        eval_mode: ``'area'`` (what ExDark's papers mean) or ``'11points'``.
        legacy_plus_one: Count both border pixels of a box, as ``VOCMetric`` does; False for corners that
            are continuous coordinates.
        groups: Entries of the data set's records to make groups by, such as ``('light', 'indoor')`` of
            ExDark; they must be among the ``meta_keys`` of ``PackDetInputs``.
        outfile_prefix: Write the curves to ``<outfile_prefix>.AP50.json``, one file a threshold; for
            ``tools/analysis_tools/plot_curves.py``.
        collect_device: As mmengine's ``BaseMetric``.
        prefix: As mmengine's ``BaseMetric``.

    Attributes:
        curves: After an evaluation, the full precision-recall curves by threshold (``AP50``) and class.

    Raises:
        ValueError: An argument is out of range, or samples lack annotations, predictions or a group.
    """

    default_prefix = 'pascal_voc'

    def __init__(
        self,
        iou_thrs: float | Sequence[float] = 0.5,
        eval_mode: str = 'area',
        legacy_plus_one: bool = True,
        groups: str | Sequence[str] = (),
        outfile_prefix: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        thresholds = [iou_thrs] if isinstance(iou_thrs, (int, float)) else list(iou_thrs)
        if not thresholds or not all(0 < threshold <= 1 for threshold in thresholds):
            raise ValueError(f'`iou_thrs` must be in (0, 1], but got {iou_thrs}.')
        if eval_mode not in ('area', '11points'):
            raise ValueError(f"`eval_mode` must be 'area' or '11points', but got {eval_mode!r}.")
        self.thresholds = {f'AP{round(100 * value):02d}': float(value) for value in thresholds}
        if len(self.thresholds) < len(thresholds):
            raise ValueError(
                f'`iou_thrs` must differ by a hundredth at least, for names like `AP50`, but got {iou_thrs}.'
            )
        self.eval_mode = eval_mode
        self.legacy_plus_one = legacy_plus_one
        self.groups = (groups,) if isinstance(groups, str) else tuple(groups)
        self.outfile_prefix = outfile_prefix
        self.curves: dict[str, dict[str, Curve]] = {}

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Judge the detections of a batch.

        Args:
            data_batch: Not used.
            data_samples: With ``gt_instances``, ``ignored_instances`` and ``pred_instances``, corners in
                pixels of the original picture.
        """
        for sample in data_samples:
            boxes, labels = instances(sample, 'gt_instances', ('bboxes', 'labels'))
            spared, spared_labels = instances(sample, 'ignored_instances', ('bboxes', 'labels'))
            found, scores, found_labels = instances(
                sample, 'pred_instances', ('bboxes', 'scores', 'labels')
            )
            ignored = np.arange(len(boxes) + len(spared)) >= len(boxes)
            overlaps = box_overlaps(found, np.vstack([boxes, spared]), self.legacy_plus_one)
            # an object of another class is as good as none
            same = found_labels[:, None] == np.concatenate([labels, spared_labels])
            overlaps, targets = best_targets(np.where(same, overlaps, -1.0))
            verdicts = [
                judge(scores, overlaps, targets, ignored, threshold)
                for threshold in self.thresholds.values()
            ]
            objects = np.bincount(labels, minlength=len(self.dataset_meta['classes']))
            groups = tuple(self._group(sample, name) for name in self.groups)
            self.results.append(_Picture(scores, found_labels, np.stack(verdicts), objects, groups))

    def compute_metrics(self, results: list[_Picture]) -> dict[str, float]:
        """Average precisions over all pictures and over the groups."""
        self.curves = self._curves(results)
        figures = self._means(self.curves)
        for name, curves in self.curves.items():
            figures.update({f'{name}.{c}': v.ap for c, v in curves.items() if v.ap is not None})
        for index, name in enumerate(self.groups):
            for value in sorted({picture.groups[index] for picture in results}):
                members = [picture for picture in results if picture.groups[index] == value]
                figures[f'mAP.{name}.{value}'] = self._means(self._curves(members))['mAP']
        if self.outfile_prefix is not None:
            for name, curves in self.curves.items():
                shown = {c: curve for c, curve in curves.items() if curve.ap is not None}
                title = f'{name}, {self.eval_mode}'
                write_curves(f'{self.outfile_prefix}.{name}.json', 'pr', title, shown)
        self._log(results)
        return figures

    def _curves(self, pictures: Sequence[_Picture]) -> dict[str, dict[str, Curve]]:
        """By threshold and class."""
        scores = np.concatenate([picture.scores for picture in pictures])
        labels = np.concatenate([picture.labels for picture in pictures])
        verdicts = np.concatenate([picture.verdicts for picture in pictures], axis=1)
        objects = sum(picture.objects for picture in pictures)
        curves: dict[str, dict[str, Curve]] = {name: {} for name in self.thresholds}
        for label, kind in enumerate(self.dataset_meta['classes']):
            own = np.flatnonzero(labels == label)
            for row, name in enumerate(self.thresholds):
                curves[name][kind] = precision_recall(
                    scores[own], verdicts[row, own], int(objects[label]), self.eval_mode
                )
        return curves

    def _means(self, curves: Mapping[str, Mapping[str, Curve]]) -> dict[str, float]:
        means = {}
        for name, of_class in curves.items():
            values = [curve.ap for curve in of_class.values() if curve.ap is not None]
            means[name] = float(np.mean(values)) if values else 0.0
        return dict(mAP=float(np.mean(list(means.values()))), **means)

    def _group(self, sample: Mapping[str, Any], name: str) -> str:
        if name not in sample:
            picture = sample.get('img_path', 'A picture')
            raise ValueError(
                f'`{picture}` has no `{name}`, which `groups` of `PerClassVOCMetric` asks for; add it to '
                '`meta_keys` of `PackDetInputs` or leave it out of `groups`.'
            )
        return str(sample[name])

    def _log(self, results: Sequence[_Picture]) -> None:
        objects = sum(picture.objects for picture in results)
        rows = []
        for label, kind in enumerate(self.dataset_meta['classes']):
            if not objects[label]:
                continue
            row = dict(**{'class': kind}, objects=str(objects[label]))
            for name in self.thresholds:
                curve = self.curves[name][kind]
                row['detections'] = str(len(curve.score))
                row[f'recall {name[2:]}'] = f'{curve.x[-1] if len(curve.x) else 0:.3f}'
                row[name] = f'{curve.ap:.3f}'
            rows.append(row)
        if rows:
            print_log(f'{len(results)} pictures\n{markdown_table(rows)}', logger='current')
