import numpy as np
import pytest
import torch

from llv.models.enhancers.base import Enhancement
from llv.models.losses.pseudo_target_loss import (
    PseudoTargetLoss,
    log_gamma_variation,
    mean_squared_variation,
)


def plain_variation(values):
    """With loops."""
    n, c, h, w = values.shape
    vertical = [
        (values[a, b, i + 1, j] - values[a, b, i, j]) ** 2
        for a in range(n)
        for b in range(c)
        for i in range(h - 1)
        for j in range(w)
    ]
    horizontal = [
        (values[a, b, i, j + 1] - values[a, b, i, j]) ** 2
        for a in range(n)
        for b in range(c)
        for i in range(h)
        for j in range(w - 1)
    ]
    return sum(np.mean(part) for part in (vertical, horizontal) if part)


@pytest.mark.parametrize('size', [(2, 3, 4, 5), (1, 3, 1, 4), (1, 2, 3, 1), (1, 3, 1, 1)])
def test_variations_agree_with_loops(size):
    values = np.random.default_rng(0).random(size)
    found = mean_squared_variation(torch.from_numpy(values)).item()
    assert found == pytest.approx(plain_variation(values))
    found = log_gamma_variation(torch.from_numpy(values)).item()
    assert found == pytest.approx(plain_variation(np.log(values + 1e-3)))


def test_ratios_count_and_not_sizes():
    gamma = 1 + torch.rand(1, 3, 6, 6)
    assert log_gamma_variation(10 * gamma).item() == pytest.approx(
        log_gamma_variation(gamma).item(), rel=5e-3
    )
    assert torch.equal(log_gamma_variation(torch.full((1, 3, 4, 4), 7.0)), torch.zeros(()))


def test_a_black_gamma_map_has_a_finite_gradient():
    gamma = torch.zeros(1, 3, 4, 4, requires_grad=True)
    log_gamma_variation(gamma).backward()
    assert gamma.grad.isfinite().all()


@pytest.mark.parametrize('smoothness', ['log', 'plain'])
def test_parts_and_their_weights(smoothness):
    lit, target, curves = torch.rand(2, 3, 5, 4), torch.rand(2, 3, 5, 4), torch.rand(2, 24, 5, 4)
    loss = PseudoTargetLoss(7.0, 'curves', smoothness)
    losses = loss(Enhancement(lit, dict(curves=curves)), target)
    values = curves.double().numpy()
    expected = plain_variation(np.log(values + 1e-3) if smoothness == 'log' else values)
    assert losses['loss_smooth'].item() == pytest.approx(7 * expected, rel=1e-5)
    error = ((lit - target).double().numpy() ** 2).mean()
    assert losses['loss_pixel'].item() == pytest.approx(error, rel=1e-5)
    raw = Enhancement(lit, dict(curves=curves, raw=lit + 1))
    assert loss(raw, target)['loss_pixel'].item() == pytest.approx(
        ((lit + 1 - target).double().numpy() ** 2).mean(), rel=1e-5
    )


def test_without_a_weight_no_map_is_needed():
    lit = torch.rand(1, 3, 4, 4)
    assert list(PseudoTargetLoss(0)(Enhancement(lit), lit)) == ['loss_pixel']
    with pytest.raises(ValueError, match='no map `gamma` to smooth, its maps: `noise`'):
        PseudoTargetLoss()(Enhancement(lit, dict(noise=lit)), lit)


def test_refuses_bad_options_and_targets_of_another_size():
    with pytest.raises(ValueError, match='`smoothness` must be one of log, plain'):
        PseudoTargetLoss(smoothness='l1')
    with pytest.raises(ValueError, match='must have the shape of the lit pictures'):
        PseudoTargetLoss(0)(Enhancement(torch.rand(1, 3, 4, 4)), torch.rand(1, 3, 4, 5))
