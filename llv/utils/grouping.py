"""Pictures of one size go through a network together, others by themselves."""

from collections.abc import Sequence

from torch import Tensor


def group_by_size(pictures: Sequence[Tensor]) -> list[list[int]]:
    """Indices of the pictures that share height and width, in the order of first appearance.

    Batching this way needs no padding, which several enhancers would see as picture content.

    >>> import torch
    >>> group_by_size([torch.zeros(3, 4, 5), torch.zeros(3, 2, 2), torch.zeros(3, 4, 5)])
    [[0, 2], [1]]
    """
    groups: dict[tuple[int, int], list[int]] = {}
    for index, picture in enumerate(pictures):
        groups.setdefault(tuple(picture.shape[-2:]), []).append(index)
    return list(groups.values())
