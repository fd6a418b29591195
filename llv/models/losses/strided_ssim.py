"""Structural similarity at several scales, as DRBN trains with it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from llv.registry import MODELS

from .ssim import ssim


@MODELS.register_module()
class StridedSSIMLoss(nn.Module):
    """-Σ_k SSIM(r_k, y_k): the result of scale k against every 2^k-th pixel of the reference.

    The reference is strided from pixel 0 and not averaged, as in the released code of DRBN (Yang
    et al., CVPR 2020) and of ENC. The loss is the negative similarity, so that of three scales lies
    in about [-3, 0] and its best value is -3. See :func:`ssim`.
    """

    def forward(self, results: Sequence[Tensor], references: Tensor) -> Tensor:
        """A scalar.

        Args:
            results: r_k, from the full size down; of scale k (N, C, ⌈H/2^k⌉, ⌈W/2^k⌉), unclamped.
            references: y, (N, C, H, W) in [0, 1].

        Raises:
            ValueError: A size does not fit.
        """
        return -sum(
            ssim(result, references[..., :: 2**k, :: 2**k]) for k, result in enumerate(results)
        )
