"""The config that a cell of a benchmark stands for."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from llv.benchmark.cells import draw, plan_cell
from llv.benchmark.fits import channel_statistics, fit_control
from llv.benchmark.matrix_file import read_matrix
from llv.engine.settings import RunOptions

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


def test_statistics_of_a_constant_picture_have_no_spread():
    mean, std = channel_statistics(iter([torch.full((3, 4, 4), 0.3)]))
    torch.testing.assert_close(mean, torch.full((3,), 0.3).double())
    assert float(std.max()) < 1e-6


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='no picture to fit'):
        fit_control(dict(kind='mean', bright=str(tmp_path)))
