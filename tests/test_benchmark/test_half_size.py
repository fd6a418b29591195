"""The study of half-size pictures: its page, its configs, and two cells of it at toy size."""

import json
import re
import runpy
import sys
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import yaml
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from llv.datasets.night_scenes import write_coupled_night_scenes
from llv.registry import DATASETS, MODELS

pytest.importorskip('mmdet')
from docs_commands import check_command, commands_of, title  # noqa: E402

from llv.benchmark.cells import plan_cell  # noqa: E402
from llv.benchmark.matrix_file import read_matrix  # noqa: E402
from llv.engine.settings import RunOptions  # noqa: E402

ROOT = Path(__file__).parents[2]
STUDY = ROOT / 'configs' / 'night_scenes' / 'half_size'
PAGE = ROOT / 'docs' / 'half_size.md'
LIGHTS = 'model.data_preprocessor.enhancer'


@pytest.fixture(scope='module')
def cells():
    """The config of each arm at the first seed."""
    matrix = read_matrix(STUDY / 'matrix.yml', [0])
    planned = [plan_cell(matrix, p, Path('work'), RunOptions(), {}) for p in matrix.points()]
    return {cell.point.arm.name: cell.cfg for cell in planned}


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('half') / 'set'
    write_coupled_night_scenes(folder, dict(train=6, val=4, test=2), size=(48, 48), progress=False)
    return folder


def starts(cfg):
    return {link['into']: Path(link['config']).stem for link in cfg.upstream}


@pytest.mark.parametrize('command', commands_of([PAGE]), ids=title)
def test_commands_of_the_page_parse(command, monkeypatch):
    check_command(command, monkeypatch)


def test_every_arm_is_on_the_page_and_the_page_can_be_filled(cells):
    text = PAGE.read_text(encoding='utf-8')
    for arm in cells:
        assert f'| {arm} |' in text
    assert text.count('<!-- begin results -->') == text.count('<!-- end results -->') == 1


def test_arms_start_from_what_the_page_says(cells):
    day = dict(load_from='day')
    trico = day | {f'{LIGHTS}.weights': 'trico'}
    without_srl = day | {f'{LIGHTS}.weights': 'trico_without-srl'}
    assert {arm: starts(cfg) for arm, cfg in cells.items()} == {
        'half size': day,
        'half size, anchors halved': dict(load_from='day_small'),
        'bicubic ×2': day,
        'MeanMatch ⇒ bicubic ×2': day,
        'PSENet ⇒ ×2 network': day
        | {f'{LIGHTS}.stages.0.weights': 'psenet', f'{LIGHTS}.stages.1.weights': 'enlarging'},
        'frozen TriCo ×2': trico,
        'end-to-end TriCo ×2': trico,
        'frozen TriCo ×2, without srl': without_srl,
        'end-to-end TriCo ×2, without srl': without_srl,
        'night, full size': day,
        'day, full size': day,
    }
    seeds = {
        link['cfg_options']['randomness.seed'] for cfg in cells.values() for link in cfg.upstream
    }
    assert seeds == {0}


def test_all_arms_train_alike_and_small_means_the_same_objects(cells):
    reference = cells['half size']
    for arm, cfg in cells.items():
        for key in ('optim_wrapper', 'param_scheduler', 'train_cfg', 'test_cfg'):
            assert cfg[key] == reference[key], (arm, key)
        assert cfg.train_dataloader.batch_size == reference.train_dataloader.batch_size
        voc, sizes = cfg.test_evaluator
        assert voc == reference.test_evaluator[0]
        # twice the sides where the annotations have them
        scale = 2 if 'full size' in arm else 1
        assert sizes.sizes.small == [0, 9 * scale] or sizes.sizes.small == (0, 9 * scale)
        frozen = cfg.model.data_preprocessor.get('frozen')
        assert frozen == (None if 'size' in arm else not arm.startswith('end-to-end'))


def test_no_scene_is_trained_on_and_tested():
    for path in STUDY.glob('*.py'):
        cfg = Config.fromfile(path)
        trained = str(cfg.train_dataloader.dataset.to_dict())
        tested = str(cfg.get('test_dataloader') or {})
        assert 'Test' not in trained and 'test_' not in trained, path.name
        assert 'Train' not in tested and 'Val' not in tested, path.name
        # nor labelled by night and seen by an enhancer or the day detector
        adapted = path.stem.startswith('night') or path.stem in ('cascade', 'day_full-size')
        assert ('Val/' in trained) == adapted


