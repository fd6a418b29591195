import json
import signal

import pytest
import torch
import toy_trico
from mmengine.config import Config
from torch.utils._pytree import tree_flatten

from llv.engine.loops import phased_gradient_response_loop
from llv.engine.loops.gradient_response import GradientResponse
from llv.engine.loops.phased_gradient_response_loop import PhasedGradientResponseLoop
from llv.engine.runner import train
from llv.engine.settings import RunOptions


@pytest.fixture
def respond(tmp_path):
    """Runs a toy training in this process and returns its runner."""
    runs = []

    def run(extra='', folder=None, resume=None, amp=False, **settings):
        cfg = Config.fromstring(toy_trico.config(extra, **settings), '.py')
        runs.append(cfg)
        # the name of the log and of the message hub, which one process must not share
        cfg.experiment_name = f'{tmp_path.name}_{len(runs)}'
        cfg.work_dir = str(folder or tmp_path / str(len(runs)))
        return train(cfg, RunOptions(amp=amp), resume)

    return run


@pytest.fixture
def moves(monkeypatch):
    """What moved in each iteration, by first letters: h(yper), r(egulator), f (refiner)."""
    seen = []
    run_iter = PhasedGradientResponseLoop.run_iter
    letters = dict(scene_loss='h', regulator='r', refiner='f')

    def watched(self):
        names = dict(self.enhancer.named_parameters())
        before = {k: v.detach().clone() for k, v in names.items()}
        run_iter(self)
        moved = {k.split('.')[0] for k, v in names.items() if not torch.equal(v, before[k])}
        seen.append(''.join(letter for name, letter in letters.items() if name in moved))

    monkeypatch.setattr(PhasedGradientResponseLoop, 'run_iter', watched)
    return seen


def equal(first, second):
    """Whether two runs ended with the same weights, states of optimizers and states of schedulers, to the bit."""
    (found, structure), (expected, other) = (tree_flatten(state(run)) for run in (first, second))
    return structure == other and all(
        torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
        for a, b in zip(found, expected, strict=True)
    )


def state(run):
    """All that a run goes on from, in containers of its own type alone."""
    schedulers = {
        name: [dict(scheduler.state_dict()) for scheduler in group]
        for name, group in run.param_schedulers.items()
    }
    wrapper = run.optim_wrapper.state_dict()
    return dict(model=dict(run.model.state_dict()), optimizers=wrapper, schedulers=schedulers)


def scalars(folder):
    """What was logged, a dict for each iteration."""
    (file,) = folder.glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize(
    ('settings', 'wanted'),
    [
        (dict(), ['hrf'] * 3 + ['rf'] * 3),
        (dict(use_s1=False), ['rf'] * 6),
        (dict(use_s2=False), ['hrf'] * 3 + ['rf'] * 3),
        (dict(coupled=False, upper_objective='printed'), ['hrf'] * 3 + ['rf'] * 3),
    ],
)
def test_stages_follow_the_counter(respond, moves, tmp_path, settings, wanted):
    hyper = dict(srl=0.8)
    loop = respond(
        iters=6, s1_iters=3, folder=tmp_path / 'run', scene_loss=dict(hyper_init=hyper), **settings
    ).train_loop
    assert moves == wanted
    logged = scalars(tmp_path / 'run')
    stages = dict(hrf=1, rf=2 if settings.get('use_s2', True) else 0)
    assert [record['stage'] for record in logged] == [stages[name] for name in wanted]
    assert {f'hyper/{n}' for n in ('srl', 'c', 'ssim', 'tv')} < set(logged[0])
    assert all(f'value/{n}' in logged[0] for n in ('srl', 'c', 'ssim', 'tv'))
    if settings.get('use_s1', True):
        assert logged[-1]['hyper/srl'] != pytest.approx(0.8, abs=1e-4)
    else:
        assert logged[-1]['hyper/srl'] == pytest.approx(0.8)
    coupled = settings.get('coupled', True)
    assert all((r['coupling'] > 0) == (coupled and r['stage'] > 0) for r in logged)
    drawn = loop.lower.position, loop.upper.position
    # of the last three batches, one in six pictures of both sets is an upper one
    assert drawn == ((5, 4) if settings.get('use_s2') is False else (6, 6))


def test_both_sets_are_one_where_training_is_plain(respond):
    loop = respond(iters=12, use_s1=False, use_s2=False).train_loop
    # ten lower pictures and two upper ones
    assert (loop.lower.position, loop.upper.position) == (10, 2)


