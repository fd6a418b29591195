"""What the metrics of detectors take out of a data sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def instances(sample: Mapping[str, Any], field: str, columns: tuple[str, ...]) -> list[np.ndarray]:
    """Columns of one kind of instances of a sample, as arrays.

    Args:
        sample: A data sample as mmengine's evaluator hands it on, a mapping.
        field: ``gt_instances``, ``ignored_instances`` or ``pred_instances``.
        columns: Their names: ``bboxes`` (N, 4), ``labels`` (N,), ``scores`` (N,).

    Raises:
        ValueError: The sample has no such field, or values that are not finite, which no rank and no overlap has.
    """
    name = sample.get('img_path', sample.get('name', 'A picture'))
    if field not in sample:
        remedy = (
            'use the metric with a detector'
            if field == 'pred_instances'
            else '`LoadAnnotations` and `PackDetInputs` must be in the test pipeline'
        )
        raise ValueError(f'`{name}` has no `{field}`; {remedy}.')
    kept = sample[field]
    arrays = [kept[column].detach().cpu().numpy() for column in columns]
    for column, values in zip(columns, arrays, strict=True):
        if not np.isfinite(values).all():
            raise ValueError(
                f'`{name}` has `{field}.{column}` that are not finite; look at the weights and at what the '
                'enhancer returns.'
            )
    return arrays
