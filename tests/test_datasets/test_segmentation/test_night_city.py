"""NightCity: the official layout after conversion, and others."""

import logging
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

pytest.importorskip('mmcv.ops')
pytest.importorskip('mmseg')

from llv.datasets.segmentation import NightCityDataset  # noqa: E402
from llv.datasets.segmentation import night_city as night_city_module  # noqa: E402
from llv.registry import DATASETS  # noqa: E402
from llv.utils.label_maps import LabelMapError  # noqa: E402

CONFIG = Path(__file__).parents[3] / 'configs' / '_base_' / 'datasets' / 'night_city.py'
trees = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name('trees.py'))))
NAMES = ('Chicago_0002', 'Dubai_0016', 'Tokyo_0100')


@pytest.fixture
def root(tmp_path):
    """Label ids as published, and train ids beside them."""
    for subset in ('train', 'val'):
        for seed, name in enumerate(NAMES[: 3 if subset == 'train' else 1]):
            trees.write_picture(tmp_path / f'NightCity-images/images/{subset}/{name}.png', seed)
            labels = tmp_path / f'NightCity-label/label/{subset}/{name}'
            trees.write_labels(Path(f'{labels}_labelTrainIds.png'), seed)
            trees.write_labels(Path(f'{labels}_labelIds.png'), seed, ids=range(34))
    return tmp_path


def test_official_layout_after_conversion(root):
    with trees.log_lines(logging.WARNING) as lines:
        dataset = DATASETS.build(
            dict(type='llv.NightCityDataset', data_root=str(root), subset='train')
        )
    assert trees.names(dataset) == [f'{name}.png' for name in NAMES]
    assert dataset.get_data_info(1)['seg_map_path'] == (
        f'{root}/NightCity-label/label/train/Dubai_0016_labelTrainIds.png'
    )
    assert len(dataset.metainfo['classes']) == 19
    (line,) = lines
    assert '3 pictures instead of 2998' in line
    assert trees.names(NightCityDataset(data_root=str(root), subset='val')) == ['Chicago_0002.png']


def test_published_numbers():
    counts = night_city_module.NIGHT_CITY_COUNTS
    assert counts == dict(train=2998, val=1299) and sum(counts.values()) == 4297


def test_unconverted_label_ids_name_the_converter(root):
    with pytest.raises(LabelMapError, match='label_ids_to_train_ids'):
        NightCityDataset(data_root=str(root), subset='train', seg_map_suffix='_labelIds.png')
    for file in root.glob('NightCity-label/label/train/*_labelTrainIds.png'):
        file.unlink()
    with pytest.raises(FileNotFoundError, match='label_ids_to_train_ids'):
        NightCityDataset(data_root=str(root), subset='train')


def test_layout_of_night_city_fine(tmp_path):
    trees.write_picture(tmp_path / 'train/img/Chicago_0002.png')
    trees.write_labels(tmp_path / 'train/lbl/Chicago_0002_trainIds.png')
    with trees.log_lines(logging.WARNING) as lines:
        dataset = NightCityDataset(
            data_root=str(tmp_path),
            data_prefix=dict(img_path='train/img', seg_map_path='train/lbl'),
            seg_map_suffix='_trainIds.png',
        )
    assert trees.names(dataset) == ['Chicago_0002.png'] and not lines


@pytest.mark.parametrize(
    'options, words',
    [
        (dict(), ['`subset`', '`data_prefix`']),
        (dict(subset='val', data_prefix=dict(img_path='a')), ['`subset`', '`data_prefix`']),
        (dict(subset='test'), ['`subset`', '`train`', '`val`']),
    ],
)
def test_bad_arguments_are_named(root, options, words):
    with pytest.raises(ValueError) as error:
        NightCityDataset(data_root=str(root), **options)
    assert all(word in str(error.value) for word in words)


def test_config_reads_both_subsets(root):
    cfg = Config.fromfile(CONFIG)
    with DefaultScope.overwrite_default_scope('mmseg'):
        train, val = (
            DATASETS.build(dict(cfg[f'{part}_dataloader'].dataset, data_root=str(root)))
            for part in ('train', 'val')
        )
        assert (len(train), len(val)) == (3, 1)
        item, test = train[0], val[0]
    assert item['inputs'].shape[1:] == item['data_samples'].gt_sem_seg.data.shape[1:]
    assert test['inputs'].shape[1:] == (512, 683)  # 24x32 within 512x1024
