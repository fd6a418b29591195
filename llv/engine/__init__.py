"""Training: hooks, loops, samplers, wrappers; upstream runs (:mod:`.upstream`), what tools share (:mod:`.runner`)."""

from .hooks import EnhancerLossHook, RandomEnhancerHook, SeedIterationHook
from .loops import CooperativeSearchLoop, PhasedGradientResponseLoop
from .model_wrappers import DistributedDataParallel
from .optim_wrappers import Bfloat16OptimWrapper
from .seeded_sampler import SeededSampler

__all__ = [
    'Bfloat16OptimWrapper',
    'CooperativeSearchLoop',
    'DistributedDataParallel',
    'EnhancerLossHook',
    'PhasedGradientResponseLoop',
    'RandomEnhancerHook',
    'SeedIterationHook',
    'SeededSampler',
]
