"""The commands of the page on detection parse, and what they name is there."""

import argparse
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest

pytest.importorskip('mmdet')
from llv.benchmark.matrix_file import read_matrix  # noqa: E402
from llv.engine.runner import read_config  # noqa: E402

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / 'docs' / 'detection.md',
    ROOT / 'docs' / 'datasets.md',
    ROOT / 'docs' / 'label_efficiency.md',
    ROOT / 'docs' / 'metrics.md',
    *(ROOT / 'configs' / folder / 'README.md' for folder in ('dark_face', 'fddb', 'wider_face')),
    ROOT / 'configs' / 'night_scenes' / 'faces' / 'README.md',
]


def commands(text):
    """Every command of a page, from blocks of code, where a line may go on behind a backslash, and from sentences."""
    text = text.replace('\\\n', ' ')
    blocks = re.findall(r'```bash\n(.*?)```', text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r'`(python [^`]*)`', re.sub(r'```.*?```', '', text, flags=re.DOTALL))
    return [shlex.split(line, comments=True) for line in lines if line.startswith('python ')]


COMMANDS = sorted({tuple(c) for page in PAGES for c in commands(page.read_text(encoding='utf-8'))})


class Parsed(BaseException):
    """Carries what a tool was told, and ends it before it does anything."""


@pytest.fixture
def parse(monkeypatch):
    original = argparse.ArgumentParser.parse_args

    def stop(parser, *args, **kwargs):
        raise Parsed(original(parser, *args, **kwargs))

    def run(command):
        with monkeypatch.context() as patch:
            patch.setattr(argparse.ArgumentParser, 'parse_args', stop)
            patch.setattr(sys, 'argv', list(command[1:]))
            patch.chdir(ROOT)
            with pytest.raises(Parsed) as parsed:
                runpy.run_path(command[1], run_name='__main__')
        return parsed.value.args[0]

    return run


@pytest.mark.parametrize('command', COMMANDS, ids=lambda c: ' '.join(c[1:])[:90])
def test_command_of_a_page_parses_and_names_what_is_there(command, parse, monkeypatch):
    monkeypatch.chdir(ROOT)
    arguments = parse(command)
    tool = Path(command[1]).name
    if tool in ('train.py', 'test.py'):
        cfg = read_config(arguments)  # the strategy, the enhancer and the options fit the config
        assert ('enhancer' in cfg.model.data_preprocessor) == (arguments.enhancer is not None)
        assert all(Path(link.config).is_file() for link in cfg.get('upstream') or [])
    elif tool == 'benchmark.py':
        assert read_matrix(arguments.matrix, arguments.seeds).arms
    for word in command[1:]:
        if word.startswith(('configs/', 'tools/')):
            assert Path(word).is_file()


def test_the_page_shows_a_command_for_each_figure_of_the_papers():
    text = PAGES[0].read_text(encoding='utf-8')
    figures = [
        line for line in text.splitlines() if '| not run |' in line and '| ours |' not in line
    ]
    bare = [line for line in figures if 'python tools/' not in line]
    # twelve classes of one run; the back-bones that differ in a name from one with commands
    assert [line.split('|')[1].strip() for line in bare] == ['VGG-16', 'ResNet-101', 'ResNet-152']
    assert len(figures) >= 24


def test_every_detector_config_is_on_the_page_of_its_folder():
    for page in PAGES[1:]:
        text = page.read_text(encoding='utf-8')
        for config in page.parent.glob('*.py'):
            assert f']({config.name})' in text, config
