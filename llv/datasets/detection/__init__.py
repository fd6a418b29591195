"""Detection datasets that mmdet lacks; they need mmdet and mmcv's compiled operators."""

from .dark_face import DarkFaceDataset
from .errors import DatasetNotFoundError
from .exdark import ExDarkDataset
from .exdark_files import EXDARK_CLASSES, EXDARK_LIGHTS, EXDARK_TO_COCO
from .fddb import FDDBDataset
from .repairs import Repairs
from .wider_face import WiderFaceDataset

__all__ = [
    'EXDARK_CLASSES',
    'EXDARK_LIGHTS',
    'EXDARK_TO_COCO',
    'DarkFaceDataset',
    'DatasetNotFoundError',
    'ExDarkDataset',
    'FDDBDataset',
    'Repairs',
    'WiderFaceDataset',
]
