"""`tools/train.py` on configs of mmdet and mmseg, unedited, with an enhancer plugged in from the command line."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

from llv.datasets.night_scenes import CLASSES, PALETTE, write_night_scenes
from llv.models.enhancers import RUAS

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp('scenes')
    write_night_scenes(root, splits=dict(train=3, val=2), size=(64, 64), progress=False)
    torch.manual_seed(0)
    torch.save(RUAS().state_dict(), root / 'ruas.pth')
    return root


def train(config, scenes, work_dir, options):
    arguments = [config, '--no-pretrained', '--work-dir', work_dir, '--enhancer', 'ruas']
    arguments += ['--enhancer-weights', scenes / 'ruas.pth', '--cfg-options', *options]
    before = sys.argv
    sys.argv = ['train.py', *map(str, arguments)]
    try:
        runpy.run_path(str(REPOSITORY / 'tools' / 'train.py'), run_name='__main__')
    finally:
        sys.argv = before
    log = next(Path(work_dir).glob('*/vis_data/scalars.json')).read_text().splitlines()
    records = [json.loads(line) for line in log]
    checkpoint = torch.load(next(Path(work_dir).glob('*.pth')), weights_only=False)
    return records, checkpoint['state_dict']


def assert_enhancer_was_trained(scenes, state_dict):
    start = torch.load(scenes / 'ruas.pth', weights_only=True)
    for name, value in start.items():
        trained = state_dict[f'data_preprocessor.enhancer.{name}']
        assert torch.isfinite(trained).all()
        if name.endswith('weight'):
            assert not torch.equal(trained, value), name


def test_mmdet_ssd300(scenes, tmp_path):
    classes = '(' + ','.join(f"'{name}'" for name in CLASSES) + ')'
    options = [
        'train_dataloader.batch_size=1',
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        'train_dataloader.dataset.times=1',
        'val_dataloader.batch_size=1',
        'val_dataloader.num_workers=0',
        'val_dataloader.persistent_workers=False',
        f'val_evaluator.ann_file={scenes}/annotations/val_night.json',
        f'model.bbox_head.num_classes={len(CLASSES)}',
        'train_cfg.max_epochs=1',
        'default_hooks.logger.interval=1',
        # two scenes of 64 pixels hold objects below the 32 pixels that COCO's recipe drops pictures for
        'train_dataloader.dataset.dataset.filter_cfg.min_size=1',
    ]
    for split, dataset in (
        ('train', 'train_dataloader.dataset.dataset'),
        ('val', 'val_dataloader.dataset'),
    ):
        options += [
            f'{dataset}.data_root={scenes}/',
            f'{dataset}.ann_file=annotations/{split}_night.json',
            f'{dataset}.data_prefix.img={split}/night/',
            f'{dataset}.metainfo.classes={classes}',
        ]
    records, state = train('mmdet::ssd/ssd300_coco.py', scenes, tmp_path, options)
    losses = [record['loss'] for record in records if 'loss' in record]
    assert len(losses) == 3 and all(0 < loss < 1e4 for loss in losses)
    assert 0 <= records[-1]['coco/bbox_mAP'] <= 1
    assert_enhancer_was_trained(scenes, state)


def test_mmseg_deeplabv3plus(scenes, tmp_path):
    names = ('background', *CLASSES)
    classes = '(' + ','.join(f"'{name}'" for name in names) + ')'
    palette = str([[0, 0, 0], *map(list, PALETTE)]).replace(' ', '')
    options = [
        'train_dataloader.batch_size=2',
        'train_dataloader.dataset.pipeline.2.scale=(64,64)',
        'train_dataloader.dataset.pipeline.3.crop_size=(32,32)',
        'model.data_preprocessor.size=(32,32)',
        'val_dataloader.dataset.pipeline.1.scale=(32,32)',
        f'model.decode_head.num_classes={len(names)}',
        f'model.auxiliary_head.num_classes={len(names)}',
        'train_cfg.max_iters=2',
        'train_cfg.val_interval=2',
        'default_hooks.logger.interval=1',
    ]
    for split in ('train', 'val'):
        dataset = f'{split}_dataloader.dataset'
        options += [
            f'{split}_dataloader.num_workers=0',
            f'{split}_dataloader.persistent_workers=False',
            f'{dataset}.type=BaseSegDataset',
            f'{dataset}.data_root={scenes}/{split}',
            f'{dataset}.data_prefix.img_path=night',
            f'{dataset}.data_prefix.seg_map_path=labels',
            f'{dataset}.img_suffix=.png',
            f'{dataset}.seg_map_suffix=.png',
            f'{dataset}.reduce_zero_label=False',
            f'{dataset}.metainfo.classes={classes}',
            f'{dataset}.metainfo.palette={palette}',
        ]
    config = 'mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb2-40k_cityscapes-512x1024.py'
    records, state = train(config, scenes, tmp_path, options)
    losses = [record['loss'] for record in records if 'loss' in record]
    assert len(losses) == 2 and all(0 < loss < 1e4 for loss in losses)
    assert 0 <= records[-1]['mIoU'] <= 100
    assert_enhancer_was_trained(scenes, state)
