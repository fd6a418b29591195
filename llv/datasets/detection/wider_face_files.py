"""The official lists of WIDER FACE."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

WIDER_COUNTS = {
    'train': dict(pictures=12880, faces=159424),
    'val': dict(pictures=3226, faces=39708),
    'test': dict(pictures=16097, faces=0),
}
"""Pictures and listed faces of the official lists; 27 faces of train and 11 of val have no area, the labels of test
are withheld."""

WIDER_LISTS = dict(
    train='wider_face_train_bbx_gt.txt',
    val='wider_face_val_bbx_gt.txt',
    test='wider_face_test_filelist.txt',
)
"""Their names in ``wider_face_split``."""

_ATTRIBUTES = ('blur', 'expression', 'illumination', 'invalid', 'occlusion', 'pose')


class WiderFace(NamedTuple):
    """A line of the list: the box in pixels as written, and the attributes.

    ``blur`` and ``occlusion`` are 0 to 2, the others 0 or 1.
    """

    left: float
    top: float
    width: float
    height: float
    blur: int
    expression: int
    illumination: int
    invalid: int
    occlusion: int
    pose: int
    where: str

    @property
    def attributes(self) -> dict[str, int]:
        """The attributes without ``invalid``."""
        return {key: getattr(self, key) for key in _ATTRIBUTES if key != 'invalid'}


class WiderEntry(NamedTuple):
    """A picture of the list: ``<event>/<file>`` and its faces."""

    path: str
    where: str
    faces: list[WiderFace]

    @property
    def event(self) -> str:
        """The folder, such as ``0--Parade``."""
        return str(PurePosixPath(self.path).parent)


def read_wider_list(
    path: str | os.PathLike[str], mismatch: Callable[[str, str], None]
) -> list[WiderEntry]:
    """Read ``wider_face_train_bbx_gt.txt`` or its like, or a list of pictures alone.

    Of each picture: ``<event>/<file>``, the number of faces, and a line for each. Below a 0 stands one line of zeros,
    which is no face. The lines count, not the number.

    Args:
        path: The list.
        mismatch: Called with place and text where number and lines disagree, and for a picture without a number among
            others that have one.

    Raises:
        ValueError: The list is empty, a line does not parse, or a picture is listed twice; the message gives file and
            line.
    """
    entries: dict[str, WiderEntry] = {}
    uncounted: list[WiderEntry] = []
    entry, count = None, None

    def close() -> None:
        """End a picture: drop the line of zeros below a 0, compare number and lines."""
        if entry is None:
            return
        if count is None:
            uncounted.append(entry)
            return
        if count == 0 and len(entry.faces) == 1 and not any(entry.faces[0][:4]):
            entry.faces.clear()
        if count != len(entry.faces):
            mismatch(
                entry.where, f'{entry.path} announces {count} faces and has {len(entry.faces)}'
            )

    text = Path(path).read_text(encoding='utf-8-sig', errors='replace')
    for number, line in enumerate(text.splitlines(), 1):
        line, where = line.strip(), f'{path}:{number}'
        if not line:
            continue
        if '/' in line:
            close()
            if line in entries:
                raise ValueError(
                    f'{where}: `{line}` is already listed at {entries[line].where}: remove one of '
                    'the two.'
                )
            entry, count = WiderEntry(line, where, []), None
            entries[line] = entry
        elif entry is not None and count is None and line.isdecimal():
            count = int(line)
        elif entry is not None and count is not None:
            entry.faces.append(_parse_face(line, where))
        else:
            raise ValueError(
                f'{where}: `{line}` is neither "<event>/<picture>" nor a number of faces: mend the '
                'list or download it again.'
            )
    close()
    if not entries:
        raise ValueError(f'The list `{path}` names no picture: download it again.')
    if len(uncounted) < len(entries):  # else it is a list of pictures alone
        for entry in uncounted:
            mismatch(entry.where, f'{entry.path} has no number of faces and is read without any')
    return list(entries.values())


def _parse_face(line: str, where: str) -> WiderFace:
    try:
        box = [float(field) for field in line.split()[:4]]
        attributes = [int(field) for field in line.split()[4:]]
    except ValueError:
        box, attributes = [], []
    if len(box) != 4 or not all(map(math.isfinite, box)) or len(attributes) != len(_ATTRIBUTES):
        raise ValueError(
            f'{where}: `{line}` is not "left top width height blur expression illumination invalid '
            'occlusion pose": mend the line or download the list again.'
        )
    return WiderFace(*box, *attributes, where)
