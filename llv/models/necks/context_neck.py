"""Context-sensitive prediction modules of PyramidBox."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from llv.registry import MODELS

from .maps import check_maps

_XAVIER = dict(type='Xavier', layer='Conv2d', distribution='uniform', bias=0)


class _ConvNorm(nn.Module):
    """A convolution with bias, and a batch normalisation."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class ContextPredictModule(nn.Module):
    """Context-sensitive prediction module (PyramidBox, ECCV 2018, section 3.3): C → 512 channels.

    A residual block without identity (``branch1``: 1×1 → 1024; ``branch2a``, ``b``, ``c``: 1×1 → 256, 3×3 → 256,
    1×1 → 1024; sum, ReLU) widens, then the three-way block of SSH sees 3×3, 5×5 and 7×7 neighbourhoods: ``ssh_1``
    3×3 → 256 beside ``ssh_dimred`` 3×3 → 128, ReLU, from which come ``ssh_2`` 3×3 → 128, and ``ssh_3a`` 3×3 → 128,
    ReLU, ``ssh_3b`` 3×3 → 128. A ReLU closes.

    Args:
        in_channels: Any number.
        out_channels: A multiple of 4.
    """

    def __init__(self, in_channels: int, out_channels: int = 512) -> None:
        super().__init__()
        wide, half, quarter = 2 * out_channels, out_channels // 2, out_channels // 4
        self.branch1 = _ConvNorm(in_channels, wide, 1)
        self.branch2a = _ConvNorm(in_channels, half, 1)
        self.branch2b = _ConvNorm(half, half, 3)
        self.branch2c = _ConvNorm(half, wide, 1)
        self.ssh_1 = nn.Conv2d(wide, half, 3, padding=1)
        self.ssh_dimred = nn.Conv2d(wide, quarter, 3, padding=1)
        self.ssh_2 = nn.Conv2d(quarter, quarter, 3, padding=1)
        self.ssh_3a = nn.Conv2d(quarter, quarter, 3, padding=1)
        self.ssh_3b = nn.Conv2d(quarter, quarter, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, out_channels, H, W)."""
        deep = self.branch2b(self.branch2a(x).relu()).relu()
        x = (self.branch1(x) + self.branch2c(deep)).relu()
        reduced = self.ssh_dimred(x).relu()
        farthest = self.ssh_3b(self.ssh_3a(reduced).relu())
        return torch.cat([self.ssh_1(x), self.ssh_2(reduced), farthest], dim=1).relu()


@MODELS.register_module()
class ContextNeck(BaseModule):
    """One :class:`ContextPredictModule` for each level. Keys: ``levels.<l>.…``.

    Args:
        in_channels: Of all maps.
        out_channels: Of each result.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int = 512,
        init_cfg: dict | None = _XAVIER,
    ) -> None:
        super().__init__(init_cfg)
        self.levels = nn.ModuleList(ContextPredictModule(c, out_channels) for c in in_channels)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The maps in their sizes."""
        check_maps(self, maps, len(self.levels))
        return tuple(module(m) for module, m in zip(self.levels, maps, strict=True))
