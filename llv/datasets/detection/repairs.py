"""What a reader of annotations mended, dropped or found, each with its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple


class Repair(NamedTuple):
    """One thing that was mended, dropped or found."""

    kind: str
    where: str
    text: str


class Repairs:
    """A list of repairs, counted by kind.

    Attributes:
        entries: (kind, where, text) in the order in which they were found.
        counts: Number of each kind, in the order of their first appearance; 0 for kinds that did not appear.

    Example:
        >>> repairs = Repairs()
        >>> repairs.add('clipped', 'label/7.txt:3', '(-2, 5, 9, 11) reaches beyond the picture')
        >>> repairs.summary()
        '1 clipped'
    """

    def __init__(self) -> None:
        self.entries: list[Repair] = []
        self.counts: Counter[str] = Counter()

    def add(self, kind: str, where: str, text: str) -> None:
        """Note one thing.

        Args:
            kind: What was done or found, such as ``'clipped'``, ``'dropped'`` or ``'count mismatch'``.
            where: File and line, ``label/7.txt:3``, or the file alone.
            text: What is wrong there.
        """
        self.entries.append(Repair(kind, where, text))
        self.counts[kind] += 1

    def summary(self) -> str:
        """How many of each kind, in one line; empty when nothing was found."""
        return ', '.join(f'{count} {kind}' for kind, count in self.counts.items())


def tidy_box(
    box: Sequence[float], width: float, height: float, where: str, repairs: Repairs
) -> tuple[float, float, float, float] | None:
    """Clip a box to its picture, or drop it.

    Corners in the wrong order are a box without area, for in no data set that llv reads do they mean anything else:
    they are dropped, not swapped.

    Args:
        box: Corners x1, y1, x2, y2 in pixels of the picture as shown.
        width: Width of the picture.
        height: Height of the picture.
        where: File and line of the box, for the notes.
        repairs: Where ``'clipped'`` or ``'dropped'`` is noted.

    Returns:
        Corners with 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height, or None if nothing of the box is in the picture.
    """
    x1, y1, x2, y2 = (float(value) for value in box)
    shown = ', '.join(f'{value:g}' for value in (x1, y1, x2, y2))
    if not (x2 > x1 and y2 > y1):  # also where a corner is not a number
        repairs.add('dropped', where, f'({shown}) has no area')
        return None
    clipped = (
        min(max(x1, 0.0), float(width)),
        min(max(y1, 0.0), float(height)),
        min(max(x2, 0.0), float(width)),
        min(max(y2, 0.0), float(height)),
    )
    size = f'{width:g}x{height:g}'
    if not (clipped[2] > clipped[0] and clipped[3] > clipped[1]):
        repairs.add('dropped', where, f'({shown}) lies outside of the picture of {size}')
        return None
    if clipped != (x1, y1, x2, y2):
        repairs.add('clipped', where, f'({shown}) reaches beyond the picture of {size}')
    return clipped
