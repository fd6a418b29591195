"""The config that a cell of a benchmark stands for."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from llv.benchmark.cells import draw, plan_cell, read_metrics
from llv.benchmark.fits import channel_statistics, fit_control, merge_fit
from llv.benchmark.matrix_file import read_matrix
from llv.engine.settings import RunOptions
from llv.engine.upstream import _plan
from llv.registry import MODELS

DETECTOR = """
model = dict(type='Toy', data_preprocessor=dict(type='mmdet.DetDataPreprocessor', mean=[0, 0, 0], std=[1, 1, 1]))
train_cfg = dict(max_iters=10)
train_dataloader = dict(dataset=dict(type='Toy'))
randomness = dict(seed=5)
default_scope = 'mmdet'
"""
MATRIX = """
metric: AP50
detectors:
  small: {config: det.py, start: day.py, options: {train_cfg.max_iters: 20}}
enhancers:
  none:
  PSENet: {enhancer: psenet, upstream: psenet.py, scene_loss: 0.5, upstream_options: {train_cfg.max_iters: 3}}
strategies: [detector_only, zero_shot, frozen, end_to_end, end_to_end_scene, hierarchical]
axes:
  labels:
    draw: {into: train_dataloader.dataset.indices, of: 50}
    values: {8: {train_cfg.max_iters: 30}, 16: {}}
