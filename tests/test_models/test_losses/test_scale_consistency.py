import pytest
import torch
import torch.nn.functional as F

from llv.models.enhancers.base import Enhancement
from llv.models.enhancers.identity import Identity
from llv.models.enhancers.map_based import MapBasedEnhancer
from llv.models.enhancers.psenet import PSENet
from llv.models.losses.scale_consistency import ScaleConsistencyLoss


class FlatGamma(MapBasedEnhancer):
    """γ of the whole picture, whatever its scale."""

    def estimate_maps(self, images):
        return dict(gamma=1 + images.mean((1, 2, 3), keepdim=True).expand_as(images))

    def apply_maps(self, images, maps):
        return Enhancement(1 - (1 - images) ** maps['gamma'], maps)


def test_agrees_with_the_formula():
    net = PSENet()
    with torch.no_grad():
        net.head.project.weight.mul_(20)  # exponents far from 1
    images = torch.rand(2, 3, 24, 20)
    found = ScaleConsistencyLoss(3.0, 0.5)(net, net(images), images)['loss_scale']
    small = F.interpolate(images, (12, 10), mode='bilinear', antialias=True)
    gamma = F.interpolate(net(small).maps['gamma'], (24, 20), mode='bilinear')
    expected = ((net(images).maps['gamma'] + 1e-3).log() - (gamma + 1e-3).log()) ** 2
    torch.testing.assert_close(found, 3 * expected.mean(), rtol=1e-3, atol=0)
    found.backward()
    assert net.head.project.weight.grad.abs().sum() > 0


def test_a_map_that_does_not_depend_on_scale_costs_nothing():
    net = FlatGamma()
    images = torch.rand(1, 3, 1, 1).expand(1, 3, 16, 16).contiguous()
    loss = ScaleConsistencyLoss()(net, net(images), images)['loss_scale']
    assert loss.item() == pytest.approx(0, abs=1e-9)


def test_training_with_it_brings_the_scales_together():
    torch.manual_seed(0)
    net, loss = PSENet(), ScaleConsistencyLoss(1.0, 0.25)
    with torch.no_grad():
        net.head.project.weight.mul_(20)
    images = torch.rand(2, 3, 24, 24)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    values = []
    for _ in range(15):
        value = loss(net, net(images), images)['loss_scale']
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.3 * values[0]


def test_refuses_scales_and_enhancers_without_maps():
    with pytest.raises(ValueError, match='`scale` must be between 0 and 1'):
        ScaleConsistencyLoss(scale=1.0)
    images = torch.rand(1, 3, 8, 8)
    with pytest.raises(ValueError, match='`Identity` predicts no map `gamma`'):
        ScaleConsistencyLoss()(Identity(), Enhancement(images), images)
