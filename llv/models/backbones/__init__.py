"""Backbones that mmdet lacks; they need mmdet and mmcv's compiled operators."""

from .face_vgg import FaceVGG, scaled_channels

__all__ = ['FaceVGG', 'scaled_channels']
