"""Pipeline transforms for training enhancers."""

from .formatting import PackEnhancementInputs
from .geometry import RandomCrop
from .loading import LoadPicture, LoadReference

__all__ = ['LoadPicture', 'LoadReference', 'PackEnhancementInputs', 'RandomCrop']
