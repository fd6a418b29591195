"""Training: hooks, samplers, wrappers; upstream runs (:mod:`.upstream`) and what the tools share (:mod:`.runner`)."""

from .hooks import EnhancerLossHook, RandomEnhancerHook, SeedIterationHook
from .model_wrappers import DistributedDataParallel
from .optim_wrappers import Bfloat16OptimWrapper
from .seeded_sampler import SeededSampler

__all__ = [
    'Bfloat16OptimWrapper',
    'DistributedDataParallel',
    'EnhancerLossHook',
    'RandomEnhancerHook',
    'SeedIterationHook',
    'SeededSampler',
]
