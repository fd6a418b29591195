"""Loops: how training goes on where one loss and one optimizer are not all."""

from .cooperative_search_loop import CooperativeSearchLoop

__all__ = ['CooperativeSearchLoop']
