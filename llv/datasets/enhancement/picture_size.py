"""Sizes of pictures, from their headers alone."""

from __future__ import annotations

from os import PathLike

from PIL import Image

_EXIF_ORIENTATION = 0x0112


def shown_size(path: str | PathLike[str]) -> tuple[int, int] | None:
    """(width, height) from the header, EXIF orientation applied; None where it cannot be read."""
    try:
        with Image.open(path) as image:
            if image.format == 'PNG':  # whose `getexif` would decode the picture
                exif = Image.Exif()
                exif.load(image.info.get('exif', b''))
            else:
                exif = image.getexif()
            turned = exif.get(_EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
            return (image.height, image.width) if turned else image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
