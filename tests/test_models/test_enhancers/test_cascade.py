"""Enhancers one behind the other."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from llv.engine.hooks.random_enhancer_hook import RandomEnhancerHook
from llv.models.enhancers.base import BaseEnhancer, Enhancement
from llv.models.enhancers.cascade import Cascade
from llv.models.enhancers.psenet import PSENet
from llv.registry import MODELS


@MODELS.register_module()
class CascadeToy(BaseEnhancer):
    """Looks `reach` pixels far and repeats each pixel `scale` times; a map of its own size."""

    def __init__(self, reach, scale=1, minimum_size=1):
        super().__init__()
        self.scale, self.minimum_size = scale, minimum_size
        self.receptive_field = None if reach is None else 2 * reach + 1
        self.reach = reach or 0

    def enhance(self, images):
        self.seen = images.shape[-2:]
        around = F.avg_pool2d(images, 2 * self.reach + 1, 1, self.reach)
        grown = around.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)
        return Enhancement(grown, dict(around=around))


def toy(reach, scale=1, minimum_size=1):
    return dict(type='llv.CascadeToy', reach=reach, scale=scale, minimum_size=minimum_size)


def gain(value):
    return dict(type='llv.FixedGain', gain=value)


def test_each_stage_gets_the_clamped_picture_of_the_one_before():
    images = torch.tensor([0.1, 0.4]).expand(1, 3, 1, 2)
    found = Cascade([gain(4.0), gain(0.5)])(images).image
    # 0.4 · 4 is cut to 1 before it is halved
    torch.testing.assert_close(found, torch.tensor([0.2, 0.5]).expand(1, 3, 1, 2))


def test_scales_multiply_and_maps_are_named_by_stage():
    cascade = Cascade([toy(1, 2), toy(0), toy(2, 2)])
    assert cascade.scale == 4
    found = cascade(torch.rand(2, 3, 5, 7))
    assert found.image.shape == (2, 3, 20, 28)
    shapes = {name: tuple(value.shape[-2:]) for name, value in found.maps.items()}
    assert shapes == {
        'stages.0.around': (5, 7), 'stages.1.around': (10, 14), 'stages.2.around': (10, 14)
    }  # fmt: skip


def test_small_pictures_are_padded_once_so_that_no_stage_has_to():
    cascade = Cascade([toy(0, 2, 3), toy(0, 2, 9), toy(0, 1, 13)])
    assert cascade.minimum_size == 5  # 3, 9 / 2 and 13 / 4, rounded up
    assert cascade(torch.rand(1, 3, 2, 6)).image.shape == (1, 3, 8, 24)
    assert [tuple(stage.seen) for stage in cascade.stages] == [(5, 6), (10, 12), (20, 24)]


@pytest.mark.parametrize(
    'reaches, scales, field', [((2, 1), (2, 1), 7), ((1, 3, 2), (1, 2, 1), 11)]
)
def test_it_sees_as_far_as_its_stages_together(reaches, scales, field):
    cascade = Cascade([toy(r, s) for r, s in zip(reaches, scales, strict=True)])
    assert cascade.receptive_field == field
    images = torch.rand(1, 3, 31, 31)
    before = cascade(images).image
    s, centre, depends = cascade.scale, 15, []
    for distance in range(field):
        changed = images.clone()
        changed[..., centre + distance] = 1 - changed[..., centre + distance]
        after = cascade(changed).image
        block = slice(s * centre, s * centre + s)
        depends.append(not torch.equal(after[..., block], before[..., block]))
    assert depends == [distance <= field // 2 for distance in range(field)]


def test_it_sees_everything_where_one_stage_does():
    assert Cascade([toy(1), toy(None), toy(1)]).receptive_field is None


def test_stages_keep_their_own_weights(tmp_path):
    torch.manual_seed(0)
    stages = [PSENet(), PSENet(width=0.5)]
    files = []
    for index, stage in enumerate(stages):
        files.append(str(tmp_path / f'{index}.pth'))
        torch.save(dict(state_dict=stage.state_dict()), files[-1])
    cascade = Cascade([dict(type='llv.PSENet', weights=file) for file in files]).eval()
    images = torch.rand(1, 3, 9, 8) * 0.2
    with torch.no_grad():
        expected = stages[1].eval()(stages[0].eval()(images).image).image
        assert torch.equal(cascade(images).image, expected)
    assert cascade.weights == '0.pth ⇒ 1.pth'
    # a checkpoint of the whole fills it too, also where the files are gone
    empty = Cascade([dict(type='llv.PSENet', weights=file) for file in files])
    gone = Cascade(
        [dict(type='llv.PSENet', width=w, weights=str(tmp_path / 'gone.pth')) for w in (1.0, 0.5)]
    )
    with pytest.raises(FileNotFoundError, match='`PSENet` has no weights'):
        gone(images)
    for twin in (empty, gone):
        twin.load_state_dict(cascade.state_dict())
        with torch.no_grad():
            assert torch.equal(twin.eval()(images).image, expected)


def test_the_stage_that_would_be_random_is_named(tmp_path):
    torch.save(dict(state_dict=PSENet().state_dict()), tmp_path / 'a.pth')
    known = dict(type='llv.PSENet', weights=str(tmp_path / 'a.pth'))

    def runner(*stages):
        return SimpleNamespace(model=nn.ModuleDict(dict(enhancer=Cascade(stages))))

    RandomEnhancerHook().before_test(runner(gain(2.0), known))
    RandomEnhancerHook().before_test(runner(gain(2.0)))
    with pytest.raises(ValueError, match=r'`model.enhancer.stages.1` \(`PSENet`\) would be random'):
        RandomEnhancerHook().before_test(runner(known, dict(type='llv.PSENet')))


@pytest.mark.parametrize('stages', [[], (), dict(type='llv.PSENet')])
def test_what_is_no_list_of_stages_is_told(stages):
    with pytest.raises(ValueError, match='`stages` must be a list of one enhancer or more'):
        Cascade(stages)


def test_a_stage_that_is_wrong_is_told():
    with pytest.raises(ValueError, match='`FixedGain` takes no `gane`'):
        Cascade([dict(type='llv.FixedGain', gane=2.0)])
    with pytest.raises(TypeError, match='`Cascade` has no scene loss'):
        cascade = Cascade([gain(2.0)])
        cascade.loss(cascade(torch.rand(1, 3, 2, 2)), torch.rand(1, 3, 2, 2))


def test_gradients_reach_the_first_stage():
    cascade = Cascade([dict(type='llv.PSENet'), toy(1, 2)])
    cascade(torch.rand(1, 3, 8, 8) * 0.5).image.sum().backward()
    assert any(p.grad is not None and p.grad.any() for p in cascade.stages[0].parameters())


def test_it_is_exported_as_one_file(tmp_path):
    pytest.importorskip('onnx')
    pytest.importorskip('onnxruntime')
    pytest.importorskip('onnxscript')
    from llv.apis import export

    cascade = Cascade([gain(3.0), toy(1, 2, 4)]).eval()
    export.export_onnx(cascade, tmp_path / 'x.onnx')
    batches = list(export.check_batches(['4x9', '9x4'], 4).values())
    assert max(export.compare_onnx(cascade, tmp_path / 'x.onnx', batches)) < 1e-5
