"""Dense heads that mmdet lacks or that need repair; needs mmdet."""

from .dual_shot_head import DualShotHead
from .face_head import FaceHead
from .searchable_ssd_head import SearchableSSDHead
from .ssd_head import SSDHead

__all__ = ['DualShotHead', 'FaceHead', 'SSDHead', 'SearchableSSDHead']
