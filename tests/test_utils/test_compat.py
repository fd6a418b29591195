"""Checkpoints of mmengine's runner through plain `torch.load` and mmengine's own loaders, on either stack."""

import builtins
import importlib.metadata
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from llv.utils import compat

REFUSES = tuple(int(part) for part in torch.__version__.split('.')[:2]) >= (2, 6)
needs_torch = pytest.mark.skipif(not REFUSES, reason='before torch 2.6 nothing is refused')


class Calls:
    """Unpickles to the result of a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.fixture
def nothing_allowed():
    """torch as it is before anybody named anything to it."""
    kept = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    yield
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(kept)


def runner_checkpoint():
    """The parts of a checkpoint of mmengine's runner that are no tensors."""
    history = HistoryBuffer()
    for value in (np.float64(3), 1.0, 2):
        history.update(value)
    return dict(
        meta=dict(dataset_meta=dict(classes=('cat',), palette=np.eye(3, dtype='uint8'))),
        message_hub=dict(log_scalars=dict(loss=history), runtime_info=dict(iter=np.int64(7))),
        state_dict=dict(weight=torch.arange(3.0)),
    )


@needs_torch
@pytest.mark.parametrize('zipped', [True, False])
def test_checkpoints_open_on_openmmlabs_packages_only(
    tmp_path, monkeypatch, nothing_allowed, zipped
):
    file = tmp_path / 'epoch_1.pth'
    torch.save(runner_checkpoint(), file, _use_new_zipfile_serialization=zipped)
    monkeypatch.setattr(compat, 'is_continuation', lambda: True)
    compat.allow_runner_checkpoints()
    assert torch.serialization.get_safe_globals() == []
    with pytest.raises(pickle.UnpicklingError):
        torch.load(file)
    monkeypatch.setattr(compat, 'is_continuation', lambda: False)
    compat.allow_runner_checkpoints()
    loaded = torch.load(file)
    assert loaded['message_hub']['log_scalars']['loss'].mean() == 2
    assert loaded['message_hub']['log_scalars']['loss'].statistics('max') == 3
    assert loaded['message_hub']['runtime_info']['iter'] == 7
    assert np.array_equal(loaded['meta']['dataset_meta']['palette'], np.eye(3))
    assert torch.equal(loaded['state_dict']['weight'], torch.arange(3.0))


@needs_torch
@pytest.mark.parametrize('other', ['core', '_core'])
def test_arrays_of_the_other_numpy_open(tmp_path, nothing_allowed, other):
    """The names that numpy 1 and numpy 2 write, whichever is here."""
    file = tmp_path / 'x.pth'
    saved = dict(a=np.arange(4), b=np.float32(5))
    torch.save(saved, file, _use_new_zipfile_serialization=False)
    content = file.read_bytes()
    here = b'numpy._core.' if b'numpy._core.' in content else b'numpy.core.'
    assert content.count(here) == 2
    # protocol 2 ends the names of modules with a newline, so that they may change their length
    file.write_bytes(content.replace(here, f'numpy.{other}.'.encode()))
    with torch.serialization.safe_globals(compat.runner_globals()):
        loaded = torch.load(file, weights_only=True)
    assert np.array_equal(loaded['a'], np.arange(4)) and loaded['b'] == 5


@needs_torch
@pytest.mark.parametrize(
    'call',
    [
        (open, 'TRACE', 'w'),
        (eval, "open('TRACE', 'w')"),
        (getattr, HistoryBuffer, '__init__'),
        (getattr, Calls(__import__, 'builtins'), 'open'),
        (getattr, np.ndarray, 'tofile'),
    ],
    ids=['open', 'eval', 'getattr of a class', 'getattr of a module', 'getattr of an array'],
)
def test_nothing_else_is_opened_and_no_code_runs(tmp_path, nothing_allowed, call):
    trace = str(tmp_path / 'trace')
    call = [part.replace('TRACE', trace) if isinstance(part, str) else part for part in call]
    torch.save(dict(runner_checkpoint(), extra=Calls(*call)), tmp_path / 'evil.pth')
    with torch.serialization.safe_globals(compat.runner_globals()):
        with pytest.raises(pickle.UnpicklingError):
            torch.load(tmp_path / 'evil.pth', weights_only=True)
    assert not os.path.exists(trace)


def test_only_public_methods_of_log_histories_are_looked_up():
    assert compat._history_method(HistoryBuffer, 'mean') is HistoryBuffer.mean
    for owner, name in ((HistoryBuffer, '__init__'), (builtins, 'open'), (torch, 'save')):
        with pytest.raises(pickle.UnpicklingError, match='not allowed'):
            compat._history_method(owner, name)


@needs_torch
def test_import_llv_is_enough_for_mmengines_own_loader(tmp_path):
    """On OpenMMLab's packages `import llv` names the globals; on the continuation it leaves torch alone."""
    checkpoint = runner_checkpoint()
    del checkpoint['meta']  # arrays of uint8, which the continuation does not tell torch of
    torch.save(checkpoint, tmp_path / 'epoch_1.pth')
    code = (
        'import torch, llv\n'
        'from mmengine.logging import HistoryBuffer\n'
        'print(HistoryBuffer in torch.serialization.get_safe_globals())\n'
        'from mmengine.runner import load_checkpoint\n'
        'module = torch.nn.Module(); module.register_buffer("weight", torch.zeros(3))\n'
        f'checkpoint = load_checkpoint(module, {str(tmp_path / "epoch_1.pth")!r})\n'
        'print(module.weight.tolist(), checkpoint["message_hub"]["log_scalars"]["loss"].mean())'
    )
    process = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert lines[-1] == '[0.0, 1.0, 2.0] 2.0'
    assert 'weights_only=False' not in process.stdout + process.stderr
    continuation = any(d.name == 'onedl-mmengine' for d in importlib.metadata.distributions())
    assert lines[0] == str(not continuation)
