"""Which pictures of a dataset train and which are measured on, where the publishers give a ratio
but no list, or a list that is worth having at hand."""

from .acdc import ACDC_CONDITIONS, ACDC_COUNTS, ACDC_PROTOCOLS, acdc_subset
from .darkface import DARKFACE_PROTOCOLS, darkface_subset
from .enhancement import FIVEK_PROTOCOLS, SICE_SUBSETS, fivek_numbers, sice_numbers
from .exdark import EXDARK_PROTOCOLS, exdark_subset
from .seeded import read_split_file, seeded_order

__all__ = [
    'ACDC_CONDITIONS',
    'ACDC_COUNTS',
    'ACDC_PROTOCOLS',
    'DARKFACE_PROTOCOLS',
    'EXDARK_PROTOCOLS',
    'FIVEK_PROTOCOLS',
    'SICE_SUBSETS',
    'acdc_subset',
    'darkface_subset',
    'exdark_subset',
    'fivek_numbers',
    'read_split_file',
    'seeded_order',
    'sice_numbers',
]
