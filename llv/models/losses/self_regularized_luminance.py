"""The luminance loss of TriCo: each channel of the lit reflectance is as bright as photographs are."""

from __future__ import annotations

from torch import Tensor, nn

from llv.registry import MODELS

# of the photographs of ImageNet, in [0, 1]
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
_MODES = ('printed', 'band')


def self_regularized_luminance(reflectance: Tensor, mode: str = 'printed') -> Tensor:
    """Σ_c (exp(d_c) − 1), with the distance d_c of the mean v̄_c of channel c, mean over the batch.

    The target is ``MEAN + DEVIATION`` = (0.714, 0.680, 0.631): brighter than the average photograph. TriCo (Gao and
    Liu, ACM MM 2024), Eq. 8.

    Args:
        reflectance: v, (N, 3, H, W) RGB around [0, 1].
        mode: ``printed``: d = |v̄ − μ − σ|, as the equation has it. ``band``: d = max(|v̄ − μ| − σ, 0), nothing within
            one σ, as in UltraIS, the network of the same authors.

    Returns:
        A scalar from 0.

    Raises:
        ValueError: The mode is unknown, or there are other than three channels.
    """
    if mode not in _MODES:
        raise ValueError(f'`mode` must be one of {", ".join(_MODES)}, but got {mode!r}.')
    if reflectance.ndim != 4 or reflectance.shape[1] != 3:
        raise ValueError(
            f'`reflectance` must be RGB of shape (N, 3, H, W), but got {tuple(reflectance.shape)}.'
        )
    mean, deviation = reflectance.new_tensor(MEAN), reflectance.new_tensor(DEVIATION)
    found = reflectance.mean(dim=(-2, -1))
    if mode == 'printed':
        distance = (found - mean - deviation).abs()
    else:
        distance = ((found - mean).abs() - deviation).clamp_min(0)
    return distance.expm1().sum(dim=1).mean()


@MODELS.register_module()
class SelfRegularizedLuminanceLoss(nn.Module):
    """w · :func:`self_regularized_luminance`.

    Args:
        mode: ``printed`` or ``band``.
        loss_weight: w.

    Raises:
        ValueError: The mode is unknown.
    """

    def __init__(self, mode: str = 'printed', loss_weight: float = 1.0) -> None:
        super().__init__()
        if mode not in _MODES:
            raise ValueError(f'`mode` must be one of {", ".join(_MODES)}, but got {mode!r}.')
        self.mode = mode
        self.loss_weight = loss_weight

    def forward(self, reflectance: Tensor) -> Tensor:
        """A scalar; `reflectance` is (N, 3, H, W)."""
        return self.loss_weight * self_regularized_luminance(reflectance, self.mode)
