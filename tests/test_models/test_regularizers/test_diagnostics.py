"""The measures of a relation, against Jacobians and modules whose answer is known."""

import math

import pytest
import torch
from relations import OPTIONS
from torch import nn

from llv.models.regularizers.batch_correlation_module import BatchCorrelationModule
from llv.models.regularizers.diagnostics import (
    Reactions,
    cross_gradient_ratio,
    mean_reactions,
    reactions,
)


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
    found = reactions(module, x, [x / 2], [pictures(seed=2)])
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


def moves(changes):
    """How far the two samples that stay move, of the mixture above: its factors are 1, 2, 3 but that of sample j."""
    return (torch.as_tensor(changes) * torch.tensor([5.0, 4.0, 3.0]) / 2).mean().item()


def test_a_relation_to_means_reacts_to_exposure_and_not_to_content():
    mean = Mixed(1.0, lambda x: x.mean((1, 2, 3), keepdim=True).expand_as(x))
    x = pictures()
    turned = [x.flip(3), x.flip(2)]  # other contents of the same mean
    found = reactions(mean, x, [x / 2, 1 - x / 2], turned)
    assert found.content == pytest.approx(0, abs=1e-6) and found.content_change > 0.1
    means = x.mean((1, 2, 3))
    changes = torch.stack([means / 2, 1 - means / 2 - means]).abs()
    assert found.exposure == pytest.approx(moves(changes), rel=1e-4)
    assert found.ratio > 100 and found.ratio_by_change > 100


def test_a_relation_to_structure_reacts_to_content_and_not_to_exposure():
    # each pixel against the mean of its picture: no factor of brightness is left
    shape = Mixed(1.0, lambda x: x / x.mean((1, 2, 3), keepdim=True))

    x, y = pictures(), pictures(seed=2)
    found = reactions(shape, x, [x / 2, x / 3], [y])
    assert found.exposure == pytest.approx(0, abs=1e-5)
    changes = (y / y.mean((1, 2, 3), keepdim=True) - x / x.mean((1, 2, 3), keepdim=True)).abs()
    assert found.content == pytest.approx(moves(changes.mean((1, 2, 3))), rel=1e-4)
    assert found.ratio < 1e-4


def test_a_relation_to_pixels_reacts_by_the_change_of_pixels():
    x, y = pictures(), pictures(seed=2)
    found = reactions(Mixed(1.0), x, [x / 2], [y, y.flip(3)])
    content = torch.stack([(other - x).abs().mean((1, 2, 3)) for other in (y, y.flip(3))])
    assert found.content_change == pytest.approx(content.mean().item(), rel=1e-4)
    assert found.content == pytest.approx(moves(content), rel=1e-4)
    assert found.exposure_change == pytest.approx(x.mean().item() / 2, rel=1e-4)
    assert found.ratio == pytest.approx(found.exposure_change / found.content_change, rel=0.1)
    assert found.ratio_by_change == pytest.approx(1, rel=0.1)


def test_ratios_are_those_of_means_and_none_of_nothing():
    one, two = Reactions(1.0, 2.0, 0.1, 0.4), Reactions(3.0, 2.0, 0.3, 0.4)
    found = mean_reactions([one, two])
    assert vars(found) == pytest.approx(vars(Reactions(2.0, 2.0, 0.2, 0.4)))
    assert found.ratio == pytest.approx(1) and found.ratio_by_change == pytest.approx(2)
    still = reactions(Mixed(0.0), pictures(), [pictures() / 2], [pictures(seed=2)])
    assert math.isnan(still.ratio) and math.isnan(still.ratio_by_change)
    assert Reactions(1.0, 0.0, 0.1, 0.1).ratio == math.inf


def test_refuses_what_cannot_be_measured():
    with pytest.raises(ValueError, match='`images` holds one picture'):
        cross_gradient_ratio(build(), pictures(1))
    with pytest.raises(ValueError, match='`images` holds one picture'):
        reactions(build(), pictures(1), [pictures(1)], [pictures(1)])
    with pytest.raises(
        ValueError, match=r'`exposures` must be .* \(3, 3, 8, 8\), .* \(2, 3, 8, 8\)'
    ):
        reactions(build(), pictures(), [pictures(), pictures(2)], [pictures()])
    with pytest.raises(ValueError, match='`contents` must be .* but got none'):
        reactions(build(), pictures(), [pictures()], [])
    with pytest.raises(ValueError, match='`probes`'):
        cross_gradient_ratio(build(), pictures(), probes=0)
