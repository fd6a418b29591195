"""What an enhancer costs a model at test time: milliseconds, multiply-accumulates and parameters of both."""

from __future__ import annotations

import copy
import math
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from llv.models.data_preprocessors import EnhancedDataPreprocessor
from llv.utils.complexity import count_macs, count_parameters
from llv.utils.grouping import group_by_size

Parts = dict[str, float]


def measure_speed(
    model: nn.Module, sample_batch: Mapping[str, Any], repeats: int = 10
) -> dict[str, dict[str, float]]:
    """Milliseconds, multiply-accumulates and parameters of the enhancer and of the model behind it.

    Both times come from the same ``test_step``: ``enhancer`` is all that the wrapper does beside the base preprocessor
    (converting the pictures included), ``model`` all the rest, loading of data excluded. So other work on the machine
    meets both alike, and the model sees lit pictures, as in use; after one step to warm up the median of `repeats`
    counts. A model without an enhancer has 0 for it.

    Args:
        model: A model of mmdet or mmseg, with or without ``EnhancedDataPreprocessor``. It is measured in eval mode,
            without gradients, and left in its own.
        sample_batch: A batch as its test loader gives it (``inputs`` and ``data_samples``); it is not changed.
        repeats: Steps, 1 and more.

    Returns:
        ``milliseconds`` and ``macs`` a picture and ``parameters``, each with ``enhancer`` and ``model``, as records of
        the matrix have them. The multiply-accumulates are those of :func:`llv.utils.complexity.count_macs`, for a
        model those of its ``tensor`` mode on the padded batch, or on every window of it where a segmentor slides.

    Raises:
        ValueError: `repeats` is not positive, or the batch is empty.
    """
    if repeats < 1:
        raise ValueError(f'`repeats` must be a whole number from 1, but got {repeats!r}.')
    count = len(sample_batch['inputs'])
    if not count:
        raise ValueError('`sample_batch` holds no picture; take a batch of the test loader.')
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            steps = [_timed_step(model, sample_batch) for _ in range(repeats + 1)][1:]
        macs = _macs(model, sample_batch)
    finally:
        for module, training in modes.items():
            module.training = training
    seconds = {part: statistics.median(step[part] for step in steps) for part in steps[0]}
    enhancer = _enhancer(model)
    lit = 0 if enhancer is None else count_parameters(enhancer)
    return dict(
        milliseconds={part: 1e3 * value / count for part, value in seconds.items()},
        macs={part: value / count for part, value in macs.items()},
        parameters=dict(enhancer=lit, model=count_parameters(model) - lit),
    )


def _enhancer(model: nn.Module) -> nn.Module | None:
    preprocessor = model.data_preprocessor
    return preprocessor.enhancer if isinstance(preprocessor, EnhancedDataPreprocessor) else None


def _timed_step(model: nn.Module, batch: Mapping[str, Any]) -> Parts:
    batch = copy.deepcopy(dict(batch))  # a step writes into its samples
    device = next(model.parameters()).device
    with _clock(model, device) as spent:
        start = now(device)
        model.test_step(batch)
        total = now(device) - start
    return dict(
        enhancer=spent['wrapper'] - spent['base'], model=total - spent['wrapper'] + spent['base']
    )


@contextmanager
def _clock(model: nn.Module, device: torch.device) -> Iterator[Parts]:
    """Seconds that the wrapper, and the base inside of it, take while the context is open."""
    spent, started = dict(wrapper=0.0, base=0.0), {}
    preprocessor = model.data_preprocessor
    if not isinstance(preprocessor, EnhancedDataPreprocessor):
        yield spent
        return

    def before(name: str) -> Any:
        def hook(*_: Any) -> None:
            started[name] = now(device)

        return hook

    def behind(name: str) -> Any:
        def hook(*_: Any) -> None:
            spent[name] += now(device) - started[name]

        return hook

    handles = []
    for name, module in (('wrapper', preprocessor), ('base', preprocessor.base)):
        handles.append(module.register_forward_pre_hook(before(name)))
        handles.append(module.register_forward_hook(behind(name)))
    try:
        yield spent
    finally:
        for handle in handles:
            handle.remove()


def now(device: torch.device) -> float:
    """The time in seconds, after all that an accelerator still has to do."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _macs(model: nn.Module, batch: Mapping[str, Any]) -> Parts:
    """Multiply-accumulates of the whole batch."""
    device = next(model.parameters()).device
    enhancer, lit = _enhancer(model), 0
    if enhancer is not None:
        pictures = list(batch['inputs'])
        for indices in group_by_size(pictures):
            size = tuple(pictures[indices[0]].shape[-2:])
            lit += count_macs(lambda x: enhancer(x.to(device)), size, len(indices))
    with torch.no_grad():
        ready = model.data_preprocessor(copy.deepcopy(dict(batch)), False)
    inputs, samples = ready['inputs'], ready.get('data_samples')

    def rest(images: Tensor) -> Any:
        return model(images.to(device), samples, mode='tensor')

    size, windows = _windows(model, tuple(inputs.shape[-2:]))
    return dict(enhancer=lit, model=windows * count_macs(rest, size, len(inputs)))


def _windows(model: nn.Module, size: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """Size and number of the windows in which a model goes over a picture: one, but for segmentors that slide."""
    test_cfg = getattr(model, 'test_cfg', None) or {}
    if test_cfg.get('mode') != 'slide':
        return size, 1
    window = tuple(min(pair) for pair in zip(size, test_cfg['crop_size'], strict=True))
    steps = zip(size, window, test_cfg['stride'], strict=True)
    # the last window of a row or column is moved back to the border
    return window, math.prod(-(-(whole - part) // stride) + 1 for whole, part, stride in steps)
