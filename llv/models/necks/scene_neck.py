"""The scene module of RUAS on feature maps."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import torch
from torch import Tensor, nn

from llv.models.enhancers.distillation_cell import DistillationCell
from llv.models.enhancers.scene_module import local_maximum, rectified
from llv.registry import MODELS
from llv.search.architecture import Architecture
from llv.search.searchable import Searchable
from llv.search.spaces import CELL_EDGES, LOW_LEVEL

from .maps import check_maps
from .wrapping_neck import WrappingNeck, chosen_levels


@MODELS.register_module()
class SceneNeck(Searchable, WrappingNeck):
    """Lights feature maps as the scene module of RUAS lights a picture: divides them, stage by stage, by an
    illumination.

    A map y becomes a picture by its magnitude, relative to the largest of its sample: with s = max |y| over
    channels and places, |y| / s lies in 0..1. On it the published module works as it is (see
    :class:`llv.models.enhancers.scene_module.SceneModule`)::

        t_k = max(sigmoid(cell_k(t̂_k)), t_min),   u_k = clip(y / t_k, -s, s)
        t̂_1 = max_Ω(|y| / s),   then max_Ω(|u| / s) - 0.5 (|u| - |y|) / s   or   |u| / s

    So signs and zeros stay, nothing leaves the range that the map had, whatever the weights are, and a map that
    is c times as large gives a result c times as large. A picture whose largest value is 1 gets what the scene
    module gives. As t is at most 1, no magnitude ever falls.

    t has one value a place and channel, as there. The published cell has the width of the picture and nothing
    around it; at hundreds of channels that would be millions of weights a stage. With `width` the cell therefore
    stands between two 1×1 convolutions with bias, as the cells of RUAS's noise removal stand between a first and
    a last one.

    Maps and stages have weights of their own and one architecture in common, seven edges like the scene module's,
    whose genotypes fit here.

    Keys: ``scenes.<level>.<stage>.…``, those of the inner neck after ``neck.``; a checkpoint of the same model
    with the inner neck alone, or without a neck, loads too.

    Args:
        in_channels: Widths of all maps, the finest first.
        neck: Config of the neck that gets the lit maps, of any mm package. None where this is the whole neck, as in
            front of a head of mmseg.
        genotype: None builds the supernet; else a genotype, see :func:`llv.search.genotype_file.read_genotype`.
        levels: Indices of the maps to light, the others pass unchanged; None for all.
        width: Width of the cells; None for that of the map, without convolutions around.
        stages: Number of stages K.
        t_min: Smallest illumination.
        warm_start: ``rectified`` is the first of the two starts above, ``update`` the second.

    Raises:
        ValueError: `levels` names a map that is not there, `warm_start` is none of the two, `stages` or `t_min` is
            out of its range, or the genotype is not one of a scene module.
    """

    genotype_module = 'scene_module'

    def __init__(
        self,
        in_channels: Sequence[int],
        neck: dict[str, Any] | None = None,
        genotype: str | PathLike | Mapping[str, Any] | Sequence[str] | None = None,
        levels: Sequence[int] | None = None,
        width: int | None = 16,
        stages: int = 3,
        t_min: float = 1e-4,
        warm_start: str = 'rectified',
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(neck, init_cfg)
        if warm_start not in ('rectified', 'update'):
            raise ValueError(
                f'`warm_start` must be one of rectified, update, but got {warm_start!r}.'
            )
        if stages < 1:
            raise ValueError(f'`stages` must be at least 1, but got {stages}.')
        if not 0 < t_min < 1:
            raise ValueError(f'`t_min` must lie between 0 and 1, but got {t_min}.')
        chosen = chosen_levels(levels, len(in_channels))
        self.t_min, self.warm_start = t_min, warm_start
        self.settle_genotype(genotype, LOW_LEVEL, CELL_EDGES)
        made_of = self.architecture if genotype is None else tuple(self.genotype.values())
        self.scenes = nn.ModuleList(
            nn.ModuleList(
                _cell(channels, width, made_of) for _ in range(stages if level in chosen else 0)
            )
            for level, channels in enumerate(in_channels)
        )

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Maps (N, in_channels[l], H_l, W_l) in; lit, or what the inner neck makes of the lit ones, out."""
        check_maps(self, maps, len(self.scenes))
        lit = tuple(
            self._light(m, cells) if len(cells) else m
            for m, cells in zip(maps, self.scenes, strict=True)
        )
        return lit if self.neck is None else tuple(self.neck(lit))

    def _light(self, maps: Tensor, cells: nn.ModuleList) -> Tensor:
        # in half precision the gradient of a division by 1e-4 is infinite
        y = maps.float()
        size = y.detach().abs().amax(dim=(1, 2, 3), keepdim=True)
        y = y / size.clamp_min(torch.finfo(y.dtype).tiny)
        start = local_maximum(y.abs())
        for stage, cell in enumerate(cells, start=1):
            t = cell(start).float().sigmoid().clamp_min(self.t_min)
            u = (y / t).clamp(-1, 1)
            if stage < len(cells):
                start = u.abs()
                if self.warm_start == 'rectified':
                    start = rectified(start, y.abs())
        return (u * size).to(maps.dtype)


def _cell(channels: int, width: int | None, made_of: Sequence[str] | Architecture) -> nn.Module:
    if width is None:
        return DistillationCell(channels, made_of)
    return nn.Sequential(
        OrderedDict(
            stem=nn.Conv2d(channels, width, 1),
            cell=DistillationCell(width, made_of),
            head=nn.Conv2d(width, channels, 1),
        )
    )
