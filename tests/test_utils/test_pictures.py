"""Reading and writing pictures, against arrays that Pillow, OpenCV or arithmetic made."""

import os
import sys

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps, features

from llv.utils.pictures import (
    PictureError,
    read_photograph,
    read_picture,
    to_rgb,
    to_tensor,
    to_uint8,
    write_picture,
)


def smooth(height=37, width=53, seed=0):
    """A picture that compresses like a photograph: (H, W, 3) uint8."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


@pytest.mark.parametrize('suffix', ['.png', '.bmp', '.tif'])
def test_lossless_formats_come_back_as_written(tmp_path, suffix):
    picture = smooth()
    write_picture(tmp_path / f'new/folder/x{suffix}', picture)
    np.testing.assert_array_equal(read_picture(tmp_path / f'new/folder/x{suffix}'), picture)
    # and OpenCV, which knows nothing of us, sees the same colours
    theirs = cv2.imread(str(tmp_path / f'new/folder/x{suffix}'))[..., ::-1]
    np.testing.assert_array_equal(theirs, picture)
    assert os.listdir(tmp_path / 'new/folder') == [f'x{suffix}']


@pytest.mark.parametrize('suffix', ['.jpg', '.webp'])
def test_lossy_formats_come_back_close(tmp_path, suffix):
    write_picture(tmp_path / f'x{suffix}', smooth())
    difference = read_picture(tmp_path / f'x{suffix}').astype(int) - smooth()
    assert np.abs(difference).mean() < 3


def test_written_files_have_ordinary_permissions(tmp_path):
    write_picture(tmp_path / 'x.png', smooth())
    (tmp_path / 'y').touch()
    assert (tmp_path / 'x.png').stat().st_mode == (tmp_path / 'y').stat().st_mode


def test_the_content_decides_about_the_format(tmp_path):
    Image.fromarray(smooth()).save(tmp_path / 'x.jpg', 'PNG')
    np.testing.assert_array_equal(read_picture(tmp_path / 'x.jpg'), smooth())


@pytest.mark.parametrize('size', [(1, 1), (1, 5), (7, 1)])
def test_tiny_pictures(tmp_path, size):
    picture = smooth(*size)
    write_picture(tmp_path / 'x.png', picture)
    np.testing.assert_array_equal(read_picture(tmp_path / 'x.png'), picture)


def test_grey_gets_three_equal_channels(tmp_path):
    grey = smooth()[..., 0]
    Image.fromarray(grey).save(tmp_path / 'x.png')
    picture = read_picture(tmp_path / 'x.png')
    assert picture.shape == (*grey.shape, 3)
    for channel in range(3):
        np.testing.assert_array_equal(picture[..., channel], grey)


def test_alpha_is_dropped_and_colours_under_it_are_kept(tmp_path):
    alpha = np.zeros((37, 53, 1), np.uint8)
    Image.fromarray(np.concatenate([smooth(), alpha], axis=2)).save(tmp_path / 'x.png')
    np.testing.assert_array_equal(read_picture(tmp_path / 'x.png'), smooth())


def test_palette_with_transparency(tmp_path):
    image = Image.new('P', (4, 2), 1)
    image.putpalette([0, 0, 0, 250, 100, 50])
    image.save(tmp_path / 'x.png', transparency=0)
    assert (read_picture(tmp_path / 'x.png') == [250, 100, 50]).all()


@pytest.mark.parametrize('mode', ['1', 'LA', 'CMYK'])
def test_other_modes_are_what_pillow_makes_of_them(tmp_path, mode):
    image = Image.fromarray(smooth()).convert(mode)
    image.save(tmp_path / 'x.tif')
    np.testing.assert_array_equal(read_picture(tmp_path / 'x.tif'), image.convert('RGB'))


@pytest.mark.parametrize('suffix', ['.png', '.tiff'])
@pytest.mark.parametrize('channels', [1, 3, 4])
def test_sixteen_bits_are_kept(tmp_path, suffix, channels):
    deep = np.random.default_rng(0).integers(0, 65536, (5, 7, channels), np.uint16)
    blue_first = deep[..., [2, 1, 0, 3][:channels]] if channels > 1 else deep
    assert cv2.imwrite(str(tmp_path / f'x{suffix}'), blue_first)
    picture = read_picture(tmp_path / f'x{suffix}')
    assert picture.dtype == np.uint16
    np.testing.assert_array_equal(picture, np.broadcast_to(deep[..., :3], (5, 7, 3)))
    tensor = to_tensor(picture)
    np.testing.assert_allclose(tensor, picture.transpose(2, 0, 1) / 65535.0, atol=1e-7)


def test_sixteen_bit_pgm(tmp_path):
    (tmp_path / 'x.pgm').write_bytes(b'P5 2 1 65535\n\x12\x34\xff\xff')
    np.testing.assert_array_equal(read_picture(tmp_path / 'x.pgm')[0, :, 0], [0x1234, 0xFFFF])


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.tif'])
def test_exif_orientation(tmp_path, orientation, suffix):
    image = Image.fromarray(smooth())
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / f'x{suffix}', exif=exif)
    with Image.open(tmp_path / f'x{suffix}') as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored).convert('RGB'))
    np.testing.assert_array_equal(read_picture(tmp_path / f'x{suffix}'), expected)
    assert expected.shape[0] == (37 if orientation < 5 else 53)


def test_exif_orientation_of_a_deep_png(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (2, 3, 3), np.uint16)
    encoded = cv2.imencode('.png', deep[..., ::-1])[1].tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right
    body = exif.tobytes()[6:]
    chunk = b'eXIf' + body
    crc = __import__('zlib').crc32(chunk).to_bytes(4, 'big')
    end_of_header = 33
    (tmp_path / 'x.png').write_bytes(
        encoded[:end_of_header]
        + len(body).to_bytes(4, 'big')
        + chunk
        + crc
        + encoded[end_of_header:]
    )
    np.testing.assert_array_equal(read_picture(tmp_path / 'x.png'), np.rot90(deep, -1))


@pytest.fixture
def heic(tmp_path):
    """A telephone's picture, dark green above blue, lying on its side."""
    heif = pytest.importorskip('pillow_heif', reason='pillow-heif is not installed')
    heif.register_heif_opener()
    picture = np.full((24, 36, 3), (10, 20, 90), np.uint8)
    picture[:12] = (60, 120, 40)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned to the right
    Image.fromarray(picture).save(tmp_path / 'IMG_1.HEIC', quality=-1, exif=exif.tobytes())
    return tmp_path / 'IMG_1.HEIC'


