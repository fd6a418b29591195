"""Identity, FixedGain and MeanMatch against closed forms."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from llv.models.enhancers import FixedGain, Identity, MeanMatch, fit_fixed_gain


def test_identity_returns_the_very_tensor():
    images = torch.rand(2, 3, 4, 5)
    assert Identity()(images).image is images
    assert not list(Identity().parameters())


def test_fixed_gain_multiplies_channels_and_clips():
    images = torch.rand(2, 3, 4, 5)
    image = FixedGain([2, 3, 0.5])(images).image
    for channel, gain in enumerate([2, 3, 0.5]):
        assert torch.equal(image[:, channel], (images[:, channel] * gain).clamp(0, 1))


def test_fitted_gain_brings_the_mean_to_the_target():
    dark = [
        0.2 * torch.rand(3, 8, size) * torch.tensor([1, 0.8, 0.5]).view(3, 1, 1) for size in (5, 9)
    ]
    bright = [torch.rand(3, 6, 6), torch.rand(3, 7, 3), torch.rand(3, 2, 2)]
    gain = fit_fixed_gain(dark, bright)
    mean = torch.stack([(p * gain.view(3, 1, 1)).mean((1, 2)) for p in dark]).mean(0)
    torch.testing.assert_close(mean, torch.stack([p.mean((1, 2)) for p in bright]).mean(0))


def test_gain_travels_in_a_checkpoint(tmp_path):
    torch.save(FixedGain([2, 3, 4]).state_dict(), tmp_path / 'gain.pth')
    assert FixedGain(weights=tmp_path / 'gain.pth').gain.flatten().tolist() == [2, 3, 4]


@pytest.mark.parametrize('gain', [0, -1, [1, 2], [1, 0, 1], [1, 2, 3, 4]])
def test_gain_is_checked(gain):
    with pytest.raises(ValueError, match='`gain`'):
        FixedGain(gain)


def test_fit_needs_pictures_with_light():
    with pytest.raises(ValueError, match='`target` holds no picture'):
        fit_fixed_gain([torch.rand(3, 2, 2)], [])
    with pytest.raises(ValueError, match='black'):
        fit_fixed_gain([torch.zeros(3, 2, 2)], [torch.rand(3, 2, 2)])


@given(
    seed=st.integers(0, 2**16),
    level=st.floats(0.02, 0.3),
    target=st.floats(0.05, 0.6),
    per_channel=st.booleans(),
)
def test_mean_match_reaches_the_target_before_the_clip(seed, level, target, per_channel):
    generator = torch.Generator().manual_seed(seed)
    images = level * torch.rand(2, 3, 6, 7, generator=generator)
    raw = MeanMatch(target, per_channel)(images).maps['raw']
    mean = raw.mean((2, 3)) if per_channel else raw.mean((1, 2, 3))
    torch.testing.assert_close(mean, torch.full_like(mean, target))
    if not per_channel:  # one gain: colours keep their ratio
        ratio = raw / images
        torch.testing.assert_close(ratio, ratio[:, :1, :1, :1].expand_as(ratio))


def test_each_picture_has_its_own_gain():
    images = torch.rand(3, 3, 5, 5) * torch.tensor([0.1, 0.4, 0.9]).view(3, 1, 1, 1)
    together = MeanMatch()(images).image
    alone = torch.cat([MeanMatch()(images[i : i + 1]).image for i in range(3)])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize('value', [0.0, 1.0])
def test_black_and_white_stay_finite(value):
    image = MeanMatch()(torch.full((1, 3, 1, 1), value)).image
    assert torch.isfinite(image).all() and image.min() >= 0 and image.max() <= 1


def test_targets_are_checked():
    for target in (0, 1.5, [0.5, 0.5]):
        with pytest.raises(ValueError, match='`target`'):
            MeanMatch(target)
    with pytest.raises(ValueError, match='per_channel'):
        MeanMatch([0.4, 0.5, 0.6], per_channel=False)
