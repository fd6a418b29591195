import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import toy_training as toy
from mmengine.config import Config
from toy_training import LIT, Evil, write

from llv.engine.runner import common_arguments, read_config
from llv.models.enhancers import RUAS
from llv.utils.checkpoint import load_checkpoint

ROOT = Path(__file__).resolve().parents[2]
ONE = 'train_cfg.update(max_epochs=1)\n'
ENHANCER = 'model.data_preprocessor.enhancer'


def test_train_options_reach_the_run(tmp_path, call_tool):
    file = write(tmp_path)
    options = ['--cfg-options', 'train_cfg.max_epochs=2', 'optim_wrapper.optimizer.lr=0.25']
    status, error = call_tool('train', file, '--work-dir', tmp_path / 'run', '--amp', *options)
    assert status == 0, error
    dumped = Config.fromfile(tmp_path / 'run' / 'toy.py')
    assert dumped.optim_wrapper.type == 'llv.Bfloat16OptimWrapper'
    assert dumped.optim_wrapper.optimizer.lr == 0.25
    assert dumped.randomness.seed == 0
    log = next((tmp_path / 'run').glob('*/*.log')).read_text()
    assert re.search(r'Epoch\(train\) \[2\]\[5/5\].* eta: 0:00:00', log)
    assert load_checkpoint(tmp_path / 'run' / 'epoch_2.pth')['meta']['seed'] == 0

    # from a checkpoint by name, and from the latest
    for resume in (tmp_path / 'run' / 'epoch_1.pth', None):
        again = ['--resume'] if resume is None else ['--resume', resume]
        folder = tmp_path / ('run' if resume is None else 'again')
        epochs = ['--cfg-options', 'train_cfg.max_epochs=3', 'optim_wrapper.optimizer.lr=0.25']
        status, error = call_tool('train', file, '--work-dir', folder, '--amp', *again, *epochs)
        assert status == 0, error
        # the dump runs by itself when the checkpoint is deleted
        dumped = Config.fromfile(folder / 'toy.py')
        assert not dumped.get('load_from') and not dumped.get('resume')
    assert toy.equal(tmp_path / 'run' / 'epoch_3.pth', tmp_path / 'again' / 'epoch_3.pth')


def test_two_processes_on_the_cpu(tmp_path):
    extra = ONE + "custom_hooks = [dict(type='SaveRankHook')]\n"
    write(tmp_path, 'first', extra=extra)
    entry = dict(config=str(tmp_path / 'first.py'), into='model.weights')
    file = write(tmp_path, extra=extra + f'upstream = [{entry}]\n')
    port = 20000 + os.getpid() % 20000
    process = subprocess.run(
        ['bash', 'tools/dist_train.sh', file, '2', '--amp', '--work-dir', tmp_path / 'run'],
        cwd=ROOT,
        text=True,
        capture_output=True,
        env=dict(
            os.environ,
            PYTHON=sys.executable,
            PYTHONPATH=f'{ROOT}{os.pathsep}{ROOT / "tests" / "test_engine"}',
            OMP_NUM_THREADS='1',
            CUDA_VISIBLE_DEVICES='',
            PORT=str(port),
        ),
    )
    assert process.returncode == 0, process.stdout + process.stderr
    upstream = next((tmp_path / 'run' / 'upstream').iterdir())
    for folder in (tmp_path / 'run', upstream):
        ranks = [torch.load(folder / f'rank{rank}.pth', weights_only=True) for rank in (0, 1)]
        assert ranks[0]['wrapper'] == 'DistributedDataParallel'
        first, second = (rank['state_dict'] for rank in ranks)
        trained = [name for name in first if 'running' not in name]  # buffers are not exchanged
        assert all(torch.equal(first[name], second[name]) for name in trained)
        assert not torch.equal(
            first['head.0.running_mean'], second['head.0.running_mean']
        )  # they saw different pictures
    dumped = Config.fromfile(tmp_path / 'run' / 'toy.py')
    assert dumped.model.weights == str(upstream / 'result.pth')


