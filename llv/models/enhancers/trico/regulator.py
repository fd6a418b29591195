"""LII, TriCo's illumination regulator: from a dark picture to its illumination and its reflectance.

Gao and Liu, ACM MM 2024, Section 3.1 and Eq. 1, which prints a product where its text and figures divide.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .residual import SLOPE, ResidualUnit

LEVELS = 4
_FLOOR = 1e-4  # of the illumination, where it divides


class Illumination(NamedTuple):
    """What the regulator finds in a picture.

    Attributes:
        alpha: (N, 3, H, W) in [0, 1], the share of the picture in its illumination; β is the rest to 1.
        illumination: u, (N, 3, H, W), at least the picture and at most 1.
        reflectance: v, (N, 3, H, W) in [0, 1], the picture by its illumination.
        features: (N, C_i, H/2^l, W/2^l) for l = 0 … 3.
    """

    alpha: Tensor
    illumination: Tensor
    reflectance: Tensor
    features: list[Tensor]


class LII(nn.Module):
    """A U-net of four levels without normalisation; a factor for each pixel and colour leaves its decoder.

    u = α·x + β·1 with β = 1 − α, and v = x / u. Whatever the logits are, 0 ≤ x ≤ u ≤ 1, so that v is in [0, 1] without
    a clamp; α = 0 leaves the picture as it is, α = 1 makes it white.

    Args:
        width: C_i, channels on all levels.
        bias: Of the logits at the start: 2 makes α 0.88, a gain of 8 for black.
    """

    def __init__(self, width: int, bias: float = 2.0) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.encoder = nn.ModuleList(ResidualUnit(width, width) for _ in range(LEVELS))
        self.decoder = nn.ModuleList(ResidualUnit(2 * width, width) for _ in range(LEVELS - 1))
        self.head = nn.Conv2d(width, 3, 3, padding=1)
        nn.init.constant_(self.head.bias, bias)

    def forward(self, images: Tensor) -> Illumination:
        """Single precision at least, also under autocast: dark pictures are divided by small numbers.

        Args:
            images: (N, 3, H, W) in [0, 1]; H and W multiples of eight.
        """
        with _single_precision(images):
            if images.dtype in (torch.float16, torch.bfloat16):
                images = images.float()
            features = self._features(images)
            alpha = self.head(features[0]).sigmoid()
            # α·x + β·1, written so that rounding cannot put it below x or above 1
            illumination = images + (1 - alpha) * (1 - images)
            reflectance = images / illumination.clamp_min(_FLOOR)
        return Illumination(alpha, illumination, reflectance, features)

    def _features(self, images: Tensor) -> list[Tensor]:
        x = F.leaky_relu(self.stem(images), SLOPE, inplace=True)
        skips = []
        for level, unit in enumerate(self.encoder):
            x = unit(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        features = [skips.pop()]  # the deepest counts as a level of the decoder
        for unit in reversed(self.decoder):
            skip = skips.pop()
            up = F.interpolate(features[0], skip.shape[-2:], mode='bilinear', align_corners=False)
            features.insert(0, unit(torch.cat([up, skip], dim=1)))
        return features


def _single_precision(images: Tensor) -> AbstractContextManager:
    """No autocast; tensors without values, as they are counted with, know of none."""
    return nullcontext() if images.is_meta else torch.autocast(images.device.type, enabled=False)
