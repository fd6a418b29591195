"""Label maps: what is found in headers and in ids, and what is said about it."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from llv.utils.label_maps import (
    LABEL_IDS,
    LabelMapError,
    check_ids,
    label_problem,
    read_label_map,
    to_train_ids,
    unknown_ids,
    write_label_map,
)

IDS = np.arange(24, dtype=np.uint8).reshape(4, 6) % 19


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / 'a_rgb_anon.png'
    cv2.imwrite(str(path), np.full((4, 6, 3), 9, np.uint8))
    return path


@pytest.fixture
def label(tmp_path):
    path = tmp_path / 'a_gt_labelTrainIds.png'
    cv2.imwrite(str(path), IDS)
    return path


def with_palette(ids):
    # a palette turns grey levels into indices
    image = Image.fromarray(ids)
    image.putpalette([value for index in range(19) for value in (255 - index, index, 7)])
    return image


def test_a_picture_and_its_label_map_of_one_channel_are_sound(picture, label):
    assert label_problem(picture, label) is None
    with_palette(IDS).save(label)
    assert label_problem(str(picture), str(label)) is None


def test_ids_are_read_from_one_channel_and_from_the_indices_of_a_palette(label):
    np.testing.assert_array_equal(read_label_map(label), IDS)
    with_palette(IDS).save(label)
    read = read_label_map(str(label))
    np.testing.assert_array_equal(read, IDS)
    assert read.dtype == np.uint8 and read.flags.writeable


COLOURS = {
    'RGB': 'in colour',
    'RGBA': 'in colour',
    'LA': 'alpha channel',
    'I;16': 'more than 8 bits, such as instance ids',
}


@pytest.mark.parametrize('mode, words', COLOURS.items())
def test_other_kinds_of_pictures_are_refused_with_the_official_ending(picture, label, mode, words):
    Image.new(mode, (6, 4)).save(label)
    problem = label_problem(picture, label)
    assert words in problem and f'`{label}`' in problem and '`_labelTrainIds.png`' in problem
    with pytest.raises(
        LabelMapError, match='one channel of class ids: take .*_labelTrainIds.png`.$'
    ):
        read_label_map(label)


def test_partners_of_other_sizes_are_refused_with_both_files(picture, label):
    cv2.imwrite(str(label), IDS.T.copy())
    problem = label_problem(picture, label)
    assert f'`{picture}` is 6x4' in problem and f'`{label}` 4x6' in problem
    assert 'nearest neighbours' in problem


def test_the_size_of_a_picture_is_the_one_after_its_exif_orientation(tmp_path, label):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = tmp_path / 'a.jpg'
    Image.new('RGB', (4, 6)).save(turned, exif=exif)
    # what mmseg's loader, OpenCV, makes of it
    assert cv2.imread(str(turned)).shape[:2] == IDS.shape
    assert label_problem(turned, label) is None


def test_a_missing_label_map_is_told_with_the_remedy(picture, tmp_path):
    absent = tmp_path / 'a_gt_labelTrainIds.png'
    problem = label_problem(picture, absent)
    assert f'`{picture}` has no label map `{absent}`' in problem and 'unpack' in problem
    cv2.imwrite(str(tmp_path / 'a_gt_labelIds.png'), IDS)
    problem = label_problem(picture, absent)
    assert 'make it from `a_gt_labelIds.png` with `tools/' in problem
    assert 'label_ids_to_train_ids.py`' in problem and 'unpack' not in problem
    with pytest.raises(LabelMapError, match='`.*a_gt_labelTrainIds.png` is not there: check'):
        read_label_map(absent)


def test_unreadable_files_are_told_with_the_remedy(picture, label, tmp_path):
    label.write_bytes(b'no picture')
    problem = label_problem(picture, label)
    assert f'`{label}` of `{picture}` is damaged' in problem and 'unpack it again' in problem
    with pytest.raises(LabelMapError, match='labelTrainIds.png` is damaged or no picture: copy'):
        read_label_map(label)
    picture.write_bytes(b'')
    assert label_problem(picture, label).startswith(f'the picture `{picture}` is damaged')
    problem = label_problem(tmp_path / 'no.png', label)
    assert problem == f'the picture `{tmp_path}/no.png` is not there: check the path'


def test_a_truncated_label_map_is_refused_even_where_others_allowed_it(label, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 19, (64, 64), np.uint8)
    Image.fromarray(noise).save(label)
    label.write_bytes(label.read_bytes()[:-1000])
    monkeypatch.setattr('PIL.ImageFile.LOAD_TRUNCATED_IMAGES', True)
    with pytest.raises(LabelMapError, match='damaged'):
        read_label_map(label)
    from PIL import ImageFile

    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


@settings(max_examples=40, deadline=None)
@given(
    arrays(st.sampled_from([np.uint8, np.int16, np.int64]), (3, 5), elements=st.integers(0, 127)),
    st.integers(1, 60),
    st.sampled_from([255, 0, 100]),
)
def test_unknown_ids_are_those_that_a_plain_loop_finds(label_map, classes, ignored):
    expected = {int(value) for value in label_map.flat if value not in [*range(classes), ignored]}
    assert unknown_ids(label_map, classes, ignored) == sorted(expected)


def test_negative_ids_are_unknown_and_255_is_ignored_unless_told_otherwise():
    label_map = np.array([[-1, 0, 18, 255, 254]], np.int32)
    assert unknown_ids(label_map, 19) == [-1, 254]
    assert unknown_ids(label_map, 18, ignore_index=254) == [-1, 18, 255]
    # not contiguous, as a flipped or cropped one is
    assert unknown_ids(np.full((6, 6), 19, np.uint8)[::-2, ::3], 19) == [19]


def test_ids_of_classes_pass(label):
    check_ids(np.array([[0, 18, 255]], np.uint8), 19, 255, label)


@pytest.mark.parametrize('ids', [[7, 8, 23], [0, 33], [-1, 26], [255, 19]])
def test_what_looks_like_label_ids_is_sent_to_the_converter(ids, label):
    ignored = 254 if 255 in ids else 255
    with pytest.raises(LabelMapError) as caught:
        check_ids(np.array([ids], np.int32), 19, ignored, label)
    message = str(caught.value)
    assert f'`{label}` has the ids' in message and message.count('. ') == 0
    assert '`tools/dataset_converters/label_ids_to_train_ids.py`' in message
    for unknown in set(ids) - set(range(19)):
        assert f' {unknown}' in message


@pytest.mark.parametrize('ids', [[34, 20], [254], [-2], list(range(40, 60))])
def test_other_unknown_ids_are_named_with_another_remedy(ids, label):
    with pytest.raises(LabelMapError) as caught:
        check_ids(np.array([ids], np.int32), 19, 255, label)
    message = str(caught.value)
    assert f'`{label}` has the ids {min(ids)}' in message and '`ignore_index`' in message
    assert 'label_ids_to_train_ids' not in message
    assert message.count(', ...') == (len(ids) > 10)


# transcribed class by class: name, label id, train id
TABLE = """
unlabeled 0 255, ego vehicle 1 255, rectification border 2 255, out of roi 3 255, static 4 255, dynamic 5 255,
ground 6 255, road 7 0, sidewalk 8 1, parking 9 255, rail track 10 255, building 11 2, wall 12 3, fence 13 4,
guard rail 14 255, bridge 15 255, tunnel 16 255, pole 17 5, polegroup 18 255, traffic light 19 6, traffic sign 20 7,
vegetation 21 8, terrain 22 9, sky 23 10, person 24 11, rider 25 12, car 26 13, truck 27 14, bus 28 15, caravan 29 255,
trailer 30 255, train 31 16, motorcycle 32 17, bicycle 33 18, license plate 255 255
"""


def test_the_table_is_that_of_cityscapes():
    rows = [row.rsplit(maxsplit=2) for row in TABLE.replace('\n', ' ').split(',')]
    assert len(rows) == 35 and len(LABEL_IDS) == 19
    for _, label_id, train_id in rows:
        assert to_train_ids(np.uint8([[int(label_id)]])).tolist() == [[int(train_id)]]


def test_the_order_of_train_ids_is_that_of_mmsegs_classes():
    pytest.importorskip('mmcv.ops')
    cityscapes = pytest.importorskip('mmseg.datasets.cityscapes').CityscapesDataset
    rows = [row.rsplit(maxsplit=2) for row in TABLE.replace('\n', ' ').split(',')]
    names = {int(train_id): name.strip() for name, _, train_id in rows if train_id != '255'}
    assert tuple(names[index] for index in range(19)) == cityscapes.METAINFO['classes']


def test_a_label_map_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / 'x_labelTrainIds.png'
    write_label_map(path, IDS)
    np.testing.assert_array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), IDS)
    before = path.read_bytes()

    def break_off(image, file, *_):
        file.write_bytes(b'half')
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, 'save', break_off)
    with pytest.raises(KeyboardInterrupt):
        write_label_map(path, IDS[::-1])
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_reading_label_maps_needs_no_mmseg():
    code = 'import llv.utils.label_maps, sys; assert not {"mmseg", "mmdet"} & set(sys.modules)'
    subprocess.run([sys.executable, '-c', code], check=True)
