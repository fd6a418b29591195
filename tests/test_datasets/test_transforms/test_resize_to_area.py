"""Pictures of one area, as the detector of RUAS is tested."""

import cv2
import numpy as np
import pytest

pytest.importorskip('mmdet')

from mmdet.structures.bbox import HorizontalBoxes

from llv.datasets.transforms.detection.resize_to_area import ResizeToArea
from llv.registry import TRANSFORMS


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    'height, width, expected',
    [
        (720, 1080, (1000, 1500)),
        (1080, 720, (1500, 1000)),
        (1000, 1500, (1000, 1500)),
        (100, 100, (1225, 1225)),  # sqrt(1 500 000) = 1224.7
        (2000, 3000, (1000, 1500)),
    ],
)
def test_the_sizes_have_one_area_and_the_aspect_ratio(height, width, expected):
    results = ResizeToArea().transform(dict(img=picture(height, width)))
    assert results['img'].shape == (*expected, 3) and results['img_shape'] == expected
    assert results['scale_factor'] == (expected[1] / width, expected[0] / height)


def test_the_picture_is_what_opencv_makes_of_it():
    image = picture(36, 54)
    results = ResizeToArea(60 * 90).transform(dict(img=image))
    expected = cv2.resize(image, None, fx=60 / 36, fy=60 / 36, interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(results['img'], expected)


def test_boxes_follow_and_lead_back():
    boxes = np.array([[4, 3, 20, 30], [10, 11, 40, 50]], dtype=np.float32)
    results = dict(img=picture(53, 41), gt_bboxes=HorizontalBoxes(boxes))
    results = ResizeToArea(10_000).transform(results)
    assert results['img_shape'] == (114, 88)  # 53 and 41 times 2.1452
    factor = np.tile(results['scale_factor'], 2)
    np.testing.assert_allclose(results['gt_bboxes'].numpy(), boxes * factor, rtol=1e-6)
    back = results['gt_bboxes'].numpy() / factor
    np.testing.assert_allclose(back, boxes, rtol=1e-6)


def test_a_line_keeps_at_least_one_pixel():
    assert ResizeToArea(4).transform(dict(img=picture(1, 900)))['img_shape'] == (1, 60)


def test_it_is_registered_and_refuses_no_area():
    assert 'ResizeToArea(area=25)' in repr(TRANSFORMS.build(dict(type='llv.ResizeToArea', area=25)))
    with pytest.raises(ValueError, match='`area` must be at least 1 pixel, but got 0'):
        ResizeToArea(0)
