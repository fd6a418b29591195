"""The checks of the stack, each in a process of its own with stand-in packages on its path."""

import importlib.machinery
import os
import subprocess
import sys
from pathlib import Path

import pytest

from llv.utils import environment

# The module by itself: `import llv` would already run what is tested here.
LOAD = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location('environment', {str(environment.__file__)!r})
environment = importlib.util.module_from_spec(spec)
spec.loader.exec_module(environment)
"""


def run(
    code: str, *paths: Path, site: bool = True, **variables: str
) -> subprocess.CompletedProcess:
    """Runs `code` in a fresh Python; without `site`, nothing but `paths` is installed there."""
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join(map(str, paths)), **variables}
    command = [sys.executable, *([] if site else ['-S']), '-c', code]
    return subprocess.run(command, env=env, capture_output=True, text=True, cwd='/')


def package(folder: Path, name: str, version: str) -> None:
    (folder / name).mkdir()
    (folder / name / '__init__.py').write_text(f'__version__ = {version!r}\n')


def distribution(folder: Path, name: str, version: str) -> None:
    info = folder / f'{name.replace("-", "_")}-{version}.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n')


@pytest.mark.parametrize(
    'versions, words',
    [
        (dict(mmengine='0.10.4'), ('`torch` 2.0', '`pip install torch`')),
        (dict(torch='2.4.1'), ('`mmengine` 0.10', '`pip install onedl-mmengine`')),
        (dict(torch='1.13.1+cu117', mmengine='0.10.4'), ('not 1.13.1', '--upgrade torch')),
        (dict(torch='2.4.1', mmengine='0.9.1'), ('not 0.9.1', '--upgrade onedl-mmengine')),
        (dict(torch='2.0.0', mmengine='0.10.0'), None),
        (dict(torch='2.13.0+cu130', mmengine='0.10.12'), None),
        (dict(torch='10.0', mmengine='1.0.0rc1'), None),
    ],
)
def test_check_stack_versions(tmp_path, versions, words):
    for name, version in versions.items():
        package(tmp_path, name, version)
    result = run(LOAD + 'environment.check_stack()', tmp_path, site=False)
    if words is None:
        assert (result.returncode, result.stderr) == (0, '')
    else:
        last = result.stderr.splitlines()[-1]
        assert last.startswith('ImportError: llv needs ')
        assert all(word in last for word in words), last


def test_check_stack_names_the_stack_that_is_there(tmp_path):
    package(tmp_path, 'torch', '2.4.1')
    distribution(tmp_path, 'mmdet', '3.3.0')
    result = run(LOAD + 'environment.check_stack()', tmp_path, site=False)
    assert result.stderr.splitlines()[-1].endswith('run `pip install mmengine`.')


def test_check_stack_warns_of_two_stacks(tmp_path):
    package(tmp_path, 'torch', '2.4.1')
    package(tmp_path, 'mmengine', '0.10.4')
    distribution(tmp_path, 'onedl-mmsegmentation', '1.4.2')
    code = LOAD + 'environment.check_stack()'
    assert run(code, tmp_path, site=False).stderr == ''
    distribution(tmp_path, 'mmsegmentation', '1.2.2')
    result = run(code, tmp_path, site=False)
    assert result.returncode == 0
    assert '`onedl-mmsegmentation` and `mmsegmentation` are installed together' in result.stderr


def test_flags_agree_with_what_imports():
    """What the flags say from file names is what imports say (in a process: they take seconds)."""
    code = (
        'import torch\n'
        "for name in ('mmcv._ext', 'mmdet.models', 'mmseg.models'):\n"
        '    try: __import__(name)\n'
        '    except ImportError: print(name, 0)\n'
        '    else: print(name, 1)'
    )
    output = run(code).stdout
    flags = dict(line.split() for line in output.splitlines() if line.startswith('mm'))
    assert environment.has_ops() is (flags['mmcv._ext'] == '1')
    assert environment.has_mmdet() is (flags['mmdet.models'] == '1')
    assert environment.has_mmseg() is (flags['mmseg.models'] == '1')
    for package, flag in [('mmcv.ops', 'mmcv._ext'), ('mmdet', 'mmdet.models')]:
        assert (environment.missing_for(package) == '') is (flags[flag] == '1')


def test_flags_import_nothing():
    code = LOAD + (
        'before = set(sys.modules)\n'
        'environment.has_ops(), environment.has_mmdet(), environment.has_mmseg()\n'
        "heavy = {'torch', 'mmcv', 'mmdet', 'mmseg', 'mmengine'} & set(sys.modules)\n"
        'assert not heavy, heavy'
    )
    result = run(code)
    assert result.returncode == 0, result.stderr


def test_mmcv_without_operators(tmp_path):
    for name in ('mmcv', 'mmdet', 'mmengine'):
        package(tmp_path, name, '3.0.0')
    code = LOAD + (
        'print(environment.has_ops(), environment.has_mmdet(), environment.has_mmseg())\n'
        "for name in ('mmcv', 'mmcv.ops', 'mmdet', 'mmseg'): print(environment.missing_for(name))"
    )
    result = run(code, tmp_path, site=False)
    flags, mmcv, ops, mmdet, mmseg = result.stdout.splitlines()
    assert flags == 'False False False'
    assert mmcv == ''
    assert ops == mmdet and '`mmcv.ops` is missing' in ops and '`make env`' in ops
    assert mmseg == '`mmseg` is not installed: run `pip install onedl-mmsegmentation`.'
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    (tmp_path / 'mmcv' / f'_ext{suffix}').touch()
    assert run(code, tmp_path, site=False).stdout.splitlines()[0] == 'True True False'


def test_missing_for_unknown_package():
    with pytest.raises(ValueError, match='must be one of .*`mmdet`.*, not `mmpose`'):
        environment.missing_for('mmpose')


@pytest.fixture
def failing_pip(tmp_path):
    """A folder for PATH whose `python` and `pip` fail and leave `called` behind."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    for name in ('python', 'python3', 'pip', 'pip3'):
        (folder / name).write_text(f'#!/bin/sh\necho "$0 $*" >> {tmp_path}/called\nexit 1\n')
        (folder / name).chmod(0o755)
    return folder


