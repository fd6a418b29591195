"""Data preprocessors: the enhancer in front of any mm model, and pictures for training an enhancer alone."""

from .enhanced_data_preprocessor import EnhancedDataPreprocessor, HeldGroup
from .photometric_distortion import PhotoMetricDistortion
from .picture_data_preprocessor import PictureDataPreprocessor

__all__ = [
    'EnhancedDataPreprocessor',
    'HeldGroup',
    'PhotoMetricDistortion',
    'PictureDataPreprocessor',
]
