"""Detectors that mmdet lacks; they need mmdet and mmcv's compiled operators."""

from .dsfd import DSFD
from .face_detector import FaceDetector
from .pyramidbox import PyramidBox
from .ruas_detector import RUASDetector
from .s3fd import S3FD

__all__ = ['DSFD', 'FaceDetector', 'PyramidBox', 'RUASDetector', 'S3FD']
