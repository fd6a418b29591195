"""Metrics of segmentors that mmseg lacks; they need mmseg and mmcv's compiled operators."""

from .class_views import CLASS_VIEWS, get_view, mean_over
from .label_map_export import LabelMapExport
from .per_class_iou_metric import PerClassIoUMetric
from .region_iou_metric import RegionIoUMetric

__all__ = [
    'CLASS_VIEWS',
    'LabelMapExport',
    'PerClassIoUMetric',
    'RegionIoUMetric',
    'get_view',
    'mean_over',
]
