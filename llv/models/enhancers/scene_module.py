"""The scene module of RUAS: an illumination, estimated stage by stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llv.search.searchable import Searchable
from llv.search.spaces import CELL_EDGES, LOW_LEVEL

from .distillation_cell import DistillationCell

_RECTIFICATION = 0.5  # γ of the warm start


def local_maximum(images: Tensor) -> Tensor:
    """max_Ω: each channel's maximum over a pixel and its right, lower and lower right neighbour.

    Args:
        images: (N, C, H, W), not negative: outside the picture counts as 0.

    Returns:
        The same shape.
    """
    padded = F.pad(images, (0, 1, 0, 1))
    if torch.is_grad_enabled():  # of equal neighbours only one gets the gradient
        return F.max_pool2d(padded, 2, stride=1)
    rows = torch.maximum(padded[..., :-1, :], padded[..., 1:, :])  # the same, much faster on a CPU
    return torch.maximum(rows[..., :-1], rows[..., 1:])


def rectified(u: Tensor, images: Tensor) -> Tensor:
    """The warm start max_Ω(u) - γ (u - y) of the next stage, γ = 0.5.

    Args:
        u: What the last stage made of the pictures, (N, C, H, W), not negative.
        images: The pictures y, of the same shape.
    """
    return local_maximum(u) - _RECTIFICATION * (u - images)


class SceneModule(Searchable, nn.Module):
    """Estimate the illumination t stage by stage and divide by it: u = clip(y / t, 0, 1).

    Stage k starts from t̂ = max_Ω(y) or from a warm start and has t_k = max(sigmoid(cell_k(t̂)),
    t_min), one value a pixel and channel. The stages share an architecture but no weights.

    Args:
        genotype: Seven operations, see :class:`DistillationCell`, or a genotype that names them, see
            :func:`llv.search.genotype_file.read_genotype`. None: all candidates, mixed by
            ``architecture``, which the stages share.
        stages: Number of stages K.
        t_min: Smallest illumination, so 1 / t_min is the largest gain. Kept in the state dict as
            ``t_min``, because weights are wrong with any other.
        warm_start: t̂ from the second stage on: ``rectified`` is max_Ω(u) - 0.5 (u - y), ``update``
            is u, ``fixed`` is that of the first stage. With ``fixed`` only the last stage reaches
            the result, so the others are frozen.

    Attributes:
        reach: How many pixels before (up, left) and behind (down, right) the result depends on.
    """

    genotype_module = 'scene_module'

    def __init__(
        self,
        genotype: str | Mapping[str, Any] | Sequence[str] | None,
        stages: int = 3,
        t_min: float = 1e-4,
        warm_start: str = 'rectified',
    ) -> None:
        super().__init__()
        self.warm_start = warm_start
        self.settle_genotype(genotype, LOW_LEVEL, CELL_EDGES)
        made_of = self.architecture if self.genotype is None else tuple(self.genotype.values())
        self.stages = nn.ModuleList(DistillationCell(3, made_of) for _ in range(stages))
        self.register_buffer('t_min', torch.tensor(float(t_min)))
        if warm_start == 'fixed':
            self.stages[:-1].requires_grad_(False)

    @property
    def reach(self) -> tuple[int, int]:
        stages = self.stages[-1:] if self.warm_start == 'fixed' else self.stages
        cell = sum(stage.radius for stage in stages)
        maxima = len(stages) if self.warm_start == 'rectified' else 1
        return cell, cell + maxima

    def unroll(self, images: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (u, t) of one stage after the other, each (N, 3, H, W); nothing older is kept."""
        start = local_maximum(images)
        for cell in self.stages:
            t = self._illuminate(cell, start)
            u = (images / t).clamp(0, 1)
            yield u, t
            start = self._next_start(start, u, images)

    def illumination(self, images: Tensor) -> Tensor:
        """t of the last stage, (N, 3, H, W), for RGB pictures in [0, 1]."""
        start = local_maximum(images)
        *earlier, last = self.stages
        if self.warm_start != 'fixed':
            for cell in earlier:
                u = (images / self._illuminate(cell, start)).clamp(0, 1)
                start = self._next_start(start, u, images)
        return self._illuminate(last, start)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(u, t) of the last stage, each (N, 3, H, W), for RGB pictures in [0, 1]."""
        t = self.illumination(images)
        return (images / t).clamp(0, 1), t

    def _illuminate(self, cell: DistillationCell, start: Tensor) -> Tensor:
        # the sigmoid is below 1 already
        return torch.maximum(cell(start).sigmoid(), self.t_min)

    def _next_start(self, start: Tensor, u: Tensor, images: Tensor) -> Tensor:
        if self.warm_start == 'fixed':
            return start
        if self.warm_start == 'update':
            return u
        return rectified(u, images)
