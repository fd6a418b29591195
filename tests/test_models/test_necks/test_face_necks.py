"""The necks of the face detectors: closed forms, reach of their convolutions, order of their parts.

Their numbers as a whole are compared where the published layouts are, in ``test_convert_detectors.py``.
"""

import pytest
import torch
from torch import nn

pytest.importorskip('mmdet')

from llv.models.necks import (  # noqa: E402
    ContextNeck,
    ContextPredictModule,
    DualShotNeck,
    FaceExtraNeck,
    FEMNeck,
    L2NormNeck,
    NeckChain,
    NeighbourProduct,
    ProductFPN,
    ReleaseFEM,
    ThreeBranchFEM,
)
from llv.registry import MODELS  # noqa: E402


def constant_maps(values, channels=8):
    """Maps of size 16, 8, 4 … that hold one number each."""
    return [torch.full((1, channels, 16 >> i, 16 >> i), float(v)) for i, v in enumerate(values)]


def make_identity(module):
    """1×1 convolutions of as many channels in as out that change nothing."""
    for conv in module.modules():
        if isinstance(conv, nn.Conv2d):
            nn.init.dirac_(conv.weight)
            nn.init.zeros_(conv.bias)
    return module


def reach(module, channels, out):
    """How far, in pixels, output channel ``out`` at the centre of a 41 × 41 map sees."""
    x = torch.zeros(1, channels, 41, 41, requires_grad=True)
    module(x)[0, out, 20, 20].backward()
    rows = x.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    return int(rows.max()) - 20 if len(rows) else None


def make_positive(module):
    """No ReLU closes and nothing cancels, so that reach is what the taps allow."""
    for parameter in module.parameters():
        parameter.data.abs_().add_(0.01)
    return module


# ------------------------------------------------------------------ L2 normalisation


def test_l2_norm_gives_each_vector_its_scale_as_length():
    neck = L2NormNeck([8, 16, 24])
    maps = [torch.randn(2, c, 5, 4) for c in (8, 16, 24, 32)]
    *normalised, last = neck(maps)
    for m, scale in zip(normalised, (10, 8, 5), strict=True):
        assert torch.allclose(m.norm(dim=1), torch.full((2, 5, 4), float(scale)))
    assert last is maps[3]


def test_l2_norm_has_its_scales_without_any_initialisation():
    for scale, norm in zip((3.0, 2.0), L2NormNeck([4, 6], [3, 2]).norms, strict=True):
        assert (norm.weight == scale).all()


def test_gradients_through_dead_cells_are_finite():
    x = torch.zeros(1, 8, 2, 2, requires_grad=True)
    y = L2NormNeck([8], [10])([torch.relu(x - 1)])[0]
    y.sum().backward()
    assert not y.any() and x.grad.isfinite().all()


def test_l2_norm_wants_a_scale_for_each_map():
    with pytest.raises(ValueError, match='`in_channels` and `scales`'):
        L2NormNeck([8, 8], [10])


# ---------------------------------------------------------------------- extra levels


@pytest.mark.parametrize('batch_norm', [False, True])
def test_extra_levels_halve_and_keep_what_came_in(batch_norm):
    neck = FaceExtraNeck(8, (4, 2), (16, 8), batch_norm)
    maps = [torch.randn(2, 4, 40, 40), torch.randn(2, 8, 21, 13)]
    *came, sixth, seventh = neck(maps)
    assert all(a is b for a, b in zip(came, maps, strict=True))
    assert sixth.shape == (2, 16, 11, 7) and seventh.shape == (2, 8, 6, 4)
    assert sixth.min() == 0 and seventh.min() == 0  # after their ReLU
    convs = {f'convs.{i}.{part}' for i in range(4) for part in ('weight', 'bias')}
    norms = {name for name in neck.state_dict() if name.startswith('norms.')}
    assert set(neck.state_dict()) - norms == convs
    assert len(norms) == (20 if batch_norm else 0)


def test_extra_levels_want_both_widths():
    with pytest.raises(ValueError, match='`mid_channels` and `out_channels`'):
        FaceExtraNeck(8, (4,), (16, 8))


# -------------------------------------------------------------------------- pyramids


def test_the_pyramid_multiplies_all_the_way_down_from_its_top_level():
    neck = make_identity(ProductFPN([8] * 5, top_level=3))
    found = [m.unique().item() for m in neck(constant_maps([2, 3, 5, 7, 11]))]
    assert found == pytest.approx([2 * 3 * 5 * 7, 3 * 5 * 7, 5 * 7, 7, 11])


def test_neighbours_are_multiplied_once():
    neck = make_identity(NeighbourProduct([8] * 4))
    found = [m.unique().item() for m in neck(constant_maps([2, 3, 5, 7]))]
    assert found == pytest.approx([2 * 3, 3 * 5, 5 * 7, 7])


def test_relus_close_where_the_upper_map_or_the_product_is_negative():
    with_relu = make_identity(ProductFPN([8] * 3, top_level=2, relu=True, top_conv=True))
    assert [m.unique().item() for m in with_relu(constant_maps([2, 3, -1]))] == [0, 0, 0]
    assert [m.unique().item() for m in with_relu(constant_maps([-2, 3, 5]))] == [0, 15, 5]
    without = make_identity(ProductFPN([8] * 3, top_level=2))
    assert [m.unique().item() for m in without(constant_maps([-2, 3, -1]))] == [6, -3, -1]


