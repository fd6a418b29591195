"""Histogram equalisation and the brightness channels against OpenCV and scikit-image."""

import cv2
import numpy as np
import pytest
import torch
from skimage import color

from llv.models.enhancers.histogram_equalization import (
    CHANNELS,
    HistogramEqualization,
    change_channel,
    equalise,
)

SIZES = [(1, 1), (1, 7), (3, 200), (37, 53), (64, 64)]


def picture(seed, size, low=0, high=256):
    """(H, W, 3) uint8 RGB."""
    rng = np.random.default_rng(seed)
    return rng.integers(low, high, (*size, 3)).astype(np.uint8)


def batch(array):
    return torch.from_numpy(array.astype(np.float32) / 255).permute(2, 0, 1)[None]


def levels(channel):
    return np.rint(channel * 255).astype(np.uint8)


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('low, high', [(0, 256), (3, 60), (200, 256), (5, 6)])
def test_each_channel_equals_opencv(size, low, high):
    array = picture(0, size, low, high)
    image = HistogramEqualization('rgb')(batch(array)).image[0].numpy()
    for c in range(3):
        assert (levels(image[c]) == cv2.equalizeHist(array[..., c])).all()


def test_value_equals_opencv_on_hsv():
    array = picture(1, (40, 50), 2, 90)
    hsv = cv2.cvtColor(array.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    hsv[..., 2] = cv2.equalizeHist(levels(hsv[..., 2])) / np.float32(255)
    expected = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    image = HistogramEqualization()(batch(array)).image[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(image, expected, rtol=0, atol=1e-5)


def test_luminance_equals_opencv_on_ycrcb():
    array = picture(2, (40, 50), 2, 90)
    ycrcb = cv2.cvtColor(array, cv2.COLOR_RGB2YCrCb)
    luma = torch.tensor([0.299, 0.587, 0.114])
    y = (batch(array)[0] * luma.view(3, 1, 1)).sum(0).numpy()
    assert np.abs(levels(y).astype(int) - ycrcb[..., 0]).max() <= 1
    change = cv2.equalizeHist(levels(y)) / 255 - y
    expected = np.clip(array / 255 + change[..., None], 0, 1)
    image = HistogramEqualization('luminance')(batch(array)).image[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(image, expected, rtol=0, atol=1e-6)


def test_lightness_equals_scikit_image_on_lab():
    # OpenCV's conversion of float pictures goes by tables, a tenth of L off
    array = picture(3, (40, 50), 2, 120)
    lab = color.rgb2lab(array / 255)
    image = change_channel(batch(array), 'lightness', lambda x: x**0.7)
    lab[..., 0] = 100 * (lab[..., 0] / 100) ** 0.7
    expected = color.lab2rgb(lab)
    np.testing.assert_allclose(image[0].permute(1, 2, 0).numpy(), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize('channel', CHANNELS)
def test_no_change_of_the_channel_leaves_the_picture(channel):
    images = torch.rand(2, 3, 9, 9)
    images[0, :, :3] = torch.tensor([0.0, 1.0, 0.3]).view(3, 1)
    same = change_channel(images, channel, lambda x: x)
    torch.testing.assert_close(same, images, rtol=0, atol=1e-5)


def test_a_channel_of_one_level_stays():
    flat = torch.full((1, 3, 5, 5), 77 / 255)
    assert torch.equal(equalise(flat), flat)


def test_channel_is_checked():
    with pytest.raises(ValueError, match='`channel` must be one of value, luminance'):
        HistogramEqualization('hue')
