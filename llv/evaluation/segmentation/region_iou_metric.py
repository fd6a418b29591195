"""Where a segmentor is right: by the brightness of the dark picture, and near the boundaries of labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from llv.registry import METRICS
from llv.utils.markdown import markdown_table

from .class_views import check_known, get_classes, mean_over
from .input_pictures import input_picture
from .regions import LEVELS, boundary_band, equal_groups, local_brightness
from .samples import classes_of, prediction_and_label

_INTERIOR, _BOUNDARY = 0, 1


# no named tuple: mmengine would hand it on as a plain one
@dataclass(frozen=True)
class _Picture:
    """The counts of a picture that are not 0; a dark picture uses few levels, and few classes in each."""

    places: np.ndarray  # (N,) int32 into the flattened (levels, 2, 3, classes + 1)
    pixels: np.ndarray  # (N,) int32


@METRICS.register_module()
class RegionIoUMetric(BaseMetric):
    """Mean IoU by local brightness of the input, and near and far from label boundaries: where does enhancement help?

    Brightness is that of the dark picture as the pipeline hands it to the model, before any enhancer, so the same
    pixels are ``dark1`` for every model that is measured behind one pipeline. It is the mean luma of a window around
    the pixel, rounded to one of 256 levels. Levels are then grouped into `quantiles` of as equal pixel numbers as they
    allow over the whole data set; labelled pixels count only.

    Returned, in percent and unrounded:

    * ``mIoU.dark1`` (darkest) … ``mIoU.dark4``, ``mIoU.boundary``, ``mIoU.interior``;
    * ``pixels.dark1`` …: the region's share of all labelled pixels;
    * ``brightness.dark1`` …: its highest level (0..255; the next group begins above it);
    * with `per_class`, ``IoU.dark1.<class>`` …

    A class that is neither in the labels nor among the predictions of a region is left out of its mean, and one that
    is only predicted there counts 0, as in ``mIoU`` (with ``quantiles=1``, ``mIoU.dark1`` is ``mIoU``). **So the
    means of two regions are over different classes**: compare models within a region, not regions within a model; the
    log says over how many classes each mean is.

    Args:
        quantiles: Number of brightness groups. There are fewer where the pictures have fewer levels.
        window: Side of the window as a share of the shorter side of the picture; 33 pixels of 1080.
        boundary: How far the band reaches to each side of a label change, as a share of the diagonal of the label, at
            least 1 pixel; 11 pixels of 1920 × 1080. Edges of ignored regions are no changes.
        channel_order: ``'bgr'`` (mm's loaders) or ``'rgb'``, the order in which the loader hands pictures over.
        classes_to_report: Classes, or the name of a view of :data:`CLASS_VIEWS`, to take the means over. None: all.
        per_class: Return the figures of classes too.
        ignore_index: The label value that does not count.
        collect_device: As mmengine's ``BaseMetric``.
        prefix: As mmengine's ``BaseMetric``.

    Raises:
        ValueError: An argument is out of range, or the batch lacks pictures, labels or predictions.
    """

    def __init__(
        self,
        quantiles: int = 4,
        window: float = 1 / 32,
        boundary: float = 0.005,
        channel_order: str = 'bgr',
        classes_to_report: str | Sequence[str] | None = None,
        per_class: bool = False,
        ignore_index: int = 255,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if not isinstance(quantiles, int) or not 1 <= quantiles <= LEVELS:
            raise ValueError(
                f'`quantiles` must be a whole number in 1..{LEVELS}, but got {quantiles}.'
            )
        for name, share in (('window', window), ('boundary', boundary)):
            if not 0 < share <= 1:
                raise ValueError(f'`{name}` is a share and must be in (0, 1], but got {share}.')
        if channel_order not in ('bgr', 'rgb'):
            raise ValueError(f"`channel_order` must be 'bgr' or 'rgb', but got {channel_order!r}.")
        self.quantiles = quantiles
        self.window = window
        self.boundary = boundary
        self.channel_order = channel_order
        self.classes_to_report = None
        if classes_to_report is not None:
            self.classes_to_report = get_classes(classes_to_report)
        self.per_class = per_class
        self.ignore_index = ignore_index

    @property
    def dataset_meta(self) -> dict | None:
        """Metainfo of the data set; setting it checks `classes_to_report`."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, meta: dict) -> None:
        known = classes_of(meta, 'RegionIoUMetric')
        check_known(self.classes_to_report or (), known, '`classes_to_report`')
        self._dataset_meta = meta

    def process(
        self, data_batch: Mapping[str, Any] | None, data_samples: Sequence[Mapping[str, Any]]
    ) -> None:
        """Count the pixels of a batch.

        Args:
            data_batch: What the data loader gave: ``inputs`` (3, H, W) each, uint8 or float in 0..255, before any
                preprocessor, and ``data_samples``; under TTA both hold lists of views.
            data_samples: With ``pred_sem_seg`` and ``gt_sem_seg`` of the same size.
        """
        classes = len(self.dataset_meta['classes'])
        for index, sample in enumerate(data_samples):
            predicted, label = (v.cpu().numpy() for v in prediction_and_label(sample))
            picture = input_picture(data_batch, index, sample)
            brightness = local_brightness(picture, self.window, self.channel_order)
            if brightness.shape != label.shape:
                size = label.shape[::-1]
                brightness = cv2.resize(brightness, size, interpolation=cv2.INTER_LINEAR)
            reach = max(1, round(self.boundary * math.hypot(*label.shape)))
            band = boundary_band(label, reach, self.ignore_index)
            counts = _count(predicted, label, np.rint(brightness), band, classes, self.ignore_index)
            places = np.flatnonzero(counts)
            self.results.append(_Picture(places.astype(np.int32), counts[places].astype(np.int32)))

    def compute_metrics(self, results: list[_Picture]) -> dict[str, float]:
        """Figures of all regions."""
        classes = self.dataset_meta['classes']
        counts = np.zeros(LEVELS * 2 * 3 * (len(classes) + 1), np.int64)
        for picture in results:
            counts[picture.places] += picture.pixels
        # (levels, boundary or not, [intersection, predicted, labelled], classes and what is none of them)
        counts = counts.reshape(LEVELS, 2, 3, len(classes) + 1)
        by_level = counts[:, :, 2].sum(axis=(1, 2))
        if not by_level.any():
            print_log('`RegionIoUMetric` found no labelled pixel.', logger='current')
            return {}
        regions, limits, start = {}, {}, 0
        for index, limit in enumerate(equal_groups(by_level, self.quantiles), 1):
            regions[f'dark{index}'] = counts[start : limit + 1].sum(axis=(0, 1))
            limits[f'dark{index}'] = float(limit)
            start = limit + 1
        if len(limits) < self.quantiles:
            print_log(
                f'Only {len(limits)} levels of brightness occur, so there are as many groups.',
                logger='current',
            )
        regions['boundary'] = counts[:, _BOUNDARY].sum(axis=0)
        regions['interior'] = counts[:, _INTERIOR].sum(axis=0)

        ious = {name: self._ious(areas) for name, areas in regions.items()}
        averaged = self.classes_to_report or classes
        means = {name: mean_over(values, averaged) for name, values in ious.items()}
        figures = {f'mIoU.{name}': mean for name, mean in means.items() if mean is not None}
        for name, areas in regions.items():
            figures[f'pixels.{name}'] = 100 * float(areas[2].sum() / by_level.sum())
        figures.update({f'brightness.{name}': limit for name, limit in limits.items()})
        if self.per_class:
            for name, values in ious.items():
                present = {c: value for c, value in values.items() if not math.isnan(value)}
                figures.update({f'IoU.{name}.{c}': value for c, value in present.items()})
        counted = {
            name: sum(not math.isnan(values[c]) for c in averaged) for name, values in ious.items()
        }
        self._log(figures, counted, len(results))
        return figures

    def _log(self, figures: Mapping[str, float], counted: Mapping[str, int], pictures: int) -> None:
        rows = []
        for name, classes in counted.items():
            cells = [
                figures.get(f'{key}.{name}', math.nan) for key in ('pixels', 'brightness', 'mIoU')
            ]
            shares = (f'{cells[0]:.1f} %', f'{cells[1]:.0f}', str(classes), f'{cells[2]:.2f}')
            heads = ('region', 'pixels', 'brightness up to', 'classes', 'mIoU')
            texts = ('' if text == 'nan' else text for text in shares)
            rows.append(dict(zip(heads, (name, *texts), strict=True)))
        print_log(f'{pictures} pictures\n{markdown_table(rows)}', logger='current')

    def _ious(self, areas: np.ndarray) -> dict[str, float]:
        """Percent by class, NaN for an absent one; `areas` (3, classes + 1)."""
        intersection, predicted, labelled = areas[:, :-1].astype(np.float64)
        union = predicted + labelled - intersection
        ious = np.divide(
            100 * intersection, union, out=np.full(len(union), np.nan), where=union > 0
        )
        return dict(zip(self.dataset_meta['classes'], ious.tolist(), strict=True))


def _count(
    predicted: np.ndarray,
    label: np.ndarray,
    level: np.ndarray,
    band: np.ndarray,
    classes: int,
    ignore_index: int,
) -> np.ndarray:
    """Pixels by level, band, kind (intersection, predicted, labelled) and class, flattened.

    The last class takes what is none: a label outside of the classes still makes a prediction a mistake, as in
    ``IoUMetric``.
    """
    columns = classes + 1
    valid = label != ignore_index
    cell = level[valid].astype(np.int32)
    cell *= 2
    cell += band[valid]
    label, predicted = (_or_none(values[valid], classes) for values in (label, predicted))
    right = label == predicted
    size = LEVELS * 2 * columns
    # one pass for labels and intersection together, another over the mistakes alone
    both = np.bincount((cell * columns + label) * 2 + right, minlength=2 * size).reshape(-1, 2)
    wrong = ~right
    missed = np.bincount(cell[wrong] * columns + predicted[wrong], minlength=size)
    intersection = both[:, 1]
    counts = np.stack([intersection, intersection + missed, both.sum(axis=1)])
    return counts.reshape(3, LEVELS, 2, columns).transpose(1, 2, 0, 3).reshape(-1)


def _or_none(values: np.ndarray, classes: int) -> np.ndarray:
    """Class indices, int32, `classes` for those that are none."""
    values = values.astype(np.int32)
    values[(values < 0) | (values >= classes)] = classes
    return values
