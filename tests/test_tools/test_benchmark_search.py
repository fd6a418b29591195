"""tools/analysis_tools/benchmark_search.py at toy size; what is measured, not how long it takes."""

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from llv.engine.hypergradient import Hypergradient

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools' / 'analysis_tools' / 'benchmark_search.py'
CONFIG = str(ROOT / 'configs' / 'night_scenes' / 'search' / 'ruas.py')


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('tool_benchmark_search', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def same_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='module')
def options(tmp_path_factory):
    """Options that put four pictures in the place of the config's."""
    folder = tmp_path_factory.mktemp('pictures')
    rng = np.random.default_rng(0)
    for number in range(4):
        cv2.imwrite(str(folder / f'{number}.png'), rng.integers(0, 80, (24, 20, 3), np.uint8))
    found = []
    for place in ('train_dataloader', 'train_cfg.valid_dataloader'):
        found += [f'{place}.dataset.data_root={folder}', f'{place}.dataset.data_prefix.img=.']
        found += [f'{place}.dataset.indices=4']
    return ['--cfg-options', 'train_cfg.order=2', *found]


def test_a_run_gives_tables_and_figures(tool, options, tmp_path, capsys):
    file = tmp_path / 'new' / 'figures.json'
    tool.main([CONFIG, '--rounds', '2', '--errors', '2', '--json', str(file), *options])
    figures = json.loads(file.read_text())
    steps = {(row['level'], row['order']): row for row in figures['steps']}
    moves = [(name, order) for order in (2, 1) for name in ('scene', 'task', 'both')]
    assert list(steps) == [('plain', 0), *moves]
    plain = steps['plain', 0]
    assert plain['ratio'] == 1
    for row in figures['steps']:
        assert row['ratio'] == pytest.approx(row['seconds'] / plain['seconds'])
        if 'bytes' in row:
            assert row['memory_ratio'] == pytest.approx(row['bytes'] / plain['bytes'])
    errors = figures['errors']
    assert [row['level'] for row in errors] == ['scene', 'scene', 'task', 'task']
    for (
        row
    ) in errors:  # an error of the whole: that of the term, times its share of about the whole
        assert 0 < row['error'] and 0 < row['share'] < 1
        assert row['total_error'] == pytest.approx(row['error'] * row['share'], rel=0.5)
    shown = capsys.readouterr().out
    assert '| scene | second |' in ' '.join(shown.split()) and '2 pairs of batches' in shown


def test_steps_leave_the_weights_and_errors_move_nothing(tool, options, tmp_path):
    args = tool.parse_args([CONFIG, *options])
    runner = tool.prepared(args, str(tmp_path))
    loop = runner.train_loop
    (pair,) = tool.batches(loop, 1)
    before = {name: value.clone() for name, value in loop.model.state_dict().items()}
    tool.measure_steps(runner, pair, 1, torch.device('cpu'))
    rows = [row for level in loop.levels for row in tool.measure_errors(runner, level, [pair])]
    assert len(rows) == 2 and loop.order == 2
    after = loop.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_errors_are_relative_to_the_exact_term(tool, options, tmp_path, monkeypatch):
    runner = tool.prepared(tool.parse_args([CONFIG, *options]), str(tmp_path))
    level = runner.train_loop.levels[0]

    def known(runner, level, pair, number, exact):
        implicit = torch.tensor([0.0, 4.0]) if exact else torch.tensor([3.0, 4.0])
        direct = torch.tensor([0.0, 2.0])
        return Hypergradient([direct], [implicit], [direct - 0.005 * implicit], 0.0, 0.0)

    monkeypatch.setattr(tool, 'second_order', known)
    (row,) = tool.measure_errors(runner, level, [None])
    assert row['error'] == pytest.approx(3 / 4)
    assert row['share'] == pytest.approx(0.005 * 4 / 2)
    assert row['total_error'] == pytest.approx(0.005 * 3 / 1.98)


def test_what_is_no_search_is_refused(tool, capsys):
    with pytest.raises(SystemExit):
        tool.main([str(ROOT / 'configs' / 'night_scenes' / 'ruas-scene.py')])
    assert 'is no search' in capsys.readouterr().err
