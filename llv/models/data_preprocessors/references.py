"""Well-lit reference pictures that travel in data samples."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor


def stack_references(
    samples: Sequence[BaseDataElement] | None, indices: Sequence[int]
) -> Tensor | None:
    """The references of some samples as one batch.

    Args:
        samples: Data samples; a reference is ``sample.reference`` (PixelData with ``data`` (3, H, W) uint8 RGB).
        indices: Which samples.

    Returns:
        (N, 3, H, W) float32 RGB in [0, 1], or None where no sample has a reference.

    Raises:
        ValueError: Some of the samples have a reference and others none, or their sizes differ.
    """
    if samples is None:
        return None
    chosen = [samples[i] for i in indices]
    present = ['reference' in sample for sample in chosen]
    if not any(present):
        return None
    if not all(present):
        lacking = chosen[present.index(False)].get('img_path')
        raise ValueError(
            f'`{lacking}` has no reference while others of its batch have one; pair all pictures or none.'
        )
    pictures = [sample.reference.data for sample in chosen]
    if len({tuple(picture.shape) for picture in pictures}) > 1:
        raise ValueError(
            'The references of pictures of one size differ in size; crop and resize them alike.'
        )
    return torch.stack(pictures).float() / 255
