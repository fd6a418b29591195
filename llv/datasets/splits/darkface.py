"""How the 6,000 labelled pictures of DARK FACE are divided; no division is official, so figures on different ones are
not comparable.

The text files beside this one name the pictures that are tested on, one stem a line; they can be given as
``split_file`` too. **They are ours**: of :func:`~llv.datasets.splits.seeded.seeded_order` with seed 0 of the names
``1`` to ``6000`` the first train and the rest is tested on. So the smaller test lists are parts of the larger ones.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from .seeded import read_split_file

DARKFACE_PICTURES = 6000
"""Labelled pictures, named ``1`` to ``6000``."""

DARKFACE_PROTOCOLS: dict[str, dict[str, int]] = {
    'darkface_ruas': {'train': 5000, 'test': 1000},
    'darkface_heldout500': {'train': 5500, 'test': 500},
    'darkface_5400_600': {'train': 5400, 'test': 600},
}
"""Subsets of each protocol with their number of pictures; the lists are ours in all three.

* ``darkface_ruas``: in the numbers of RUAS (Liu et al., TPAMI 2022), whose random list is unpublished.
* ``darkface_heldout500``: in the numbers of HLA-Face (Wang et al., CVPR 2021). Its own list is public but not shipped
  here; give it as ``split_file`` to repeat its numbers. The labels that circulate with it are a detector's, not those
  of DARK FACE.
* ``darkface_5400_600``: nine tenths to train.
"""


@cache
def darkface_subset(protocol: str, subset: str) -> frozenset[str]:
    """The stems, ``'1'`` to ``'6000'``, of a subset.

    Args:
        protocol: Key of :data:`DARKFACE_PROTOCOLS`.
        subset: ``'train'`` or ``'test'``.
    """
    test = frozenset(read_split_file(Path(__file__).with_name(f'{protocol}_test.txt')))
    if subset == 'test':
        return test
    return frozenset(str(number) for number in range(1, DARKFACE_PICTURES + 1)) - test
