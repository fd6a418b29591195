"""Hooks."""

from .enhanced_visualization_hook import EnhancedVisualizationHook
from .enhancer_loss_hook import EnhancerLossHook
from .gradient_agreement_hook import GradientAgreementHook
from .pseudo_target_hook import PseudoTargetHook
from .random_enhancer_hook import RandomEnhancerHook
from .seed_iteration_hook import SeedIterationHook
from .train_loss_plateau_hook import TrainLossPlateauHook

__all__ = [
    'EnhancedVisualizationHook',
    'EnhancerLossHook',
    'GradientAgreementHook',
    'PseudoTargetHook',
    'RandomEnhancerHook',
    'SeedIterationHook',
    'TrainLossPlateauHook',
]
