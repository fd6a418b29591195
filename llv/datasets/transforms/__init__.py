"""Pipeline transforms for training enhancers."""

from .enhance import EnhanceImage
from .formatting import PackEnhancementInputs
from .geometry import RandomCrop, RandomFlips
from .loading import LoadPicture, LoadReference
from .resize import EnlargeToMultiple, ResizePair, ScaleSide

__all__ = [
    'EnhanceImage',
    'EnlargeToMultiple',
    'LoadPicture',
    'LoadReference',
    'PackEnhancementInputs',
    'RandomCrop',
    'RandomFlips',
    'ResizePair',
    'ScaleSide',
]
