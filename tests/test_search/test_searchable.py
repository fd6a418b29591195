"""Searchable modules: supernet or fixed, and which parameters of a model are α."""

import pytest
import torch
from torch import nn

from llv.search.architecture import MixedEdge
from llv.search.operations import build_layer
from llv.search.searchable import (
    Searchable,
    arch_parameters,
    derive_genotype,
    searchable_modules,
    weight_parameters,
)
from llv.search.spaces import HIGH_LEVEL


class Layers(Searchable, nn.Module):
    genotype_module = 'layers'

    def __init__(self, genotype=None):
        super().__init__()
        self.settle_genotype(genotype, HIGH_LEVEL, ['a', 'b'])
        self.convs = nn.Sequential(
            *(self.build_edge(edge, lambda name: build_layer(name, 2, 2)) for edge in 'aba')
        )

    def forward(self, x):
        return self.convs(x)


def model():
    return nn.ModuleDict(
        dict(backbone=nn.Conv2d(2, 2, 1), neck=Layers(), neck2=Layers(['conv_1x1'] * 2))
    )


def test_without_a_genotype_each_edge_holds_all_candidates():
    layers = Layers()
    assert layers.genotype is None
    assert all(isinstance(conv, MixedEdge) for conv in layers.convs)
    assert [conv.row for conv in layers.convs] == [0, 1, 0]
    assert list(layers.arch_parameters()) == [layers.architecture.arch_alpha]


def test_a_fixed_genotype_leaves_nothing_of_the_search():
    layers = Layers(['conv_1x1', 'conv_5x5'])
    assert [conv.kernel_size[0] for conv in layers.convs] == [1, 5, 1]
    assert layers.architecture is None
    assert not list(layers.arch_parameters()) and not arch_parameters(layers)
    assert not any('arch' in name for name in layers.state_dict())


def test_what_is_derived_builds_the_derived_layers():
    layers = Layers()
    layers.architecture.arch_alpha.data[0, 2] = layers.architecture.arch_alpha.data[1, 9] = 1.0
    genotype = layers.derive()
    assert genotype == dict(
        llv_genotype=1, space='high_level', space_version=1, module='layers',
        edges=dict(a='conv_5x5', b='dilconv_3x3_18'),
    )  # fmt: skip
    derived = Layers(genotype)
    assert [conv.dilation[0] for conv in derived.convs] == [1, 18, 1]
    assert derived.derive() == genotype


def test_modules_that_are_searched_by_their_places():
    assert list(searchable_modules(model())) == ['neck']


def test_genotypes_of_a_model_come_in_parts():
    both = nn.ModuleDict(dict(first=Layers(), second=Layers(), fixed=Layers(['conv_1x1'] * 2)))
    both.second.architecture.arch_alpha.data[:, 1] = 1.0
    found = derive_genotype(both, macs=7)
    assert list(found['parts']) == ['first', 'second'] and found['macs'] == 7
    assert found['parts']['second']['edges'] == dict(a='conv_3x3', b='conv_3x3')
    with pytest.raises(ValueError, match='`Conv2d` has no module that is searched'):
        derive_genotype(nn.Conv2d(1, 1, 1))


def test_every_trainable_parameter_is_alpha_or_omega():
    whole = model()
    alpha, omega = arch_parameters(whole), weight_parameters(whole)
    assert [value.shape for value in alpha] == [(2, 10)]
    assert {*map(id, alpha), *map(id, omega)} == {id(p) for p in whole.parameters()}
    assert len(alpha) + len(omega) == len(list(whole.parameters()))


def test_prefixes_are_places_and_not_beginnings_of_names():
    whole = model()
    neck = weight_parameters(whole, 'neck')
    assert len(neck) == 3 * 10 * 2
    assert len(weight_parameters(whole, ['neck', 'neck2'])) == len(neck) + 3 * 2
    assert arch_parameters(whole, 'neck') and not arch_parameters(whole, ['backbone', 'neck2'])


def test_what_is_frozen_is_neither():
    whole = model()
    whole.backbone.requires_grad_(False)
    whole.neck.architecture.requires_grad_(False)
    assert not arch_parameters(whole)
    assert len(weight_parameters(whole)) == 3 * 10 * 2 + 3 * 2


def test_a_supernet_computes_and_passes_gradients_to_its_weights():
    layers = Layers()
    layers(torch.rand(1, 2, 6, 6)).square().mean().backward()
    gradient = layers.architecture.arch_alpha.grad
    assert gradient.isfinite().all() and (gradient != 0).any(dim=1).all()
