"""The raw sequences of SICE on disk, and which of their exposures are used."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from .pairing import PICTURE_SUFFIXES, listing
from .picture_set import locate

SICE_SEQUENCES = {1: 360, 2: 229}
"""Sequences in the two parts."""


def part_folder(root: str | PathLike[str], part: int) -> Path:
    """The folder that holds the numbered sequences of a part; archives nest it differently.

    Raises:
        FileNotFoundError: There is none.
    """
    name = f'Dataset_Part{part}'
    for relative in (name, f'{name}/{name}', f'SICE/{name}'):
        folder = locate(root, relative)
        if folder is not None and any(_is_sequence(entry) for entry in folder.iterdir()):
            return folder
    raise FileNotFoundError(
        f'SICE was not found in `data_root` `{root}`, which lacks `{name}` with numbered folders of exposures; get the '
        'data from csjcai/SICE, or correct `data_root`.'
    )


def find_labels(root: str | PathLike[str], folder: Path) -> Path:
    """The folder of the fused labels, in that of the part, beside it, or in the root.

    Raises:
        FileNotFoundError: There is none.
    """
    for place in (folder, folder.parent, Path(root)):
        labels = locate(place, 'Label')
        if labels is not None:
            return labels
    raise FileNotFoundError(
        f'The labels of SICE were not found: `{folder}` lacks `Label`; get them from csjcai/SICE.'
    )


def find_sequences(folder: Path) -> dict[str, list[Path]]:
    """The exposures of each numbered sequence, in the order of their numbers, which is from dark to bright.

    Raises:
        ValueError: Names are no numbers, come twice, or a sequence is empty (named).
    """
    sequences: dict[str, list[Path]] = {}
    odd, twice, empty = [], [], []
    for entry in sorted(
        (entry for entry in folder.iterdir() if _is_sequence(entry)), key=lambda e: int(e.name)
    ):
        numbered: dict[int, Path] = {}
        for path in sorted(entry.iterdir()):
            if path.suffix.lower() not in PICTURE_SUFFIXES or path.name.startswith('.'):
                continue
            if not path.stem.isdecimal():
                odd.append(f'{entry.name}/{path.name}')
            elif int(path.stem) in numbered:
                twice.append(f'{entry.name}/{path.name}')
            else:
                numbered[int(path.stem)] = path
        if not numbered:
            empty.append(entry.name)
        sequences[entry.name] = [numbered[number] for number in sorted(numbered)]
    problems = [
        f'{what}: {listing(names)}'
        for what, names in (
            ('no numbers', odd),
            ('numbers that come twice', twice),
            ('sequences without pictures', empty),
        )
        if names
    ]
    if problems:
        raise ValueError(
            f'`{folder}` holds {"; ".join(problems)}; exposures are named 1, 2, 3 … from dark to bright: rename or '
            'remove these.'
        )
    return sequences


def chosen_exposures(count: int) -> tuple[int, int, int]:
    """(under, middle, over) of a sequence of `count` exposures, counted from 1, dark to bright.

    The second, the middle one, rounded up, and the second-last (ERL, Section 4: "second" and "last second"; the
    rounding is ours).

    Raises:
        ValueError: A sequence has fewer than 2.
    """
    if count < 2:
        raise ValueError(f'A sequence of {count} exposures has no second one; leave it out.')
    return 2, count // 2 + 1, count - 1


def exposure_group(index: int, count: int) -> str:
    """``'under'``, ``'middle'`` or ``'over'``: the place of exposure `index` (from 1) among `count`."""
    middle = count // 2 + 1
    return 'under' if index < middle else 'over' if index > middle else 'middle'


def _is_sequence(entry: Path) -> bool:
    return entry.name.isdecimal() and entry.is_dir()
