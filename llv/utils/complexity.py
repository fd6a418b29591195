"""How large a module is: parameters and multiply-accumulates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

# how the run without data says that it needs the data
_NEEDS_DATA = (RuntimeError, NotImplementedError, TypeError)


def count_parameters(module: nn.Module) -> int:
    """Numbers in the parameters of a module, shared ones counted once; buffers are not."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_macs(module: Callable[[Tensor], Any], size: Sequence[int], batch_size: int = 1) -> int:
    """Multiply-accumulates of one forward pass.

    Counts what :class:`torch.utils.flop_counter.FlopCounterMode` knows (convolutions, linear layers, matrix products
    and attention), halved. Biases, activations, interpolation, pooling, Fourier transforms and pixel-wise arithmetic
    are not in it, as in most papers; so 0 does not mean that nothing is done.

    Nothing is computed, so any size is quick, unless the module looks at the values of the picture to decide what
    to do; then a uniformly random picture (seed 0) goes through it. What counts is the way that training takes:
    without gradients some enhancers go over the picture in overlapping strips, which saves memory and adds a little.

    Args:
        module: A module on the CPU, or a function, that takes float (N, 3, H, W) RGB in [0, 1]. Its mode is kept.
        size: Height and width.
        batch_size: N.

    Returns:
        Multiply-accumulates of the whole batch.

    Raises:
        ValueError: `size` is not two positive numbers.
    """
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f'`size` must be height and width in pixels, but got {tuple(size)}.')
    shape = (batch_size, 3, *size)
    counter = FlopCounterMode(display=False)
    try:
        with torch.enable_grad(), FakeTensorMode(allow_non_fake_inputs=True), counter:
            module(torch.empty(shape))
    except _NEEDS_DATA:
        picture = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), counter:
            module(picture)
    return counter.get_total_flops() // 2
