"""A small detector and a segmentor with random or fixed weights, as files: configs, checkpoints and dark pictures."""

import json
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from llv.registry import MODELS

REPOSITORY = Path(__file__).parents[1]
SIZE, GAIN = 64, 4
CLASSES = ('disc', 'square', 'triangle', 'cross', 'ring')
PALETTE = [[i * 40, 200 - i * 40, 90] for i in range(5)]


def write_night(root):
    """Two pictures in ``night`` of blocks so dark that four times their values fit, and label maps of zeros."""
    rng = np.random.default_rng(0)
    for folder in ('night', 'labels'):
        (root / folder).mkdir()
    for i in range(2):
        blocks = rng.integers(0, 255 // GAIN, (8, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(root / 'night' / f'{i}.png'), np.kron(blocks, np.ones((8, 8, 1), np.uint8)))
        cv2.imwrite(str(root / 'labels' / f'{i}.png'), np.zeros((SIZE, SIZE), np.uint8))


def write_detector(root):
    """``detector.py`` and ``detector.pth``: the small SSD, untrained, with scores that differ between places.

    Returns:
        The config.
    """
    coco = dict(
        images=[dict(id=i, file_name=f'{i}.png', height=SIZE, width=SIZE) for i in range(2)],
        annotations=[
            dict(id=i, image_id=i, category_id=1, bbox=[8, 8, 30, 30], area=900, iscrowd=0)
            for i in range(2)
        ],
        categories=[dict(id=k + 1, name=name) for k, name in enumerate(CLASSES)],
    )
    (root / 'boxes.json').write_text(json.dumps(coco))
    cfg = Config.fromfile(REPOSITORY / 'configs/night_scenes/ssd-small_day.py')
    cfg.test_dataloader.update(batch_size=1, num_workers=0, persistent_workers=False)
    cfg.test_dataloader.dataset.update(
        data_root='', ann_file=str(root / 'boxes.json'), data_prefix=dict(img=str(root / 'night'))
    )
    cfg.test_evaluator.ann_file = str(root / 'boxes.json')
    for step in cfg.test_dataloader.dataset.pipeline:
        if step.type == 'Resize':
            step.scale = (SIZE, SIZE)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
    model.init_weights()
    with torch.no_grad():
        for conv in model.bbox_head.cls_convs:
            conv[0].weight.normal_(0, 0.1)
    meta = dict(dataset_meta=dict(classes=CLASSES))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), root / 'detector.pth')
    cfg.dump(root / 'detector.py')
    return cfg


def write_segmentor(root):
    """``segmentor.py`` and ``segmentor.pth``: classes are fixed functions of the colour; pictures grow by a half.

    Returns:
        The config.
    """
    from colour_segmentor import colour_segmentor  # needs mmseg

    dataset = dict(
        type='BaseSegDataset',
        data_root=str(root),
        img_suffix='.png',
        data_prefix=dict(img_path='night', seg_map_path='labels'),
        metainfo=dict(classes=CLASSES, palette=PALETTE),
        test_mode=True,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(96, 96)),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ],
    )
    cfg = Config(
        dict(
            default_scope='mmseg',
            model=colour_segmentor(0),
            test_dataloader=dict(
                batch_size=1,
                num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=dataset,
            ),
            test_cfg=dict(),
            test_evaluator=dict(type='IoUMetric'),
            visualizer=dict(type='SegLocalVisualizer', name='visualizer'),
        )
    )
    with DefaultScope.overwrite_default_scope('mmseg'):
        state = MODELS.build(cfg.model).state_dict()
    meta = dict(dataset_meta=dict(classes=CLASSES, palette=PALETTE))
    torch.save(dict(state_dict=state, meta=meta), root / 'segmentor.pth')
    cfg.dump(root / 'segmentor.py')
    return cfg
