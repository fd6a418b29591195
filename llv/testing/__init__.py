"""Checks for parts that others write."""

from .enhancer_checks import CHECKS
from .enhancer_contract import Outcome, check_enhancer

__all__ = ['CHECKS', 'Outcome', 'check_enhancer']
