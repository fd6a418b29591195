"""Which pictures of LOL, FiveK and SICE train and which are measured on.

``enhancement.json`` beside this file holds the numbers. Those of LOL, of ``fivek_fecnet_test`` and of ``sice_*_fecnet``
are what the official lists of FECNet name (facts; its authors' host networks are those of ERL); the others are
**ours**: the first of :func:`~llv.datasets.splits.seeded.seeded_order` with seed 0, of the names ``0001`` to ``5000``
for FiveK, and of the numbers of the authors' training list for SICE.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

FIVEK_PROTOCOLS: dict[str, dict[str, int]] = {
    'fecnet': {'train': 4500, 'test': 500},
    'last500': {'train': 4500, 'test': 500},
    'ruas': {'train': 500, 'test': 100},
}
"""Subsets of each protocol with their number of pictures.

* ``fecnet``: the official lists of FECNet (Huang et al., ECCV 2022); the test numbers are scattered.
* ``last500``: numbers 4501 to 5000 are tested on, as in several papers.
* ``ruas``: **our** seeded 500/100, in the numbers of RUAS (Liu et al., TPAMI 2022), whose random list is unpublished.
  It trains on under-exposed pictures; how they were picked is unpublished too, so ours are drawn from all.
"""

SICE_SUBSETS = {'train': 482, 'val': 30, 'trainval': 512, 'test': 30}
"""Scenes: the authors' 512 for training, of which 30 (ours) are held out to choose checkpoints on, and their 30
for testing."""


@cache
def _numbers() -> dict[str, list[int]]:
    return json.loads(Path(__file__).with_name('enhancement.json').read_text(encoding='utf-8'))


LOL_V1_NUMBERS = {'train': _numbers()['lol_v1_train'], 'test': _numbers()['lol_v1_test']}
"""Numbers of the pairs of LOL, version 1."""

LOL_LISTED_TWICE = _numbers()['lol_v1_train_listed_twice']
"""Training pairs of LOL, version 1, that FECNet's list names twice."""


def fivek_numbers(protocol: str, subset: str) -> list[int]:
    """The numbers, 1 to 5000, of a subset of FiveK.

    Args:
        protocol: Key of :data:`FIVEK_PROTOCOLS`.
        subset: ``'train'`` or ``'test'``.
    """
    if protocol == 'ruas':
        return _numbers()[f'fivek_ruas_seed0_{subset}']
    test = range(4501, 5001) if protocol == 'last500' else _numbers()['fivek_fecnet_test']
    if subset == 'test':
        return list(test)
    excluded = set(test)
    return [number for number in range(1, 5001) if number not in excluded]


def sice_numbers(subset: str) -> list[int]:
    """The numbers of the scenes of a key of :data:`SICE_SUBSETS`."""
    if subset == 'test':
        return _numbers()['sice_test_fecnet']
    held_out = _numbers()['sice_val_seed0']
    if subset == 'val':
        return held_out
    every = _numbers()['sice_trainval_fecnet']
    return every if subset == 'trainval' else [n for n in every if n not in set(held_out)]
