"""The measures of a relation, against Jacobians and modules whose answer is known."""

import math

import pytest
import torch
from relations import OPTIONS
from torch import nn

from llv.models.regularizers.batch_correlation_module import BatchCorrelationModule
from llv.models.regularizers.diagnostics import cross_gradient_ratio, match_mean, reactions


class Mixed(nn.Module):
    """T of a sample: its own pixels plus a share of what a function makes of the others, summed; each by a factor."""

    def __init__(self, share, function=lambda x: x):
        super().__init__()
        self.share, self.function = share, function

    def relate(self, images):
        told = self.function(images).flatten(1)
        factors = torch.arange(1.0, len(images) + 1)[:, None]
        return factors * (images.flatten(1) + self.share * (told.sum(0) - told))


def build(**options):
    torch.manual_seed(3)
    return BatchCorrelationModule(**{**OPTIONS, **options}).eval()


def pictures(count=3, size=8, seed=1):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize('share', [0.0, 0.25, 2.0])
def test_the_gradient_ratio_of_a_linear_mixture_is_its_share(share):
    assert cross_gradient_ratio(Mixed(share), pictures(), probes=2) == pytest.approx(share)


def test_the_gradient_ratio_estimates_that_of_the_whole_jacobian():
    module, x = build(), pictures()
    jacobian = torch.autograd.functional.jacobian(module.relate, x)
    norms = jacobian.square().sum((1, 3, 4, 5)).sqrt()  # (relation of i, picture of j)
    expected = (norms / norms.diagonal()[:, None])[~torch.eye(3, dtype=torch.bool)].mean().item()
    assert cross_gradient_ratio(module, x, probes=60) == pytest.approx(expected, rel=0.1)
    assert expected > 0.01


def test_nothing_crosses_where_samples_attend_to_themselves():
    module, x = build(attention='self'), pictures()
    assert cross_gradient_ratio(module, x) == 0
    found = reactions(module, x, pictures(seed=2))
    assert found.exposure == pytest.approx(0, abs=1e-7)
    assert found.content == pytest.approx(0, abs=1e-7)


def test_measuring_leaves_no_trace():
    module, x = build(), pictures()
    state = torch.get_rng_state()
    first = cross_gradient_ratio(module, x)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(1)
    assert cross_gradient_ratio(module, x) == first
    assert x.grad is None and all(p.grad is None for p in module.parameters())


def test_a_relation_to_means_reacts_to_exposure_and_not_to_content():
    mean = Mixed(1.0, lambda x: x.mean((1, 2, 3), keepdim=True).expand_as(x))
    x = pictures()
    found = reactions(mean, x, pictures(seed=2))
    assert found.content == pytest.approx(0, abs=1e-6)
    changes = [((f * x).clamp(0, 1).mean((1, 2, 3)) - x.mean((1, 2, 3))).abs() for f in (0.5, 1.5)]
    # sample j moves the others, whose factors are 1, 2, 3 but its own
    moves = torch.stack(changes) * torch.tensor([5.0, 4.0, 3.0]) / 2
    assert found.exposure == pytest.approx(moves.mean().item(), rel=1e-4)
    assert found.ratio > 100


def test_a_relation_to_pixels_reacts_by_the_change_of_pixels():
    x, y = pictures(), pictures(seed=2)
    found = reactions(Mixed(1.0), x, y)
    content = (match_mean(y, x.mean((1, 2, 3))) - x).abs().mean((1, 2, 3))
    assert found.content_change == pytest.approx(content.mean().item(), rel=1e-4)
    moves = content * torch.tensor([5.0, 4.0, 3.0]) / 2
    assert found.content == pytest.approx(moves.mean().item(), rel=1e-4)
    assert found.ratio == pytest.approx(1, rel=0.1)
    assert math.isnan(reactions(Mixed(0.0), pictures(), pictures(seed=2)).ratio)


def test_pictures_take_another_mean_within_their_range():
    x, aim = pictures(), torch.tensor([0.1, 0.5, 0.95])
    found = match_mean(x, aim)
    torch.testing.assert_close(found.mean((1, 2, 3)), aim)
    assert found.min() >= 0 and found.max() <= 1
    for a, b in zip(x, found, strict=True):  # the order of brightness stays
        assert torch.equal(a.flatten().argsort(), b.flatten().argsort())


def test_refuses_what_cannot_be_measured():
    with pytest.raises(ValueError, match='`images` holds one picture'):
        cross_gradient_ratio(build(), pictures(1))
    with pytest.raises(ValueError, match='`images` holds one picture'):
        reactions(build(), pictures(1), pictures(1))
    with pytest.raises(ValueError, match='`others`'):
        reactions(build(), pictures(), pictures(2))
    with pytest.raises(ValueError, match='`probes`'):
        cross_gradient_ratio(build(), pictures(), probes=0)
