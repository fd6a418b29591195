"""Optimizers whose gradients come from a loop and not from a backward pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from llv.engine.hypergradient import average_gradients


def wrapper_of(runner: Runner, config: dict, parameters: Sequence[nn.Parameter]) -> OptimWrapper:
    """An optimizer of a config, with its ``paramwise_cfg``, of some parameters of the runner's model."""
    wrapper = runner.build_optim_wrapper(config)
    wanted = {id(parameter) for parameter in parameters}
    groups = wrapper.optimizer.param_groups
    for group in groups:
        group['params'] = [p for p in group['params'] if id(p) in wanted]
    # the first stays even if it is empty: hooks log its learning rate
    wrapper.optimizer.param_groups = groups[:1] + [g for g in groups[1:] if g['params']]
    return wrapper


def mean_gradients(
    parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """Over all processes, the same in each; None where no process has a gradient.

    Args:
        parameters: What the gradients belong to.
        gradients: Of each parameter, in this process; None where the loss does not depend on it.
    """
    if not parameters:
        return []
    used = torch.tensor([gradient is not None for gradient in gradients], dtype=torch.int32)
    filled = [
        torch.zeros_like(parameter) if gradient is None else gradient
        for parameter, gradient in zip(parameters, gradients, strict=True)
    ]
    if get_world_size() > 1:
        used = used.to(filled[0].device)
        all_reduce(used, 'max')
    means = average_gradients(filled)
    return [mean if counts else None for mean, counts in zip(means, used.tolist(), strict=True)]


def step_by(
    wrapper: OptimWrapper, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]
) -> None:
    """Step by gradients as they are; the other parameters of the optimizer stay as they are."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    if type(wrapper).step is OptimWrapper.step:
        wrapper.step()  # of the instance, where schedulers count
    else:  # past the loss scaling of AMP wrappers, through which these gradients did not go
        OptimWrapper.step(wrapper)
    wrapper.optimizer.zero_grad()


def step_by_mean(
    wrapper: OptimWrapper, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]
) -> None:
    """Step by the mean gradients of all processes; what no process has a gradient of stays as it is.

    Args:
        wrapper: Its other parameters have no gradients and stay as they are.
        parameters: What is moved.
        gradients: Of each parameter, in this process; None where the loss does not depend on it.
    """
    step_by(wrapper, parameters, mean_gradients(parameters, gradients))
