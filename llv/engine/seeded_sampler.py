"""Random transforms that do not depend on workers, on the past or on an interruption.

mmengine saves no state of the random generators, and its workers draw from streams of their own, so a resumed
run sees other pictures than one that was never interrupted. Here every sample is loaded under its own seed, made
of the run's seed, the epoch and the sample's position in it: whoever loads it, and whenever, gets the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence, Sized
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import get_dist_info
from mmengine.logging import print_log
from torch.utils.data import Sampler

from llv.registry import DATA_SAMPLERS


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Run a block under CPU generators of Python, numpy and torch seeded by `key`; afterwards they are as before."""
    python, array, tensor = random.getstate(), np.random.get_state(), torch.get_rng_state()
    torch.default_generator.manual_seed(_seed_python_and_numpy(key))
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(array)
        torch.set_rng_state(tensor)


def seed_generators(*key: int) -> None:
    """Seed the generators of Python, numpy and torch, on all devices, by a key of non-negative numbers."""
    torch.manual_seed(_seed_python_and_numpy(key))


def _seed_python_and_numpy(key: tuple[int, ...]) -> int:
    """Seed both and return a seed for torch."""
    words = np.random.SeedSequence(key).generate_state(6)
    random.seed(words[:4].tobytes())
    np.random.seed(words[:4])
    return int(words[4]) << 31 | int(words[5]) >> 1


class SeededIndex(int):
    """An index of a dataset that carries the key of its sample."""

    key: tuple[int, ...]

    def __new__(cls, index: int, key: tuple[int, ...] = ()) -> SeededIndex:
        self = super().__new__(cls, index)
        self.key = key
        return self


class SeededIndices(tuple):
    """The same for samplers that yield several numbers a sample, such as (video, frame)."""

    key: tuple[int, ...] = ()


class SeededFetch:
    """Loads the samples of a batch, each under its own seed.

    It takes the place of a dataset's ``__getitems__``, which torch's loader calls with the indices of a batch. So
    the dataset stays what it is, also for hooks that change its pipeline, and seeds travel with the indices.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __call__(self, indices: Sequence[Any]) -> list[Any]:
        return [self._load(index) for index in indices]

    def _load(self, index: Any) -> Any:
        if isinstance(index, SeededIndex):
            plain: Any = int(index)
        elif isinstance(index, SeededIndices):
            plain = tuple(index)
        else:
            return self.dataset[index]
        with seeded(*index.key):
            return self.dataset[plain]


@DATA_SAMPLERS.register_module()
class SeededSampler(Sampler):
    """Any sampler, with a seed for every sample.

    The key of a sample is (seed, epoch, position), the position counted over all ranks; samplers without end stay
    in epoch 0.
    Transforms that keep a state of their own from sample to sample (a cache of earlier pictures, a generator seeded at
    construction) are outside of it.

    Args:
        dataset: The dataset; given by the runner.
        sampler: Config of the sampler that chooses the order.
        seed: Seed of the run.
    """

    def __init__(self, dataset: Sized, sampler: dict, seed: int | None = None) -> None:
        self.sampler = DATA_SAMPLERS.build(sampler, default_args=dict(dataset=dataset, seed=seed))
        self.dataset = dataset
        self.seed = 0 if seed is None else seed
        self.epoch = 0
        self._first = 0
        self._rank, self._world_size = get_dist_info()
        dataset.__getitems__ = SeededFetch(dataset)
        if hasattr(self.sampler, 'skip'):  # mmengine asks for it to tell what can be fast-forwarded
            self.skip = self._skip

    def __iter__(self) -> Iterator[SeededIndex | SeededIndices]:
        for position, index in enumerate(self.sampler, self._first):
            key = (self.seed, self.epoch, position * self._world_size + self._rank)
            if isinstance(index, (tuple, list)):
                indices = SeededIndices(index)
                indices.key = key
                yield indices
            else:
                yield SeededIndex(index, key)

    def __len__(self) -> int:
        return len(self.sampler)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next iteration."""
        self.epoch = epoch
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(epoch)

    def _skip(self, num_samples: int) -> None:
        """Go to an absolute position in the stream of this rank."""
        self.sampler.skip(num_samples)
        self._first = num_samples


def make_reproducible(cfg: Config) -> None:
    """Make a run repeat bit by bit whatever its workers are and wherever it is interrupted.

    Sets the seed to 0 where the config has none, wraps the sampler of the training set into :class:`SeededSampler`
    and adds :class:`SeedIterationHook`. Changes `cfg` in place; does nothing a second time.
    """
    randomness = dict(cfg.get('randomness') or {})
    if randomness.get('seed') is None:
        randomness['seed'] = 0
    cfg.randomness = randomness
    loader = cfg.get('train_dataloader')
    sampler = None if loader is None else loader.get('sampler')
    if isinstance(sampler, dict):
        if sampler.get('type') not in ('llv.SeededSampler', SeededSampler):
            loader['sampler'] = dict(
                type='llv.SeededSampler', seed=randomness['seed'], sampler=sampler
            )
    elif loader is not None:
        print_log(
            '`train_dataloader` has no `sampler`, so its random transforms are not repeated after an interruption.',
            logger='current',
        )
    hooks = list(cfg.get('custom_hooks') or [])
    if not any(
        hook.get('type') == 'llv.SeedIterationHook' for hook in hooks if isinstance(hook, dict)
    ):
        cfg.custom_hooks = [*hooks, dict(type='llv.SeedIterationHook')]
