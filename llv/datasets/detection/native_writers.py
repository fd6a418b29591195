"""Boxes written in the official formats of DARK FACE, ExDark and WIDER FACE, which llv's readers and the code of others
read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from .coco_json import Instance, Picture, check_stems
from .errors import listing, nearest
from .exdark_files import EXDARK_CLASSES, EXDARK_LIGHTS, EXDARK_TO_COCO
from .repairs import Repairs

Put = Callable[[Picture, Path], None]
"""Links or copies the file of a picture to a place."""

_EXDARK_NAME = re.compile(r'\d+_(\d+)\.\w+')
_EXDARK_CLASSES = {
    **{coco: name for name, coco in EXDARK_TO_COCO.items()},
    **{name.lower(): name for name in EXDARK_CLASSES},
}


class Written(NamedTuple):
    """What was written, and what the format cannot hold (``'left out'``)."""

    pictures: int
    boxes: int
    repairs: Repairs


def write_dark_face(
    pictures: Sequence[Picture], out: Path, put: Put, category: str | None = None
) -> Written:
    """Write ``image/<name>`` and ``label/<stem>.txt``: number of faces, then ``xmin ymin xmax ymax`` of each.

    The format knows no boxes to be ignored: they are left out.

    Args:
        pictures: The content of a COCO JSON.
        out: The folder to write.
        put: Called for each picture.
        category: The class to write, None for ``face`` or the only one.

    Raises:
        ValueError: Two pictures have one stem, or `category` is not clear.
    """
    check_stems(picture.file_name for picture in pictures)
    category = _category(pictures, category)
    repairs, boxes = Repairs(), 0
    for picture in pictures:
        kept = _kept(picture, {category}, repairs)
        lines = [' '.join(map(plain_number, instance.box)) for instance in kept]
        put(picture, out / 'image' / picture.file_name.name)
        _write(out / 'label' / f'{picture.file_name.stem}.txt', [str(len(lines)), *lines])
        boxes += len(lines)
    return Written(len(pictures), boxes, repairs)


def write_wider_face(
    pictures: Sequence[Picture], out: Path, put: Put, subset: str, category: str | None = None
) -> Written:
    """Write ``WIDER_<subset>/images/<event>/<name>`` and ``wider_face_split/wider_face_<subset>_bbx_gt.txt``.

    ``invalid`` and ``attributes`` are fields of the annotations as ``llv.WiderFaceDataset`` gives them; without
    ``invalid``, boxes to be ignored are invalid; absent attributes are 0. Pictures without a folder go to ``0--All``.

    Args:
        pictures, out, put, category: As for :func:`write_dark_face`.
        subset: ``train`` or ``val``.

    Raises:
        ValueError: `category` is not clear, a file name leads out of the picture folder, or two are one.
    """
    category = _category(pictures, category)
    names = [_wider_name(picture) for picture in pictures]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise ValueError(f'`{twice[0]}` would be written twice: rename one of the two pictures.')
    repairs, boxes, rows = Repairs(), 0, []
    for name, picture in zip(names, pictures, strict=True):
        faces = _kept(picture, {category}, repairs, ignored=True)
        # below a 0 the official lists have a line of zeros
        lines = [_wider_line(face) for face in faces] or [' '.join('0' * 10)]
        rows += [name, str(len(faces)), *lines]
        put(picture, out / f'WIDER_{subset}' / 'images' / name)
        boxes += len(faces)
    _write(out / 'wider_face_split' / f'wider_face_{subset}_bbx_gt.txt', rows)
    return Written(len(pictures), boxes, repairs)


def write_exdark(
    pictures: Sequence[Picture],
    out: Path,
    put: Put,
    light: str | None = None,
    indoor: bool | None = None,
    split: int | None = None,
) -> Written:
    """Write ``imageclasslist.txt``, ``images/<Class>/<name>`` and ``annotations/<Class>/<name>.txt``.

    Classes may have ExDark's or COCO's names; boxes of other classes and those to be ignored are left out. The class
    folder of a picture is its field ``folder``, else the class of its first box; one with neither is left out. Names
    that are not like ``2015_00001.jpg`` become ``2015_<id>``.

    Args:
        pictures, out, put: As for :func:`write_dark_face`.
        light: Type of light of the pictures without a field ``light``.
        indoor: Whether those without a field ``indoor`` are indoor.
        split: 1 train, 2 val or 3 test, of those without a field ``split``.

    Raises:
        ValueError: A column of the list is neither a field of a picture nor given, two pictures have one number, or no
            picture is left.
    """
    repairs, boxes = Repairs(), 0
    rows, numbers = ['Name | Class | Light | In/Out | Train/Val/Test'], {}
    for picture in pictures:
        named = [
            (_EXDARK_CLASSES[instance.name.lower()], instance)
            for instance in _kept(picture, set(_EXDARK_CLASSES), repairs)
        ]
        columns = dict(light=light, indoor=indoor, split=split, folder=None)
        columns.update((key, picture.fields[key]) for key in columns if key in picture.fields)
        folder = columns['folder'] or (named[0][0] if named else None)
        if folder is None:
            repairs.add('left out', str(picture.file_name), 'the picture has no class folder')
            continue
        absent = [key for key in ('light', 'indoor', 'split') if columns[key] is None]
        if absent:
            raise ValueError(
                f'`{picture.file_name}` has no {listing(absent)}, which the list of ExDark needs: '
                'say it for such pictures with `--light`, `--indoor` or `--outdoor`, and `--split`.'
            )
        name = picture.file_name.name
        name = picture.fields.get('name', name)
        if not _EXDARK_NAME.fullmatch(str(name)):
            name = f'2015_{int(picture.fields["id"]):05d}{picture.file_name.suffix}'
        number = int(_EXDARK_NAME.fullmatch(name).group(1))
        if number in numbers:
            raise ValueError(
                f'`{picture.file_name}` and `{numbers[number]}` would both be number {number}: '
                'rename one of the two.'
            )
        numbers[number] = picture.file_name
        class_id, light_id = (
            _place('folder', folder, EXDARK_CLASSES),
            _place('light', columns['light'], EXDARK_LIGHTS),
        )
        rows.append(
            f'{name} {class_id} {light_id} {1 if columns["indoor"] else 2} {columns["split"]}'
        )
        lines = ['% bbGt version=3']
        for class_name, instance in named:
            sides = ' '.join(map(plain_number, _sides(instance)))
            lines.append(f'{class_name} {sides} 0 0 0 0 0 0 0')
        folder = EXDARK_CLASSES[class_id - 1]
        put(picture, out / 'images' / folder / name)
        _write(out / 'annotations' / folder / f'{name}.txt', lines)
        boxes += len(named)
    if not numbers:
        raise ValueError(
            f'No picture has a class folder or a box of a class of ExDark: {listing(EXDARK_CLASSES, 12)}.'
        )
    _write(out / 'imageclasslist.txt', rows)
    return Written(len(numbers), boxes, repairs)


def plain_number(value: float) -> str:
    """A coordinate without needless digits: to 1/10000 pixel, whole ones without a point.

    Example:
        >>> plain_number(12.0), plain_number(0.1 + 0.2)
        ('12', '0.3')
    """
    text = f'{value:.4f}'.rstrip('0').rstrip('.')
    return '0' if text == '-0' else text


def _category(pictures: Sequence[Picture], asked: str | None) -> str:
    """The lower-case name of the one class to write."""
    names = sorted({instance.name for picture in pictures for instance in picture.instances})
    lower = [name.lower() for name in names]
    if asked is not None:
        if names and asked.lower() not in lower:
            raise ValueError(
                f'`--category` `{asked}` has no box{nearest(asked, names)}; there are '
                f'{listing(names)}.'
            )
        return asked.lower()
    if 'face' in lower or not names:
        return 'face'
    if len(names) > 1:
        raise ValueError(f'The format has one class: choose `--category` among {listing(names)}.')
    return lower[0]


def _kept(
    picture: Picture, names: set[str], repairs: Repairs, ignored: bool = False
) -> list[Instance]:
    """The instances of these lower-case classes that have an area; what is left out is noted.

    Args:
        picture: The picture.
        names: Lower-case classes.
        repairs: Where ``'left out'`` is noted.
        ignored: Whether the format knows boxes to be ignored.
    """
    kept = []
    for instance in picture.instances:
        if instance.name.lower() not in names:
            repairs.add('left out', str(picture.file_name), f'a box of class {instance.name}')
        elif instance.ignored and not ignored:
            repairs.add('left out', str(picture.file_name), 'a box that is to be ignored')
        elif not (instance.box[2] > instance.box[0] and instance.box[3] > instance.box[1]):
            repairs.add('left out', str(picture.file_name), 'a box without area')
        else:
            kept.append(instance)
    return kept


def _wider_name(picture: Picture) -> str:
    """``<event>/<file>`` of a picture."""
    path = picture.file_name
    if path.is_absolute() or '..' in path.parts:
        raise ValueError(
            f'`{path}` leads out of the picture folder: write the file names of the JSON relative to that folder.'
        )
    event = path.parent.as_posix()
    return f'{"0--All" if event == "." else event}/{path.name}'


def _wider_line(face: Instance) -> str:
    attributes = face.fields.get('attributes', {})
    invalid = face.fields.get('invalid', face.ignored)
    keys = ('blur', 'expression', 'illumination', 'invalid', 'occlusion', 'pose')
    values = {**dict.fromkeys(keys, 0), **attributes, 'invalid': int(invalid)}
    return ' '.join([*map(plain_number, _sides(face)), *(str(int(values[key])) for key in keys)])


def _sides(instance: Instance) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = instance.box
    return x1, y1, x2 - x1, y2 - y1


def _place(field: str, name: str, names: Sequence[str]) -> int:
    """The id of a name in ExDark's list, from 1."""
    lower = [known.lower() for known in names]
    if str(name).lower() not in lower:
        raise ValueError(
            f'`{field}` `{name}` is none of ExDark{nearest(str(name), names)}: '
            f'{listing(names, len(names))}.'
        )
    return lower.index(str(name).lower()) + 1


def _write(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(lines) + '\n', encoding='utf-8')
