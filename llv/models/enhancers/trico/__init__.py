"""TriCo: one network that lights and enlarges, and the priors that tell it what it looks at."""

from .prior import MobileSAMPrior, SemanticPrior, TorchvisionPrior
from .trico import TriCo

__all__ = ['MobileSAMPrior', 'SemanticPrior', 'TorchvisionPrior', 'TriCo']