def test_enhancer_is_plugged_in(tmp_path, monkeypatch):
    file = write(tmp_path)
    arguments = [str(file), '--enhancer', 'fixed_gain', '--frozen-enhancer']
    cfg = read_config(common_arguments('').parse_args(arguments))
    preprocessor = cfg.model.data_preprocessor
    assert preprocessor.type == 'llv.EnhancedDataPreprocessor' and preprocessor.frozen
    assert preprocessor.enhancer.type == 'llv.FixedGain'
    assert cfg.work_dir == str(Path('work_dirs', 'toy'))


def test_options_of_the_enhancer_hold_once_it_is_there(tmp_path):
    file = write(tmp_path)
    options = [
        'model.data_preprocessor.enhancer.gain=3.0',
        'model.data_preprocessor.distortion.type=llv.PhotoMetricDistortion',
        'model.data_preprocessor.non_blocking=True',
        'train_cfg.max_epochs=7',
    ]
    arguments = [str(file), '--enhancer', 'fixed_gain', '--cfg-options', *options]
    cfg = read_config(common_arguments('').parse_args(arguments))
    preprocessor = cfg.model.data_preprocessor
    assert preprocessor.enhancer == dict(type='llv.FixedGain', gain=3.0)
    assert preprocessor.distortion == dict(type='llv.PhotoMetricDistortion')
    # what both have stays that of the model's own
    assert preprocessor.base.non_blocking is True and 'non_blocking' not in preprocessor
    assert cfg.train_cfg.max_epochs == 7


def test_user_errors_are_one_sentence(tmp_path, call_tool):
    file = write(tmp_path)
    evil, cut = tmp_path / 'evil.pth', tmp_path / 'cut.pth'
    torch.save(dict(state_dict=Evil(tmp_path / 'trace')), evil)
    cut.write_bytes(pickle.dumps(dict(a=1))[:-3])
    broken = tmp_path / 'broken.py'
    broken.write_text('model = dict(')
    base = tmp_path / 'base.py'
    base.write_text("_base_ = ['gone.py']")
    hook = "custom_hooks = [dict(type='llv.EnhancerLossHook')]\n"
    scene_loss = write(tmp_path, 'scene_loss', extra=hook)
    lit = write(tmp_path, 'lit', extra=LIT)
    work = ['--work-dir', tmp_path / 'run']
    cases = [
        (['nowhere.py'], '`nowhere.py` is not there'),
        (['mmnothing::a/b.py'], '`mmnothing`'),
        (['llv::a/b.py'], 'ships no config `a/b.py`'),
        ([broken], 'no valid config'),
        ([base], 'gone.py'),
        ([file, '--cfg-options', 'train_cfg'], 'has no `=`'),
        ([file, '--cfg-options', 'model.type=ToyMode'], '`ToyMode` is no known type'),
        ([file, '--enhancer', 'fixdgain'], 'FixedGain'),
        ([file, '--enhancer-weights', cut], '`--enhancer`'),
        ([file, '--resume', tmp_path / 'gone.pth'], 'gone.pth'),
        ([file, '--resume', evil], 'refused'),
        ([file, '--resume', cut], 'damaged'),
        ([file, '--cfg-options', f'load_from={evil}'], 'refused'),
        ([file, '--cfg-options', 'load_from=gone.pth'], '`gone.pth` (`load_from`'),
        (
            [file, '--strategy', 'detector_only', '--cfg-options', f'{ENHANCER}.gain=2'],
            '`--strategy detector_only` has none',
        ),
        ([file, '--launcher', 'pytorch'], 'dist_train.sh'),
        ([file, '--cfg-options', 'train_cfg=None'], '`load_from`'),
        ([scene_loss], '`EnhancerLossHook` needs'),
        ([file, '--enhancer', 'identity', '--enhancer-weights', cut], 'it takes no options'),
        ([lit, '--cfg-options', f'{ENHANCER}.verson=RUAS_S'], '`RUAS` takes no `verson`'),
        ([lit, '--cfg-options', f'{ENHANCER}.type=ToyModel'], '`enhancer` must be'),
    ]
    for arguments, message in cases:
        status, error = call_tool('train', *arguments, *work)
        assert status == 2, (arguments, error)
        last = error.strip().splitlines()[-1]
        assert message in last and 'Traceback' not in error, (arguments, error)
    assert not (tmp_path / 'trace').exists()


