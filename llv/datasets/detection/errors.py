"""What a detection dataset says when it is not where it should be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from os import PathLike


class DatasetNotFoundError(FileNotFoundError):
    """The dataset is not on the disk where it was looked for.

    Args:
        name: Name of the dataset.
        root: Folder in which it was looked for.
        missing: The files and folders that are not there.
        layout: What the folder should hold.
        home: Where to get the data.
    """

    def __init__(
        self,
        name: str,
        root: str | PathLike[str],
        missing: Sequence[str | PathLike[str]],
        layout: str,
        home: str,
    ) -> None:
        looked_for = ', '.join(f'`{path}`' for path in missing)
        super().__init__(
            f'{name} was not found in `data_root` `{root}`, which lacks {looked_for}: '
            f'the folder should hold {layout}; get the data from {home}, or correct '
            '`data_root`, `ann_file` and `data_prefix`.'
        )


def nearest(name: str, options: Sequence[str]) -> str:
    """``, nearest is `x` `` or nothing: a hint to end an error message with."""
    lower = {option.lower(): option for option in reversed(options)}  # of equals the first wins
    found = difflib.get_close_matches(str(name).lower(), lower, n=1)
    return f', nearest is `{lower[found[0]]}`' if found else ''


def listing(names: Iterable[str], limit: int = 10) -> str:
    """The first names in backticks."""
    names = list(names)
    return ', '.join(f'`{name}`' for name in names[:limit]) + (
        ', ...' if len(names) > limit else ''
    )
