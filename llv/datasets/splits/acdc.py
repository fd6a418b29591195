"""Numbers of pictures of ACDC, and the division of its night pictures that RUAS measures on."""

from __future__ import annotations

from collections.abc import Iterable

from .seeded import seeded_order

ACDC_CONDITIONS = ('fog', 'night', 'rain', 'snow')
"""The four adverse conditions, as their folders are named."""

ACDC_COUNTS: dict[str, dict[str, int]] = {
    condition: {'train': 400, 'val': 106 if condition == 'night' else 100, 'test': 500}
    for condition in ACDC_CONDITIONS
}
"""Official numbers of pictures (Sakaridis et al., ICCV 2021), 4,006 in all; the labels of the test pictures are
withheld."""

ACDC_PROTOCOLS: dict[str, dict[str, int]] = {'acdc_night_ruas': {'train': 400, 'test': 106}}
"""Subsets of each protocol with their number of pictures.

* ``acdc_night_ruas``: **our** seeded 400/106 of the union of the official night train and val pictures, in the numbers
  of RUAS (Liu et al., TPAMI 2022), whose random list is unpublished. Official val pictures train here: what was chosen
  or measured on the official val set does not belong in one table with this.

The subsets are taken one after the other from :func:`~llv.datasets.splits.seeded_order` of all stems, such as
``gopr0351_frame_000159``.
"""


def acdc_subset(protocol: str, subset: str, stems: Iterable[str], seed: int = 0) -> set[str]:
    """The pictures of a subset.

    Args:
        protocol: Key of :data:`ACDC_PROTOCOLS`.
        subset: Subset of that protocol.
        stems: Names, without ``_rgb_anon.png``, of **all** night pictures of official train and val, in any order.
        seed: The named protocol is seed 0; others serve to repeat an experiment.

    Returns:
        Lower-case stems.

    Raises:
        ValueError: There are more or fewer stems than the protocol divides, or two are equal.
    """
    order = seeded_order(stems, seed)
    total = sum(ACDC_PROTOCOLS[protocol].values())
    if len(order) != total:
        raise ValueError(
            f'`{protocol}` divides the {total} night pictures of official train and val, but found '
            f'{len(order)}: unpack both completely, or divide your own with lists as `ann_file`.'
        )
    start = 0
    for name, pictures in ACDC_PROTOCOLS[protocol].items():
        if name == subset:
            return set(order[start : start + pictures])
        start += pictures
    raise KeyError(subset)
