"""Gamma against the closed form, its fit against SciPy's minimiser."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from llv.models.enhancers.gamma import Gamma, fit_gamma


@settings(deadline=None, max_examples=20)
@given(gamma=st.floats(0.1, 4), seed=st.integers(0, 99))
def test_raises_every_8_bit_level_to_the_power(gamma, seed):
    images = torch.randint(0, 256, (1, 3, 4, 4), generator=torch.Generator().manual_seed(seed))
    images = images.float() / 255
    expected = images.double().numpy() ** gamma
    np.testing.assert_allclose(Gamma(gamma)(images).image.numpy(), expected, rtol=0, atol=2e-6)


def test_the_toe_is_continuous_and_its_gradient_finite():
    images = (
        torch.tensor([0, 1e-30, 0.99999e-4, 1.00001e-4, 1.0]).view(1, 1, 1, 5).repeat(1, 3, 1, 1)
    )
    images.requires_grad_()
    image = Gamma(0.3)(images).image
    image.sum().backward()
    assert torch.isfinite(images.grad).all()
    assert image[0, 0, 0, 0] == 0 and image[0, 0, 0, 4] == 1
    torch.testing.assert_close(image[..., 2], image[..., 3], rtol=1e-4, atol=0)


def pairs(gamma, noise):
    rng = np.random.default_rng(0)
    for size in ((6, 9), (12, 5), (8, 8)):
        dark = rng.integers(0, 90, (3, *size)) / 255
        bright = np.clip(dark**gamma + noise * rng.standard_normal(dark.shape), 0, 1)
        yield torch.from_numpy(dark).float(), torch.from_numpy(bright).float()


@pytest.mark.parametrize('gamma', [0.2, 0.45, 1.0, 2.5])
def test_the_fit_finds_the_power_that_made_the_targets(gamma):
    dark, target = zip(*pairs(gamma, 0), strict=True)
    assert fit_gamma(dark, iter(target)) == pytest.approx(gamma, abs=2e-4)


def test_the_fit_minimises_the_squared_error():
    dark, target = zip(*pairs(0.4, 0.2), strict=True)

    def error(gamma):
        return sum(
            ((d.double() ** gamma - t) ** 2).mean().item()
            for d, t in zip(dark, target, strict=True)
        )

    best = minimize_scalar(error, bounds=(0.05, 5), method='bounded', options=dict(xatol=1e-7))
    assert fit_gamma(dark, target) == pytest.approx(best.x, abs=2e-4)


def test_gamma_travels_in_a_checkpoint(tmp_path):
    torch.save(Gamma(0.3).state_dict(), tmp_path / 'gamma.pth')
    assert Gamma(weights=tmp_path / 'gamma.pth').gamma.item() == pytest.approx(0.3)


@pytest.mark.parametrize('gamma', [0, -1, float('nan'), float('inf')])
def test_gamma_is_checked(gamma):
    with pytest.raises(ValueError, match='`gamma` must be a positive number'):
        Gamma(gamma)


@pytest.mark.parametrize(
    'dark, target, message',
    [
        ([], [], 'hold no picture'),
        ([torch.rand(3, 2, 2)], [], '`target` holds 0 pictures'),
        ([torch.rand(3, 2, 2)], [torch.rand(3, 2, 2)] * 2, '`dark` holds 1 pictures'),
        ([torch.rand(3, 2, 2)], [torch.rand(3, 2, 3)], 'Pair 0 .* give pairs of one size'),
    ],
)
def test_the_fit_needs_pairs(dark, target, message):
    with pytest.raises(ValueError, match=message):
        fit_gamma(dark, target)
