"""Segmentation sets taken at night, and readers that refuse faulty data; they need mmseg."""

from .acdc import ACDCDataset
from .checked import CheckedSegDataset
from .mmseg_readers import CityscapesDataset, DarkZurichDataset, NightDrivingDataset
from .night_city import NightCityDataset

__all__ = [
    'ACDCDataset',
    'CheckedSegDataset',
    'CityscapesDataset',
    'DarkZurichDataset',
    'NightCityDataset',
    'NightDrivingDataset',
]
