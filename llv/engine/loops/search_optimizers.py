"""The two optimizers of a search, their steps, and the virtual step that follows one of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import OPTIMIZERS
from mmengine.runner import Runner
from torch import nn

from .manual_steps import wrapper_of
from .search_levels import Level

# of the released code; the paper presents the same numbers
ARCH_OPTIMIZER = dict(type='Adam', lr=3e-4, betas=(0.5, 0.999), weight_decay=1e-3)


def build_optimizers(
    runner: Runner, model: nn.Module, levels: Sequence[Level], arch_optimizer: dict | None
) -> OptimWrapperDict:
    """Optimizers ``weights`` of ω, made from the runner's ``optim_wrapper``, and ``arch`` of α.

    Each serves all levels: a parameter without a gradient is passed over, and its momentum is its own.

    Raises:
        ValueError: ``optim_wrapper`` accumulates gradients or trains in float16.
    """
    config = dict(runner.optim_wrapper)
    if config.get('accumulative_counts', 1) != 1:
        raise ValueError(
            '`optim_wrapper.accumulative_counts` does not fit a search, whose steps have several passes each; remove '
            'it and take larger batches.'
        )
    if str(config.get('type', '')).removeprefix('mmengine.') == 'AmpOptimWrapper':
        if str(config.get('dtype') or 'bfloat16').removeprefix('torch.') == 'float16':
            raise ValueError(
                '`optim_wrapper.dtype=float16` needs loss scaling, which gradients of architectures do not go through; '
                "set `dtype='bfloat16'`."
            )
        if config.get('dtype') is None:
            print_log('The search runs in bfloat16, which needs no loss scaling.', 'current')
            config['dtype'] = 'bfloat16'
    weights = wrapper_of(runner, config, [p for level in levels for p in level.omega])

    alpha = [parameter for level in levels for parameter in level.alpha]
    settings = dict(ARCH_OPTIMIZER if arch_optimizer is None else arch_optimizer)
    arch = OptimWrapper(OPTIMIZERS.build(dict(settings, params=alpha)))
    return OptimWrapperDict(weights=weights, arch=arch)


def virtual_step(wrapper: OptimWrapper, omega: Sequence[nn.Parameter]) -> dict[str, Any]:
    """Arguments of :func:`llv.engine.hypergradient.hypergradient` that describe a step of an optimizer.

    Momentum is that of SGD; a step of any other optimizer is taken to be a plain gradient step. Learning rate and decay
    are those of the first of `omega`, which may differ between the levels of a search.
    """
    optimizer = wrapper.optimizer
    first = {id(parameter) for parameter in omega[:1]}
    groups = optimizer.param_groups
    group = next((g for g in groups if first & {id(p) for p in g['params']}), groups[0])
    step = dict(step_size=group['lr'], weight_decay=group.get('weight_decay', 0.0))
    if isinstance(optimizer, torch.optim.SGD) and group['momentum']:
        buffers = [optimizer.state.get(p, {}).get('momentum_buffer') for p in omega]
        step.update(momentum=group['momentum'], momentum_buffers=buffers)
    return step


def check_step_size(step_size: float | Sequence[float] | None) -> None:
    """Raise a ValueError unless it is a number from 0, two of them, or None."""
    values = step_size if isinstance(step_size, (list, tuple)) else (step_size,) * 2
    if step_size is not None and not (
        len(values) == 2 and all(isinstance(v, (int, float)) and v >= 0 for v in values)
    ):
        raise ValueError(
            f'`step_size` must be a number from 0, a pair of them or None, but got {step_size!r}.'
        )


def step_size_at(
    step_size: float | Sequence[float] | None, learning_rate: float, share: float
) -> float:
    """ξ of the virtual step.

    Args:
        step_size: A constant; a pair: from the first to the second along a cosine; None: the learning rate.
        learning_rate: That of ω.
        share: How much of the search is over, 0..1.
    """
    if step_size is None:
        return learning_rate
    if isinstance(step_size, (int, float)):
        return float(step_size)
    first, last = step_size
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2
