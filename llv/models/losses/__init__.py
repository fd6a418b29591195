"""Losses, usable without any enhancer."""

from .denoise import DenoiseLoss, squared_total_variation
from .relative_total_variation import RelativeTotalVariationLoss, relative_total_variation
from .ruas_scene import RUASSceneLoss, neighbour_smoothness, scrambled_ycbcr

__all__ = [
    'DenoiseLoss',
    'RUASSceneLoss',
    'RelativeTotalVariationLoss',
    'neighbour_smoothness',
    'relative_total_variation',
    'scrambled_ycbcr',
    'squared_total_variation',
]
