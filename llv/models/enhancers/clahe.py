"""Contrast-limited adaptive histogram equalisation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from llv.registry import MODELS

from .base import BaseEnhancer, Enhancement
from .histogram_equalization import LEVELS, change_channel, check_channel, histograms, to_levels


def equalise_adaptively(channel: Tensor, clip_limit: float, grid: tuple[int, int]) -> Tensor:
    """Equalise tile by tile with limited slopes and blend the curves of the four nearest tiles.

    Follows OpenCV's ``createCLAHE`` step by step, without rounding the blended result.

    Args:
        channel: (N, C, H, W) in [0, 1], looked up as 8-bit levels.
        clip_limit: See :class:`CLAHE`.
        grid: (rows, columns) of tiles.

    Returns:
        The same shape, in [0, 1]. No gradient passes.
    """
    height, width = channel.shape[-2:]
    rows, columns = grid
    levels = to_levels(channel).flatten(0, 1)
    # a picture that the grid does not divide is continued by its mirror image, also along the side
    # that it divides
    extra_h, extra_w = 0, 0
    if height % rows or width % columns:
        extra_h, extra_w = rows - height % rows, columns - width % columns
    mirrored = levels[:, _mirror(height, extra_h, levels.device)][
        ..., _mirror(width, extra_w, levels.device)
    ]
    tile_h, tile_w = (height + extra_h) // rows, (width + extra_w) // columns
    tiles = mirrored.view(-1, rows, tile_h, columns, tile_w).transpose(2, 3)
    curves = _curves(histograms(tiles.reshape(-1, tile_h * tile_w)), tile_h * tile_w, clip_limit)
    curves = curves.view(len(levels), -1)  # per channel: tile by tile, level by level

    top, bottom, down = _neighbours(height, tile_h, rows, levels.device)
    left, right, across = _neighbours(width, tile_w, columns, levels.device)

    def look_up(row: Tensor, column: Tensor) -> Tensor:
        tile = (row[:, None] * columns + column) * LEVELS
        return curves.gather(1, (levels + tile).flatten(1)).view(levels.shape)

    upper = look_up(top, left) * (1 - across) + look_up(top, right) * across
    lower = look_up(bottom, left) * (1 - across) + look_up(bottom, right) * across
    blended = upper * (1 - down[:, None]) + lower * down[:, None]
    return (blended / (LEVELS - 1)).view_as(channel)


def _curves(counts: Tensor, area: int, clip_limit: float) -> Tensor:
    """Cumulative clipped histograms, (M, 256) in 0..255: whole levels, float."""
    limit = max(int(clip_limit * area / LEVELS), 1)
    excess = (counts - limit).clamp_min(0).sum(dim=1, keepdim=True)
    share = excess.div(LEVELS, rounding_mode='floor')
    residual = excess - share * LEVELS
    # what is left of the excess goes one by one to levels of equal distance
    step = (LEVELS // residual.clamp_min(1)).clamp_min(1)
    level = torch.arange(LEVELS, device=counts.device)
    one_more = (level % step == 0) & (level // step < residual)
    counts = counts.clamp_max(limit) + share + one_more
    scale = torch.tensor((LEVELS - 1) / area, dtype=torch.float32, device=counts.device)
    return (counts.cumsum(dim=1).float() * scale).round().clamp(0, LEVELS - 1)


def _mirror(size: int, extra: int, device: torch.device) -> Tensor:
    """Indices of a side continued by `extra` pixels of its mirror image, the edge not repeated."""
    index = torch.arange(size + extra, device=device)
    if size == 1:
        return torch.zeros_like(index)
    index = index % (2 * (size - 1))
    return torch.minimum(index, 2 * (size - 1) - index)


def _neighbours(
    size: int, tile: int, count: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """For each pixel of a side the tiles with the nearest centres before and behind it, and how far
    it is on the way from one to the other."""
    position = torch.arange(size, device=device, dtype=torch.float32) * (1 / tile) - 0.5
    before = position.floor()
    away = position - before
    before = before.long()
    return before.clamp_min(0), (before + 1).clamp_max(count - 1), away


@MODELS.register_module()
class CLAHE(BaseEnhancer):
    """Contrast-limited adaptive histogram equalisation of a brightness channel.

    Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, 1994, as in
    OpenCV's ``createCLAHE``. A lookup table passes no gradient by nature, so nothing in front of it
    can learn from a task loss.

    Args:
        clip_limit: Largest count of a level over the mean count of all 256 levels of a tile; limits
            the slope of the curves.
        grid: (rows, columns) of tiles. Pictures smaller than the grid are continued by reflection.
        channel: See :func:`change_channel`.

    Raises:
        ValueError: An option is outside its range.
    """

    def __init__(
        self,
        clip_limit: float = 2.0,
        grid: Sequence[int] = (8, 8),
        channel: str = 'lightness',
    ) -> None:
        super().__init__()
        if not clip_limit > 0:
            raise ValueError(f'`clip_limit` must be positive, but got {clip_limit!r}.')
        if len(grid) != 2 or not all(isinstance(n, int) and n > 0 for n in grid):
            raise ValueError(f'`grid` must be two positive integers, but got {grid!r}.')
        self.clip_limit = float(clip_limit)
        self.grid = tuple(grid)
        self.channel = check_channel(channel)

    @torch.no_grad()
    def enhance(self, images: Tensor) -> Enhancement:
        """(N, 3, H, W) in [0, 1] in, the same shape out."""
        change = partial(equalise_adaptively, clip_limit=self.clip_limit, grid=self.grid)
        return Enhancement(change_channel(images, self.channel, change))