def test_plain_training_is_that_of_an_ordinary_loop(respond, monkeypatch):
    """On the first lower batches, by the loss that the scene loss gives to other loops."""
    ordinary = (
        "train_cfg = dict(type='IterBasedTrainLoop', max_iters=5)\n"
        "train_dataloader.update(sampler=dict(type='InfiniteSampler', shuffle=True))\n"
    )
    monkeypatch.setattr(toy_trico.ToyTriCo, 'loss', lambda self, *args: self.scene_loss(*args))
    settings = "optim_wrapper.pop('clip_grad')\n"
    first = respond(settings + ordinary).model.enhancer
    second = respond(settings, iters=5, use_s1=False, use_s2=False).model.enhancer
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_extra_passes_leave_no_trace(respond):
    """With ς at rest, ω, dropout and batch normalisation go the same way with and without virtual steps."""
    rest = "train_cfg.update(hyper_optimizer=dict(type='SGD', lr=0.0))\n"
    runs = [respond(rest, iters=4, s1_iters=4, coupled=coupled) for coupled in (True, False)]
    assert runs[0].model.state_dict()['enhancer.refiner.1.num_batches_tracked'] == 4
    assert equal(*runs)


def test_virtual_steps_come_every_so_often(respond, monkeypatch):
    seen = []
    for name in ('first_stage', 'second_stage'):
        step = getattr(GradientResponse, name)

        def watched(self, lower, upper, real, coupled, step=step):
            seen.append(coupled)
            return step(self, lower, upper, real, coupled)

        monkeypatch.setattr(GradientResponse, name, watched)
    respond(iters=7, s1_iters=4, coupled_every=3)
    assert seen == [True, False, False] * 2 + [True]


def test_schedules_are_those_of_the_enhancer(respond, monkeypatch):
    rates = []
    plain = GradientResponse.plain

    def watched(self, *args):
        names = ('hyper', 'illum', 'refine')
        rates.append([self.optimizers[n].optimizer.param_groups[0]['lr'] for n in names])
        assert self.lower_rate == rates[-1][2]
        return plain(self, *args)

    monkeypatch.setattr(GradientResponse, 'plain', watched)
    respond(iters=12)
    assert all(hyper == 0.01 and illum == refine for hyper, illum, refine in rates)
    # constant, then cosines that start at half the rate, the second after four iterations
    assert [rate[1] for rate in rates[:6]] == [2e-3] * 6
    assert rates[6][1] == rates[10][1] == pytest.approx(1e-3)
    assert rates[9][1] < rates[8][1] < rates[7][1] < 1e-3


def test_the_first_stage_may_end_early(respond, tmp_path, moves):
    settings = dict(s1_iters=9, s1_tolerance=0.9, s1_window=2)
    whole = respond(iters=7, folder=tmp_path / 'whole', **settings)
    assert moves == ['hrf'] * 2 + ['rf'] * 5
    respond(iters=4, folder=tmp_path / 'halves', **settings)
    moves.clear()
    halves = respond(iters=7, folder=tmp_path / 'halves', resume='auto', **settings)
    assert moves == ['rf'] * 3
    assert equal(whole, halves)
    moves.clear()
    respond(iters=4, s1_iters=9, s1_tolerance=1e-9, s1_window=2)
    assert moves == ['hrf'] * 4


def test_content_as_upper_objective_moves_other_ways(respond):
    found = {}
    for objective in ('printed', 'content'):
        enhancer = respond(iters=2, upper_objective=objective).model.enhancer
        found[objective] = [hyper.item() for hyper in enhancer.scene_loss.hyper.values()]
    assert found['printed'] != found['content'] != [1.0] * 4


TINY_TRICO = (
    "model.update(enhancer=dict(type='llv.TriCo', scale=2, width=16, illumination_width=8, blocks=(1, 1, 1, 1),\n"
    "heads=(1, 2, 2, 2), scene_loss=dict(type='llv.TriCoLoss')))\n"
)


def test_trico_runs_through_both_stages(respond, moves, tmp_path):
    enhancer = respond(TINY_TRICO, iters=6, s1_iters=3, folder=tmp_path / 'run').model.enhancer
    assert moves == ['hrf'] * 3 + ['rf'] * 3
    moved = [hyper.item() for hyper in enhancer.scene_loss.hyper.values()]
    assert all(0.9 < value < 1.1 and value != 1 for value in moved)
    records = scalars(tmp_path / 'run')
    assert all(0 < record['coupling'] < 1 for record in records)
    assert records[-1]['upper_loss'] != records[-1]['loss']


