"""Detection datasets that mmdet lacks; they need mmdet and mmcv's compiled operators."""

from .errors import DatasetNotFoundError
from .exdark import ExDarkDataset
from .exdark_files import EXDARK_CLASSES, EXDARK_LIGHTS, EXDARK_TO_COCO

__all__ = [
    'EXDARK_CLASSES',
    'EXDARK_LIGHTS',
    'EXDARK_TO_COCO',
    'DatasetNotFoundError',
    'ExDarkDataset',
]