def hub(failing_pip: Path, *paths: str, head: str = 'import llv') -> subprocess.CompletedProcess:
    """Reads configs through mmengine's hub with the failing pip first on PATH."""
    code = (
        f'{head}\nfrom mmengine.hub import get_config\n'
        f'for path in {paths!r}: print(path, len(get_config(path)))'
    )
    return run(code, PATH=f'{failing_pip}{os.pathsep}{os.environ["PATH"]}')


@pytest.mark.skipif(not environment.has_mmdet(), reason='needs mmdet')
@pytest.mark.skipif(not environment.has_mmseg(), reason='needs mmseg')
def test_configs_resolve_without_pip(failing_pip, tmp_path):
    paths = [
        'mmdet::ssd/ssd300_coco.py',
        'mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb2-40k_cityscapes-512x1024.py',
        'llv::_base_/datasets/exdark.py',
    ]
    # The same as base files of configs elsewhere.
    for number, path in enumerate(paths):
        (tmp_path / f'{number}.py').write_text(f'_base_ = [{path!r}]\n')
    head = (
        'import llv\nfrom mmengine import Config\n'
        f'for n in range({len(paths)}): Config.fromfile(f"{tmp_path}/{{n}}.py")'
    )
    result = hub(failing_pip, *paths, head=head)
    assert result.returncode == 0, result.stderr
    lines = [line.rsplit(maxsplit=1) for line in result.stdout.splitlines() if '::' in line]
    assert [path for path, _ in lines] == paths
    assert all(int(length) > 2 for _, length in lines)
    assert not (tmp_path / 'called').exists()


def test_mmengine_itself_would_run_pip(failing_pip, tmp_path):
    """What the next tests rule out does happen without llv, and the stand-ins catch it."""
    hub(failing_pip, 'mmpose::a/b.py', head='')
    assert 'pip install mmpose' in (tmp_path / 'called').read_text()


# mmengine.hub may have been imported before llv.
@pytest.mark.parametrize('head', ['import llv', 'import mmengine.hub, llv'])
def test_absent_package_is_a_sentence_not_pip(failing_pip, tmp_path, head):
    result = hub(failing_pip, 'mmpose::a/b.py', head=head)
    assert not (tmp_path / 'called').exists()
    assert result.stderr.splitlines()[-1].startswith(
        'ModuleNotFoundError: `mmpose` is not installed'
    )


def test_absent_mmseg_names_its_distribution(failing_pip, tmp_path):
    head = (
        'import importlib.util as util\n'
        'original = util.find_spec\n'
        "util.find_spec = lambda name, *a: None if name == 'mmseg' else original(name, *a)\n"
        'import llv\n'
        # OpenMMLab's mmengine asks the metadata first
        'from mmengine.utils import package_utils\n'
        'there = package_utils.is_installed\n'
        'package_utils.is_installed = lambda name: '
        "False if name == 'mmsegmentation' else there(name)"
    )
    result = hub(
        failing_pip, 'mmseg::pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024.py', head=head
    )
    assert not (tmp_path / 'called').exists()
    last = result.stderr.splitlines()[-1]
    assert last.startswith('ModuleNotFoundError: `mmseg` is not installed: run `pip install ')
    assert last.endswith('mmsegmentation`.')