@pytest.mark.parametrize(
    ('killed', 'enhancer', 'settings'),
    [
        (5, '', {}),
        (9, '', {}),
        (9, '', dict(s1_iters=3, use_s2=False)),
        (9, TINY_TRICO, {}),
    ],
    ids=['first stage', 'second stage', 'plain stage', 'TriCo'],
)
def test_killed_trainings_resume_to_equal_weights(
    tmp_path, respond, run_tool, killed, enhancer, settings
):
    file = tmp_path / 'killed.py'
    settings = dict(iters=10, s1_iters=7) | settings
    text = toy_trico.config(enhancer + toy_trico.killed(killed), workers=1, **settings)
    file.write_text(text)
    process = run_tool('tools/train.py', file, '--work-dir', tmp_path / 'killed')
    whole = respond(enhancer, folder=tmp_path / 'whole', **settings)
    output = process.communicate()[0]
    assert process.returncode == -signal.SIGKILL, output
    last = (tmp_path / 'killed' / 'last_checkpoint').read_text()
    assert last.endswith(f'iter_{killed - 1}.pth')
    resumed = respond(enhancer, folder=tmp_path / 'killed', resume='auto', **settings)
    assert resumed.iter == 10 and equal(whole, resumed)
    momentum = next(iter(resumed.optim_wrapper['refine'].optimizer.state.values()))['exp_avg']
    momentum[-1] += 1e-7  # which a shortened text would not show
    assert not equal(whole, resumed)


def test_two_processes_have_equal_hyper_variables_and_weights(tmp_path, run_tool):
    file = tmp_path / 'two.py'
    file.write_text(
        toy_trico.config("custom_hooks = [dict(type='SaveRankHook')]\n", iters=6, s1_iters=3)
    )
    process = run_tool(
        '--nproc_per_node=2', '--master_port=0', '--rdzv_backend=c10d', '--rdzv_endpoint=localhost:0',
        'tools/train.py', file, '--launcher', 'pytorch', '--work-dir', tmp_path / 'run', torchrun=True,
    )  # fmt: skip
    output = process.communicate()[0]
    assert process.returncode == 0, output
    first, second = (
        torch.load(tmp_path / 'run' / f'rank{rank}.pth', weights_only=True)['state_dict']
        for rank in (0, 1)
    )
    shared = [name for name in first if 'running' not in name]
    assert sum('hyper' in name for name in shared) == 4
    assert all(torch.equal(first[name], second[name]) for name in shared)
    assert first['enhancer.scene_loss.hyper.c'] != 1
    # they saw other pictures
    mean = 'enhancer.refiner.1.running_mean'
    assert not torch.equal(first[mean], second[mean])


@pytest.mark.parametrize(
    ('settings', 'extra', 'message'),
    [
        (dict(upper_objective='x'), '', '`upper_objective` must be one of printed, content'),
        (dict(coupled_every=0), '', '`coupled_every` must be an integer from 1'),
        (dict(s1_window=0), '', '`s1_window` must be an integer from 1'),
        (dict(s1_iters=-1), '', '`s1_iters` must be an integer from 0'),
        (dict(radius=0), '', '`radius` must be above 0'),
        (dict(s1_tolerance=-1.0), '', '`s1_tolerance` must be above 0'),
        (dict(upper_objective='content', coupled=False), '', 'without the virtual step'),
        (
            dict(upper_objective='content', scene_loss=dict(leave_out=['c'])),
            '',
            'take `c` out of `leave_out`',
        ),
        (dict(), 'train_cfg.pop("upper_dataloader")', 'give `train_cfg.upper_dataloader`'),
        (dict(), 'model.update(enhancer=dict(type="llv.SCI"))', '`SCI` has no `illumination_p'),
        (dict(), 'optim_wrapper.update(accumulative_counts=2)', '`optim_wrapper.accumulative_counts`'),
        (dict(), 'optim_wrapper.update(clip_grad=dict(clip_value=1))', 'takes `max_norm` alone'),
        (dict(), 'upper_dataloader.update(dataset=dict(type="ToyPairs", indices=[]))', 'is empty'),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(respond, settings, extra, message):
    with pytest.raises(ValueError, match=message.replace('(', r'\(')):
        respond(extra, iters=2, **settings)


def test_half_precision_is_refused(respond):
    with pytest.raises(ValueError, match='leave `--amp` out'):
        respond(iters=2, amp=True)


def test_a_training_that_breaks_down_says_where(respond, monkeypatch):
    def broken(self, *args, **kwargs):
        raise FloatingPointError('The gradient is not finite')

    monkeypatch.setattr(phased_gradient_response_loop.GradientResponse, 'second_stage', broken)
    with pytest.raises(FloatingPointError, match=r'not finite \(iteration 3\)'):
        respond(iters=4, s1_iters=2)
