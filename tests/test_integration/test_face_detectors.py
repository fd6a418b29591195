"""A face detector behind an enhancer, by the ways that users take: views merged by the tool, mmdet's interfaces."""

import json
import pickle
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

pytest.importorskip('mmdet')
from mmdet.apis import DetInferencer, inference_detector, init_detector  # noqa: E402
from test_models.test_task_modules import plain_faces as plain  # noqa: E402

from llv.apis import plug_enhancer  # noqa: E402
from llv.registry import MODELS  # noqa: E402

REPOSITORY = Path(__file__).parents[2]
BASE = REPOSITORY / 'configs' / '_base_'
WIDTH, HEIGHT = 96, 64
VIEWS = [(1.0, False), (1.0, True), (0.5, False), (2.0, False)]
MIN_SIDE, MAX_SIDE = 30, 25  # of faces that smaller and larger views may add

CONFIG = f"""
_base_ = [{str(BASE / 'models/s3fd_small.py')!r}, {str(BASE / 'default_runtime.py')!r}]
model = dict(test_cfg=dict(score_thr=0.5, max_per_img=40))
load = dict(type='LoadImageFromFile')
pack = dict(
    type='PackDetInputs',
    meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip', 'flip_direction'),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CocoDataset',
        metainfo=dict(classes=('face',)),
        ann_file='ANNOTATIONS',
        data_prefix=dict(img='PICTURES'),
        test_mode=True,
        pipeline=[load, dict(type='Resize', scale_factor=1.0, keep_ratio=True), pack],
    ),
)
test_evaluator = dict(type='CocoMetric', ann_file='ANNOTATIONS', metric='bbox')
test_cfg = dict(type='TestLoop')
tta_model = dict(
    type='llv.FaceTTAModel',
    size_filters=[
        dict(scale_below=1.0, min_size={MIN_SIDE}),
        dict(scale_above=1.0, max_size={MAX_SIDE}),
    ],
)
views = [
    [
        dict(type='Resize', scale_factor=scale, keep_ratio=True),
        dict(type='RandomFlip', prob=float(mirrored)),
    ]
    for scale, mirrored in {VIEWS}
]
tta_pipeline = [
    load,
    dict(
        type='TestTimeAug',
        transforms=[[dict(type='Compose', transforms=view) for view in views], [pack]],
    ),
]
"""


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """Two dark pictures, the config of a small S3FD, and a checkpoint whose scores differ from place to place."""
    root = tmp_path_factory.mktemp('faces')
    rng = np.random.default_rng(0)
    images, boxes = [], []
    for i in range(2):
        blocks = rng.integers(0, 40, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
        cv2.imwrite(str(root / f'{i}.png'), cv2.resize(blocks, (WIDTH, HEIGHT)))
        images.append(dict(id=i, file_name=f'{i}.png', height=HEIGHT, width=WIDTH))
        boxes.append(
            dict(id=i, image_id=i, category_id=1, bbox=[8, 8, 30, 30], area=900, iscrowd=0)
        )
    coco = dict(images=images, annotations=boxes, categories=[dict(id=1, name='face')])
    (root / 'boxes.json').write_text(json.dumps(coco))
    text = CONFIG.replace('ANNOTATIONS', str(root / 'boxes.json')).replace('PICTURES', str(root))
    (root / 's3fd.py').write_text(text)
    torch.manual_seed(0)
    detector = MODELS.build(Config.fromfile(root / 's3fd.py').model)
    detector.init_weights()
    with torch.no_grad():
        for conv in detector.bbox_head.cls_convs:
            conv.weight.normal_(0, 0.1)
    meta = dict(dataset_meta=dict(classes=('face',), palette=[(0, 255, 0)]))
    torch.save(dict(state_dict=detector.state_dict(), meta=meta), root / 's3fd.pth')
    return root


def init(place, enhancer='mean_match'):
    config = plug_enhancer(Config.fromfile(place / 's3fd.py'), enhancer)
    return init_detector(config, str(place / 's3fd.pth'), device='cpu')


def faces(detector, picture):
    found = inference_detector(detector, picture).pred_instances
    return found.bboxes.double().numpy(), found.scores.double().numpy()


def test_the_tool_merges_what_the_detector_finds_in_each_view_by_itself(
    place, tmp_path, monkeypatch
):
    out = tmp_path / 'out.pkl'
    arguments = ['test.py', place / 's3fd.py', place / 's3fd.pth', '--enhancer', 'mean_match']
    arguments += ['--tta', '--out', out, '--work-dir', tmp_path]
    monkeypatch.setattr(sys, 'argv', [str(argument) for argument in arguments])
    runpy.run_path(str(REPOSITORY / 'tools' / 'test.py'), run_name='__main__')
    with open(out, 'rb') as file:
        results = sorted(pickle.load(file), key=lambda result: result['img_id'])

    detector = init(place)
    for i, result in enumerate(results):
        picture = cv2.imread(str(place / f'{i}.png'))
        boxes, scores, left_out = [], [], 0
        for scale, mirrored in VIEWS:
            view = cv2.resize(picture, (int(WIDTH * scale), int(HEIGHT * scale)))
            found, own = faces(detector, view[:, ::-1].copy() if mirrored else view)
            found = found / scale
            if mirrored:
                found[:, [0, 2]] = WIDTH - found[:, [2, 0]]
            sides = found[:, 2:] - found[:, :2]
            kept = np.ones(len(found), bool)
            if scale < 1:
                kept = sides.max(1) > MIN_SIDE
            if scale > 1:
                kept = sides.min(1) < MAX_SIDE
            assert kept.any()
            left_out += (~kept).sum()
            boxes += found[kept].tolist()
            scores += own[kept].tolist()
        assert left_out
        expected = plain.vote(boxes, scores)
        merged = result['pred_instances']
        np.testing.assert_allclose(merged['scores'], expected[:, 4], atol=1e-5)
        np.testing.assert_allclose(merged['bboxes'], expected[:, :4], atol=1e-3)
        assert len(expected) < len(boxes) and not np.asarray(merged['labels']).any()


def test_mmdet_s_interfaces_find_the_same_faces_and_others_in_the_dark(place):
    detector = init(place)
    assert detector.dataset_meta['classes'] == ('face',)
    picture = str(place / '0.png')
    boxes, scores = faces(detector, picture)
    config = plug_enhancer(Config.fromfile(place / 's3fd.py'), 'mean_match')
    config.dump(place / 'plugged.py')
    inferencer = DetInferencer(str(place / 'plugged.py'), str(place / 's3fd.pth'), device='cpu')
    (found,) = inferencer(picture, no_save_vis=True)['predictions']
    np.testing.assert_allclose(found['bboxes'], boxes, atol=1e-4)
    np.testing.assert_allclose(found['scores'], scores, atol=1e-6)
    dark = faces(init(place, 'identity'), picture)[1]
    assert len(dark) != len(scores) or not np.allclose(dark, scores, atol=1e-3)
