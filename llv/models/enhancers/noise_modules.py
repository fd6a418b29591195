"""The noise modules of RUAS: how noisy a lit picture is, and what the noise is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from llv.search.searchable import Searchable
from llv.search.spaces import CELL_EDGES, LOW_LEVEL

from .distillation_cell import DistillationCell

NOISE_CHANNELS = 6
_NOISE_CELLS = 3


class NoiseRemoval(Searchable, nn.Module):
    """Predict the noise of a lit picture, to be subtracted from it.

    Args:
        genotype: Seven operations, see :class:`DistillationCell`, or a genotype that names them, see
            :func:`llv.search.genotype_file.read_genotype`. None: all candidates, mixed by
            ``architecture``, which the cells share.

    Attributes:
        radius: How many pixels to each side the result depends on.
    """

    genotype_module = 'noise_removal'

    def __init__(self, genotype: str | Mapping[str, Any] | Sequence[str] | None) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, NOISE_CHANNELS, 3, padding=1)
        self.settle_genotype(genotype, LOW_LEVEL, CELL_EDGES)
        made_of = self.architecture if self.genotype is None else tuple(self.genotype.values())
        self.cells = nn.Sequential(
            *(DistillationCell(NOISE_CHANNELS, made_of) for _ in range(_NOISE_CELLS))
        )
        self.head = nn.Conv2d(NOISE_CHANNELS, 3, 3, padding=1)

    @property
    def radius(self) -> int:
        return 2 + sum(cell.radius for cell in self.cells)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) RGB in [0, 1] in, noise of the same shape out."""
        return self.head(self.cells(self.stem(images)))


class NoiseEstimator(nn.Module):
    """Estimate how noisy each lit picture is: five convolutions and the mean absolute value."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 32, 32, 32, 3)
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1) for a, b in zip(widths[:-1], widths[1:], strict=True)
        )

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) RGB in [0, 1] in, (N,) noise levels out."""
        return self.noise_map(images).abs().mean(dim=(1, 2, 3))

    def noise_map(self, images: Tensor) -> Tensor:
        """(N, 3, H, W); its absolute value is the estimated absolute noise."""
        for conv in self.convs[:-1]:
            images = conv(images).relu_()
        return self.convs[-1](images)
