"""The batch-correlation module out of the checkpoint of one of its two stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from llv.models.enhancers.options import same_option, unpack_options
from llv.registry import MODELS
from llv.utils.checkpoint import load_state_dict

from .batch_correlation_module import BatchCorrelationModule

_PREFIX = 'module.'  # where it sits in the checkpoints of `BatchCorrelationModel`


def build_module(options: Mapping[str, Any] | None) -> BatchCorrelationModule:
    """A module of some options; ``type`` may name another class."""
    return MODELS.build({'type': BatchCorrelationModule, **(options or {})})


def read_module(
    weights: str, options: Mapping[str, Any] | None, parts: Sequence[str]
) -> BatchCorrelationModule:
    """A module with some of its parts read from a file and the others as they were drawn.

    What a transformer is made of must agree with the file only where it is among the parts.

    Args:
        weights: Checkpoint of ``llv.BatchCorrelationModel``, or the result of such an upstream run.
        options: Of the module; None takes what the file says.
        parts: Of ``encoder``, ``transformer``, ``fusion``, ``decoder``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, holds no such module or part, or one of other options.
    """
    state = _own(load_state_dict(weights))
    theirs = unpack_options(state['options'], f'`{weights}`') if 'options' in state else {}
    module = build_module(theirs if options is None else options)
    whole = 'transformer' in parts
    for name in module.settled if whole else ('channels',):
        if name in theirs and not same_option(module.settled[name], theirs[name]):
            raise ValueError(
                f'`{weights}` was trained with `{name}={theirs[name]!r}`, but `module` asks for '
                f'{module.settled[name]!r}; leave `{name}` out of `module` or choose other weights.'
            )
    for part in parts:
        _fill(module, part, state, weights)
    return module


def _own(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    part = {k.removeprefix(_PREFIX): v for k, v in state.items() if k.startswith(_PREFIX)}
    return part or state


def _fill(
    module: BatchCorrelationModule, part: str, state: Mapping[str, Tensor], weights: str
) -> None:
    child = module.get_submodule(part)
    own = child.state_dict()
    found = {
        name.removeprefix(f'{part}.'): tensor
        for name, tensor in state.items()
        if name.startswith(f'{part}.')
    }
    if not found and part == 'transformer' and any(n.startswith('encoder.') for n in state):
        raise ValueError(
            f'`{weights}` holds no trained transformer, it is of the first stage; train '
            "`stage='pretext'` on it and give its checkpoint, or set `transformer='random'`."
        )
    if found.keys() != own.keys():
        odd = sorted(found.keys() ^ own.keys())[0]
        state_of_it = 'unknown' if odd in found else 'missing'
        raise ValueError(
            f'`{weights}` holds no batch-correlation module of these options (`{part}.{odd}` is {state_of_it}); '
            'give the checkpoint of `llv.BatchCorrelationModel` and the options that belong to it.'
        )
    for name, tensor in found.items():
        if tensor.shape != own[name].shape:
            raise ValueError(
                f'`{weights}` holds a batch-correlation module of another width (`{part}.{name}` is '
                f'{tuple(tensor.shape)}, not {tuple(own[name].shape)}); give `module` the options it was trained with.'
            )
    with torch.no_grad():
        child.load_state_dict(found)
