"""Pipeline transforms of segmentors; they need mmseg."""

from .check_label_map import CheckLabelMap

__all__ = ['CheckLabelMap']
