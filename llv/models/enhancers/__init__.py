"""Enhancers: low-light pictures in, lit pictures out. One file a method."""

from .base import BaseEnhancer, Enhancement
from .fixed_gain import FixedGain, fit_fixed_gain
from .identity import Identity
from .mean_match import MeanMatch
from .ruas import RUAS

__all__ = [
    'RUAS',
    'BaseEnhancer',
    'Enhancement',
    'FixedGain',
    'Identity',
    'MeanMatch',
    'fit_fixed_gain',
]
