"""LFR, TriCo's refiner: from the reflectance to the picture, at one, two or four times its size.

Gao and Liu, ACM MM 2024, Section 3.1 and Figure 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import EncoderBlock
from .modulator import IHEM
from .residual import SLOPE, ResidualUnit
from .upsampling import DynamicUpsampling

SCALES = (1, 2, 4)
_OUTPUT_STD = (
    0.01  # small: training starts from the enlarged reflectance, and yet every layer has a gradient
)


class LFR(nn.Module):
    """Encoder blocks on four levels, a modulator on each level of the way back, a refining block, and the head.

    Args:
        scale: 1, 2 or 4.
        width: C, channels on all levels.
        semantic_channels: Of the prior's four feature maps, from fine to coarse; 0 where there is none.
        illumination_channels: Of the regulator's feature maps; 0 where there are none.
        blocks: Encoder blocks by level.
        heads: Of the attentions by level.
        expansion: Of the feed-forward layers.
        use_ihem: With modulators.
        global_residual: Add the reflectance, enlarged bilinearly, to the result.
        rank, kernel: Of the dynamic up-sampling.
    """

    def __init__(
        self,
        scale: int,
        width: int,
        semantic_channels: Sequence[int],
        illumination_channels: int,
        blocks: Sequence[int],
        heads: Sequence[int],
        expansion: float,
        use_ihem: bool,
        global_residual: bool,
        rank: int,
        kernel: int,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.global_residual = global_residual
        levels = range(len(blocks))
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.encoder = nn.ModuleList(
            nn.Sequential(*(EncoderBlock(width, heads[k], expansion) for _ in range(blocks[k])))
            for k in levels
        )
        self.down = nn.ModuleList(
            nn.Conv2d(width, width // 4, 3, padding=1, bias=False) for _ in levels[1:]
        )
        self.up = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in levels[1:])
        self.fuse = nn.ModuleList(nn.Conv2d(2 * width, width, 1) for _ in levels[1:])
        self.modulators = None
        if use_ihem:
            self.modulators = nn.ModuleList(
                IHEM(width, semantic_channels[k], illumination_channels, heads[k], expansion)
                for k in levels
            )
        self.refinement = EncoderBlock(width, 1, expansion)
        self.head = _head(scale, width, rank, kernel)
        self.to_rgb = nn.Conv2d(width, 3, 3, padding=1)
        nn.init.normal_(self.to_rgb.weight, std=_OUTPUT_STD)
        nn.init.zeros_(self.to_rgb.bias)

    def forward(
        self,
        reflectance: Tensor,
        semantic: Sequence[Tensor | None],
        illumination: Sequence[Tensor | None],
    ) -> Tensor:
        """Refine and enlarge; the result is not clamped.

        Args:
            reflectance: (N, 3, H, W), H and W multiples of eight.
            semantic: Four feature maps of the prior from fine to coarse, or None four times.
            illumination: Four feature maps of the regulator from fine to coarse, or None four times.

        Returns:
            (N, 3, s·H, s·W).
        """
        result = self.to_rgb(self.head(self._features(reflectance, semantic, illumination)))
        if not self.global_residual:
            return result
        if self.scale == 1:
            return result + reflectance
        size = result.shape[-2:]
        return result + F.interpolate(reflectance, size, mode='bilinear', align_corners=False)

    def _features(
        self,
        reflectance: Tensor,
        semantic: Sequence[Tensor | None],
        illumination: Sequence[Tensor | None],
    ) -> Tensor:
        """(N, C, H, W) behind the refining block."""
        x = self.stem(reflectance)
        skips = []
        for level, blocks in enumerate(self.encoder):
            if level:
                x = F.pixel_unshuffle(self.down[level - 1](x), 2)
            x = blocks(x)
            skips.append(x)
        for level in reversed(range(len(skips))):
            skip = skips.pop()
            if level < len(self.up):
                x = F.interpolate(
                    self.up[level](x), scale_factor=2, mode='bilinear', align_corners=False
                )
                x = self.fuse[level](torch.cat([x, skip], dim=1))
            del skip
            if self.modulators is not None:
                x = self.modulators[level](x, semantic[level], illumination[level])
        return self.refinement(x)


def _head(scale: int, width: int, rank: int, kernel: int) -> nn.Sequential:
    """(N, C, H, W) to (N, C, s·H, s·W)."""
    layers: list[nn.Module] = [ResidualUnit(width, width) for _ in range(3)]
    if scale > 1:
        layers.insert(0, DynamicUpsampling(width, rank, kernel))
    if scale > 2:
        layers += [
            DynamicUpsampling(width, rank, kernel),
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(SLOPE, inplace=True),
        ]
    return nn.Sequential(*layers)
