"""What regularisers ask of the batches that they see."""

import logging

from mmengine.logging import print_log
from torch import Tensor


def check_pair(results: Tensor, references: Tensor) -> None:
    """Two batches of pictures of one shape.

    Raises:
        ValueError: They are not.
    """
    if results.shape != references.shape or results.ndim != 4 or results.shape[1] != 3:
        raise ValueError(
            f'`references` {tuple(references.shape)} must have the shape of the results {tuple(results.shape)}, '
            '(B, 3, H, W); pair pictures of one size.'
        )


def warn_of_one(consequence: str) -> None:
    """Tell that a picture had no other of its size in its batch.

    Args:
        consequence: What follows from it, a clause.
    """
    print_log(
        'A picture has no other of its size in its batch to relate to, and '
        f'{consequence}; use a `batch_size` of at least 2 and crops of one size.',
        logger='current',
        level=logging.WARNING,
    )
