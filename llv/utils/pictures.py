"""Picture files and arrays: any usual format in, RGB out; damaged files are always errors."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, ImageFile
from torch import Tensor
from tqdm import tqdm

from .icc import ProfileError, deep_to_srgb, image_to_srgb

READABLE_SUFFIXES = frozenset(
    '.avif .bmp .gif .jfif .jp2 .jpe .jpeg .jpg .pgm .png .pnm .ppm .tif .tiff .webp'.split()
)
# what telephones make, too; loaders of data sets do not know it
PHOTOGRAPH_SUFFIXES = READABLE_SUFFIXES | {'.heic', '.heif', '.hif'}
WRITABLE_SUFFIXES = frozenset('.bmp .jpeg .jpg .png .tif .tiff .webp'.split())

_HEIF_BRANDS = {b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'mif1', b'msf1'}
_EXIF_ORIENTATION = 0x0112
# EXIF orientation -> quarter turns to the left after mirroring left-right or not
_TURNS = {
    2: (True, 0),
    3: (False, 2),
    4: (True, 2),
    5: (True, 1),
    6: (False, 3),
    7: (True, 3),
    8: (False, 1),
}
# less compression than Pillow's defaults: an enhanced picture is often measured or processed
# further
_WRITE_OPTIONS = {'JPEG': dict(quality=95, subsampling=0), 'WEBP': dict(quality=95)}


Note = Callable[[str], None]


class PictureError(ValueError):
    """A picture that cannot be read, understood or written; the message names it and the remedy."""


def print_note(sentence: str) -> None:
    """Print a line on stderr, above the progress bars that there may be."""
    tqdm.write(f'note: {sentence}', file=sys.stderr)


def read_picture(path: str | os.PathLike) -> np.ndarray:
    """Read a picture as RGB, with the numbers that are stored, as loaders of data sets do.

    The content decides about the format, not the name. Grey pictures get three equal channels,
    palettes their colours; alpha is dropped and the colours under it are kept as stored; the EXIF
    orientation is applied; of several frames the first is read. 16-bit PNG and TIFF files keep
    their 16 bits. An embedded colour profile counts in :func:`read_photograph` alone.

    Args:
        path: Picture file.

    Returns:
        (H, W, 3) RGB, uint8 in 0..255 or, for 16-bit files, uint16 in 0..65535.

    Raises:
        PictureError: The file is missing, empty, truncated, no picture, or holds 32-bit or floating
            point values; or it is HEIC and `pillow-heif` is not installed.
    """
    return _read(Path(path).expanduser(), None)


def read_photograph(path: str | os.PathLike, note: Note = print_note) -> np.ndarray:
    """Read a picture as sRGB, which is what networks have been trained on and what screens show.

    As :func:`read_picture`, and an embedded colour profile is converted: of 8 bits any that
    LittleCMS knows, of 16 bits those of primaries and curves. Results are written without a
    profile, which stands for sRGB.

    Args:
        path: Picture file.
        note: Gets a sentence where a profile cannot be used, and the numbers are taken for sRGB.

    Returns:
        (H, W, 3) sRGB, uint8 in 0..255 or, for 16-bit files, uint16 in 0..65535.

    Raises:
        PictureError: As :func:`read_picture`.
    """
    return _read(Path(path).expanduser(), note)


def _read(path: Path, note: Note | None) -> np.ndarray:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise PictureError(f'`{path}` is not there; check the path.') from error
    except IsADirectoryError as error:
        raise PictureError(f'`{path}` is a folder; name the pictures in it.') from error
    except OSError as error:
        raise PictureError(
            f'`{path}` cannot be read ({error.strerror}); check the path and its permissions.'
        ) from error
    if not data:
        raise PictureError(f'`{path}` is an empty file; fetch or save it again.')
    return _decode(data, path, note)


def to_rgb(array: np.ndarray, name: str = 'The array') -> np.ndarray:
    """Bring an array to RGB: grey gets three equal channels, alpha is dropped.

    Args:
        array: (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA, uint8 in 0..255 or uint16 in
            0..65535.
        name: What an error message calls it.

    Returns:
        (H, W, 3) RGB of the same type.

    Raises:
        PictureError: It has another shape or type.
    """
    if array.dtype not in (np.uint8, np.uint16):
        raise PictureError(
            f'{name} holds {array.dtype} values, whose range nobody knows; convert it to uint8 or '
            'uint16.'
        )
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise PictureError(
            f'{name} has shape {array.shape}; a picture is (H, W), (H, W, 3) RGB or (H, W, 4) '
            'RGBA with at least one '
            'pixel.'
        )
    if array.shape[2] == 1:
        array = array.repeat(3, axis=2)
    return array[..., :3]


def to_tensor(array: np.ndarray) -> Tensor:
    """(H, W, 3) RGB uint8 or uint16 -> (3, H, W) float32 in [0, 1], divided by 255 or 65535."""
    scale = np.float32(np.iinfo(array.dtype).max)
    return torch.from_numpy(array.transpose(2, 0, 1) / scale).contiguous()


def to_uint8(image: Tensor) -> np.ndarray:
    """(3, H, W) float RGB -> (H, W, 3) uint8: times 255, clipped, rounded to the nearest level
    (halves to even).

    The script published with RUAS cuts the fraction off instead, so its files are up to one level
    darker.
    """
    levels = (image.detach().float() * 255).clamp(0, 255).round().to(torch.uint8)
    return levels.permute(1, 2, 0).cpu().contiguous().numpy()


def write_picture(path: str | os.PathLike, picture: np.ndarray) -> None:
    """Write a picture; its folder is made, and an interrupted write leaves no half file.

    Args:
        path: File to write; the suffix decides about the format: .bmp, .jpg (quality 95, full
            colour resolution), .png, .tif or .webp (quality 95).
        picture: (H, W, 3) uint8 RGB.

    Raises:
        PictureError: The suffix is none of these, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in WRITABLE_SUFFIXES:
        raise PictureError(
            f'`{path}` has no suffix of a format to write; use one of '
            f'{", ".join(sorted(WRITABLE_SUFFIXES))}.'
        )
    kind = Image.registered_extensions()[path.suffix.lower()]
    encoded = BytesIO()
    try:
        Image.fromarray(picture).save(encoded, kind, **_WRITE_OPTIONS.get(kind, {}))
    except (OSError, ValueError) as error:  # JPEG and WebP have a largest size
        raise PictureError(
            f'`{path}` cannot be written as {kind} ({error}); write .png instead.'
        ) from error
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix='.', suffix=path.suffix)
        with os.fdopen(handle, 'wb') as file:
            file.write(encoded.getbuffer())
        # mkstemp keeps others out; give the permissions that a newly made file has
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise PictureError(
            f'`{path}` cannot be written ({error.strerror}); choose another folder or make room.'
        ) from error


