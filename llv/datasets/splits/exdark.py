"""The three ways in which ExDark is divided in the literature; figures on different ones are not
comparable."""

from __future__ import annotations

from collections.abc import Sequence

from .seeded import seeded_order

EXDARK_PICTURES = 7363
"""Pictures in the official list."""

EXDARK_PROTOCOLS: dict[str, dict[str, int]] = {
    'exdark_official': {'train': 3000, 'val': 1800, 'test': 2563},
    'exdark_maet': {'train': 5890, 'test': 1473},
    'exdark_ruas': {'train': 5200, 'test': 1200},
}
"""Subsets of each protocol with their number of pictures in the complete dataset.

* ``exdark_official``: the split column of the official list (Loh and Chan, CVIU 2019).
* ``exdark_maet``: **our** seeded 80/20, in the proportion of MAET (Cui et al., ICCV 2021). MAET's
  own list is public but not shipped here; give it as ``split_file`` to repeat its numbers.
* ``exdark_ruas``: **our** seeded 5200/1200, in the numbers of RUAS (Liu et al., TPAMI 2022), whose
  random list is unpublished; the remaining 963 pictures are in no subset.

The two seeded ones take the subsets one after the other from
:func:`~llv.datasets.splits.seeded_order` of all stems.
"""

_OFFICIAL_COLUMN = {1: 'train', 2: 'val', 3: 'test'}


def exdark_subset(
    protocol: str, subset: str, stems: Sequence[str], columns: Sequence[int], seed: int = 0
) -> set[str]:
    """The pictures of a subset.

    A list that is shorter or longer than the official one is divided in the same proportions
    (rounded down).

    Args:
        protocol: Key of :data:`EXDARK_PROTOCOLS`.
        subset: Subset of that protocol.
        stems: Names without extension of **all** pictures of the list, so that no filter changes
            who trains.
        columns: Their official split column: 1 train, 2 val, 3 test.
        seed: Seed of the seeded protocols; the named protocol is seed 0.

    Returns:
        Lower-case stems.
    """
    if protocol == 'exdark_official':
        return {
            stem.lower()
            for stem, column in zip(stems, columns, strict=True)
            if _OFFICIAL_COLUMN[column] == subset
        }
    order = seeded_order(stems, seed)
    start = 0
    for name, pictures in EXDARK_PROTOCOLS[protocol].items():
        stop = start + pictures * len(order) // EXDARK_PICTURES
        if name == subset:
            return set(order[start:stop])
        start = stop
    raise KeyError(subset)
