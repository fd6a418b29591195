"""Architecture weights and mixed edges: the merged convolutions are the sum of all candidates."""

import copy
import math
import pickle

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.overrides import TorchFunctionMode

from llv.search.architecture import Architecture, MixedEdge
from llv.search.operations import build_layer, build_operation
from llv.search.spaces import HIGH_LEVEL, LOW_LEVEL, SearchSpace


def low_level(channels, architecture=None, row=0):
    architecture = architecture or Architecture(LOW_LEVEL, ['a'])
    candidates = [build_operation(name, channels) for name in LOW_LEVEL.candidates]
    return MixedEdge(architecture, row, candidates)


def high_level(in_channels, out_channels, stride=1, scale=1):
    architecture = Architecture(HIGH_LEVEL, ['a'])
    candidates = [
        build_layer(name, in_channels, out_channels, stride, scale)
        for name in HIGH_LEVEL.candidates
    ]
    return MixedEdge(architecture, 0, candidates)


def one_by_one(edge, x):
    """The definition: each candidate by itself, weighted by the softmax of its row."""
    alpha = edge.architecture.arch_alpha[edge.row]
    weights = alpha.exp() / alpha.exp().sum()
    return sum(w * candidate(x) for w, candidate in zip(weights, edge.candidates, strict=True))


def assert_same_function(edge, x):
    edge.double()
    edge.architecture.double()
    edge.architecture.arch_alpha.data.normal_()
    x = x.double().requires_grad_()
    variables = [x, edge.architecture.arch_alpha, *edge.parameters()]
    result, expected = edge(x), one_by_one(edge, x)
    torch.testing.assert_close(result, expected, rtol=1e-12, atol=1e-12)
    upstream = torch.randn_like(expected)
    found = torch.autograd.grad(result, variables, upstream)
    wanted = torch.autograd.grad(expected, variables, upstream)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-11)


sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))


@settings(max_examples=15, deadline=None)
@given(size=sizes, channels=st.integers(1, 4), seed=st.integers(0, 99))
def test_an_edge_of_a_cell_is_the_sum_of_its_candidates(size, channels, seed):
    torch.manual_seed(seed)
    assert_same_function(low_level(channels), torch.randn(2, channels, *size))


@settings(max_examples=25, deadline=None)
@given(
    size=sizes,
    widths=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.sampled_from([1, 2]),
    scale=st.sampled_from([1, 2, 3]),
    seed=st.integers(0, 99),
)
def test_an_edge_of_a_task_module_is_the_sum_of_its_candidates(size, widths, stride, scale, seed):
    torch.manual_seed(seed)
    edge = high_level(*widths, stride, scale)
    assert_same_function(edge, torch.randn(2, widths[0], *size))


@pytest.mark.parametrize('edge', [low_level(3), high_level(3, 3)])
def test_half_precision_gives_the_same_up_to_its_rounding(edge):
    torch.manual_seed(0)
    x = torch.rand(2, 3, 9, 8)
    exact = edge(x)
    with torch.autocast('cpu', torch.bfloat16):
        rough = edge(x)
    torch.testing.assert_close(rough.float(), exact, rtol=0.02, atol=0.02)
    rough.float().sum().backward()
    assert edge.architecture.arch_alpha.grad.isfinite().all()


class CountConvolutions(TorchFunctionMode):
    def __init__(self):
        super().__init__()
        self.kernels = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is F.conv2d:
            self.kernels.append(args[1].shape[-1])
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    'edge, kernels',
    [
        (low_level(3), [5]),
        # the dilation of 6 lies on the grid of the 7×7 convolution of dilation 2
        (high_level(3, 2), [7, 7, 3, 3]),
        (high_level(3, 2, stride=2), [7, 7, 3, 3]),
        (high_level(3, 2, scale=2), [7, 7, 3, 3, 3]),
    ],
)
def test_candidates_that_look_at_the_same_pixels_are_one_convolution(edge, kernels):
    with CountConvolutions() as counter:
        edge(torch.rand(1, 3, 8, 8))
    assert counter.kernels == kernels


def test_an_edge_reaches_as_far_as_its_widest_candidate():
    assert low_level(2).radius == 2
    assert high_level(2, 2).radius == 18
    assert high_level(2, 2, scale=2).radius == 36


def test_an_edge_that_has_decided_is_the_chosen_candidate():
    for index in range(len(LOW_LEVEL.candidates)):
        edge = low_level(3)
        edge.architecture.arch_alpha.data[0, index] = 60.0
        x = torch.rand(1, 3, 7, 6)
        assert edge.chosen() is edge.candidates[index]
        torch.testing.assert_close(edge(x), edge.candidates[index](x))


