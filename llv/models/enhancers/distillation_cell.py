"""The searched cell that RUAS is built from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llv.search.architecture import Architecture
from llv.search.operations import build_operation
from llv.search.searchable import mix
from llv.search.spaces import CELL_EDGES

_SLOPE = 0.05


class DistillationCell(nn.Module):
    """Seven operations that distill features step by step, then a 1×1 convolution over the parts.

    With φ = LeakyReLU(0.05) and x_0 the input::

        D_i = φ(d_i(x_{i-1})),  x_i = φ(r_i(x_{i-1}) + x_{i-1}),  i = 1, 2, 3
        D_4 = φ(d_4(x_3)),      out = conv1x1([D_1, D_2, D_3, D_4])

    A refine edge always adds its input, also where its operation is residual by itself. All
    branches keep the width.

    Args:
        channels: Width of input and output.
        genotype: Seven names of operations in the order of :data:`llv.search.spaces.CELL_EDGES`, or
            the architecture whose weights mix all candidates of each edge.

    Attributes:
        radius: How many pixels to each side the result depends on.
    """

    def __init__(self, channels: int, genotype: Sequence[str] | Architecture) -> None:
        super().__init__()
        if isinstance(genotype, Architecture):
            edges = [
                mix(genotype, edge, lambda name: build_operation(name, channels))
                for edge in CELL_EDGES
            ]
        elif isinstance(genotype, str) or len(genotype) != len(CELL_EDGES):
            raise ValueError(
                'A genotype of the distillation cell has seven names '
                f'({", ".join(CELL_EDGES)}), but got {genotype!r}.'
            )
        else:
            edges = [build_operation(name, channels) for name in genotype]
        self.distill = nn.ModuleList(edges[0::2])
        self.refine = nn.ModuleList(edges[1::2])
        self.fuse = nn.Conv2d(4 * channels, channels, 1)

    @property
    def radius(self) -> int:
        reach, radius = 0, 0  # of x_{i-1}, and of the widest D so far
        for distill, refine in zip(self.distill, self.refine, strict=False):
            radius = max(radius, reach + distill.radius)
            reach += refine.radius
        return max(radius, reach + self.distill[3].radius)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in and out."""
        distilled = []
        for distill, refine in zip(self.distill, self.refine, strict=False):
            distilled.append(_activate(distill(x), x))
            x = F.leaky_relu(refine(x) + x, _SLOPE, inplace=True)
        distilled.append(_activate(self.distill[3](x), x))
        return self.fuse(torch.cat(distilled, dim=1))


def _activate(value: Tensor, source: Tensor) -> Tensor:
    """φ, in place unless an operation handed its input through."""
    return F.leaky_relu(value, _SLOPE, inplace=value is not source)
