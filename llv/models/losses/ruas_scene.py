"""The scene loss of RUAS: the illumination is near the picture and smooth."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from llv.registry import MODELS

from .relative_total_variation import relative_total_variation

# one of each pair of opposite neighbours (dy, dx) in the 5×5 window; the other has the same value
_NEIGHBOURS = (
    *((1, 0), (0, 1), (1, 1), (1, -1), (2, 0), (0, 2)),
    *((2, 1), (2, -1), (1, 2), (1, -2), (2, 2), (2, -2)),
)
_GUIDES = ('rgb', 'scrambled_ycbcr')
_PAIRINGS = ('separate_means', 'per_pixel')


def neighbour_smoothness(
    illumination: Tensor, guide: Tensor, coef: float = 0.005, pairing: str = 'separate_means'
) -> Tensor:
    """Guide-weighted first-order differences to the 24 neighbours in a 5×5 window.

    For a picture, with the means over the pixels p for which p and p + δ lie inside::

        S = Σ_δ mean_p exp(-coef · Σ_ch (g(p+δ) - g(p))²) · mean_{ch,p} |t(p+δ) - t(p)|

    A batch has the mean of its pictures' values. Neighbours that no pixel has (small pictures)
    count as 0.

    Args:
        illumination: t, (N, C, H, W).
        guide: g, (N, C', H, W) in [0, 1].
        coef: The released code of RUAS uses 0.005 = σ²/2 with σ = 0.1, so that all weights are near
            1 and S is a plain smoothness term; 50 = 1 / (2σ²) makes it edge-aware.
        pairing: ``separate_means`` averages weights and differences before the product, as
            released; ``per_pixel`` weights each pixel's difference by its own weight.

    Returns:
        A scalar.
    """
    height, width = illumination.shape[-2:]
    total = illumination.new_zeros(illumination.shape[0])
    for dy, dx in _NEIGHBOURS:
        if height <= dy or width <= abs(dx):
            continue
        left, right = max(-dx, 0), width - max(dx, 0)
        here = (..., slice(0, height - dy), slice(left, right))
        there = (..., slice(dy, height), slice(left + dx, right + dx))
        weight = torch.exp(-coef * (guide[there] - guide[here]).square().sum(dim=1))
        change = (illumination[there] - illumination[here]).abs().mean(dim=1)
        if pairing == 'per_pixel':
            total = total + 2 * (weight * change).mean(dim=(-2, -1))
        else:
            total = total + 2 * weight.mean(dim=(-2, -1)) * change.mean(dim=(-2, -1))
    return total.mean()


def scrambled_ycbcr(images: Tensor) -> Tensor:
    """The guide of the released training code: a colour transform applied to the wrong triples.

    The memory of each picture is cut into consecutive triples: three pixels of one channel that lie
    side by side (across the ends of rows and channels), not R, G and B of one pixel. They are
    multiplied by an RGB-to-YCbCr matrix in which 0.564 stands for 0.504.

    Args:
        images: (N, 3, H, W) RGB in [0, 1].

    Returns:
        The same shape.
    """
    matrix = images.new_tensor(
        [[0.257, -0.148, 0.439], [0.564, -0.291, -0.368], [0.098, 0.439, -0.071]]
    )
    offset = images.new_tensor([16, 128, 128]) / 255
    return (images.reshape(len(images), -1, 3) @ matrix + offset).reshape(images.shape)


@MODELS.register_module()
class RUASSceneLoss(nn.Module):
    """ℓ_s = ½ · mean (t - y)² + S(t; g), see :func:`neighbour_smoothness`.

    As in the released training code of RUAS (CVPR 2021), which differs from the papers: they write
    ‖t - y‖² + η‖t‖_RTV. It pulls t towards the dark picture all through training, so the number of
    steps sets the brightness. The defaults are the published loss with the guide of the search
    code; that of the training code differs by less than 0.2 % of S.

    Args:
        guide: ``rgb``: g is the picture; ``scrambled_ycbcr``: see :func:`scrambled_ycbcr`.
        pairing: See :func:`neighbour_smoothness`.
        coef: See :func:`neighbour_smoothness`.
        fidelity_weight: Factor of mean (t - y)².
        smooth_weight: Factor of S.
        rtv_weight: Factor of the relative total variation of t, the prior that the papers name; 0
            leaves it out.

    Raises:
        ValueError: An option has an unknown name.
    """

    def __init__(
        self,
        guide: str = 'rgb',
        pairing: str = 'separate_means',
        coef: float = 0.005,
        fidelity_weight: float = 0.5,
        smooth_weight: float = 1.0,
        rtv_weight: float = 0.0,
    ) -> None:
        super().__init__()
        for name, value, known in (('guide', guide, _GUIDES), ('pairing', pairing, _PAIRINGS)):
            if value not in known:
                raise ValueError(f'`{name}` must be one of {", ".join(known)}, but got {value!r}.')
        self.guide = guide
        self.pairing = pairing
        self.coef = coef
        self.fidelity_weight = fidelity_weight
        self.smooth_weight = smooth_weight
        self.rtv_weight = rtv_weight

    def forward(self, illumination: Tensor, images: Tensor) -> dict[str, Tensor]:
        """The weighted parts; their sum is ℓ_s.

        Args:
            illumination: t, (N, 3, H, W) in (0, 1].
            images: y, (N, 3, H, W) RGB in [0, 1].

        Returns:
            ``loss_fidelity``, ``loss_smooth`` and, where it has a weight, ``loss_rtv``.
        """
        if illumination.shape != images.shape:
            raise ValueError(
                f'`illumination` {tuple(illumination.shape)} must have the shape of `images` '
                f'{tuple(images.shape)}.'
            )
        guide = images if self.guide == 'rgb' else scrambled_ycbcr(images)
        smooth = neighbour_smoothness(illumination, guide, self.coef, self.pairing)
        losses = dict(
            loss_fidelity=self.fidelity_weight * (illumination - images).square().mean(),
            loss_smooth=self.smooth_weight * smooth,
        )
        if self.rtv_weight:
            losses['loss_rtv'] = self.rtv_weight * relative_total_variation(illumination)
        return losses
