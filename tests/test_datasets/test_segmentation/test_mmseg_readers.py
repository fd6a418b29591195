"""Cityscapes, Dark Zurich and Nighttime Driving: mmseg's readers with llv's checks, and their configs."""

import logging
import runpy
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

pytest.importorskip('mmcv.ops')
mmseg_datasets = pytest.importorskip('mmseg.datasets')

from llv.datasets.segmentation import (  # noqa: E402
    CityscapesDataset,
    DarkZurichDataset,
    NightDrivingDataset,
)
from llv.registry import DATASETS  # noqa: E402
from llv.utils.label_maps import LabelMapError  # noqa: E402

CONFIGS = Path(__file__).parents[3] / 'configs' / '_base_' / 'datasets'
trees = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name('trees.py'))))
# reader: folders of pictures and labels, names with their folder, suffixes of pictures and labels
SETS = {
    CityscapesDataset: (
        'leftImg8bit/val', 'gtFine/val', ('lindau/lindau_000000_000019', 'munster/munster_000001_000019'),
        '_leftImg8bit.png', '_gtFine_labelTrainIds.png',
    ),
    DarkZurichDataset: (
        'rgb_anon/val/night', 'gt/val/night', ('GOPR0356/GOPR0356_frame_000321', 'GOPR0356/GOPR0356_frame_000324'),
        '_rgb_anon.png', '_gt_labelTrainIds.png',
    ),
    NightDrivingDataset: (
        'leftImg8bit/test/night', 'gtCoarse_daytime_trainvaltest/test/night', ('0_0_0', '1_0_0'),
        '_leftImg8bit.png', '_gtCoarse_labelTrainIds.png',
    ),
}  # fmt: skip
READERS = pytest.mark.parametrize('reader', SETS, ids=lambda reader: reader.__name__)


def write(root, reader):
    pictures, labels, stems, picture_suffix, label_suffix = SETS[reader]
    for seed, stem in enumerate(stems):
        trees.write_picture(root / pictures / f'{stem}{picture_suffix}', seed)
        trees.write_labels(root / labels / f'{stem}{label_suffix}', seed)
    return dict(data_root=str(root), data_prefix=dict(img_path=pictures, seg_map_path=labels))


@READERS
def test_records_are_those_of_mmseg(tmp_path, reader):
    where = write(tmp_path, reader)
    ours = DATASETS.build(dict(type=f'llv.{reader.__name__}', **where))
    theirs = getattr(mmseg_datasets, reader.__name__)(**where)
    assert len(ours) == len(theirs) == 2
    for mine, other in zip(trees.records(ours), trees.records(theirs), strict=True):
        assert {key: mine[key] for key in other} == other
        assert mine['num_classes'] == 19
    assert ours.metainfo == theirs.metainfo


@READERS
def test_label_ids_are_refused_before_anything_is_tested(tmp_path, reader):
    where = write(tmp_path, reader)
    folder = tmp_path / where['data_prefix']['seg_map_path']
    for file in folder.rglob('*.png'):
        trees.write_labels(file, ids=range(34))
    with pytest.raises(LabelMapError, match='label_ids_to_train_ids'):
        reader(**where)


@READERS
def test_missing_data_name_layout_and_source(tmp_path, reader):
    with pytest.raises(FileNotFoundError) as error:
        reader(data_root=str(tmp_path), data_prefix=dict(img_path='a', seg_map_path='b'))
    for part in (
        reader.NAME,
        f'`{tmp_path}/a`',
        f'`{tmp_path}/b`',
        reader.LAYOUT,
        reader.HOME,
        '`data_prefix`',
    ):
        assert part in str(error.value)


def test_references_of_dark_zurich_are_never_night_pictures(tmp_path):
    write(tmp_path, DarkZurichDataset)
    reference = (
        tmp_path / 'rgb_anon/val_ref/day/GOPR0356_ref/GOPR0356_frame_000321_ref_rgb_anon.png'
    )
    trees.write_picture(reference)
    with trees.log_lines(logging.WARNING) as lines:
        dataset = DarkZurichDataset(
            data_root=str(tmp_path), data_prefix=dict(img_path='rgb_anon', seg_map_path='gt')
        )
    assert trees.names(dataset) == [
        'GOPR0356_frame_000321_rgb_anon.png', 'GOPR0356_frame_000324_rgb_anon.png',
    ]  # fmt: skip
    (line,) = lines
    assert '1 reference pictures' in line and reference.name in line and '`data_prefix`' in line
    # named so or not: the folder says it too
    reference.rename(reference.with_name('GOPR0356_frame_000321_rgb_anon.png'))
    with trees.log_lines(logging.WARNING) as lines:
        again = DarkZurichDataset(
            data_root=str(tmp_path), data_prefix=dict(img_path='rgb_anon', seg_map_path='gt')
        )
    assert len(again) == 2 and len(lines) == 1
    with pytest.raises(FileNotFoundError, match='nothing but 1 reference'):
        reference.parent.joinpath('GOPR0356_frame_000321_rgb_anon.png').rename(reference)
        DarkZurichDataset(
            data_root=str(tmp_path), data_prefix=dict(img_path='rgb_anon/val_ref'), test_mode=True
        )


