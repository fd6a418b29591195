"""tools/analysis_tools/tri_level_study.py: trains a tiny study, keeps it, and tells mistakes before it trains."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from docs_commands import check_command, commands_of
from PIL import Image

from llv.benchmark.tri_level.passes import forward_passes
from llv.benchmark.tri_level.study_file import read_study
from llv.datasets.night_scenes import write_coupled_night_scenes
from llv.models.enhancers.trico import TriCo
from llv.utils.config import load_config

TOOL = 'analysis_tools/tri_level_study'
ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / 'configs' / 'night_scenes' / 'tri_level'
MARKS = (
    'results', 'lacking', 'pairs', 'exposures', 'decoys', 'hyper', 'costs', 'convergence', 'features',
)  # fmt: skip
PLAIN = {'train_cfg.use_s1': False, 'train_cfg.use_s2': False}


@pytest.fixture(scope='module')
def study_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp('study')
    scenes = folder / 'scenes'
    splits = dict(train=3, val=1, test=1)
    write_coupled_night_scenes(scenes, splits, (16, 16), workers=1, progress=False)
    network = dict(width=4, illumination_width=2, heads=[1, 1, 1, 1])
    small = {f'model.enhancer.{key}': value for key, value in network.items()}
    crop = {'train_dataloader.dataset.pipeline.2.size': 16, 'train_dataloader.batch_size': 2}
    content = dict(
        host=str(CONFIGS / 'trico.py'),
        data=str(scenes),
        seeds=[3],
        baseline='equal weights',
        decoys={'none': None, '4': dict(magnitude=4.0)},
        arms={'equal weights': dict(options=PLAIN), 'PGR': {}},
        cascades={'both': str(CONFIGS / 'cascade.py')},
        pairs=[['PGR', 'both']],
        convergence=[['PGR', '4']],
        features='PGR',
        options={
            **small,
            **crop,
            'train_cfg.upper_dataloader.dataset.pipeline.2.size': 16,
            'train_cfg.upper_dataloader.batch_size': 2,
            'train_cfg.max_iters': 2,
            'train_cfg.val_interval': 2,
            'train_cfg.s1_iters': 1,
            'param_scheduler.0.begin': 1,
            'param_scheduler.0.end': 2,
            'param_scheduler.0.periods': [1, 1],
            'default_hooks.logger.interval': 1,
        },
        stage_options=dict(
            psenet={'train_cfg.max_iters': 1, 'train_dataloader.batch_size': 2},
            enlarging={**small, **crop, 'train_cfg.max_iters': 1},
        ),
    )
    file = folder / 'study.yml'
    file.write_text(yaml.safe_dump(content))
    return file


@pytest.fixture
def page(tmp_path):
    file = tmp_path / 'page.md'
    text = (f'<!-- begin tri-level-{m} -->\nSTALE\n<!-- end tri-level-{m} -->' for m in MARKS)
    file.write_text('\n\n'.join(text))
    return file


def test_a_study_is_trained_in_pairs_reported_and_kept(
    tmp_path, study_file, page, call_tool, monkeypatch
):
    spent = []
    enhance = TriCo.enhance

    def counted(self, images):
        if self.training and self.scene_loss is not None:
            spent.append(3 if torch.is_grad_enabled() else 1)
        return enhance(self, images)

    monkeypatch.setattr(TriCo, 'enhance', counted)
    figures = tmp_path / 'new' / 'figures.json'
    given = (
        TOOL, study_file, '--work-dir', tmp_path / 'work', '--write', page, '--json', figures,
    )  # fmt: skip
    status, error = call_tool(*given)
    assert status == 0, error
    found = json.loads(figures.read_text())
    records = {(r['cell']['arm'], r['cell']['decoy']): r for r in found['records']}
    assert len(records) == 2 * 2 + 1 and ('both', 'none') in records
    plain, whole = records['equal weights', 'none'], records['PGR', 'none']
    # one iteration of each stage, and two plain ones
    assert whole['passes'] == 11 + 15 and plain['passes'] == 2 * 3
    # what was counted is what is told; the last stage of the cascade is trained for one iteration
    assert sum(spent) == sum(r['passes'] for r in records.values()) + 3
    # twins: one start for all, another end
    starts = {json.dumps(r['start']) for r in records.values() if 'start' in r}
    assert len(starts) == 1
    assert plain['metrics'] != whole['metrics']
    assert {'psnr', 'ssim', 'rmse', 'psnr_-2.5', 'psnr_-4.5'} <= set(whole['metrics'])
    # with equal weights ς rests at one, and PGR has moved all of them once by the rate of the first stage
    assert {p['hyper'] for p in records['equal weights', '4']['losses'].values()} == {1.0}
    moved = records['PGR', '4']['losses']
    assert set(moved) == {'srl', 'c', 'ssim', 'tv', 'decoy'} and set(plain['losses']) < set(moved)
    for part in moved.values():
        assert abs(part['hyper'] - 1) == pytest.approx(0.0214, rel=1e-3)
    assert sum(part['share'] for part in moved.values()) == pytest.approx(1)
    # a cascade has a cascade's scale, and no training of its own
    assert records['both', 'none']['iterations'] == 0
    assert found['best_gains']['best gain, then bicubic']['psnr'] > plain['metrics']['psnr']

    text = page.read_text()
    assert 'STALE' not in text and text.count('Not run yet.') == 1 and '5 of 5 trainings' in text
    assert '| both ' in text and '### Decoy 4' in text
    drawings = tmp_path / 'figures'
    assert (drawings / 'page_pgr-decoy-4.svg').read_text().count('<svg') == 1
    with Image.open(drawings / 'page_features.png') as picture:
        assert min(picture.size) > 300
    assert not list((tmp_path / 'work').rglob('iter_*.pth*'))
    runs = sorted(p.name.split('_')[1] for p in (tmp_path / 'work' / 'upstream').iterdir())
    assert runs == ['enlarging', 'psenet']

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
        (['--decoys', '5'], 'has no decoy `5`; it has none, 4'),
        (['--write', tmp_path / 'gone.md'], 'gone.md` is not there'),
    ):
        status, error = call_tool(TOOL, study_file, '--work-dir', tmp_path / 'work', *arguments)
        assert status == 2 and words in error, arguments
    assert not (tmp_path / 'work').exists()


def test_a_part_of_nothing_is_reported(tmp_path, study_file, page, call_tool):
    part = ('--arms', 'PGR', '--decoys', '--report-only', '--write', page)
    status, error = call_tool(TOOL, study_file, '--work-dir', tmp_path / 'work', *part)
    assert status == 0, error
    assert page.read_text().count('Not run yet.') == len(MARKS)


def test_missing_pictures_are_told_with_the_command_that_writes_them(
    tmp_path, monkeypatch, call_tool
):
    monkeypatch.chdir(tmp_path)
    status, error = call_tool(TOOL, CONFIGS / 'study.yml')
    assert status == 2 and 'make_night_scenes.py data/night_coupled_48 --coupled' in error
    assert 'Traceback' not in error and not list(tmp_path.iterdir())


def test_the_commands_of_the_page_parse(monkeypatch):
    found = commands_of([ROOT / 'docs' / 'tri_level.md'])
    assert len(found) >= 2
    for command in found:
        check_command(command, monkeypatch)


def test_the_cascade_is_given_the_passes_of_the_three_levels():
    study = read_study(CONFIGS / 'study.yml')
    passes = forward_passes(load_config(study.host).train_cfg)
    enlarging = load_config(CONFIGS / 'enlarging.py')
    assert abs(3 * enlarging.train_cfg.max_iters - passes) < 3
