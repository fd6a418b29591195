import itertools
import json
import re
import signal

import numpy as np
import pytest
import search_golden
import torch
import toy_search
from mmengine.optim import OptimWrapper
from torch import nn

from llv.engine.hypergradient import hypergradient
from llv.engine.loops import cooperative_search_loop
from llv.engine.loops.cooperative_search_loop import CooperativeSearchLoop
from llv.engine.loops.search_optimizers import step_size_at, virtual_step
from llv.search.searchable import arch_parameters, weight_parameters

REST = "train_cfg.update(arch_optimizer=dict(type='SGD', lr=0.0))\n"
PLAIN_ALPHA = 'train_cfg.update(arch_optimizer=dict(type="SGD", lr=1.0))\n'
GOLDEN = f"""
model = dict(_delete_=True, type='GoldenSupernet')
train_dataloader.update(batch_size=1, dataset=dict(type='GoldenPicture', formula={search_golden.TRAIN}))
valid_dataloader.update(batch_size=1, dataset=dict(type='GoldenPicture', formula={search_golden.VALID}))
train_cfg.update(
    scene=None, scene_losses=None, step_size=0.005, virtual_weight_decay=3e-4,
    arch_optimizer=dict(type='SGD', lr=1.0))
""".replace('_delete_=True, ', '')


def alpha(runner):
    return [p.detach().clone() for p in arch_parameters(runner.model)]


@pytest.fixture
def goldens(reference_dir):
    return np.load(reference_dir / 'ruas' / 'search_formula.npz')


