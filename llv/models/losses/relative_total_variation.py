"""Relative total variation: texture costs, structure does not."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llv.registry import MODELS


def relative_total_variation(images: Tensor, sigma: float = 3.0, eps: float = 1e-3) -> Tensor:
    """Relative total variation: windowed sums of differences over those of signed differences.

    For each direction and channel, with G a Gaussian window over forward differences ∂ (nothing
    beyond the border)::

        RTV = mean_p (G * |∂|) / (|G * ∂| + eps),   summed over the two directions

    Source: Xu et al., "Structure Extraction from Texture via Relative Total Variation", 2012.

    Args:
        images: (N, C, H, W).
        sigma: Standard deviation of the window in pixels; it is cut off at 2·sigma.
        eps: Keeps the quotient finite in flat regions.

    Returns:
        A scalar; 0 for a picture of one pixel.
    """
    radius = math.ceil(2 * sigma)
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
    window = torch.exp(-offsets.square() / (2 * sigma**2))
    window = window / window.sum()
    total = images.new_zeros(())
    for dim in (-2, -1):
        if images.shape[dim] < 2:
            continue
        change = images.diff(dim=dim).flatten(0, 1)[:, None]
        texture = _blur(change.abs(), window)
        structure = _blur(change, window).abs()
        total = total + (texture / (structure + eps)).mean()
    return total


def _blur(images: Tensor, window: Tensor) -> Tensor:
    """Convolve (N, 1, H, W) with a separable window, zeros outside."""
    radius = len(window) // 2
    images = F.conv2d(images, window.view(1, 1, -1, 1), padding=(radius, 0))
    return F.conv2d(images, window.view(1, 1, 1, -1), padding=(0, radius))


@MODELS.register_module()
class RelativeTotalVariationLoss(nn.Module):
    """``loss_weight`` times :func:`relative_total_variation`.

    Args:
        loss_weight: Factor.
        sigma: See :func:`relative_total_variation`.
        eps: See :func:`relative_total_variation`.
    """

    def __init__(self, loss_weight: float = 1.0, sigma: float = 3.0, eps: float = 1e-3) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.sigma = sigma
        self.eps = eps

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in, a scalar out."""
        return self.loss_weight * relative_total_variation(images, self.sigma, self.eps)
