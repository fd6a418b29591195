import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llv.models.losses.frequency import FECNetLoss, amplitude_distance, phase_distance
from llv.registry import MODELS


def transform(picture):
    """The half spectrum of (H, W) by the definition, as a product with matrices of roots of unity."""
    height, width = picture.shape
    rows = np.exp(-2j * np.pi * np.outer(np.arange(height), np.arange(height)) / height)
    columns = np.exp(-2j * np.pi * np.outer(np.arange(width), np.arange(width // 2 + 1)) / width)
    return rows @ picture @ columns


def test_distances_by_the_definition_of_the_transform():
    x, y = np.random.default_rng(0).random((2, 2, 3, 5, 6))
    zx, zy = (np.stack([[transform(c) for c in p] for p in batch]) for batch in (x, y))
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    assert amplitude_distance(x, y).item() == pytest.approx(np.abs(np.abs(zx) - np.abs(zy)).mean())
    angles = np.angle(zx) - np.angle(zy)
    assert phase_distance(x, y, wrap=False).item() == pytest.approx(np.abs(angles).mean())
    around = np.abs(np.angle(zx * zy.conj())).mean()
    assert phase_distance(x, y, wrap=True).item() == pytest.approx(around)


def test_published_values(reference_dir):
    folder = reference_dir / 'erl'
    published = json.loads((folder / 'loss_values.json').read_text())
    golden = np.load(folder / 'eclnet_sice_synthetic.npz')
    fecnet = np.load(folder / 'fecnet_sice_synthetic.npz')
    result, target, amplitude = (
        torch.from_numpy(a).permute(2, 0, 1)[None]
        for a in (golden['out'], golden['input'], fecnet['amp'])
    )
    values = dict(
        amplitude_l1=amplitude_distance(result, target),
        phase_l1_plain=phase_distance(result, target, wrap=False),
        phase_l1_wrapped=phase_distance(result, target, wrap=True),
    )
    for name, value in values.items():
        assert value.item() == pytest.approx(published[name], rel=1e-4), name
    losses = FECNetLoss()(result, amplitude, target)
    assert set(losses) == {'loss_pixel', 'loss_amplitude_pixel', 'loss_amplitude', 'loss_phase'}
    assert losses['loss_pixel'].item() == pytest.approx(published['l1'], rel=1e-4)
    total = sum(losses.values()).item()
    assert total == pytest.approx(published['fecnet_total']['value'], rel=1e-4)


def test_a_shifted_picture_has_the_same_amplitudes_and_other_phases():
    x = torch.rand(1, 3, 8, 10, dtype=torch.float64)
    y = x.roll((2, 3), dims=(2, 3))
    assert amplitude_distance(x, y).item() == pytest.approx(0, abs=1e-12)
    assert phase_distance(x, y, wrap=True) > 0.5


def test_a_brighter_picture_has_the_same_phases_and_larger_amplitudes():
    x = torch.rand(1, 3, 8, 10, dtype=torch.float64)
    assert phase_distance(x, 2 * x, wrap=True).item() == pytest.approx(0, abs=1e-9)
    expected = torch.fft.rfft2(x).abs().mean().item()
    assert amplitude_distance(x, 2 * x).item() == pytest.approx(expected)


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([0.0, 1e-38, 1e-30, 0.3, 1.0]),
    st.sampled_from([(1, 1), (1, 4), (5, 4), (8, 8)]),
)
def test_the_loss_and_its_gradient_are_finite_for_constant_pictures(value, size):
    x = torch.full((2, 3, *size), value, requires_grad=True)
    losses = FECNetLoss()(x, x, torch.rand(2, 3, *size))
    total = sum(losses.values())
    total.backward()
    assert total.isfinite() and x.grad.isfinite().all()


def test_options_are_the_factors():
    x, a, y = torch.rand(3, 1, 3, 6, 6).unbind()
    plain = FECNetLoss()(x, a, y)
    config = dict(type='llv.FECNetLoss', pixel_weight=2.0, amplitude_pixel_weight=1.0)
    losses = MODELS.build(config | dict(amplitude_weight=0.3, phase_weight=0.4))(x, a, y)
    ratios = {name: (losses[name] / plain[name]).item() for name in plain}
    assert ratios == pytest.approx(
        dict(loss_pixel=2, loss_amplitude_pixel=2, loss_amplitude=3, loss_phase=4)
    )


def test_half_precision_does_not_reach_the_transforms():
    x, a, y = torch.rand(3, 1, 3, 6, 6).unbind()
    outside = FECNetLoss()(x, a, y)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        inside = FECNetLoss()(x, a, y)
    assert all(torch.equal(inside[name], outside[name]) for name in outside)


def test_refuses_unequal_shapes():
    x = torch.rand(1, 3, 4, 4)
    with pytest.raises(ValueError, match='must have the shape of `references`'):
        FECNetLoss()(x, x, torch.rand(1, 3, 4, 5))