seeds: [0, 1]
"""


@pytest.fixture
def plan(tmp_path):
    for name in ('det.py', 'day.py', 'psenet.py'):
        (tmp_path / name).write_text(DETECTOR)
    (tmp_path / 'matrix.yml').write_text(MATRIX)

    def cells(text=MATRIX, work_dir='work'):
        (tmp_path / 'matrix.yml').write_text(text)
        matrix = read_matrix(tmp_path / 'matrix.yml')
        found = [
            plan_cell(matrix, point, tmp_path / work_dir, RunOptions(), {})
            for point in matrix.points()
        ]
        return {(c.point.arm.strategy, c.point.axes['labels'], c.point.seed): c for c in found}

    return cells


def links(cell):
    return [(Config(link).config.rpartition('/')[2], link['into']) for link in cell.cfg.upstream]


INTO = 'model.data_preprocessor.enhancer.weights'


def test_strategies_differ_in_enhancer_upstream_and_loss(plan):
    cells = plan()
    one = {
        strategy: cell
        for (strategy, labels, seed), cell in cells.items()
        if (labels, seed) == (8, 0)
    }
    bare = one['detector_only'].cfg
    assert bare.model.data_preprocessor.type == 'mmdet.DetDataPreprocessor'
    for strategy in ('zero_shot', 'frozen', 'end_to_end', 'end_to_end_scene', 'hierarchical'):
        preprocessor = one[strategy].cfg.model.data_preprocessor
        assert preprocessor.type == 'llv.EnhancedDataPreprocessor'
        assert preprocessor.enhancer.type == 'llv.PSENet'
        assert preprocessor.frozen == (strategy in ('zero_shot', 'frozen'))
        start = [('day.py', 'load_from')]
        before = strategy in ('zero_shot', 'frozen', 'hierarchical')
        assert links(one[strategy]) == start + [('psenet.py', INTO)] * before
        assert (one[strategy].cfg.train_cfg is None) == (strategy == 'zero_shot')
        hooks = one[strategy].cfg.get('custom_hooks', [])
        assert [h['loss_weight'] for h in hooks] == [0.5] * (strategy == 'end_to_end_scene')
    assert links(one['detector_only']) == [('day.py', 'load_from')]
    upstream = one['hierarchical'].cfg.upstream[1]['cfg_options']
    assert upstream == {'randomness.seed': 0, 'train_cfg.max_iters': 3}


def test_options_of_the_axis_replace_those_of_the_detector(plan):
    cells = plan()
    assert cells['frozen', 8, 0].cfg.train_cfg.max_iters == 30
    assert cells['frozen', 16, 0].cfg.train_cfg.max_iters == 20
    assert cells['frozen', 16, 1].cfg.randomness.seed == 1


def test_draws_are_nested_and_shared_by_arms_and_differ_between_seeds(plan):
    cells = plan()

    def drawn(*key):
        return cells[key].cfg.train_dataloader.dataset.indices

    few, many = drawn('frozen', 8, 0), drawn('frozen', 16, 0)
    assert len(set(few)) == 8 and len(set(many)) == 16 and set(few) < set(many)
    assert few == drawn('hierarchical', 8, 0)
    assert set(few) != set(drawn('frozen', 8, 1))
    assert sorted(draw(50, 50, 3)) == list(range(50))


def test_a_cell_is_another_when_anything_that_decides_its_result_is(plan, tmp_path):
    key = ('hierarchical', 8, 0)
    first = plan()[key].digest
    assert plan(work_dir='elsewhere')[key].digest == first
    assert plan(MATRIX + 'title: other words\n')[key].digest == first
    assert plan(MATRIX.replace('max_iters: 3}', 'max_iters: 4}'))[key].digest != first
    assert plan(MATRIX.replace('30', '31'))[key].digest != first
    (tmp_path / 'psenet.py').write_text(DETECTOR + 'more = 1\n')
    cells = plan()
    assert cells[key].digest != first
    assert cells['detector_only', 8, 0].digest == plan()['detector_only', 8, 0].digest


def test_controls_are_fitted_to_folders(tmp_path):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (3, 5, 7, 3), np.uint8)  # RGB
    for name, factor in (('bright', 1), ('dark', 4)):
        (tmp_path / name).mkdir()
        for index, picture in enumerate(pictures):
            cv2.imwrite(str(tmp_path / name / f'{index}.png'), picture[..., ::-1] // factor)
    bright, dark = pictures / 255, (pictures // 4) / 255
    folders = dict(dark=str(tmp_path / 'dark'), bright=str(tmp_path / 'bright'))

    enhancer, _ = fit_control(dict(kind='mean', **folders))
    np.testing.assert_allclose(enhancer['target'], bright.mean((0, 1, 2)), atol=1e-4)
    enhancer, _ = fit_control(dict(kind='gain', **folders))
    np.testing.assert_allclose(
        enhancer['gain'], bright.mean((0, 1, 2)) / dark.mean((0, 1, 2)), rtol=1e-4
    )
    enhancer, options = fit_control(dict(kind='statistics', **folders))
    assert enhancer is None
    np.testing.assert_allclose(
        options['model.data_preprocessor.mean'], 255 * dark.mean((0, 1, 2)), atol=0.01
    )
    np.testing.assert_allclose(
        options['model.data_preprocessor.std'], 255 * dark.std((0, 1, 2)), atol=0.01
    )


def test_pictures_in_folders_of_a_folder_are_fitted_to(tmp_path):
    for name, grey in (('GOPR1/a_rgb_anon.png', 40), ('GOPR2/b_rgb_anon.png', 60)):
        (tmp_path / name).parent.mkdir()
        cv2.imwrite(str(tmp_path / name), np.full((4, 4, 3), grey, np.uint8))
    enhancer, _ = fit_control(dict(kind='mean', bright=str(tmp_path)))
    np.testing.assert_allclose(enhancer['target'], 50 / 255, atol=1e-4)


STATISTICS = {
    'model.data_preprocessor.mean': [1.0, 2.0, 3.0],
    'model.data_preprocessor.std': [4.0, 5.0, 6.0],
}


@pytest.mark.parametrize('place', ['model', 'top', 'both'])
@pytest.mark.parametrize('bgr_to_rgb', [True, False])
def test_statistics_reach_the_preprocessor_wherever_it_stands(place, bgr_to_rgb):
    structures = pytest.importorskip('mmseg.structures')
    preprocessor = dict(type='mmseg.SegDataPreProcessor', mean=[9] * 3, std=[9] * 3, size=(4, 4))
    preprocessor['bgr_to_rgb'] = bgr_to_rgb
    cfg = Config(dict(model=dict(type='Toy')))
    if place != 'top':
        cfg.model.data_preprocessor = preprocessor
    if place != 'model':
        cfg.data_preprocessor = preprocessor
    merge_fit(cfg, STATISTICS)
    # nothing is left that could take its place
    assert 'data_preprocessor' not in cfg
    built = MODELS.build(cfg.model.data_preprocessor)
    # a picture of the fitted mean, in the loader's order, comes out as zeros, and one of a deviation more as ones
    for value, wanted in ((STATISTICS['model.data_preprocessor.mean'], 0), ([5.0, 7.0, 9.0], 1)):
        picture = torch.tensor(value[::-1])[:, None, None].expand(3, 4, 4)
        found = built(dict(inputs=[picture], data_samples=[structures.SegDataSample()]), False)[
            'inputs'
        ]
        torch.testing.assert_close(found, torch.full((1, 3, 4, 4), float(wanted)))


def test_statistics_without_a_preprocessor_are_refused():
    cfg = Config(dict(model=dict(type='Toy')))
    with pytest.raises(ValueError, match='no `data_preprocessor` whose mean and std'):
        merge_fit(cfg, STATISTICS)
    merge_fit(cfg, {})


def test_figures_of_evaluators_are_read():
    found = {
        'coco/bbox_mAP': 0.5,
        'mIoU': np.float32(40.5),  # mmseg's own
        'IoU.bus': np.float64('nan'),
        'brightness.dark1': 7.0,
        'pixels.dark1': 25.0,
        'a/aAcc': 1,
        'b/aAcc': 2,
        'data_time': 3.0,
        'a/time': 3.0,
        'name': 'x',
    }
    assert read_metrics(found, 2.0) == {
        'bbox_mAP': 1.0,
        'mIoU': 81.0,
        'IoU.bus': None,
        'brightness.dark1': 7.0,
        'pixels.dark1': 25.0,
        'a/aAcc': 2.0,
        'b/aAcc': 4.0,
    }


def test_statistics_of_a_constant_picture_have_no_spread():
    mean, std = channel_statistics(iter([torch.full((3, 4, 4), 0.3)]))
    torch.testing.assert_close(mean, torch.full((3,), 0.3).double())
    assert float(std.max()) < 1e-6


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='no picture to fit'):
        fit_control(dict(kind='mean', bright=str(tmp_path)))


CHAIN = (
    DETECTOR
    + """
