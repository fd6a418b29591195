"""The hook against gradients worked out by hand, and training against training without it."""

import json
import random
import socket
from types import SimpleNamespace

import agreement_runs as runs
import numpy as np
import pytest
import torch
from toys import MeanModel  # noqa: F401

from llv.engine.gradient_agreement import RECORDS, read_agreement
from llv.engine.hooks.enhancer_loss_hook import EnhancerLossHook
from llv.engine.hooks.gradient_agreement_hook import GradientAgreementHook
from llv.models import PseudoTargetModel
from llv.registry import DATASETS, MODELS

GAIN = dict(type='llv.EnhancementModel', enhancer=dict(type='ChannelGain'))
RESTLESS = dict(type='llv.EnhancementModel', enhancer=dict(type='Restless'))


@pytest.fixture(autouse=True)
def scope():
    from mmengine.registry import DefaultScope

    DefaultScope.get_instance('agreement', scope_name='mmengine')


def runner_of(model, folder, iteration=0):
    """What the hook needs of a runner."""
    shown = []
    visualizer = SimpleNamespace(add_scalars=lambda values, step: shown.append((step, values)))
    return SimpleNamespace(
        model=model, iter=iteration, work_dir=str(folder), visualizer=visualizer, shown=shown
    )


def measure(model, folder, **options):
    """One measurement before the first step."""
    options = {key: value for key, value in runs.hook(**options).items() if key != 'type'}
    hook, runner = GradientAgreementHook(**options), runner_of(model, folder)
    hook.before_train(runner)
    hook.before_train_iter(runner, 0)
    (record,) = read_agreement(folder)
    return record, runner


def by_hand(config, value=1.0):
    """∂/∂w_c mean (w y − t)² over all pictures of a data set, and that mean, in float64."""
    dataset = DATASETS.build(config)
    samples = [dataset[k] for k in range(len(dataset))]
    y = np.stack([s['inputs'].numpy()[::-1] for s in samples]) / 255
    t = np.stack([s['data_samples'].reference.data.numpy() for s in samples]) / 255
    return (2 * (value * y - t) * y).sum((0, 2, 3)) / y.size, ((value * y - t) ** 2).mean()


@pytest.mark.parametrize(
    'under, over, cosine',
    [
        # one channel alone has a gradient of one number: too dark twice, too dark and too bright
        (dict(level=0.1, channels=(0,)), dict(level=0.2, channels=(0,)), 1),
        (dict(level=0.1, channels=(0,)), dict(level=0.9, channels=(0,)), -1),
        # two channels do not meet
        (dict(level=0.1, channels=(0,)), dict(level=0.9, channels=(2,)), 0),
    ],
)
def test_agreement_opposition_and_indifference_are_found(tmp_path, under, over, cosine):
    groups = dict(under=dict(type='Exposed', **under), over=dict(type='Exposed', **over))
    record, _ = measure(MODELS.build(GAIN), tmp_path, **groups)
    assert record['cosine'] == pytest.approx(cosine, abs=1e-6)


@pytest.mark.parametrize('batches, size', [(3, 2), (1, 5), (9, 1)])  # the last batch may be smaller
def test_gradients_are_those_of_the_mean_loss(tmp_path, batches, size):
    model = MODELS.build(GAIN)
    model.enhancer.w.data.fill_(1.2)
    groups = dict(under=runs.under(aim=0.8), over=runs.over(aim=0.8))
    record, runner = measure(model, tmp_path, batches=batches, batch_size=size, **groups)
    (g, loss_g), (h, loss_h) = (by_hand(groups[name], 1.2) for name in ('under', 'over'))
    wanted = dict(
        cosine=g @ h / np.linalg.norm(g) / np.linalg.norm(h),
        under_norm=np.linalg.norm(g),
        over_norm=np.linalg.norm(h),
        under_loss=loss_g,
        over_loss=loss_h,
    )
    assert {name: record[name] for name in wanted} == pytest.approx(wanted, rel=1e-4)
    assert abs(wanted['cosine']) < 0.9999  # so the angle is no matter of signs
    assert runner.shown == [
        (0, {f'gradient_agreement/{name}': record[name] for name in list(wanted)[:3]})
    ]


