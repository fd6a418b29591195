"""The control that enlarges and does nothing else."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from llv.registry import MODELS

from .base import BaseEnhancer, Enhancement

# pixels of the picture on either side of the nearest one that a pixel of the result depends on
_REACH = dict(nearest=0, bilinear=1, bicubic=2)


@MODELS.register_module()
class Enlarge(BaseEnhancer):
    """The picture in whole multiples of its size, by interpolation.

    The baseline without weights for everything that enlarges: it gives a detector the number of pixels that it was
    made for, and no detail that was not there. Behind an enhancer that lights, in a ``Cascade``, it is the cheapest
    network of both.

    Pixels are squares, so the corners of both pictures meet. ``bicubic`` is that of OpenCV and PyTorch (a = −0.75); it
    rings beside edges, and what leaves [0, 1] there is in ``Enhancement.maps['raw']`` alone.

    Example:
        >>> import torch
        >>> Enlarge(2)(torch.rand(1, 3, 4, 5)).image.shape
        torch.Size([1, 3, 8, 10])

    Args:
        scale: Output size / input size, a whole number of at least 1.
        mode: ``'bicubic'``, ``'bilinear'`` or ``'nearest'``.

    Raises:
        ValueError: An argument is another.
    """

    def __init__(self, scale: int = 2, mode: str = 'bicubic') -> None:
        super().__init__()
        if not isinstance(scale, int) or scale < 1:
            raise ValueError(f'`scale` must be a whole number of at least 1, but got {scale!r}.')
        if mode not in _REACH:
            raise ValueError(f'`mode` must be one of {", ".join(_REACH)}, but got {mode!r}.')
        self.scale = scale
        self.mode = mode
        self.receptive_field = 2 * _REACH[mode] + 1

    def enhance(self, images: Tensor) -> Enhancement:
        """(N, 3, H, W) in [0, 1] in, (N, 3, s·H, s·W) out."""
        raw = F.interpolate(images, scale_factor=float(self.scale), mode=self.mode)
        return Enhancement(raw.clamp(0, 1), dict(raw=raw))
