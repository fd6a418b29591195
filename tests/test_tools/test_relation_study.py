"""tools/analysis_tools/relation_study.py: trains a tiny study, keeps it, and tells mistakes before it trains."""

import json
from pathlib import Path

import pytest
import yaml
from docs_commands import check_command, commands_of

from llv.datasets.night_scenes import write_night_exposures

TOOL = 'analysis_tools/relation_study'
CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / 'night_scenes' / 'relation'
MARKS = ('results', 'curve', 'sweeps', 'modules', 'agreement')


@pytest.fixture(scope='module')
def study_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp('study')
    scenes = folder / 'scenes'
    write_night_exposures(
        scenes, dict(train=4, val=2, test=4), (32, 32), layout='sice', workers=1, progress=False
    )
    root = {'train_dataloader.dataset.data_root': str(scenes)}
    small = {f'model.module.{k}': v for k, v in dict(channels=2, grid=4, heads=2).items()}
    stage = {
        **root,
        **small,
        'train_cfg.max_iters': 1,
        'train_dataloader.dataset.pipeline.1.size': [32, 32],
    }
    content = dict(
        host=str(CONFIGS / 'eclnet.py'),
        pretext=str(CONFIGS / 'bcm.py'),
        seeds=[0],
        batch=2,
        arms={
            'none': dict(kind='none'),
            'ERL': dict(kind='relation'),
            'itself': dict(kind='relation', attention='self'),
            'pooled': dict(kind='pooled', like='ERL'),
        },
        sweeps=dict(alpha=dict(arms=['ERL'], values=[0.0, 0.1], seeds=[0])),
        agreement=dict(arms=['none'], seeds=[0], interval=1, batches=1),
        options={
            **root,
            'val_dataloader.dataset.data_root': str(scenes),
            'train_dataloader.dataset.pipeline.2.size': [32, 32],
            'train_cfg.max_iters': 2,
            'train_cfg.val_interval': 1,
        },
        pretext_options=stage,
        reconstruction_options=stage,
    )
    file = folder / 'study.yml'
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.fixture
def page(tmp_path):
    file = tmp_path / 'page.md'
    text = (f'<!-- begin relation-{m} -->\nSTALE\n<!-- end relation-{m} -->' for m in MARKS)
    file.write_text('\n\n'.join(text))
    return file


def test_a_study_is_trained_in_pairs_reported_and_kept(tmp_path, study_file, page, call_tool):
    table, figures = tmp_path / 'table.md', tmp_path / 'new' / 'figures.json'
    table.write_text('<!-- begin relation -->\n<!-- end relation -->')
    given = (
        TOOL, study_file, '--work-dir', tmp_path / 'work', '--write', page, '--table', table,
        '--json', figures,
    )  # fmt: skip
    status, error = call_tool(*given)
    assert status == 0, error
    found = json.loads(figures.read_text())
    records = {(r['cell']['arm'], r['cell']['alpha']): r for r in found['records']}
    assert set(records) == {
        ('none', None), ('ERL', 0.1), ('itself', 0.1), ('pooled', 0.1), ('ERL', 0.0)
    }  # fmt: skip
    plain, related = records['none', None], records['ERL', 0.1]
    assert set(plain['curve']) == {'1', '2'} and plain['parameters'] == 22450
    assert plain['metrics'] == plain['curve']['2']
    assert {'psnr', 'psnr_under', 'psnr_over', 'ssim'} <= set(plain['metrics'])
    # twins: a relation of weight 0 changes nothing at all, one of 0.1 does
    assert records['ERL', 0.0]['curve'] == plain['curve'] != related['curve']
    assert {json.dumps(r['start']) for r in records.values()} == {json.dumps(plain['start'])}
    # a pooled loss pulls as hard as the relation
    balance = records['pooled', 0.1]['balance']
    assert balance['iterations'] == [0, 1, 2]
    pooled = [balance['loss_weight'] * value for value in balance['pooled']]
    assert sum(pooled) == pytest.approx(sum(balance['relation']))
    assert balance['pooled'] == pytest.approx([(2 * 3 * 32 * 32) ** -0.5] * 3, rel=1e-3)
    assert related['module']['cross'] > 0 and related['module']['phase'] > 0
    drawn = related['module']['drawn']
    assert drawn['cross'] > 0 and drawn['reaction'] > 0
    assert drawn != {name: related['module'][name] for name in drawn}  # of another transformer
    itself = records['itself', 0.1]['module']
    assert itself['cross'] == itself['exposure'] == 0 and itself['reaction'] is None
    assert [line['iteration'] for line in plain['agreement']] == [0, 1, 2]
    assert 'agreement' not in related

    text = page.read_text()
    assert 'STALE' not in text and '5 of 5 trainings' in text and '(figures/page_curve.svg)' in text
    assert (tmp_path / 'figures' / 'page_curve.svg').is_file()
    assert '| pooled ' in table.read_text()
    assert not list((tmp_path / 'work').rglob('iter_*.pth'))
    # one first stage, and two second ones
    runs = sorted(p.name.split('_')[1] for p in (tmp_path / 'work' / 'upstream').iterdir())
    assert runs == ['bcm', 'bcm', 'bcm-reconstruction']

    # the second time nothing is trained
    before = {f: f.stat().st_mtime_ns for f in (tmp_path / 'work').rglob('result.*')}
    status, error = call_tool(*given)
    assert status == 0, error
    assert {f: f.stat().st_mtime_ns for f in (tmp_path / 'work').rglob('result.*')} == before
    assert page.read_text() == text


def test_mistakes_are_told_before_training(tmp_path, study_file, page, call_tool):
    for arguments, words in (
        (['--workers', '0'], '--workers: must be a whole number from 1'),
        (['--seeds', '-1'], '--seeds: must be a whole number from 0'),
        (['--arms', 'x'], 'has no arm `x`'),
        (['--sweeps', 'x'], 'has no sweep `x`'),
        (['--write', tmp_path / 'gone.md'], 'gone.md` is not there'),
        (['--table', page], '`<!-- begin relation -->`'),
    ):
        status, error = call_tool(TOOL, study_file, '--work-dir', tmp_path / 'work', *arguments)
        assert status == 2 and words in error, arguments
    assert not (tmp_path / 'work').exists()


def test_a_part_of_nothing_is_reported(tmp_path, study_file, page, call_tool):
    part = ('--arms', 'none', '--sweeps', '--report-only', '--write', page)
    status, error = call_tool(TOOL, study_file, '--work-dir', tmp_path / 'work', *part)
    assert status == 0, error
    assert page.read_text().count('Not run yet.') == len(MARKS)


def test_the_commands_of_the_page_parse(monkeypatch):
    found = commands_of([CONFIGS.parents[2] / 'docs' / 'relation.md'])
    assert len(found) == 2
    for command in found:
        check_command(command, monkeypatch)


def test_missing_pictures_are_told_with_the_command_that_writes_them(
    tmp_path, monkeypatch, call_tool
):
    monkeypatch.chdir(tmp_path)
    status, error = call_tool(TOOL, CONFIGS / 'study.yml')
    assert status == 2 and 'make_night_scenes.py data/night_exposures --exposures sice' in error
    assert 'Traceback' not in error and not list(tmp_path.iterdir())