def test_fewer_pictures_are_spread_over_the_data_set(tmp_path):
    model = MODELS.build(GAIN)
    loader = dict(dataset=runs.under(count=8), batch_size=2, num_workers=3, sampler=dict(type='x'))
    hook = GradientAgreementHook(under=loader, over=runs.over(count=8), batches=2)
    hook.before_train(runner_of(model, tmp_path))
    dataset = DATASETS.build(loader['dataset'])
    found = [picture for batch in hook._probes['under'] for picture in batch['inputs']]
    assert len(found) == 4
    for number, picture in zip((0, 2, 4, 6), found, strict=True):
        assert torch.equal(picture, dataset[number]['inputs'])
    assert [len(batch['inputs']) for batch in hook._probes['over']] == [4, 4]  # the default


def test_parts_of_the_model_are_measured_by_themselves(tmp_path):
    torch.manual_seed(0)
    model = MODELS.build(RESTLESS)
    record, _ = measure(model, tmp_path, by_child=True)
    parts = record['children']
    assert parts.keys() == {'enhancer.stem', 'enhancer.head'}
    for name in ('under_norm', 'over_norm'):
        whole = sum(part[name] ** 2 for part in parts.values()) ** 0.5
        assert record[name] == pytest.approx(whole)
    dot = sum(p['cosine'] * p['under_norm'] * p['over_norm'] for p in parts.values())
    assert record['cosine'] == pytest.approx(dot / record['under_norm'] / record['over_norm'])


def test_both_groups_are_turned_alike_in_every_run(tmp_path):
    groups = [dict(runs.under(), type='Turned'), dict(runs.over(), type='Turned')]
    seen = []
    for run_seed in (1, 2):
        torch.manual_seed(run_seed), np.random.seed(run_seed), random.seed(run_seed)
        hook = GradientAgreementHook(*groups, batches=1, batch_size=5)
        hook.before_train(runner_of(MODELS.build(GAIN), tmp_path))
        seen.append(hook)
    assert seen[0]._probe == seen[1]._probe
    plain = GradientAgreementHook(runs.under(), runs.over(), batches=1, batch_size=5)
    plain.before_train(runner_of(MODELS.build(GAIN), tmp_path))
    shifts = []
    for name in ('under', 'over'):
        pairs = zip(
            plain._probes[name][0]['inputs'], seen[0]._probes[name][0]['inputs'], strict=True
        )
        shifts.append(
            [next(k for k in range(runs.SIZE[0]) if torch.equal(a.roll(k, 1), b)) for a, b in pairs]
        )
    assert shifts[0] == shifts[1] and len(set(shifts[0])) > 1
    assert plain._probe != seen[0]._probe


def weights(runner):
    return {name: tensor.clone() for name, tensor in runner.model.state_dict().items()}


def assert_same_training(first, second):
    assert weights(first).keys() == weights(second).keys()
    for name, tensor in weights(first).items():
        assert torch.equal(tensor, weights(second)[name]), name
    for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None)
        assert a.grad is None or torch.equal(a.grad, b.grad)
    a, b = (runner.optim_wrapper.state_dict()['state'] for runner in (first, second))
    for key, state in a.items():
        assert all(torch.equal(value, b[key][name]) for name, value in state.items())


def file_of(runner):
    return f'{runner.work_dir}/{RECORDS}'


def test_training_does_not_notice(tmp_path):
    # every second step leaves its gradients for the next one
    changes = {'train_cfg.max_iters': 5, 'amp': True}
    draws, results = [], []
    for name, hooks in (('plain', []), ('measured', [runs.hook(interval=1)])):
        runs.DRAWS.clear()
        hooks = [dict(type='NoteDraws', priority='LOWEST'), *hooks]
        torch.manual_seed(0)
        results.append(runs.run(tmp_path / name, RESTLESS, hooks, **changes))
        draws.append(list(runs.DRAWS))
    assert_same_training(*results)
    assert draws[0] == draws[1] and len(draws[0]) == 5
    assert any(kept for _, kept in draws[0])
    iterations = [record['iteration'] for record in read_agreement(results[1].work_dir)]
    assert iterations == [0, 1, 2, 3, 4, 5]


