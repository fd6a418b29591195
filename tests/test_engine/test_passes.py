import random

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement, InstanceData
from torch import nn

from llv.engine.passes import fresh, only_trainable, undisturbed


def draws():
    return random.random(), np.random.rand(), torch.rand(()).item()


@pytest.mark.parametrize('raises', [False, True])
def test_a_pass_leaves_no_trace(raises):
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    wanted = draws()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    seen = []
    for _ in range(2):
        try:
            with undisturbed(model, 3, 4):
                seen.append((draws(), model(torch.rand(2, 3, 4, 4))))
                assert not torch.equal(model[0].running_mean, before['0.running_mean'])
                if raises:
                    raise RuntimeError('out of memory')
        except RuntimeError:
            pass
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert seen[0][0] == seen[1][0] and torch.equal(seen[0][1], seen[1][1])
    assert draws() == wanted
    with undisturbed(model, 3, 5):
        assert draws() != seen[0][0]


def test_a_loss_outlives_the_return_of_the_statistics():
    model = nn.BatchNorm2d(3)
    x = torch.rand(2, 3, 4, 4)
    (wanted,) = torch.autograd.grad(model(x).pow(3).sum(), [model.weight])
    with undisturbed(model, 0):
        loss = model(x).pow(3).sum()
    (found,) = torch.autograd.grad(loss, [model.weight])
    assert torch.equal(found, wanted)


def test_only_some_parameters_are_trained_inside():
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))
    model[2].requires_grad_(False)
    with pytest.raises(RuntimeError), only_trainable(model, [model[0].weight]):
        assert [p.requires_grad for p in model.parameters()] == [True] + [False] * 5
        raise RuntimeError('out of memory')
    assert [p.requires_grad for p in model.parameters()] == [True] * 4 + [False] * 2


def test_a_batch_may_be_changed_by_a_pass():
    sample = BaseDataElement(metainfo=dict(img_shape=(4, 5)))
    sample.gt_instances = InstanceData(bboxes=torch.ones(1, 4))
    batch = dict(inputs=[torch.zeros(3, 4, 5)], data_samples=[sample])
    copied = fresh(batch)
    copied['data_samples'][0].gt_instances.bboxes *= 2
    copied['data_samples'][0].set_metainfo(dict(img_shape=(8, 8)))
    copied['inputs'][0] = None
    assert sample.img_shape == (4, 5) and torch.equal(sample.gt_instances.bboxes, torch.ones(1, 4))
    assert batch['inputs'][0] is not None
    assert fresh(batch)['inputs'][0] is batch['inputs'][0]  # pictures are not copied
