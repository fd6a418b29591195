import subprocess

import pytest

from llv.utils.config import load_config


def test_files_and_options(tmp_path, monkeypatch):
    (tmp_path / 'base.py').write_text("a = dict(b=[1, dict(c=2)])\nhere = '{{ fileDirname }}'")
    (tmp_path / 'x.py').write_text("_base_ = ['base.py']")
    monkeypatch.chdir(tmp_path)
    cfg = load_config('x.py', {'a.b.1.c': 5, 'd': 6})
    assert cfg.a.b[1].c == 5 and cfg.d == 6
    assert cfg.here == str(tmp_path)
    assert cfg.filename == 'x.py'
    with pytest.raises(ValueError, match='`a.b.7`'):
        load_config('x.py', {'a.b.7': 5})


@pytest.mark.parametrize(
    'name',
    ['mmdet::ssd/ssd300_coco.py', 'mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb2-40k_cityscapes-'
     '512x1024.py'],
)  # fmt: skip
def test_configs_of_packages_resolve_without_pip(name, monkeypatch):
    pytest.importorskip(name.partition('::')[0])

    def refuse(*command, **options):
        raise AssertionError(f'{command} was called')

    monkeypatch.setattr(subprocess, 'check_call', refuse)
    cfg = load_config(name, {'train_dataloader.batch_size': 3})
    assert 'data_preprocessor' in cfg.model
    assert cfg.train_dataloader.batch_size == 3


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('gone.py', 'is not there'),
        ('mmgone::a/b.py', 'is not installed'),
        ('::a/b.py', 'is not installed'),
        ('llv::a/b.py', '`llv` ships no config `a/b.py`'),
        ('bad.txt', '.py, .json or .yaml'),
        ('syntax.py', 'no valid config'),
        ('name.py', 'no valid config'),
        ('base.py', 'nothing.py'),
        ('imports.py', 'imports what is not there .*no_such_module'),
        ('json.json', 'no valid config'),
        ('folder.py', 'is not there'),
    ],
)
def test_bad_configs_are_told_in_one_sentence(tmp_path, monkeypatch, name, message):
    files = {
        'bad.txt': 'a = 1',
        'syntax.py': 'a = (',
        'name.py': 'a = b',
        'base.py': "_base_ = 'nothing.py'",
        'imports.py': "custom_imports = dict(imports=['no_such_module'])",
        'json.json': '{"a": ',
    }
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    (tmp_path / 'folder.py').mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises((OSError, ImportError, ValueError), match=message) as error:
        load_config(name)
    assert '\n' not in str(error.value)
