"""Maps as pictures: which is chosen, its colours, its caption."""

import matplotlib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llv.visualization.maps import choose_map, map_picture, with_caption

VIRIDIS = np.rint(matplotlib.colormaps['viridis'](np.arange(256))[:, :3] * 255)


def test_the_first_name_that_is_there_as_a_picture_wins():
    one, three = torch.zeros(2, 1, 4, 5), torch.ones(2, 3, 4, 5)
    assert choose_map(dict(gamma=three, illumination=one))[0] == 'illumination'
    assert choose_map(dict(gamma=three, illumination=one), ('gamma', 'illumination'))[1] is three
    # one exponent for a picture, curves of many channels, a single pixel
    others = dict(
        illumination=torch.zeros(2), curves=torch.zeros(2, 24, 4, 5), gamma=torch.zeros(2, 3, 1, 1)
    )
    assert choose_map(others, ('illumination', 'curves', 'gamma')) is None
    assert choose_map({}) is None and choose_map(dict(gamma=three), ()) is None


def test_the_map_of_a_stage_is_found_under_its_last_name():
    maps = {'stages.0.raw': torch.zeros(1, 3, 2, 2), 'stages.1.gamma': torch.ones(1, 1, 2, 2)}
    assert choose_map(maps)[0] == 'stages.1.gamma'
    assert choose_map({'stages.0.pregamma': torch.ones(1, 1, 2, 2)}) is None


@settings(max_examples=20, deadline=None)
@given(st.floats(-5, 5), st.floats(0.01, 9))
def test_one_channel_runs_through_the_colours_of_viridis_from_least_to_greatest(start, width):
    ramp = start + width * np.linspace(0, 1, 256).reshape(16, 16, 1)
    picture, low, high = map_picture(ramp.astype(np.float32))
    assert (low, high) == pytest.approx((start, start + width), abs=1e-5)
    off = np.abs(picture.reshape(256, 3) - VIRIDIS).max(1)
    assert off.max() <= 4  # a level may fall to its neighbour, whose colour is that near


def test_three_channels_in_range_are_the_picture_itself():
    values = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    picture, low, high = map_picture(values.astype(np.float32) / 255)
    np.testing.assert_array_equal(picture, values)
    assert (low, high) == pytest.approx((values.min() / 255, values.max() / 255))


def test_three_channels_out_of_range_share_one_scale():
    values = np.array([[[1.0, 2, 3], [5, 1, 3]]], np.float32)
    picture, low, high = map_picture(values)
    assert (low, high) == (1, 5)
    np.testing.assert_array_equal(picture, [[[0, 64, 128], [255, 0, 128]]])


def test_constant_maps_and_values_that_are_not_finite_have_the_least_colour():
    flat, low, high = map_picture(np.full((2, 2, 1), 0.5, np.float32))
    np.testing.assert_array_equal(flat, np.broadcast_to(VIRIDIS[0], (2, 2, 3)))
    assert (low, high) == (0.5, 0.5)
    holed = np.array([[[np.nan], [2.0]], [[np.inf], [4.0]]], np.float32)
    picture, low, high = map_picture(holed)
    assert (low, high) == (2, 4)
    np.testing.assert_array_equal(picture[:, 0], VIRIDIS[[0, 0]])
    np.testing.assert_array_equal(picture[:, 1], VIRIDIS[[0, 255]])
    assert map_picture(np.full((2, 2, 1), np.nan))[1:] == (0, 0)


def test_other_numbers_of_channels_are_refused():
    with pytest.raises(ValueError, match=r'`values` must be of shape \(h, w, 1\)'):
        map_picture(np.zeros((2, 2, 2)))


@pytest.mark.parametrize('size', [(1, 1), (20, 30), (90, 160), (600, 200)])
def test_a_caption_stays_on_its_picture_and_leaves_the_rest(size):
    grey = np.full((*size, 3), 77, np.uint8)
    shown = with_caption(grey, 'illumination 0.05 to 0.62')
    assert shown.shape == grey.shape and (grey == 77).all()
    band = (shown != 77).any(2).any(1)
    assert band[-1] and band.sum() <= max(0.15 * size[0] + 1, 1)
    assert band[np.argmax(band) :].all()  # one band, at the lower edge
    if size[0] >= 90:
        lit = shown[..., 0][band].max(0) > 100
        columns = np.flatnonzero(lit)
        assert columns[0] >= 0.01 * size[1] and columns[-1] < size[1] - 1  # nothing is cut off
        assert columns[-1] - columns[0] > 0.3 * size[1]