def test_modes_are_kept(tmp_path):
    model = MODELS.build(RESTLESS).train()
    model.enhancer.stem[1].eval()  # as a hook that freezes statistics does
    measure(model, tmp_path)
    assert model.training and not model.enhancer.stem[1].training
    model.eval()
    first, _ = measure(model, tmp_path)
    assert not any(module.training for module in model.modules())
    model.train()
    second, _ = measure(model, tmp_path)
    assert second['cosine'] == first['cosine']


def test_pending_targets_stay_and_are_not_trained_on(tmp_path):
    model = dict(type='llv.PseudoTargetModel', enhancer=dict(type='llv.PSENet'))
    results = []
    for name, hooks in (('plain', []), ('measured', [runs.hook(interval=1)])):
        hooks = [dict(type='llv.PseudoTargetHook'), *hooks]
        results.append(runs.run(tmp_path / name, model, hooks))
    assert_same_training(*results)
    for kept, other in zip(*(runner.model.pending for runner in results), strict=True):
        assert torch.equal(kept.images, other.images) and torch.equal(kept.target, other.target)

    # the same measurement whatever is pending
    torch.manual_seed(0)
    psenet = PseudoTargetModel(dict(type='llv.PSENet'))
    first, _ = measure(psenet, tmp_path)
    assert psenet.pending is None
    psenet.pending = results[0].model.pending
    assert measure(psenet, tmp_path)[0] == first
    assert psenet.pending is results[0].model.pending


def test_mixed_precision_around_it_does_not_matter(tmp_path):
    torch.manual_seed(0)
    model = MODELS.build(dict(type='llv.EnhancementModel', enhancer=dict(type='Restless')))
    first, _ = measure(model, tmp_path)
    model.enhancer.forward = model.enhancer.enhance  # which does not leave autocast by itself
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert model.enhancer.stem(torch.rand(1, 3, 6, 6)).dtype == torch.bfloat16
        second, _ = measure(model, tmp_path)
    assert second == first


@pytest.mark.parametrize('regularizer', ['llv.PooledL1Loss'])
def test_the_term_of_a_regulariser_is_left_out(tmp_path, regularizer):
    config = dict(type=regularizer, grid=3, loss_weight=100.0)
    first, _ = measure(MODELS.build(GAIN), tmp_path)
    model = MODELS.build(dict(GAIN, regularizer=config))
    kept = model.regularizer
    second, _ = measure(model, tmp_path)
    assert second == first and model.regularizer is kept

    records = []
    for regularizer in (None, config):
        base = dict(type='mmengine.ImgDataPreprocessor', mean=[0.0] * 3, std=[1.0] * 3)
        wrapper = dict(
            type='llv.EnhancedDataPreprocessor', enhancer=dict(type='ChannelGain'), base=base
        )
        model = MODELS.build(dict(type='llv.MeanModel', data_preprocessor=wrapper))
        losses = EnhancerLossHook(regularizer=regularizer)
        losses.before_train(runner_of(model, tmp_path))
        records.append(measure(model, tmp_path)[0])
        losses.after_train(runner_of(model, tmp_path))
    assert records[0] == records[1]
    assert records[0]['under_loss'] > first['under_loss']  # ℓ_t is in it, and so is ℓ_s


