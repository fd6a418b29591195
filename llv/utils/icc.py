"""Colour profiles (ICC.1) embedded in pictures: their colours in sRGB."""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import Image

Curve = Callable[[np.ndarray], np.ndarray]

# sRGB's primaries in XYZ, adapted to the white D50 of all profiles: the columns of its own profile
_SRGB = np.array(
    [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ]
)
_ROWS = 256  # of a 16-bit picture at once, so that memory is that of the picture
# Pillow's modes by the colours that they hold
_MODELS = {'1': 'L', 'LA': 'L', 'L': 'L', 'CMYK': 'CMYK'}
_OF_SPACE = {'GRAY': 'L', 'RGB': 'RGB', 'CMYK': 'CMYK'}
_ANOTHER = 'it is one of `{}` colours, which the picture does not have'


class ProfileError(ValueError):
    """A profile that cannot be used; the message is the reason, as part of a sentence."""


def image_to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert a picture of 8 bits by LittleCMS, relative colorimetric; of CMYK the darkest ink becomes black.

    Colours outside of sRGB become the nearest on its border in each channel. A profile that is sRGB's in other words,
    which moves no colour by more than a level, changes nothing.

    Args:
        image: Grey, RGB, palette or CMYK picture; alpha is dropped. An RGB profile of a grey picture is taken for
            three equal channels.
        profile: The bytes of the profile.

    Returns:
        Picture of mode ``RGB``.

    Raises:
        ProfileError: It is damaged, or of other colours than the picture.
    """
    try:
        from PIL import ImageCms

        opened = ImageCms.ImageCmsProfile(BytesIO(profile))
        space = opened.profile.xcolor_space.strip()
    except ImportError as error:
        raise ProfileError('this Pillow was built without LittleCMS') from error
    except (OSError, TypeError, ValueError) as error:
        raise ProfileError('it is damaged') from error
    mode = _OF_SPACE.get(space)
    given = _MODELS.get(image.mode, 'RGB')
    if mode != given and (mode, given) != ('RGB', 'L'):
        raise ProfileError(_ANOTHER.format(space))
    try:
        convert = ImageCms.buildTransform(
            opened,
            ImageCms.createProfile('sRGB'),
            mode,
            'RGB',
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION if mode == 'CMYK' else ImageCms.Flags.NONE,
        )
        probe = dict(RGB=_lattice, L=_greys).get(mode)
        if probe is not None and _is_close(convert.apply(probe().convert(mode)), probe(), 1):
            return image.convert('RGB')
        return convert.apply(image.convert(mode))
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        raise ProfileError(f'LittleCMS cannot apply it: {error}') from error


def deep_to_srgb(picture: np.ndarray, profile: bytes) -> np.ndarray:
    """Convert a picture of 16 bits, which LittleCMS as Pillow has it cannot.

    Args:
        picture: (H, W) grey or (H, W, 3) RGB, uint16.
        profile: The bytes of a profile of three primaries and a curve each, as those of cameras, screens and working
            spaces are, or of one grey curve; in RGB pictures the former, in grey ones either.

    Returns:
        (H, W, 3) RGB uint16, the same numbers where nothing moves by more than a level of 8 bits.

    Raises:
        ProfileError: It is damaged, of other colours than the picture, or made of tables.
    """
    try:
        tags = _tags(profile)
        space = profile[16:20].decode('ascii', 'replace').strip()
        if space == 'GRAY' and picture.ndim == 2:
            names, matrix = ['kTRC'] * 3, np.eye(3)
        elif space == 'RGB':
            names = ['rTRC', 'gTRC', 'bTRC']
            columns = [_numbers(tags[f'{channel}XYZ'], 8)[:3] for channel in 'rgb']
            matrix = np.linalg.inv(_SRGB) @ np.stack(columns, axis=1)
        else:
            raise ProfileError(_ANOTHER.format(space))
        levels = np.arange(65536) / 65535
        linear = np.stack([_curve(tags[name])(levels) for name in names]).astype(np.float32)
    except KeyError as error:
        raise ProfileError('it is made of tables, which llv applies to 8 bits only') from error
    except (struct.error, IndexError) as error:
        raise ProfileError('it is damaged') from error
    matrix = matrix.astype(np.float32)
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)

    def convert(rows: np.ndarray) -> np.ndarray:
        light = np.stack([linear[k][rows[..., k]] for k in range(3)], axis=-1) @ matrix.T
        return np.rint(65535 * _encode(light.clip(0, 1))).astype(np.uint16)

    probe = np.asarray(_lattice()).astype(np.uint16) * 257
    if _is_close(convert(probe), probe, 257):
        return picture
    parts = (picture[start : start + _ROWS] for start in range(0, len(picture), _ROWS))
    return np.concatenate([convert(part) for part in parts])


def _lattice() -> Image.Image:
    """16³ colours that fill the cube."""
    steps = np.arange(0, 256, 17, dtype=np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(64, 64, 3))


def _greys() -> Image.Image:
    return Image.fromarray(np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2))


def _is_close(after: object, before: object, levels: int) -> bool:
    return bool(np.abs(np.asarray(after, int) - np.asarray(before, int)).max() <= levels)


def _tags(profile: bytes) -> dict[str, bytes]:
    (count,) = struct.unpack_from('>I', profile, 128)
    tags = {}
    for number in range(min(count, 100)):
        name, start, size = struct.unpack_from('>4sII', profile, 132 + 12 * number)
        if start + size > len(profile):
            raise ProfileError('it is damaged')
        tags[name.decode('ascii', 'replace')] = profile[start : start + size]
    return tags


def _numbers(tag: bytes, start: int) -> np.ndarray:
    """The s15Fixed16 numbers from a place on."""
    count = (len(tag) - start) // 4
    return np.array(struct.unpack_from(f'>{count}i', tag, start)) / 65536


def _curve(tag: bytes) -> Curve:
    """Levels in [0, 1] -> light in [0, 1] (ICC.1:2010, 10.5 and 10.15)."""
    kind = tag[:4]
    if kind == b'curv':
        (count,) = struct.unpack_from('>I', tag, 8)
        values = np.array(struct.unpack_from(f'>{count}H', tag, 12), float)
        if count == 0:
            return lambda x: x
        if count == 1:
            return lambda x: x ** (values[0] / 256)
        return lambda x: np.interp(x, np.linspace(0, 1, count), values / 65535)
    if kind != b'para':
        raise ProfileError('it is damaged')
    (form,) = struct.unpack_from('>H', tag, 8)
    given = _numbers(tag, 12)
    if form > 4 or len(given) < (1, 3, 4, 5, 7)[form]:
        raise ProfileError('it is damaged')
    gamma, a, b, c, d, e, f = [*given, *[0.0] * 7][:7]
    if form == 0:
        return lambda x: x**gamma
    if form in (1, 2):  # below -b/a it is flat
        floor, threshold = (c if form == 2 else 0.0), -b / a
        slope, start, above = 0.0, floor, floor
    else:
        slope, start, above, threshold = c, (f if form == 4 else 0.0), (e if form == 4 else 0.0), d
    return lambda x: np.where(
        x >= threshold, np.maximum(a * x + b, 0) ** gamma + above, slope * x + start
    )


def _encode(light: np.ndarray) -> np.ndarray:
    """Light in [0, 1] -> levels of sRGB in [0, 1] (IEC 61966-2-1)."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
