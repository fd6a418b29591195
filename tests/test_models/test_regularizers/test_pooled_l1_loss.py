"""The control loss by its definition."""

import pytest
import torch

from llv.models.regularizers.pooled_l1_loss import PooledL1Loss


def test_is_the_distance_of_the_means_of_cells():
    x, y = torch.rand(2, 3, 3, 8, 12)
    cells = (x - y).view(3, 3, 4, 2, 4, 3).mean((3, 5))
    found = PooledL1Loss(grid=4, loss_weight=0.5)(x, y)
    assert found.keys() == {'loss_pooled'}
    torch.testing.assert_close(found['loss_pooled'], 0.5 * cells.abs().mean())


def test_samples_do_not_see_each_other():
    loss, (x, y) = PooledL1Loss(grid=4), torch.rand(2, 3, 3, 9, 11)
    single = [loss(a[None], b[None])['loss_pooled'] for a, b in zip(x, y, strict=True)]
    torch.testing.assert_close(loss(x, y)['loss_pooled'], torch.stack(single).mean())


def test_only_the_results_get_gradients_and_equal_batches_none():
    x, y = (t.requires_grad_() for t in torch.rand(2, 2, 3, 20, 17))
    PooledL1Loss()(x, y)['loss_pooled'].backward()
    assert x.grad.abs().sum() > 0 and y.grad is None
    x.grad = None
    value = PooledL1Loss()(x, x.detach())['loss_pooled']
    value.backward()
    assert value == 0 and (x.grad == 0).all()


def test_autocast_changes_nothing():
    x, y = torch.rand(2, 2, 3, 16, 16)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        inside = PooledL1Loss()(x, y)
    assert torch.equal(inside['loss_pooled'], PooledL1Loss()(x, y)['loss_pooled'])


def test_refuses_what_cannot_be():
    with pytest.raises(ValueError, match='`grid`'):
        PooledL1Loss(grid=0)
    with pytest.raises(ValueError, match='`loss_weight`'):
        PooledL1Loss(loss_weight=-0.1)
    with pytest.raises(ValueError, match='`references`'):
        PooledL1Loss()(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 9))
