"""CLAHE against OpenCV's createCLAHE, level by level."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import color

from llv.models.enhancers.clahe import CLAHE


def opencv(channel, clip_limit, grid):
    return cv2.createCLAHE(clip_limit, grid[::-1]).apply(np.ascontiguousarray(channel))


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 999),
    size=st.tuples(st.integers(1, 70), st.integers(1, 90)),
    clip_limit=st.sampled_from([0.3, 1.0, 2.0, 4.5, 40.0]),
    grid=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    low=st.integers(0, 200),
)
def test_every_level_equals_opencv(seed, size, clip_limit, grid, low):
    rng = np.random.default_rng(seed)
    array = np.clip(low + 25 * rng.standard_normal((*size, 3)), 0, 255).astype(np.uint8)
    images = torch.from_numpy(array.astype(np.float32) / 255).permute(2, 0, 1)[None]
    image = CLAHE(clip_limit, grid, 'rgb')(images).image[0].numpy()
    for c in range(3):
        expected = opencv(array[..., c], clip_limit, grid)
        np.testing.assert_allclose(image[c] * 255, expected, rtol=0, atol=0.5 + 1e-3)


def test_lightness_is_that_of_lab():
    rng = np.random.default_rng(0)
    array = cv2.GaussianBlur(rng.integers(0, 120, (64, 80, 3)).astype(np.uint8), (5, 5), 2)
    lab = color.rgb2lab(array / 255)
    level = np.rint(lab[..., 0] * 2.55).astype(np.uint8)
    lab[..., 0] = opencv(level, 2.0, (8, 8)) / 2.55
    images = torch.from_numpy(array.astype(np.float32) / 255).permute(2, 0, 1)[None]
    image = CLAHE()(images).image[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(image, color.lab2rgb(lab), rtol=0, atol=1 / 255)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(clip_limit=0), '`clip_limit` must be positive'),
        (dict(grid=(8,)), '`grid` must be two positive integers'),
        (dict(grid=(8, 0)), '`grid` must be two positive integers'),
        (dict(channel='hue'), '`channel` must be one of'),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        CLAHE(**options)
