"""Weighted means of neighbourhoods, four for each pixel, without ever holding all neighbourhoods.

The k² neighbours of all pixels would be by far the largest tensor of TriCo. They are gathered strip by strip instead,
forwards and backwards. With p the padded input, w the weights and g a gradient of the result, everything that is
computed here is a derivative of one form that is linear in each of the three,

    T(g, w, p) = Σ g[i, s, c] · w[i, k, s] · p[i + k, c]    over pixels i, outputs s, neighbours k and channels c,

so the three operations are each other's gradients, to any order.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd import Function

# of the neighbourhoods of a strip: what stays in the cache of a core, and what fills an accelerator
_BYTES_CPU = 2**22
_BYTES = 2**26


def reassemble(padded: Tensor, weights: Tensor) -> Tensor:
    """∂T/∂g: the weighted means.

    Args:
        padded: (N, H + k − 1, W + k − 1, C).
        weights: (N, H, W, k², 4), k odd.

    Returns:
        (N, H, 2, W, 2, C), the four means of each pixel where they belong in a picture of twice the size.
    """
    if torch.jit.is_tracing() or torch.compiler.is_compiling():
        return _plain(padded, weights)  # strips would be recorded for one size only
    return _Reassemble.apply(padded, weights)


def _plain(padded: Tensor, weights: Tensor) -> Tensor:
    """The same, one neighbour at a time."""
    height, width = weights.shape[1:3]
    parts = weights.unflatten(4, (2, 2)).unbind(3)
    kernel = _kernel(len(parts))
    result = 0
    for k, weight in enumerate(parts):
        row, column = divmod(k, kernel)
        near = padded[:, row : row + height, column : column + width]
        weight = weight.permute(0, 1, 3, 2, 4).unsqueeze(5)
        result = result + weight * near[:, :, None, :, None]
    return result


class _Reassemble(Function):
    """(p, w) to ∂T/∂g."""

    @staticmethod
    def forward(ctx, padded: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(padded, weights)
        count, height, width = weights.shape[:3]
        channels = padded.shape[3]
        result = padded.new_empty(count, height, 2, width, 2, channels)
        for rows in _strips(padded, weights):
            means = _matrices(weights[:, rows]).mT @ _neighbours(padded, rows, weights)
            _outputs(result, rows).copy_(means.view(count, -1, width, 2, 2, channels))
        return result

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        padded, weights = ctx.saved_tensors
        return (
            _Spread.apply(gradient, weights) if ctx.needs_input_grad[0] else None,
            _Correlate.apply(gradient, padded) if ctx.needs_input_grad[1] else None,
        )


class _Correlate(Function):
    """(g, p) to ∂T/∂w."""

    @staticmethod
    def forward(ctx, gradient: Tensor, padded: Tensor) -> Tensor:
        ctx.save_for_backward(gradient, padded)
        count, height, _, width, _, channels = gradient.shape
        kernel = padded.shape[1] - height + 1
        result = padded.new_empty(count, height, width, kernel**2, 4)
        for rows in _strips(padded, result):
            outputs = _outputs(gradient, rows).reshape(-1, 4, channels)
            products = _neighbours(padded, rows, result) @ outputs.mT
            result[:, rows] = products.view(count, -1, width, kernel**2, 4)
        return result

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        outputs, padded = ctx.saved_tensors
        return (
            _Reassemble.apply(padded, gradient) if ctx.needs_input_grad[0] else None,
            _Spread.apply(outputs, gradient) if ctx.needs_input_grad[1] else None,
        )


class _Spread(Function):
    """(g, w) to ∂T/∂p."""

    @staticmethod
    def forward(ctx, gradient: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(gradient, weights)
        count, height, width, neighbours = weights.shape[:4]
        channels = gradient.shape[5]
        kernel = _kernel(neighbours)
        result = gradient.new_zeros(count, height + kernel - 1, width + kernel - 1, channels)
        for rows in _strips(result, weights):
            outputs = _outputs(gradient, rows).reshape(-1, 4, channels)
            parts = (_matrices(weights[:, rows]) @ outputs).view(
                count, -1, width, neighbours, channels
            )
            for k, part in enumerate(parts.unbind(3)):
                row, column = divmod(k, kernel)
                top = rows.start + row
                result[:, top : top + part.shape[1], column : column + width] += part
        return result

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        outputs, weights = ctx.saved_tensors
        return (
            _Reassemble.apply(gradient, weights) if ctx.needs_input_grad[0] else None,
            _Correlate.apply(outputs, gradient) if ctx.needs_input_grad[1] else None,
        )


def _kernel(neighbours: int) -> int:
    return round(neighbours**0.5)


def _strips(padded: Tensor, weights: Tensor) -> Iterator[slice]:
    """Rows that are done at a time."""
    count, height, width, neighbours = weights.shape[:4]
    row = count * width * neighbours * padded.shape[3] * padded.element_size()
    rows = max((_BYTES_CPU if padded.device.type == 'cpu' else _BYTES) // row, 1)
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def _neighbours(padded: Tensor, rows: slice, weights: Tensor) -> Tensor:
    """(pixels, k², C) of a strip."""
    kernel = _kernel(weights.shape[3])
    strip = padded[:, rows.start : rows.stop + kernel - 1]
    windows = strip.unfold(1, kernel, 1).unfold(2, kernel, 1)  # (N, rows, W, C, k, k)
    return windows.permute(0, 1, 2, 4, 5, 3).reshape(-1, kernel**2, padded.shape[3])


def _matrices(weights: Tensor) -> Tensor:
    """(N, rows, W, k², 4) to (pixels, k², 4)."""
    return weights.reshape(-1, *weights.shape[3:])


def _outputs(result: Tensor, rows: slice) -> Tensor:
    """(N, rows, W, 2, 2, C), a view of (N, H, 2, W, 2, C)."""
    return result[:, rows].transpose(2, 3)
