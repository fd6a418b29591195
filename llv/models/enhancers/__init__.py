"""Enhancers: low-light pictures in, lit pictures out. One file a method."""

from .base import BaseEnhancer, Enhancement
from .cascade import Cascade
from .clahe import CLAHE
from .drbn import DRBN
from .eclnet import ECLNet
from .enlarge import Enlarge
from .fecnet import FECNet
from .fixed_gain import FixedGain, fit_fixed_gain, fit_single_gain
from .gamma import Gamma, fit_gamma
from .histogram_equalization import HistogramEqualization
from .iagcwd import IAGCWD
from .iat import IAT
from .identity import Identity
from .map_based import MapBasedEnhancer
from .mean_match import MeanMatch
from .precomputed import Precomputed
from .psenet import PSENet
from .ruas import RUAS
from .sci import SCI
from .sid import SID
from .trico import TriCo
from .zero_dce import ZeroDCE, apply_curves

__all__ = [
    'CLAHE',
    'DRBN',
    'IAGCWD',
    'IAT',
    'RUAS',
    'SCI',
    'SID',
    'BaseEnhancer',
    'Cascade',
    'ECLNet',
    'Enhancement',
    'Enlarge',
    'FECNet',
    'FixedGain',
    'Gamma',
    'HistogramEqualization',
    'Identity',
    'MapBasedEnhancer',
    'MeanMatch',
    'PSENet',
    'Precomputed',
    'TriCo',
    'ZeroDCE',
    'apply_curves',
    'fit_fixed_gain',
    'fit_gamma',
    'fit_single_gain',
]
