"""Distances between the Fourier spectra of pictures, and the loss of FECNet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from llv.registry import MODELS

# Amplitudes below this are zero but for rounding; their phase means nothing and its gradient 1 / amplitude overflows.
_SMALLEST = 1e-12


def amplitude_distance(x: Tensor, y: Tensor) -> Tensor:
    """Mean absolute difference of the amplitudes of the real two-dimensional Fourier transforms.

    The transform is **not** divided by the size of the picture (torch's ``backward`` normalisation), so the distance
    grows about linearly with its side: a loss weight belongs to a crop size.

    Args:
        x: (N, C, H, W).
        y: The same shape.

    Returns:
        A scalar, the mean over the N × C × H × (W // 2 + 1) values of the half spectrum.
    """
    return (_spectrum(x).abs() - _spectrum(y).abs()).abs().mean()


def phase_distance(x: Tensor, y: Tensor, wrap: bool) -> Tensor:
    """Mean absolute difference of the phases of the real two-dimensional Fourier transforms, in [-π, π].

    Args:
        x: (N, C, H, W).
        y: The same shape.
        wrap: Whether differences are taken around the circle, so that they are at most π. FECNet's loss does
            **not**: phases just above -π and just below π count as 2π apart.

    Returns:
        A scalar, the mean over the N × C × H × (W // 2 + 1) values of the half spectrum.
    """
    difference = _phase(x) - _phase(y)
    if wrap:
        difference = torch.atan2(difference.sin(), difference.cos())
    return difference.abs().mean()


def _spectrum(images: Tensor) -> Tensor:
    dtype = torch.promote_types(
        images.dtype, torch.float32
    )  # transforms lose everything in half precision
    return torch.fft.rfft2(images.to(dtype))


def _phase(images: Tensor) -> Tensor:
    z = _spectrum(images)
    return z.masked_fill(z.detach().abs() < _SMALLEST, 0).angle()


@MODELS.register_module()
class FECNetLoss(nn.Module):
    """The loss of FECNet (Huang et al., ECCV 2022), with the weights of the released code.

    With û the result, a the result of the amplitude sub-network and y the reference::

        ℓ = mean |û - y| + 0.5 · mean |a - y| + 0.1 · amplitude_distance(a, y) + 0.1 · phase_distance(û, y, plain)

    The amplitude term dominates: about 3, 5 and 11 between a dark and a well-lit picture at crops of 64, 128 and 256.

    Args:
        pixel_weight: Factor of the first term.
        amplitude_pixel_weight: Factor of the second term.
        amplitude_weight: Factor of the third term.
        phase_weight: Factor of the fourth term.
    """

    def __init__(
        self,
        pixel_weight: float = 1.0,
        amplitude_pixel_weight: float = 0.5,
        amplitude_weight: float = 0.1,
        phase_weight: float = 0.1,
    ) -> None:
        super().__init__()
        self.pixel_weight = pixel_weight
        self.amplitude_pixel_weight = amplitude_pixel_weight
        self.amplitude_weight = amplitude_weight
        self.phase_weight = phase_weight

    def forward(self, result: Tensor, amplitude: Tensor, references: Tensor) -> dict[str, Tensor]:
        """The weighted parts; their sum is ℓ.

        Args:
            result: û, (N, 3, H, W).
            amplitude: a, the same shape.
            references: y, the same shape.

        Returns:
            ``loss_pixel``, ``loss_amplitude_pixel``, ``loss_amplitude``, ``loss_phase``.
        """
        if not result.shape == amplitude.shape == references.shape:
            raise ValueError(
                f'`result` {tuple(result.shape)} and `amplitude` {tuple(amplitude.shape)} must have the shape of '
                f'`references` {tuple(references.shape)}.'
            )
        with torch.autocast(result.device.type, enabled=False):
            return dict(
                loss_pixel=self.pixel_weight * (result - references).abs().mean(),
                loss_amplitude_pixel=self.amplitude_pixel_weight
                * (amplitude - references).abs().mean(),
                loss_amplitude=self.amplitude_weight * amplitude_distance(amplitude, references),
                loss_phase=self.phase_weight * phase_distance(result, references, wrap=False),
            )
