"""tools/analysis_tools/benchmark_training_step.py at toy size; what is timed, not how long it takes."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from toys import Invert, LearnedGain  # noqa: F401

pytest.importorskip('mmdet')
TOOL = Path(__file__).parents[2] / 'tools' / 'analysis_tools' / 'benchmark_training_step.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('tool_benchmark_training_step', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def same_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_a_run_gives_tables_and_figures(tool, tmp_path, capsys):
    file = tmp_path / 'new' / 'figures.json'
    few = ['--detectors', 'ssd-small', '--size', '64', '--batch-size', '2', '--rounds', '2']
    tool.main(
        [*few, '--enhancers', 'ruas', '--loading', '--workers', '1']
        + ['--file-size', '60x80', '--json', str(file)]
    )
    figures = json.loads(file.read_text())
    (step,), (loading,) = figures['steps'], figures['loading']
    assert step['enhancer'] == 'ruas' and step['pictures'] == '2 × 64²'
    assert {name: len(times) for name, times in step['times'].items()} == dict(
        detector=2, enhancer=2, together=2
    )
    seconds = step['seconds']
    wanted = seconds['together'] / (seconds['detector'] + seconds['enhancer'])
    assert step['ratio'] == pytest.approx(wanted)
    assert loading['workers'] == 1 and loading['seconds'] > 0 and loading['share'] >= 0
    shown = capsys.readouterr().out
    assert f'{step["ratio"]:.3f}' in shown and 'waiting / step' in shown


def reached(model):
    """Names of the parameters that a gradient reaches from now on."""
    names = set()
    for name, parameter in model.named_parameters():
        parameter.register_post_accumulate_grad_hook(lambda _, name=name: names.add(name))
    return names


def test_each_part_is_trained_and_stays_as_it_is(tool):
    args = tool.parse_args(['--size', '64', '--batch-size', '2'])
    cfg, size, count = tool.read_detector('ssd-small', args)
    plugged = tool.plug_enhancer(cfg, 'llv.LearnedGain')
    batch = tool.random_batch(cfg, size, count)
    gain = 'data_preprocessor.enhancer.w'

    both = tool.build(plugged)
    before = {name: value.clone() for name, value in both.named_parameters()}
    names = reached(both)
    assert tool.training_step(both, cfg, batch)() > 0
    assert names == before.keys() and gain in names
    # nothing is learned, so each round does the same
    assert all(torch.equal(value, before[name]) for name, value in both.named_parameters())

    alone = tool.build(cfg)
    names = reached(alone)
    tool.training_step(alone, cfg, batch)()
    assert names == before.keys() - {gain}

    lit = tool.build(plugged)
    names = reached(lit)
    tool.enhancer_step(lit, cfg, batch)()
    assert names == {gain}


def test_an_enhancer_without_parameters_is_timed_too(tool):
    args = tool.parse_args(['--size', '64', '--batch-size', '2'])
    cfg, size, count = tool.read_detector('ssd-small', args)
    model = tool.build(tool.plug_enhancer(cfg, 'llv.Invert'))
    assert tool.enhancer_step(model, cfg, tool.random_batch(cfg, size, count))() > 0


def test_random_boxes_lie_in_their_pictures(tool):
    cfg, *_ = tool.read_detector('ssd-small', tool.parse_args([]))
    for sample in tool.random_batch(cfg, 50, 3)['data_samples']:
        boxes = sample.gt_instances.bboxes.tensor
        assert len(boxes) == tool.BOXES and boxes.min() >= 0 and boxes.max() <= 50
        assert (boxes[:, 2:] > boxes[:, :2]).all()


@pytest.mark.parametrize(
    'arguments, sentence',
    [
        (['--rounds', '0'], 'must be a whole number from 1'),
        (['--detectors', 'llv::ssd/ssd300_exdark.py'], '`--size` is needed'),
        (['--detectors', 'llv::psenet/psenet_sice.py', '--size', '9'], 'is no one-stage detector'),
        (['--detectors', 'llv::night_scenes/segmentation/day.py'], 'segmentors are not timed here'),
    ],
)
def test_mistakes_are_told_in_a_sentence(tool, monkeypatch, capsys, arguments, sentence):
    monkeypatch.delenv('LLV_DEBUG', raising=False)
    with pytest.raises(SystemExit) as leaving:
        tool.main(arguments)
    assert leaving.value.code == 2 and sentence in capsys.readouterr().err
