"""The official files of DARK FACE: numbered pictures and label files."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from .repairs import Repairs

PICTURE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')
"""Lower-case suffixes of pictures; the official ones are PNG."""


class Face(NamedTuple):
    """A box of a label file: corners in zero-based pixels as written, not yet clipped."""

    box: tuple[float, float, float, float]
    where: str  # file and line


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts ``2`` before ``10``.

    Example:
        >>> sorted(['10', '2', '1b'], key=natural)
        ['1b', '2', '10']
    """
    parts = re.findall(r'[0-9]+|[^0-9]+', name)
    return [
        (0, int(part), part) if part[0] in '0123456789' else (1, 0, part.lower()) for part in parts
    ]


def find_stems(
    folder: str | os.PathLike[str], suffixes: Iterable[str]
) -> tuple[dict[str, Path], dict[str, list[Path]]]:
    """Files of a folder by stem, in natural order, whatever the case of their names.

    Args:
        folder: Searched without its subfolders. Hidden files, links to nowhere and those with other suffixes are left
            out.
        suffixes: Lower-case suffixes; among files of one stem that of the first one present is taken.

    Returns:
        Lower-case stem to file, and of stems with several files those that are **not** taken.

    Raises:
        ValueError: Two files differ in case only.
    """
    suffixes = list(suffixes)
    found: dict[str, list[Path]] = {}
    for name in os.listdir(folder):
        stem, suffix = os.path.splitext(name)
        if suffix.lower() not in suffixes or name.startswith('.'):
            continue
        if os.path.isfile(os.path.join(folder, name)):
            found.setdefault(stem.lower(), []).append(Path(folder) / name)
    taken, others = {}, {}
    for stem in sorted(found, key=natural):
        files = sorted(found[stem], key=lambda file: (suffixes.index(file.suffix.lower()), file))
        if len(files) > 1 and files[0].name.lower() == files[1].name.lower():
            raise ValueError(
                f'`{files[0]}` and `{files[1]}` are one name: keep one of these files.'
            )
        taken[stem] = files[0]
        if files[1:]:
            others[stem] = files[1:]
    return taken, others


def read_faces(path: str | os.PathLike[str], repairs: Repairs) -> list[Face]:
    """Read a label file.

    The first line is the number of faces, each further line ``xmin ymin xmax ymax``. Where number and lines disagree
    the lines are trusted. Blank lines, Windows line ends and decimal numbers are fine; a file with nothing but a ``0``,
    or nothing at all, is a picture without faces.

    Args:
        path: The file.
        repairs: Where ``'count mismatch'`` and ``'count missing'`` are noted.

    Raises:
        ValueError: A line does not parse; the message gives file and line.
    """
    count: int | None = None
    place = str(path)
    faces: list[Face] = []
    text = Path(path).read_text(encoding='utf-8-sig', errors='replace')
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, fields) for number, fields in lines if fields]
    for index, (number, fields) in enumerate(lines):
        where = f'{path}:{number}'
        numbers = _numbers(fields)
        if index == 0 and len(numbers) == 1 and numbers[0] >= 0 and numbers[0].is_integer():
            count, place = int(numbers[0]), where
            continue
        if len(numbers) != 4:
            raise ValueError(
                f'{where}: `{" ".join(fields)}` is not "xmin ymin xmax ymax"'
                + (' (is this the output of a detector?)' if len(numbers) == 5 else '')
                + ': mend the line or unpack the label archive again.'
            )
        faces.append(Face(tuple(numbers), where))
    if count is None:
        repairs.add(
            'count missing', place, f'no number of faces in the first line; {len(faces)} read'
        )
    elif count != len(faces):
        repairs.add(
            'count mismatch', place, f'the first line says {count}, {len(faces)} faces follow'
        )
    return faces


def _numbers(fields: list[str]) -> list[float]:
    """The fields as finite numbers; empty if one is none."""
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []
