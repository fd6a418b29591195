"""PSNR, RMSE and SSIM of batches, one value a picture, in float64.

Written here because no package has every form of SSIM that the papers use (sample covariance and pooling in one
function), and because tables of PSNR and SSIM should need nothing that is not installed.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# window -> (side, σ or None)
_WINDOWS = dict(uniform=(7, None), gaussian=(11, 1.5))
_K1, _K2 = 0.01, 0.03


def rmse(x: Tensor, y: Tensor) -> Tensor:
    """Root of the mean squared error over all values of a picture.

    Args:
        x: (N, C, H, W).
        y: The same shape.

    Returns:
        (N,) float64, in the units of the input.

    Raises:
        ValueError: The shapes differ.
    """
    x, y = _checked(x, y)
    return (x - y).square().mean(dim=(1, 2, 3)).sqrt()


def psnr(x: Tensor, y: Tensor, data_range: float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio 20·log₁₀(range / RMSE) in dB; infinite for equal pictures.

    Args:
        x: (N, C, H, W).
        y: The same shape.
        data_range: Largest minus smallest possible value.

    Returns:
        (N,) float64.

    Raises:
        ValueError: The shapes differ.
    """
    return 20 * torch.log10(data_range / rmse(x, y))


def ssim(
    x: Tensor,
    y: Tensor,
    window: str = 'uniform',
    covariance: str = 'sample',
    edges: str = 'inside',
    downsample: bool = False,
    data_range: float = 1.0,
) -> Tensor:
    """Structural similarity (Wang et al., TIP 2004), mean over channels and windows.

    The defaults are those of scikit-image; ``'gaussian'`` and ``'population'`` give ``piq`` together with `downsample`
    and ``torchmetrics`` together with ``'reflect'``.

    Args:
        x: (N, C, H, W).
        y: The same shape.
        window: ``'uniform'`` 7 × 7 or ``'gaussian'`` 11 × 11 with σ 1.5.
        covariance: ``'sample'`` (n / (n − 1), n the window's pixels) or ``'population'``.
        edges: ``'inside'``: windows inside the picture; ``'reflect'``: one around every pixel of the picture continued
            by reflection.
        downsample: Average in squares of round(min(H, W) / 256) pixels first.
        data_range: Largest minus smallest possible value.

    Returns:
        (N,) float64, at most 1.

    Raises:
        ValueError: The shapes differ, or the pictures are smaller than the window.
    """
    x, y = _checked(x, y)
    if downsample and (factor := round(min(x.shape[-2:]) / 256)) > 1:
        x, y = F.avg_pool2d(x, factor), F.avg_pool2d(y, factor)
    side, sigma = _WINDOWS[window]
    if min(x.shape[-2:]) < side:
        raise ValueError(
            f'SSIM with its window of {side} × {side} pixels has no place in a picture of {x.shape[-1]} × '
            f'{x.shape[-2]}; measure larger pictures or leave `ssim` out.'
        )
    weights = _weights(side, sigma)
    if edges == 'reflect':
        x, y = (F.pad(v, [side // 2] * 4, mode='reflect') for v in (x, y))
    unbiased = side**2 / (side**2 - 1) if covariance == 'sample' else 1.0
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    channels = []
    for a, b in zip(x.split(1, dim=1), y.split(1, dim=1), strict=True):  # saves memory
        moments = torch.cat([a, b, a * a, b * b, a * b])
        moments = _slide(_slide(moments, weights, 3), weights, 2)
        mean_a, mean_b, aa, bb, ab = moments.chunk(5)
        both, squares = mean_a * mean_b, mean_a.square() + mean_b.square()
        similar = (2 * both + c1) * (2 * unbiased * (ab - both) + c2)
        similar = similar / ((squares + c1) * (unbiased * (aa + bb - squares) + c2))
        channels.append(similar.mean(dim=(1, 2, 3)))
    return torch.stack(channels).mean(dim=0)


def _weights(side: int, sigma: float | None) -> list[float]:
    weights = [
        1.0 if sigma is None else math.exp(-((i - side // 2) ** 2) / (2 * sigma**2))
        for i in range(side)
    ]
    return [weight / sum(weights) for weight in weights]


def _slide(values: Tensor, weights: list[float], dim: int) -> Tensor:
    """Weighted mean over a sliding window along a dimension; several times faster than a convolution in float64."""
    size = values.shape[dim] - len(weights) + 1
    out = torch.zeros_like(values.narrow(dim, 0, size))
    for i, weight in enumerate(weights):
        out.add_(values.narrow(dim, i, size), alpha=weight)
    return out


def _checked(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    if x.ndim != 4 or x.shape != y.shape:
        raise ValueError(
            f'The pictures {tuple(x.shape)} and their references {tuple(y.shape)} must be batches (N, C, H, W) of one '
            'shape; bring them to one size first.'
        )
    return x.double(), y.double()