def _decode(data: bytes, path: Path, note: Note | None) -> np.ndarray:
    if _is_heif(data):
        _register_heif(path)
    # Pillow, because it refuses truncated files where OpenCV fills the rest with grey; other
    # libraries in the process may have switched that off
    tolerant, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        image = Image.open(BytesIO(data))
        is_deep_colour = _is_deep_colour(image)
        image.load()
        orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Image.DecompressionBombError as error:
        raise PictureError(f'`{path}` is too large ({error}); cut or shrink it first.') from error
    except Image.UnidentifiedImageError as error:
        raise PictureError(
            f'`{path}` is no picture, or it is truncated or damaged; fetch or save it again.'
        ) from error
    except Exception as error:  # decoders meet damaged bytes with almost any exception
        reason = ' '.join(str(error).split())  # of some it has several lines
        raise PictureError(
            f'`{path}` is truncated or damaged ({reason}); fetch or save it again.'
        ) from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = tolerant

    pixels: np.ndarray | Image.Image = image
    if is_deep_colour:
        pixels = _decode_deep_colour(data, path)
    elif image.mode.startswith('I;16') or (image.mode == 'I' and image.format in ('PNG', 'PPM')):
        # the latter is how older versions of Pillow, and PGM files, hand over 16 bits
        pixels = np.asarray(image).astype(np.uint16)
    elif image.mode in ('I', 'F'):
        raise PictureError(
            f'`{path}` holds 32-bit values, whose range nobody knows; save it with 8 or 16 bits a '
            'channel.'
        )
    if note is not None and 'icc_profile' in image.info:
        try:
            pixels = _to_srgb(pixels, image.info['icc_profile'] or b'')  # b'': lost on the way
        except ProfileError as error:
            note(
                f'The colour profile of `{path}` cannot be used ({error}); its numbers are taken '
                'for sRGB.'
            )
    if isinstance(pixels, Image.Image):
        pixels = np.asarray(pixels.convert('RGB'))
    return _turn(to_rgb(pixels, f'`{path}`'), orientation)


def _to_srgb(pixels: np.ndarray | Image.Image, profile: bytes) -> np.ndarray | Image.Image:
    if isinstance(pixels, Image.Image):
        return image_to_srgb(pixels, profile)
    return deep_to_srgb(pixels, profile)


def _is_heif(data: bytes) -> bool:
    """Whether bytes begin as HEIC files do, and not as AVIF files, which Pillow reads by itself."""
    if data[4:8] != b'ftyp':
        return False
    length = min(int.from_bytes(data[:4], 'big'), 256)
    brands = {data[8:12], *(data[start : start + 4] for start in range(16, length, 4))}
    return bool(brands & _HEIF_BRANDS) and not brands & {b'avif', b'avis'}


def _register_heif(path: Path) -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise PictureError(
            f'`{path}` is a HEIC picture; `pip install pillow-heif` to have it read, or save it as '
            '.jpg first.'
        ) from error
    register_heif_opener()


def _is_deep_colour(image: Image.Image) -> bool:
    """Whether a picture, not loaded yet, has 16-bit colours, of which Pillow would keep 8 bits."""
    modes = [tile[3] if isinstance(tile[3], str) else tile[3][0] for tile in image.tile if tile[3]]
    return image.mode not in ('I', 'I;16') and any(';16' in str(mode) for mode in modes)


def _decode_deep_colour(data: bytes, path: Path) -> np.ndarray:
    array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None or array.dtype != np.uint16:
        raise PictureError(f'`{path}` is a 16-bit picture of an unknown kind; save it as PNG.')
    return array[..., 2::-1] if array.ndim == 3 else array


def _turn(array: np.ndarray, orientation: int) -> np.ndarray:
    """Turn a picture upright by its EXIF orientation (1..8)."""
    mirrored, turns = _TURNS.get(orientation, (False, 0))
    if mirrored:
        array = array[:, ::-1]
    return np.ascontiguousarray(np.rot90(array, turns))
