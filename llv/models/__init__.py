"""Models of llv; the parts that need mmdet or mmseg are imported by the registry where those are installed."""

from .data_preprocessors import EnhancedDataPreprocessor, PictureDataPreprocessor
from .enhancement_model import EnhancementModel
from .enhancers import RUAS, BaseEnhancer, Enhancement, FixedGain, Identity, MeanMatch
from .losses import *  # noqa: F401, F403

__all__ = [
    'RUAS',
    'BaseEnhancer',
    'EnhancedDataPreprocessor',
    'Enhancement',
    'EnhancementModel',
    'FixedGain',
    'Identity',
    'MeanMatch',
    'PictureDataPreprocessor',
]
