import math

import numpy as np
import pytest
import torch

from llv.models.losses.relative_total_variation import (
    RelativeTotalVariationLoss,
    relative_total_variation,
)


def plain(images, sigma, eps):
    """Second implementation: sums over pixels, numpy float64."""
    radius = math.ceil(2 * sigma)
    norm = sum(math.exp(-(k**2) / (2 * sigma**2)) for k in range(-radius, radius + 1)) ** 2
    total = 0.0
    for axis in (2, 3):
        d = np.diff(images, axis=axis)
        quotients = []
        for n, c, i, j in np.ndindex(d.shape):
            texture = structure = 0.0
            for a in range(max(i - radius, 0), min(i + radius + 1, d.shape[2])):
                for b in range(max(j - radius, 0), min(j + radius + 1, d.shape[3])):
                    g = math.exp(-((a - i) ** 2 + (b - j) ** 2) / (2 * sigma**2)) / norm
                    texture += g * abs(d[n, c, a, b])
                    structure += g * d[n, c, a, b]
            quotients.append(texture / (abs(structure) + eps))
        total += np.mean(quotients)
    return total


def test_against_a_plain_implementation():
    images = np.random.default_rng(0).uniform(size=(2, 3, 5, 6))
    value = relative_total_variation(torch.from_numpy(images), sigma=0.8, eps=0.01)
    assert value.item() == pytest.approx(plain(images, 0.8, 0.01), rel=1e-10)


def test_texture_costs_more_than_structure():
    ramp = torch.linspace(0, 1, 16).expand(1, 3, 16, 16)
    stripes = (torch.arange(16) % 2).float().expand(1, 3, 16, 16)
    # structure: both sums agree, so the quotient is just below 1, however steep
    assert relative_total_variation(ramp).item() == pytest.approx(1, abs=0.1)
    assert relative_total_variation(stripes) > 10


def test_gradcheck():
    images = torch.rand(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    loss = RelativeTotalVariationLoss(loss_weight=2.0, sigma=1.0, eps=0.1)
    assert torch.autograd.gradcheck(loss, (images,))


@pytest.mark.parametrize('size', [(1, 4), (2, 1), (2, 2)])
def test_small_and_constant_pictures_are_finite(size):
    images = torch.full((1, 3, *size), 0.5, requires_grad=True)
    loss = RelativeTotalVariationLoss()(images)
    assert loss.item() == 0
    loss.backward()
    assert images.grad.isfinite().all()


def test_one_pixel_does_not_vary():
    assert relative_total_variation(torch.rand(2, 3, 1, 1)).item() == 0
