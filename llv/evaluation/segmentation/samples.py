"""What the metrics of segmentors take out of a data sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def classes_of(meta: Mapping[str, Any] | None, metric: str) -> tuple[str, ...]:
    """The classes of a data set.

    Raises:
        ValueError: Its metainfo names none.
    """
    if not meta or not meta.get('classes'):
        raise ValueError(
            f'`{metric}` found no `classes` in the metainfo of the data set; give it `metainfo=dict(classes=...)`.'
        )
    return tuple(meta['classes'])


def label_map(sample: Mapping[str, Any], field: str) -> Tensor:
    """A label map of a sample, (H, W).

    Args:
        sample: A data sample as mmengine's evaluator hands it on, a mapping.
        field: ``pred_sem_seg`` or ``gt_sem_seg``.

    Raises:
        ValueError: The sample has none.
    """
    if field not in sample:
        remedy = (
            'use the metric with a segmentor'
            if field == 'pred_sem_seg'
            else '`LoadAnnotations` must be in the test pipeline, and the split must have labels'
        )
        raise ValueError(f'`{name_of(sample)}` has no `{field}`; {remedy}.')
    data = sample[field]['data']
    return data.reshape(data.shape[-2:])


def prediction_and_label(sample: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """Both label maps of a sample, (H, W) each, of one size.

    Raises:
        ValueError: One is missing, or their sizes differ.
    """
    predicted, label = label_map(sample, 'pred_sem_seg'), label_map(sample, 'gt_sem_seg')
    if predicted.shape != label.shape:
        raise ValueError(
            f'The label of `{name_of(sample)}` has size {tuple(label.shape)}, its prediction {tuple(predicted.shape)}; '
            'put `LoadAnnotations` behind `Resize` in the test pipeline.'
        )
    return predicted, label


def name_of(sample: Mapping[str, Any]) -> str:
    """What messages call a sample."""
    return sample.get('img_path', 'A picture')
