"""The page on plugging names the models that were run, its commands parse, and its lines of Python do what it says."""

import re

import pytest
import torch
from mmengine.optim import build_optim_wrapper

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')
from docs_commands import ROOT, check_command, commands_of, title  # noqa: E402
from test_integration.upstream_models.cases import CASES, CHECKPOINTS  # noqa: E402

from llv.apis import plug  # noqa: E402
from llv.registry import MODELS  # noqa: E402
from llv.utils.config import load_config  # noqa: E402

PAGE = ROOT / 'docs' / 'plug_in.md'
TEXT = PAGE.read_text(encoding='utf-8')


def table(header):
    """The cells of the table that begins with a header cell, without its two first lines."""
    lines = TEXT.split(f'| {header} |')[1].split('\n\n')[0].splitlines()[2:]
    return [[cell.strip() for cell in line.split('|')[1:-1]] for line in lines]


def test_the_table_names_the_models_that_are_run_and_what_is_run_of_them():
    expected = [
        [
            case.name,
            f'`{case.config}`',
            'trained, evaluated' + ', checkpoint' * (case.name in CHECKPOINTS),
        ]
        for case in CASES
    ]
    assert [row[:3] for row in table('model')] == expected


def test_the_table_of_the_refused_names_every_class_that_is():
    named = ' '.join(row[0] for row in table('refused'))
    assert all(f'`{name}`' in named for name in plug._REFUSED if 'Base' in name)


@pytest.mark.parametrize('command', commands_of([PAGE]), ids=title)
def test_command_of_the_page_parses_and_names_what_is_there(command, monkeypatch):
    cfg = check_command(command, monkeypatch)
    assert cfg.model.data_preprocessor.type == 'llv.EnhancedDataPreprocessor'


def test_the_python_of_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    first, second = re.findall(r'```python\n(.*?)```', TEXT, flags=re.DOTALL)
    exec(first, names)
    dumped = load_config(tmp_path / 'faster-rcnn_lit.py')
    model = torch.nn.Module()
    model.data_preprocessor = MODELS.build(dumped.model.data_preprocessor)
    names['cfg'] = dumped
    exec(second, names)
    groups = build_optim_wrapper(model, dumped.optim_wrapper).optimizer.param_groups
    assert {(group['lr'], group['weight_decay']) for group in groups} == {(0.1 * 0.02, 0.0)}
    parameters = {p for group in groups for p in group['params']}
    assert parameters == set(model.data_preprocessor.enhancer.parameters())


def test_links_within_the_page_lead_to_its_headings():
    headings = {
        re.sub(r'[^a-z0-9 -]', '', line.lower()).strip().replace(' ', '-')
        for line in re.findall(r'^## (.*)$', TEXT, flags=re.MULTILINE)
    }
    assert set(re.findall(r'\]\(#([^)]+)\)', TEXT)) <= headings