@pytest.mark.parametrize(
    ('name', 'settings'),
    [
        ('alpha_s_train_total', dict()),
        ('alpha_s_arch_total', dict(hvp_loss='validation')),
        ('first_order_grad_alpha_s', dict(order=1)),
        ('alpha_t_arch_total', dict(level='task')),
        ('first_order_grad_alpha_t', dict(level='task', order=1)),
    ],
)
def test_a_step_is_that_of_the_reference(search, goldens, name, settings):
    settings = dict(settings)
    task = settings.pop('level', None) == 'task'
    extra = GOLDEN
    if task:  # by itself, with the scene module as it is
        extra += "train_cfg.update(scene=[], task='enhancer.denoiser')\n"
        extra += "train_cfg.update(scene_losses='fidelity|smooth')\n"
    before = search_golden.supernet().enhancer
    runner = search(extra, iters=1, **settings)
    enhancer = runner.model.enhancer
    part = (lambda e: e.denoiser) if task else (lambda e: e.scene)
    moved = part(before).architecture.arch_alpha - part(enhancer).architecture.arch_alpha
    wanted = goldens[name]
    assert np.abs(moved.detach().numpy() - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_weights_go_the_way_of_plain_training(search):
    """With α at rest the extra passes leave no trace, neither in dropout nor in batch normalisation."""
    searched = search(REST, scene=[], scene_losses=None)
    plain = search(
        "train_cfg = dict(type='IterBasedTrainLoop', max_iters=12)\n"
        "train_dataloader.update(sampler=dict(type='InfiniteSampler', shuffle=True))\n"
        # unclipped, since the norm would count α
        'optim_wrapper.update(paramwise_cfg=dict(custom_keys=dict(arch_=dict(lr_mult=0.0))))\n'
    )
    first, second = plain.model.state_dict(), searched.model.state_dict()
    assert first['norm.num_batches_tracked'] == 12
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize('strategy', ['cooperative', 'global', 'independent'])
def test_levels_move_in_turn(search, strategy, monkeypatch):
    seen = []
    run_iter = CooperativeSearchLoop.run_iter

    def watched(self):
        before = {k: v.clone() for k, v in self.model.state_dict().items()}
        run_iter(self)
        after = self.model.state_dict()
        moved = {k.split('.')[0] for k in after if not torch.equal(before[k], after[k])}
        turned = {k.split('.')[0] for k in after if 'arch_' in k and not before[k].equal(after[k])}
        assert turned == moved & {'scene', 'task'}  # α with ω
        seen.append(''.join(sorted(name[0] for name in moved & {'scene', 'task', 'head'})))

    monkeypatch.setattr(CooperativeSearchLoop, 'run_iter', watched)
    search(strategy=strategy, iters=8)
    assert (
        seen
        == dict(
            cooperative=['hst', 's', 's'] * 2 + ['hst', 's'],
            independent=['s'] * 4 + ['ht'] * 4,
            **{'global': ['hst'] * 8},
        )[strategy]
    )


def test_beta_lets_the_task_judge_the_scene_module(search):
    moved = {beta: alpha(search(PLAIN_ALPHA, iters=1, beta=beta))[0] for beta in (0, 1, 2)}
    assert not torch.equal(moved[0], moved[1])
    torch.testing.assert_close(moved[2] - moved[1], moved[1] - moved[0], rtol=0.05, atol=1e-6)


def test_inner_loops_take_batches_of_their_own(search):
    loop = search(iters=7, scene_steps=2, task_steps=3).train_loop
    # the task level moves in iterations 0, 3 and 6
    assert [stream.position for stream in loop.streams] == [3 * 3 + 4 * 2] * 2
    assert [loop._pairs(i) for i in range(4)] == [3, 2, 2, 3]


def test_a_planted_edge_is_found(search):
    for teacher in ('dilconv_3x3', 'resconv_3x3'):
        runner = search(
            f"model.update(type='PlantedSupernet', teacher='{teacher}')\n"
            "train_cfg.update(arch_optimizer=dict(type='Adam', lr=0.1))\n",
            iters=60, scene=None, scene_losses=None, order=2,
        )  # fmt: skip
        assert runner.model.edge.derive()['edges'] == dict(a=teacher)


def test_killed_searches_resume_to_equal_weights(tmp_path, run_tool, search):
    settings = dict(iters=14, scene_steps=2, task_steps=3)
    file = tmp_path / 'killed.py'
    kill = "custom_hooks = [dict(type='KillHook', iteration=10)]\n"
    file.write_text(toy_search.config(kill, workers=1, **settings))
    process = run_tool('tools/search.py', file, '--work-dir', tmp_path / 'killed')
    whole = search(folder=tmp_path / 'whole', **settings)
    output = process.communicate()[0]
    assert process.returncode == -signal.SIGKILL, output
    assert (tmp_path / 'killed' / 'last_checkpoint').read_text().endswith('iter_8.pth')
    resumed = search(folder=tmp_path / 'killed', resume='auto', **settings)
    first, second = whole.model.state_dict(), resumed.model.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    for name in ('weights', 'arch'):
        states = [run.optim_wrapper[name].state_dict()['state'] for run in (whole, resumed)]
        assert str(states[0]) == str(states[1])


def test_two_processes_have_equal_alpha(tmp_path, run_tool):
    file = tmp_path / 'search.py'
    extra = "custom_hooks = [dict(type='SaveRankHook')]\nmodel.update(type='OddSupernet')\n"
    file.write_text(toy_search.config(extra, iters=4))
    process = run_tool(
        '--nproc_per_node=2', '--master_port=0', '--rdzv_backend=c10d', '--rdzv_endpoint=localhost:0',
        'tools/search.py', file, '--launcher', 'pytorch', '--work-dir', tmp_path / 'run', torchrun=True,
    )  # fmt: skip
    output = process.communicate()[0]
    assert process.returncode == 0, output
    first, second = (
        torch.load(tmp_path / 'run' / f'rank{rank}.pth', weights_only=True)['state_dict']
        for rank in (0, 1)
    )
    shared = [name for name in first if 'norm.running' not in name]
    assert any('arch_' in name for name in shared)
    assert all(torch.equal(first[name], second[name]) for name in shared)
    assert first['odd'].max() < 1  # moved in both by what one of them found
    # they saw other pictures
    assert not torch.equal(first['norm.running_mean'], second['norm.running_mean'])
    assert json.loads((tmp_path / 'run' / 'genotype.json').read_text())['llv_genotype'] == 1


@pytest.mark.parametrize('order', [1, 2])
def test_half_precision_stays_close(search, order):
    hook = "custom_hooks = [dict(type='WatchHook')]\n"
    plain = alpha(search(hook, iters=4, order=order))
    assert set(toy_search.SEEN) == {torch.float32}
    half = alpha(search(hook, iters=4, order=order, amp=True))
    # only the passes that are compared with each other are in full precision
    full = [kind == torch.float32 for kind in toy_search.SEEN]
    assert full[:5] == ([False, False, True, True, False] if order == 2 else [False] * 5)
    for a, b in zip(plain, half, strict=True):
        assert b.dtype == torch.float32
        torch.testing.assert_close(a, b, atol=0.02, rtol=0)


def test_a_stable_genotype_ends_the_search(search, tmp_path):
    settings = dict(iters=60, check_interval=2, stop_after=2, folder=tmp_path / 'run')
    runner = search(REST, **settings)
    assert runner.iter == 6  # the third check is the second without a change
    saved = (tmp_path / 'run' / 'last_checkpoint').read_text()
    assert saved.endswith('iter_6.pth')
    text = next((tmp_path / 'run').glob('*/*.log')).read_text()
    assert 'Genotype of scene: a ' in text and 'the search ends' in text
    assert re.search(r'entropy/scene: 1\.94\d\d', text)  # log 7
    again = search(REST, **settings, resume='auto')
    assert again.iter == 6
    assert not (tmp_path / 'run' / 'iter_8.pth').exists()


def test_a_cost_draws_to_small_operations(search):
    runner = search(
        "train_cfg.update(arch_optimizer=dict(type='Adam', lr=0.1))\n", cost_weight=100.0, iters=20
    )
    assert runner.model.scene.derive()['edges'] == dict(a='skip_connect')
    assert runner.model.task.derive()['edges'] == dict(a='skip_connect')


def test_schedules_are_those_of_the_weights(search):
    runner = search(iters=3)
    assert runner.optim_wrapper['weights'].param_groups[0]['lr'] != 0.025
    assert runner.optim_wrapper['arch'].param_groups[0]['lr'] == 0.01
    omega = {id(p) for p in weight_parameters(runner.model)}
    held = [p for g in runner.optim_wrapper['weights'].param_groups for p in g['params']]
    assert {id(p) for p in held} == omega


@pytest.mark.parametrize('share, wanted', [(0, 0.005), (0.5, 0.003), (1, 0.001)])
def test_virtual_steps_follow_their_rate(share, wanted):
    assert step_size_at((0.005, 0.001), 0.05, share) == pytest.approx(wanted)
    assert step_size_at(None, 0.05, share) == 0.05
    assert step_size_at(0.01, 0.05, share) == 0.01


def test_rates_of_the_virtual_step_reach_it(search, monkeypatch):
    seen = []

    def watched(*args, **settings):
        seen.append((settings['step_size'], settings['weight_decay'], settings['momentum']))
        return hypergradient(*args, **settings)

    monkeypatch.setattr(cooperative_search_loop, 'hypergradient', watched)
    search(iters=2, task_interval=1, step_size=(0.4, 0.2), virtual_weight_decay=0.3)
    assert seen == [(pytest.approx(rate), 0.3, 0.9) for rate in (0.4, 0.4, 0.3, 0.3)]
    seen.clear()
    rates = "optim_wrapper.update(paramwise_cfg=dict(custom_keys={'scene': dict(lr_mult=0.5)}))\n"
    search(rates + 'param_scheduler = None\n', iters=1)  # of each level its own
    assert seen == [(pytest.approx(rate), 1e-3, 0.9) for rate in (0.025, 0.05)]


def test_the_virtual_step_goes_where_the_optimizer_goes():
    torch.manual_seed(0)
    levels = [nn.Linear(3, 3).double() for _ in range(2)]
    scale = nn.Parameter(torch.ones(3).double())
    optimizer = torch.optim.SGD(
        [dict(params=level.parameters(), **options) for level, options in zip(
            levels, (dict(lr=0.3, weight_decay=0.2), dict()), strict=True
        )],
        lr=0.1, momentum=0.9, weight_decay=0.05,
    )  # fmt: skip
    x = torch.rand(4, 3).double()

    def loss():
        return levels[1]((levels[0](x) * scale).sin()).square().sum()

    def step(omega):
        for parameter, gradient in zip(omega, torch.autograd.grad(loss(), omega), strict=True):
            parameter.grad = gradient
        optimizer.step()
        optimizer.zero_grad()

    for level in levels * 2:
        omega, virtual = list(level.parameters()), []

        def judged(omega=omega, virtual=virtual):
            virtual.extend(w.detach().clone() for w in omega)
            return loss()

        hypergradient([scale], omega, loss, judged, **virtual_step(OptimWrapper(optimizer), omega))
        step(omega)
        for found, wanted in zip(virtual, omega, strict=True):
            torch.testing.assert_close(found, wanted.detach(), rtol=1e-12, atol=1e-12)


def test_streams_are_shuffled_whatever_their_samplers_say(search):
    loop = search(
        "train_dataloader.update(sampler=dict(type='InfiniteSampler', shuffle=False))\n", iters=1
    ).train_loop
    first = [int(index) for index in itertools.islice(iter(loop.dataloader.sampler), 50)]
    assert set(first) == set(range(5))
    assert first != [(first[0] + i) % 5 for i in range(50)]


def test_what_no_level_moves_is_named(search, tmp_path):
    runner = search(scene=[], task=['task', 'head'], scene_losses=None, iters=1, folder=tmp_path)
    text = next(tmp_path.glob('*/*.log')).read_text()
    assert 'No level moves the architecture weights of scene;' in text
    assert 'weights of task;' not in text
    assert not runner.optim_wrapper['arch'].optimizer.state.get(
        runner.model.scene.architecture.arch_alpha
    )


def test_alpha_of_another_search_is_a_start(search, tmp_path):
    from llv.engine.loops.alpha_file import save_alpha

    first = search(iters=4)
    save_alpha(tmp_path / 'alpha.pth', first.model)
    grown = torch.load(tmp_path / 'alpha.pth', weights_only=True)
    grown['parts']['task']['alpha'] = torch.zeros(1, 8)
    torch.save(grown, tmp_path / 'grown.pth')
    with pytest.raises(ValueError, match=r'`task` has α of the shape \(1, 8\) there'):
        search(alpha_from=str(tmp_path / 'grown.pth'))
    second = search(REST, iters=1, alpha_from=str(tmp_path / 'alpha.pth'))
    for a, b in zip(alpha(first), alpha(second), strict=True):
        assert torch.equal(a, b)
    other = "model.update(edge='b')\n"
    with pytest.raises(ValueError, match=r"another supernet: `scene` has `edges=\['a'\]`"):
        search(other, alpha_from=str(tmp_path / 'alpha.pth'))
    fixed = "model.update(task_genotype=['conv_3x3'])\n"
    with pytest.raises(ValueError, match='another supernet: the file has a searched `task`'):
        search(fixed, alpha_from=str(tmp_path / 'alpha.pth'))
    torch.save(dict(state_dict={}), tmp_path / 'model.pth')
    with pytest.raises(ValueError, match='holds no architecture weights'):
        search(alpha_from=str(tmp_path / 'model.pth'))


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(beta=-0.5), '`beta` must be at least 0, but got -0.5'),
        (
            dict(extra="train_cfg.update(beta=float('nan'))"),
            '`beta` must be at least 0, but got nan',
        ),
        (dict(order=3), '`order` must be one of 1, 2'),
        (dict(strategy='greedy'), '`strategy` must be one of cooperative, global, independent'),
        (dict(task_steps=0), '`task_steps` must be at least 1'),
        (dict(stop_after=0), '`stop_after` must be at least 1'),
        (dict(cost_weight=-1), '`cost_weight` must be at least 0'),
        (dict(strategy='independent', scene_iters=99), '`scene_iters` must lie between'),
        (dict(step_size=(0.1, 0.2, 0.3)), '`step_size` must be a number from 0, a pair'),
        (dict(step_size=-0.1), '`step_size` must be a number from 0, a pair'),
        (dict(virtual_weight_decay=-1), '`virtual_weight_decay` must be at least 0'),
        (dict(scene_losses='('), '`scene_losses` must be a regular expression'),
        (dict(scene=[], task='head'), r'\(`scene`, `task`\) is frozen or at none of the places'),
        (
            dict(extra="model.update(type='PairedSupernet')", cost_weight=1.0),
            '`cost_weight` needs a model that runs on pictures alone',
        ),
        (dict(scene='scnee'), '`scene` names `scnee`.*did you mean `scene`'),
        (dict(task='neck'), '`task` names `neck`'),
        (dict(scene_losses='lit'), 'has no scene loss among its losses'),
        (
            dict(extra='train_cfg.update(valid_dataloader=None)'),
            '`train_cfg.valid_dataloader`',
        ),
        (
            dict(extra="valid_dataloader.update(dataset=dict(type='NoPictures'))"),
            '`train_cfg.valid_dataloader` is empty',
        ),
        (
            dict(extra="train_dataloader.update(dataset=dict(type='NoPictures'))"),
            '`train_dataloader` is empty',
        ),
        (
            dict(extra="model.update(scene_genotype=['conv_1x1'], task_genotype=['skip_connect'])"),
            '`ToySupernet` has no searchable module',
        ),
        (dict(extra='optim_wrapper.update(accumulative_counts=2)'), '`optim_wrapper.accumulative'),
        (
            dict(extra="optim_wrapper.update(type='AmpOptimWrapper', dtype='float16')"),
            "`dtype='bfloat16'`",
        ),
    ],
)
def test_bad_input_is_one_sentence(search, tmp_path, settings, message):
    with pytest.raises(ValueError, match=message) as caught:
        search(folder=tmp_path / 'run', **settings)
    assert str(caught.value).count('. ') == 0 and str(caught.value)[-1] in '.?'
    assert not list((tmp_path / 'run').glob('*.pth'))


def test_a_search_that_breaks_down_says_so(search):
    with pytest.raises(FloatingPointError, match='not finite'):
        search('\n', step_size=1e30, iters=3)


def test_state_of_an_earlier_run_is_not_taken_over(search):
    settings = dict(check_interval=1, stop_after=4, name='twice')
    assert [search(REST, iters=9, **settings).iter for _ in range(2)] == [5, 5]
