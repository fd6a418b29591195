"""Extra passes over a model that leave no trace: neither in its statistics nor in the random numbers of training."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from llv.engine.seeded_sampler import seed_generators, seeded


@contextmanager
def undisturbed(model: nn.Module, *key: int) -> Iterator[None]:
    """Run a block under generators seeded by `key`; afterwards they, and all buffers of the model, are as before.

    So running statistics of batch normalisation do not see batches twice, and the passes of one key see the same
    dropout and the same augmentations of whole batches.

    Args:
        model: Its buffers are put back, bit by bit, also where the block raises.
        key: Non-negative numbers.
    """
    kept = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    try:
        with seeded(*key), torch.random.fork_rng(devices=devices):
            seed_generators(*key)
            yield
    finally:
        for buffer, value in kept:
            # not the buffer itself: a backward pass that is still to come would find it changed and refuse, though
            # nothing of a training pass depends on running statistics
            buffer.data.copy_(value)


@contextmanager
def only_trainable(model: nn.Module, parameters: Sequence[Tensor]) -> Iterator[None]:
    """No other parameter of the model requires gradients inside, so that less is kept for the backward pass."""
    wanted = {id(parameter) for parameter in parameters}
    others = [p for p in model.parameters() if p.requires_grad and id(p) not in wanted]
    try:
        for parameter in others:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in others:
            parameter.requires_grad_(True)


def fresh(batch: Any) -> Any:
    """A batch that a pass may change without the next one seeing it; pictures are shared.

    Preprocessors write into data samples (padded shapes, boxes that follow a resize), and several passes start from the
    same batch.
    """
    if isinstance(batch, BaseDataElement):
        return copy.deepcopy(batch)  # its own clone shares what it holds
    if isinstance(batch, dict):
        return {key: fresh(value) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)) and not hasattr(batch, '_fields'):
        return type(batch)(fresh(value) for value in batch)
    return batch
