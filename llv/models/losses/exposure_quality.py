"""How well exposed a picture is, pixel by pixel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llv.registry import MODELS

_SCORES = ('psenet', 'mertens')
_SIGMA = 0.2  # of the well-exposedness of Mertens et al.
_STEP = 1 / 255


def psenet_quality(images: Tensor, level: float = 0.5, window: int = 25) -> Tensor:
    """Q = S · C / E: saturated, varied and of medium brightness around the pixel.

    S = (max − min + ε) / (max + ε) over R, G, B of the pixel; C is the variance over a window and the three channels
    together, so a flat but coloured patch has some; E = |mean − level| + ε over the same; ε = 1/255. In flat areas
    rounding gives values down to about −5e-8. As in the released code of PSENet (WACV 2023), whose paper leaves out ε.

    Args:
        images: (N, 3, H, W) float32 RGB in [0, 1], H and W above half of the window.
        level: Mean of a well exposed patch.
        window: Side of the window in pixels, odd. Borders are reflected.

    Returns:
        (N, H, W).

    Raises:
        ValueError: The pictures are too small to be reflected.
    """
    reach = window // 2
    if min(images.shape[-2:]) <= reach:
        raise ValueError(
            f'`images` of {images.shape[-2]} × {images.shape[-1]} pixels are too small for a `window` of {window}; '
            f'resize them to sides of at least {reach + 1}, or set a smaller `window`.'
        )
    largest, smallest = images.amax(dim=1), images.amin(dim=1)
    saturation = (largest - smallest + _STEP) / (largest + _STEP)
    # the means over channels and over the window commute, and so do those over its rows and its columns
    moments = torch.stack((images.mean(dim=1), images.square().mean(dim=1)), dim=1)
    moments = F.pad(moments, (reach,) * 4, mode='reflect')
    moments = F.avg_pool2d(moments, (window, 1), stride=1)
    mean, square = F.avg_pool2d(moments, (1, window), stride=1).unbind(dim=1)
    return saturation * (square - mean.square()) / ((mean - level).abs() + _STEP)


def mertens_quality(images: Tensor, level: float = 0.5) -> Tensor:
    """Contrast · saturation · well-exposedness of the pixel itself.

    |Laplacian of the grey picture| · standard deviation over R, G, B · Π exp(−(y − level)² / (2 · 0.2²)), after
    Mertens et al., "Exposure Fusion", Pacific Graphics 2007, with all exponents 1. Borders are replicated.

    Args:
        images: (N, 3, H, W) float32 RGB in [0, 1].
        level: Value of a well exposed channel.

    Returns:
        (N, H, W), not negative.
    """
    weights = images.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    grey = F.pad((images * weights).sum(dim=1, keepdim=True), (1, 1, 1, 1), mode='replicate')[:, 0]
    neighbours = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    contrast = (neighbours - 4 * grey[:, 1:-1, 1:-1]).abs()
    exposedness = torch.exp(-(images - level).square().sum(dim=1) / (2 * _SIGMA**2))
    return contrast * images.std(dim=1, correction=0) * exposedness


@MODELS.register_module()
class ExposureQuality(nn.Module):
    """A quality score by name.

    Args:
        score: ``psenet`` (:func:`psenet_quality`) or ``mertens`` (:func:`mertens_quality`).
        level: Of good exposure, in [0, 1]. The paper of PSENet tries 0.4, 0.5 and 0.6.
        window: Odd side of the window of the first; the second has none.

    Raises:
        ValueError: An option is unknown or out of range.
    """

    def __init__(self, score: str = 'psenet', level: float = 0.5, window: int = 25) -> None:
        super().__init__()
        if score not in _SCORES:
            raise ValueError(f'`score` must be one of {", ".join(_SCORES)}, but got {score!r}.')
        if not 0 <= level <= 1:
            raise ValueError(f'`level` must be in [0, 1], but got {level}.')
        if window < 1 or window % 2 == 0:
            raise ValueError(f'`window` must be an odd number of pixels, but got {window}.')
        self.score = score
        self.level = level
        self.window = window

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) float32 RGB in [0, 1] in, (N, H, W) out: the higher, the better exposed."""
        if self.score == 'mertens':
            return mertens_quality(images, self.level)
        return psenet_quality(images, self.level, self.window)