def test_flattened_acdc_is_read_by_its_arguments(tmp_path):
    trees.write_picture(tmp_path / 'rgb/train/GOPR0351_frame_000159_rgb_anon.png')
    trees.write_labels(
        tmp_path / 'new_gt_labelTrainIds/train/GOPR0351_frame_000159_gt_labelTrainIds.png'
    )
    dataset = CityscapesDataset(
        data_root=str(tmp_path),
        data_prefix=dict(img_path='rgb/train', seg_map_path='new_gt_labelTrainIds/train'),
        img_suffix='_rgb_anon.png',
        seg_map_suffix='_gt_labelTrainIds.png',
    )
    assert trees.names(dataset) == ['GOPR0351_frame_000159_rgb_anon.png']


def test_unknown_ids_show_wherever_they_begin(tmp_path):
    """Of many label maps, eight are looked at: the first, the last, and some between."""
    for index in range(40):
        trees.write_picture(tmp_path / f'img/{index:02d}_leftImg8bit.png')
        trees.write_labels(tmp_path / f'lbl/{index:02d}_gtFine_labelTrainIds.png')
    where = dict(data_root=str(tmp_path), data_prefix=dict(img_path='img', seg_map_path='lbl'))
    assert len(CityscapesDataset(**where)) == 40
    for broken in (range(0, 6), range(12, 18), range(34, 40)):
        for index in broken:
            trees.write_labels(tmp_path / f'lbl/{index:02d}_gtFine_labelTrainIds.png', ids=(3, 200))
        with pytest.raises(LabelMapError, match='200'):
            CityscapesDataset(**where)
        for index in broken:
            trees.write_labels(tmp_path / f'lbl/{index:02d}_gtFine_labelTrainIds.png')


@pytest.mark.parametrize('name', ['dark_zurich', 'nighttime_driving'])
def test_configs_without_labels_to_train_with_only_test(tmp_path, name):
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    assert 'train_dataloader' not in cfg
    assert cfg.val_dataloader == cfg.test_dataloader
    reader = dict(dark_zurich=DarkZurichDataset, nighttime_driving=NightDrivingDataset)[name]
    where = write(tmp_path, reader)
    assert cfg.test_dataloader.dataset.data_prefix == where['data_prefix']
    with DefaultScope.overwrite_default_scope('mmseg'):
        dataset = DATASETS.build(dict(cfg.test_dataloader.dataset, data_root=str(tmp_path)))
        item = dataset[1]
    assert item['inputs'].shape == (3, 1080, 1440)
    assert item['data_samples'].gt_sem_seg.data.shape == (1, 24, 32)


def dark_cityscapes(root, part):
    write(root, CityscapesDataset)
    for folder in ('leftImg8bit', 'gtFine'):
        if not (root / folder / 'train').exists():
            (root / folder / 'train').symlink_to(root / folder / 'val')
    cfg = Config.fromfile(CONFIGS / 'cityscapes_dark.py')
    with DefaultScope.overwrite_default_scope('mmseg'):
        return DATASETS.build(dict(cfg[f'{part}_dataloader'].dataset, data_root=str(root)))


def test_darkened_cityscapes_is_dark_and_keeps_its_labels(tmp_path):
    dataset = dark_cityscapes(tmp_path, 'test')
    for record, stem in zip(trees.records(dataset), SETS[CityscapesDataset][2], strict=True):
        cv2.imwrite(record['img_path'], np.full((24, 32, 3), 128, np.uint8))
        assert stem in record['img_path']
    items = [dataset[0], dataset[0], dataset[1]]
    # 0.75 * (128 / 255) ** 3.5 of 255, whatever is drawn
    for item in items:
        assert abs(item['inputs'].float().mean() - 0.75 * (128 / 255) ** 3.5 * 255) < 0.6
    stored = cv2.imread(dataset.get_data_info(0)['seg_map_path'], cv2.IMREAD_UNCHANGED)
    assert (items[0]['data_samples'].gt_sem_seg.data[0].numpy() == stored).all()


def test_darkness_of_training_pictures_is_drawn(tmp_path):
    dataset = dark_cityscapes(tmp_path, 'train')
    cv2.imwrite(dataset.get_data_info(0)['img_path'], np.full((24, 32, 3), 200, np.uint8))
    dataset.pipeline.transforms[7].prob = 0  # as the comment of the config says
    assert type(dataset.pipeline.transforms[7]).__name__ == 'RandomApply'
    np.random.seed(0)
    levels = [dataset[0]['inputs'].float().mean().item() for _ in range(6)]
    assert max(levels) > 1.5 * min(levels) and max(levels) < 200 * 0.7
