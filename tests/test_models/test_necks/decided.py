"""Supernets whose α has decided, and the networks they stand for, with the same weights."""

import torch
from torch import nn

from llv.search.architecture import MixedEdge


def decide(supernet, seed=0):
    """Give one candidate of each edge all the weight."""
    generator = torch.Generator().manual_seed(seed)
    alpha = supernet.architecture.arch_alpha
    edges, candidates = alpha.shape
    chosen = torch.randint(candidates, (edges,), generator=generator)
    alpha.data = 100.0 * nn.functional.one_hot(chosen, candidates)
    return supernet


def kind(operation):
    """What a candidate computes."""
    conv = getattr(operation, 'conv', operation)
    if not isinstance(conv, nn.Conv2d):
        return type(operation)
    return conv.kernel_size, conv.dilation, getattr(operation, 'residual', False)


def derived_from(supernet, build):
    """``build(genotype=...)`` of what the supernet derives, its operations found by what they compute."""
    derived = build(genotype=supernet.derive())
    assert derived.architecture is None and not list(derived.arch_parameters())
    edges = {
        path: module for path, module in supernet.named_modules() if isinstance(module, MixedEdge)
    }
    for path, edge in edges.items():
        operation = derived.get_submodule(path)
        (same,) = (c for c in edge.candidates if kind(c) == kind(operation))
        operation.load_state_dict(same.state_dict())
    weights = supernet.state_dict()
    rest = derived.state_dict().keys() & weights.keys()
    inside = {name for name in derived.state_dict() if name.startswith(tuple(edges))}
    assert rest | inside == set(derived.state_dict()) and not rest & inside
    report = derived.load_state_dict({name: weights[name] for name in rest}, strict=False)
    assert not report.unexpected_keys
    return derived.train(supernet.training)


def same_outputs(supernet, build, inputs):
    """Both networks on the inputs: all results agree and there are some."""
    derived = derived_from(supernet, build)
    with torch.no_grad():
        found, expected = (list(_flat(module(inputs))) for module in (supernet, derived))
    assert found
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    return derived


def _flat(value):
    if isinstance(value, torch.Tensor):
        yield value
    else:
        for item in value:
            yield from _flat(item)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())
