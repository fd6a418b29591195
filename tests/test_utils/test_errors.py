import pytest

from llv.utils.checkpoint import load_checkpoint
from llv.utils.config import load_config
from llv.utils.errors import explain, friendly_errors


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
