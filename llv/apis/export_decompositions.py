"""Operations that enhancers use and PyTorch's exporter gets wrong, in terms of others that it gets right.

Fourier transforms of real signals become one-sided ``DFT`` nodes. ONNX Runtime refuses the inverse one, and behind the
forward one it takes the half axis for the whole one and fails where sizes are free. It has the complex transform.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

# complex tensors are taken apart where possible: the exporter knows few operators for them


def signal_to_half_spectrum(
    signal: Tensor, dim: Sequence[int], normalization: int, onesided: bool
) -> Tensor:
    """``aten::_fft_r2c`` by complex transforms.

    Args:
        signal: Real.
        dim: Axes to transform.
        normalization: 0 none, 1 by √n, 2 by n.
        onesided: Keep the n // 2 + 1 frequencies of the last of `dim` that the others mirror.

    Returns:
        The spectrum, complex.
    """
    axis = dim[-1] % signal.ndim
    whole = torch.view_as_complex(torch.stack([signal, torch.zeros_like(signal)], dim=-1))
    for one in dim:
        whole = torch.ops.aten._fft_c2c(whole, [one % signal.ndim], normalization, True)
    parts = torch.view_as_real(whole)
    if onesided:
        parts = parts.narrow(axis, 0, signal.shape[axis] // 2 + 1)
    # the frequencies that mirror themselves are real; rounding would turn the sign of their phase
    real = torch.ones([], dtype=torch.bool, device=signal.device)
    for one in dim:
        one = one % signal.ndim
        size = signal.shape[one]
        k = torch.arange(parts.shape[one], device=signal.device)
        real = real & ((k == 0) | (2 * k == size)).view(-1, *[1] * (signal.ndim - one - 1))
    imaginary = torch.where(real, 0.0, parts[..., 1])
    return torch.view_as_complex(torch.stack([parts[..., 0], imaginary], dim=-1))


def half_spectrum_to_signal(
    spectrum: Tensor, dim: Sequence[int], normalization: int, last_dim_size: int
) -> Tensor:
    """``aten::_fft_c2r`` by complex transforms.

    With c_k = 1 for k = 0 and k = n / 2, else 2, the signal is the real part of the inverse transform of c_k Z_k
    followed by zeros.

    Args:
        spectrum: Z, complex; along the last of `dim` n // 2 + 1 frequencies, which the others mirror.
        dim: Axes to transform.
        normalization: 0 none, 1 by √n, 2 by n.
        last_dim_size: n of the last of `dim`.

    Returns:
        The signal, real.
    """
    axis = dim[-1] % spectrum.ndim
    frequencies = torch.arange(spectrum.shape[axis], device=spectrum.device)
    own_mirror = (frequencies == 0) | (2 * frequencies == last_dim_size)
    factor = torch.where(own_mirror, 1.0, 2.0)
    behind = spectrum.ndim - axis  # axes behind `axis`, that of the two parts included
    parts = torch.view_as_real(spectrum) * factor.view(-1, *[1] * behind)
    parts = F.pad(parts, [0, 0] * behind + [0, last_dim_size - spectrum.shape[axis]])
    whole = torch.view_as_complex(parts)
    for one in dim:
        whole = torch.ops.aten._fft_c2c(whole, [one % spectrum.ndim], normalization, False)
    return torch.view_as_real(whole)[..., 0]


def magnitude(real: Tensor, imaginary: Tensor) -> Tensor:
    """``aten::hypot``, for which there is no ONNX operator; it overflows beyond 1e19 only."""
    return (real * real + imaginary * imaginary).sqrt()


def clamp(images: Tensor, low: float | None = None, high: float | None = None) -> Tensor:
    """``aten::clamp`` in two steps: the exporter refuses it where one bound is an int and the other is not."""
    images = images if low is None else torch.clamp_min(images, low)
    return images if high is None else torch.clamp_max(images, high)


def arctangent(y: Tensor, x: Tensor) -> Tensor:
    """``aten::atan2``; the exporter's gives −π instead of π where y is 0 and x negative, as in spectra of signals."""
    angle = torch.atan(y / torch.where(x == 0, 1.0, x))
    angle = torch.where(x < 0, torch.where(y < 0, angle - math.pi, angle + math.pi), angle)
    return torch.where(x == 0, torch.sign(y) * (math.pi / 2), angle)


def decompositions() -> dict[Callable, Callable]:
    """The table for ``ExportedProgram.run_decompositions``; it leaves everything else alone."""
    composed = {
        operator: function
        for operator, function in torch.export.default_decompositions().items()
        if operator.name().startswith('aten::fft_')
    }
    return {
        **composed,
        torch.ops.aten.atan2.default: arctangent,
        torch.ops.aten.clamp.default: clamp,
        torch.ops.aten.hypot.default: magnitude,
        torch.ops.aten._fft_r2c.default: signal_to_half_spectrum,
        torch.ops.aten._fft_c2r.default: half_spectrum_to_signal,
    }
