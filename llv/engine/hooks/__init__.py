"""Hooks."""

from .enhancer_loss_hook import EnhancerLossHook
from .random_enhancer_hook import RandomEnhancerHook
from .seed_iteration_hook import SeedIterationHook

__all__ = ['EnhancerLossHook', 'RandomEnhancerHook', 'SeedIterationHook']
