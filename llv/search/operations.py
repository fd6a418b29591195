"""The operations an edge of a searched network may hold, by name.

Table I of "Learning with Nested Scene Modeling and Cooperative Architecture Search for Low-Light
Vision". The operations of a cell keep size and width (:func:`build_operation`); the layers of a neck
or a head of a detector or a segmentor may change both (:func:`build_layer`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor, nn


class SkipConnect(nn.Identity):
    """The identity; without parameters, so a checkpoint holds nothing of it."""

    radius = 0


class ConvOperation(nn.Module):
    """A convolution that keeps size and width: stride 1, bias, zero padding, no norm, no
    activation.

    Args:
        channels: Width of input and output.
        kernel_size: Odd edge length of the kernel.
        dilation: Distance of neighbouring taps.
        residual: Return conv(x) + x instead of conv(x).

    Attributes:
        radius: How many pixels to each side the result depends on.
    """

    def __init__(
        self, channels: int, kernel_size: int, dilation: int = 1, residual: bool = False
    ) -> None:
        super().__init__()
        self.radius = dilation * (kernel_size - 1) // 2
        self.residual = residual
        self.conv = nn.Conv2d(
            channels, channels, kernel_size, padding=self.radius, dilation=dilation
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in and out."""
        return self.conv(x) + x if self.residual else self.conv(x)


OPERATIONS: dict[str, Callable[[int], nn.Module]] = {
    'skip_connect': lambda channels: SkipConnect(),
    **{f'conv_{k}x{k}': partial(ConvOperation, kernel_size=k) for k in (1, 3, 5, 7)},
    **{f'dilconv_{k}x{k}': partial(ConvOperation, kernel_size=k, dilation=2) for k in (3, 5, 7)},
    **{f'resconv_{k}x{k}': partial(ConvOperation, kernel_size=k, residual=True) for k in (1, 3)},
    'resdilconv_3x3': partial(ConvOperation, kernel_size=3, dilation=2, residual=True),
}


# Dilations that are the branch rates of DeepLab's pyramid at output stride 16.
ATROUS = (6, 12, 18)

# Kernel size and dilation of the ten layers of high-level tasks; none is residual and none skips.
LAYERS: dict[str, tuple[int, int]] = {
    **{f'conv_{k}x{k}': (k, 1) for k in (1, 3, 5, 7)},
    **{f'dilconv_{k}x{k}': (k, 2) for k in (3, 5, 7)},
    **{f'dilconv_3x3_{dilation}': (3, dilation) for dilation in ATROUS},
}


def build_operation(name: str, channels: int) -> nn.Module:
    """Build an operation of the table; it has the attribute ``radius``.

    Args:
        name: A key of :data:`OPERATIONS`.
        channels: Width of input and output.

    Raises:
        ValueError: There is no operation of that name.
    """
    check_operation(name)
    return OPERATIONS[name](channels)


def check_operation(name: str) -> None:
    """Raise a ValueError unless there is an operation of that name."""
    _check_name('operation', name, OPERATIONS)


def build_layer(
    name: str, in_channels: int, out_channels: int, stride: int = 1, dilation_scale: int = 1
) -> nn.Conv2d:
    """Build a layer of a searched neck or head: a convolution with bias, no norm, no activation.

    The zero padding is dilation * (kernel - 1) / 2, so every layer of the table gives the same size,
    ceil(H / stride) x ceil(W / stride), and one may stand for another.

    Args:
        name: A key of :data:`LAYERS`; ``dilconv_3x3_6`` is the 3x3 convolution of dilation 6.
        in_channels: Width of the input, (N, in_channels, H, W).
        out_channels: Width of the result.
        stride: Stride in both directions.
        dilation_scale: Multiplies the dilations 6, 12 and 18, which are meant for maps of stride 16: with 2 they
            reach as far in the picture on maps of stride 8. The dilation 2 of other layers stays.

    Raises:
        ValueError: There is no layer of that name, or the scale is below 1.
    """
    _check_name('layer', name, LAYERS)
    if not isinstance(dilation_scale, int) or dilation_scale < 1:
        raise ValueError(
            f'`dilation_scale` must be a whole number from 1, but got {dilation_scale!r}.'
        )
    kernel_size, dilation = LAYERS[name]
    if dilation in ATROUS:
        dilation *= dilation_scale
    padding = dilation * (kernel_size - 1) // 2
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation)


def _check_name(kind: str, name: str, known: Mapping[str, object]) -> None:
    if name not in known:
        close = difflib.get_close_matches(str(name), known, n=1)
        hint = f'did you mean `{close[0]}`?' if close else f'choose from {", ".join(known)}.'
        raise ValueError(f'There is no {kind} `{name}`; {hint}')
