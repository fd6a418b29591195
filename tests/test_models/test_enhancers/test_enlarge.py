"""Enlargement against a plain kernel and against OpenCV and Pillow."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from llv.models.enhancers import Enlarge


def keys(distance, a=-0.75):
    """Keys' cubic convolution kernel (IEEE TASSP 1981) with the slope a."""
    x = abs(distance)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


KERNELS = {
    'bicubic': keys,
    'bilinear': lambda distance: max(0.0, 1 - abs(distance)),
}


def weights(length, scale, kernel):
    """(scale · length, length): what each pixel gives to each new one; beyond the rim the last pixel goes on."""
    matrix = np.zeros((scale * length, length))
    for new in range(scale * length):
        centre = (new + 0.5) / scale - 0.5
        for tap in range(int(np.floor(centre)) - 2, int(np.floor(centre)) + 4):
            matrix[new, min(max(tap, 0), length - 1)] += kernel(centre - tap)
    return matrix


@given(
    seed=st.integers(0, 2**16),
    sides=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    scale=st.integers(1, 4),
    mode=st.sampled_from(sorted(KERNELS)),
)
@settings(max_examples=30, deadline=None)
def test_every_pixel_is_the_sum_of_a_kernel(seed, sides, scale, mode):
    images = torch.rand(2, 3, *sides, generator=torch.Generator().manual_seed(seed))
    found = Enlarge(scale, mode)(images)
    down, across = (weights(side, scale, KERNELS[mode]) for side in sides)
    expected = down @ images.double().numpy() @ across.T
    np.testing.assert_allclose(found.maps['raw'].numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(found.image.numpy(), expected.clip(0, 1), atol=1e-5)


def test_nearest_repeats_pixels():
    images = torch.rand(1, 3, 3, 5)
    image = Enlarge(3, 'nearest')(images).image
    assert torch.equal(image, images.repeat_interleave(3, 2).repeat_interleave(3, 3))


def test_bicubic_is_that_of_opencv_and_bilinear_that_of_pillow():
    picture = np.random.default_rng(0).random((9, 7, 3)).astype(np.float32)
    images = torch.from_numpy(picture.transpose(2, 0, 1)[None].copy())
    theirs = cv2.resize(picture, (14, 18), interpolation=cv2.INTER_CUBIC)
    ours = Enlarge()(images).maps['raw'][0]
    np.testing.assert_allclose(ours.numpy().transpose(1, 2, 0), theirs, atol=1e-5)
    channel = Image.fromarray(picture[..., 0]).resize((14, 18), Image.Resampling.BILINEAR)
    ours = Enlarge(mode='bilinear')(images).image[0, 0]
    np.testing.assert_allclose(ours.numpy(), np.asarray(channel), atol=1e-5)


def test_edges_ring_and_the_result_is_clamped():
    images = torch.zeros(1, 3, 4, 8)
    images[..., 4:] = 1
    found = Enlarge()(images)
    assert found.maps['raw'].min() < -0.03 and found.maps['raw'].max() > 1.03
    assert torch.equal(found.image, found.maps['raw'].clamp(0, 1))
    assert not list(Enlarge().parameters()) and not Enlarge().state_dict()


@pytest.mark.parametrize('scale', [2, 3])
@pytest.mark.parametrize('mode', ['nearest', 'bilinear', 'bicubic'])
def test_a_pixel_reaches_as_far_as_the_receptive_field_says(mode, scale):
    enhancer = Enlarge(scale, mode)
    images = torch.full((1, 3, 11, 11), 0.5)
    changed = images.clone()
    changed[..., 5, 5] = 1
    moved = (enhancer(images).image != enhancer(changed).image)[0, 0].any(0).nonzero().flatten()
    reach = 5 - int(moved.min()) // scale
    assert reach == int(moved.max()) // scale - 5 == enhancer.receptive_field // 2


def test_arguments_are_checked():
    for scale in (0, 1.5, '2'):
        with pytest.raises(ValueError, match='`scale` must be a whole number'):
            Enlarge(scale)
    with pytest.raises(ValueError, match='`mode` must be one of nearest, bilinear, bicubic'):
        Enlarge(mode='lanczos')
