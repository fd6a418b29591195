"""Histogram equalisation, and what the classical methods share: one brightness channel is changed,
colours follow."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from llv.registry import MODELS

from .base import BaseEnhancer, Enhancement

LEVELS = 256
CHANNELS = ('value', 'luminance', 'lightness', 'rgb')

_LUMA = (0.299, 0.587, 0.114)  # BT.601
# linear sRGB to XYZ, rows divided by the white point D65
_TO_XYZ = (
    (0.412453 / 0.950456, 0.357580 / 0.950456, 0.180423 / 0.950456),
    (0.212671, 0.715160, 0.072169),
    (0.019334 / 1.088754, 0.119193 / 1.088754, 0.950227 / 1.088754),
)
_CUBE_ROOT_FROM = (6 / 29) ** 3


def check_channel(channel: str) -> str:
    """The name of a brightness channel, if it is one.

    Raises:
        ValueError: It is none.
    """
    if channel not in CHANNELS:
        raise ValueError(f'`channel` must be one of {", ".join(CHANNELS)}, but got {channel!r}.')
    return channel


def change_channel(images: Tensor, channel: str, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Change one brightness channel of a batch, keep the colour that goes with it.

    Args:
        images: (N, 3, H, W) RGB in [0, 1].
        channel: ``value``: V of HSV, hue and saturation stay; ``luminance``: Y of YCbCr (BT.601),
            Cb and Cr stay; ``lightness``: L of CIE Lab (D65), a and b stay; ``rgb``: every channel by
            itself.
        change: Takes and gives (N, C, H, W) in [0, 1], C = 1, or 3 for ``rgb``.

    Returns:
        The same shape, clamped to [0, 1].
    """
    if channel == 'rgb':
        return change(images).clamp(0, 1)
    if channel == 'value':
        value = images.amax(dim=1, keepdim=True)
        black = value == 0
        # black is grey in HSV: all channels get the new value
        ratio = torch.where(black, 1.0, images / value.masked_fill(black, 1.0))
        return (ratio * change(value)).clamp(0, 1)
    if channel == 'luminance':
        luma = torch.einsum('nchw,c->nhw', images, images.new_tensor(_LUMA))[:, None].clamp(0, 1)
        return (images + (change(luma) - luma)).clamp(0, 1)
    return _change_lightness(images, change)


def _change_lightness(images: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    to_xyz = images.new_tensor(_TO_XYZ)
    linear = torch.where(images > 0.04045, ((images + 0.055) / 1.055) ** 2.4, images / 12.92)
    xyz = torch.einsum('nchw,dc->ndhw', linear, to_xyz)
    roots = torch.where(
        xyz > _CUBE_ROOT_FROM, xyz.clamp_min(0) ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29
    )
    lightness = (1.16 * roots[:, 1:2] - 0.16).clamp(0, 1)  # L / 100
    # a and b are differences of the roots: they stay when all three move alike
    roots = roots + (change(lightness) - lightness) / 1.16
    xyz = torch.where(roots > 6 / 29, roots**3, (roots - 4 / 29) * (3 * (6 / 29) ** 2))
    linear = torch.einsum('nchw,dc->ndhw', xyz, torch.linalg.inv(to_xyz)).clamp(0, 1)
    return torch.where(
        linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear
    ).clamp(0, 1)


def to_levels(channel: Tensor) -> Tensor:
    """[0, 1] -> nearest 8-bit level (halves to even), int64, the same shape."""
    return (channel * (LEVELS - 1)).round().long().clamp_(0, LEVELS - 1)


def histograms(levels: Tensor) -> Tensor:
    """How often each level occurs in each row: (M, P) int64 in, (M, 256) int64 out."""
    rows = torch.arange(len(levels), device=levels.device)[:, None] * LEVELS
    counts = torch.bincount((levels + rows).flatten(), minlength=len(levels) * LEVELS)
    return counts.view(-1, LEVELS)


def equalise(channel: Tensor) -> Tensor:
    """Give each picture and channel the flattest histogram a curve can give.

    With c the cumulative histogram and c₀ that of the lowest level present::

        l -> round(255 · (c(l) - c₀) / (c(255) - c₀)) / 255

    which is OpenCV's ``equalizeHist``. A channel of one level stays as it is.

    Args:
        channel: (N, C, H, W) in [0, 1]; rounded to 8-bit levels.

    Returns:
        The same shape. No gradient passes.
    """
    levels = to_levels(channel).flatten(2).flatten(0, 1)
    counts = histograms(levels)
    cumulative = counts.cumsum(dim=1)
    lowest = counts.gather(1, (counts > 0).int().argmax(dim=1, keepdim=True))
    rest = levels.shape[1] - lowest
    step = (LEVELS - 1) / rest.clamp_min(1).float()
    curve = ((cumulative - lowest).float() * step).round().clamp(0, LEVELS - 1)
    curve = torch.where(rest > 0, curve, torch.arange(LEVELS, device=curve.device))
    return (curve.gather(1, levels) / (LEVELS - 1)).view_as(channel)


@MODELS.register_module()
class HistogramEqualization(BaseEnhancer):
    """Histogram equalisation of a brightness channel, see :func:`equalise`.

    Equal to OpenCV's ``equalizeHist`` on the channel. (torchvision's ``equalize``, which follows
    Pillow, leaves pictures of fewer than 255 pixels as they are and rounds its step down.) A lookup
    table passes no gradient by nature, so nothing in front of it can learn from a task loss.

    Args:
        channel: See :func:`change_channel`. ``value`` is what tables of enhancers usually mean.
    """

    def __init__(self, channel: str = 'value') -> None:
        super().__init__()
        self.channel = check_channel(channel)

    @torch.no_grad()
    def enhance(self, images: Tensor) -> Enhancement:
        """(N, 3, H, W) in [0, 1] in, the same shape out."""
        return Enhancement(change_channel(images, self.channel, equalise))
