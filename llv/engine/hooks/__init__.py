"""Hooks."""

from .enhancer_loss_hook import EnhancerLossHook
from .seed_iteration_hook import SeedIterationHook

__all__ = ['EnhancerLossHook', 'SeedIterationHook']
