"""Pictures and the references that they belong to, found by name; whatever has no partner is named."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

PICTURE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')
"""Suffixes of picture files, in any case; the content decides how a file is decoded."""


def listing(names: Iterable[str], limit: int = 10) -> str:
    """The first names in backticks, and the number of the others."""
    names = list(names)
    shown = ', '.join(f'`{name}`' for name in names[:limit])
    return shown + (f' and {len(names) - limit} more' if len(names) > limit else '')


def find_pictures(
    *folders: str | PathLike[str], name_of: Callable[[str], str | None] | None = None
) -> dict[str, Path]:
    """Pictures below folders, by name.

    Hidden files (such as the ``._*`` twins in archives made by a Mac) and files that are no pictures are left out.

    Args:
        *folders: Searched recursively.
        name_of: Name of a picture, from its path relative to the folder without extension; None for one that does
            not belong there. Without it the name is that path.

    Returns:
        Name to file, sorted by path.

    Raises:
        FileNotFoundError: A folder is not there.
        ValueError: There is no picture, two have one name, or `name_of` does not know one.
    """
    found: dict[str, Path] = {}
    twice: list[str] = []
    unknown: list[str] = []
    for folder in folders:
        root = Path(folder).expanduser()
        if not root.is_dir():
            raise FileNotFoundError(
                f'The picture folder `{root}` is not there; check `data_root` and `data_prefix`.'
            )
        for path in sorted(root.rglob('*')):
            if path.suffix.lower() not in PICTURE_SUFFIXES or path.name.startswith('.'):
                continue
            name: str | None = path.relative_to(root).with_suffix('').as_posix()
            if name_of is not None:
                name = name_of(name)
            if name is None:
                unknown.append(path.name)
            elif name in found:
                twice.append(f'`{path}` and `{found[name]}`')
            else:
                found[name] = path
    searched = ' and '.join(f'`{folder}`' for folder in folders)
    if twice:
        more = f' (and {len(twice) - 10} more such pairs)' if len(twice) > 10 else ''
        raise ValueError(f'{"; ".join(twice[:10])}{more} have one name; keep one of them.')
    if unknown:
        raise ValueError(
            f'{searched} holds {len(unknown)} pictures whose names do not belong to the data set: {listing(unknown)}; '
            'rename or remove them.'
        )
    if not found:
        raise ValueError(
            f'{searched} holds no picture; llv reads {", ".join(s[1:] for s in PICTURE_SUFFIXES)}.'
        )
    return found


@dataclass
class Part:
    """Pictures of a data set with their references.

    Attributes:
        pictures: Name to file.
        references: Name to file; None where references are not asked for.
        picture_folder: Where the pictures are, for messages.
        reference_folder: Where the references are.
        partner: Name of a picture to the name of its reference.
        exposure: Name of a picture to its exposure group; None where there are no groups.
        wanted: Names that a published list asks for.
    """

    pictures: dict[str, Path]
    references: dict[str, Path] | None = None
    picture_folder: str = ''
    reference_folder: str = ''
    partner: Callable[[str], str] = str
    exposure: Callable[[str], str] | None = None
    wanted: list[str] = field(default_factory=list)

    @property
    def without_reference(self) -> list[str]:
        """Pictures that lack a reference."""
        if self.references is None:
            return []
        return [name for name in self.pictures if self.partner(name) not in self.references]

    @property
    def without_picture(self) -> list[str]:
        """References that no picture has."""
        used = {self.partner(name) for name in self.pictures}
        return [name for name in self.references or () if name not in used]

    @property
    def absent(self) -> list[str]:
        """Pictures that a published list asks for and that are not there."""
        return [name for name in self.wanted if name not in self.pictures]

    def check(self) -> None:
        """Refuse pictures without a reference.

        Raises:
            ValueError: There are some; the sentence names them, the references without a picture, and names that
                look alike.
        """
        lacking, spare = self.without_reference, self.without_picture
        if not lacking:
            return
        also = f'; references without a picture: {listing(spare)}' if spare else ''
        alike = self.look_alikes()
        hint = f'; perhaps {alike} belong together' if alike else ''
        raise ValueError(
            f'{len(lacking)} of {len(self.pictures)} pictures in `{self.picture_folder}` have no reference in '
            f'`{self.reference_folder}`: {listing(lacking)}{also}{hint}; add, rename or remove them.'
        )

    def look_alikes(self, limit: int = 3) -> str:
        """Pairs of a picture and a reference without partners whose names are alike, for a hint."""
        spare = {_core(name): name for name in self.without_picture[:2000]}
        pairs = []
        for name in self.without_reference[:10]:
            sought = _core(self.partner(name))
            nearest = difflib.get_close_matches(sought, spare, n=1, cutoff=0.75)
            if nearest:
                pairs.append(f'`{name}` and `{spare.pop(nearest[0])}`')
        return ', '.join(pairs[:limit])

    def records(self) -> list[dict]:
        """``img_path`` and, where they apply, ``reference_path`` and ``exposure`` of each picture."""
        records = []
        for name, path in self.pictures.items():
            record = dict(img_path=str(path))
            if self.references is not None:
                record['reference_path'] = str(self.references[self.partner(name)])
            if self.exposure is not None:
                record['exposure'] = self.exposure(name)
            records.append(record)
        return records


def _core(name: str) -> str:
    """What is left of a name without case and leading zeros, in which partners often differ."""
    return name.casefold().lstrip('0')
