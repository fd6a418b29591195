"""IAGCWD against a version written with NumPy, picture by picture and level by level."""

import cv2
import numpy as np
import pytest
import torch

from llv.models.enhancers.iagcwd import IAGCWD


def weighted_cdf(channel, alpha):
    p = np.bincount(channel.ravel(), minlength=256) / channel.size
    p_w = p.max() * ((p - p.min()) / (p.max() - p.min())) ** alpha
    return np.cumsum(p_w) / p_w.sum()


def plain(channel):
    """(H, W) uint8 in, float in 0..255 out."""
    t = (channel.mean() - 112) / 112
    level = np.arange(256)
    if t < -0.3:
        gamma = np.maximum(0.5, 1 - weighted_cdf(channel, 0.75))
        return (255 * (level / 255) ** gamma)[channel]
    if t > 0.3:
        negative = 255 - channel
        gamma = 1 - weighted_cdf(negative, 0.25)
        return 255 - (255 * (level / 255) ** gamma)[negative]
    return channel.astype(float)


@pytest.mark.parametrize('mean', [15, 60, 77, 79, 112, 145, 147, 190, 240])
def test_dim_bright_and_other_channels_equal_the_plain_version(mean):
    rng = np.random.default_rng(mean)
    noise = rng.normal(0, 20, (3, 31, 43))
    array = np.clip(mean + noise, 0, 255).astype(np.uint8)
    images = torch.from_numpy(array.astype(np.float32) / 255)[None]
    image = IAGCWD('rgb')(images).image[0].numpy() * 255
    for c in range(3):
        np.testing.assert_allclose(image[c], plain(array[c]), rtol=0, atol=2e-3)


def test_value_keeps_hue_and_saturation():
    rng = np.random.default_rng(0)
    array = rng.integers(1, 80, (20, 24, 3)).astype(np.uint8)
    hsv = cv2.cvtColor(array.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
    hsv[..., 2] = plain(array.max(axis=2)) / 255
    expected = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    images = torch.from_numpy(array.astype(np.float32) / 255).permute(2, 0, 1)[None]
    image = IAGCWD()(images).image[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(image, expected, rtol=0, atol=1e-4)


def test_each_picture_is_judged_by_itself():
    images = torch.rand(3, 3, 8, 8) * 0.2
    images[1] += 0.35
    images[2] += 0.75
    image = IAGCWD()(images).image
    assert image[0].mean() > images[0].mean()
    torch.testing.assert_close(image[1], images[1])
    assert image[2].mean() < images[2].mean()


@pytest.mark.parametrize('value', [0.8, 1.0])
def test_a_flat_bright_picture_does_not_become_black(value):
    images = torch.full((1, 3, 4, 4), value)
    assert torch.equal(IAGCWD()(images).image, images)


def test_a_picture_of_all_levels_equally_often_stays_finite():
    ramp = torch.linspace(0, 1, 256).view(1, 1, 16, 16).repeat(1, 3, 1, 1)
    assert torch.isfinite(IAGCWD()(ramp).image).all()
