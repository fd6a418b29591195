"""Metrics of detectors that mmdet lacks; they need mmdet and mmcv's compiled operators."""

from .curves import Curve, CurveFile, read_curves, write_curves
from .dark_face_metric import DarkFaceMetric
from .fddb_metric import FDDBMetric
from .per_class_voc_metric import PerClassVOCMetric
from .size_metric import SizeAPMetric
from .wider_face_metric import WiderFaceMetric

__all__ = [
    'Curve',
    'CurveFile',
    'DarkFaceMetric',
    'FDDBMetric',
    'PerClassVOCMetric',
    'SizeAPMetric',
    'WiderFaceMetric',
    'read_curves',
    'write_curves',
]
