"""The control of ERL: the distance of reduced pictures, without any relation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from llv.registry import MODELS

from .checks import check_pair


@MODELS.register_module()
class PooledL1Loss:
    """Weight · mean |results - references|, both averaged over the cells of a grid.

    It sees what :class:`SampleRelationLoss` sees of a picture, colours on a coarse grid, but each picture by itself:
    what both gain is no gain of a relation between samples.

    Args:
        grid: Rows and columns of the grid.
        loss_weight: Factor of the distance.

    Raises:
        ValueError: `grid` or `loss_weight` is too small; at a call, the batches do not fit each other.
    """

    def __init__(self, grid: int = 16, loss_weight: float = 0.1) -> None:
        if grid < 1:
            raise ValueError(f'`grid` must be at least 1, but got {grid}.')
        if not loss_weight >= 0:
            raise ValueError(f'`loss_weight` must be at least 0, but got {loss_weight}.')
        self.grid = grid
        self.loss_weight = loss_weight

    def __call__(self, results: Tensor, references: Tensor) -> dict[str, Tensor]:
        """``loss_pooled``, a scalar with a gradient to the results alone.

        Args:
            results: (B, 3, H, W) RGB, usually in [0, 1], attached to the graph.
            references: The same shape; used without gradient.
        """
        check_pair(results, references)
        with torch.autocast(results.device.type, enabled=False):
            difference = results.float() - references.detach().float()
            distance = F.adaptive_avg_pool2d(difference, self.grid).abs().mean()
        return dict(loss_pooled=self.loss_weight * distance)
