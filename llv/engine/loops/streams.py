"""Endless streams of batches that can go on where another run stopped."""

from __future__ import annotations

import copy
from typing import Any

from mmengine.runner import Runner
from mmengine.runner.loops import _InfiniteDataloaderIterator
from torch.utils.data import DataLoader


def endless_loader(runner: Runner, config: dict, what: str, seed: int) -> DataLoader:
    """A shuffled loader without end, whose samples are the same whoever loads them and whenever.

    Args:
        runner: Builds it.
        config: As ``train_dataloader``. Samplers of mmengine give way to the endless one that shuffles; others are
            kept.
        what: The argument that names it, for errors.
        seed: Of order and random transforms.

    Raises:
        ValueError: Its data set is empty: an endless sampler would wait for ever.
    """
    config = copy.deepcopy(dict(config))
    sampler = dict(config.get('sampler') or dict(type='DefaultSampler'))
    if sampler.get('type') == 'llv.SeededSampler':
        sampler = dict(sampler['sampler'])
    if str(sampler.get('type')).removeprefix('mmengine.') in ('DefaultSampler', 'InfiniteSampler'):
        sampler = dict(type='InfiniteSampler', shuffle=True)
    config['sampler'] = dict(type='llv.SeededSampler', seed=seed, sampler=sampler)
    loader = runner.build_dataloader(config, seed=seed)
    if len(loader.dataset) == 0:
        raise ValueError(
            f'The data set of `{what}` is empty; check its `ann_file`, `data_prefix` and `indices`.'
        )
    return loader


class Stream:
    """Batch after batch of an endless loader.

    Attributes:
        position: Number of batches that were taken.
    """

    def __init__(self, loader: DataLoader) -> None:
        self.loader = loader
        self.position = 0
        self._batches = _InfiniteDataloaderIterator(loader)

    def skip(self, batches: int) -> None:
        """Start after as many batches; only before the first one is taken."""
        self._batches.skip_iter(batches)
        self.position = batches

    def take(self) -> Any:
        """The next batch."""
        self.position += 1
        return next(self._batches)

    def close(self) -> None:
        """End the workers; left to the garbage collector, each takes its five seconds."""
        for owner in (self._batches, self.loader):
            iterator = getattr(owner, '_iterator', None)
            if hasattr(iterator, '_shutdown_workers'):
                iterator._shutdown_workers()
                owner._iterator = None
