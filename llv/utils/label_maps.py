"""Label maps of segmentation: single-channel pictures of class ids, read and checked without mmseg."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageFile

CONVERTER = 'tools/dataset_converters/label_ids_to_train_ids.py'

CITYSCAPES_LABEL_IDS: Mapping[str, int] = MappingProxyType(
    {
        'road': 7,
        'sidewalk': 8,
        'building': 11,
        'wall': 12,
        'fence': 13,
        'pole': 17,
        'traffic light': 19,
        'traffic sign': 20,
        'vegetation': 21,
        'terrain': 22,
        'sky': 23,
        'person': 24,
        'rider': 25,
        'car': 26,
        'truck': 27,
        'bus': 28,
        'train': 31,
        'motorcycle': 32,
        'bicycle': 33,
    }
)
"""The label ids of Cityscapes that are trained on, in the order of their train ids, 0 to 18; ACDC and others share
them."""

LABEL_IDS = tuple(CITYSCAPES_LABEL_IDS.values())

_ONE_CHANNEL = frozenset(('1', 'L', 'P'))  # a palette's indices are the ids
_COLOUR = frozenset(('RGB', 'RGBA', 'CMYK', 'YCbCr', 'HSV', 'LAB'))
_ORIENTATION = 0x0112


class LabelMapError(ValueError):
    """A label map that cannot be trained on or measured with; the message names it and the remedy."""


def label_problem(
    image_path: str | os.PathLike[str], label_path: str | os.PathLike[str]
) -> str | None:
    """What is wrong with a picture and its label map, seen from their headers alone (well under a millisecond).

    Returns:
        A sentence without its full stop that names the files and the remedy; None if both are there, the label map
        has one channel of 8 bits, and both have one size.
    """
    picture = _header(image_path)
    if picture is None:
        return _unreadable(f'the picture `{image_path}`', image_path)
    label = _header(label_path)
    if label is None:
        if not os.path.isfile(label_path):
            return _absent(image_path, Path(label_path))
        return _unreadable(f'the label map `{label_path}` of `{image_path}`', label_path)
    if label.mode not in _ONE_CHANNEL:
        return _wrong_kind(label_path, label.mode)
    # mmseg turns pictures by their EXIF orientation, and label maps not
    if picture.shown != label.stored:
        return (
            f'the picture `{image_path}` is {_by(picture.shown)} and its label map `{label_path}` '
            f'{_by(label.stored)}: resize the label map with nearest neighbours, or pair it with its own '
            'picture'
        )
    return None


def read_label_map(path: str | os.PathLike[str]) -> np.ndarray:
    """Read the ids of a label map; of a picture with a palette, its indices.

    Returns:
        (H, W) uint8.

    Raises:
        LabelMapError: The file is missing, damaged, truncated, in colour or of more than 8 bits.
    """
    # other libraries in the process may have allowed truncated files, whose rest would be ids 0
    tolerant, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        with Image.open(path) as image:
            mode = image.mode
            ids = np.array(image) if mode in _ONE_CHANNEL else None
    except Exception as error:  # decoders meet damaged bytes with almost any exception
        raise LabelMapError(_sentence(_unreadable(f'the label map `{path}`', path))) from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = tolerant
    if ids is None:
        raise LabelMapError(_sentence(_wrong_kind(path, mode)))
    return ids.astype(np.uint8, copy=False)


def unknown_ids(label_map: np.ndarray, classes: int, ignore_index: int = 255) -> list[int]:
    """The ids that no class has, in order.

    Args:
        label_map: (H, W) of any integer type; 2 megapixels of uint8 take about three milliseconds.
        classes: Number of classes; their ids are 0 to ``classes - 1``.
        ignore_index: A further allowed value.
    """
    if label_map.dtype == np.uint8:
        found = np.flatnonzero(np.bincount(label_map.ravel(), minlength=256))
    else:
        found = np.unique(label_map)
    return [int(value) for value in found if not 0 <= value < classes and value != ignore_index]


def check_ids(
    label_map: np.ndarray, classes: int, ignore_index: int, path: str | os.PathLike[str]
) -> None:
    """Refuse a label map with ids that no class has.

    Args:
        label_map: (H, W) of any integer type.
        classes: Number of classes.
        ignore_index: A further allowed value.
        path: The file that it was read from, for the message.

    Raises:
        LabelMapError: It has others. The message names them and, where they look like the 34 label ids of Cityscapes,
            the converter.
    """
    unknown = unknown_ids(label_map, classes, ignore_index)
    if not unknown:
        return
    listed = ', '.join(map(str, unknown[:10])) + (', ...' if len(unknown) > 10 else '')
    what = f'The label map `{path}` has the ids {listed}, but the {classes} classes are 0 to '
    what += f'{classes - 1}, and {ignore_index} is ignored'
    if are_label_ids(unknown):
        raise LabelMapError(
            f'{what}: they look like label ids of Cityscapes, which `{CONVERTER}` maps to train ids.'
        )
    raise LabelMapError(
        f'{what}: take the files of train ids (`_labelTrainIds.png`), or correct `ignore_index` and '
        'the classes.'
    )


def to_train_ids(label_map: np.ndarray) -> np.ndarray:
    """Map the 34 label ids of Cityscapes, 0..33, to its 19 train ids.

    Args:
        label_map: (H, W) uint8. 255 stands for -1, a licence plate.

    Returns:
        (H, W) uint8: 0..18, and 255 for the ids that are not trained on. So is what is no label id: see that
        :func:`unknown_ids` of 34 classes finds none.
    """
    table = np.full(256, 255, np.uint8)
    table[list(LABEL_IDS)] = np.arange(len(LABEL_IDS))
    return table[label_map]


def write_label_map(path: str | os.PathLike[str], ids: np.ndarray) -> None:
    """Write (H, W) uint8 ids as a PNG of one channel; its folder must be there, and an interrupted write leaves no
    half file under the name."""
    part = Path(path).with_name(f'.{Path(path).name}.part')
    try:
        Image.fromarray(ids).save(part, 'PNG')
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def are_label_ids(unknown: list[int]) -> bool:
    """Whether ids that are no train ids look like the label ids of Cityscapes: within 19..33, or -1, or its 255."""
    return any(19 <= value <= LABEL_IDS[-1] for value in unknown) and all(
        value in (-1, 255) or 0 <= value <= LABEL_IDS[-1] for value in unknown
    )


class _Header:
    """Mode and size of a picture file, as stored and as shown after its EXIF orientation: (width, height)."""

    def __init__(self, image: Image.Image) -> None:
        self.mode = image.mode
        self.stored = image.size
        exif = Image.Exif()
        try:
            exif.load(image.info.get('exif', b''))  # `getexif` would decode a PNG
            turned = exif.get(_ORIENTATION, 1) in (5, 6, 7, 8)
        except Exception:  # broken EXIF raises nearly anything, and is then ignored by decoders
            turned = False
        self.shown = image.size[::-1] if turned else image.size


def _header(path: str | os.PathLike[str]) -> _Header | None:
    try:
        with Image.open(path) as image:
            return _Header(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _by(size: tuple[int, int]) -> str:
    return f'{size[0]}x{size[1]}'


def _absent(image_path: str | os.PathLike[str], label_path: Path) -> str:
    sentence = f'the picture `{image_path}` has no label map `{label_path}`: '
    source = label_path.with_name(label_path.name.replace('labelTrainIds', 'labelIds'))
    if source != label_path and source.is_file():
        return f'{sentence}make it from `{source.name}` with `{CONVERTER}`'
    return f'{sentence}unpack the archive of labels, or correct the suffix and the folder of labels'


def _unreadable(what: str, path: str | os.PathLike[str]) -> str:
    if not os.path.isfile(path):
        return f'{what} is not there: check the path'
    return f'{what} is damaged or no picture: copy or unpack it again'


def _wrong_kind(path: str | os.PathLike[str], mode: str) -> str:
    kind = 'in colour' if mode in _COLOUR else 'a picture with an alpha channel'
    if mode.startswith(('I', 'F')):
        kind = 'of more than 8 bits, such as instance ids'
    return (
        f'the label map `{path}` is {kind} ({mode}) and not one channel of class ids: '
        'take the files that end in `_labelTrainIds.png`'
    )


def _sentence(fragment: str) -> str:
    return f'{fragment[0].upper()}{fragment[1:]}.'
