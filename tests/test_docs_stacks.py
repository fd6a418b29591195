"""The page on stacks says what `requirements/` pins, and its commands are those of the Makefile."""

import importlib.util
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / 'docs' / 'stacks.md').read_text(encoding='utf-8')
spec = importlib.util.spec_from_file_location('setup_env', ROOT / 'tools' / 'setup_env.py')
setup_env = importlib.util.module_from_spec(spec)
spec.loader.exec_module(setup_env)
ROWS = {
    cells[1].strip(): [cell.strip() for cell in cells[2:-1]]
    for cells in (line.split('|') for line in TEXT.split('\nBoth with ')[0].splitlines())
    if len(cells) == 5
}


@pytest.mark.parametrize('column, stack', list(enumerate(setup_env.STACKS.values())))
def test_the_table_of_stacks_is_what_the_set_up_installs(column, stack):
    cells = {name: row[column] for name, row in ROWS.items()}
    assert re.match(r'`(\w+)`', cells['`STACK`'])[1] == stack.name
    assert cells['environment'] == f'`{stack.venv}`'
    for package in ('mmengine', 'mmcv', 'mmdet', 'mmseg', 'mmpretrain, for tests only'):
        distribution, version = re.fullmatch(r'`([\w-]+)` ([\d.]+)', cells[package]).groups()
        assert version == setup_env.read_pin(distribution)
        assert distribution not in stack.others
    constraints = (ROOT / 'requirements' / stack.name / 'constraints.txt').read_text().splitlines()
    assert f'numpy{cells["numpy"].strip("`")}' in constraints
    assert f'opencv-python-headless{cells["OpenCV, headless"].strip("`")}' in constraints


def test_torch_and_the_pythons_are_those_of_the_set_up():
    for name in ('torch', 'torchvision'):
        assert f'{name} {setup_env.read_pin(name)}' in TEXT
    pythons = ['{}.{}'.format(*version) for version in setup_env.PYTHONS]
    assert f'Python {", ".join(pythons[:-1])} or {pythons[-1]}' in TEXT


COMMANDS = [
    shlex.split(line, comments=True)
    for line in re.search(r'```bash\n(.*?)```', TEXT, re.DOTALL)[1].splitlines()
]


@pytest.mark.parametrize('command', COMMANDS, ids=' '.join)
def test_every_command_sets_up_the_environment_it_names(command):
    if shutil.which('make') is None:
        pytest.skip('make is not installed')
    run = [command[0], '-n', *command[1:]]
    printed = subprocess.check_output(run, cwd=ROOT, text=True)
    name = next((word[6:] for word in command if word.startswith('STACK=')), 'onedl')
    python = next((word[7:] for word in command if word.startswith('PYTHON=')), 'python3')
    exact = ' --exact-python' if python != 'python3' else ''
    assert f'{python} tools/setup_env.py --stack {name}{exact}' in [
        line.strip() for line in printed.splitlines()
    ]
    if 'test' in command:
        assert f'{setup_env.STACKS[name].venv}/bin/python -m pytest' in printed


def test_the_cache_is_where_the_page_says(monkeypatch):
    monkeypatch.delenv('XDG_CACHE_HOME', raising=False)
    folder = setup_env.cache_folder('<distribution>', *['<version>'] * 2, '<python>', '<platform>')
    assert f'`~/{folder.relative_to(Path.home())}`' in TEXT


def test_named_files_are_there():
    for name in re.findall(r'`((?:requirements|llv|tools|\.ci)/[\w./]+)`', TEXT):
        assert (ROOT / name).exists(), name
