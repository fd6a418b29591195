"""Attention between channels, the gated feed-forward layer, and the block of both.

Zamir et al., "Restormer", CVPR 2022, from its formulas; TriCo's encoder and both steps of its modulator are built of
them (Gao and Liu, ACM MM 2024, Eqs. 2 and 3).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_EPS = 1e-12  # of the L2 norms


class ChannelLayerNorm(nn.LayerNorm):
    """Normalise over the channels at each pixel: (N, C, H, W) in and out, channels last in memory."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class TransposedAttention(nn.Module):
    """Attention between channels instead of pixels: its matrix has the size of a head, not of a picture.

    Queries come from one feature map, keys and values from another, both by a 1×1 and a depth-wise 3×3 convolution
    without biases. Queries and keys are vectors over all pixels, scaled to length 1, so that the logits do not grow
    with the picture. The softmax runs over the channels of the keys. 4C² + 27C + n parameters.

    Args:
        channels: C, of both maps and of the result.
        heads: n, which divides C.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Conv2d(channels, channels, 1, bias=False)
        self.query_filter = _depthwise(channels)
        self.key_value = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        self.key_value_filter = _depthwise(2 * channels)
        self.output = nn.Conv2d(channels, channels, 1, bias=False)
        # t = 1/τ: the same functions, and no pole at 0
        self.multiplier = nn.Parameter(torch.ones(heads, 1, 1))

    @property
    def tau(self) -> Tensor:
        """The temperatures τ that the paper divides by, (n,)."""
        return 1 / self.multiplier.detach().flatten()

    def forward(self, features: Tensor, source: Tensor) -> Tensor:
        """Attend.

        Args:
            features: (N, C, H, W), of which keys and values are made.
            source: (N, C, H, W), of which queries are made.

        Returns:
            (N, C, H, W).
        """
        size = features.shape[-2:]
        query = self.split(self.query_filter(self.query(source)))
        key, value = self.key_value_filter(self.key_value(features)).chunk(2, dim=1)
        key, value = self.split(key), self.split(value)
        weights = self.weights(query, key)
        del query, key
        return self.output(self.merge(value @ weights.mT, size))

    def split(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, n, H·W, C/n)."""
        pixels = x.permute(0, 2, 3, 1).flatten(1, 2)
        return pixels.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def merge(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """Back to (N, C, H, W)."""
        return tokens.transpose(1, 2).flatten(2).unflatten(1, size).permute(0, 3, 1, 2)

    def weights(self, query: Tensor, key: Tensor) -> Tensor:
        """The attention matrices, (N, n, C/n, C/n) whose rows add up to 1, of (N, n, pixels, C/n) each."""
        # the lengths divide the small products instead of the large factors
        lengths = [
            torch.linalg.vector_norm(x, dim=2).clamp_min(_EPS).unsqueeze(2) for x in (query, key)
        ]
        cosines = (query.mT @ key) / lengths[0].mT / lengths[1]
        return (self.multiplier * cosines).softmax(dim=-1)


class GatedFeedForward(nn.Module):
    """1×1 to twice ⌊expansion·C⌋ channels, 3×3 depth-wise, one half gates the other by GELU, 1×1 back. No biases.

    Args:
        channels: C.
        expansion: Hidden channels by C.
    """

    def __init__(self, channels: int, expansion: float) -> None:
        super().__init__()
        hidden = int(expansion * channels)
        self.expand = nn.Conv2d(channels, 2 * hidden, 1, bias=False)
        self.depthwise = _depthwise(2 * hidden)
        self.project = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in and out."""
        gate, content = self.depthwise(self.expand(x)).chunk(2, dim=1)
        return self.project(F.gelu(gate) * content)


class EncoderBlock(nn.Module):
    """r + TA(LN r, LN r), then r + GDFN(LN r).

    Args:
        channels: C.
        heads: Of the attention.
        expansion: Of the feed-forward layer.
    """

    def __init__(self, channels: int, heads: int, expansion: float) -> None:
        super().__init__()
        self.norm_attention = ChannelLayerNorm(channels)
        self.attention = TransposedAttention(channels, heads)
        self.norm_feed_forward = ChannelLayerNorm(channels)
        self.feed_forward = GatedFeedForward(channels, expansion)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in and out."""
        normed = self.norm_attention(x)
        x = x + self.attention(normed, normed)
        del normed
        return x + self.feed_forward(self.norm_feed_forward(x))


def _depthwise(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
