"""Pairs of different size stay on the same part of the scene through crops, flips and turns."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llv.registry import TRANSFORMS


def coordinates(height, width, scale=1):
    """A picture of its own coordinates: rows and columns of pixel centres, in the units of the smaller one."""
    centres = [(np.arange(scale * side) + 0.5) / scale - 0.5 for side in (height, width)]
    rows, columns = np.meshgrid(*centres, indexing='ij')
    return np.stack([rows, columns, rows * 0], -1)


def pair(height, width, scale):
    return dict(
        img=coordinates(height, width),
        reference=coordinates(height, width, scale),
        img_path='dark/1-2.5.png',
        reference_path='day/1.png',
        ori_shape=(height, width),
    )


def apply(results, **transform):
    return TRANSFORMS.build(transform)(results)


def check_registered(results, scale):
    """The reference shows what the affine map that the picture follows says, at its finer grid."""
    picture, reference = results['img'][..., :2], results['reference'][..., :2]
    assert reference.shape[:2] == tuple(scale * side for side in picture.shape[:2])
    down, right = picture[1, 0] - picture[0, 0], picture[0, 1] - picture[0, 0]
    finer = coordinates(*picture.shape[:2], scale)
    assert np.allclose(
        reference, picture[0, 0] + finer[..., :1] * down + finer[..., 1:2] * right, atol=1e-9
    )
    assert np.allclose(picture, picture[0, 0] + sum_of(picture, down, right))
    assert results['img_shape'] == picture.shape[:2]


def sum_of(picture, down, right):
    grid = coordinates(*picture.shape[:2])
    return grid[..., :1] * down + grid[..., 1:2] * right


sides = st.integers(2, 13)
scales = st.sampled_from([1, 2, 4])


@settings(max_examples=40, deadline=None)
@given(sides, sides, st.tuples(sides, sides), scales, st.integers(0, 999))
def test_pairs_stay_registered(height, width, window, scale, seed):
    np.random.seed(seed)
    results = pair(height, width, scale)
    results = apply(results, type='llv.CoupledRandomCrop', size=window, scale=scale)
    assert results['img_shape'] == (min(window[0], height), min(window[1], width))
    check_registered(results, scale)
    check_registered(apply(results, type='llv.CoupledFlips'), scale)
    assert results['ori_shape'] == (height, width)


@settings(max_examples=20, deadline=None)
@given(sides, sides, st.integers(2, 6), scales)
def test_cropped_to_a_multiple_the_top_left_corner_is_kept(height, width, multiple, scale):
    transform = dict(type='llv.CoupledCropToMultiple', crop_multiple=multiple, scale=scale)
    results = pair(height, width, scale)
    if min(height, width) < multiple:
        with pytest.raises(ValueError, match='`dark/1-2.5.png`.*`crop_multiple=.*smaller one'):
            apply(results, **transform)
        return
    results = apply(results, **transform)
    kept = results['img_shape']
    assert all(side % multiple == 0 for side in kept)
    assert height - multiple < kept[0] <= height and width - multiple < kept[1] <= width
    assert np.array_equal(results['img'], coordinates(height, width)[: kept[0], : kept[1]])
    check_registered(results, scale)


def test_625_pixels_become_624_as_in_the_copy_that_is_measured_on():
    results = dict(
        img=np.zeros((625, 625, 3), np.uint8), reference=np.zeros((1250, 1250, 3), np.uint8)
    )
    results = apply(results, type='llv.CoupledCropToMultiple', crop_multiple=16, scale=2)
    assert results['img'].shape == (624, 624, 3) and results['reference'].shape == (1248, 1248, 3)


def outcomes(count, **transform):
    np.random.seed(0)
    found = {}
    for _ in range(count):
        picture = apply(pair(2, 3, 2), type='llv.CoupledFlips', **transform)['img']
        key = picture.shape, picture.tobytes()
        found[key] = found.get(key, 0) + 1
    return found


def test_flips_and_turns_give_all_eight_outcomes_equally_often():
    picture = coordinates(2, 3)
    expected = set()
    for turn in range(4):
        for flipped in (np.rot90(picture, turn), np.rot90(picture, turn)[:, ::-1]):
            expected.add((flipped.shape, np.ascontiguousarray(flipped).tobytes()))
    found = outcomes(800)
    assert found.keys() == expected and len(expected) == 8
    # 100 each expected, standard deviation 9.4
    assert all(60 < count < 140 for count in found.values())


def test_without_turns_four_outcomes_of_the_same_shape_remain():
    found = outcomes(200, turns=False)
    assert len(found) == 4 and {shape for shape, _ in found} == {(2, 3, 3)}
    assert len(outcomes(20, prob=0)) == 1


def test_every_place_of_a_crop_occurs():
    np.random.seed(0)
    places = set()
    for _ in range(200):
        results = apply(pair(5, 4, 2), type='llv.CoupledRandomCrop', size=3, scale=2)
        assert results['img'].shape == (3, 3, 3)
        places.add(tuple(results['img'][0, 0, :2]))
    assert places == {(row, column) for row in range(3) for column in range(2)}


CUTS = [
    dict(type='llv.CoupledRandomCrop', size=2, scale=2),
    dict(type='llv.CoupledCropToMultiple', crop_multiple=2, scale=2),
]


@pytest.mark.parametrize('transform', CUTS, ids=lambda t: t['type'])
@pytest.mark.parametrize('size', [(8, 11), (16, 20), (4, 5)])
def test_partners_that_do_not_differ_by_the_factor_are_refused_by_name(transform, size):
    results = pair(4, 5, 2) | dict(reference=np.zeros((*size, 3)))
    with pytest.raises(ValueError) as error:
        apply(results, **transform)
    for part in ('`day/1.png`', str(size), '`scale=2`', '`dark/1-2.5.png`', '(8, 10)'):
        assert part in str(error.value)


@pytest.mark.parametrize('transform', [*CUTS, dict(type='llv.CoupledFlips')], ids=str)
def test_pictures_without_reference_pass(transform):
    results = apply(dict(img=coordinates(4, 5)), **transform)
    assert 'reference' not in results and results['img_shape'] == results['img'].shape[:2]


@pytest.mark.parametrize(
    'transform, said',
    [
        (dict(type='llv.CoupledFlips', prob=-0.1), '`prob`'),
        (dict(type='llv.CoupledRandomCrop', size=0, scale=2), '`size`'),
        (dict(type='llv.CoupledRandomCrop', size=(4, 4), scale=0), '`scale`'),
        (dict(type='llv.CoupledCropToMultiple', crop_multiple=0, scale=1), '`crop_multiple`'),
    ],
)
def test_arguments_out_of_range_are_named(transform, said):
    with pytest.raises(ValueError, match=said):
        TRANSFORMS.build(transform)
