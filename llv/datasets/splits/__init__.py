"""Which pictures of a dataset train and which are measured on, where the publishers give a ratio
but no list."""

from .exdark import EXDARK_PROTOCOLS, exdark_subset
from .seeded import read_split_file, seeded_order

__all__ = ['EXDARK_PROTOCOLS', 'exdark_subset', 'read_split_file', 'seeded_order']
