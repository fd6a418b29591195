"""The official files of ExDark: the list of pictures, the annotations and the class folders."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .errors import nearest

EXDARK_CLASSES = (
    'Bicycle', 'Boat', 'Bottle', 'Bus', 'Car', 'Cat',
    'Chair', 'Cup', 'Dog', 'Motorbike', 'People', 'Table',
)  # fmt: skip
"""The classes, and the folders, in official order (id 1 to 12 in the list file)."""

EXDARK_LIGHTS = (
    'Low', 'Ambient', 'Object', 'Single', 'Weak',
    'Strong', 'Screen', 'Window', 'Shadow', 'Twilight',
)  # fmt: skip
"""The types of light in official order (id 1 to 10 in the list file)."""

EXDARK_TO_COCO = {
    **{name: name.lower() for name in EXDARK_CLASSES},
    'Motorbike': 'motorcycle',
    'People': 'person',
    'Table': 'dining table',
}
"""ExDark's class names to COCO's."""

_STEM = re.compile(r'\d+_(\d+)')
_PICTURE_SUFFIXES = (
    '.jpg',
    '.jpeg',
    '.jpe',
    '.jfif',
    '.png',
    '.bmp',
    '.gif',
    '.webp',
    '.tif',
    '.tiff',
)


class Entry(NamedTuple):
    """A line of the list file."""

    name: str  # with extension, as the list writes it
    stem: str
    number: int  # running number, unique over the dataset
    folder: str
    light: str
    indoor: bool
    split: int  # 1 train, 2 val, 3 test

    @property
    def key(self) -> tuple[str, str]:
        """What its files are looked up by: neither case nor extension agree between list, archives
        and copies."""
        return self.folder.lower(), self.stem.lower()

    @property
    def path(self) -> str:
        return f'{self.folder}/{self.name}'


class Box(NamedTuple):
    """A box of an annotation file: class and zero-based pixels as written, not yet clipped."""

    name: str
    left: float
    top: float
    width: float
    height: float
    where: str  # file and line


def read_list(path: str | os.PathLike[str]) -> list[Entry]:
    """Read ``imageclasslist.txt``: a header line, then name, class, light, indoor/outdoor and split
    of each picture.

    Raises:
        ValueError: A line does not parse, or names a picture or a running number that an earlier
            one has named.
    """
    entries: list[Entry] = []
    seen: dict[object, int] = {}
    text = Path(path).read_text(encoding='utf-8-sig', errors='replace')
    for line_number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or (line_number == 1 and _is_header(fields)):
            continue
        entry = _parse_entry(fields, f'{path}:{line_number}')
        for key in (entry.stem.lower(), entry.number):
            if key in seen:
                raise ValueError(
                    f'{path}:{line_number}: `{entry.name}` is already listed in line {seen[key]} '
                    '(names and running numbers are unique): remove one of the two lines.'
                )
            seen[key] = line_number
        entries.append(entry)
    if not entries:
        raise ValueError(f'The list file `{path}` names no picture: download it again.')
    return entries


def _is_header(fields: list[str]) -> bool:
    return not any(field.isdigit() for field in fields) and not _STEM.match(fields[0])


def _parse_entry(fields: list[str], place: str) -> Entry:
    try:
        name, *columns = fields
        stem = os.path.splitext(name)[0]
        number = _STEM.fullmatch(stem)
        class_id, light_id, indoor_id, split = (int(column) for column in columns)
        valid = (
            number
            and 1 <= class_id <= len(EXDARK_CLASSES)
            and 1 <= light_id <= len(EXDARK_LIGHTS)
            and indoor_id in (1, 2)
            and split in (1, 2, 3)
        )
    except ValueError:
        valid = False
    if not valid:
        raise ValueError(
            f'{place}: `{" ".join(fields)}` is not "name class(1-12) light(1-10) in/out(1-2) '
            'split(1-3)" with a name like 2015_00001.png: mend the line or download the list again.'
        )
    return Entry(
        name=name,
        stem=stem,
        number=int(number.group(1)),
        folder=EXDARK_CLASSES[class_id - 1],
        light=EXDARK_LIGHTS[light_id - 1],
        indoor=indoor_id == 1,
        split=split,
    )


def read_boxes(path: str | os.PathLike[str]) -> list[Box]:
    """Read an annotation file of Piotr's toolbox (``% bbGt version=3``).

    Each line below the header: class name, left, top, **width**, **height** and up to seven further
    numbers, which ExDark does not use. A file with nothing but the header is a picture without
    objects.

    Raises:
        ValueError: A line does not parse or names an unknown class; the message gives file and
            line.
    """
    names = {name.lower(): name for name in EXDARK_CLASSES}
    boxes = []
    text = Path(path).read_text(encoding='utf-8-sig', errors='replace')
    for line_number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or fields[0].startswith('%'):
            continue
        place = f'{path}:{line_number}'
        try:
            numbers = [float(field) for field in fields[1:]]
        except ValueError:
            numbers = []
        if not 4 <= len(numbers) <= 11 or not all(map(math.isfinite, numbers)):
            raise ValueError(
                f'{place}: `{line.strip()}` is not "class left top width height" with up to seven '
                'further numbers: mend the line or unpack the annotation archive again.'
            )
        if fields[0].lower() not in names:
            raise ValueError(
                f'{place}: `{fields[0]}` is no class of ExDark'
                f'{nearest(fields[0], EXDARK_CLASSES)}: correct the name.'
            )
        boxes.append(Box(names[fields[0].lower()], *numbers[:4], place))
    return boxes


def find_files(
    folder: str | os.PathLike[str], suffix: str = ''
) -> dict[tuple[str, str], list[Path]]:
    """Find the files in the class folders by (class folder, stem), whatever their case and
    extension.

    Args:
        folder: Folder that holds the class folders, one of pictures or one of annotations.
        suffix: What annotations add to the picture's full name (``.txt``); nothing for pictures.

    Returns:
        Lower-case folder and stem to the files of that name, in alphabetical order. Hidden files,
        links to nowhere, files of other kinds and folders of other names are left out.
    """
    found: dict[tuple[str, str], list[Path]] = {}
    known = {name.lower() for name in EXDARK_CLASSES}
    for class_folder in sorted(Path(folder).iterdir()):
        if class_folder.name.lower() not in known or not class_folder.is_dir():
            continue
        for name in sorted(os.listdir(class_folder)):
            picture = name.lower()
            if picture.startswith('.') or not picture.endswith(suffix):
                continue
            stem, extension = os.path.splitext(picture[: len(picture) - len(suffix)])
            if extension not in _PICTURE_SUFFIXES and not (suffix and not extension):
                continue
            if os.path.isfile(class_folder / name):
                found.setdefault((class_folder.name.lower(), stem), []).append(class_folder / name)
    return found


def pick_file(files: Sequence[Path], name: str) -> Path | None:
    """The file of exactly this name, else the only one.

    Raises:
        ValueError: Several files fit and none is named exactly so.
    """
    exact = [file for file in files if file.name == name]
    if exact or len(files) < 2:
        return (exact or [*files, None])[0]
    raise ValueError(
        f'`{name}` could be {" or ".join(f"`{file}`" for file in files)}: keep one of these files.'
    )
