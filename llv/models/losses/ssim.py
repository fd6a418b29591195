"""Structural similarity as the exposure-correction networks train with it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llv.registry import MODELS

_SIZE, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2
_BORDERS = ('black', 'inside')


def ssim(x: Tensor, y: Tensor, border: str = 'black') -> Tensor:
    """Mean structural similarity of two batches (Wang et al., TIP 2004).

    Gaussian window of 11 × 11 pixels with σ 1.5, each channel by itself, population moments, constants for the range
    1. Nothing is clamped.

    Args:
        x: (N, C, H, W), pictures around [0, 1].
        y: The same shape.
        border: ``black``: the pictures are padded by five zeros on each side, as in the released code of ECLNet and
            DRBN, so the map has the size of the picture and its border is compared with black. ``inside``: only windows
            inside the picture, as metrics have it; it must be of 11 × 11 pixels at least.

    Returns:
        A scalar of at most 1, the mean over pictures, channels and windows; differentiable in both.

    Raises:
        ValueError: The shapes differ or are not of four dimensions, the border is unknown, or no window has a place.
    """
    if border not in _BORDERS:
        raise ValueError(f'`border` must be one of {", ".join(_BORDERS)}, but got {border!r}.')
    if x.ndim != 4 or x.shape != y.shape:
        raise ValueError(
            f'`x` {tuple(x.shape)} and `y` {tuple(y.shape)} must be batches (N, C, H, W) of one shape.'
        )
    inside = border == 'inside'
    if inside and min(x.shape[-2:]) < _SIZE:
        raise ValueError(
            f'Pictures of {x.shape[-1]} × {x.shape[-2]} pixels have no place for the window of SSIM, {_SIZE} × '
            f'{_SIZE}; train on larger crops or leave SSIM out.'
        )
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    with torch.autocast(x.device.type, enabled=False):  # variances are small differences
        x, y = x.to(dtype), y.to(dtype)
        mean_x, mean_y, xx, yy, xy = _blur(
            torch.stack([x, y, x * x, y * y, x * y]), 0 if inside else _SIZE // 2
        )
        both = mean_x * mean_y
        squares = mean_x.square() + mean_y.square()
        similar = (2 * both + _C1) * (2 * (xy - both) + _C2)
        return (similar / ((squares + _C1) * (xx + yy - squares + _C2))).mean()


def _blur(images: Tensor, padding: int) -> Tensor:
    """Convolve (..., H, W) with the window, a column times a row, behind a frame of as many zeros."""
    offsets = torch.arange(_SIZE, dtype=images.dtype, device=images.device) - _SIZE // 2
    window = torch.exp(-offsets.square() / (2 * _SIGMA**2))
    channels = images.flatten(0, -3).unsqueeze(0)
    # one picture of many channels: on CPUs a depthwise convolution is quicker, its gradient above all, than one of as
    # many pictures of one channel, 8 to 20 times for sides of 640 to 96
    count = channels.shape[1]
    window = (window / window.sum()).view(1, 1, 1, _SIZE).expand(count, 1, 1, _SIZE)
    channels = F.conv2d(channels, window, padding=(0, padding), groups=count)
    blurred = F.conv2d(channels, window.mT, padding=(padding, 0), groups=count)
    return blurred.view(*images.shape[:-2], *blurred.shape[-2:])


@MODELS.register_module()
class SSIMLoss(nn.Module):
    """−w · SSIM, the **negative** similarity (not 1 − SSIM): it lies in about [−w, 0] and its best value is −w.

    See :func:`ssim`.

    Args:
        loss_weight: w. ECLNet uses 0.1.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """A scalar; both are (N, C, H, W)."""
        return -self.loss_weight * ssim(prediction, target)
