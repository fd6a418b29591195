"""Pipeline transforms of detectors; they need mmdet and mmcv's compiled operators."""

from .anchor_sampling import DataAnchorSampling
from .expand import FaceExpand
from .resize_to_area import ResizeToArea
from .square_crop import FaceSquareCrop

__all__ = ['DataAnchorSampling', 'FaceExpand', 'FaceSquareCrop', 'ResizeToArea']
