"""The scene module on feature maps: the published one on pictures, bounded and equivariant on anything else."""

import subprocess
import sys
import textwrap

import pytest
import torch
from test_models.test_necks import decided
from torch import nn

pytest.importorskip('mmcv.ops')

from llv.models.enhancers.scene_module import SceneModule  # noqa: E402
from llv.models.necks.scene_neck import SceneNeck  # noqa: E402
from llv.registry import MODELS  # noqa: E402
from llv.search.searchable import arch_parameters, searchable_modules, weight_parameters  # noqa: E402
from llv.utils.environment import has_mmseg  # noqa: E402

PUBLISHED = 'ruas-scene'
FPN = dict(type='mmdet.FPN', in_channels=[6, 8], out_channels=4, num_outs=3)


def maps(seed=0, factor=1.0):
    torch.manual_seed(seed)
    return [factor * torch.randn(2, 6, 9, 7), factor * torch.randn(2, 8, 5, 4)]


def build(**kwargs):
    torch.manual_seed(0)
    return SceneNeck(**{**dict(in_channels=(6, 8), genotype=PUBLISHED), **kwargs})


def wild(neck):
    """Weights that no training would leave behind."""
    for parameter in neck.parameters():
        nn.init.normal_(parameter, std=30)
    return neck


@pytest.mark.parametrize('genotype', [PUBLISHED, None])
@pytest.mark.parametrize('warm_start', ['rectified', 'update'])
@pytest.mark.parametrize('t_min', [1e-4, 0.45])
def test_pictures_get_what_the_scene_module_gives(genotype, warm_start, t_min):
    torch.manual_seed(0)
    scene = SceneModule(genotype, stages=3, t_min=t_min, warm_start=warm_start)
    neck = SceneNeck((3,), None, genotype, width=None, t_min=t_min, warm_start=warm_start)
    own = {name: value for name, value in scene.state_dict().items() if name != 't_min'}
    names = {name: name.replace('stages.', 'scenes.0.') for name in own}
    neck.load_state_dict({names[name]: value for name, value in own.items()})
    y = torch.rand(2, 3, 17, 12) ** 3
    y[:, 0, 3, 3] = 1  # a lamp each, so that the range is that of a picture
    u, _ = scene(y)
    assert (u == 1).float().mean() > 0.05 and (u < 1).any()  # both sides of the clip
    torch.testing.assert_close(neck([y])[0], u, rtol=1e-6, atol=1e-6)


def test_ranges_signs_and_zeros_stay_whatever_the_weights_are():
    x = [torch.relu(maps()[0]), maps()[1]]
    for neck in (build(), wild(build()), wild(build(genotype=None, width=None))):
        for before, after in zip(x, neck(x), strict=True):
            assert after.shape == before.shape and after.isfinite().all()
            assert torch.equal(after.sign(), before.sign())
            assert (after.abs() >= before.abs() * (1 - 1e-6)).all()
            assert (after.abs().amax((1, 2, 3)) <= before.abs().amax((1, 2, 3)) * (1 + 1e-6)).all()


def test_a_map_that_is_larger_gives_a_result_as_much_larger():
    neck = build()
    for factor in (1e-6, 7.0, 1e6):
        for a, b in zip(neck(maps(factor=factor)), neck(maps()), strict=True):
            torch.testing.assert_close(a, factor * b, rtol=1e-4, atol=1e-6 * factor)


def test_dark_maps_and_maps_of_zeros_have_finite_gradients():
    for factor in (0.0, 1e-30, 1e30):
        x = [m.requires_grad_() for m in maps(factor=factor)]
        neck = wild(build())
        sum(m.sum() for m in neck(x)).backward()
        assert all(m.grad.isfinite().all() for m in x)
        assert all(p.grad.isfinite().all() for p in neck.parameters())


@pytest.mark.parametrize('bias', [-50.0, -8.6])  # t is t_min, and a little more
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_is_kept_and_has_finite_gradients_at_the_largest_gains(dtype, bias):
    neck = build()
    for scenes in neck.scenes:
        for stage in scenes:
            stage.head.weight.data.mul_(0.01)
            stage.head.bias.data.fill_(bias)
    x = [m.to(dtype).requires_grad_() for m in maps()]
    with torch.autocast('cpu', dtype=dtype):
        found = neck(x)
        sum(m.float().sum() for m in found).backward()
    assert all(m.dtype == dtype and m.isfinite().all() for m in found)
    assert all(m.grad.isfinite().all() for m in x)
    assert all(p.grad.isfinite().all() for p in neck.parameters())


