"""Necks made of named parts, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor

from llv.registry import MODELS


@MODELS.register_module()
class NeckChain(BaseModule):
    """Necks in a row, each given the maps of the one before.

    Args:
        parts: Name and config of each neck, in the order of the calls. The names appear in the checkpoint.

    Example:
        >>> neck = NeckChain(extra=dict(type='llv.FaceExtraNeck'), norm=dict(type='llv.L2NormNeck'))
    """

    def __init__(self, init_cfg: dict | None = None, **parts: dict[str, Any]) -> None:
        super().__init__(init_cfg)
        for name, part in parts.items():
            self.add_module(name, MODELS.build(part))

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps of the backbone in, those of the last part out."""
        for part in self.children():
            maps = part(maps)
        return tuple(maps)


@MODELS.register_module()
class DualShotNeck(BaseModule):
    """Maps for two shots (DSFD: Dual Shot Face Detector, CVPR 2019, figure 3): the original ones, and enhanced ones
    made from them.

    Args:
        extra: Config of the neck that adds the coarsest maps to the backbone's.
        enhanced: Config of the neck that takes the maps of `extra`.
        norm: Config of what normalises the maps of `extra` for the first shot, or None; `enhanced` sees them before.
    """

    def __init__(
        self,
        extra: dict[str, Any],
        enhanced: dict[str, Any],
        norm: dict[str, Any] | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.extra = MODELS.build(extra)
        self.enhanced = MODELS.build(enhanced)
        self.norm = None if norm is None else MODELS.build(norm)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The enhanced maps, fine to coarse, followed by the original ones: twice as many as `extra` gives."""
        maps = self.extra(maps)
        return (*self.enhanced(maps), *(maps if self.norm is None else self.norm(maps)))
