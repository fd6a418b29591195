"""tools/analysis_tools/benchmark_regularizer.py at toy size; what is measured, not how long it takes."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

TOOL = Path(__file__).parents[2] / 'tools' / 'analysis_tools' / 'benchmark_regularizer.py'
CPU = torch.device('cpu')
CONFIG = """
model = dict(
    type='llv.EnhancementModel',
    enhancer=dict(type='llv.ZeroDCE'),
    regularizer=REGULARIZER,
)
train_dataloader = dict(batch_size=3, dataset=dict(
    type='ConcatDataset', datasets=[dict(pipeline=[dict(type='llv.RandomCrop', size=SIZE)])]))
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1.0))
"""
RELATION = dict(type='llv.SampleRelationLoss', module=dict(channels=2, grid=4, heads=2))
POOLED = dict(type='llv.PooledL1Loss', loss_weight=1.0)


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('tool_benchmark_regularizer', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def same_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def write_config(folder, regularizer=RELATION, size=(24, 24)):
    file = folder / 'host.py'
    text = CONFIG.replace('REGULARIZER', repr(regularizer)).replace('SIZE', repr(size))
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize('precision', ['float32', 'bfloat16'])
def test_a_run_gives_a_table_and_figures(tool, tmp_path, capsys, precision):
    file = tmp_path / 'new' / 'figures.json'
    options = ['--rounds', '3', '--device', 'cpu', '--precision', precision, '--json', str(file)]
    tool.main([write_config(tmp_path), *options])
    figures = json.loads(file.read_text())
    (row,) = figures['rows']
    assert figures['precision'] == precision and row['pictures'] == '3 × 24²'
    for clock, times in row['times'].items():
        assert {name: len(values) for name, values in times.items()} == {'without': 3, 'with': 3}
        ratios = sorted(b / a for a, b in zip(times['without'], times['with'], strict=True))
        assert row[clock]['ratio'] == ratios[1] and row[clock]['middle_half'] == ratios[::2]
        for name, values in times.items():
            assert row[clock]['seconds'][name] == sorted(values)[1]
    assert set(row['times']) == {'wall', 'cpu'}
    # encoder 3 → 2 → 2 → 2 and one layer of width 32: q, k, v, out, two of the feed-forward part, two norms
    encoder = (27 * 2 + 2) + 2 * (18 * 2 + 2)
    transformer = 6 * (32 * 32 + 32) + 4 * 32
    assert 4 * (encoder + transformer) <= row['weights'] < 4 * (encoder + transformer) + 2048
    assert row['peak']['with'] > row['peak']['without'] > 3 * 3 * 24 * 24 * 4
    assert row['peak_ratio'] == pytest.approx(row['peak']['with'] / row['peak']['without'])
    shown = capsys.readouterr().out
    assert f'{row["cpu"]["ratio"]:.3f} (' in shown and f'on the CPU in {precision}' in shown


def test_hosts_differ_in_the_regulariser_alone_and_learn_nothing(tool, tmp_path):
    args = tool.parse_args(['--device', 'cpu'])
    cfg, size, count = tool.read_host(write_config(tmp_path, POOLED), args)
    assert (size, count) == (24, 3)
    tool.fill_regularizer(cfg, str(tmp_path))
    models = tool.build_variants(cfg, CPU)
    assert models['without'].regularizer is None and models['with'].regularizer is not None
    batch, gradients = tool.random_batch(size, count), {}
    for name, model in models.items():
        before = {key: value.clone() for key, value in model.state_dict().items()}
        for parameter in model.parameters():
            parameter.register_post_accumulate_grad_hook(
                lambda p, name=name: gradients.setdefault(name, []).append(p.grad.clone())
            )
        assert min(tool.training_step(model, cfg, batch, CPU)().values()) > 0
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
        assert all(parameter.grad is None for parameter in model.parameters())
    first, second = models.values()
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert len(gradients['with']) == len(gradients['without']) == len(list(first.parameters()))
    pairs = zip(gradients['with'], gradients['without'], strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)


def test_peaks_are_those_of_what_is_held_at_once(tool):
    kept = []

    def run():
        first = torch.empty(1000, 250)  # 1e6 bytes
        second = torch.empty(500, 1000)  # 2e6 more
        del first, second
        kept.append(torch.empty(1000, 500))

    assert tool.peak_memory(run, CPU) == 3_000_000
    assert tool.peak_memory(lambda: None, CPU) == 0
    assert tool.weight_bytes(object()) == 0


@pytest.mark.parametrize(
    'arguments, options, sentence',
    [
        ({}, ['--rounds', '0'], 'must be a whole number from 1'),
        (dict(regularizer=None), [], 'has no `model.regularizer`'),
        (dict(size=(20, 30)), [], 'give `--size`'),
        ({}, ['--device', 'cpu', '--precision', 'float16'], 'take `--precision bfloat16`'),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    tool, tmp_path, monkeypatch, capsys, arguments, options, sentence
):
    monkeypatch.delenv('LLV_DEBUG', raising=False)
    with pytest.raises(SystemExit) as leaving:
        tool.main([write_config(tmp_path, **arguments), *options])
    assert leaving.value.code == 2 and sentence in capsys.readouterr().err


def test_the_gpu_is_asked_for_only_where_there_is_one(tool):
    if torch.cuda.is_available():
        pytest.skip('there is a GPU')
    with pytest.raises(ValueError, match='PyTorch finds none; take `--device cpu`'):
        tool.check_device('cuda', 'float32')


def test_the_hosts_measured_by_default_are_there(tool):
    args = tool.parse_args(['--device', 'cpu'])
    for name in tool.HOSTS:
        file = TOOL.parents[2] / 'configs' / name.removeprefix('llv::')
        assert tool.read_host(str(file), args)[1:] in [(256, 4), (384, 4)]
