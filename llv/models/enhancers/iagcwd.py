"""Improved adaptive gamma correction with weighting distribution."""

from __future__ import annotations

import torch
from torch import Tensor

from llv.registry import MODELS

from .base import BaseEnhancer, Enhancement
from .histogram_equalization import LEVELS, change_channel, check_channel, histograms, to_levels

_EXPECTED_MEAN = 112  # of a well exposed picture, in 8-bit levels
_THRESHOLD = 0.3  # relative distance from it beyond which a picture is dim or bright
_ALPHA_DIM, _ALPHA_BRIGHT = 0.75, 0.25
_SMALLEST_GAMMA = 0.5  # truncation for dim pictures


def correct_adaptively(channel: Tensor) -> Tensor:
    """Raise each level to its own power, which falls with the share of pixels below it.

    With p the histogram divided by its sum and c_w the cumulative sum of the weighted one,
    p_w ∝ ((p - p_min) / (p_max - p_min))^α, every picture is judged by its mean m,
    t = (m - 112) / 112:

    * dim (t < -0.3): v -> v^γ, γ = max(0.5, 1 - c_w), α = 0.75;
    * bright (t > 0.3): the same on the negative, γ = 1 - c_w, α = 0.25;
    * others stay as they are, and so do bright pictures of one level, which would become black.

    Args:
        channel: (N, C, H, W) in [0, 1]; the powers belong to 8-bit levels, the values stay exact.

    Returns:
        The same shape. No gradient passes.
    """
    values = channel.flatten(2).flatten(0, 1)
    levels = to_levels(values)
    counts = histograms(levels)
    away = (levels.double().mean(dim=1, keepdim=True) - _EXPECTED_MEAN) / _EXPECTED_MEAN

    gamma = _gammas(counts, _ALPHA_DIM).clamp_min(_SMALLEST_GAMMA)
    dim = values ** gamma.gather(1, levels).to(values)
    gamma = _gammas(counts.flip(1), _ALPHA_BRIGHT)
    bright = 1 - (1 - values) ** gamma.gather(1, LEVELS - 1 - levels).to(values)

    is_bright = (away > _THRESHOLD) & (counts.amax(dim=1, keepdim=True) < levels.shape[1])
    changed = torch.where(away < -_THRESHOLD, dim, torch.where(is_bright, bright, values))
    return changed.view_as(channel)


def _gammas(counts: Tensor, alpha: float) -> Tensor:
    """1 - c_w for each level: (M, 256) counts in, float64 of the same shape out."""
    shares = counts.double() / counts.sum(dim=1, keepdim=True)
    lowest, highest = shares.amin(dim=1, keepdim=True), shares.amax(dim=1, keepdim=True)
    # NaN where all levels are equally frequent, but such a picture is neither dim nor bright
    weighted = ((shares - lowest) / (highest - lowest)) ** alpha
    # a product, because a GPU has no deterministic cumulative sum of floats
    cumulative = weighted @ weighted.new_ones(LEVELS, LEVELS).triu()
    return (1 - cumulative / cumulative[:, -1:]).clamp(0, 1)


@MODELS.register_module()
class IAGCWD(BaseEnhancer):
    """Adaptive gamma correction of dim and of bright pictures, see :func:`correct_adaptively`.

    Cao et al., "Contrast enhancement of brightness-distorted images by improved adaptive gamma
    correction", Computers & Electrical Engineering 66, 2018. The powers come from a histogram, so no
    gradient is passed, and nothing in front of it can learn from a task loss.

    Args:
        channel: See :func:`change_channel`. The paper changes V of HSV; ``luminance`` is what a
            widespread implementation does.
    """

    def __init__(self, channel: str = 'value') -> None:
        super().__init__()
        self.channel = check_channel(channel)

    @torch.no_grad()
    def enhance(self, images: Tensor) -> Enhancement:
        """(N, 3, H, W) in [0, 1] in, the same shape out."""
        return Enhancement(change_channel(images, self.channel, correct_adaptively))