def test_a_sample_does_not_see_its_batch():
    neck = build()
    x = maps()
    for index in range(2):
        single = neck([m[index : index + 1] for m in x])
        for a, b in zip(single, neck(x), strict=True):
            torch.testing.assert_close(a[0], b[index])


@pytest.mark.skipif(not has_mmseg(), reason='mmseg or mmcv.ops is not installed')
def test_segmentation_has_it_without_mmdet():
    code = textwrap.dedent("""
        from importlib.machinery import PathFinder
        find = PathFinder.find_spec
        def find_spec(name, path=None, target=None):
            return None if name.split('.')[0] == 'mmdet' else find(name, path, target)
        PathFinder.find_spec = find_spec
        from llv.models import necks
        from llv.registry import MODELS
        print('llv.models.necks' in MODELS._task_locations['mmseg'], *MODELS.module_dict)
    """)
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    registered, *names = done.stdout.split()
    assert registered == 'True' and {'SceneNeck', 'SearchableNeck'} < set(names)
    assert 'SearchableSSDNeck' not in names


def test_single_pixels_pass():
    assert [m.shape for m in build()([torch.randn(1, 6, 1, 1), torch.randn(1, 8, 1, 3)])] == [
        (1, 6, 1, 1), (1, 8, 1, 3),
    ]  # fmt: skip


def cell_parameters(width):
    """skip, 1-RC, 3-2-RDC, 3-C, 3-C, skip, 3-C and the fusing 1×1."""
    return (width * width + width) + 4 * (9 * width * width + width) + (4 * width * width + width)


def mixed_cell_parameters(width):
    """Seven edges of two 1×1 and four 3×3, and the fusing 1×1."""
    edge = 2 * (width * width + width) + 4 * (9 * width * width + width)
    return 7 * edge + 4 * width * width + width


def test_parameters_counted_by_hand():
    assert (
        decided.count(SceneNeck((3,), None, PUBLISHED, width=None)) == 1_161
    )  # the published module's
    assert decided.count(SceneNeck((3,), width=None)) == 7_677 + 49
    around = sum(c * 16 + 16 + 16 * c + c for c in (6, 8))
    assert decided.count(build()) == 3 * (around + 2 * cell_parameters(16))
    assert decided.count(build(stages=2)) == 2 * (around + 2 * cell_parameters(16))
    supernet = build(genotype=None)
    assert decided.count(supernet) == 3 * (around + 2 * mixed_cell_parameters(16)) + 49
    assert [p.numel() for p in supernet.arch_parameters()] == [49]
    assert len(arch_parameters(supernet)) == 1 and not arch_parameters(build())
    assert sum(p.numel() for p in weight_parameters(supernet)) + 49 == decided.count(supernet)
    assert list(searchable_modules(supernet)) == ['']
    # the inner neck's are its own
    inner = MODELS.build(FPN)
    assert decided.count(build(neck=FPN)) == decided.count(build()) + decided.count(inner)


def test_genotypes_of_the_scene_module_fit_and_others_do_not():
    neck = build()
    assert neck.derive()['module'] == 'scene_module' and build(genotype=neck.derive()).genotype
    assert SceneModule(tuple(neck.genotype.values()))
    with pytest.raises(ValueError, match='noise_removal'):
        build(genotype='ruas-noise-journal')


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('width', [None, 5])
def test_supernet_that_has_decided_is_the_derived_network(seed, width):
    def same(genotype=None):
        return SceneNeck((6, 8), genotype=genotype, width=width, neck=FPN)

    supernet = decided.decide(same(), seed)
    supernet.init_weights()
    decided.same_outputs(supernet, same, maps())


def test_levels_that_are_not_chosen_pass_as_they_are():
    neck = build(levels=[-1])
    x = maps()
    first, last = neck(x)
    assert first is x[0] and not torch.equal(last, x[1])
    assert {name.split('.')[1] for name in neck.state_dict()} == {'1'}


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(levels=[2]), '`levels` must be indices of the 2 maps, 0 to 1'),
        (dict(levels=[]), '`levels` must be indices'),
        (dict(stages=0), '`stages` must be at least 1'),
        (dict(t_min=0), '`t_min` must lie between 0 and 1'),
        (dict(warm_start='fixed'), '`warm_start` must be one of rectified, update'),
        (dict(genotype=['skip_connect']), 'has 7 names'),
    ],
)
def test_bad_input_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        build(**change)


def test_other_numbers_of_maps_are_refused():
    with pytest.raises(ValueError, match='`SceneNeck` takes 2 maps, but got 3'):
        build()([*maps(), maps()[0]])
