"""The official files of FDDB: folds, ellipses and detections."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

_ELLIPSE_LIST = re.compile(r'FDDB-fold-(\d+)-ellipseList\.txt', re.IGNORECASE)


class Ellipse(NamedTuple):
    """A face: semi-axes in pixels, angle in radians, centre in pixels.

    ``angle`` is that of the major axis against the horizontal, in picture coordinates (y points down), as OpenCV's
    ``ellipse`` takes it.
    """

    major: float
    minor: float
    angle: float
    x: float
    y: float


class FoldEntry(NamedTuple):
    """A picture of a fold: its path without extension and its faces with their places in the file."""

    name: str
    where: str
    ellipses: list[Ellipse]
    lines: list[str]


def find_folds(folder: str | os.PathLike[str]) -> dict[int, Path]:
    """The ellipse lists of a folder by the number of their fold, in order.

    Raises:
        ValueError: Two lists have one number.
    """
    found: dict[int, Path] = {}
    for path in sorted(Path(folder).iterdir()):
        match = _ELLIPSE_LIST.fullmatch(path.name)
        if not match:
            continue
        number = int(match.group(1))
        if number in found:
            raise ValueError(f'`{found[number]}` and `{path}` are both fold {number}: keep one.')
        found[number] = path
    return dict(sorted(found.items()))


def read_fold_names(path: str | os.PathLike[str]) -> list[str]:
    """The picture names of ``FDDB-fold-XX.txt``: one path without extension a line."""
    text = Path(path).read_text(encoding='utf-8-sig', errors='replace')
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_ellipses(path: str | os.PathLike[str]) -> list[FoldEntry]:
    """Read an ellipse list.

    Of each picture: a path without extension, the number of faces, and so many lines ``major minor angle x y 1``,
    parted by one blank or more.

    Raises:
        ValueError: A line does not parse, or a picture is listed twice; the message gives file and line.
    """
    text = Path(path).read_text(encoding='utf-8-sig', errors='replace')
    lines = [(k, line.strip()) for k, line in enumerate(text.splitlines(), 1) if line.strip()]
    entries: dict[str, FoldEntry] = {}
    position = 0
    while position < len(lines):
        number, name = lines[position]
        where = f'{path}:{number}'
        if name in entries:
            raise ValueError(
                f'{where}: `{name}` is already listed at {entries[name].where}: remove one of the two.'
            )
        count = lines[position + 1][1] if position + 1 < len(lines) else 'the end of the file'
        if not count.isdecimal():
            raise ValueError(
                f'{where}: `{name}` is followed by `{count}` instead of its number of faces: '
                'mend the list or download the annotations again.'
            )
        faces = lines[position + 2 : position + 2 + int(count)]
        if len(faces) < int(count):
            raise ValueError(
                f'{where}: `{name}` has {len(faces)} of {count} faces, then the file ends: '
                'download the annotations again.'
            )
        places = [f'{path}:{k}' for k, _ in faces]
        ellipses = [
            _parse_ellipse(line, place) for (_, line), place in zip(faces, places, strict=True)
        ]
        entries[name] = FoldEntry(name, where, ellipses, places)
        position += 2 + len(faces)
    return list(entries.values())


def _parse_ellipse(line: str, where: str) -> Ellipse:
    try:
        values = [float(field) for field in line.split()]
    except ValueError:
        values = []
    if len(values) not in (5, 6) or not all(map(math.isfinite, values)) or min(values[:2]) < 0:
        raise ValueError(
            f'{where}: `{line}` is not "major_radius minor_radius angle centre_x centre_y 1": '
            'mend the line or download the annotations again.'
        )
    return Ellipse(*values[:5])


def ellipse_boxes(ellipses: Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
    """The bounding rectangles of ellipses.

    Args:
        ellipses: (N, 5) major, minor, angle, x, y.

    Returns:
        (N, 4) corners x1, y1, x2, y2, float64; not clipped to any picture.
    """
    major, minor, angle, x, y = np.asarray(ellipses, float).reshape(-1, 5).T
    cos, sin = np.cos(angle), np.sin(angle)
    half_width = np.hypot(major * cos, minor * sin)
    half_height = np.hypot(major * sin, minor * cos)
    return np.stack([x - half_width, y - half_height, x + half_width, y + half_height], 1)


def write_detections(
    path: str | os.PathLike[str],
    pictures: Iterable[tuple[str, Sequence[Sequence[float]], Sequence[float]]],
) -> None:
    """Write detections as FDDB's evaluation reads them.

    Args:
        path: The file; its folder is made.
        pictures: Name, (N, 4) boxes ``left, top, width, height`` in pixels and (N,) scores of each picture, in the
            order of the fold lists. A picture without detections gets a zero count line.
    """
    lines = []
    for name, boxes, scores in pictures:
        lines += [name, str(len(boxes))]
        for box, score in zip(boxes, scores, strict=True):
            # 9 digits tell any two float32 apart, so equal files mean equal thresholds
            lines.append(' '.join(f'{value:.9g}' for value in (*box, score)))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(lines) + '\n', encoding='utf-8')
