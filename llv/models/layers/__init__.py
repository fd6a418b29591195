"""Layers that mm models are built of."""

from .frozen_bn import FrozenBN

__all__ = ['FrozenBN']
