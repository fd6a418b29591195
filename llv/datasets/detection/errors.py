"""What a detection dataset says when it is not where it should be."""

from __future__ import annotations

from collections.abc import Sequence
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
