"""tools/analysis_tools/benchmark_levels.py at toy size; what is measured, not how long it takes."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from llv.engine.loops import PhasedGradientResponseLoop
from llv.engine.loops.gradient_response import GradientResponse

pytest.importorskip('mmdet')
ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools' / 'analysis_tools' / 'benchmark_levels.py'
CONFIG = str(ROOT / 'configs' / 'trico' / 'trico_night-coupled.py')
TINY = ['model.enhancer.width=4', 'model.enhancer.illumination_width=2']
TINY += ['model.enhancer.heads=(1,1,1,1)']


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('tool_benchmark_levels', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def same_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_each_kind_of_iteration_takes_its_turn_and_is_told(tool, tmp_path, monkeypatch, capsys):
    seen, depth = [], []
    for name in ('first_stage', 'second_stage', 'plain'):
        step = getattr(GradientResponse, name)

        def watched(self, *args, name=name, step=step):
            depth.append(name)
            if len(depth) == 1:  # the stages end with a plain step of their own
                seen.append((name, args[-1] if name != 'plain' else None))
            told = step(self, *args)
            depth.pop()
            return told

        monkeypatch.setattr(GradientResponse, name, watched)
    seconds = iter(range(10**6))
    monkeypatch.setattr(tool, 'clock', lambda _: next(seconds) ** 2)
    file = tmp_path / 'new' / 'figures.json'
    tool.main(
        [CONFIG, '--size', '16', '--batch-size', '2', '--rounds', '2', '--scales', '1']
        + ['--json', str(file), '--cfg-options', *TINY]
    )
    assert seen == [('plain', None), ('first_stage', True), ('second_stage', True)] * 3
    found = json.loads(file.read_text())
    rows = {row['kind']: row for row in found['iterations']}
    # the k-th takes from (2k)² to (2k + 1)²
    times = {'plain': [13, 25], 'S1': [17, 29], 'S2': [21, 33]}
    for kind, row in rows.items():
        assert row['times'] == times[kind]
        assert row['seconds'] == sum(times[kind]) / 2
        ratios = [a / b for a, b in zip(times[kind], times['plain'], strict=True)]
        assert row['ratio'] == pytest.approx(sum(ratios) / 2)
    assert [row['passes'] for row in rows.values()] == pytest.approx([1, 11 / 3, 5])
    (memory,) = found['memory']
    assert 0 < memory['inference'] < memory['kept'] < 2 * memory['training']
    assert found['batch_size'] == 2
    shown = capsys.readouterr().out
    assert f'{rows["S2"]["ratio"]:.2f}' in shown and '×1' in shown


def test_memory_is_that_of_tensors_alive_at_a_time(tool):
    numbers = torch.rand(1000)
    with tool.Peak() as mode:
        a = numbers + 1
        b = a * 2
        del a
        c = b.view(10, 100).t()  # no memory of its own
        d = c.exp()
        del b, c, d
        numbers.sum()
    assert mode.bytes == 2 * 4000


def test_kept_for_the_gradient_is_what_the_graph_holds_without_weights(tool, monkeypatch):
    class Product(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(3, 1, 1))

        def forward(self, x):
            raw = (x * self.weight).exp()  # keeps x and the result
            return torch.nn.Module(), raw

    class Result:
        def __init__(self, raw):
            self.maps = dict(raw=raw)

    monkeypatch.setattr(Product, '__call__', lambda self, x: Result(self.forward(x)[1]))
    monkeypatch.setattr(tool.MODELS, 'build', lambda _: Product())
    found = tool.measure_memory({}, 1, 10)
    assert found['inference'] == 2 * 3 * 4  # the product and its exponential
    assert found['kept'] == 2 * 3 * 4
    assert found['training'] > found['kept']


def test_other_trainings_are_refused(tool, capsys):
    name = str(ROOT / 'configs' / 'night_scenes' / 'tri_level' / 'psenet.py')
    with pytest.raises(SystemExit) as stop:
        tool.main([name])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert 'is no training in three levels' in said and PhasedGradientResponseLoop.__name__ in said