def test_an_edge_needs_all_candidates_of_its_space():
    with pytest.raises(ValueError, match='`low_level` has 7 candidates, but got 1'):
        MixedEdge(Architecture(LOW_LEVEL, ['a']), 0, [build_operation('conv_1x1', 2)])


# ---------------------------------------------------------------- the weights


def test_fresh_weights_are_small_and_normal():
    torch.manual_seed(0)
    alpha = Architecture(LOW_LEVEL, [str(i) for i in range(2000)]).arch_alpha
    assert alpha.shape == (2000, 7)
    assert alpha.mean().item() == pytest.approx(0, abs=5e-5)
    assert alpha.std().item() == pytest.approx(1e-3, rel=0.02)


def test_of_equal_candidates_the_first_is_derived():
    architecture = Architecture(LOW_LEVEL, ['a', 'b', 'c'])
    architecture.arch_alpha.data.zero_()
    architecture.arch_alpha.data[1, [5, 3]] = 1.0
    architecture.arch_alpha.data[2, 6] = 1e-6
    assert architecture.derive() == dict(a='skip_connect', b='dilconv_3x3', c='resdilconv_3x3')


def test_entropies_in_closed_form():
    space = SearchSpace('two', 1, ('conv_1x1', 'conv_3x3'))
    architecture = Architecture(space, ['even', 'three to one', 'decided'])
    architecture.arch_alpha.data = torch.tensor([[5.0, 5.0], [math.log(3), 0.0], [200.0, -200.0]])
    expected = dict(even=math.log(2))
    expected['three to one'] = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    expected['decided'] = 0.0
    assert architecture.entropies() == pytest.approx(expected, abs=1e-7)


class Twice(nn.Module):
    """Two edges that share a row, and one of another."""

    def __init__(self):
        super().__init__()
        self.architecture = Architecture(LOW_LEVEL, ['a', 'b'])
        rows = (0, 0, 1)
        self.edges = nn.Sequential(*(low_level(2, self.architecture, row) for row in rows))

    def forward(self, x):
        return self.edges(x)


def assert_one_architecture(model):
    names = [name for name, _ in model.named_parameters() if 'arch_' in name]
    assert names == ['architecture.arch_alpha']
    assert all(edge.architecture is model.architecture for edge in model.edges)


@pytest.mark.parametrize('how', [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_share_their_own_weights(how):
    model, x = Twice(), torch.rand(1, 2, 5, 5)
    twin = how(model)
    assert_one_architecture(model)
    assert_one_architecture(twin)
    assert twin.architecture is not model.architecture
    torch.testing.assert_close(twin(x), model(x), rtol=0, atol=0)
    before = model(x)
    twin.architecture.arch_alpha.data[0, 0] += 5
    assert torch.equal(model(x), before) and not torch.allclose(twin(x), before)


def test_a_cast_reaches_the_edges():
    model = Twice().double()
    assert model(torch.rand(1, 2, 4, 4).double()).dtype == torch.float64


def test_a_state_dict_brings_the_weights():
    model, other = Twice(), Twice()
    model.architecture.arch_alpha.data.normal_()
    other.load_state_dict(model.state_dict(), strict=True)
    x = torch.rand(1, 2, 5, 5)
    assert torch.equal(model(x), other(x))


@pytest.mark.parametrize(
    'space, edges',
    [
        (LOW_LEVEL, ['a', 'c']),
        (LOW_LEVEL, ['b', 'a']),
        (SearchSpace('low_level', 2, LOW_LEVEL.candidates), ['a', 'b']),
        (SearchSpace('mine', 1, LOW_LEVEL.candidates), ['a', 'b']),
        (HIGH_LEVEL, ['a']),
    ],
)
def test_weights_of_another_supernet_are_refused_though_their_shapes_agree(space, edges):
    theirs = Architecture(space, edges).state_dict()
    with pytest.raises(
        ValueError, match='α of another supernet at `architecture`: .*, `low_level`'
    ) as e:
        Twice().load_state_dict({f'architecture.{k}': v for k, v in theirs.items()}, strict=False)
    assert '\n' not in str(e.value)


def test_weights_without_a_readable_meaning_are_refused():
    theirs = Architecture(LOW_LEVEL, ['a']).state_dict()
    theirs['meaning'] = torch.tensor([1, 2], dtype=torch.uint8)
    with pytest.raises(ValueError, match='something unreadable there'):
        Architecture(LOW_LEVEL, ['a']).load_state_dict(theirs)
