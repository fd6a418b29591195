"""Data sets for training and measuring enhancers."""

from .fivek import FiveKDataset
from .lol import LOLDataset
from .msec import MSECDataset
from .picture_folder import PictureFolder
from .rellisur import RELLISURDataset
from .sice import SICEDataset, SICESequenceDataset

__all__ = [
    'FiveKDataset',
    'LOLDataset',
    'MSECDataset',
    'PictureFolder',
    'RELLISURDataset',
    'SICEDataset',
    'SICESequenceDataset',
]
