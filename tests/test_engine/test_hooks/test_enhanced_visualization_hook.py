"""The pictures that `tools/test.py --show-dir` writes, looked at pixel by pixel."""

import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.structures import InstanceData, PixelData
from mmengine.visualization import Visualizer

import llv.engine.hooks.enhanced_visualization_hook  # noqa: F401  (registers it)
from llv.engine.runner import test as run_test
from llv.engine.runner import use_pictures, use_tta
from llv.engine.settings import RunOptions
from llv.registry import MODELS

pytest.importorskip('mmdet')
import toys  # noqa: E402, F401  (registers tiny enhancers)

GAIN = 4
HEIGHT, WIDTH = 90, 160
BOX = (40, 20, 100, 70)  # of the square in every picture, corners in the original


@pytest.fixture(autouse=True)
def fresh_visualizer():
    """mmengine builds a visualizer of a name once a process."""
    kinds = [Visualizer]
    while kinds:
        kind = kinds.pop()
        kind._instance_dict.clear()
        kinds += kind.__subclasses__()


def bright(inputs):
    """Where a batch (N, 3, H, W) shows the square, (N, H, W)."""
    return inputs.mean(1) > inputs.mean(1).amax((1, 2), keepdim=True) * 0.75


@MODELS.register_module()
class SquareDetector(BaseModel):
    """Finds the bright square in what its preprocessor hands over, and tells it as mm detectors do."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        for mask, one in zip(bright(inputs), data_samples, strict=True):
            rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
            corners = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            corners = torch.stack(corners).float() / torch.tensor(one.scale_factor).repeat(2)
            small = torch.tensor([2.0, 2, 6, 6])  # a detection below the threshold of the scores
            one.pred_instances = InstanceData(
                bboxes=torch.stack([corners, small]),
                scores=torch.tensor([0.9, 0.25]),
                labels=torch.zeros(2, dtype=torch.long),
            )
        return data_samples


@MODELS.register_module()
class SquareSegmentor(BaseModel):
    """The same as a label map in the size of the original."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        for mask, one in zip(bright(inputs), data_samples, strict=True):
            mask = mask[: one.img_shape[0], : one.img_shape[1]].byte().numpy()
            mask = cv2.resize(mask, one.ori_shape[::-1], interpolation=cv2.INTER_NEAREST)
            one.pred_sem_seg = PixelData(data=torch.as_tensor(mask)[None].long())
        return data_samples


def write_pictures(root, names=('a/1.png', 'b/1.png')):
    """Dark pictures that differ from each other, with a square four times as bright as the rest."""
    images, annotations = [], []
    for i, name in enumerate(names):
        picture = np.full((HEIGHT, WIDTH, 3), (8 + i, 10, 12), np.uint8)
        picture[BOX[1] : BOX[3], BOX[0] : BOX[2]] *= 4
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / name), picture)
        images.append(dict(id=i, file_name=name, height=HEIGHT, width=WIDTH))
        size = [BOX[0], BOX[1], BOX[2] - BOX[0], BOX[3] - BOX[1]]
        annotations.append(
            dict(id=i, image_id=i, category_id=1, bbox=size, area=size[2] * size[3], iscrowd=0)
        )
    coco = dict(images=images, annotations=annotations, categories=[dict(id=1, name='square')])
    (root / 'boxes.json').write_text(json.dumps(coco))


def detector(root, resize, enhancer=None, steps=()):
    base = dict(type='mmdet.DetDataPreprocessor', pad_size_divisor=32)
    preprocessor = base
    if enhancer is not None:
        preprocessor = dict(type='llv.EnhancedDataPreprocessor', enhancer=enhancer, base=base)
    pipeline = [
        dict(type='LoadImageFromFile'),
        resize,
        dict(type='LoadAnnotations', with_bbox=True),
        *steps,
        dict(
            type='PackDetInputs',
            meta_keys=('img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip', 'flip_direction'),
        ),
    ]  # fmt: skip
    dataset = dict(
        type='CocoDataset', ann_file=str(root / 'boxes.json'), data_prefix=dict(img=str(root)),
        metainfo=dict(classes=('square',), palette=[(0, 255, 0)]), pipeline=pipeline, test_mode=True,
    )  # fmt: skip
    return Config(
        dict(
            default_scope='mmdet',
            model=dict(type='llv.SquareDetector', data_preprocessor=preprocessor),
            test_dataloader=dict(
                dataset=dataset, batch_size=2, num_workers=0,
                sampler=dict(type='DefaultSampler', shuffle=False),
            ),
            test_evaluator=dict(type='llv.PerClassVOCMetric'),
            test_cfg=dict(),
            visualizer=dict(type='DetLocalVisualizer'),
            work_dir=str(root / 'work'),
        )
    )  # fmt: skip


