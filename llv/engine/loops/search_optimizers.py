"""The two optimizers of a search, and the virtual step that follows one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import OPTIMIZERS
from mmengine.runner import Runner
from torch import nn

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
    weights = runner.build_optim_wrapper(config)
    omega = {id(parameter) for level in levels for parameter in level.omega}
    groups = weights.optimizer.param_groups
    for group in groups:
        group['params'] = [p for p in group['params'] if id(p) in omega]
    # the first stays even if it is empty: hooks log its learning rate
    weights.optimizer.param_groups = groups[:1] + [g for g in groups[1:] if g['params']]

    alpha = [parameter for level in levels for parameter in level.alpha]
    settings = dict(ARCH_OPTIMIZER if arch_optimizer is None else arch_optimizer)
    arch = OptimWrapper(OPTIMIZERS.build(dict(settings, params=alpha)))
    return OptimWrapperDict(weights=weights, arch=arch)


def virtual_step(wrapper: OptimWrapper, omega: Sequence[nn.Parameter]) -> dict[str, Any]:
    """Arguments of :func:`llv.engine.hypergradient.hypergradient` that describe a step of an optimizer.

    Momentum is that of SGD; a step of any other optimizer is taken to be a plain gradient step.
    """
    optimizer = wrapper.optimizer
    group = optimizer.param_groups[0]
    step = dict(step_size=group['lr'], weight_decay=group.get('weight_decay', 0.0))
    if isinstance(optimizer, torch.optim.SGD) and group['momentum']:
        buffers = [optimizer.state.get(p, {}).get('momentum_buffer') for p in omega]
        step.update(momentum=group['momentum'], momentum_buffers=buffers)
    return step
