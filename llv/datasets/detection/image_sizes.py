"""Widths and heights of many pictures from their headers, remembered between runs."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mmengine.logging import print_log
from PIL import Image

_ORIENTATION = 0x0112


class ImageSize(NamedTuple):
    """Size in pixels as stored in the file, and whether its EXIF orientation turns it by 90
    degrees."""

    width: int
    height: int
    turned: bool

    def shown(self, apply_exif: bool = True) -> tuple[int, int]:
        """Width and height of the decoded picture.

        Args:
            apply_exif: Whether the decoder applies the EXIF orientation. OpenCV (so mmcv's default
                loader) does, and does not with ``color_type='color_ignore_orientation'``.
        """
        if apply_exif and self.turned:
            return self.height, self.width
        return self.width, self.height


def read_image_size(path: str | os.PathLike[str]) -> ImageSize | None:
    """Read a picture's size from its header, by content and not by extension.

    The orientation is taken from EXIF alone, as OpenCV does (``Image.getexif`` would also ask XMP,
    and decode PNGs whole).

    Returns:
        The size, or None if the file is no picture that Pillow knows.
    """
    try:
        with Image.open(path) as image:
            exif = Image.Exif()
            try:
                exif.load(image.info.get('exif', b''))
                orientation = exif.get(_ORIENTATION, 1)
            except (
                Exception
            ):  # broken EXIF raises nearly anything; OpenCV then shows the picture as stored
                orientation = 1
            return ImageSize(image.width, image.height, orientation in (5, 6, 7, 8))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def read_image_sizes(
    folder: str | os.PathLike[str], files: Sequence[Path]
) -> list[ImageSize | None]:
    """Read the sizes of a dataset's pictures, quickly the second time.

    Sizes are kept as JSON in the user's cache folder (``XDG_CACHE_HOME`` or ``~/.cache``, then
    ``llv/image_sizes``), one file a dataset folder. A picture is read again when its length or its
    modification time changed. If the cache cannot be written, one line says so and nothing else
    changes.

    Args:
        folder: The dataset's picture folder.
        files: Pictures below ``folder``.

    Returns:
        A size for each file, None where it is not there or its header cannot be read.
    """
    folder = Path(folder)
    cache_file = _cache_file(folder)
    cache = _load(cache_file)
    sizes: list[ImageSize | None] = []
    fresh = 0
    for file in files:
        try:
            state = file.stat()
        except OSError:  # a link to nowhere
            sizes.append(None)
            continue
        key = file.relative_to(folder).as_posix()
        known = cache.get(key)
        if known and known[:2] == [state.st_size, state.st_mtime_ns]:
            sizes.append(ImageSize(*known[2:]))
            continue
        size = read_image_size(file)
        sizes.append(size)
        if size is not None:
            cache[key] = [state.st_size, state.st_mtime_ns, *size]
            fresh += 1
    if fresh:
        _save(cache_file, cache)
    return sizes


def _cache_file(folder: Path) -> Path:
    cache = Path(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'))
    name = hashlib.sha256(str(folder.resolve()).encode('utf-8', 'surrogateescape')).hexdigest()
    return cache / 'llv' / 'image_sizes' / f'{name[:16]}.json'


def _load(file: Path) -> dict[str, list]:
    """The remembered sizes; an unreadable or foreign file counts as an empty one, for it can be
    made again."""
    try:
        cache = json.loads(file.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    if not isinstance(cache, dict):
        return {}
    return {key: value for key, value in cache.items() if _is_entry(value)}


def _is_entry(value: object) -> bool:
    return (
        isinstance(value, list)
        and [type(item) for item in value] == [int, int, int, int, bool]
        and min(value[2:4]) > 0
    )


def _save(file: Path, cache: dict[str, list]) -> None:
    """Write through a rename, so that two ranks or a killed run never leave half a file."""
    temporary = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            'w', encoding='utf-8', dir=file.parent, suffix='.tmp', delete=False
        ) as stream:
            temporary = stream.name
            json.dump(cache, stream)
        os.replace(temporary, file)
    except OSError as error:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        print_log(
            f'The sizes of {len(cache)} pictures are not remembered, because `{file.parent}` '
            f'cannot be written ({error.strerror}).',
            logger='current',
            level=logging.INFO,
        )
