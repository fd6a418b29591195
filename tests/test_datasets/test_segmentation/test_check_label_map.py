"""The look at every label map while it is loaded."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from PIL import Image

pytest.importorskip('mmcv.ops')
pytest.importorskip('mmseg')

from llv.datasets.transforms.segmentation import CheckLabelMap  # noqa: E402
from llv.utils.label_maps import LabelMapError  # noqa: E402


def results(gt_seg_map, size=(24, 32), **others):
    return dict(
        img=np.zeros((*size, 3), np.uint8),
        ori_shape=size,
        img_path='night.png',
        seg_map_path='labels.png',
        gt_seg_map=gt_seg_map,
        **others,
    )


def refused(gt_seg_map, check=None, **others):
    with pytest.raises(LabelMapError) as error:
        (check or CheckLabelMap(19))(results(gt_seg_map, **others))
    assert '`labels.png`' in str(error.value)
    return str(error.value)


@settings(max_examples=30, deadline=None)
@given(
    ids=st.lists(st.integers(0, 255), min_size=1, max_size=12),
    classes=st.integers(1, 40),
    ignored=st.sampled_from([255, 254, 0]),
)
def test_what_passes_has_ids_of_classes_alone(ids, classes, ignored):
    label_map = np.resize(np.array(ids, np.uint8), (24, 32))
    item = results(label_map.copy())
    check = CheckLabelMap(classes, ignored)
    if {*ids} <= {*range(classes), ignored}:
        assert check(item) is item and (item['gt_seg_map'] == label_map).all()
    else:
        message = refused(label_map, check)
        assert str(min({*ids} - {*range(classes), ignored})) in message


def test_without_labels_nothing_is_done():
    item = dict(img=np.zeros((4, 4, 3), np.uint8))
    assert CheckLabelMap()(item) is item


def test_number_of_classes_comes_from_the_reader_or_its_label_map():
    eighteen = np.full((24, 32), 18, np.uint8)
    CheckLabelMap()(results(eighteen, num_classes=19))
    assert '18' in refused(eighteen, CheckLabelMap(), num_classes=17)
    kept = {old: 255 if old in (14, 15) else old - 2 * (old > 15) for old in range(19)}
    CheckLabelMap()(results(eighteen - 2, label_map=kept))
    assert '17' in refused(eighteen - 1, CheckLabelMap(), label_map=kept)
    with pytest.raises(ValueError, match='`classes`'):
        CheckLabelMap()(results(eighteen, label_map=None))


def test_label_ids_name_the_converter():
    ids = np.resize(np.array([7, 8, 11, 23, 26, 33], np.uint8), (24, 32))
    message = refused(ids)
    assert 'label_ids_to_train_ids.py' in message and '23, 26, 33' in message


def test_one_pixel_of_another_id_is_found():
    label_map = np.zeros((1080, 1920), np.uint8)
    label_map[-1, -1] = 77
    assert '77' in refused(label_map, size=(1080, 1920))


def test_colour_and_other_sizes_are_refused():
    message = refused(np.zeros((24, 32, 3), np.uint8))
    assert '3 channels' in message and '_labelTrainIds.png' in message
    message = refused(np.zeros((32, 24), np.uint8))
    assert (
        '32 rows and 24 columns' in message and '24 and 32' in message and '`night.png`' in message
    )


def test_pictures_resized_before_their_labels_are_loaded_pass(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((24, 32, 3), np.uint8))
    Image.fromarray(np.full((24, 32), 3, np.uint8)).save(tmp_path / 'b.png')
    with DefaultScope.overwrite_default_scope('mmseg'):
        pipeline = Compose(
            [
                dict(type='LoadImageFromFile'),
                dict(type='Resize', scale=(64, 48), keep_ratio=True),
                dict(type='LoadAnnotations'),
                dict(type='llv.CheckLabelMap'),
            ]
        )
    record = dict(
        img_path=str(tmp_path / 'a.png'), seg_map_path=str(tmp_path / 'b.png'), num_classes=19,
        label_map=None, reduce_zero_label=False, seg_fields=[],
    )  # fmt: skip
    item = pipeline(record)
    assert item['img'].shape == (48, 64, 3) and item['gt_seg_map'].shape == (24, 32)
