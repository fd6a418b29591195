"""Total variation: neighbours are alike."""

from __future__ import annotations

from torch import Tensor, nn

from llv.registry import MODELS


def total_variation(images: Tensor, squared: bool = False) -> Tensor:
    """Σ_c (mean |∂_h| + mean |∂_v|) of forward differences, the means over pictures and pixels.

    TriCo (Gao and Liu, ACM MM 2024), Eq. 11.

    Args:
        images: (N, C, H, W). A direction along which there is one pixel counts as 0.
        squared: Squares in the place of absolute values.

    Returns:
        A scalar from 0.
    """
    total = images.new_zeros(())
    for dim in (-2, -1):
        if images.shape[dim] > 1:
            change = images.diff(dim=dim)
            change = change.square() if squared else change.abs()
            total = total + change.mean() * images.shape[1]
    return total


@MODELS.register_module()
class TotalVariationLoss(nn.Module):
    """w · :func:`total_variation`.

    Args:
        squared: Squares in the place of absolute values.
        loss_weight: w.
    """

    def __init__(self, squared: bool = False, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.squared = squared
        self.loss_weight = loss_weight

    def forward(self, images: Tensor) -> Tensor:
        """A scalar; `images` is (N, C, H, W)."""
        return self.loss_weight * total_variation(images, self.squared)
