"""tools/analysis_tools/planted_edges.py and the networks it searches."""

import importlib.util
import json
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from llv.benchmark.planted import FUNCTION_CLASSES, function_class, plant
from llv.search.operations import build_operation
from llv.search.spaces import CELL_EDGES, LOW_LEVEL

ROOT = Path(__file__).resolve().parents[2]
TOOL = 'analysis_tools/planted_edges'
MARKS = '<!-- begin planted-edges -->\n<!-- end planted-edges -->\n'
TINY = dict(steps=60, batch_size=2, size=8, alpha_lr=0.03, weight_lr=0.05, weight_decay=0.03)


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('planted_edges', ROOT / 'tools' / f'{TOOL}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('edge', CELL_EDGES)
@pytest.mark.parametrize('operation', LOW_LEVEL.candidates)
def test_a_student_that_has_decided_for_the_planted_candidate_is_the_teacher(edge, operation):
    torch.manual_seed(1)
    teacher, student = plant(edge, operation, trainable=False)
    x = torch.randn(2, 3, 9, 8)
    answer = teacher(x)
    alpha = student.architecture.arch_alpha
    assert alpha.shape == (1, 7)
    assert (student(x) - answer).abs().max() > 1e-4
    for index, name in enumerate(LOW_LEVEL.candidates):
        alpha.data.zero_()
        alpha.data[0, index] = 60.0  # its softmax is one-hot in float32
        difference = (student(x) - answer).abs().max().item()
        # no other candidate answers as the teacher does
        assert difference < 1e-6 if name == operation else difference > 1e-4, name


@pytest.mark.parametrize('operation', LOW_LEVEL.candidates)
def test_planted_convolutions_have_no_centre_and_others_are_left_alone(operation):
    torch.manual_seed(2)
    teacher, _ = plant('r2', operation, trainable=True)
    for name, value in teacher.named_parameters():
        if value.ndim == 4 and value.shape[-1] == 3:
            centre_is_zero = not value[:, :, 1, 1].any()
            assert centre_is_zero == name.startswith('refine.1.'), name
            value = value.clone()
            value[:, :, 1, 1] = 1
        assert (value != 0).all(), name


def test_alpha_is_all_that_learns_unless_candidates_are_trainable():
    def learning(network):
        return {name for name, value in network.named_parameters() if value.requires_grad}

    torch.manual_seed(3)
    teacher, student = plant('d4', 'conv_3x3', trainable=False)
    assert not learning(teacher)
    assert learning(student) == {'architecture.arch_alpha'}

    teacher, student = plant('d4', 'conv_3x3', trainable=True)
    assert not learning(teacher)
    names = learning(student) - {'architecture.arch_alpha'}
    # six convolutions with a bias each, and the identity
    assert len(names) == 12 and all(name.startswith('distill.3.candidates.') for name in names)
    known = teacher.distill[3].conv.weight
    for candidate in student.distill[3].candidates:
        weight = getattr(getattr(candidate, 'conv', None), 'weight', None)
        assert weight is None or weight.shape != known.shape or not torch.equal(weight, known)


def test_candidates_of_a_function_class_compute_the_same_functions():
    members = [name for group in FUNCTION_CLASSES.values() for name in group]
    assert sorted(members) == sorted(LOW_LEVEL.candidates)
    torch.manual_seed(4)
    x = torch.randn(1, 3, 9, 9)
    twins = [group for group in FUNCTION_CLASSES.values() if len(group) == 2]
    assert len(twins) == 3
    for plain, residual in twins:
        assert function_class(plain) == function_class(residual)
        a, b = build_operation(plain, 3), build_operation(residual, 3)
        a.load_state_dict(b.state_dict())
        centre = a.conv.kernel_size[0] // 2
        a.conv.weight.data[:, :, centre, centre] += torch.eye(3)
        torch.testing.assert_close(a(x), b(x))


@pytest.mark.parametrize('operation', ['dilconv_3x3', 'resconv_3x3'])
@pytest.mark.parametrize('trainable', [False, True])
def test_a_search_finds_the_planted_class_and_again_on_repetition(tool, operation, trainable):
    args = Namespace(**TINY)
    first = tool.search('d1', operation, trainable, 0, args)
    assert function_class(first['found']) == function_class(operation)
    assert first['weight'] > 1 / 7 and first['loss'] < 0.1
    assert tool.search('d1', operation, trainable, 0, args) == first


def test_a_search_moves_the_weights_of_candidates_only_where_they_are_trainable(tool, monkeypatch):
    students, starts = [], []

    def watched(*args):
        teacher, student = plant(*args)
        students.append(student)
        starts.append({name: value.clone() for name, value in student.state_dict().items()})
        return teacher, student

    monkeypatch.setattr(tool, 'plant', watched)
    for trainable in (False, True):
        tool.search('r1', 'conv_3x3', trainable, 0, Namespace(**dict(TINY, steps=2)))
        after = students[-1].state_dict()
        moved = [name for name, value in starts[-1].items() if not torch.equal(value, after[name])]
        moved.remove('architecture.arch_alpha')
        assert len(moved) == (12 if trainable else 0)  # of six convolutions, with biases
        assert all(name.startswith('refine.0.candidates.') for name in moved)


def test_the_weights_of_candidates_decay(tool, monkeypatch):
    students = []

    def watched(*args):
        teacher, student = plant(*args)
        students.append(student)
        return teacher, student

    monkeypatch.setattr(tool, 'plant', watched)
    norms = []
    for decay in (0.0, 0.5):
        # the pictures and the first weights are the same; each step takes rate × decay from them
        tool.search(
            'd1', 'conv_3x3', True, 0, Namespace(**dict(TINY, steps=20, weight_decay=decay))
        )
        candidate = students[-1].distill[0].candidates[LOW_LEVEL.candidates.index('dilconv_3x3')]
        norms.append(candidate.conv.weight.norm().item())
    assert norms[1] < 0.8 * norms[0]


def test_successes_are_counted_by_class_and_by_operation(tool):
    names = ['conv_3x3', 'resconv_3x3', 'dilconv_3x3', 'conv_1x1', 'conv_3x3']
    runs = [dict(found=name, weight=0.5, loss=0.25) for name in names]
    row = tool.summarize(runs, 'conv_3x3')
    assert (row['right_class'], row['right_operation']) == (3, 2)
    assert tool.summarize(runs, 'resdilconv_3x3')['right_class'] == 1
    assert row['found'] == names and row['mean_weight'] == 0.5 and row['mean_loss'] == 0.25
    row.update(mode='frozen', teacher='conv_3x3', edge='d1')
    table = tool.tables([row], 5)
    assert '| `conv_3x3` | 3 (2) |' in table and '**frozen**, of 5 seeds' in table
    assert '0 of 1 pairs' in tool.verdict([row], 5)
    assert '1 of 1 pairs' in tool.verdict([dict(row, right_class=5)], 5)


def test_the_tool_writes_a_record_and_a_page(call_tool, tmp_path):
    page, out = tmp_path / 'page.md', tmp_path / 'new' / 'found.json'
    page.write_text(f'# Title\n\n{MARKS}')
    options = ['--trainable', '--seed-count', 2, '--edges', 'd2', 'r3', '--teachers', 'conv_3x3']
    status, _ = call_tool(TOOL, *options, '--steps', 3, '--size', 8, '--json', out, '--write', page)
    assert status == 0
    report = json.loads(out.read_text())
    cells = [(row['mode'], row['edge']) for row in report['results']]
    modes = ('frozen', 'trainable')
    assert cells == [(mode, edge) for mode in modes for edge in ('d2', 'r3')]
    for row in report['results']:
        assert len(row['found']) == 2 and set(row['found']) <= set(LOW_LEVEL.candidates)
        assert row['right_operation'] == row['found'].count('conv_3x3')
    assert report['settings']['steps'] == 3 and '--steps 3' in report['command']
    text = page.read_text()
    assert text.startswith('# Title') and '| `conv_3x3` |' in text and report['command'] in text


@pytest.mark.parametrize(
    ('options', 'told'),
    [
        (['--seed-count', '0'], 'must be a whole number from 1'),
        (['--alpha-lr', '0'], '--alpha-lr: must be a number above 0'),
        (['--weight-decay', '-1'], '--weight-decay: must be a number from 0'),
        (['--edges', 'd5'], 'invalid choice'),
        (['--json', '.'], '`.` is a folder'),
        (['--write', 'missing.md'], 'is not there'),
    ],
)
def test_wrong_settings_are_told_before_any_search(call_tool, monkeypatch, tmp_path, options, told):
    monkeypatch.chdir(tmp_path)
    status, errors = call_tool(TOOL, '--json', 'found.json', *options)
    assert status and told in errors and 'Traceback' not in errors
    assert not list(tmp_path.iterdir())


def test_unknown_edges_and_operations_are_named():
    with pytest.raises(ValueError, match='no edge `d5`; choose from d1, r1'):
        plant('d5', 'conv_3x3', False)
    with pytest.raises(ValueError, match='no candidate `conv_7x7`; choose from skip_connect'):
        plant('d1', 'conv_7x7', False)


def test_the_page_shows_what_the_record_holds(tool):
    report = json.loads((ROOT / 'docs' / 'planted_edges.json').read_text())
    page = (ROOT / 'docs' / 'search_planted.md').read_text()
    results, seeds = report['results'], report['settings']['seeds']
    assert tool.tables(results, seeds) in page and tool.verdict(results, seeds) in page
    assert report['command'] in page
    for row in results:
        summary = [dict(found=name, weight=0, loss=0) for name in row['found']]
        again = tool.summarize(summary, row['teacher'])
        for key in ('right_class', 'right_operation'):
            assert again[key] == row[key]
