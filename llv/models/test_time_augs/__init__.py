"""Test-time augmentation of face detectors; it needs mmdet and mmcv's compiled operators."""

from .face_tta import FaceTTAModel

__all__ = ['FaceTTAModel']
