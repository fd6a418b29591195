"""The operations an edge of a searched cell may hold, by name.

Table I of "Learning with Nested Scene Modeling and Cooperative Architecture Search for Low-Light
Vision", without the dilations above 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
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


def build_operation(name: str, channels: int) -> nn.Module:
    """Build an operation of the table; it has the attribute ``radius``.

    Args:
        name: A key of :data:`OPERATIONS`.
        channels: Width of input and output.

    Raises:
        ValueError: There is no operation of that name.
    """
    if name not in OPERATIONS:
        close = difflib.get_close_matches(str(name), OPERATIONS, n=1)
        hint = f'did you mean `{close[0]}`?' if close else f'choose from {", ".join(OPERATIONS)}.'
        raise ValueError(f'There is no operation `{name}`; {hint}')
    return OPERATIONS[name](channels)
