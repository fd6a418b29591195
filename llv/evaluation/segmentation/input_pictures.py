"""The picture of a sample as the data loader gave it, in the frame of the label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from .samples import name_of

_FLIPPED_AXES = dict(horizontal=(2,), vertical=(1,), diagonal=(1, 2))


def input_picture(
    batch: Mapping[str, Any] | None, index: int, sample: Mapping[str, Any]
) -> np.ndarray:
    """The input of a sample without padding at its right and bottom, and not flipped; its size stays as it is.

    Args:
        batch: What the data loader gave, with ``inputs`` and, for padding and flips, ``data_samples``; both hold lists
            of views under TTA, of which the first is taken.
        index: Which sample of the batch.
        sample: The sample as the evaluator hands it on, for messages, and for its metainfo where the batch has no
            samples.

    Returns:
        (3, H, W), uint8 or float.

    Raises:
        ValueError: The batch has no pictures, or they have not three channels.
    """
    if not isinstance(batch, Mapping) or 'inputs' not in batch:
        raise ValueError(
            '`RegionIoUMetric` needs the pictures that the model was given, but the batch has no `inputs`; run it '
            'in `tools/test.py`, not on dumped predictions.'
        )
    inputs, samples = batch['inputs'], batch.get('data_samples')
    if _is_views(inputs):
        inputs, samples = inputs[0], samples and samples[0]
    picture = inputs[index]
    if not isinstance(picture, Tensor) or picture.ndim != 3 or picture.shape[0] != 3:
        got = tuple(picture.shape) if isinstance(picture, Tensor) else type(picture).__name__
        raise ValueError(
            f'The input of `{name_of(sample)}` must be a colour picture (3, H, W), but is {got}.'
        )
    # the sample that comes out may be another view's, and an enhancer that enlarges has changed its `img_shape`
    meta = samples[index].metainfo if samples else sample
    height, width = meta.get('img_shape', picture.shape[1:])[:2]
    picture = picture[:, :height, :width].cpu().numpy()
    if meta.get('flip'):
        picture = np.flip(picture, _FLIPPED_AXES[meta['flip_direction']])
    return picture


def _is_views(inputs: Sequence[Any]) -> bool:
    first = inputs[0]
    return isinstance(first, Sequence) or (isinstance(first, Tensor) and first.ndim == 4)
