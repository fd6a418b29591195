"""A random enhancer must not run to the end unnoticed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from llv.models.enhancers.base import BaseEnhancer
from llv.registry import HOOKS


@HOOKS.register_module()
class RandomEnhancerHook(Hook):
    """Refuse to test a model or an enhancer that nothing has filled, and to train behind a frozen one of these.

    An enhancer is filled by its `weights`, by a checkpoint that holds all its parameters in their shapes (`load_from`,
    resuming), or by training in the same process. One without parameters needs nothing.

    Raises:
        ValueError: At the start of training or testing.
    """

    def __init__(self) -> None:
        self._loaded: dict[str, torch.Size] = {}
        self._trained = False

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Note what the checkpoint holds."""
        tensors = checkpoint.get('state_dict', checkpoint)
        self._loaded = {
            # as the runner strips it
            name.removeprefix('module.'): tensor.shape
            for name, tensor in tensors.items()
            if isinstance(tensor, torch.Tensor)
        }

    def before_train(self, runner: Runner) -> None:
        """Refuse frozen random enhancers; the others will be trained."""
        for name, enhancer in self._random(runner):
            if not any(p.requires_grad for p in enhancer.parameters()):
                raise ValueError(
                    f'`model.{name}` (`{type(enhancer).__name__}`) is frozen, but neither weights nor a checkpoint '
                    f'fill it, so it would stay random; give `--enhancer-weights` with `--enhancer`, set '
                    f'`model.{name}.weights`, or let an `upstream` run train it.'
                )
        self._trained = True

    def before_test(self, runner: Runner) -> None:
        """Refuse a checkpoint of another model, and all random enhancers."""
        if self._trained:
            return
        own = _unwrapped(runner).state_dict()
        if self._loaded and own and not any(self._loaded.get(k) == v.shape for k, v in own.items()):
            raise ValueError(
                'The checkpoint holds another model than the config; use the config that it was trained with.'
            )
        for name, enhancer in self._random(runner):
            raise ValueError(
                f'`model.{name}` (`{type(enhancer).__name__}`) would be random, because the checkpoint does not hold '
                f'its weights; give `--enhancer-weights` with `--enhancer`, set `model.{name}.weights`, or test with '
                'the config that `tools/train.py` wrote into its work folder, which names them.'
            )

    def _random(self, runner: Runner) -> Iterator[tuple[str, BaseEnhancer]]:
        """The enhancers that have parameters from nowhere, by their name in the model."""
        for name, module in _unwrapped(runner).named_modules():
            if isinstance(module, BaseEnhancer) and module.weights is None:
                # those inside it, the stages of a cascade, have weights of their own and are looked at too
                inside = tuple(
                    f'{inner}.'
                    for inner, part in module.named_modules()
                    if inner and isinstance(part, BaseEnhancer)
                )
                if any(
                    self._loaded.get(f'{name}.{key}') != parameter.shape
                    for key, parameter in module.named_parameters()
                    if not key.startswith(inside)
                ):
                    yield name, module


def _unwrapped(runner: Runner) -> nn.Module:
    """The model itself."""
    model = runner.model
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model
