"""Feature enhancement modules of DSFD: dilated convolutions beside each other, in three published forms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from llv.registry import MODELS

from .maps import check_maps

_XAVIER = dict(type='Xavier', layer='Conv2d', distribution='uniform', bias=0)
_RATE = 3  # dilation in the paper and in the community's re-implementation


def _conv(in_channels: int, out_channels: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation)


class ReleaseFEM(nn.Module):
    """The module of DSFD's release: C → 512 channels, a half and two quarters of different reach.

    Five 3×3 convolutions with a ReLU each, named as in the release: ``cpm1`` C → 256; ``cpm2`` C → 256 of dilation 2,
    from which come ``cpm3`` → 128 and ``cpm4`` → 128 of dilation 2, and from that ``cpm5`` → 128. The result is
    (cpm1, cpm3, cpm5).

    Args:
        in_channels: Any number.
        out_channels: A multiple of 4.
    """

    def __init__(self, in_channels: int, out_channels: int = 512) -> None:
        super().__init__()
        half, quarter = out_channels // 2, out_channels // 4
        self.cpm1 = _conv(in_channels, half, 1)
        self.cpm2 = _conv(in_channels, half, 2)
        self.cpm3 = _conv(half, quarter, 1)
        self.cpm4 = _conv(half, quarter, 2)
        self.cpm5 = _conv(quarter, quarter, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, out_channels, H, W)."""
        near = self.cpm1(x).relu()
        x = self.cpm2(x).relu()
        middle = self.cpm3(x).relu()
        far = self.cpm5(self.cpm4(x).relu()).relu()
        return torch.cat([near, middle, far], dim=1)


class ThreeBranchFEM(nn.Module):
    """Three branches of one, two and three 3×3 convolutions of dilation 3, with a ReLU each: C → C channels.

    In the paper (DSFD, CVPR 2019, section 3.2) each branch works on its third of the channels; in the community's
    re-implementation each sees all of them and gives a third. Where C is no multiple of three, the paper's first thirds
    are larger by one, and the community's last one takes the rest.

    Keys: ``branch<1..3>.<i>``, with the i-th convolution at the i-th even number.

    Args:
        channels: C.
        split: Give each branch its third only, as in the paper.
    """

    def __init__(self, channels: int, split: bool) -> None:
        super().__init__()
        third = channels // 3
        if split:
            widths = [third + (part < channels % 3) for part in range(3)]
        else:
            widths = [third, third, channels - 2 * third]
        self.split = split
        self.widths = widths
        for number, width in enumerate(widths, start=1):
            layers: list[nn.Module] = []
            for takes, gives in pairwise([width if split else channels, *[width] * number]):
                layers += [_conv(takes, gives, _RATE), nn.ReLU()]
            self.add_module(f'branch{number}', nn.Sequential(*layers))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        parts = x.split(self.widths, dim=1) if self.split else (x, x, x)
        branches = (self.branch1, self.branch2, self.branch3)
        return torch.cat([f(part) for f, part in zip(branches, parts, strict=True)], dim=1)


@MODELS.register_module()
class FEMNeck(BaseModule):
    """One feature enhancement module for each level. Keys: ``levels.<l>.…``.

    Args:
        in_channels: Of all maps.
        form: ``'release'`` (:class:`ReleaseFEM`), ``'paper'`` or ``'community'`` (:class:`ThreeBranchFEM`).
        out_channels: Of each result in the form of the release; the others keep the channels of their maps.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        form: str = 'release',
        out_channels: int = 512,
        init_cfg: dict | None = _XAVIER,
    ) -> None:
        super().__init__(init_cfg)
        if form not in ('release', 'paper', 'community'):
            raise ValueError(f"`form` must be 'release', 'paper' or 'community', but got {form!r}.")
        self.levels = nn.ModuleList(
            ReleaseFEM(channels, out_channels)
            if form == 'release'
            else ThreeBranchFEM(channels, split=form == 'paper')
            for channels in in_channels
        )

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The maps in their sizes."""
        check_maps(self, maps, len(self.levels))
        return tuple(fem(m) for fem, m in zip(self.levels, maps, strict=True))
