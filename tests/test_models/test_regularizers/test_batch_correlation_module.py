"""The module against a second implementation from the paper's formulas, and what makes it relate pictures."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from relations import OPTIONS

from llv.models.regularizers.batch_correlation_module import BatchCorrelationModule


def build(**options):
    torch.manual_seed(0)
    return BatchCorrelationModule(**{**OPTIONS, **options}).eval()


def pictures(count=3, size=(16, 17), seed=1):
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(seed))


def attend(module, tokens):
    """A layer of the published recipe, pre-norm, head by head; (B, width) in and out."""
    (layer,) = module.transformer
    heads, width = layer.self_attn.num_heads, tokens.shape[1]
    x = F.layer_norm(tokens, (width,), layer.norm1.weight, layer.norm1.bias)
    qkv = x @ layer.self_attn.in_proj_weight.T + layer.self_attn.in_proj_bias
    told = []
    for q, k, v in zip(*(part.chunk(heads, 1) for part in qkv.chunk(3, 1)), strict=True):
        told.append((q @ k.T / math.sqrt(width // heads)).softmax(1) @ v)
    x = tokens + layer.self_attn.out_proj(torch.cat(told, 1))
    y = F.layer_norm(x, (width,), layer.norm2.weight, layer.norm2.bias)
    return x + layer.linear2(layer.linear1(y).relu())


def test_has_the_sizes_of_the_specification():
    module = BatchCorrelationModule()
    counts = {n: sum(p.numel() for p in c.parameters()) for n, c in module.named_children()}
    assert counts == dict(encoder=1392, transformer=25186304, fusion=136, decoder=1387)


def test_computes_the_formulas():
    module, x = build(), pictures()
    with torch.no_grad():  # any weights, not those of the start
        for p in module.parameters():
            p.add_(0.3 * torch.randn(p.shape))
    features = x
    for k in (0, 2, 4):
        conv = module.encoder[k]
        features = F.leaky_relu(F.conv2d(features, conv.weight, conv.bias, padding=1), 0.1)
    torch.testing.assert_close(module.encode(x), features)
    rows = [slice(16 * k // 4, -(-16 * (k + 1) // 4)) for k in range(4)]
    columns = [slice(17 * k // 4, -(-17 * (k + 1) // 4)) for k in range(4)]
    cells = torch.stack([features[..., r, c].mean((2, 3)) for r in rows for c in columns], 2)
    related = attend(module, cells.flatten(1))
    torch.testing.assert_close(module.relate(x), related, rtol=1e-4, atol=1e-4)
    grown = F.interpolate(related.view(3, 2, 4, 4), (16, 17), mode='bilinear')
    weight, bias = module.fusion.weight[..., 0, 0], module.fusion.bias
    fused = torch.einsum('oc,bchw->bohw', weight, torch.cat([features, grown], 1))
    torch.testing.assert_close(
        module(x), module.decoder(fused + bias[:, None, None]), rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(module.reconstruct(x), module.decoder(features))


def test_starts_as_the_mean_of_both_halves():
    fusion = build().fusion
    x = torch.rand(2, 4, 3, 3)
    torch.testing.assert_close(fusion(x), (x[:, :2] + x[:, 2:]) / 2)


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(4)), st.integers(16, 24), st.integers(16, 24))
def test_a_permuted_batch_gives_permuted_relations(order, height, width):
    module, x = build(), pictures(4, (height, width))
    with torch.no_grad():
        torch.testing.assert_close(module.relate(x)[order], module.relate(x[order]))
        torch.testing.assert_close(module(x)[order], module(x[order]))


@pytest.mark.parametrize('depth', [1, 2])
@pytest.mark.parametrize('training', [False, True])
def test_another_sample_changes_the_relation_only_where_attention_runs_over_the_batch(
    training, depth
):
    x = pictures()
    other = x.clone()
    other[1] = pictures(1, seed=5)
    for attention, moves in (('batch', True), ('self', False)):
        module = build(attention=attention, depth=depth).train(training)
        with torch.no_grad():
            before, after = module.relate(x), module.relate(other)
            alone = torch.cat([module.relate(picture[None]) for picture in x])
        assert not torch.equal(before[1], after[1])
        assert ((before[0] - after[0]).abs().max() > 1e-5) == moves
        assert ((before - alone).abs().max() > 1e-5) == moves


@pytest.mark.parametrize('resize', ['area', 'bilinear'])
@pytest.mark.parametrize('size', [(16, 16), (16, 40), (23, 17), (5, 3)])
def test_takes_any_size(size, resize):
    module = build(grid=16, resize=resize)
    x = pictures(2, size)
    assert module.relate(x).shape == (2, 512)
    assert module(x).shape == module.reconstruct(x).shape == x.shape
    assert module(x).isfinite().all()


def test_area_averages_noise_away_that_bilinear_lets_through():
    noise = 0.2 * torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    x = torch.full((2, 3, 64, 64), 0.4)
    moved = {}
    for resize in ('area', 'bilinear'):
        module = build(resize=resize)
        flat = module.relate(x + noise.mean())
        moved[resize] = (module.relate(x + noise) - flat).std().item()
    assert moved['area'] < moved['bilinear'] / 2


def test_gradients_do_not_change_the_numbers():
    module, x = build(), pictures()
    with torch.no_grad():
        quiet = module.relate(x)
    assert torch.equal(quiet, module.relate(x.requires_grad_()))


def test_post_norm_ends_normalised():
    post = build(norm_first=False).relate(pictures())
    torch.testing.assert_close(post.mean(1), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(post.std(1, correction=0), torch.ones(3), atol=1e-2, rtol=0)


def test_dropout_acts_in_training_only():
    module, x = build(dropout=0.5), pictures()
    assert torch.equal(module.relate(x), module.relate(x))
    module.train()
    assert not torch.equal(module.relate(x), module.relate(x))


def test_depth_and_width_are_options():
    assert len(build(depth=3).transformer) == 3
    first, second, _ = build(depth=3).transformer
    assert not torch.equal(first.linear1.weight, second.linear1.weight)
    assert build(ffn_ratio=2.0).transformer[0].linear1.out_features == 64


@pytest.mark.parametrize(
    'options, sentence',
    [
        (dict(channels=0), '`channels` must be at least 1'),
        (dict(grid=0), '`grid` must be at least 1'),
        (dict(depth=0), '`depth` must be at least 1'),
        (dict(heads=3), '`heads=3` does not divide'),
        (dict(ffn_ratio=0.001), '`ffn_ratio=0.001`'),
        (dict(resize='nearest'), "`resize` must be one of area, bilinear, but got 'nearest'"),
        (dict(attention='none'), "`attention` must be one of batch, self, but got 'none'"),
    ],
)
def test_refuses_wrong_options(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        build(**options)


def test_checkpoints_of_other_options_are_refused():
    ours, theirs = build(), build(attention='self')  # equal in every shape
    with pytest.raises(ValueError, match="was made with `attention='self'`"):
        ours.load_state_dict(theirs.state_dict())
    ours.load_state_dict(build().state_dict())
