"""The parts of TriCo by themselves: regulator, attention, up-sampling."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from llv.models.enhancers.trico import reassembly
from llv.models.enhancers.trico.attention import EncoderBlock, TransposedAttention
from llv.models.enhancers.trico.modulator import IHEM
from llv.models.enhancers.trico.regulator import LII
from llv.models.enhancers.trico.upsampling import DynamicUpsampling

# ---------------------------------------------------------------- regulator


@settings(max_examples=25, deadline=None)
@given(
    bias=st.lists(st.floats(-200, 200, width=32), min_size=3, max_size=3),
    spread=st.sampled_from([0.0, 1.0, 1e4]),
    values=st.lists(
        st.one_of(st.sampled_from([0.0, 1.0, 1e-4, 1e-44, 1 - 2**-24]), st.floats(0, 1, width=32)),
        min_size=1,
        max_size=5,
    ),
    seed=st.integers(0, 999),
)
@torch.no_grad()
def test_whatever_the_logits_are_the_picture_is_below_its_illumination(bias, spread, values, seed):
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    regulator = LII(4)
    regulator.head.weight.mul_(spread)
    regulator.head.bias.copy_(torch.tensor(bias))
    chosen = torch.randint(len(values), (2, 3, 8, 16), generator=generator)
    x = torch.tensor(values)[chosen]
    alpha, u, v, features = regulator(x)
    assert (u >= x).all() and (u <= 1).all() and (x >= 0).all()
    assert (v >= 0).all() and (v <= 1).all()
    beta = 1 - alpha
    torch.testing.assert_close(alpha + beta, torch.ones_like(alpha), rtol=0, atol=1e-6)
    torch.testing.assert_close(u, alpha * x + beta, rtol=0, atol=1e-6)
    torch.testing.assert_close(u - x, beta * (1 - x), rtol=0, atol=1e-6)
    torch.testing.assert_close(v * u.clamp_min(1e-4), x, rtol=1e-5, atol=1e-7)
    assert [f.shape for f in features] == [(2, 4, 8 // s, 16 // s) for s in (1, 2, 4, 8)]


@torch.no_grad()
def test_the_two_ends_of_the_interpolation():
    regulator = LII(4)
    regulator.head.weight.zero_()
    x = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    x[0, 0, 0, 0], x[0, 0, 0, 1] = 0, 5e-5
    regulator.head.bias.fill_(-200)
    assert torch.equal(regulator(x).reflectance, x)
    regulator.head.bias.fill_(200)
    white = regulator(x).reflectance
    assert torch.equal(white[x > 1e-4], torch.ones_like(white[x > 1e-4]))
    assert white[0, 0, 0, 0] == 0 and white[0, 0, 0, 1] == pytest.approx(0.5)


@pytest.mark.parametrize('bias', [2.0, 9.0, 16.0])
@torch.no_grad()
def test_rounding_does_not_put_the_illumination_below_the_picture(bias):
    regulator = LII(4)
    regulator.head.weight.zero_()
    regulator.head.bias.fill_(bias)
    lit = regulator(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)).sqrt())
    assert lit.reflectance.max() <= 1 and lit.illumination.max() <= 1


def test_a_black_picture_starts_with_a_gain_of_about_eight():
    torch.manual_seed(0)
    lit = LII(32)(torch.full((1, 3, 8, 8), 1e-3))
    assert 6 < lit.reflectance.mean() / 1e-3 < 11


# ---------------------------------------------------------------- attention


def attention(channels=12, heads=3):
    torch.manual_seed(0)
    layer = TransposedAttention(channels, heads)
    torch.nn.init.uniform_(layer.multiplier, 0.5, 8)
    return layer


def tokens(*size):
    return torch.randn(2, 2, *size, generator=torch.Generator().manual_seed(2)).unbind()


@torch.no_grad()
def test_the_matrix_of_a_head_has_channels_by_channels_and_rows_of_one():
    layer = attention()
    weights = layer.weights(*tokens(3, 20, 4))
    assert weights.shape == (2, 3, 4, 4)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 4))
    assert (weights.sum(-2) - 1).abs().max() > 0.05  # and not the columns


@settings(max_examples=10, deadline=None)
@given(scale_q=st.floats(1e-3, 1e3), scale_k=st.floats(1e-3, 1e3))
@torch.no_grad()
def test_the_length_of_queries_and_keys_does_not_count(scale_q, scale_k):
    layer = attention()
    q, k = tokens(3, 20, 4)
    found = layer.weights(scale_q * q, scale_k * k)
    torch.testing.assert_close(found, layer.weights(q, k), rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_permuted_pixels_give_permuted_results():
    layer = attention()
    (q, k), v = tokens(3, 20, 4), tokens(3, 20, 4)[0].flip(0)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(3))
    expected = (v @ layer.weights(q, k).mT)[:, :, order]
    found = v[:, :, order] @ layer.weights(q[:, :, order], k[:, :, order]).mT
    torch.testing.assert_close(found, expected)


def test_tau_is_one_over_the_multiplier():
    layer = attention()
    torch.testing.assert_close(layer.tau * layer.multiplier.flatten(), torch.ones(3))
    with pytest.raises(AttributeError):
        layer.tau = 1
    assert torch.equal(TransposedAttention(4, 2).tau, torch.ones(2))


@torch.no_grad()
def test_splitting_and_merging_are_inverse_and_heads_are_neighbouring_channels():
    layer = attention()
    x = torch.randn(2, 12, 3, 5)
    split = layer.split(x)
    assert torch.equal(layer.merge(split, (3, 5)), x)
    assert torch.equal(split[1, 2, 7], x[1, 8:12, 1, 2])


@torch.no_grad()
def test_logits_do_not_grow_with_the_picture():
    layer = attention()
    q, k = tokens(3, 20, 4)
    larger = layer.weights(q.repeat(1, 1, 50, 1), k.repeat(1, 1, 50, 1))
    torch.testing.assert_close(larger, layer.weights(q, k), rtol=1e-4, atol=1e-6)


def test_black_features_have_finite_gradients():
    layer = attention()
    x = torch.zeros(1, 12, 4, 4, requires_grad=True)
    layer(x, x).sum().backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize('width, heads, expected', [(64, 1, 54069), (64, 8, 54076)])
def test_parameters_of_a_block(width, heads, expected):
    assert sum(p.numel() for p in EncoderBlock(width, heads, 2.66).parameters()) == expected


@torch.no_grad()
def test_a_modulator_without_sources_asks_itself():
    torch.manual_seed(0)
    modulator = IHEM(8, 0, 0, 2, 2.0)
    x = torch.randn(1, 8, 6, 5)
    assert torch.equal(modulator(x, None, None), modulator(x, torch.zeros(1, 3, 1, 1), None))
    assert modulator.semantic.project is None and modulator.illumination.project is None


# ---------------------------------------------------------------- up-sampling


@pytest.fixture
def small_strips(monkeypatch):
    monkeypatch.setattr(reassembly, '_BYTES_CPU', 5000)


def upsampler(channels=6):
    torch.manual_seed(0)
    layer = DynamicUpsampling(channels, rank=4, kernel=5)
    torch.nn.init.normal_(layer.logits.weight)
    return layer


def unfolded(layer, x):
    """The definition, with all neighbourhoods at once: kernels at the larger size, (⌊Y/2⌋, ⌊X/2⌋) as the centre."""
    logits = layer.logits(layer.branch1(x) * layer.branch2(x))
    kernels = F.pixel_shuffle(logits, 2).softmax(dim=1)
    count, channels, height, width = x.shape
    near = F.unfold(F.pad(x, (2, 2, 2, 2), mode='replicate'), 5)
    near = near.view(count, channels, 25, height, width)
    near = near.repeat_interleave(2, dim=3).repeat_interleave(2, dim=4)
    return torch.einsum('nckyx,nkyx->ncyx', near, kernels)


@pytest.mark.parametrize('size', [(7, 9), (1, 1), (1, 6), (12, 2)])
def test_equals_the_unfolded_form_also_in_its_gradients(small_strips, size):
    layer = upsampler()
    x = torch.randn(2, 6, *size, requires_grad=True)
    pull = torch.randn(2, 6, 2 * size[0], 2 * size[1])
    results = []
    for function in (layer, lambda x: unfolded(layer, x)):
        result = function(x)
        wanted = [x, *layer.parameters()]
        results.append([result, *torch.autograd.grad((result * pull).sum(), wanted)])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=10, deadline=None)
@given(value=st.floats(-100, 100, width=32), size=st.tuples(st.integers(1, 6), st.integers(1, 6)))
@torch.no_grad()
def test_a_constant_picture_stays_what_it_is(value, size):
    x = torch.full((1, 6, *size), value)
    found = upsampler()(x)
    torch.testing.assert_close(
        found, torch.full((1, 6, 2 * size[0], 2 * size[1]), value), rtol=1e-5, atol=1e-5
    )


@torch.no_grad()
def test_only_the_neighbourhood_counts():
    """So the result does not depend on how much of a picture is seen."""
    layer = upsampler()
    x = torch.randn(1, 6, 16, 16)
    whole = layer(x)[..., 12:20, 12:20]
    part = layer(x[..., 3:13, 3:13])[..., 6:14, 6:14]
    torch.testing.assert_close(part, whole, rtol=0, atol=1e-5)


def test_gradients_of_first_and_second_order(small_strips):
    torch.manual_seed(0)
    padded = torch.randn(2, 3 + 2, 4 + 2, 2, dtype=torch.double, requires_grad=True)
    weights = torch.randn(2, 3, 4, 9, 4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(reassembly.reassemble, (padded, weights))
    assert torch.autograd.gradgradcheck(reassembly.reassemble, (padded, weights), fast_mode=True)


def test_a_recorded_graph_fits_other_sizes():
    layer = upsampler().eval()
    with torch.no_grad():
        traced = torch.jit.trace(layer, torch.randn(1, 6, 5, 4))
        x = torch.randn(2, 6, 7, 3)
        torch.testing.assert_close(traced(x), layer(x), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_neighbourhoods_are_gathered_in_strips(monkeypatch):
    largest = 0
    gather = reassembly._neighbours

    def watched(*args):
        nonlocal largest
        result = gather(*args)
        largest = max(largest, result.numel() * 4)
        return result

    monkeypatch.setattr(reassembly, '_neighbours', watched)
    monkeypatch.setattr(reassembly, '_BYTES_CPU', 2**16)
    layer = upsampler(16)
    layer(torch.randn(1, 16, 64, 32))
    assert 2**15 < largest <= 2**16
