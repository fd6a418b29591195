"""Precomputed pictures are found by name and by content."""

import copy
import pickle

import cv2
import numpy as np
import pytest
import torch

from llv.models.enhancers.precomputed import Precomputed
from llv.utils.pictures import write_picture


def picture(seed, size=(9, 12)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)


def batch(*arrays):
    return torch.stack([torch.from_numpy(a).permute(2, 0, 1) for a in arrays]).float() / 255


@pytest.fixture
def folders(tmp_path):
    """Three originals of two sizes and of several formats, and their enhanced partners."""
    for name, seed, size in (('a.png', 1, (9, 12)), ('in/b.png', 2, (9, 12)), ('c.bmp', 3, (5, 4))):
        write_picture(tmp_path / 'dark' / name, picture(seed, size))
    write_picture(tmp_path / 'lit' / 'a.png', picture(11))
    write_picture(tmp_path / 'lit' / 'in' / 'b.png', picture(12))
    write_picture(tmp_path / 'lit' / 'c.png', picture(13, (5, 4)))  # another format
    write_picture(tmp_path / 'lit' / 'of_another_set.png', picture(14))
    return str(tmp_path / 'dark'), str(tmp_path / 'lit')


def test_pictures_are_found_by_their_content(folders):
    enhancer = Precomputed(*folders)
    both = enhancer(batch(picture(2), picture(1))).image
    assert torch.equal(both, batch(picture(12), picture(11)))
    assert torch.equal(enhancer(batch(picture(3, (5, 4)))).image, batch(picture(13, (5, 4))))


def test_equal_pixels_in_another_shape_are_another_picture(tmp_path):
    for name, size, seed in (('a.png', (4, 6), 1), ('b.png', (6, 4), 2)):
        write_picture(tmp_path / 'dark' / name, np.full((*size, 3), 9, np.uint8))
        write_picture(tmp_path / 'lit' / name, picture(seed, size))
    enhancer = Precomputed(tmp_path / 'dark', tmp_path / 'lit')
    for size, seed in (((4, 6), 1), ((6, 4), 2)):
        lit = enhancer(batch(np.full((*size, 3), 9, np.uint8))).image
        assert torch.equal(lit, batch(picture(seed, size)))


def test_pictures_are_found_by_their_name(folders):
    enhancer = Precomputed(*folders)
    dark, _ = folders
    assert (enhancer.read_partner(f'{dark}/in/b.png') == picture(12)).all()
    assert (enhancer.read_partner(f'{dark}/in/../c.bmp') == picture(13, (5, 4))).all()
    with pytest.raises(FileNotFoundError, match='d.png` is none of the originals'):
        enhancer.read_partner(f'{dark}/d.png')


def test_jpeg_files_are_found_as_every_loader_decodes_them(tmp_path):
    smooth = cv2.GaussianBlur(picture(5, (40, 41)), (9, 9), 4)
    write_picture(tmp_path / 'dark' / 'a.jpg', smooth)
    write_picture(tmp_path / 'lit' / 'a.png', picture(6, (40, 41)))
    loaded = cv2.imread(str(tmp_path / 'dark' / 'a.jpg'))[..., ::-1].copy()
    enhancer = Precomputed(tmp_path / 'dark', tmp_path / 'lit')
    assert torch.equal(enhancer(batch(loaded)).image, batch(picture(6, (40, 41))))


def test_a_picture_that_another_decoder_reads_is_found(folders, monkeypatch):
    """OpenCV and Pillow may differ by a level; the second index knows what OpenCV reads."""
    off = {1: picture(101)}
    monkeypatch.setattr(
        'llv.models.enhancers.precomputed._read_with_opencv',
        lambda path: off[1] if path.name == 'a.png' else picture(0),
    )
    assert torch.equal(Precomputed(*folders)(batch(off[1])).image, batch(picture(11)))


def test_deep_originals_are_known_as_loaders_round_them(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (6, 7, 3)).astype(np.uint16)
    (tmp_path / 'dark').mkdir()
    cv2.imwrite(str(tmp_path / 'dark' / 'a.png'), deep[..., ::-1])
    write_picture(tmp_path / 'lit' / 'a.png', picture(1, (6, 7)))
    loaded = np.rint(deep / 257).astype(np.uint8)
    enhancer = Precomputed(tmp_path / 'dark', tmp_path / 'lit')
    assert torch.equal(enhancer(batch(loaded)).image, batch(picture(1, (6, 7))))


def test_changed_pictures_are_refused_with_the_remedy(folders):
    enhancer = Precomputed(*folders)
    for changed in (picture(1)[:, ::-1].copy(), picture(1)[:5], picture(1) ^ 1):
        with pytest.raises(
            ValueError, match='none of the originals .* `llv.EnhanceImage`'
        ) as error:
            enhancer(batch(changed))
        assert '\n' not in str(error.value)


def test_missing_partners_are_listed_by_name(folders, tmp_path):
    (tmp_path / 'lit' / 'in' / 'b.png').unlink()
    (tmp_path / 'lit' / 'c.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'2 of 3 pictures .*\(`c.bmp`, `in/b.png`\)'):
        Precomputed(*folders)


def test_names_that_fit_two_files_are_refused(folders, tmp_path):
    write_picture(tmp_path / 'lit' / 'c.jpg', picture(15, (5, 4)))
    with pytest.raises(ValueError, match='Several files are named `c`'):
        Precomputed(*folders)
    write_picture(tmp_path / 'lit' / 'c.bmp', picture(16, (5, 4)))  # the full name settles it
    lit = Precomputed(*folders)(batch(picture(3, (5, 4)))).image
    assert torch.equal(lit, batch(picture(16, (5, 4))))


def test_partners_of_another_size_are_refused(folders, tmp_path):
    write_picture(tmp_path / 'lit' / 'a.png', picture(11, (4, 4)))
    with pytest.raises(ValueError, match=r'has size \(4, 4\) but its original \(9, 12\)'):
        Precomputed(*folders)(batch(picture(1)))


def test_folders_are_checked(folders, tmp_path):
    with pytest.raises(FileNotFoundError, match='picture folder `nowhere` is not there'):
        Precomputed(folders[0], 'nowhere')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='holds no picture'):
        Precomputed(tmp_path / 'empty', folders[1])


def test_copies_work_as_well(folders):
    enhancer = Precomputed(*folders)
    for twin in (copy.deepcopy(enhancer), pickle.loads(pickle.dumps(enhancer))):
        assert torch.equal(twin(batch(picture(1))).image, batch(picture(11)))
