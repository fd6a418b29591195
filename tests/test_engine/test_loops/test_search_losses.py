import pytest
import search_golden
import torch
import toy_search

from llv.engine.loops.search_levels import divide, has_low_level_task, scene_place
from llv.engine.loops.search_losses import (
    EnhancedLosses,
    EnhancementLosses,
    ModelLosses,
    losses_of,
)
from llv.models.enhancement_model import EnhancementModel

LIT = dict(
    type='llv.EnhancedDataPreprocessor',
    enhancer=dict(type='llv.RUAS', scene_genotype='search'),
    base=dict(type='mmengine.BaseDataPreprocessor'),
)


def pictures(*sizes):
    generator = torch.Generator().manual_seed(0)
    return dict(inputs=[torch.rand(3, *size, generator=generator) * 255 for size in sizes])


def behind_an_enhancer(**changes):
    torch.manual_seed(0)
    preprocessor = {**LIT, **changes}
    return toy_search.ToySupernet(data_preprocessor=preprocessor)


def test_scene_loss_of_an_enhancer_needs_no_pass_through_the_model():
    model = behind_an_enhancer()
    losses = losses_of(model, None)
    assert isinstance(losses, EnhancedLosses)
    passes = []
    model.head.register_forward_hook(lambda *_: passes.append(1))
    batch = pictures((12, 10), (12, 10))
    scene = losses(batch, ('scene',))['scene']
    assert not passes
    enhancer = model.data_preprocessor.enhancer
    images = torch.stack(batch['inputs']).flip(1) / 255  # BGR by default
    wanted = enhancer.loss(enhancer(images), images)
    assert scene.keys() == wanted.keys() == {'loss_fidelity', 'loss_smooth'}
    for name in wanted:
        torch.testing.assert_close(scene[name], wanted[name])

    both = losses(batch, ('scene', 'task'))
    assert set(both['task']) == {'loss_scene', 'loss_task'} and passes
    for name in wanted:
        assert torch.equal(both['scene'][name], scene[name])
    # the task loss reaches the enhancer
    alpha = enhancer.scene.architecture.arch_alpha
    assert torch.autograd.grad(both['task']['loss_task'], alpha)[0].any()
    assert not model.data_preprocessor.holding


def test_scene_loss_is_the_mean_over_pictures_of_all_sizes():
    model = behind_an_enhancer()
    losses = losses_of(model, None)
    small, large = pictures((6, 8)), pictures((9, 7))
    mixed = dict(inputs=[*small['inputs'], *large['inputs'], *small['inputs']])
    parts = [losses(batch, ('scene',))['scene']['loss_fidelity'] for batch in (small, large)]
    found = losses(mixed, ('scene',))['scene']['loss_fidelity']
    torch.testing.assert_close(found, (2 * parts[0] + parts[1]) / 3)


def test_losses_of_the_low_level_task_are_those_of_the_reference(reference_dir):
    import numpy as np

    goldens = np.load(reference_dir / 'ruas' / 'search_formula.npz')
    model = search_golden.supernet()
    losses = losses_of(model, None)
    assert isinstance(losses, EnhancementLosses)
    train, valid = (search_golden.batch(*f) for f in (search_golden.TRAIN, search_golden.VALID))

    def total(batch, *parts):
        return sum(v for part in losses(batch, parts).values() for v in part.values()).item()

    assert total(train, 'scene') == pytest.approx(goldens['scene_loss_train'].item(), rel=1e-5)
    assert total(train, 'task') == pytest.approx(goldens['task_loss_train'].item(), rel=1e-5)
    assert total(valid, 'scene', 'task') == pytest.approx(
        goldens['arch_loss_valid'].item(), rel=1e-5
    )


def test_the_scene_loss_runs_no_noise_removal():
    model = search_golden.supernet()
    passes = []
    model.enhancer.denoiser.register_forward_hook(lambda *_: passes.append(1))
    batch = search_golden.batch(*search_golden.TRAIN)
    found = losses_of(model, None)(batch, ('scene',))
    assert not passes and set(found) == {'scene'}
    alpha = model.enhancer.scene.architecture.arch_alpha
    task = losses_of(model, None)(batch, ('task',))['task']
    assert torch.autograd.grad(task['loss_denoise'], alpha)[0].any()  # attached, unlike in training


