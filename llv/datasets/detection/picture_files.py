"""Pictures put where another format looks for them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

HOW = ('link', 'copy', 'none')
"""``link``: a symbolic link; ``copy``: a copy of the file; ``none``: annotations alone."""


def put_picture(source: Path, target: Path, how: str) -> None:
    """Link or copy a picture without decoding it; what is there already is replaced.

    Args:
        source: The picture.
        target: Where it shall be found; its folder is made.
        how: One of :data:`HOW`.

    Raises:
        FileNotFoundError: There is no such picture.
        ValueError: Source and target are one file.
    """
    if how == 'none':
        return
    if not source.is_file():
        raise FileNotFoundError(
            f'The picture `{source}` does not exist: correct the picture folder, or write '
            'annotations alone with `--pictures none`.'
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.parent.resolve() / target.name == source.resolve():
        raise ValueError(f'`{source}` would be written over itself: choose another output folder.')
    part = target.with_name(f'{target.name}.part')
    part.unlink(missing_ok=True)
    if how == 'link':
        part.symlink_to(source.resolve())
    else:
        shutil.copyfile(source, part)
    os.replace(part, target)
