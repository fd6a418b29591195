"""The configs of enhancement data load, and give what an enhancer is trained and measured on."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from test_datasets.test_enhancement import trees

from llv.datasets.splits import fivek_numbers, sice_numbers
from llv.registry import DATASETS, METRICS

FOLDER = Path(__file__).parents[3] / 'configs' / '_base_' / 'datasets'


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """All sets at once, as `data/` would hold them."""
    root = tmp_path_factory.mktemp('data')
    trees.lol_v1(root / 'LOL')
    trees.lol_v2(root / 'LOL-v2')
    trees.fivek(root / 'FiveK', [1, 2, *fivek_numbers('fecnet', 'test')[:2]])
    held_out = sice_numbers('val')[:1]
    trees.sice(root / 'SICE_exposures', [*sice_numbers('train')[:2], *held_out], [4])
    trees.sice_raw(root / 'SICE', 2, {1: 3}, size=(40, 48))
    for name in ('1_1.JPG', '2_3.jpg'):
        trees.picture(root / 'SICE_zero_dce' / name)
    trees.msec(root / 'MSEC')
    for half in ('train', 'val'):
        for light in ('day', 'night'):
            trees.picture(root / 'night_scenes' / half / light / '000000.png', (192, 192))
    return root


def moved(config, root):
    """The config with every `data_root` below `root`; serializing a data set would take a quarter of a second."""
    if isinstance(config, dict):
        if str(config.get('type')).endswith(('Dataset', 'Folder')) and 'datasets' not in config:
            config['serialize_data'] = False
        for key, value in config.items():
            if key.endswith('data_root'):
                config[key] = str(root / Path(value).relative_to('data'))
            else:
                moved(value, root)
    elif isinstance(config, (list, tuple)):
        for value in config:
            moved(value, root)


# name: pictures to train on and to test on, size of a tested one, paired training
CONFIGS = {
    'lol_v1': (5, 2, (6, 9), True),
    'lol_v2_real': (3, 3, (6, 9), True),
    'fivek': (2, 2, (8, 12), True),
    'sice': (4, 2, (8, 12), True),
    'sice_zero_dce': (2, 3, (10, 12), False),
    'msec': (5, 5, (8, 12), True),
    'task_mix': (9, 5, (8, 12), True),
    'night_scenes_pairs': (1, 1, (192, 192), True),
}


@pytest.mark.parametrize('name', CONFIGS)
def test_config_gives_batches(name, data):
    train_count, test_count, size, paired = CONFIGS[name]
    cfg = Config.fromfile(FOLDER / f'{name}.py')
    moved(cfg._cfg_dict, data)
    with DefaultScope.overwrite_default_scope('llv'):
        train = DATASETS.build(cfg.train_dataloader.dataset)
        test = DATASETS.build(cfg.test_dataloader.dataset)
        assert len(DATASETS.build(cfg.val_dataloader.dataset)) > 0
        METRICS.build(cfg.test_evaluator)
    assert (len(train), len(test)) == (train_count, test_count)
    batch = pseudo_collate([train[0], train[len(train) - 1]])
    assert all(('reference' in sample) is paired for sample in batch['data_samples'])
    item = test[test_count - 1]
    assert item['inputs'].shape == (3, *size)
    assert item['data_samples'].reference.data.shape == (3, *size)
    assert item['data_samples'].reference.data.dtype == torch.uint8
    groups = cfg.test_evaluator.get('groups')
    assert groups is None or groups in item['data_samples']


def test_the_task_mix_tells_its_three_sets_apart(data):
    cfg = Config.fromfile(FOLDER / 'task_mix.py')
    moved(cfg._cfg_dict, data)
    with DefaultScope.overwrite_default_scope('llv'):
        test = DATASETS.build(cfg.test_dataloader.dataset)
    names = [test[i]['data_samples'].dataset for i in range(len(test))]
    assert names == ['lol_v1'] * 2 + ['fivek'] * 2 + ['sice']
    assert test[4]['data_samples'].exposure == 'over'


def test_psenet_trains_on_squares_of_256_pixels(data):
    cfg = Config.fromfile(FOLDER / 'sice_zero_dce.py')
    moved(cfg._cfg_dict, data)
    assert DATASETS.build(cfg.train_dataloader.dataset)[0]['inputs'].shape == (3, 256, 256)


def test_groups_of_exposure_are_measured_apart(data, tmp_path):
    cfg = Config.fromfile(FOLDER / 'sice.py')
    moved(cfg._cfg_dict, data)
    loader = dict(cfg.test_dataloader, num_workers=0, persistent_workers=False)
    runner = Runner(
        model=dict(type='llv.EnhancementModel', enhancer=dict(type='llv.Identity')),
        work_dir=str(tmp_path),
        test_dataloader=loader,
        test_evaluator=cfg.test_evaluator,
        test_cfg=dict(),
        default_scope='llv',
        experiment_name='groups',
    )
    figures = runner.test()
    expected = {}
    for exposure in ('low', 'over'):
        pictures = [
            cv2.resize(cv2.imread(str(data / f'SICE_exposures/test/{folder}/4.jpg')), (12, 8))
            for folder in (exposure, 'mid')
        ]
        error = np.square(np.subtract(*(p.astype(float) for p in pictures))).mean()
        expected[exposure] = 10 * np.log10(255**2 / error)
    assert figures['quality/psnr_under'] == pytest.approx(expected['low'], abs=0.02)
    assert figures['quality/psnr_over'] == pytest.approx(expected['over'], abs=0.02)
    assert figures['quality/psnr'] == pytest.approx(sum(expected.values()) / 2, abs=0.02)
