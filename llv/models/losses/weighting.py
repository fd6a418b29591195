"""Losses of picture groups as one loss."""

from collections.abc import Sequence

from torch import Tensor


def mean_over_groups(
    losses: Sequence[dict[str, Tensor]], counts: Sequence[int]
) -> dict[str, Tensor]:
    """The mean of per-group losses, weighted by the number of pictures in each group.

    Args:
        losses: One dict of scalars a group, all with the same names.
        counts: Pictures a group.
    """
    total = sum(counts)
    return {
        name: sum(
            group[name] * (count / total) for group, count in zip(losses, counts, strict=True)
        )
        for name in losses[0]
    }