def test_an_enhancer_without_a_task_has_a_scene_loss_alone():
    model = EnhancementModel(dict(type='llv.RUAS', scene_genotype='search'))
    assert not has_low_level_task(model) and scene_place(model) == ('enhancer',)
    levels = divide(model, None, 'rest', 1.0, 'cooperative')
    assert [level.name for level in levels] == ['scene'] and levels[0].validation == dict(scene=1)
    found = losses_of(model, None)(pictures((6, 8)), ('scene',))
    assert set(found['scene']) == {'loss_fidelity', 'loss_smooth'}


def test_an_enhancer_without_a_task_says_so():
    model = EnhancementModel(dict(type='llv.RUAS', scene_genotype='search'))
    with pytest.raises(ValueError, match='`RUAS` by itself has a scene loss alone; leave `scene`'):
        losses_of(model, None)(pictures((6, 8)), ('task',))


def test_a_search_refuses_a_regulariser_that_it_would_not_use():
    enhancer = dict(type='llv.RUAS', scene_genotype='search')
    model = EnhancementModel(enhancer, regularizer=dict(type='llv.PooledL1Loss'))
    with pytest.raises(ValueError, match='does not use the `regularizer` of the model; leave it'):
        losses_of(model, None)


def test_an_enhancer_without_parameters_is_no_scene_module():
    model = behind_an_enhancer(enhancer=dict(type='llv.MeanMatch'))
    assert [level.name for level in divide(model, None, 'rest', 1, 'cooperative')] == ['task']
    with pytest.raises(ValueError, match='`scene` names `data_preprocessor.enhancer`, where'):
        divide(model, 'data_preprocessor.enhancer', 'rest', 1, 'cooperative')


def test_frozen_architectures_are_no_search():
    model = toy_search.ToySupernet(task_genotype=['conv_1x1'])
    model.scene.architecture.requires_grad_(False)
    with pytest.raises(ValueError, match=r'\(`scene`\) is frozen or at none of the places'):
        divide(model, 'scene', 'rest', 1, 'cooperative')


def test_entries_are_told_apart_by_their_names():
    model = toy_search.ToySupernet(data_preprocessor=dict(type='mmengine.BaseDataPreprocessor'))
    batch = pictures((6, 8), (6, 8))
    assert isinstance(losses_of(model, None), ModelLosses)
    apart = losses_of(model, 'scene$')(batch, ('scene', 'task'))
    assert {part: set(names) for part, names in apart.items()} == dict(
        scene={'loss_scene'}, task={'loss_task'}
    )
    together = losses_of(model, None)(batch, ('task',))
    assert set(together['task']) == {'loss_scene', 'loss_task'}
    with pytest.raises(ValueError, match=r'no scene loss among its losses \(`loss_scene`, '):
        losses_of(model, None)(batch, ('scene',))


def test_levels_share_no_parameter_and_leave_the_frozen_ones_out():
    model = search_golden.supernet()
    scene, task = divide(model, None, 'rest', 0.5, 'cooperative')
    assert scene_place(model) == ('enhancer.scene',)
    assert [len(level.alpha) for level in (scene, task)] == [1, 1]
    assert (
        sum(p.numel() for p in scene.omega) == 7677 and sum(p.numel() for p in task.omega) == 30267
    )
    assert scene.validation == dict(scene=1, task=0.5) and task.validation == dict(task=1)
    (both,) = divide(model, None, 'rest', 0.5, 'global')
    assert both.objective == ('scene', 'task') and len(both.omega) == len(scene.omega + task.omega)
    alone = divide(model, None, 'rest', 0.5, 'independent')
    assert alone[0].validation == dict(scene=1)

    model.enhancer.denoiser.stem.requires_grad_(False)
    task = divide(model, None, 'rest', 0.5, 'cooperative')[1]
    assert not {id(p) for p in task.omega} & {
        id(p) for p in model.enhancer.denoiser.stem.parameters()
    }

    frozen = behind_an_enhancer(frozen=True)
    assert scene_place(frozen) == ()
    assert [level.name for level in divide(frozen, None, 'rest', 1, 'cooperative')] == ['task']
    head = divide(behind_an_enhancer(), None, 'head', 1, 'cooperative')[1]
    assert len(head.omega) == 2 and not head.alpha
