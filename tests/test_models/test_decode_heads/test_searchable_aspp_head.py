"""The searched head of DeepLabv3+: mmseg's atrous pyramid with its own layers, everything else mmseg's; and training
of the whole network with searched necks and heads."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from test_models.test_necks import decided

pytest.importorskip('mmseg')
from mmseg.models.decode_heads import DepthwiseSeparableASPPHead  # noqa: E402
from mmseg.models.decode_heads.aspp_head import ASPPModule  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402

from llv.models.decode_heads import SearchableASPPHead  # noqa: E402
from llv.registry import MODELS  # noqa: E402
from llv.search.searchable import searchable_modules  # noqa: E402

SMALL = Path(__file__).parents[3] / 'configs/_base_/models/deeplabv3plus_small.py'
NORM = dict(type='GN', num_groups=2)
HEAD = dict(
    in_channels=12, in_index=1, channels=6, c1_in_channels=4, c1_channels=2, dropout_ratio=0.0, num_classes=5,
    norm_cfg=NORM, align_corners=False, loss_decode=dict(type='mmseg.CrossEntropyLoss', use_sigmoid=False),
)  # fmt: skip
PYRAMID = ('conv_1x1', 'dilconv_3x3_6', 'dilconv_3x3_12', 'dilconv_3x3_18')
GENOTYPE = ('conv_7x7', 'dilconv_5x5', 'dilconv_3x3', 'conv_3x3')
TAPS = 1 + 9 + 25 + 49 + 9 + 25 + 49 + 9 + 9 + 9


def head(genotype=None, **changes):
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmseg'):
        return SearchableASPPHead(**{**HEAD, 'reduction': 4, **changes}, genotype=genotype)


def theirs(**changes):
    with DefaultScope.overwrite_default_scope('mmseg'):
        return DepthwiseSeparableASPPHead(**{**HEAD, **changes})


def maps(size=(9, 7)):
    torch.manual_seed(0)
    return [torch.randn(2, 4, 17, 13), torch.randn(2, 12, *size)]


def test_with_the_layers_of_deeplab_it_computes_its_pyramid():
    # rates 12, 24, 36 are those of mmseg at output stride 8
    ours = head(PYRAMID, reduction=None, dilation_scale=2).aspp_modules
    with DefaultScope.overwrite_default_scope('mmseg'):
        pyramid = ASPPModule((1, 12, 24, 36), 12, 6, None, NORM, dict(type='ReLU'))
    for branch, block in zip(ours.branches, pyramid, strict=True):
        assert branch[0].conv.dilation == block.conv.dilation
        block.conv.weight.data = branch[0].conv.weight.data
        block.conv.bias = branch[0].conv.bias
    x = maps((40, 38))[1]
    for a, b in zip(ours(x), pyramid(x), strict=True):
        assert a.min() >= 0
        torch.testing.assert_close(a, b)


def test_checkpoint_of_deeplab_loads_everywhere_but_in_the_searched_part():
    for genotype in (GENOTYPE, None):
        ours, published = head(genotype, dilations=(1, 12, 24, 36)), theirs()
        report = ours.load_state_dict(published.state_dict(), strict=False)
        assert all(name.startswith('aspp_modules.') for name in report.unexpected_keys)
        added = ('aspp_modules.', 'architecture.')
        assert report.missing_keys and all(n.startswith(added) for n in report.missing_keys)
        # what follows the branches is mmseg's to the last digit, so equal branches give equal results
        branches = [torch.randn(2, 6, 9, 7) for _ in range(4)]
        for module in (ours, published):
            module.aspp_modules.forward = lambda x, branches=branches: branches
            module.eval()
        assert torch.equal(ours(maps()), published(maps()))


def test_parameters_of_the_setting_in_the_specification():
    wide = dict(
        in_channels=2048,
        channels=512,
        in_index=3,
        c1_in_channels=256,
        c1_channels=48,
        num_classes=19,
    )
    wide['norm_cfg'] = dict(type='BN')
    with torch.device('meta'):
        supernet = head(**wide, reduction=256)
        fixed = head(PYRAMID, **wide, reduction=256)
        single = head(None, **wide, reduction=None, dilations=(1,))
    rest = {name: decided.count(getattr(fixed, name)) for name in (
        'image_pool', 'bottleneck', 'c1_bottleneck', 'sep_bottleneck', 'conv_seg',
    )}  # fmt: skip
    assert list(rest.values()) == [1_049_600, 11_797_504, 12_384, 562_704, 9_747]
    reduction = 2048 * 256 + 2 * 256
    edge = 256 * 512 * TAPS + 10 * 512
    assert decided.count(supernet.aspp_modules) == reduction + 4 * (edge + 2 * 512)
    assert round(256 * 512 * TAPS, -6) == 25_000_000  # M each, instead of 203
    assert decided.count(fixed.aspp_modules) == (
        reduction + 256 * 512 * (1 + 9 + 9 + 9) + 4 * 512 + 4 * 2 * 512
    )
    assert decided.count(single.aspp_modules) == 2048 * 512 * TAPS + 10 * 512 + 2 * 512
    assert [p.shape for p in supernet.arch_parameters()] == [(4, 10)]


@pytest.mark.parametrize('depth', [1, 2])
@pytest.mark.parametrize('reduction', [None, 4])
def test_supernet_that_has_decided_is_the_derived_network(depth, reduction):
    def build(genotype=None):
        return head(genotype, depth=depth, reduction=reduction, dilation_scale=2)

    for seed in range(3):
        supernet = decided.decide(build(), seed)
        supernet.init_weights()
        decided.same_outputs(supernet, build, maps())


@pytest.mark.parametrize('size', [(1, 1), (2, 3), (9, 7)])
def test_maps_of_any_size_keep_it(size):
    branches = head(depth=2).aspp_modules(maps(size)[1])
    assert [b.shape for b in branches] == [(2, 6, *size)] * 4
    assert head()(maps(size)).shape == (2, 5, 17, 13)


def test_as_many_branches_as_dilations():
    module = head(dilations=(1, 2), depth=2)
    assert module.architecture.edges == ('branch_0_0', 'branch_0_1', 'branch_1_0', 'branch_1_1')
    assert module.bottleneck.conv.in_channels == 3 * 6
    assert module(maps()).shape == (2, 5, 17, 13)


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(depth=0), '`depth` must be 1 or more'),
        (dict(genotype=GENOTYPE[:3]), 'has 4 names'),
        (dict(genotype=('skip_connect',) * 4), 'no candidate of the space `high_level`'),
        (dict(genotype='ruas-darkface'), 'holds no genotype of a `aspp_head`'),
        (dict(dilation_scale=0), '`dilation_scale`'),
    ],
)
def test_bad_input_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        head(**change)


# ------------------------------------------------------------------ whole network


def network(neck=None, **changes):
    """The small DeepLabv3+ of the base configs for 48 px, with one picture a step."""
    model = deepcopy(Config.fromfile(SMALL).model)
    model.data_preprocessor.size = (48, 48)
    norm = dict(type='GN', num_groups=4)
    for part in ('backbone', 'decode_head', 'auxiliary_head'):
        model[part].norm_cfg = norm
    model.decode_head.update(changes)
    if neck is not None:
        model.neck = neck
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(model)
    model.init_weights()
    return model.train()


def batch():
    torch.manual_seed(1)
    sample = SegDataSample(metainfo=dict(img_shape=(48, 48), ori_shape=(48, 48)))
    sample.gt_sem_seg = PixelData(data=torch.randint(0, 6, (1, 48, 48)))
    picture = torch.randint(0, 60, (3, 48, 48), dtype=torch.uint8)
    return dict(inputs=[picture], data_samples=[sample])


def scene(genotype):
    return dict(type='llv.SceneNeck', in_channels=(24, 48, 96), genotype=genotype, width=4)


def behind(genotype):
    return dict(
        type='llv.SearchableNeck',
        neck=None,
        channels=(24, 48, 96),
        genotype=genotype,
        levels=(0, 2),
    )


ASPP = dict(type='llv.SearchableASPPHead', reduction=16)
NETWORKS = {
    'scene module, fixed': (scene('ruas-scene'), {}, []),
    'scene module, supernet': (scene(None), {}, ['neck']),
    'behind the backbone, fixed': (behind(GENOTYPE[:2]), {}, []),
    'behind the backbone, supernet': (behind(None), {}, ['neck']),
    'branches, fixed': (None, dict(ASPP, genotype=GENOTYPE), []),
    'branches, supernet': (None, ASPP, ['decode_head']),
    'scene module and branches, supernets': (scene(None), ASPP, ['decode_head', 'neck']),
}


@pytest.mark.parametrize('name', NETWORKS)
def test_deeplabv3plus_trains_two_iterations_and_predicts(name):
    neck, changes, searched = NETWORKS[name]
    model = network(neck, **changes)
    assert sorted(searchable_modules(model)) == searched
    before = {name: value.clone() for name, value in model.named_parameters()}
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 1e-2))
    grads = set()
    for parameter_name, parameter in model.named_parameters():
        parameter.register_hook(lambda grad, name=parameter_name: grads.add(name))
    for _ in range(2):
        losses = model.train_step(batch(), wrapper)
        assert losses['loss'] > 0 and all(value.isfinite().all() for value in losses.values())
    assert grads == set(before)
    for name, value in model.named_parameters():
        assert value.isfinite().all()
        assert 'arch_' not in name or not torch.equal(value, before[name])
    with torch.no_grad():
        assert model.eval().test_step(batch())[0].pred_sem_seg.shape == (48, 48)


def test_small_checkpoint_without_a_neck_loads_behind_one():
    plain, ours = network(), network(scene('ruas-scene'))
    report = ours.load_state_dict(plain.state_dict(), strict=False)
    assert not report.unexpected_keys and all(n.startswith('neck.') for n in report.missing_keys)
