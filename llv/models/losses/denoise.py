"""The loss that trains the noise removal of RUAS without clean pictures."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from llv.registry import MODELS


def squared_total_variation(images: Tensor) -> Tensor:
    """Twice the mean squared vertical difference plus twice the mean squared horizontal one.

    Args:
        images: (N, C, H, W). A direction along which there is one pixel counts as 0.

    Returns:
        A scalar.
    """
    total = images.new_zeros(())
    for dim in (-2, -1):
        if images.shape[dim] > 1:
            total = total + 2 * images.diff(dim=dim).square().mean()
    return total


@MODELS.register_module()
class DenoiseLoss(nn.Module):
    """ℓ_t = w_f · mean (û - u)² + w_tv · TV(û), see :func:`squared_total_variation`.

    The low-level task loss of the released code of RUAS (CVPR 2021); the papers do not give it.

    Args:
        fidelity_weight: w_f. The published 1e-7 makes this part irrelevant in numbers.
        tv_weight: w_tv.
    """

    def __init__(self, fidelity_weight: float = 1e-7, tv_weight: float = 1.0) -> None:
        super().__init__()
        self.fidelity_weight = fidelity_weight
        self.tv_weight = tv_weight

    def forward(self, denoised: Tensor, noisy: Tensor) -> Tensor:
        """A scalar.

        Args:
            denoised: û, (N, 3, H, W), before any clamp.
            noisy: u, (N, 3, H, W), what was denoised.
        """
        fidelity = (denoised - noisy).square().mean()
        return self.fidelity_weight * fidelity + self.tv_weight * squared_total_variation(denoised)


def absolute_gradients(images: Tensor) -> tuple[Tensor, Tensor]:
    """|x(i+1) - x(i)| down and to the right, each (N, C, H, W), with zeros behind the border."""
    down = F.pad(images, (0, 0, 0, 1)).diff(dim=-2).abs()
    right = F.pad(images, (0, 1, 0, 0)).diff(dim=-1).abs()
    return down, right


@MODELS.register_module()
class SupervisedDenoiseLoss(nn.Module):
    """Mean squared error plus the mean difference of absolute gradients in both directions.

    What is left in the released code of RUAS of how its noise removal was pre-trained, without the
    perceptual part, which needs the weights of a VGG-16.
    """

    def forward(self, denoised: Tensor, clean: Tensor) -> dict[str, Tensor]:
        """``loss_mse`` and ``loss_gradient``.

        Args:
            denoised: (N, 3, H, W), before any clamp.
            clean: The same shape.
        """
        pairs = zip(absolute_gradients(denoised), absolute_gradients(clean), strict=True)
        return dict(
            loss_mse=(denoised - clean).square().mean(),
            loss_gradient=sum((a - b).abs().mean() for a, b in pairs),
        )
