"""The searched extra layers of SSD: mmdet's neck with its own layers, RUAS's detector with the published ones."""

import pytest
import torch
from test_models.test_necks import decided
from torch import nn

pytest.importorskip('mmdet')

from mmdet.models.necks import SSDNeck  # noqa: E402

from llv.models.necks import SearchableSSDNeck  # noqa: E402
from llv.models.necks.searched_extra_neck import SearchedExtraNeck  # noqa: E402

# SSD300 and SSD512 of narrow widths, and their maps
SSD300 = dict(
    in_channels=(4, 8), out_channels=(4, 8, 4, 6, 4, 4), level_strides=(2, 2, 1, 1), level_paddings=(1, 1, 0, 0)
)  # fmt: skip
SSD512 = dict(
    in_channels=(4, 8), out_channels=(4, 8, 4, 4, 4, 4, 4), level_strides=(2, 2, 2, 2, 1),
    level_paddings=(1, 1, 1, 1, 1), last_kernel_size=4,
)  # fmt: skip
PUBLISHED = dict(
    in_channels=(256, 512, 512, 1024), out_channels=(256, 512, 512, 1024, 512, 256), level_strides=(2, 2),
    level_paddings=(1, 1), l2_norm_scale=None,
)  # fmt: skip
MMDET = ('conv_1x1', 'conv_3x3')


def maps(*sizes, channels=(4, 8)):
    return [torch.randn(1, c, *size) for c, size in zip(channels, sizes, strict=True)]


@pytest.mark.parametrize('sizes', [((38, 38), (19, 19)), ((41, 52), (20, 26))])
def test_with_the_layers_of_mmdet_it_is_mmdets_neck(sizes):
    ours, theirs = SearchableSSDNeck(**SSD300, genotype=MMDET * 4), SSDNeck(**SSD300)
    theirs.init_weights()
    ours.load_state_dict(theirs.state_dict())
    x = maps(*sizes)
    for a, b in zip(ours(x), theirs(x), strict=True):
        torch.testing.assert_close(a, b)


def test_supernet_keeps_the_map_sizes_of_ssd300_and_ssd512():
    for setting, sizes, expected in (
        (SSD300, ((38, 38), (19, 19)), [38, 19, 10, 5, 3, 1]),
        (SSD512, ((64, 64), (32, 32)), [64, 32, 16, 8, 4, 2, 1]),
    ):
        neck = SearchableSSDNeck(**setting)
        found = neck(maps(*sizes))
        assert [m.shape[2:] for m in found] == [(s, s) for s in expected]
        assert tuple(m.shape[1] for m in found) == setting['out_channels']
        assert all(m.min() >= 0 for m in found[2:])


def test_small_and_odd_maps_never_vanish():
    found = SearchableSSDNeck(**SSD300)(maps((5, 3), (3, 2)))
    assert [tuple(m.shape[2:]) for m in found] == [(5, 3), (3, 2), (2, 1), (1, 1), (1, 1), (1, 1)]
    assert all(m.isfinite().all() for m in found)


def test_published_detector_has_the_parameters_of_its_release():
    with torch.device('meta'):
        neck = SearchableSSDNeck(**PUBLISHED, genotype='ruas-darkface')
    assert decided.count(neck) == 22_774_912
    assert list(neck.genotype) == ['extra_0', 'extra_1', 'extra_2', 'extra_3']


def test_published_layers_compute_what_the_port_of_the_release_computes():
    setting = dict(PUBLISHED, in_channels=(4, 4, 4, 8), out_channels=(4, 4, 4, 8, 6, 4))
    ours = SearchableSSDNeck(**setting, genotype='ruas-darkface')
    theirs = SearchedExtraNeck(tuple(ours.genotype.values()), 8, (3, 6, 2, 4))
    # the order of the layers is that of the keys
    state = dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True))
    ours.load_state_dict(state)
    x = maps((40, 30), (20, 15), (10, 8), (5, 4), channels=(4, 4, 4, 8))
    for a, b in zip(ours(x), theirs(x), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('norm', [None, dict(type='GN', num_groups=1)])
def test_supernet_that_has_decided_is_the_derived_network(seed, norm):
    def build(genotype=None):
        return SearchableSSDNeck(**SSD300, genotype=genotype, norm_cfg=norm)

    supernet = decided.decide(build(), seed)
    supernet.init_weights()
    decided.same_outputs(supernet, build, maps((21, 14), (11, 7)))


def test_supernet_has_ten_candidates_an_edge_and_one_row_of_alpha_each():
    neck = SearchableSSDNeck(**SSD300)
    # 1, 3, 5, 7 dense, 3, 5, 7 of dilation 2, three times 3 of 6, 12, 18
    taps = 1 + 9 + 25 + 49 + 9 + 25 + 49 + 3 * 9
    edges = [(8, 2), (2, 4), (4, 3), (3, 6), (6, 2), (2, 4), (4, 2), (2, 4)]
    assert decided.count(neck) == sum(a * b * taps + 10 * b for a, b in edges) + 4 + 8 * 10
    assert [p.shape for p in neck.arch_parameters()] == [(8, 10)]


def test_every_weight_and_every_alpha_gets_a_gradient():
    torch.manual_seed(0)
    neck = SearchableSSDNeck(**SSD300)
    for block in neck.modules():
        if isinstance(block, nn.Conv2d):
            block.bias.data.add_(0.5)  # no ReLU is dead
    sum(m.square().sum() for m in neck(maps((38, 38), (19, 19)))).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in neck.parameters())
    assert (neck.architecture.arch_alpha.grad != 0).all()


def test_the_first_map_is_normalised_before_any_initialisation_too():
    for neck in (SearchableSSDNeck(**SSD300), SearchableSSDNeck(**SSD300, l2_norm_scale=3.0)):
        x = maps((8, 8), (4, 4))
        scale = neck.l2_norm.scale
        for _ in range(2):
            assert torch.allclose(neck(x)[0].norm(dim=1), torch.full((1, 8, 8), float(scale)))
            neck.init_weights()


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(out_channels=(8, 4, 4, 6, 4, 4)), '`out_channels` must begin with `in_channels`'),
        (dict(level_strides=(2, 2, 1)), '`level_strides` and `level_paddings` must have one number for each of the 4'),
        (dict(genotype=MMDET), r'A genotype of this `ssd_neck` has 8 names'),
        (dict(genotype='ruas-darkface'), 'names nothing for the edge `extra_4`'),
        (dict(genotype='ruas-scene'), 'ssd_neck'),
    ],
)  # fmt: skip
def test_bad_input_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        SearchableSSDNeck(**{**SSD300, **change})


def test_other_numbers_of_maps_are_refused():
    with pytest.raises(ValueError, match='`SearchableSSDNeck` takes 2 maps, but got 1'):
        SearchableSSDNeck(**SSD300)(maps((8, 8), (4, 4))[:1])