@pytest.mark.parametrize('align_corners', [False, True])
def test_corners_are_aligned_on_demand(align_corners):
    neck = make_identity(ProductFPN([1, 1], top_level=1, align_corners=align_corners))
    low, top = torch.ones(1, 1, 1, 4), torch.tensor([[[[0.0, 3.0]]]])
    found = neck([low, top])[0].flatten().tolist()
    assert found == pytest.approx([0, 1, 2, 3] if align_corners else [0, 0.75, 2.25, 3])


def test_maps_of_odd_sizes_meet():
    neck = ProductFPN([8, 8, 8], top_level=2)
    maps = [torch.randn(1, 8, *size) for size in ((27, 33), (14, 17), (7, 8))]
    assert [m.shape for m in neck(maps)] == [m.shape for m in maps]


def test_the_top_level_is_one_of_the_maps():
    with pytest.raises(ValueError, match='`top_level` must be a level of `in_channels` above 0'):
        ProductFPN([8, 8], top_level=2)


# ----------------------------------------------------- enhancement and context modules


def test_the_parts_of_the_release_see_3_7_and_11_pixels():
    fem = make_positive(ReleaseFEM(4, 16))
    x = torch.rand(1, 4, 9, 9)
    assert fem(x).shape == (1, 16, 9, 9)
    assert [reach(fem, 4, out) for out in (0, 7, 8, 11, 12, 15)] == [1, 1, 3, 3, 5, 5]


@pytest.mark.parametrize('split', [True, False])
def test_branches_of_dilation_3_see_7_13_and_19_pixels(split):
    fem = make_positive(ThreeBranchFEM(9, split))
    assert [reach(fem, 9, out) for out in range(9)] == [3, 3, 3, 6, 6, 6, 9, 9, 9]


@pytest.mark.parametrize('channels', [9, 10, 11, 256, 512])
def test_thirds_add_up_to_the_channels(channels):
    for split in (True, False):
        with torch.device('meta'):
            fem = ThreeBranchFEM(channels, split)
        assert sum(fem.widths) == channels and max(fem.widths) - min(fem.widths) <= 2
    assert fem.widths[:2] == [channels // 3] * 2


def test_a_branch_of_the_paper_sees_its_third_only():
    fem = make_positive(ThreeBranchFEM(9, split=True))
    x = torch.rand(1, 9, 21, 21)
    before = fem(x)
    x[:, 3:6] += 1
    changed = (fem(x) != before).flatten(2).any(-1)[0].tolist()
    assert changed == [False] * 3 + [True] * 3 + [False] * 3


def test_the_forms_of_the_enhancement_are_three():
    maps = [torch.randn(1, c, 6, 6) for c in (8, 16)]
    assert [m.shape[1] for m in FEMNeck([8, 16], 'release', 32)(maps)] == [32, 32]
    for form in ('paper', 'community'):
        assert [m.shape[1] for m in FEMNeck([8, 16], form)(maps)] == [8, 16]
    with pytest.raises(ValueError, match="`form` must be 'release', 'paper' or 'community'"):
        FEMNeck([8], 'vgg')


def test_the_context_of_a_cell_is_5_7_and_9_pixels_wide():
    # one pixel from the residual block, and one, two or three from the three ways
    module = make_positive(ContextPredictModule(4, 16)).eval()
    assert module(torch.rand(1, 4, 9, 9)).shape == (1, 16, 9, 9)
    assert [reach(module, 4, out) for out in (0, 7, 8, 11, 12, 15)] == [2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize(
    'neck, count, sentence',
    [
        (lambda: FEMNeck([8] * 3, 'paper'), 2, '`FEMNeck` takes 3 maps, but got 2'),
        (lambda: ContextNeck([8] * 3, 16), 4, '`ContextNeck` takes 3 maps, but got 4'),
        (lambda: NeighbourProduct([8] * 3), 2, '`NeighbourProduct` takes 3 maps, but got 2'),
        (lambda: ProductFPN([8] * 4, 3), 3, '`ProductFPN` takes at least 4 maps, but got 3'),
        (lambda: L2NormNeck([8, 8], [2, 1]), 1, '`L2NormNeck` takes at least 2 maps, but got 1'),
    ],
)
def test_another_number_of_maps_is_told(neck, count, sentence):
    with pytest.raises(ValueError, match=f'{sentence}; let what stands before it'):
        neck()(constant_maps([1.0] * count))


# ---------------------------------------------------------------------------- chains


@MODELS.register_module(name='AddOne', force=True)
class AddOne(nn.Module):
    def __init__(self, times=1):
        super().__init__()
        self.times = times
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, maps):
        return tuple(self.times * (m + 1) for m in maps)


def test_parts_of_a_chain_are_called_in_their_order_and_named_in_the_checkpoint():
    chain = NeckChain(b=dict(type='llv.AddOne', times=3), a=dict(type='llv.AddOne', times=5))
    assert [m.item() for m in chain([torch.tensor(0.0)])] == [5 * (3 * 1 + 1)]
    assert list(chain.state_dict()) == ['b.weight', 'a.weight']


def test_two_shots_are_the_enhanced_maps_of_the_original_ones_and_those_behind():
    neck = DualShotNeck(dict(type='llv.AddOne', times=2), dict(type='llv.AddOne', times=7))
    found = [m.item() for m in neck([torch.tensor(0.0), torch.tensor(1.0)])]
    assert found == [7 * 3, 7 * 5, 2, 4]


def test_the_first_shot_alone_sees_the_normalised_maps():
    one, two, three = (dict(type='llv.AddOne', times=n) for n in (2, 7, 3))
    found = [m.item() for m in DualShotNeck(one, two, norm=three)([torch.tensor(0.0)])]
    assert found == [7 * 3, 3 * 3]
