"""Pictures looked up without their suffix, and put where another format looks for them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from llv.utils.pictures import READABLE_SUFFIXES

from .repairs import Repairs

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


def pictures_by_stem(folder: Path, repairs: Repairs) -> dict[str, Path]:
    """The pictures of a folder by name without suffix, whatever the suffix and its case.

    Args:
        folder: Searched without its subfolders; one that is not there has no pictures.
        repairs: Of several pictures of one stem ``.jpg`` is taken; the others are noted as ``'duplicate'``.
    """
    if not folder.is_dir():
        return {}
    files = (folder / name for name in sorted(os.listdir(folder)) if not name.startswith('.'))
    files = [file for file in files if file.suffix.lower() in READABLE_SUFFIXES and file.is_file()]
    files.sort(key=lambda file: file.suffix.lower() != '.jpg')
    found: dict[str, Path] = {}
    for file in files:
        taken = found.setdefault(file.stem, file)
        if taken is not file:
            repairs.add('duplicate', str(file), f'{taken.name} is used')
    return found
