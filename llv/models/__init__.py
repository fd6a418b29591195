"""Models of llv; the parts that need mmdet or mmseg are imported by the registry where those are installed."""

from .data_preprocessors import (
    EnhancedDataPreprocessor,
    PhotoMetricDistortion,
    PictureDataPreprocessor,
)
from .enhancement_model import EnhancementModel
from .enhancers import *  # noqa: F401, F403
from .layers import FrozenBN
from .losses import *  # noqa: F401, F403
from .pseudo_target_model import PseudoTargetModel
from .regularizers import (
    BatchCorrelationModel,
    BatchCorrelationModule,
    PooledL1Loss,
    SampleRelationLoss,
)

__all__ = [
    'BatchCorrelationModel',
    'BatchCorrelationModule',
    'EnhancedDataPreprocessor',
    'EnhancementModel',
    'FrozenBN',
    'PhotoMetricDistortion',
    'PictureDataPreprocessor',
    'PooledL1Loss',
    'PseudoTargetModel',
    'SampleRelationLoss',
]
