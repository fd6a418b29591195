import argparse
import builtins
import collections
import http.server
import sys
import threading
import types
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from mmengine.runner import checkpoint as loaders

from llv.utils.checkpoint import (
    cached_download,
    load_checkpoint,
    load_state_dict,
    use_weights_only_loading,
)


class Calls:
    """Unpickles to the result of a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.fixture
def weights_only():
    """Exchanges mmengine's loaders for the time of a test."""
    schemes = CheckpointLoader._schemes.copy()
    names = ('load_from_local', 'load_from_http', '_safe_torch_load')
    functions = {name: getattr(loaders, name, None) for name in names}
    use_weights_only_loading()
    yield
    CheckpointLoader._schemes = schemes
    for name, function in functions.items():
        setattr(loaders, name, function)


def history():
    buffer = HistoryBuffer()
    for value in (np.float64(3), 1.0, 2):
        buffer.update(value)
    return buffer


def mmengine_checkpoint():
    """What mmengine's runner saves."""
    return dict(
        meta=dict(epoch=3, dataset_meta=dict(classes=('cat',), palette=np.zeros((1, 3), 'uint8'))),
        state_dict=collections.OrderedDict(weight=torch.arange(6.0).reshape(2, 3)),
        message_hub=dict(log_scalars=dict(loss=history()), runtime_info=dict(iter=np.int64(7))),
        optimizer=dict(state={}, param_groups=[dict(lr=0.1, betas=(0.9, 0.999))]),
        param_schedulers=[dict(last_step=3)],
    )


@pytest.mark.parametrize('zipped', [True, False])
def test_checkpoint_with_log_history_opens(tmp_path, zipped):
    saved = mmengine_checkpoint()
    torch.save(saved, tmp_path / 'a.pth', _use_new_zipfile_serialization=zipped)
    loaded = load_checkpoint(tmp_path / 'a.pth')
    assert torch.equal(loaded['state_dict']['weight'], saved['state_dict']['weight'])
    assert loaded['message_hub']['log_scalars']['loss'].mean() == 2
    assert loaded['message_hub']['runtime_info']['iter'] == 7
    assert loaded['meta']['dataset_meta']['palette'].shape == (1, 3)
    assert list(load_state_dict(tmp_path / 'a.pth')) == ['weight']


def test_lightning_checkpoint_opens_without_lightning(tmp_path, monkeypatch):
    """Its callback's class is the key of a dict, and the arguments of the run are a Namespace."""
    name = 'pytorch_lightning.callbacks.model_checkpoint'
    callback = type('ModelCheckpoint', (), dict(__module__=name))
    with monkeypatch.context() as patch:
        for depth in (1, 2, 3):
            module = types.ModuleType('.'.join(name.split('.')[:depth]))
            patch.setitem(sys.modules, module.__name__, module)
        module.ModelCheckpoint = callback
        saved = dict(
            state_dict=collections.OrderedDict(weight=torch.arange(3.0)),
            callbacks={callback: dict(best_model_score=None)},
            hyper_parameters=dict(config=argparse.Namespace(lr=0.001)),
        )
        torch.save(saved, tmp_path / 'a.ckpt')
    assert name not in sys.modules
    loaded = load_checkpoint(tmp_path / 'a.ckpt')
    assert loaded['hyper_parameters']['config'].lr == 0.001
    assert torch.equal(load_state_dict(tmp_path / 'a.ckpt')['weight'], torch.arange(3.0))
    assert name not in sys.modules


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize(
    ('function', 'arguments'),
    [
        (open, ('TRACE', 'w')),
        (eval, ("open('TRACE', 'w')",)),
        # by way of the one attribute look-up that log histories need
        (getattr, (HistoryBuffer, '__init__')),
        (getattr, (builtins, 'open')),
        (getattr, (torch, 'save')),
    ],
)
def test_code_is_refused_and_not_run(tmp_path, weights_only, zipped, function, arguments):
    trace = tmp_path / 'trace'
    arguments = [a.replace('TRACE', str(trace)) if isinstance(a, str) else a for a in arguments]
    file = tmp_path / 'evil.pth'
    if arguments[0] is builtins or arguments[0] is torch:  # modules are named, not pickled
        arguments[0] = Calls(__import__, arguments[0].__name__)
    saved = dict(mmengine_checkpoint(), extra=Calls(function, *arguments))
    torch.save(saved, file, _use_new_zipfile_serialization=zipped)
    for load in (load_checkpoint, loaders._load_checkpoint, loaders.load_from_local):
        with pytest.raises(ValueError, match='is refused') as error:
            load(str(file)) if load is not loaders.load_from_local else load(str(file), 'cpu')
        assert '\n' not in str(error.value)
    assert not trace.exists()


