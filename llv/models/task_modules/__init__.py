"""Anchors, assigners and box voting that mmdet lacks; they need mmdet and mmcv's compiled operators."""

from .box_voting import vote_boxes
from .face_anchor_generator import FaceAnchorGenerator
from .scale_compensation_assigner import ScaleCompensationAssigner

__all__ = ['FaceAnchorGenerator', 'ScaleCompensationAssigner', 'vote_boxes']