def test_a_frozen_enhancer_must_not_stay_random(tmp_path, call_tool):
    torch.save(RUAS().state_dict(), tmp_path / 'ruas.pth')
    first = "model = dict(type='llv.EnhancementModel', enhancer=dict(type='llv.RUAS'))\n"
    write(tmp_path, 'first', extra=ONE + first)
    entry = dict(config=str(tmp_path / 'first.py'))
    plain, lit = write(tmp_path, extra=ONE), write(tmp_path, 'lit', extra=ONE + LIT)
    linked = write(tmp_path, 'linked', extra=ONE + LIT + f'upstream = [{entry}]\n')
    plug = [plain, '--enhancer', 'ruas', '--frozen-enhancer']
    freeze = [lit, '--cfg-options', 'model.data_preprocessor.frozen=True']

    def run(name, *arguments):
        status, error = call_tool('train', *arguments, '--work-dir', tmp_path / name)
        assert 'Traceback' not in error
        return status, error.strip().splitlines()[-1:]

    for arguments in (plug, freeze):
        status, (sentence,) = run('random', *arguments)
        assert (
            status == 2 and f'`{ENHANCER}.weights`' in sentence and '--enhancer-weights' in sentence
        )
    assert not list((tmp_path / 'random').glob('*.pth'))

    weights = ['--enhancer-weights', tmp_path / 'ruas.pth']
    assert run('plugged', *plug, *weights)[0] == 0
    assert run('linked', linked, '--cfg-options', 'model.data_preprocessor.frozen=True')[0] == 0
    checkpoint = tmp_path / 'plugged' / 'epoch_1.pth'
    assert run('loaded', *freeze, f'load_from={checkpoint}')[0] == 0
    assert run('resumed', *freeze, 'train_cfg.max_epochs=2', '--resume', checkpoint)[0] == 0
    for name in ('plugged', 'loaded'):
        tensors = toy.weights(tmp_path / name / 'epoch_1.pth')
        for key, value in load_checkpoint(tmp_path / 'ruas.pth').items():
            assert torch.equal(tensors[f'data_preprocessor.enhancer.{key}'], value)


@pytest.mark.parametrize('workers', [0, 1])
def test_unreadable_pictures_are_named(tmp_path, call_tool, workers):
    pytest.importorskip('mmcv')
    (tmp_path / 'cut.png').write_bytes(b'\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR')
    for name, reason in (('cut.png', 'damaged'), ('gone.png', 'no such file')):
        steps = [
            dict(type='ToyPath', path=str(tmp_path / name)),
            dict(type='mmcv.LoadImageFromFile'),
        ]
        file = write(tmp_path, workers=workers, extra=f'pipeline[:0] = {steps}\n')
        status, error = call_tool('train', file, '--work-dir', tmp_path / 'run')
        assert status == 2 and 'Traceback' not in error, error
        sentence = error.strip().splitlines()[-1]
        assert f'`{tmp_path / name}`' in sentence and reason in sentence


def test_defects_keep_their_traceback(tmp_path, call_tool, monkeypatch):
    file = write(tmp_path)
    # of a Runner that is broken
    monkeypatch.setattr('mmengine.runner.Runner.build_model', lambda runner, cfg: len(3))
    with pytest.raises(TypeError, match='has no len'):
        call_tool('train', file, '--work-dir', tmp_path)
    monkeypatch.setenv('LLV_DEBUG', '1')
    with pytest.raises(FileNotFoundError):
        call_tool('train', 'nowhere.py')