@settings(deadline=None)  # a loaded machine takes its time
@given(st.data())
def test_damaged_files_are_told_in_one_sentence(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    whole = folder / f'whole{data.draw(st.booleans(), label="zipped")}.pth'
    if not whole.exists():
        torch.save(
            mmengine_checkpoint(), whole, _use_new_zipfile_serialization='True' in whole.name
        )
    content = whole.read_bytes()
    file = folder / 'cut.pth'
    file.write_bytes(content[: data.draw(st.integers(0, len(content) - 30), label='length')])
    # an old-style file that ends within the name of a class looks like one of an unknown class
    message = 'is damaged or no PyTorch' if 'True' in whole.name else 'is (damaged|refused)'
    with pytest.raises(ValueError, match=message) as error:
        load_checkpoint(file)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('content', [b'', b'hello', b'\x89PNG\r\n\x1a\n', b'PK\x03\x04', b'[1, 2]'])
def test_other_files_are_told(tmp_path, content):
    file = tmp_path / 'x.pth'
    file.write_bytes(content)
    with pytest.raises(ValueError, match='no PyTorch checkpoint'):
        load_checkpoint(file)


def test_missing_and_empty_files(tmp_path):
    with pytest.raises(FileNotFoundError, match='check the path'):
        load_checkpoint(tmp_path / 'gone.pth')
    for content in ([1, 2], {}, dict(epoch=3)):
        torch.save(content, tmp_path / 'x.pth')
        with pytest.raises(ValueError, match='no named tensors'):
            load_state_dict(tmp_path / 'x.pth')


def test_mmengine_downloads_are_read_by_the_same_function(tmp_path, monkeypatch, weights_only):
    served = tmp_path / 'served'
    served.mkdir()
    torch.save(mmengine_checkpoint(), served / 'good.pth')
    torch.save(Calls(open, str(tmp_path / 'trace'), 'w'), served / 'evil.pth')
    torch.save(mmengine_checkpoint(), served / 'wrong-00000000.pth')
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=served)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f'http://127.0.0.1:{server.server_port}'
        assert 'state_dict' in loaders._load_checkpoint(f'{address}/good.pth')
        with pytest.raises(ValueError, match='is refused'):
            loaders._load_checkpoint(f'{address}/evil.pth')
        # names that stand for an address
        published = dict(net=f'{address}/evil.pth')
        monkeypatch.setattr(loaders, 'get_torchvision_models', lambda: published)
        with pytest.raises(ValueError, match='is refused'):
            loaders._load_checkpoint('torchvision://net')
        with pytest.raises(FileNotFoundError, match='could not be downloaded'):
            loaders._load_checkpoint(f'{address}/wrong-00000000.pth')
        assert not cached_download('x/wrong-00000000.pth').exists()
        server.shutdown()
    assert 'state_dict' in loaders._load_checkpoint(f'{address}/good.pth')  # from the cache
    with pytest.raises(FileNotFoundError, match='--no-pretrained'):
        loaders._load_checkpoint(f'{address}/other.pth')
    assert not (tmp_path / 'trace').exists()
    assert cached_download(f'{address}/good.pth') == Path(tmp_path, 'hub/checkpoints/good.pth')