upstream = [dict(config='{{ fileDirname }}/search.py', take='genotype', into='model.genotype')]
"""
)
SEARCH = (
    DETECTOR
    + """
upstream = [
    dict(config='{{ fileDirname }}/day.py', into='load_from', prefix='', cfg_options={'train_cfg.max_iters': 7}),
    dict(config='{{ fileDirname }}/psenet.py', into='load_from', prefix='', cfg_options={'randomness.seed': 9}),
]
"""
)
LINKS = {
    'randomness.seed': 1,
    'upstream.0.cfg_options': {'randomness.seed': 1, 'train_cfg.max_iters': 7},
    'upstream.1.cfg_options': {'randomness.seed': 9},
}


@pytest.fixture
def chain(plan, tmp_path):
    (tmp_path / 'det.py').write_text(CHAIN)
    (tmp_path / 'search.py').write_text(SEARCH)
    (tmp_path / 'own.py').write_text(CHAIN + "custom_hooks = ['its own']\n")
    return tmp_path


def plan_one(folder, text, seed=1):
    (folder / 'matrix.yml').write_text(text)
    matrix = read_matrix(folder / 'matrix.yml', [seed])
    (cell,) = [plan_cell(matrix, p, folder / 'w', RunOptions(), {}) for p in matrix.points()]
    return cell


ONE = 'metric: AP50\ndetectors:\n  small: {config: det.py}\n'


def test_runs_that_a_config_names_have_the_seed_of_the_cell_and_so_what_they_build_on(chain):
    cell = plan_one(chain, ONE)
    (link,) = cell.cfg.upstream
    assert Config(link).to_dict()['cfg_options'] == LINKS
    # what is planned from it, down to the last run
    (search,) = _plan(cell.cfg, RunOptions(), ())
    assert search.cfg.randomness.seed == 1
    assert [run.cfg.randomness.seed for run in search.links] == [1, 9]
    assert search.links[0].cfg.train_cfg.max_iters == 7
    assert plan_one(chain, ONE, seed=2).digest != cell.digest


@pytest.mark.parametrize(
    'arm', ['{strategy: zero_shot, enhancer: lit}', '{strategy: detector_only}']
)
def test_a_start_has_the_seed_also_where_it_builds_on_something(chain, arm):
    (chain / 'det.py').write_text(DETECTOR if 'only' in arm else CHAIN)
    start = ', start: search.py' if 'only' in arm else ''
    text = f'metric: AP50\ndetectors:\n  small: {{config: det.py{start}}}\n'
    text += f'enhancers: {{none: , lit: {{enhancer: psenet}}}}\narms: [{arm}]\n'
    start = _plan(plan_one(chain, text).cfg, RunOptions(), ())[-1]
    assert start.cfg.randomness.seed == 1
    links = start.links if 'only' in arm else start.links[0].links
    assert [run.cfg.randomness.seed for run in links] == [1, 9]


def test_a_recipe_has_the_seed_also_where_it_builds_on_something(chain):
    (chain / 'det.py').write_text(DETECTOR)
    text = (
        ONE
        + 'enhancers: {lit: {enhancer: psenet, upstream: search.py}}\narms: [{enhancer: lit, strategy: frozen}]\n'
    )
    (recipe,) = _plan(plan_one(chain, text).cfg, RunOptions(), ())
    assert [run.cfg.randomness.seed for run in recipe.links] == [1, 9]


def test_runs_that_close_to_a_cycle_are_refused_and_not_followed(chain):
    (chain / 'search.py').write_text(CHAIN)
    with pytest.raises(ValueError, match='close to a cycle'):
        plan_one(chain, ONE)


def test_an_arm_with_a_config_of_its_own_is_that_config(chain):
    (chain / 'det.py').write_text(DETECTOR)
    text = ONE + 'arms: [{name: searched, config: own.py, options: {train_cfg.max_iters: 4}}]\n'
    cell = plan_one(chain, text)
    assert cell.cfg.custom_hooks == ['its own']
    assert cell.cfg.train_cfg.max_iters == 4 and cell.cfg.randomness.seed == 1
    assert Config(cell.cfg.upstream[0]).to_dict()['cfg_options'] == LINKS
    assert cell.point.cell == dict(
        arm='searched', detector='small', enhancer='none', strategy='as_configured', seed=1
    )


def test_what_an_arm_calls_its_enhancer_is_held_against_its_config(chain):
    text = ONE + "arms: [{name: searched, config: own.py, enhancer: 'RUAS, searched'}]\n"
    with pytest.raises(ValueError, match='`searched` .*its config has no enhancer'):
        plan_one(chain, text)
    lit = "model['data_preprocessor'] = dict(type='llv.EnhancedDataPreprocessor', enhancer=dict(type='llv.RUAS'))\n"
    (chain / 'own.py').write_text(CHAIN + lit)
    assert plan_one(chain, text).point.cell['enhancer'] == 'RUAS, searched'
    with pytest.raises(ValueError, match='`searched` .*its config has an enhancer'):
        plan_one(chain, text.replace("'RUAS, searched'", 'none'))
