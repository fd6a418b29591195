"""IHEM, TriCo's modulator: features of the reflectance asked by what they show and by how they were lit.

Gao and Liu, ACM MM 2024, Eqs. 2 and 3; Φ_R in Eq. 3 stands for the values of the reflectance.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .attention import ChannelLayerNorm, GatedFeedForward, TransposedAttention


class IHEM(nn.Module):
    """Two attentions over the reflectance: the first with queries from a semantic prior, the second with queries from
    the illumination. A source that is missing is replaced by the features themselves.

    Args:
        channels: C, of the features.
        semantic_channels: Of the prior's features at this level; 0 for none.
        illumination_channels: Of the regulator's features at this level; 0 for none.
        heads: Of both attentions.
        expansion: Of both feed-forward layers.
    """

    def __init__(
        self,
        channels: int,
        semantic_channels: int,
        illumination_channels: int,
        heads: int,
        expansion: float,
    ) -> None:
        super().__init__()
        self.semantic = _Induced(channels, semantic_channels, heads, expansion)
        self.illumination = _Induced(channels, illumination_channels, heads, expansion)

    def forward(self, x: Tensor, semantic: Tensor | None, illumination: Tensor | None) -> Tensor:
        """Modulate.

        Args:
            x: (N, C, H, W) features of the reflectance.
            semantic: (N, C_s, h, w) of any size, or None.
            illumination: (N, C_i, H, W), or None.

        Returns:
            (N, C, H, W).
        """
        return self.illumination(self.semantic(x, semantic), illumination)


class _Induced(nn.Module):
    """x + TA(LN x, LN source), then x + GDFN(LN x)."""

    def __init__(self, channels: int, source: int, heads: int, expansion: float) -> None:
        super().__init__()
        self.project = nn.Conv2d(source, channels, 1) if source else None
        self.norm_features = ChannelLayerNorm(channels)
        self.norm_source = ChannelLayerNorm(channels)
        self.attention = TransposedAttention(channels, heads)
        self.norm_feed_forward = ChannelLayerNorm(channels)
        self.feed_forward = GatedFeedForward(channels, expansion)

    def forward(self, x: Tensor, source: Tensor | None) -> Tensor:
        if self.project is None:
            source = x
        else:
            source = self.project(source)  # at its own size, where that is the cheaper order
            if source.shape[-2:] != x.shape[-2:]:
                size = x.shape[-2:]
                source = F.interpolate(source, size, mode='bilinear', align_corners=False)
        x = x + self.attention(self.norm_features(x), self.norm_source(source))
        del source
        return x + self.feed_forward(self.norm_feed_forward(x))
