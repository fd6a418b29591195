"""Searched layers behind any neck: FPN's maps in their shapes, its checkpoints, a start that changes nothing."""

import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict
from test_models.test_necks import decided
from torch import nn

pytest.importorskip('mmdet')

from llv.models.necks import SceneNeck, SearchableNeck  # noqa: E402
from llv.registry import MODELS  # noqa: E402

FPN = dict(type='mmdet.FPN', in_channels=[6, 8], out_channels=4, num_outs=3)
SSD = dict(
    type='mmdet.SSDNeck', in_channels=(6, 8), out_channels=(6, 8, 4), level_strides=(2,), level_paddings=(1,),
    l2_norm_scale=None,
)  # fmt: skip


def maps():
    torch.manual_seed(0)
    return [torch.randn(2, 6, 13, 9), torch.randn(2, 8, 7, 5)]


def test_maps_keep_their_shapes_behind_any_neck():
    for neck, channels in ((FPN, None), (SSD, (6, 8, 4)), (None, (6, 8))):
        whole = SearchableNeck(neck, channels, depth=2)
        plain = maps() if neck is None else MODELS.build(neck)(maps())
        found = whole(maps())
        assert [m.shape for m in found] == [m.shape for m in plain]
        assert min(m.min() for m in found) < 0  # no ReLU closes


def test_parameters_counted_by_hand():
    inner = decided.count(MODELS.build(FPN))
    assert inner == 6 * 4 + 8 * 4 + 8 + 2 * (9 * 16 + 4)
    fixed = SearchableNeck(FPN, genotype=['conv_3x3', 'dilconv_5x5', 'conv_1x1'])
    assert decided.count(fixed) - inner == (9 * 16 + 4) + (25 * 16 + 4) + (16 + 4)
    supernet = SearchableNeck(FPN, depth=2)
    taps = 1 + 9 + 25 + 49 + 9 + 25 + 49 + 9 + 9 + 9
    assert decided.count(supernet) - inner == 3 * 2 * (taps * 16 + 10 * 4) + 6 * 10
    assert supernet.architecture.edges == (
        'map_0_0', 'map_0_1', 'map_1_0', 'map_1_1', 'map_2_0', 'map_2_1',
    )  # fmt: skip


def test_layers_of_a_map_are_convolutions_with_relus_between():
    neck = SearchableNeck(None, (6, 8), 2, ['conv_3x3', 'dilconv_3x3', 'conv_1x1', 'dilconv_3x3_6'])
    convs = [[block.conv for block in layers] for layers in neck.layers]
    for x, found, (first, second) in zip(maps(), neck(maps()), convs, strict=True):
        y = nn.functional.conv2d(x, first.weight, first.bias, padding=first.padding)
        assert first.dilation == (1, 1)
        pad = dilation = second.dilation[0]
        y = nn.functional.conv2d(y.relu(), second.weight, second.bias, 1, pad, dilation)
        torch.testing.assert_close(found, y)
    assert [second.dilation for _, second in convs] == [(2, 2), (6, 6)]


def test_dilations_are_scaled_and_dilation_two_is_not():
    neck = SearchableNeck(None, (6, 8), 1, ['dilconv_3x3', 'dilconv_3x3_12'], dilation_scale=2)
    assert [layers[0].conv.dilation for layers in neck.layers] == [(2, 2), (24, 24)]


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('residual', [False, True])
@pytest.mark.parametrize('norm', [None, dict(type='GN', num_groups=2)])
def test_supernet_that_has_decided_is_the_derived_network(seed, residual, norm):
    def build(genotype=None):
        return SearchableNeck(
            FPN, depth=2, genotype=genotype, residual=residual, norm_cfg=norm, dilation_scale=2
        )

    supernet = decided.decide(build(), seed)
    for parameter in supernet.layers.parameters():  # a residual neck starts with zeros
        nn.init.normal_(parameter, std=0.1)
    decided.same_outputs(supernet, build, maps())