def test_heic_is_read_upright(heic):
    for picture in (read_picture(heic), read_photograph(heic)):
        assert picture.shape == (36, 24, 3)
        np.testing.assert_allclose(picture[18, [2, -3]], [(10, 20, 90), (60, 120, 40)], atol=2)


@pytest.mark.parametrize('part', [0.3, 0.95])
def test_truncated_heic_is_refused_in_one_line(heic, part):
    heic.write_bytes(heic.read_bytes()[: int(heic.stat().st_size * part)])
    with pytest.raises(PictureError, match=r'IMG_1\.HEIC.*damaged.*again\.$'):
        read_picture(heic)


@pytest.mark.parametrize('name', ['a.heic', 'a.jpg'])  # some programs rename them
def test_heic_without_its_reader_names_what_to_install(tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, 'pillow_heif', None)
    brands = b'\0\0\0\x1cftypmif1\0\0\0\0mif1heic'
    (tmp_path / name).write_bytes(brands.ljust(28, b'\0') + bytes(40))
    with pytest.raises(PictureError, match='is a HEIC picture; `pip install pillow-heif`'):
        read_picture(tmp_path / name)


def test_avif_needs_nothing_of_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pillow_heif', None)
    if not features.check('avif'):
        pytest.skip('this Pillow has no AVIF')
    Image.fromarray(smooth()).save(tmp_path / 'a.avif', quality=95)
    assert read_picture(tmp_path / 'a.avif').shape == smooth().shape


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'BMP', 'TIFF', 'WEBP', 'GIF', 'PPM'])
@pytest.mark.parametrize('part', [0.1, 0.5, 0.95])
def test_truncated_files_are_refused(tmp_path, kind, part):
    path = tmp_path / 'broken.picture'
    Image.fromarray(smooth(120, 160)).save(path, kind)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(PictureError, match=r'broken\.picture.*(truncated|damaged).*again\.$'):
        read_picture(path)


