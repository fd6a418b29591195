"""The sets that TriCo is tried on beside RELLISUR: night pictures without references, and Cityscapes darkened."""

import pytest
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from test_datasets.test_enhancement import trees
from test_datasets.test_enhancement.test_base_configs import FOLDER, moved

from llv.datasets.enhancement.picture_set import Count
from llv.registry import DATASETS, METRICS


def built(name, root, *loaders):
    cfg = Config.fromfile(FOLDER / f'{name}.py')
    moved(cfg._cfg_dict, root)
    with DefaultScope.overwrite_default_scope('llv'):
        return cfg, [DATASETS.build(cfg[f'{loader}_dataloader'].dataset) for loader in loaders]


@pytest.mark.parametrize(
    'name, files, distractor',
    [
        (
            'dark_zurich_enhancement',
            ['dark_zurich/rgb_anon/val/night/GP/a_rgb_anon.png'],
            'dark_zurich/rgb_anon/val_ref/day/GP/a_ref_rgb_anon.png',
        ),
        ('dark_face_enhancement', ['DarkFace/image/1.png'], 'DarkFace/test/1.png'),
    ],
)
def test_pictures_without_references_go_in_whole_or_shrunk(tmp_path, name, files, distractor):
    for file in (*files, distractor):
        trees.picture(tmp_path / file, (12, 20))
    cfg, (whole,) = built(name, tmp_path, 'test')
    assert len(whole) == 1
    item = whole[0]
    assert item['inputs'].shape == (3, 12, 20) and 'reference' not in item['data_samples']
    assert item['data_samples'].img_path == str(tmp_path / files[0])
    (count,) = whole.counts(whole.parts())
    assert count == Count('pictures', 1, dict(dark_zurich=50, dark_face=6000)[name[:-12]])
    cfg.merge_from_dict({'test_dataloader.dataset.pipeline.1.factor': 0.5})
    with DefaultScope.overwrite_default_scope('llv'):
        shrunk = DATASETS.build(cfg.test_dataloader.dataset)
        metric = METRICS.build(cfg.test_evaluator)
    assert shrunk[0]['inputs'].shape == (3, 6, 10)
    assert metric.metrics == ('niqe', 'brisque')  # no reference is asked for


@pytest.mark.parametrize('scale', [2, 4])
def test_cityscapes_gives_pairs_of_its_two_halves(tmp_path, scale):
    for half, city in (('train', 'aachen'), ('train', 'ulm'), ('val', 'lindau')):
        file = f'cityscapes/leftImg8bit/{half}/{city}/{city}_0_1_leftImg8bit.png'
        trees.picture(tmp_path / file, (263, 270))
    cfg = Config.fromfile(FOLDER / 'cityscapes_dark_enhancement.py')
    moved(cfg._cfg_dict, tmp_path)
    place = {'train': 'pipeline.2.scale', 'test': 'pipeline.1.scale'}
    for loader, key in place.items():
        cfg.merge_from_dict({f'{loader}_dataloader.dataset.{key}': scale})
    with DefaultScope.overwrite_default_scope('llv'):
        train = DATASETS.build(cfg.train_dataloader.dataset)
        test = DATASETS.build(cfg.test_dataloader.dataset)
    assert (len(train), train.expected, len(test), test.expected) == (2, 2975, 1, 500)
    batch = pseudo_collate([train[0], train[1]])
    for picture, sample in zip(batch['inputs'], batch['data_samples'], strict=True):
        assert picture.shape == (3, 256 // scale, 256 // scale)
        assert sample.reference.data.shape == (3, 256, 256)
        assert picture.float().mean() < 0.6 * sample.reference.data.float().mean()
    first, again = test[0], test[0]
    assert first['inputs'].equal(again['inputs'])
    height, width = 263 // scale, 270 // scale
    assert first['inputs'].shape == (3, height, width)
    assert first['data_samples'].reference.data.shape == (3, scale * height, scale * width)
    assert cfg.test_evaluator.groups == 'ev' and first['data_samples'].ev in (
        -2.5, -3.0, -3.5, -4.0, -4.5,
    )  # fmt: skip
