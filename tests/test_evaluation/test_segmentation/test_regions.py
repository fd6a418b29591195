from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_evaluation.test_segmentation.label_maps import slow_band

from llv.evaluation.segmentation.regions import boundary_band, equal_groups, local_brightness

WINDOWS = [((9, 14), 1 / 3, 3), ((16, 11), 0.5, 5), ((8, 8), 1, 7), ((9, 9), 0.1, 1)]


@pytest.mark.parametrize('size, window, side', WINDOWS)
@pytest.mark.parametrize('order', ['bgr', 'rgb'])
def test_brightness_is_the_mean_luma_of_the_window_inside_the_picture(size, window, side, order):
    picture = np.random.default_rng(0).integers(0, 256, (3, *size)).astype(np.uint8)
    red, green, blue = picture[::-1] if order == 'bgr' else picture
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    expected = np.empty(size)
    for row, column in np.ndindex(size):
        rows = slice(max(row - side // 2, 0), row + side // 2 + 1)
        columns = slice(max(column - side // 2, 0), column + side // 2 + 1)
        expected[row, column] = luma[rows, columns].mean()
    np.testing.assert_allclose(local_brightness(picture, window, order), expected, atol=2e-3)
    as_float = local_brightness(picture.astype(np.float32), window, order)
    np.testing.assert_array_equal(as_float, local_brightness(picture, window, order))


def test_brightness_of_floats_outside_of_the_range_is_clamped():
    picture = np.stack([np.full((4, 4), value, np.float32) for value in (-30, 300, 100)])
    expected = 0.587 * 255 + 0.299 * 100
    np.testing.assert_allclose(local_brightness(picture, 0.5), expected, rtol=1e-5)
    assert picture[0, 0, 0] == -30


@pytest.mark.parametrize('reach', [1, 2, 5])
@pytest.mark.parametrize('turned', [False, True])
def test_a_straight_edge_has_its_band_on_both_sides(reach, turned):
    label = np.zeros((12, 20), int)
    label[:, 8:] = 3
    expected = np.zeros((12, 20), bool)
    expected[:, 8 - reach : 8 + reach] = True
    if turned:
        label, expected = label.T, expected.T
    np.testing.assert_array_equal(boundary_band(label, reach), expected)


def test_the_edge_of_an_ignored_region_is_no_boundary():
    label = np.zeros((12, 20), int)
    label[:, 8:12] = 255
    label[:, 12:] = 3
    assert not boundary_band(label, 3).any()
    assert boundary_band(label, 3, ignore_index=7).any()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_the_band_is_what_a_search_around_each_pixel_finds(seed, reach):
    rng = np.random.default_rng(seed)
    label = np.kron(rng.choice([0, 0, 1, 255], (3, 4)), np.ones((4, 4), int))
    np.testing.assert_array_equal(boundary_band(label, reach), slow_band(label, reach))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=9).filter(any),
    st.integers(1, 5),
)
def test_groups_are_ascending_and_as_equal_as_the_levels_allow(counts, groups):
    counts = np.array(counts)
    limits = equal_groups(counts, groups)
    used = np.flatnonzero(counts)
    assert len(limits) == min(groups, len(used))
    assert limits == sorted(set(limits)) and limits[-1] == used[-1]
    assert set(limits) <= set(used.tolist())

    def squares(ends):
        edges = [-1, *ends]
        return sum(
            int(counts[low + 1 : high + 1].sum()) ** 2
            for low, high in zip(edges, edges[1:], strict=False)
        )

    others = combinations(used[:-1].tolist(), len(limits) - 1)
    assert squares(limits) == min(squares([*ends, used[-1]]) for ends in others)


def test_groups_are_equal_where_levels_are():
    assert equal_groups(np.full(256, 1000), 4) == [63, 127, 191, 255]
    # a level that holds nearly everything leaves the others a group each
    assert equal_groups(np.array([1000, 1, 0, 2]), 3) == [0, 1, 3]
