"""Loops: how training goes on where one loss and one optimizer are not all."""

from .cooperative_search_loop import CooperativeSearchLoop
from .phased_gradient_response_loop import PhasedGradientResponseLoop

__all__ = ['CooperativeSearchLoop', 'PhasedGradientResponseLoop']
