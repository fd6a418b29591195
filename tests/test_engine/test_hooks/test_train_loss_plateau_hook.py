from types import SimpleNamespace

import pseudo_targets as runs
import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.runner import EpochBasedTrainLoop

from llv.engine.hooks.train_loss_plateau_hook import TrainLossPlateauHook


def fake_runner(optimizer, iteration=0):
    return SimpleNamespace(
        iter=iteration,
        train_loop=object.__new__(EpochBasedTrainLoop),
        optim_wrapper=SimpleNamespace(param_groups=optimizer.param_groups),
        logger=MMLogger.get_current_instance(),
    )


def optimizer():
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    return torch.optim.Adam([dict(params=parameters[0]), dict(params=parameters[1], lr=0.1)], 1e-3)


def epoch(hook, runner, losses):
    hook.before_train_epoch(runner)
    for loss in losses:
        hook.after_train_iter(runner, 0, outputs=dict(loss=loss))
    hook.after_train_epoch(runner)


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('patience', [0, 2, 5])
def test_cuts_when_torch_does(seed, patience):
    generator = torch.Generator().manual_seed(seed)
    ours, theirs = optimizer(), optimizer()
    hook = TrainLossPlateauHook(factor=0.3, patience=patience, threshold=1e-2)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        theirs, factor=0.3, patience=patience, threshold=1e-2, threshold_mode='rel', eps=0
    )
    runner = fake_runner(ours)
    hook.before_train(runner)
    cuts = 0
    for number in range(30):
        losses = 1 / (1 + 0.05 * min(number, 8)) + 0.3 * torch.rand(4, generator=generator)
        epoch(hook, runner, losses)
        scheduler.step(losses.double().mean().item())
        rates = [group['lr'] for group in theirs.param_groups]
        assert [group['lr'] for group in ours.param_groups] == pytest.approx(rates)
        cuts += hook.bad_epochs == 0
    assert cuts and rates[0] < 1e-3


def test_a_loss_that_is_no_number_is_bad():
    hook, runner = TrainLossPlateauHook(patience=0), fake_runner(optimizer())
    hook.before_train(runner)
    epoch(hook, runner, [torch.tensor(1.0)])
    epoch(hook, runner, [torch.tensor(float('nan'))])
    assert hook.best == 1.0
    assert runner.optim_wrapper.param_groups[0]['lr'] == pytest.approx(5e-4)


def test_a_resumed_run_goes_on_counting(tmp_path):
    extra = """
train_cfg.update(max_epochs=6)
custom_hooks += [dict(type='llv.TrainLossPlateauHook', patience=1, threshold=0.5)]
"""
    whole = runs.run(tmp_path / 'whole', extra=extra)
    rates = [group['lr'] for group in whole.optim_wrapper.param_groups]
    assert rates[0] < 1e-2  # it has cut
    with pytest.raises(runs.Cut):
        cut = extra + "custom_hooks += [dict(type='CutHook', iteration=9)]"
        runs.run(tmp_path / 'cut', extra=cut)
    resumed = runs.run(tmp_path / 'cut', 'auto', extra=extra)
    assert [group['lr'] for group in resumed.optim_wrapper.param_groups] == rates
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name
    # a run that only starts from the weights counts anew
    fresh = TrainLossPlateauHook()
    fresh.after_load_checkpoint(None, dict(train_loss_plateau=dict(best=0.1, bad_epochs=3)))
    fresh.before_train(fake_runner(optimizer()))
    assert fresh.bad_epochs == 0


def test_needs_epochs_and_a_factor_that_lowers():
    runner = fake_runner(optimizer())
    runner.train_loop = object()
    with pytest.raises(ValueError, match='the training loop counts iterations'):
        TrainLossPlateauHook().before_train(runner)
    with pytest.raises(ValueError, match='`factor` must be between 0 and 1'):
        TrainLossPlateauHook(factor=1.0)
