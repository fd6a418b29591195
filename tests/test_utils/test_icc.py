"""Colour profiles, written here byte by byte, against the equations of their primaries and curves."""

import struct
from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from llv.apis import enhance, init_enhancer
from llv.utils.pictures import read_photograph, read_picture, write_picture

D65 = (0.3127, 0.3290)
SRGB = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060))
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def xyz(x, y):
    return np.array([x / y, 1, (1 - x - y) / y])


def to_xyz(primaries):
    """RGB light -> XYZ under D65, where (1, 1, 1) is white."""
    columns = np.stack([xyz(*one) for one in primaries], axis=1)
    return columns * np.linalg.solve(columns, xyz(*D65))


def adapted(matrix):
    """From the white D65 to D50, which profiles are written in (Bradford)."""
    cone = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    gains = (cone @ [0.9642, 1, 0.8249]) / (cone @ xyz(*D65))
    return np.linalg.inv(cone) @ np.diag(gains) @ cone @ matrix


def gamma_curve(gamma):
    return b'curv' + bytes(4) + struct.pack('>IH', 1, round(gamma * 256))


def table_curve(values):
    levels = np.rint(np.asarray(values) * 65535).astype(int)
    return b'curv' + bytes(4) + struct.pack(f'>I{len(levels)}H', len(levels), *levels)


def formula_curve(form, *numbers):
    fixed = [round(number * 65536) for number in numbers]
    return b'para' + bytes(4) + struct.pack(f'>HH{len(fixed)}i', form, 0, *fixed)


def profile(space, tags):
    """The bytes of an ICC profile of version 2.4 or, with formulas, 4.2."""
    version = 0x04200000 if any(tag[:4] == b'para' for tag in tags.values()) else 0x02400000
    tags = {'desc': b'desc' + bytes(4) + struct.pack('>I', 5) + b'test\0' + bytes(78)} | tags
    if version == 0x04200000:
        words = 'test'.encode('utf-16-be')
        tags['desc'] = (
            b'mluc' + bytes(4) + struct.pack('>II4sII', 1, 12, b'enUS', len(words), 28) + words
        )
    white = struct.pack('>3i', *(round(v * 65536) for v in (0.9642, 1, 0.8249)))
    tags |= {'wtpt': b'XYZ ' + bytes(4) + white}
    start, table, body = 132 + 12 * len(tags), b'', b''
    for name, tag in tags.items():
        table += struct.pack('>4sII', name.encode(), start + len(body), len(tag))
        body += tag + bytes(-len(tag) % 4)
    head = struct.pack('>I4sI4s4s4s', start + len(body), b'', version, b'mntr', space, b'XYZ ')
    head += struct.pack('>6H4s', 2024, 1, 1, 0, 0, 0, b'acsp') + bytes(28) + white
    return head + bytes(128 - len(head)) + struct.pack('>I', len(tags)) + table + body


def rgb_profile(primaries, curve):
    columns = adapted(to_xyz(primaries)).T
    tags = {
        f'{c}XYZ': b'XYZ ' + bytes(4) + struct.pack('>3i', *(round(v * 65536) for v in column))
        for c, column in zip('rgb', columns, strict=True)
    }
    return profile(b'RGB ', tags | {f'{c}TRC': curve for c in 'rgb'})


def srgb_levels(light):
    """Light in [0, 1] -> levels in [0, 1], by IEC 61966-2-1."""
    return np.where(
        light <= 0.0031308, 12.92 * light, 1.055 * light.clip(1e-9) ** (1 / 2.4) - 0.055
    )


def srgb_light(levels):
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


def expected(levels, primaries, light):
    """What RGB levels in [0, 1] are in sRGB, by way of D65 alone, which no profile takes."""
    matrix = np.linalg.solve(to_xyz(SRGB), to_xyz(primaries))
    return srgb_levels((light(levels) @ matrix.T).clip(0, 1))


def colours(kind):
    """(12, 30, 3): dark and bright, pale and saturated."""
    rng = np.random.default_rng(0)
    part = rng.random((12, 30, 3)) * rng.choice([0.1, 0.4, 1], (12, 30, 1))
    part[0] = np.linspace(0, 1, 30)[:, None]
    return np.rint(part * np.iinfo(kind).max).astype(kind)


def save(path, picture, icc):
    """By Pillow, or for 16 bits by OpenCV with the profile put in as a chunk."""
    if picture.dtype == np.uint8:
        Image.fromarray(picture).save(path, icc_profile=icc)
        return
    import zlib

    bgr = picture[..., ::-1] if picture.ndim == 3 else picture
    encoded = cv2.imencode('.png', bgr)[1].tobytes()
    chunk = b'iCCPtest\0\0' + zlib.compress(icc)
    size, check = len(chunk) - 4, zlib.crc32(chunk)
    path.write_bytes(
        encoded[:33] + struct.pack('>I', size) + chunk + struct.pack('>I', check) + encoded[33:]
    )


