"""The loss that draws the features of an ENC module towards those of well-lit pictures."""

from __future__ import annotations

from torch import Tensor, nn

from llv.registry import MODELS


@MODELS.register_module()
class ENCFeatureLoss(nn.Module):
    """γ · (mean |n_x - n_y| + mean |f_x - f_y|).

    n are the normalised and f the compensated features of an ENC module; index x: of the network
    that is trained, for the input; index y: of a frozen earlier copy of it, for the reference
    (Huang et al., "Exposure Normalization and Compensation for Multiple-Exposure Correction",
    CVPR 2022).

    Args:
        loss_weight: γ. As released: 0.1 (DRBN, MSEC), 0.05 (DRBN, SICE; not used there), 0.2 (SID).
    """

    def __init__(self, loss_weight: float = 0.1) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(
        self,
        normalized: Tensor,
        compensated: Tensor,
        reference_normalized: Tensor,
        reference_compensated: Tensor,
    ) -> Tensor:
        """A scalar; all four are (N, C, H, W).

        Args:
            normalized: n_x.
            compensated: f_x.
            reference_normalized: n_y, without gradient.
            reference_compensated: f_y, without gradient.
        """
        distance = (normalized - reference_normalized).abs().mean()
        distance = distance + (compensated - reference_compensated).abs().mean()
        return self.loss_weight * distance