@pytest.mark.parametrize('progressive', [False, True])
def test_a_download_that_ends_in_zeros_is_refused(tmp_path, progressive):
    path = tmp_path / 'x.jpg'
    Image.fromarray(smooth(120, 160)).save(path, progressive=progressive)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    with pytest.raises(PictureError, match='damaged'):
        read_picture(path)


def test_truncated_also_where_another_library_tolerates_it(tmp_path, monkeypatch):
    monkeypatch.setattr(ImageFile, 'LOAD_TRUNCATED_IMAGES', True)
    Image.fromarray(smooth(120, 160)).save(tmp_path / 'x.jpg')
    data = (tmp_path / 'x.jpg').read_bytes()
    (tmp_path / 'x.jpg').write_bytes(data[: len(data) // 2])
    with pytest.raises(PictureError):
        read_picture(tmp_path / 'x.jpg')
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


@pytest.mark.parametrize(
    ('make', 'words'),
    [
        (lambda path: None, 'is not there; check the path'),
        (lambda path: path.mkdir(), 'is a folder'),
        (lambda path: path.touch(), 'is an empty file'),
        (lambda path: path.write_text('no picture'), 'is no picture'),
        (lambda path: Image.new('F', (2, 2)).save(path, 'TIFF'), '32-bit values'),
        (lambda path: Image.new('I', (2, 2)).save(path, 'TIFF'), '32-bit values'),
    ],
)
def test_bad_files_are_named_with_the_remedy(tmp_path, make, words):
    path = tmp_path / 'bad.png'
    make(path)
    with pytest.raises(PictureError, match=words) as error:
        read_picture(path)
    assert f'`{path}`' in str(error.value)
    assert '\n' not in str(error.value)


def test_too_many_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 10)
    Image.new('RGB', (5, 5)).save(tmp_path / 'x.png')
    with pytest.raises(PictureError, match='too large'):
        read_picture(tmp_path / 'x.png')


@pytest.mark.parametrize(
    'array',
    [
        np.zeros((2, 2, 3)),
        np.zeros((2, 2, 2), np.uint8),
        np.zeros((0, 2, 3), np.uint8),
        np.zeros(3, np.uint8),
    ],
)
def test_arrays_that_are_no_pictures(array):
    with pytest.raises(PictureError):
        to_rgb(array)


def test_unwritable(tmp_path):
    with pytest.raises(PictureError, match='suffix'):
        write_picture(tmp_path / 'x.xyz', smooth())
    (tmp_path / 'file').touch()
    with pytest.raises(PictureError, match='cannot be written'):
        write_picture(tmp_path / 'file/x.png', smooth())
    with pytest.raises(PictureError, match=r'write \.png'):
        write_picture(tmp_path / 'x.jpg', np.zeros((1, 70000, 3), np.uint8))
    assert sorted(os.listdir(tmp_path)) == ['file']


@given(st.lists(st.floats(-0.5, 1.5, width=32), min_size=3, max_size=3))
def test_rounding_to_the_nearest_level(values):
    image = torch.tensor(values).view(3, 1, 1)
    levels = to_uint8(image)[0, 0].astype(float)
    wanted = np.clip(np.array(values) * 255, 0, 255)
    assert (np.abs(levels - wanted) <= 0.5 + 1e-4).all()


def test_every_level_survives_the_round_trip():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    picture = np.stack([levels, levels.T, 255 - levels], axis=2)
    np.testing.assert_array_equal(to_uint8(to_tensor(picture)), picture)