CASES = {
    'Display P3': (P3, formula_curve(3, *SRGB_CURVE), srgb_light),
    'Adobe RGB': (ADOBE, gamma_curve(2.199), lambda x: x ** (round(2.199 * 256) / 256)),
    'a table': (P3, table_curve(np.linspace(0, 1, 1024) ** 1.8), lambda x: x**1.8),
    'an offset': (
        ADOBE,
        formula_curve(4, 2.0, 0.9, 0.1, 0.2, 0.25, 0.0, 0.01),
        lambda x: np.where(x >= 0.25, (0.9 * x + 0.1) ** 2, 0.2 * x + 0.01),
    ),
}


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('kind', [np.uint8, np.uint16])
def test_colours_are_those_of_the_equations(tmp_path, name, kind):
    primaries, curve, light = CASES[name]
    stored, top = colours(kind), np.iinfo(kind).max
    save(tmp_path / 'a.png', stored, rgb_profile(primaries, curve))
    told = []
    found = read_photograph(tmp_path / 'a.png', told.append)
    wanted = expected(stored / top, primaries, light) * top
    assert found.dtype == kind and told == []
    off = np.abs(found - wanted)
    # two levels of 16 bits, and half a level of 8 where the numbers of the profile, which are rounded, all but cancel
    assert off.max() <= (1.6 if kind is np.uint8 else 128) and np.median(off) <= (
        0.5 if kind is np.uint8 else 2
    )
    assert np.abs(stored - wanted).max() > 20 * top / 255  # there is something to convert
    np.testing.assert_array_equal(read_picture(tmp_path / 'a.png'), stored)


@pytest.mark.parametrize('suffix', ['.jpg', '.tif', '.webp', '.png'])
def test_every_format_that_carries_a_profile(tmp_path, suffix):
    flat = np.full((16, 16, 3), (60, 120, 40), np.uint8)
    save(tmp_path / f'a{suffix}', flat, rgb_profile(P3, formula_curve(3, *SRGB_CURVE)))
    stored = read_picture(tmp_path / f'a{suffix}')[8, 8]  # JPEG and WebP move it a little
    wanted = 255 * expected(stored / 255, P3, srgb_light)
    assert np.abs(read_photograph(tmp_path / f'a{suffix}')[8, 8] - wanted).max() <= 1.6
    assert stored[0] - wanted[0] > 20


@pytest.mark.parametrize('kind', [np.uint8, np.uint16])
def test_a_grey_curve_and_colours_of_a_grey_picture(tmp_path, kind):
    top = np.iinfo(kind).max
    grey = colours(kind)[..., 0]
    primaries, curve, light = CASES['Adobe RGB']
    for icc in (profile(b'GRAY', {'kTRC': curve}), rgb_profile(primaries, curve)):
        save(tmp_path / 'a.png', grey, icc)
        found = read_photograph(tmp_path / 'a.png')
        wanted = srgb_levels(light(grey / top)) * top
        assert np.abs(found - wanted[..., None]).max() <= (1.6 if kind is np.uint8 else 24)


@pytest.mark.parametrize('kind', [np.uint8, np.uint16])
@pytest.mark.parametrize('ours', [True, False])
def test_a_profile_of_srgb_changes_nothing(tmp_path, kind, ours):
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    if ours:  # with a table of 1024, as that of most files
        icc = rgb_profile(SRGB, table_curve(srgb_light(np.linspace(0, 1, 1024))))
    save(tmp_path / 'a.png', colours(kind), icc)
    np.testing.assert_array_equal(read_photograph(tmp_path / 'a.png'), colours(kind))


def cut(icc):
    return icc[: len(icc) // 2]


def without_primaries(icc):
    return icc.replace(b'rXYZ', b'rABC')


RGB = rgb_profile(P3, formula_curve(3, *SRGB_CURVE))
GREY = profile(b'GRAY', {'kTRC': gamma_curve(2.2)})


@pytest.mark.parametrize(
    ('kind', 'icc', 'words'),
    [
        (np.uint8, cut(RGB), 'it is damaged'),
        (np.uint8, b'words', 'it is damaged'),
        (np.uint8, GREY, 'of `GRAY` colours'),
        (np.uint8, without_primaries(RGB), 'LittleCMS cannot apply it'),
        (np.uint16, cut(RGB), 'it is damaged'),
        (np.uint16, b'words', 'it is damaged'),
        (np.uint16, GREY, 'of `GRAY` colours'),
        (np.uint16, without_primaries(RGB), 'made of tables'),
        (np.uint16, RGB.replace(b'para', b'pora'), 'it is damaged'),
    ],
)
def test_a_profile_that_cannot_be_used_is_said_in_one_line(tmp_path, capsys, kind, icc, words):
    save(tmp_path / 'a.png', colours(kind), icc)
    np.testing.assert_array_equal(read_photograph(tmp_path / 'a.png'), colours(kind))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'note: The colour profile of `{tmp_path / "a.png"}` cannot be used (')
    assert words in line and line.endswith('; its numbers are taken for sRGB.')


def test_a_profile_of_other_colours_than_cmyk_is_noted(tmp_path):
    Image.fromarray(colours(np.uint8)).convert('CMYK').save(tmp_path / 'a.tif', icc_profile=RGB)
    told = []
    found = read_photograph(tmp_path / 'a.tif', told.append)
    np.testing.assert_array_equal(found, read_picture(tmp_path / 'a.tif'))
    assert len(told) == 1 and 'of `RGB` colours' in told[0]


def test_results_are_srgb_and_carry_no_other_profile(tmp_path):
    dark = np.full((8, 8, 3), (30, 60, 20), np.uint8)
    save(tmp_path / 'a.png', dark, RGB)
    lit = enhance(init_enhancer('fixed_gain', gain=2.0), tmp_path / 'a.png')
    wanted = 2 * 255 * expected(dark[0, 0] / 255, P3, srgb_light)
    assert np.abs(lit[0, 0] - wanted).max() <= 3
    write_picture(tmp_path / 'lit.png', lit)
    with Image.open(tmp_path / 'lit.png') as written:
        assert 'icc_profile' not in written.info


def test_the_orientation_of_a_converted_picture_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = BytesIO()
    Image.fromarray(colours(np.uint8)).save(buffer, 'PNG', icc_profile=RGB, exif=exif)
    (tmp_path / 'a.png').write_bytes(buffer.getvalue())
    assert read_photograph(tmp_path / 'a.png').shape == (30, 12, 3)
