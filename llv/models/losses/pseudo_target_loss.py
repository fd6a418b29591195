"""The loss that goes with pseudo targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from llv.registry import MODELS

if TYPE_CHECKING:
    from llv.models.enhancers.base import Enhancement

_SMOOTHNESS = ('log', 'plain')
_OFFSET = 1e-3


def mean_squared_variation(values: Tensor) -> Tensor:
    """The mean squared vertical difference plus the mean squared horizontal one, each over its own count.

    Args:
        values: (N, C, H, W). A direction along which there is one pixel counts as 0.

    Returns:
        A scalar.
    """
    total = values.new_zeros(())
    for dim in (-2, -1):
        if values.shape[dim] > 1:
            total = total + values.diff(dim=dim).square().mean()
    return total


def log_gamma_variation(gamma: Tensor) -> Tensor:
    """:func:`mean_squared_variation` of ln(γ + 1e-3): ratios count, whatever the size of γ.

    The smoothness of the released code of PSENet; the paper writes mean absolute differences of γ, which are a hundred
    times larger, so the published weights of this term belong to this form.

    Args:
        gamma: (N, C, H, W), not negative.

    Returns:
        A scalar.
    """
    return mean_squared_variation((gamma + _OFFSET).log())


@MODELS.register_module()
class PseudoTargetLoss(nn.Module):
    """MSE to the target + α · smoothness of one of the enhancer's maps.

    The loss of PSENet (WACV 2023, as in the released code), for any enhancer that has a map.

    Args:
        smooth_weight: α; published are 5 for SICE and 500 for MSEC. 0 needs no map.
        map_name: Name of the map in ``Enhancement.maps``.
        smoothness: ``log``: :func:`log_gamma_variation`, for maps that are not negative; ``plain``:
            :func:`mean_squared_variation`.

    Raises:
        ValueError: `smoothness` is unknown; at a call, the enhancer has no such map.
    """

    def __init__(
        self, smooth_weight: float = 5.0, map_name: str = 'gamma', smoothness: str = 'log'
    ) -> None:
        super().__init__()
        if smoothness not in _SMOOTHNESS:
            raise ValueError(
                f'`smoothness` must be one of {", ".join(_SMOOTHNESS)}, but got {smoothness!r}.'
            )
        self.smooth_weight = smooth_weight
        self.map_name = map_name
        self.smoothness = smoothness

    def forward(
        self, enhancement: Enhancement, target: Tensor, images: Tensor | None = None
    ) -> dict[str, Tensor]:
        """``loss_pixel`` and, where it has a weight, ``loss_smooth``.

        Args:
            enhancement: What the enhancer returned, attached to the graph; ``raw`` counts where there is one.
            target: (N, 3, H, W) RGB in [0, 1].
            images: Not used; other losses of enhancements want them.
        """
        lit = enhancement.maps.get('raw', enhancement.image)
        if lit.shape != target.shape:
            raise ValueError(
                f'The target {tuple(target.shape)} must have the shape of the lit pictures {tuple(lit.shape)}.'
            )
        losses = dict(loss_pixel=(lit - target).square().mean())
        if self.smooth_weight:
            if self.map_name not in enhancement.maps:
                known = ', '.join(f'`{name}`' for name in enhancement.maps) or 'none'
                raise ValueError(
                    f'The enhancer has no map `{self.map_name}` to smooth, its maps: {known}; set `map_name`, or '
                    '`smooth_weight=0`.'
                )
            values = enhancement.maps[self.map_name]
            vary = log_gamma_variation if self.smoothness == 'log' else mean_squared_variation
            losses['loss_smooth'] = self.smooth_weight * vary(values)
        return losses
