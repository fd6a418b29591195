"""The same random numbers in an iteration, whether or not the run was interrupted before it."""

from __future__ import annotations

from typing import Any

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from llv.engine.seeded_sampler import seed_generators
from llv.registry import HOOKS


@HOOKS.register_module()
class SeedIterationHook(Hook):
    """Seeds all generators from (seed, iteration, rank) before every training iteration.

    So dropout and augmentations of whole batches are the same after a resume. What single samples draw is the affair of
    :class:`llv.engine.seeded_sampler.SeededSampler`.
    """

    priority = 'VERY_HIGH'

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Seed the generators."""
        seed_generators(runner.seed, runner.iter, get_rank())