def test_the_second_stage_is_as_large_as_trico():
    sizes = []
    for name in ('trico', 'enlarging'):
        cfg = Config.fromfile(STUDY / f'{name}.py')
        with DefaultScope.overwrite_default_scope('llv'):
            enhancer = MODELS.build(cfg.model).enhancer
        assert enhancer.scale == 2
        # without ς
        network = [*enhancer.illumination_parameters(), *enhancer.refinement_parameters()]
        sizes.append(sum(parameter.numel() for parameter in network))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.005)
    text = PAGE.read_text(encoding='utf-8')
    assert all(f'{size:,}' in text for size in sizes)


def samples(cfg, root, split):
    """The items of a loader by the name of their picture."""
    dataset = deepcopy(cfg[f'{split}_dataloader'].dataset)
    dataset.data_root = f'{root}/'
    with DefaultScope.overwrite_default_scope('mmdet'):
        built = DATASETS.build(dataset)
        np.random.seed(0)
        return {Path(built.get_data_info(i)['img_path']).stem: built[i] for i in range(len(built))}


def test_boxes_follow_pictures_through_the_enlargement_and_predictions_come_back(cells, root):
    cfg = cells['bicubic ×2']
    with DefaultScope.overwrite_default_scope('mmdet'):
        preprocessor = MODELS.build(cfg.model.data_preprocessor)
    plain = samples(cfg, root, 'test')
    assert len(plain) == 10
    small, full = (samples(cells[f'{when}, full size'], root, 'test') for when in ('night', 'day'))
    assert {name[:5] for name in plain} == set(full)
    for training in (True, False):
        items = [plain[name] for name in sorted(plain)]
        data = preprocessor(pseudo_collate(deepcopy(items)), training)
        assert data['inputs'].shape[-2:] == (96, 96)
        for name, sample in zip(sorted(plain), data['data_samples'], strict=True):
            assert sample.img_shape == (96, 96) and sample.scale_factor == (2, 2)
            theirs = full[name[:5]]['data_samples'].gt_instances.bboxes.tensor
            ours = sample.gt_instances.bboxes
            # in the test they stay where the metric looks for them
            np.testing.assert_allclose(ours * (1 if training else 2), theirs)
    # the full-size night is as dark as the small one
    levels = [
        np.mean([item['inputs'].float().mean() for item in found.values()])
        for found in (plain, small, full)
    ]
    assert levels[1] == pytest.approx(levels[0], rel=0.35) and levels[2] > 2.5 * levels[0]


def run(*arguments):
    before = sys.argv
    sys.argv = ['benchmark.py', *map(str, arguments)]
    try:
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / 'tools' / 'benchmark.py'), run_name='__main__')
    finally:
        sys.argv = before
    return ended.value.code


def test_cells_of_the_cascade_and_of_trico_run(root, tmp_path):
    text = (STUDY / 'matrix.yml').read_text(encoding='utf-8')
    matrix = yaml.safe_load(re.sub(r'([\w-]+\.py)', rf'{STUDY}/\1', text))
    arms = {arm['name']: arm for arm in matrix['arms']}
    short = {
        'train_cfg.max_iters': 2,
        'train_dataloader.batch_size': 2,
        'train_dataloader.dataset.data_root': f'{root}/',
    }
    matrix |= dict(
        arms=[arms['PSENet ⇒ ×2 network'], arms['end-to-end TriCo ×2']],
        seeds=[0],
        speed=False,
        compare=None,
        options=short | {'test_dataloader.dataset.data_root': f'{root}/'},
        upstream_options=short,
    )
    (tmp_path / 'toy.yml').write_text(yaml.safe_dump(matrix, allow_unicode=True), encoding='utf-8')
    assert run(tmp_path / 'toy.yml', '--work-dir', tmp_path / 'work') == 0
    found = [json.loads(f.read_text()) for f in (tmp_path / 'work').glob('cells/*/result.json')]
    assert {r['cell']['strategy'] for r in found} == {'as_configured', 'hierarchical'}
    for record in found:
        assert record['metrics'].keys() > {'AP50', 'AP', 'AP_small', 'AP50_small', 'AP_large'}
        assert record['iterations'] == 2
