"""Data sets for training and measuring enhancers."""

from .fivek import FiveKDataset
from .lol import LOLDataset
from .msec import MSECDataset
from .picture_folder import PictureFolder
from .sice import SICEDataset, SICESequenceDataset

__all__ = [
    'FiveKDataset',
    'LOLDataset',
    'MSECDataset',
    'PictureFolder',
    'SICEDataset',
    'SICESequenceDataset',
]
