"""The loss of SCI: in every stage the illumination is near the stage's input and smooth."""

from __future__ import annotations

from torch import Tensor, nn

from llv.registry import MODELS

from .ruas_scene import neighbour_smoothness, scrambled_ycbcr

_GUIDES = ('rgb', 'scrambled_ycbcr')


@MODELS.register_module()
class SCISceneLoss(nn.Module):
    """w_f · mean (t - v)² + w_s · S(t; g), for one stage with input v.

    As in the released code of SCI (CVPR 2022). S is :func:`neighbour_smoothness` with pixel-wise
    pairing and the differences summed over the channels of t instead of averaged::

        S = Σ_δ mean_p exp(-coef · Σ_ch (g(p+δ) - g(p))²) · Σ_ch |t(p+δ) - t(p)|

    Args:
        guide: ``scrambled_ycbcr``: as released, see :func:`scrambled_ycbcr`; ``rgb``: g is v.
        coef: The released 0.005 = 1 / (2σ²) with σ = 10, so that all weights are near 1; 50 (σ =
            0.1) makes S edge-aware.
        fidelity_weight: w_f.
        smooth_weight: w_s.

    Raises:
        ValueError: `guide` has an unknown name.
    """

    def __init__(
        self,
        guide: str = 'scrambled_ycbcr',
        coef: float = 0.005,
        fidelity_weight: float = 1.5,
        smooth_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if guide not in _GUIDES:
            raise ValueError(f'`guide` must be one of {", ".join(_GUIDES)}, but got {guide!r}.')
        self.guide = guide
        self.coef = coef
        self.fidelity_weight = fidelity_weight
        self.smooth_weight = smooth_weight

    def forward(self, illumination: Tensor, inputs: Tensor) -> dict[str, Tensor]:
        """The weighted parts; gradients reach both arguments.

        Args:
            illumination: t, (N, 3, H, W) in (0, 1].
            inputs: v, (N, 3, H, W): the picture in the first stage, the calibrated one, which may
                leave [0, 1], in the others.

        Returns:
            ``loss_fidelity`` and ``loss_smooth``.

        Raises:
            ValueError: The shapes differ.
        """
        if illumination.shape != inputs.shape:
            raise ValueError(
                f'`illumination` {tuple(illumination.shape)} must have the shape of `inputs` '
                f'{tuple(inputs.shape)}.'
            )
        guide = inputs if self.guide == 'rgb' else scrambled_ycbcr(inputs)
        smooth = neighbour_smoothness(illumination, guide, self.coef, 'per_pixel')
        return dict(
            loss_fidelity=self.fidelity_weight * (illumination - inputs).square().mean(),
            loss_smooth=self.smooth_weight * illumination.shape[1] * smooth,
        )
