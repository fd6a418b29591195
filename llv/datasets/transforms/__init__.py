"""Pipeline transforms that need no mmdet: for training enhancers, and for darkening any data set."""

from .coupled import CoupledCropToMultiple, CoupledFlips, CoupledRandomCrop
from .coupled_darkening import CoupledDarkening
from .enhance import EnhanceImage
from .formatting import PackEnhancementInputs
from .geometry import RandomCrop, RandomFlips
from .loading import LoadPicture, LoadReference
from .render_exposure import RenderExposure
from .resize import EnlargeToMultiple, ResizePair, ScaleSide
from .stacked_reference import PackWithReference, StackReference
from .synthetic_low_light import SyntheticLowLight

__all__ = [
    'CoupledCropToMultiple',
    'CoupledDarkening',
    'CoupledFlips',
    'CoupledRandomCrop',
    'EnhanceImage',
    'EnlargeToMultiple',
    'LoadPicture',
    'LoadReference',
    'PackEnhancementInputs',
    'PackWithReference',
    'RandomCrop',
    'RandomFlips',
    'RenderExposure',
    'ResizePair',
    'ScaleSide',
    'StackReference',
    'SyntheticLowLight',
]
