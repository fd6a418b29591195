"""Pipeline transforms for training enhancers."""

from .formatting import PackEnhancementInputs
from .geometry import RandomCrop
from .loading import LoadReference

__all__ = ['LoadReference', 'PackEnhancementInputs', 'RandomCrop']