def test_a_cut_run_goes_on_to_the_same_lines(tmp_path):
    whole = runs.run(tmp_path / 'whole', RESTLESS, [runs.hook(by_child=True)])
    with pytest.raises(runs.Cut):
        cut = dict(type='CutBefore', iteration=5)
        runs.run(tmp_path / 'cut', RESTLESS, [runs.hook(by_child=True, interval=1), cut])
    lines = (tmp_path / 'cut' / RECORDS).read_text().splitlines()
    assert [json.loads(line)['iteration'] for line in lines] == [0, 1, 2, 3, 4, 5]
    file = tmp_path / 'cut' / RECORDS
    with file.open('a') as half:
        half.write('{"iteration": 6, "cos')  # a power cut in the middle of a line
    hook = runs.hook(by_child=True, interval=2)
    resumed = runs.run(tmp_path / 'cut', RESTLESS, [hook], resume='auto')
    assert_same_training(whole, resumed)
    kept = [r for r in read_agreement(file) if r['iteration'] % 2 == 0]
    assert kept == read_agreement(file_of(whole)) and len(kept) == 4
    assert [r['iteration'] for r in read_agreement(file)] == [0, 1, 2, 3, 4, 6]

    # other pictures are no continuation, and a new run begins a new file
    groups = runs.under(seed=9), runs.over()
    with pytest.raises(ValueError, match='was measured on other pictures'):
        GradientAgreementHook(*groups).before_train(runner_of(whole.model, file.parent, 6))
    GradientAgreementHook(*groups).before_train(runner_of(whole.model, file.parent))
    assert read_agreement(file) == []


def test_two_processes_measure_and_train_as_without(tmp_path):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(runs.train_under_ddp, (2, port, str(tmp_path)), nprocs=2)
    results = [torch.load(tmp_path / f'{rank}.pt', weights_only=True) for rank in range(2)]
    for name, tensor in results[0]['plain'].items():
        if 'running' not in name:  # statistics are those of each process
            assert torch.equal(tensor, results[1]['measured'][name]), name
        assert torch.equal(tensor, results[0]['measured'][name]), name
    found = read_agreement(tmp_path / 'measured')
    assert [record['iteration'] for record in found] == [0, 2, 4, 6]
    # before the first step all of this is what one process finds
    alone = runs.run(tmp_path / 'alone', RESTLESS, [runs.hook()], **{'train_cfg.max_iters': 1})
    assert read_agreement(alone.work_dir)[0] == found[0]


@pytest.mark.parametrize(
    'options, sentence',
    [
        (dict(interval=0), '`interval` must be a whole number from 1, but got 0'),
        (dict(interval=2.5), '`interval` must be a whole number from 1, but got 2.5'),
        (dict(batches=0), '`batches` must be'),
        (dict(batch_size=0), '`batch_size` must be'),
        (dict(under='dark/'), '`under` must be the config of a data set or of a data loader'),
        (dict(over=dict(batch_size=4)), '`over` must be the config of a data set'),
        (dict(under=runs.under(count=0)), 'The group `under` of `GradientAgreementHook` is empty'),
        (dict(over=runs.under()), 'give the same pictures'),
        (
            dict(over=runs.over(paired=False)),
            'group `over` of `GradientAgreementHook` are unpaired,',
        ),
        (dict(over=runs.over(paired='half')), 'unpaired in part'),
    ],
)
def test_mistakes_are_told_before_training(tmp_path, options, sentence):
    options = {key: value for key, value in runs.hook(**options).items() if key != 'type'}
    with pytest.raises(ValueError, match=sentence):
        hook = GradientAgreementHook(**options)
        hook.before_train(runner_of(MODELS.build(GAIN), tmp_path))


def test_a_model_without_parameters_is_refused(tmp_path):
    model = MODELS.build(GAIN).requires_grad_(False)
    with pytest.raises(ValueError, match='nothing in the model is trainable'):
        GradientAgreementHook(runs.under(), runs.over()).before_train(runner_of(model, tmp_path))


def test_losses_without_references_need_no_pairs(tmp_path):
    model = MODELS.build(dict(type='llv.PseudoTargetModel', enhancer=dict(type='llv.PSENet')))
    groups = dict(under=runs.under(paired=False), over=runs.over(paired=False))
    assert -1 <= measure(model, tmp_path, **groups)[0]['cosine'] <= 1
