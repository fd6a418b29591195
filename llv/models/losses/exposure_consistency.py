"""The loss of ECLNet: near the reference, and the same feature where a part is exposed otherwise."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from llv.registry import MODELS

from .ssim import ssim

_SIDE, _BEFORE, _BEHIND = 100, 10, 15  # of the square, and its least distances to the borders
_CROP = 384  # the pictures that those were chosen for
_RADIUS, _SIGMA = 25, 3.0


def soft_square(height: int, width: int) -> Tensor:
    """A square of ones at a random place among zeros, its rim blurred.

    The side is 100, top and left are drawn from 10 … size - 115 (the published 10 … 269 at 384 pixels). Where the
    shorter side of the picture is below 125, which the authors do not have, the square keeps its share of it,
    100/384, and lies anywhere. The blur is a 51 × 51 Gaussian with σ 3 and zeros outside of the picture.

    Args:
        height, width: Size of the picture.

    Returns:
        (height, width) float32 in [0, 1], on the CPU, whose random numbers are used.
    """
    small = min(height, width) < _BEFORE + _SIDE + _BEHIND
    side = max(1, min(height, width) * _SIDE // _CROP) if small else _SIDE
    before, behind = (0, 0) if small else (_BEFORE, _BEHIND)
    profiles = []
    for size in (height, width):
        start = int(torch.randint(before, size - side - behind + 1, ()))
        # blurring the square is blurring its two profiles: sums of the Gaussian over the square's pixels
        distance = torch.arange(start, start + side)[:, None] - torch.arange(size)
        gauss = torch.exp(-distance.square() / (2 * _SIGMA**2)) * (distance.abs() <= _RADIUS)
        offsets = torch.arange(-_RADIUS, _RADIUS + 1)
        total = torch.exp(-offsets.square() / (2 * _SIGMA**2)).sum()
        profiles.append(gauss.sum(0) / total)
    return torch.outer(*profiles)


@MODELS.register_module()
class ECLNetLoss(nn.Module):
    """The loss of ECLNet (Huang et al., ACM MM 2022), as in the released code.

    With û the (clamped) result, y the reference, f(x) the gathered feature of the picture and x' the picture with one
    soft square mixed towards y::

        ℓ = mean |û - y| - 0.1 · SSIM(û, y) + 0.02 · mean |f(x) - f(x')|

    The gradient flows through both features.

    Args:
        ssim_weight: Factor of the second term, see :func:`llv.models.losses.ssim.ssim`.
        consistency_weight: Factor of the third term; 0 leaves it and the second run of the network out.
    """

    def __init__(self, ssim_weight: float = 0.1, consistency_weight: float = 0.02) -> None:
        super().__init__()
        self.ssim_weight = ssim_weight
        self.consistency_weight = consistency_weight

    def mix(self, images: Tensor, references: Tensor) -> Tensor:
        """x' = m · ((1 - α) · x + α · y) + (1 - m) · x, with m of :func:`soft_square`.

        One square and one α, out of 0.10, 0.12, …, 0.48, for the whole batch.

        Args:
            images: x, (N, 3, H, W) RGB in [0, 1].
            references: y, the same shape.

        Returns:
            The same shape.
        """
        square = soft_square(*images.shape[-2:]).to(images)
        ratio = 0.1 + 0.02 * int(torch.randint(20, ()))
        return torch.lerp(images, references, ratio * square)

    def forward(
        self,
        result: Tensor,
        references: Tensor,
        feature: Tensor | None = None,
        mixed_feature: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The weighted parts; their sum is ℓ.

        Args:
            result: û, (N, 3, H, W).
            references: y, the same shape.
            feature: f(x), (N, C, H, W).
            mixed_feature: f(x'), the same shape as `feature`; needed where `consistency_weight` is not 0.

        Returns:
            ``loss_pixel``, ``loss_ssim`` and, where it has a weight, ``loss_consistency``.
        """
        if result.shape != references.shape:
            raise ValueError(
                f'`result` {tuple(result.shape)} must have the shape of `references` {tuple(references.shape)}.'
            )
        losses = dict(
            loss_pixel=(result - references).abs().mean(),
            loss_ssim=-self.ssim_weight * ssim(result, references),
        )
        if self.consistency_weight:
            if feature is None or mixed_feature is None:
                raise ValueError(
                    '`feature` and `mixed_feature` are needed while `consistency_weight` is not 0.'
                )
            losses['loss_consistency'] = (
                self.consistency_weight * (feature - mixed_feature).abs().mean()
            )
        return losses
