from pathlib import Path

import pytest
from torch.utils.data import DataLoader

from llv.utils import errors
from llv.utils.checkpoint import load_checkpoint
from llv.utils.config import load_config
from llv.utils.errors import explain, friendly_errors
from llv.utils.pictures import read_picture


def caught(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:
        return error
    raise AssertionError('nothing was raised')


def test_deliberate_errors_become_one_sentence_on_stderr(capsys):
    with pytest.raises(SystemExit) as status, friendly_errors():
        load_config('gone.py')
    captured = capsys.readouterr()
    assert status.value.code == 2
    assert captured.err.startswith('error: The config `gone.py` is not there')
    assert captured.err.count('\n') == 1 and not captured.out


def test_defects_pass():
    def defect():
        raise ValueError('outside of llv')

    assert explain(caught(defect)) is None
    assert explain(caught(int, 'x')) is None
    # an operation that fails inside llv is a defect too
    assert explain(caught(load_checkpoint, 3)) is None
    with pytest.raises(ZeroDivisionError), friendly_errors():
        1 / 0  # noqa: B018


def test_debugging_keeps_the_traceback(monkeypatch):
    monkeypatch.setenv('LLV_DEBUG', '1')
    with pytest.raises(FileNotFoundError), friendly_errors():
        load_config('gone.py')


def test_errors_of_libraries_about_files_and_types(tmp_path):
    assert f'`{tmp_path / "x"}`: no such file' in explain(caught(open, tmp_path / 'x'))
    from mmengine.registry import MODELS

    text = explain(caught(MODELS.build, dict(type='Nothing')))
    assert text.startswith('`Nothing` is no known type of the `mmengine::model` registry')


class Calls:
    """A data set whose samples are the results of a function."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.function(*self.arguments)


def chained(path):
    try:
        open(path)
    except OSError as error:
        raise KeyError('a defect') from error


@pytest.mark.parametrize('workers', [0, 1])
def test_errors_in_workers_are_told_as_outside(tmp_path, workers):
    def load(function, *arguments):
        loader = DataLoader(Calls(function, *arguments), num_workers=workers)
        return explain(caught(list, loader))

    gone, broken = tmp_path / 'gone.png', tmp_path / 'broken.png'
    broken.write_bytes(b'no picture')
    assert load(open, gone).startswith(f'`{gone}`: no such file or directory; check the path')
    assert load(open, tmp_path).startswith(f'`{tmp_path}`: is a directory')
    # raised by llv, with its own words
    assert load(load_checkpoint, gone) == explain(caught(load_checkpoint, gone))
    assert str(broken) in load(read_picture, broken)
    # defects
    assert load(int, 'x') is None
    assert load(load_checkpoint, 3) is None
    assert load(chained, gone) is None


@pytest.mark.parametrize('workers', [0, 1])
def test_pictures_that_mmcv_cannot_load_are_named(tmp_path, workers):
    transforms = pytest.importorskip('mmcv.transforms')
    load = transforms.LoadImageFromFile()
    gone, broken = tmp_path / 'gone.png', tmp_path / 'broken.png'
    broken.write_bytes(b'no picture')
    for path, reason in ((gone, 'check the path'), (broken, 'damaged')):
        loader = DataLoader(Calls(load, dict(img_path=str(path))), num_workers=workers)
        sentence = explain(caught(list, loader))
        assert f'`{path}`' in sentence and reason in sentence and '\n' not in sentence


def test_empty_picture_files(tmp_path):
    transforms = pytest.importorskip('mmcv.transforms')
    (tmp_path / 'empty.png').touch()
    results = dict(img_path=str(tmp_path / 'empty.png'))
    text = explain(caught(transforms.LoadImageFromFile(), results))
    assert text.startswith('A picture of the data set is an empty file')


def test_what_a_tool_raises_is_told_and_what_fails_in_it_is_not(monkeypatch, tmp_path):
    tool = tmp_path / 'tools' / 'analysis_tools' / 'tool.py'
    tool.parent.mkdir(parents=True)
    tool.write_text('def tell():\n    raise ValueError("mend it")\n\n\ndef fail():\n    int("x")\n')
    content = {}
    exec(compile(tool.read_text(), tool, 'exec'), content)
    assert explain(caught(content['tell'])) is None  # somebody's own tools
    monkeypatch.setattr(errors, '_OWN', {tmp_path / 'tools'})
    assert explain(caught(content['tell'])) == 'mend it'
    assert explain(caught(content['fail'])) is None
    # those of this checkout are known
    monkeypatch.undo()
    assert Path(__file__).resolve().parents[2] / 'tools' in errors._OWN
