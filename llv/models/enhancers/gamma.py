"""The control that raises every picture to the same power."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from llv.registry import MODELS

from .base import BaseEnhancer, Enhancement
from .curve_fit import fit_curve

# far below an 8-bit level: under it the curve is a straight line, so that its slope stays finite
_TOE = 1e-4
_RANGE = (0.05, 20.0)


def fit_gamma(dark: Iterable[Tensor], target: Iterable[Tensor]) -> float:
    """The one γ in 0.05 … 20 for which the dark pictures to the power γ are nearest to their targets.

    Least squares over all pixels and pairs, see :func:`llv.models.enhancers.curve_fit.fit_curve`.

    Args:
        dark: Pictures, each (3, H, W) RGB in [0, 1]; sizes may differ, every pair counts the same.
        target: Well-lit pictures of the same scenes, in the same order, of the same sizes.

    Returns:
        γ, to four digits.

    Raises:
        ValueError: There is no pair, one set has more pictures than the other, or the sizes of a
            pair differ.
    """
    return fit_curve(dark, target, lambda levels, gamma: levels**gamma, _RANGE)


@MODELS.register_module()
class Gamma(BaseEnhancer):
    """u = y^γ with one γ for all pictures; below 1 it lights.

    The simplest baseline with a curve. Nothing is trained; γ is fitted on a training set with
    :func:`fit_gamma` and travels in the checkpoint. Below 1e-4, far under an 8-bit level, the curve
    is a straight line through 0, so that gradients are finite everywhere.

    Args:
        gamma: γ, positive; 0.45 is about 1 / 2.2.
        weights: Checkpoint to take γ from instead.
    """

    receptive_field = 1

    def __init__(self, gamma: float = 0.45, weights: str | None = None) -> None:
        super().__init__(weights)
        if not 0 < gamma < math.inf:
            raise ValueError(f'`gamma` must be a positive number, but got {gamma!r}.')
        self.register_buffer('gamma', torch.tensor(float(gamma)))
        self.load_weights()

    def enhance(self, images: Tensor) -> Enhancement:
        """(N, 3, H, W) in [0, 1] in, the same shape out."""
        slope = images.clamp_min(_TOE) ** (self.gamma - 1)
        return Enhancement((images * slope).clamp_(0, 1))
