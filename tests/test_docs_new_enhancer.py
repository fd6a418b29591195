"""Every command of the page runs, in order, on a few small pictures; its table is that of the checks."""

import inspect
import re

import pytest
import torch
import yaml
from docs_commands import ROOT, commands, title
from new_parts import STEPS, linked, run_command

from llv.benchmark.matrix_file import read_matrix
from llv.testing import CHECKS
from llv.utils.checkpoint import load_state_dict

PAGE = ROOT / 'docs' / 'new_enhancer.md'
TEXT = PAGE.read_text(encoding='utf-8')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Where the commands are typed: the folder of llv, with nothing in its `data` and `work_dirs` yet."""
    return linked(tmp_path_factory.mktemp('walk'))


@pytest.fixture
def type_command(folder, monkeypatch):
    return lambda command: run_command(command, folder, monkeypatch)


def test_the_commands_run_in_their_order(folder, type_command, capsys):
    pytest.importorskip('mmdet')
    pytest.importorskip('onnxruntime')
    for command in commands(TEXT):
        if command[1] != 'tools/benchmark.py':  # below
            assert type_command(command) == 0, title(command)
    said = capsys.readouterr().out
    assert '14 promises kept, 0 broken' in said
    assert '`demo.new_enhancer.lantern.Lantern`' in said and '`Lantern width=16`' in said
    pairs = folder / 'data/night_scenes_96/val/night'
    lit = {path.name for path in (folder / 'work_dirs/lit').iterdir()}
    assert lit == {path.name for path in pairs.iterdir()}
    # the config that another process reads holds all that it needs
    dumped = (folder / 'work_dirs/hierarchical/night.py').read_text()
    assert "type='demo.new_enhancer.lantern.Lantern'" in dumped
    alone, behind = (
        load_state_dict(folder / 'work_dirs' / name / 'iter_1.pth')
        for name in ('train_lantern', 'hierarchical')
    )
    name = 'enhancer.layers.0.weight'
    assert not torch.equal(behind[f'data_preprocessor.{name}'], alone[name])


def test_the_matrix_runs_over_the_options(folder, type_command):
    pytest.importorskip('mmdet')
    matrix = yaml.safe_load((ROOT / 'demo/new_enhancer/widths.yml').read_text())
    for part in (*matrix['detectors'].values(), *filter(None, matrix['enhancers'].values())):
        for key in {'config', 'start', 'upstream'} & set(part):
            part[key] = str((ROOT / 'demo/new_enhancer' / part[key]).resolve())
    matrix |= dict(strategies=['hierarchical'], seeds=[0], speed=False, options=STEPS)
    del matrix['enhancers']['none'], matrix['compare']
    matrix['detectors']['ssd-small']['start_options'] = STEPS
    for enhancer in matrix['enhancers'].values():
        enhancer['upstream_options']['train_cfg.max_iters'] = 1
    (folder / 'widths.yml').write_text(yaml.safe_dump(matrix))
    assert type_command(['python', 'tools/benchmark.py', 'widths.yml', '--work-dir', 'widths']) == 0
    widths = {
        load_state_dict(file)['enhancer.layers.0.weight'].shape[0]
        for file in folder.glob('widths/upstream/*lantern*/iter_1.pth')
    }
    assert widths == {4, 16}
    assert len(list(folder.glob('widths/cells/*/result.json'))) == 2


def test_the_matrix_compares_both_widths_with_none():
    matrix = read_matrix(ROOT / 'demo/new_enhancer/widths.yml')
    assert [arm.name for arm in matrix.arms] == [
        'detector_only',
        *(
            f'{strategy} width {width}'
            for width in (4, 16)
            for strategy in ('frozen', 'hierarchical')
        ),
    ]


def test_the_table_names_every_check_with_its_promise():
    rows = re.findall(r'^\| `(\w+)` \| (.+?) \| .+ \|$', TEXT, flags=re.MULTILINE)
    promises = {
        name: inspect.getdoc(check).partition('\n')[0].rstrip('.') for name, check in CHECKS.items()
    }
    assert dict(rows) == promises


def test_the_example_is_short_and_stands_by_itself():
    text = (ROOT / 'demo/new_enhancer/lantern.py').read_text(encoding='utf-8')
    assert len(text.splitlines()) <= 50
    assert not any(
        'lantern' in path.read_text(encoding='utf-8').lower() for path in ROOT.glob('llv/**/*.py')
    )
