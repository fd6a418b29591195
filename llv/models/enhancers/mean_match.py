"""The control that brings every picture to the same mean."""

from collections.abc import Sequence

import torch
from torch import Tensor

from llv.registry import MODELS

from .base import BaseEnhancer, Enhancement

# a tenth of an 8-bit grey level: keeps the gain of a black picture finite
_SMALLEST_MEAN = 0.1 / 255


@MODELS.register_module()
class MeanMatch(BaseEnhancer):
    """u = clip(gain · y, 0, 1) with the gain that gives each picture the target mean (before the clip).

    The baseline without parameters or training that adapts to the picture: automatic exposure and, per channel,
    grey-world white balance. An enhancer that does not beat it has learned nothing local.

    Args:
        target: Mean to reach, one number in (0, 1] or three for R, G, B. The default 0.45 is about the mean of daylight
            photographs in sRGB.
        per_channel: One gain for each channel (also removes a colour cast), or one for the picture.
    """

    def __init__(self, target: float | Sequence[float] = 0.45, per_channel: bool = True) -> None:
        super().__init__()
        targets = torch.as_tensor(target, dtype=torch.float32).flatten()
        if targets.numel() not in (1, 3) or not bool(((targets > 0) & (targets <= 1)).all()):
            raise ValueError(
                f'`target` must be one or three numbers in (0, 1], but got {target!r}.'
            )
        if targets.numel() == 3 and not per_channel:
            raise ValueError('`target` has three numbers, which needs `per_channel=True`.')
        self.per_channel = per_channel
        self.register_buffer('target', targets.expand(3).clone().view(1, 3, 1, 1), persistent=False)

    def enhance(self, images: Tensor) -> Enhancement:
        """(N, 3, H, W) in [0, 1] in, the same shape out."""
        mean = images.mean(dim=(-2, -1) if self.per_channel else (-3, -2, -1), keepdim=True)
        raw = images * (self.target / mean.clamp_min(_SMALLEST_MEAN))
        return Enhancement(raw.clamp(0, 1), dict(raw=raw))
