"""The page on plugging names the models that were run, its commands parse, and its lines of Python do what it says."""

import re

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')
from docs_commands import ROOT, blocks, check_command, commands_of, title  # noqa: E402
from new_parts import linked  # noqa: E402
from plain_models import write_detector, write_night  # noqa: E402
from test_integration.upstream_models.cases import CASES, CHECKPOINTS  # noqa: E402

import llv.engine.runner as runs  # noqa: E402
from llv.apis import plug  # noqa: E402
from llv.engine.settings import RunOptions  # noqa: E402
from llv.registry import MODELS  # noqa: E402
from llv.utils.checkpoint import load_state_dict  # noqa: E402
from llv.utils.config import load_config  # noqa: E402

PAGE = ROOT / 'docs' / 'plug_in.md'
TEXT = PAGE.read_text(encoding='utf-8')
PYTHON = [code for language, code in blocks(TEXT) if language == 'python']


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


UPSTREAM = [c for c in commands_of([PAGE]) if '::' in c[2]]


@pytest.mark.parametrize('command', UPSTREAM, ids=title)
def test_command_of_the_page_puts_an_enhancer_into_a_config_of_mm(command, monkeypatch):
    cfg = check_command(command, monkeypatch)
    assert cfg.model.data_preprocessor.type == 'llv.EnhancedDataPreprocessor'


def test_the_python_of_the_page_runs_and_its_config_says_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    first, config, second, _ = PYTHON
    exec(first, names)
    dumped = load_config(tmp_path / 'faster-rcnn_lit.py')
    (tmp_path / 'own.py').write_text(config, encoding='utf-8')
    with DefaultScope.overwrite_default_scope('mmdet'):
        written, plugged = (
            MODELS.build(cfg.model.data_preprocessor)
            for cfg in (load_config(tmp_path / 'own.py'), dumped)
        )
    assert type(written.base) is type(plugged.base) and str(written) == str(plugged)
    for (name, one), (other, two) in zip(
        written.state_dict().items(), plugged.state_dict().items(), strict=True
    ):
        assert name == other and torch.equal(one, two)
    assert load_config(tmp_path / 'own.py').model.backbone == dumped.model.backbone
    model = torch.nn.Module()
    model.data_preprocessor = MODELS.build(dumped.model.data_preprocessor)
    names['cfg'] = dumped
    exec(second, names)
    groups = build_optim_wrapper(model, dumped.optim_wrapper).optimizer.param_groups
    assert {(group['lr'], group['weight_decay']) for group in groups} == {(0.1 * 0.02, 0.0)}
    parameters = {p for group in groups for p in group['params']}
    assert parameters == set(model.data_preprocessor.enhancer.parameters())


def test_an_enhancer_learns_from_a_folder_of_dark_pictures_before_the_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_night(tmp_path)
    write_detector(tmp_path)
    (tmp_path / 'night').rename('my_dark_pictures')
    (tmp_path / 'my_psenet.py').write_text(PYTHON[-1], encoding='utf-8')
    recipe = load_config('my_psenet.py')
    assert recipe.train_cfg.max_iters == 500 and recipe.train_dataloader.batch_size == 8
    assert '500 steps of eight pictures' in TEXT
    (command,) = (c for c in commands_of([PAGE]) if '--recipe' in c)
    (tmp_path / 'my_config.py').write_text("_base_ = 'detector.py'\n")
    cfg = check_command(command, monkeypatch, linked(tmp_path))
    enhancer, link = cfg.model.data_preprocessor.enhancer, cfg.upstream[0]
    assert cfg.load_from == 'my_model.pth' and enhancer.type == 'llv.PSENet'
    assert link.config == 'my_psenet.py' and link.into.startswith(
        'model.data_preprocessor.enhancer'
    )
    # one step of what comes first
    recipe.merge_from_dict({'train_cfg.max_iters': 1, 'train_dataloader.batch_size': 2})
    recipe.work_dir = 'work'
    runs.train(recipe, RunOptions())
    fresh = MODELS.build(recipe.model.enhancer).state_dict()
    trained = load_state_dict(tmp_path / 'work' / 'iter_1.pth')
    assert {f'enhancer.{name}' for name in fresh} <= set(trained)


def test_links_within_the_page_lead_to_its_headings():
    headings = {
        re.sub(r'[^a-z0-9 -]', '', line.lower()).strip().replace(' ', '-')
        for line in re.findall(r'^## (.*)$', TEXT, flags=re.MULTILINE)
    }
    assert set(re.findall(r'\]\(#([^)]+)\)', TEXT)) <= headings
