"""Edges whose candidates are not those of llv."""

import pytest
import torch
from torch import nn

from llv.search import Architecture, MixedEdge, SearchSpace
from llv.search.operations import SkipConnect, build_operation


class Square(nn.Module):
    radius = 0

    def forward(self, x):
        return x.square()


KINDS = dict(
    depthwise=lambda: nn.Conv2d(3, 3, 3, padding=1, groups=3),
    without_bias=lambda: nn.Conv2d(3, 3, 1, bias=False),
    reflecting=lambda: nn.Conv2d(3, 3, 3, padding=1, padding_mode='reflect'),
    wide=lambda: nn.Conv2d(3, 3, (1, 5), padding=(0, 2)),
    mean=lambda: nn.AvgPool2d(3, 1, 1),
    square=Square,
    identity=SkipConnect,
    residual=lambda: build_operation('resconv_3x3', 3),
    plain=lambda: nn.Conv2d(3, 3, 5, padding=2),
)


def edge(*names):
    space = SearchSpace('own', 1, names)
    return MixedEdge(Architecture(space, ['a']), 0, [KINDS[name]() for name in names])


@pytest.mark.parametrize('names', [tuple(KINDS), ('mean', 'square'), ('identity', 'wide')])
def test_any_modules_are_summed_by_their_weights(names):
    torch.manual_seed(0)
    mixed = edge(*names).double()
    alpha = mixed.architecture.double().arch_alpha
    alpha.data.normal_()
    x = torch.randn(2, 3, 6, 7, dtype=torch.float64, requires_grad=True)
    weights = alpha[0].exp() / alpha[0].exp().sum()
    expected = sum(w * kind(x) for w, kind in zip(weights, mixed.candidates, strict=True))
    torch.testing.assert_close(mixed(x), expected, rtol=1e-12, atol=1e-12)
    variables = [x, alpha, *mixed.parameters()]
    found = torch.autograd.grad(mixed(x).square().sum(), variables)
    wanted = torch.autograd.grad(expected.square().sum(), variables)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_convolutions_among_them_are_still_computed_as_one():
    mixed = edge('residual', 'plain', 'square')
    assert mixed._groups == [((0, 1), 2, 1)]


def test_costs_are_those_of_each_candidate():
    mixed = edge('depthwise', 'without_bias', 'wide', 'mean', 'identity', 'plain')
    x = torch.rand(2, 3, 6, 7)
    pixels = 2 * 6 * 7
    assert mixed.costs(mixed(x), x) == [pixels * n for n in (27, 9, 45, 0, 0, 225)]


def test_the_radius_is_that_of_the_widest():
    assert edge('square', 'identity').radius == 0
    assert edge('square', 'plain', 'residual').radius == 2
    with pytest.raises(TypeError, match='`AvgPool2d` has no `radius`'):
        _ = edge('mean', 'plain').radius
