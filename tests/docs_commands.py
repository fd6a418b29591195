"""Commands and code on pages: finding them, and seeing that commands parse and name what is there."""

import argparse
import re
import runpy
import shlex
import sys
import textwrap
from pathlib import Path

import pytest

from llv.benchmark.matrix_file import read_matrix
from llv.engine.runner import read_config

ROOT = Path(__file__).parents[1]
# what a reader may follow, line by line
PAGES = [
    ROOT / 'README.md',
    ROOT / 'CONTRIBUTING.md',
    *sorted(path for path in ROOT.glob('docs/**/*.md') if '_site' not in path.parts),
    *sorted(ROOT.glob('configs/**/README.md')),
]


def blocks(text):
    """The fenced blocks of a page: language and content, without the indentation of a list around it."""
    found, language, lines = [], None, []
    for line in text.splitlines():
        fence = re.match(r' *```(\w*)', line)
        if fence and language is None:
            language, lines = fence[1], []
        elif fence:
            found.append((language, textwrap.dedent('\n'.join(lines)) + '\n'))
            language = None
        else:
            lines.append(line)
    assert language is None, f'a block of {language} does not end'
    return found


def shell_lines(text):
    """The words of every line of the blocks of shell code; a line may go on behind a backslash."""
    shell = [code for language, code in blocks(text) if language == 'bash']
    lines = [line for code in shell for line in re.sub(r'\\\n *', ' ', code).splitlines()]
    words = [shlex.split(line, comments=True) for line in lines]
    return [line for line in words if line]


def commands(text):
    """Every command of a page, from blocks of shell code and from sentences."""
    prose = re.sub(r'```.*?```', '', text, flags=re.DOTALL)
    words = shell_lines(text)
    words += [shlex.split(line) for line in re.findall(r'`(python [^`]*)`', prose)]
    # `$LLV` is the folder of an llv that was installed without a clone
    words = [[word.removeprefix('$LLV/') for word in line] for line in words]
    return [_of_one_process(w) for w in words if w[0] in ('python', 'bash')]


def commands_of(pages):
    """The commands of several pages, each once."""
    return sorted({tuple(c) for page in pages for c in commands(page.read_text(encoding='utf-8'))})


def title(command):
    """The name of the test of a command."""
    return ' '.join(command[1:])[:90]


def check_command(command, monkeypatch, folder=ROOT):
    """Parse a command as its tool does in a folder, and read the config or matrix that it names.

    Returns:
        The config of a training or a test as it would run, None for other tools.
    """
    monkeypatch.chdir(folder)
    if command[1].startswith('demo/tutorials/') and len(command) == 2:  # a script without arguments
        assert Path(command[1]).is_file(), command[1]
        return None
    arguments = _parse(command, monkeypatch)
    for word in command[1:]:
        if word.startswith(('configs/', 'tools/', 'demo/')):
            assert Path(re.split('[@:]', word)[0]).is_file(), word
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
