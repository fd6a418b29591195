"""The progressive training as a whole: against a plain loop, resumed, in two processes."""

import socket
from pathlib import Path

import pseudo_targets as runs
import pytest
import torch
from mmengine.optim import build_optim_wrapper

from llv.engine.hooks.pseudo_target_hook import PseudoTargetHook
from llv.engine.optim_wrappers import Bfloat16OptimWrapper
from llv.models import EnhancementModel
from llv.models.losses.pseudo_target import PseudoTarget
from llv.utils.checkpoint import load_checkpoint, load_state_dict

PENDING = ('.pending_rank0', '.pending_rank1')


def published_loop(count, ranks=1):
    """The steps of the released code, written down again: what each rank adds to the gradient is averaged."""
    net = runs.build().enhancer
    maker = PseudoTarget()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2, betas=(0.9, 0.99))
    previous = None
    for step in range(count):
        current = []
        for rank in range(ranks):
            torch.manual_seed(100 * step + rank)
            pictures = [p.flip(0).float() / 255 for p in runs.batch(step, rank)]
            groups = [torch.stack([pictures[0], pictures[2]]), pictures[1][None]]
            with torch.no_grad():
                current.append([(x, maker(x, net(x).image).image) for x in groups])
        if previous is not None:
            loss = 0
            for pairs in previous:
                for (x, target), weight in zip(pairs, (2 / 3, 1 / 3), strict=True):
                    result = net(x)
                    log = (result.maps['gamma'] + 1e-3).log()
                    tv = log.diff(dim=2).square().mean() + log.diff(dim=3).square().mean()
                    loss = loss + weight * ((result.image - target).square().mean() + 5 * tv)
            optimizer.zero_grad()
            (loss / ranks).backward()
            optimizer.step()
        previous = current
    return net.state_dict(), optimizer


def assert_same(found, expected, tolerance=1e-5):
    found = {k.removeprefix('enhancer.'): v for k, v in found.items()}
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=tolerance, atol=tolerance, msg=name)


@pytest.mark.parametrize('amp', [False, True])
def test_steps_are_those_of_the_published_loop(amp):
    model = runs.build()
    wrapper = build_optim_wrapper(model, dict(optimizer=runs.ADAM))
    if amp:
        wrapper = Bfloat16OptimWrapper(wrapper.optimizer)
    start = {k: v.clone() for k, v in model.state_dict().items()}
    logs = runs.steps(runs.runner_of(model, wrapper), 1)
    assert logs[0]['loss'] > 0
    assert all(torch.equal(v, start[k]) for k, v in model.state_dict().items())
    assert not wrapper.optimizer.state  # not even the counter of Adam

    model = runs.build()
    wrapper.optimizer = build_optim_wrapper(model, dict(optimizer=runs.ADAM)).optimizer
    runs.steps(runs.runner_of(model, wrapper), 4)
    expected, optimizer = published_loop(4)
    assert_same(model.state_dict(), expected)
    counts = {int(state['step']) for state in wrapper.optimizer.state.values()}
    assert counts == {int(state['step']) for state in optimizer.state.values()} == {3}
    assert 'update_params' not in vars(wrapper)


@pytest.fixture(scope='module')
def parallel(tmp_path_factory):
    """The weights of two processes and the folder of their runs."""
    folder = tmp_path_factory.mktemp('parallel')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(runs.train_under_ddp, (2, port, str(folder), 4), nprocs=2)
    return [torch.load(folder / f'{rank}.pt', weights_only=True) for rank in range(2)], folder


def test_two_processes_train_as_one(parallel):
    expected, _ = published_loop(4, ranks=2)
    for result in parallel[0]:
        assert_same(result['steps'], expected, 1e-4)


def test_two_processes_resume_together(parallel):
    results, folder = parallel
    for result in results:
        for name, tensor in result['whole'].items():
            assert torch.equal(tensor, results[0]['whole'][name]), name
            assert torch.equal(tensor, result['resumed'][name]), name
    kept = {f'epoch_{n}{part}.pth' for n in (2, 3) for part in ('', *PENDING)}
    assert names(folder / 'cut') == kept
    own = [load_checkpoint(folder / 'cut' / f'epoch_3{part}.pth')['pairs'] for part in PENDING]
    assert not torch.equal(own[0][0][0], own[1][0][0])


def test_a_cut_run_goes_on_to_the_weights_of_a_whole_one(tmp_path):
    whole = runs.run(tmp_path / 'whole').model.state_dict()
    with pytest.raises(runs.Cut):
        runs.run(tmp_path / 'cut', extra="\ncustom_hooks += [dict(type='CutHook', iteration=10)]")
    assert names(tmp_path / 'cut') == {
        'epoch_1.pth',
        'epoch_1.pending_rank0.pth',
        'epoch_2.pth',
        'epoch_2.pending_rank0.pth',
    }
    state = load_checkpoint(tmp_path / 'cut' / 'epoch_2.pending_rank0.pth')
    assert state['iteration'] == load_checkpoint(tmp_path / 'cut' / 'epoch_2.pth')['meta']['iter']
    resumed = runs.run(tmp_path / 'cut', 'auto').model.state_dict()
    assert all(torch.equal(whole[name], tensor) for name, tensor in resumed.items())
    # those of the checkpoints that `max_keep_ckpts` leaves
    kept = {f'epoch_{n}{part}.pth' for n in (3, 4) for part in ('', '.pending_rank0')}
    assert names(tmp_path / 'cut') == kept

    # without its pair the run is another, and says so
    for file in (tmp_path / 'whole').glob('epoch_3.pending*'):
        file.unlink()
    other = runs.run(tmp_path / 'whole', str(tmp_path / 'whole' / 'epoch_3.pth'))
    assert any(not torch.equal(whole[k], v) for k, v in other.model.state_dict().items())
    log = next(Path(other.log_dir).glob('*.log')).read_text()
    assert 'training goes on without an update in its first step' in log


def test_checkpoints_by_iteration_in_bfloat16_resume_too(tmp_path):
    extra = """
train_cfg = dict(type='IterBasedTrainLoop', max_iters=8)
train_dataloader.update(sampler=dict(type='InfiniteSampler', shuffle=True))
default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=3))
"""
    whole = runs.run(tmp_path / 'whole', extra=extra, amp=True).model.state_dict()
    with pytest.raises(runs.Cut):
        cut = extra + "custom_hooks += [dict(type='CutHook', iteration=5)]"
        runs.run(tmp_path / 'cut', extra=cut, amp=True)
    resumed = runs.run(tmp_path / 'cut', 'auto', extra=extra, amp=True).model.state_dict()
    assert all(torch.equal(whole[name], tensor) for name, tensor in resumed.items())


def test_checkpoints_are_those_of_the_enhancer(tmp_path):
    runs.run(tmp_path, extra='\ntrain_cfg.update(max_epochs=1)')
    tensors = load_state_dict(tmp_path / 'epoch_1.pth')
    assert all(name.startswith('enhancer.') for name in tensors)


def test_other_models_are_refused():
    with pytest.raises(ValueError, match='`PseudoTargetHook` belongs to `llv.PseudoTargetModel`'):
        PseudoTargetHook().before_train(runs.runner_of(EnhancementModel(dict(type='llv.PSENet'))))


def names(folder):
    return {path.name for path in folder.glob('*.pth')}
