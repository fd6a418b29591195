"""What necks say when they get other maps than they were built for."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


def check_maps(neck: nn.Module, maps: Sequence[Tensor], count: int, further: bool = False) -> None:
    """Refuse another number of maps.

    Args:
        neck: Who takes them.
        maps: What comes in.
        count: How many it was built for.
        further: Whether more may come, which pass through.

    Raises:
        ValueError: There are fewer, or more where none may pass through.
    """
    if len(maps) < count or (len(maps) > count and not further):
        raise ValueError(
            f'`{type(neck).__name__}` takes {"at least " * further}{count} maps, but got {len(maps)}; let what stands '
            'before it give as many, or change its `in_channels`.'
        )
