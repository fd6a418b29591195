"""Commands on pages: finding them, and seeing that they parse and name what is there."""

import argparse
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest

from llv.benchmark.matrix_file import read_matrix
from llv.engine.runner import read_config

ROOT = Path(__file__).parents[1]


def commands(text):
    """Every command of a page, from blocks of code, where a line may go on behind a backslash, and from sentences."""
    text = re.sub(r'\\\n *', ' ', text)
    block = r'^ *```bash\n(.*?)^ *```'
    blocks = re.findall(block, text, flags=re.DOTALL | re.MULTILINE)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    lines += re.findall(r'`(python [^`]*)`', re.sub(r'```.*?```', '', text, flags=re.DOTALL))
    words = [shlex.split(line, comments=True) for line in lines]
    return [_of_one_process(w) for w in words if w and w[0] in ('python', 'bash')]


def commands_of(pages):
    """The commands of several pages, each once."""
    return sorted({tuple(c) for page in pages for c in commands(page.read_text(encoding='utf-8'))})


def title(command):
    """The name of the test of a command."""
    return ' '.join(command[1:])[:90]


def check_command(command, monkeypatch):
    """Parse a command as its tool does, and read the config or matrix that it names.

    Returns:
        The config of a training or a test as it would run, None for other tools.
    """
    monkeypatch.chdir(ROOT)
    arguments = _parse(command, monkeypatch)
    for word in command[1:]:
        if word.startswith(('configs/', 'tools/')):
            assert Path(word).is_file()
    tool = Path(command[1]).name
    if tool == 'benchmark.py':
        assert read_matrix(arguments.matrix, arguments.seeds).arms
    if tool not in ('train.py', 'test.py'):
        return None
    cfg = read_config(arguments)  # the strategy, the enhancer and the options fit the config
    # configs of searches bring an enhancer with them
    preprocessor = cfg.model.get('data_preprocessor') or {}
    assert 'enhancer' in preprocessor or arguments.enhancer is None
    assert all(Path(link.config).is_file() for link in cfg.get('upstream') or [])
    return cfg


def configs_off_their_page(folder):
    """The configs of a folder that its README has no link to."""
    text = (folder / 'README.md').read_text(encoding='utf-8')
    return [path.name for path in sorted(folder.glob('*.py')) if f']({path.name})' not in text]


class _Parsed(BaseException):
    """Carries what a tool was told, and ends it before it does anything."""


def _parse(command, monkeypatch):
    original = argparse.ArgumentParser.parse_args

    def stop(parser, *args, **kwargs):
        raise _Parsed(original(parser, *args, **kwargs))

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, 'parse_args', stop)
        patch.setattr(sys, 'argv', list(command[1:]))
        with pytest.raises(_Parsed) as parsed:
            runpy.run_path(command[1], run_name='__main__')
    return parsed.value.args[0]


def _of_one_process(command):
    """What `tools/dist_train.sh CONFIG PROCESSES …` runs in each process."""
    if command[0] == 'python':
        return command
    _, script, config, processes, *rest = command
    assert script == 'tools/dist_train.sh' and int(processes) > 1
    return ['python', 'tools/train.py', config, '--launcher', 'pytorch', *rest]
