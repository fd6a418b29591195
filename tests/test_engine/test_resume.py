"""A run that was killed goes on to the very weights of one that was not."""

import re
import signal

import pytest
import toy_training as toy
from mmengine.config import Config

from llv.engine.runner import train
from llv.engine.settings import RunOptions


def run(folder, resume=None, **settings):
    cfg = Config.fromstring(toy.config(**settings), '.py')
    cfg.work_dir = str(folder)
    train(cfg, RunOptions(), resume)
    return (folder / 'last_checkpoint').read_text()


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Uninterrupted runs with two persistent workers."""
    folder = tmp_path_factory.mktemp('whole')
    return {kind: run(folder / str(kind), by_epoch=kind) for kind in (True, False)}


def test_killed_runs_resume_to_equal_weights(tmp_path, run_tool, whole):
    killed = {}
    for by_epoch in (True, False):
        # between two checkpoints, with batches already loaded ahead
        text = toy.config(by_epoch, extra="custom_hooks = [dict(type='KillHook', iteration=18)]")
        file = tmp_path / f'{by_epoch}.py'
        file.write_text(text)
        killed[by_epoch] = run_tool('tools/train.py', file, '--work-dir', tmp_path / str(by_epoch))
    for by_epoch, process in killed.items():
        output = process.communicate()[0]
        assert process.returncode == -signal.SIGKILL, output
        checkpoint = (tmp_path / str(by_epoch) / 'last_checkpoint').read_text()
        assert re.search('epoch_3.pth' if by_epoch else 'iter_16.pth', checkpoint)
        resumed = run(tmp_path / str(by_epoch), 'auto', by_epoch=by_epoch)
        assert toy.equal(resumed, whole[by_epoch])


@pytest.mark.parametrize('by_epoch', [True, False])
def test_result_is_independent_of_workers(tmp_path, whole, by_epoch):
    assert toy.equal(run(tmp_path, by_epoch=by_epoch, workers=0), whole[by_epoch])


def test_seed_matters(tmp_path, whole):
    seeded = run(tmp_path, extra='randomness = dict(seed=1)')
    assert not toy.equal(seeded, whole[True])


def test_auto_resume_without_checkpoint_keeps_load_from(tmp_path, whole):
    settings = dict(extra=f'load_from = {whole[True]!r}\ntrain_cfg.update(max_epochs=1)')
    first = run(tmp_path / 'a', 'auto', **settings)
    assert toy.equal(first, run(tmp_path / 'b', **settings))
    assert not toy.equal(first, run(tmp_path / 'c', extra='train_cfg.update(max_epochs=1)'))
