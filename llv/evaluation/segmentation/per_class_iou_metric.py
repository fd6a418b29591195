"""Intersection over union of every class, and means over published selections of classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from mmseg.evaluation import IoUMetric
from torch import Tensor

from llv.registry import METRICS

from .class_views import check_known, get_classes, get_views, mean_over
from .samples import classes_of, label_map, prediction_and_label


@METRICS.register_module()
class PerClassIoUMetric(IoUMetric):
    """``IoUMetric`` of mmseg, which prints the figures of classes, with these figures among its results.

    The results of ``IoUMetric`` stay as they are (``aAcc``, ``mIoU``, ``mAcc`` …, percent, two digits). Added are
    ``IoU.<class>``, and ``mIoU.<view>`` for each of `views`, in percent and unrounded, from counts that are summed
    exactly (``IoUMetric`` sums in float32).

    **Absent classes.** A class that is neither in the labels nor predicted has no IoU. By default it is not returned
    and left out of all means, as ``IoUMetric`` does, so no result is ever NaN; a class that is only predicted has 0
    and counts. Hence two models may be averaged over different classes on a small set; ``absent='zero'`` averages over
    all of them.

    Args:
        views: Selections of classes to average over, see :data:`CLASS_VIEWS`: names, or one's own as
            ``{name: [classes]}``. The mean over a view is that of the papers: plain, over the classes of a model that
            keeps all its outputs.
        classes_to_report: Classes, or the name of a view, over which ``mIoU``, ``mAcc`` and the other means are taken,
            for tools that look at ``mIoU`` alone (``save_best``); the means over all classes are then ``mIoU.all`` and
            so on. ``aAcc`` counts pixels of all classes and ``IoU.<class>`` is there for all. None reports all.
        absent: ``'skip'``, or ``'zero'``: whatever ``IoUMetric`` has as NaN counts 0 (its ``nan_to_num=0``).
        ignore_index, iou_metrics, beta, collect_device, output_dir, format_only, prefix: As ``IoUMetric``.

    Raises:
        ValueError: An argument is out of range, a view or class is not known, or samples lack a label or prediction.
    """

    def __init__(
        self,
        views: str | Sequence[str] | Mapping[str, Sequence[str]] = (),
        classes_to_report: str | Sequence[str] | None = None,
        absent: str = 'skip',
        ignore_index: int = 255,
        iou_metrics: Sequence[str] = ('mIoU',),
        beta: int = 1,
        collect_device: str = 'cpu',
        output_dir: str | None = None,
        format_only: bool = False,
        prefix: str | None = None,
    ) -> None:
        if absent not in ('skip', 'zero'):
            raise ValueError(f"`absent` must be 'skip' or 'zero', but got {absent!r}.")
        if format_only and not output_dir:
            raise ValueError('`format_only` writes label maps: name the folder with `output_dir`.')
        super().__init__(
            ignore_index=ignore_index,
            iou_metrics=iou_metrics if isinstance(iou_metrics, str) else list(iou_metrics),
            nan_to_num=0 if absent == 'zero' else None,
            beta=beta,
            collect_device=collect_device,
            output_dir=output_dir,
            format_only=format_only,
            prefix=prefix,
        )
        self.views = get_views(views)
        if 'all' in self.views:
            raise ValueError('A class view must not be named `all`, which is the mean over all.')
        self.classes_to_report = None
        if classes_to_report is not None:
            self.classes_to_report = get_classes(classes_to_report)

    @property
    def dataset_meta(self) -> dict | None:
        """Metainfo of the data set; setting it checks the classes of views."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, meta: dict) -> None:
        known = classes_of(meta, 'PerClassIoUMetric')
        for name, classes in self.views.items():
            check_known(classes, known, f'The class view `{name}`')
        check_known(self.classes_to_report or (), known, '`classes_to_report`')
        self._dataset_meta = meta

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Count the pixels of a batch.

        Args:
            data_batch: Not used.
            data_samples: With ``pred_sem_seg`` and, unless `format_only`, ``gt_sem_seg`` of the same size.
        """
        for sample in data_samples:
            if self.format_only:
                label_map(sample, 'pred_sem_seg')
            else:
                prediction_and_label(sample)
        super().process(data_batch, data_samples)

    def compute_metrics(self, results: list[tuple[Tensor, ...]]) -> dict[str, float]:
        """The figures of ``IoUMetric``, of classes and of views."""
        figures = super().compute_metrics(results)
        if self.format_only:
            return figures
        # numpy's float32 of two digits would be written to JSON with eight
        figures = {name: round(float(value), 2) for name, value in figures.items()}
        classes = self.dataset_meta['classes']
        columns = zip(*results, strict=True)  # intersection, union, predicted, labelled
        areas = [torch.stack(column).sum(0, dtype=torch.float64) for column in columns]
        if self.classes_to_report is not None:
            named = self.total_area_to_metrics(*areas, self.metrics, self.nan_to_num, self.beta)
            del named['aAcc']
            for key, values in named.items():
                by_class = dict(zip(classes, (100 * values).tolist(), strict=True))
                mean = mean_over(by_class, self.classes_to_report)
                figures[f'm{key}.all'] = figures[f'm{key}']
                figures[f'm{key}'] = math.nan if mean is None else round(mean, 2)
        ious = 100 * areas[0] / areas[1]
        if self.nan_to_num is not None:
            ious = ious.nan_to_num(self.nan_to_num)
        by_class = dict(zip(classes, ious.tolist(), strict=True))
        figures.update({f'IoU.{name}': value for name, value in by_class.items()})
        for name, view in self.views.items():
            mean = mean_over(by_class, view)
            figures[f'mIoU.{name}'] = math.nan if mean is None else mean
        self._log(figures, by_class)
        return {name: value for name, value in figures.items() if not math.isnan(value)}

    def _log(self, figures: Mapping[str, float], by_class: Mapping[str, float]) -> None:
        absent = [name for name, value in by_class.items() if math.isnan(value)]
        for name, view in self.views.items():
            counted = sum(kind not in absent for kind in view)
            print_log(
                f'mIoU.{name}: {figures[f"mIoU.{name}"]:.2f}, the mean over {counted} of {len(view)} classes',
                logger='current',
            )
        if absent:
            print_log(f'In no label and no prediction: {", ".join(absent)}', logger='current')
