"""Crops, flips and sizes change a picture and its reference alike."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llv.registry import TRANSFORMS


def pair(height, width, dtype=np.uint8, seed=0):
    """A picture of noise whose reference is its negative."""
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(dtype)
    return dict(img=picture, reference=(255 - picture).astype(dtype), ori_shape=(height, width))


def apply(results, **transform):
    return TRANSFORMS.build(transform)(results)


sides = st.integers(1, 13)


@settings(max_examples=15, deadline=None)
@given(height=sides, width=sides, window=st.tuples(sides, sides), seed=st.integers(0, 99))
def test_pairs_stay_partners_through_crops_and_flips(height, width, window, seed):
    np.random.seed(seed)
    for transform in (dict(type='llv.RandomCrop', size=window), dict(type='llv.RandomFlips')):
        results = apply(pair(height, width), **transform)
        assert (results['reference'] == 255 - results['img']).all()
        assert results['img_shape'] == results['img'].shape[:2]
        assert results['ori_shape'] == (height, width)


def test_flips_give_all_four_outcomes_equally_often():
    np.random.seed(0)
    original = pair(2, 3)['img']
    outcomes = {
        flipped.tobytes(): 0
        for flipped in (original, original[::-1], original[:, ::-1], original[::-1, ::-1])
    }
    for _ in range(400):
        outcomes[apply(pair(2, 3), type='llv.RandomFlips')['img'].tobytes()] += 1
    assert len(outcomes) == 4
    # 100 each expected, standard deviation 8.7
    assert all(60 < count < 140 for count in outcomes.values())


@pytest.mark.parametrize('seed', range(6))
def test_flips_are_the_three_turns_one_after_the_other(seed):
    np.random.seed(seed)
    left_right, top_bottom, turned = np.random.random_sample(3) < 0.5
    expected = pair(4, 5)['img']
    if left_right:
        expected = cv2.flip(expected, 1)
    if top_bottom:
        expected = cv2.flip(expected, 0)
    if turned:
        expected = cv2.rotate(expected, cv2.ROTATE_180)
    np.random.seed(seed)
    assert (apply(pair(4, 5), type='llv.RandomFlips')['img'] == expected).all()


def test_flips_of_probability_zero_change_nothing():
    results = apply(pair(4, 5), type='llv.RandomFlips', prob=0)
    assert (results['img'] == pair(4, 5)['img']).all()


@settings(max_examples=20, deadline=None)
@given(height=sides, width=sides, divisor=st.integers(1, 8))
def test_enlarged_sides_are_the_next_multiples(height, width, divisor):
    results = apply(pair(height, width), type='llv.EnlargeToMultiple', divisor=divisor)
    for name in ('img', 'reference'):
        for side, was in zip(results[name].shape, (height, width), strict=False):
            assert side % divisor == 0 and was <= side < was + divisor


def bilinear(picture, height, width):
    """A second implementation: pixel centres at halves, borders repeated."""
    rows = np.clip((np.arange(height) + 0.5) * picture.shape[0] / height - 0.5, 0, None)
    columns = np.clip((np.arange(width) + 0.5) * picture.shape[1] / width - 0.5, 0, None)
    top, left = rows.astype(int), columns.astype(int)
    below = np.minimum(top + 1, picture.shape[0] - 1)
    right = np.minimum(left + 1, picture.shape[1] - 1)
    down, along = (rows - top)[:, None, None], (columns - left)[None, :, None]
    upper = picture[top][:, left] * (1 - along) + picture[top][:, right] * along
    lower = picture[below][:, left] * (1 - along) + picture[below][:, right] * along
    return upper * (1 - down) + lower * down


@pytest.mark.parametrize('dtype, tolerance', [(np.float32, 1e-3), (np.uint8, 1)])
def test_enlarging_and_resizing_are_bilinear_for_both_pictures(dtype, tolerance):
    source = pair(7, 10, dtype)
    enlarged = apply(dict(source), type='llv.EnlargeToMultiple')
    resized = apply(dict(source), type='llv.ResizePair', size=(5, 21))
    for results, size in ((enlarged, (8, 12)), (resized, (5, 21))):
        assert results['img_shape'] == size and results['img'].dtype == dtype
        for name in ('img', 'reference'):
            expected = bilinear(source[name].astype(float), *size)
            assert np.abs(results[name] - expected).max() <= tolerance


def test_pictures_of_fitting_size_pass_untouched():
    source = pair(8, 12)
    assert apply(dict(source), type='llv.EnlargeToMultiple')['img'] is source['img']


def test_a_quarter_of_the_side_is_the_mean_of_sixteen_pixels():
    source = pair(8, 12, np.float32)
    results = apply(dict(source), type='llv.ScaleSide', factor=0.25)
    for name in ('img', 'reference'):
        expected = source[name].reshape(2, 4, 3, 4, 3).mean((1, 3))
        assert np.allclose(results[name], expected, atol=1e-3)
    assert apply(pair(1, 1), type='llv.ScaleSide', factor=0.25)['img_shape'] == (1, 1)
    assert apply(pair(10, 5), type='llv.ScaleSide', factor=0.25)['img_shape'] == (2, 1)


TRANSFORMS_OF_PAIRS = [
    dict(type='llv.RandomCrop', size=(2, 2)),
    dict(type='llv.RandomFlips'),
    dict(type='llv.ResizePair', size=(2, 2)),
    dict(type='llv.ScaleSide', factor=0.5),
    dict(type='llv.EnlargeToMultiple'),
]


@pytest.mark.parametrize('transform', TRANSFORMS_OF_PAIRS, ids=lambda t: t['type'])
def test_partners_of_other_sizes_are_refused_by_name(transform):
    results = pair(4, 5) | dict(reference=pair(4, 6)['img'], reference_path='day/1.png')
    with pytest.raises(ValueError, match=r'`day/1.png` has size \(4, 6\).*\(4, 5\)'):
        apply(results, **transform)


@pytest.mark.parametrize('transform', TRANSFORMS_OF_PAIRS, ids=lambda t: t['type'])
def test_pictures_without_reference_pass(transform):
    results = apply(dict(img=pair(4, 5)['img']), **transform)
    assert 'reference' not in results and results['img_shape'] == results['img'].shape[:2]


@pytest.mark.parametrize(
    'transform, said',
    [
        (dict(type='llv.RandomFlips', prob=1.5), '`prob`'),
        (dict(type='llv.ResizePair', size=(0, 4)), '`size`'),
        (dict(type='llv.ResizePair', size=(4, 4), interpolation='cubic'), '`interpolation`'),
        (dict(type='llv.ScaleSide', factor=0), '`factor`'),
        (dict(type='llv.EnlargeToMultiple', divisor=0), '`divisor`'),
    ],
)
def test_arguments_out_of_range_are_named(transform, said):
    with pytest.raises(ValueError, match=said):
        TRANSFORMS.build(transform)
