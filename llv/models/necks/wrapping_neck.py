"""Necks that hold another one and are loaded from its checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModule

from llv.registry import MODELS

_INNER = 'neck.'


class WrappingNeck(BaseModule):
    """A neck around another, ``self.neck``, or around none.

    A checkpoint of the model without the outer neck loads: where a name is unknown here and known inside, the
    value goes inside. So a published detector with an FPN is missing nothing but what was added.

    Args:
        neck: Config of the inner neck of any mm package, or None.
    """

    def __init__(
        self, neck: dict[str, Any] | None, init_cfg: dict | list[dict] | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.neck = None if neck is None else MODELS.build(neck)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        own = self.state_dict(keep_vars=True)
        inner = {_bare(name): name for name in own if name.startswith(_INNER)}
        for key in list(state_dict):
            name = key.removeprefix(prefix)
            if key.startswith(prefix) and name not in own and name in inner:
                state_dict[prefix + inner[name]] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def chosen_levels(levels: Sequence[int] | None, count: int) -> set[int]:
    """Indices of the maps that a neck works on.

    Args:
        levels: What the user said; None for all, and -1 is the last.
        count: Number of maps.

    Raises:
        ValueError: There is no such map.
    """
    if levels is None:
        return set(range(count))
    if not levels or not all(-count <= level < count for level in levels):
        raise ValueError(
            f'`levels` must be indices of the {count} maps, 0 to {count - 1}, but got {levels!r}.'
        )
    return {level % count for level in levels}


def _bare(name: str) -> str:
    """The name in the innermost neck, since necks may be wrapped twice."""
    while name.startswith(_INNER):
        name = name.removeprefix(_INNER)
    return name