def shown(root, cfg, **options):
    """What is written for the pictures, RGB, as floats."""
    use_pictures(cfg, str(root / 'shown'))
    cfg.default_hooks.visualization.update(options)
    run_test(cfg, RunOptions())
    files = sorted((root / 'shown').rglob('*.png'))
    names = [str(file.relative_to(root / 'shown')) for file in files]
    return names, [cv2.imread(str(file))[..., ::-1].astype(float) for file in files]


def panels(picture):
    assert picture.shape[0] == HEIGHT and picture.shape[1] % WIDTH == 0
    return np.split(picture, picture.shape[1] // WIDTH, axis=1)


def green(panel):
    """Bounds of what is green, the colour of the boxes: x1, y1, x2, y2."""
    mask = panel[..., 1] - np.maximum(panel[..., 0], panel[..., 2]) > 40
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


RESIZES = {
    'as it is': (dict(type='Resize', scale=(WIDTH, HEIGHT)), ()),
    'other proportions': (dict(type='Resize', scale=(128, 128), keep_ratio=False), ()),
    'kept proportions': (dict(type='Resize', scale=(256, 128), keep_ratio=True), ()),
    'padded': (
        dict(type='Resize', scale=(256, 128), keep_ratio=True),
        (dict(type='Pad', size=(256, 256), pad_val=dict(img=(0, 0, 0))),),
    ),
}


GAINS = dict(type='llv.FixedGain', gain=float(GAIN))
DOUBLED = dict(type='llv.Nearest')  # lights nothing, but enlarges
CASES = [
    ('as it is', GAINS),
    ('other proportions', GAINS),
    ('kept proportions', DOUBLED),
    ('padded', GAINS),
    ('padded', DOUBLED),
]


@pytest.mark.parametrize('name, enhancer', CASES)
def test_boxes_lie_where_they_are_in_the_original(tmp_path, name, enhancer):
    write_pictures(tmp_path)
    resize, steps = RESIZES[name]
    names, pictures = shown(tmp_path, detector(tmp_path, resize, enhancer, steps))
    assert names == ['a/1.png', 'b/1.png']  # one name in two folders
    gain = enhancer.get('gain', 1)
    for i, picture in enumerate(pictures):
        dark, lit, predicted = panels(picture)
        assert np.array_equal(dark[0, 0], (12, 10, 8 + i)) and np.array_equal(
            dark[40, 60], (48, 40, 32 + 4 * i)
        )
        expected = np.minimum(dark * gain, 255)
        # away from the square's edges, which resizing blurs
        for part in (np.s_[:15], np.s_[26:64, 46:94], np.s_[76:]):
            assert np.abs(lit[part] - expected[part]).max() <= 1.01 * gain, name
        assert np.abs(np.array(green(predicted)) - BOX).max() <= 4  # lines are wide
        far = np.ones((HEIGHT, WIDTH), bool)
        far[: BOX[3] + 8, BOX[0] - 8 : BOX[2] + 8] = False
        far[:12, :12] = False
        assert np.array_equal(predicted[far], lit[far])  # drawn on the lit picture


def test_without_an_enhancer_there_are_two_panels(tmp_path):
    write_pictures(tmp_path)
    resize = dict(type='Resize', scale=(256, 128), keep_ratio=True)
    _, (picture, _) = shown(tmp_path, detector(tmp_path, resize))
    dark, predicted = panels(picture)
    assert np.abs(np.array(green(predicted)) - BOX).max() <= 4
    assert np.array_equal(predicted[80:], dark[80:])


def test_ground_truth_and_weak_detections_are_drawn_on_request(tmp_path):
    write_pictures(tmp_path)
    resize = dict(type='Resize', scale=(128, 128), keep_ratio=False)
    cfg = detector(tmp_path, resize, GAINS)
    _, (picture, _) = shown(tmp_path, cfg, draw_gt=True, score_thr=0.2)
    _, _, truth, predicted = panels(picture)
    assert np.abs(np.array(green(truth)) - BOX).max() <= 4
    x1, y1, x2, y2 = green(predicted)
    assert max(x1, y1) <= 3 and (abs(x2 - BOX[2]), abs(y2 - BOX[3])) <= (4, 4)


def test_views_that_are_merged_are_shown_too(tmp_path):
    write_pictures(tmp_path)
    resize = dict(type='Resize', scale=(128, 128), keep_ratio=False)
    cfg = detector(tmp_path, resize, GAINS)
    use_pictures(cfg, str(tmp_path / 'shown'))
    use_tta(cfg)
    runner = run_test(cfg, RunOptions())
    assert runner.model.module.data_preprocessor.keep_pictures is False  # as it was before
    dark, lit, predicted = panels(
        cv2.imread(str(tmp_path / 'shown/a/1.png'))[..., ::-1].astype(float)
    )
    assert np.abs(lit[26:64, 46:94] - GAIN * dark[26:64, 46:94]).max() <= 4
    assert np.abs(lit[80:] - GAIN * dark[80:]).max() <= 4
    assert np.abs(np.array(green(predicted)) - BOX).max() <= 4


def test_label_maps_lie_where_they_are_in_the_original(tmp_path):
    pytest.importorskip('mmseg')
    write_pictures(tmp_path)
    cfg = detector(
        tmp_path, dict(type='Resize', scale=(128, 64), keep_ratio=True), dict(type='llv.Nearest')
    )
    cfg.default_scope = 'mmseg'
    cfg.model.type = 'llv.SquareSegmentor'
    cfg.model.data_preprocessor.base = dict(
        type='mmseg.SegDataPreProcessor', size_divisor=32, test_cfg=dict(size_divisor=32)
    )
    pipeline = cfg.test_dataloader.dataset.pipeline
    cfg.test_dataloader.batch_size = 1
    cfg.test_dataloader.dataset = dict(
        type='BaseSegDataset', data_root=str(tmp_path), data_prefix=dict(img_path='a'), img_suffix='.png',
        metainfo=dict(classes=('ground', 'square'), palette=[[255, 0, 0], [0, 255, 0]]),
        pipeline=[*pipeline[:2], dict(type='PackSegInputs')], test_mode=True,
    )  # fmt: skip
    cfg.test_evaluator = dict(type='IoUMetric', format_only=True, output_dir=str(tmp_path / 'maps'))
    cfg.pop('visualizer')
    names, (picture,) = shown(tmp_path, cfg)
    assert names == ['1.png']
    dark, lit, predicted = panels(picture)
    assert np.abs(lit[:15] - dark[:15]).max() <= 1
    assert np.abs(np.array(green(predicted)) - BOX).max() <= 2


def test_what_cannot_be_drawn_is_told_in_a_sentence(tmp_path):
    with pytest.raises(ValueError, match='has no `visualizer`'):
        use_pictures(Config(dict(default_scope='mmengine')), 'shown')
    write_pictures(tmp_path)
    cfg = detector(tmp_path, dict(type='Resize', scale=(128, 128)))
    cfg.visualizer = dict(type='Visualizer')
    with pytest.raises(ValueError, match='`Visualizer` draws no predictions; set `visualizer`'):
        shown(tmp_path, cfg)


def test_the_test_pictures_are_not_written_over(tmp_path):
    write_pictures(tmp_path)
    cfg = detector(tmp_path, dict(type='Resize', scale=(128, 128)))
    with pytest.raises(ValueError, match='holds the test pictures themselves'):
        shown(tmp_path, cfg, out_dir=str(tmp_path / 'a' / '..'))