@pytest.mark.parametrize('norm', [None, dict(type='BN'), dict(type='GN', num_groups=2)])
@pytest.mark.parametrize('genotype', [None, ['conv_3x3'] * 6])
def test_residual_layers_start_as_the_inner_neck_and_still_learn(norm, genotype):
    neck = SearchableNeck(FPN, depth=2, genotype=genotype, residual=True, norm_cfg=norm)
    neck.init_weights()
    for a, b in zip(neck(maps()), neck.neck(maps()), strict=True):
        assert torch.equal(a, b)
    optimizer = torch.optim.SGD(neck.parameters(), 0.01)
    for _ in range(3):
        optimizer.zero_grad()
        sum((m - 1).square().mean() for m in neck(maps())).backward()
        optimizer.step()
    grads = [p.grad for name, p in neck.layers.named_parameters() if 'conv.' in name]
    assert all(grad is not None and grad.isfinite().all() for grad in grads)
    assert sum(float(grad.abs().sum() > 0) for grad in grads) > len(grads) / 2
    assert genotype or neck.architecture.arch_alpha.grad.abs().max() > 0


def test_layers_start_as_their_own_config_says_and_the_inner_neck_as_its():
    neck = SearchableNeck(
        dict(FPN, init_cfg=dict(type='Constant', layer='Conv2d', val=2.0)),
        init_cfg=dict(type='Constant', layer='Conv2d', val=3.0),
    )
    neck.init_weights()
    inner = [m for m in neck.neck.modules() if isinstance(m, nn.Conv2d)]
    assert inner and all((conv.weight == 2).all() for conv in inner)
    own = [m for m in neck.layers.modules() if isinstance(m, nn.Conv2d)]
    assert len(own) == 30 and all((conv.weight == 3).all() for conv in own)


def test_levels_that_are_not_chosen_pass_as_they_are():
    neck = SearchableNeck(FPN, levels=(0, -1))
    plain = neck.neck(maps())
    found = neck(maps())
    assert torch.equal(found[1], plain[1])
    assert not torch.equal(found[0], plain[0]) and not torch.equal(found[2], plain[2])
    assert neck.architecture.edges == ('map_0_0', 'map_2_0')


@pytest.mark.parametrize('way', ['torch', 'mmengine'])
@pytest.mark.parametrize('wrap', [
    lambda: SearchableNeck(FPN),
    lambda: SceneNeck((6, 8), FPN, stages=1),
    lambda: SceneNeck((6, 8), dict(type='llv.SearchableNeck', neck=FPN), stages=1),
])  # fmt: skip
def test_a_checkpoint_with_the_inner_neck_alone_loads(way, wrap, capsys):
    class Model(nn.Module):
        def __init__(self, neck):
            super().__init__()
            self.backbone, self.neck = nn.Conv2d(1, 1, 1), neck

    theirs, ours = Model(MODELS.build(FPN)), Model(wrap())
    state = theirs.state_dict()
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    if way == 'torch':
        report = ours.load_state_dict(state, strict=False)
        assert report.unexpected_keys == []
        missing = set(report.missing_keys)
    else:
        load_state_dict(ours, state, strict=False)
        assert 'unexpected' not in capsys.readouterr().out
        missing = None
    assert set(state) == set(theirs.state_dict())  # the caller's is as it was
    inner = ours.neck
    while not hasattr(inner, 'fpn_convs'):
        inner = inner.neck
    taken, after = inner.state_dict(), ours.state_dict()
    for name, value in theirs.neck.state_dict().items():
        assert torch.equal(taken[name], value)
    added = {
        name for name in before if 'layers.' in name or 'scenes.' in name or 'architecture' in name
    }
    assert missing in (None, added)
    assert all(torch.equal(after[name], before[name]) for name in added)
    # and its own loads completely
    copy = Model(wrap())
    copy.load_state_dict(ours.state_dict())
    x = maps()
    for a, b in zip(ours.neck(x), copy.neck(x), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    'arguments, message',
    [
        (
            dict(neck=None),
            '`channels` of `SearchableNeck` must name the widths of the maps of the backbone',
        ),
        (dict(neck=SSD), 'the maps of `SSDNeck`, which does not tell them'),
        (dict(neck=FPN, depth=0), '`depth` must be 1 or more, but got 0'),
        (dict(neck=FPN, levels=[3]), '`levels` must be indices of the 3 maps, 0 to 2'),
        (dict(neck=FPN, genotype=['conv_3x3']), r'has 3 names \(map_0_0, map_1_0, map_2_0\)'),
        (dict(neck=FPN, genotype=['skip_connect'] * 3), 'no candidate of the space `high_level`'),
    ],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SearchableNeck(**arguments)


def test_other_widths_than_the_necks_are_refused():
    with pytest.raises(ValueError, match='`SearchableNeck` takes 2 maps, but got 3'):
        SearchableNeck(FPN, (4, 4))(maps())
