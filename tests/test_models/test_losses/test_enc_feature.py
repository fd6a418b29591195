import pytest
import torch

from llv.models.losses.enc_feature import ENCFeatureLoss
from llv.registry import MODELS


def test_the_closed_form():
    zeros = torch.zeros(2, 4, 3, 3)
    loss = MODELS.build(dict(type='llv.ENCFeatureLoss', loss_weight=0.2))
    value = loss(zeros + 1, zeros - 3, zeros + 2, zeros + 0.5)
    assert value.item() == pytest.approx(0.2 * (1 + 3.5))


def test_equal_features_cost_nothing():
    n, f = torch.rand(2, 1, 4, 3, 3).unbind()
    assert ENCFeatureLoss()(n, f, n, f).item() == 0


def test_both_parts_have_a_gradient():
    n, f = (torch.rand(1, 4, 3, 3, requires_grad=True) for _ in range(2))
    ENCFeatureLoss(0.1)(n, f, torch.zeros(1, 4, 3, 3), torch.ones(1, 4, 3, 3)).backward()
    torch.testing.assert_close(n.grad, torch.full_like(n, 0.1 / 36))
    torch.testing.assert_close(f.grad, torch.full_like(f, -0.1 / 36))
