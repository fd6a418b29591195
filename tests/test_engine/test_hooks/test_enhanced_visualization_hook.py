"""The pictures of tests and validations, as files and in backends, looked at pixel by pixel."""

import json
import socket

import cv2
import matplotlib
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import VISBACKENDS
from mmengine.runner import Runner
from mmengine.structures import InstanceData, PixelData
from mmengine.visualization import BaseVisBackend, Visualizer

from llv.engine.hooks.enhanced_visualization_hook import EnhancedVisualizationHook
from llv.engine.runner import test as run_test
from llv.engine.runner import use_pictures, use_tta
from llv.engine.settings import RunOptions
from llv.models.enhancers import BaseEnhancer, Enhancement
from llv.registry import MODELS

pytest.importorskip('mmdet')
import ranks_that_show  # noqa: E402
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
    assert not runner.model.module.data_preprocessor._forward_hooks  # as it was before
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


# ---------------------------------------------------------------- maps


@MODELS.register_module()
class Ramp(BaseEnhancer):
    """Enlarges and lights by `gain`; its illumination rises from left to right, in one channel or three."""

    def __init__(self, gain=4.0, scale=1, channels=1):
        super().__init__()
        self.gain, self.scale, self.channels = gain, scale, channels

    def enhance(self, images):
        lit = (images * self.gain).clamp(0, 1)
        lit = lit.repeat_interleave(self.scale, -1).repeat_interleave(self.scale, -2)
        ramp = torch.linspace(0.25, 0.75, images.shape[-1]).expand_as(images)
        return Enhancement(lit, dict(raw=lit, illumination=ramp[:, : self.channels]))


@pytest.mark.parametrize('scale', [1, 2])
def test_a_map_of_one_channel_stands_in_colours_between_dark_and_enhanced(tmp_path, scale):
    write_pictures(tmp_path)
    resize, steps = RESIZES['as it is']
    cfg = detector(tmp_path, resize, dict(type='llv.Ramp', scale=scale), steps)
    _, (picture, _) = shown(tmp_path, cfg)
    dark, shown_map, lit, predicted = panels(picture)
    viridis = matplotlib.colormaps['viridis'](np.arange(256))[:, :3] * 255
    expected = viridis[np.rint(np.linspace(0, 255, WIDTH)).astype(int)]
    assert np.abs(shown_map[:70] - expected).max() <= 4
    assert (shown_map[-1, 0] == 0).all()  # where its name and range stand
    assert np.abs(lit[:15] - 4 * dark[:15]).max() <= 4
    assert np.abs(np.array(green(predicted)) - BOX).max() <= 4


def test_a_map_of_three_channels_stands_there_as_a_picture(tmp_path):
    write_pictures(tmp_path)
    resize, steps = RESIZES['padded']
    cfg = detector(tmp_path, resize, dict(type='llv.Ramp', channels=3), steps)
    _, (picture, _) = shown(tmp_path, cfg)
    shown_map = panels(picture)[1][:70]
    # the ramp of the padded square of 256 pixels, of which the picture had the left 228
    wanted = 255 * np.linspace(0.25, 0.25 + 0.5 * 227 / 255, WIDTH)[:, None]
    assert np.abs(shown_map - wanted).max() <= 2


@pytest.mark.parametrize('maps', [(), ('gamma',), 'curves'])
def test_no_map_is_shown_where_none_is_asked_for_or_there(tmp_path, maps):
    write_pictures(tmp_path)
    cfg = detector(tmp_path, RESIZES['as it is'][0], dict(type='llv.Ramp'))
    _, (picture, _) = shown(tmp_path, cfg, maps=maps)
    assert len(panels(picture)) == 3


def test_a_picture_is_chosen_by_its_name_in_the_order_asked_for(tmp_path):
    write_pictures(tmp_path)
    cfg = detector(tmp_path, RESIZES['as it is'][0], dict(type='llv.Ramp'))
    _, (picture, _) = shown(tmp_path, cfg, maps=('curves', 'raw'))
    _, shown_map, lit, _ = panels(picture)
    np.testing.assert_array_equal(shown_map[:70], lit[:70])


# ---------------------------------------------------------------- validations and backends


@VISBACKENDS.register_module()
class Recorder(BaseVisBackend):
    """A backend as anybody may write one."""

    seen = []

    def _init_env(self):
        pass

    @property
    def experiment(self):
        return self

    def add_image(self, name, image, step=0, **kwargs):
        self.seen.append((name, step, image))


@MODELS.register_module()
class LearningDetector(SquareDetector):
    """One that can be trained, and counts what hangs on its enhancer at each call."""

    def __init__(self, data_preprocessor):
        super().__init__(data_preprocessor)
        self.p = torch.nn.Parameter(torch.ones(1))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            return dict(loss=self.p.sum())
        WATCHED.append(len(self.data_preprocessor.enhancer._forward_hooks))
        return super().forward(inputs, data_samples, mode)


WATCHED = []


def learner(root, names, **hook):
    """Four iterations with a validation after each."""
    write_pictures(root, names)
    cfg = detector(root, RESIZES['as it is'][0], dict(type='llv.Ramp'))
    cfg.model.type = 'llv.LearningDetector'
    loader = cfg.test_dataloader
    cfg.update(
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=4, val_interval=1),
        train_dataloader=dict(loader, sampler=dict(type='InfiniteSampler', shuffle=False)),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        val_cfg=dict(), val_dataloader=loader, val_evaluator=cfg.test_evaluator,
        default_hooks=dict(checkpoint=None, logger=None),
        custom_hooks=[dict(type='llv.EnhancedVisualizationHook', **hook)],
        visualizer=dict(
            type='DetLocalVisualizer', name='visualizer',
            vis_backends=[dict(type='LocalVisBackend'), dict(type='Recorder')],
        ),
    )  # fmt: skip
    return cfg


def test_every_other_validation_goes_to_all_backends_and_then_the_test(tmp_path):
    Recorder.seen.clear()
    WATCHED.clear()
    names = [f'{folder}/{i}.png' for folder in 'ab' for i in range(3)]
    runner = Runner.from_cfg(learner(tmp_path, names, count=2, interval=2))
    runner.train()
    # pictures 0 and 5 of six, after iterations 1 and 3
    wanted = [('val_0', 1), ('val_2', 1), ('val_0', 3), ('val_2', 3)]
    assert [(name, step) for name, step, _ in Recorder.seen] == wanted
    assert WATCHED == [1] * 3 + [0] * 3 + [1] * 3 + [0] * 3  # nothing hangs on it in between
    for _, _, image in Recorder.seen:
        dark, shown_map, lit, predicted = panels(image.astype(float))
        assert np.abs(np.array(green(predicted)) - BOX).max() <= 4
        assert np.abs(lit[:15] - 4 * dark[:15]).max() <= 1
    assert Recorder.seen[1][2][0, 0].tolist() == [12, 10, 13]  # the last picture, RGB
    written = sorted((tmp_path / 'work').rglob('vis_image/*.png'))
    assert [file.name for file in written] == ['val_0_1.png', 'val_0_3.png', 'val_2_1.png', 'val_2_3.png']  # fmt: skip
    local = cv2.imread(str(written[2]))[..., ::-1]
    np.testing.assert_array_equal(local, Recorder.seen[1][2])
    runner.test()
    assert [(name, step) for name, step, _ in Recorder.seen[4:]] == [('test_0', 4), ('test_2', 4)]


def test_a_test_alone_builds_no_training_set(tmp_path):
    Recorder.seen.clear()
    cfg = learner(tmp_path, ('a/1.png', 'b/2.png'), count=1)
    cfg.train_dataloader = dict(cfg.train_dataloader, dataset=dict(type='Gone'))
    Runner.from_cfg(cfg).test()
    assert [(name, step) for name, step, _ in Recorder.seen] == [('test_1', 0)]


def test_pictures_of_one_name_are_told_apart_in_backends(tmp_path):
    Recorder.seen.clear()
    Runner.from_cfg(learner(tmp_path, ('a/1.png', 'b/1.png', 'b/2.png'), interval=9)).train()
    assert [name for name, _, _ in Recorder.seen] == ['val_1', 'val_1-2', 'val_2']


def test_validations_are_files_where_there_is_a_folder(tmp_path):
    Recorder.seen.clear()
    out = tmp_path / 'shown'
    Runner.from_cfg(learner(tmp_path, ('a/1.png', 'b/1.png'), interval=3, out_dir=str(out))).train()
    files = sorted(str(file.relative_to(out)) for file in out.rglob('*.png'))
    assert files == ['val_1/a/1.png', 'val_1/b/1.png', 'val_4/a/1.png', 'val_4/b/1.png']
    assert not Recorder.seen


def test_what_is_missing_is_told_before_training(tmp_path):
    cfg = learner(tmp_path, ('a/1.png',))
    cfg.visualizer.pop('vis_backends')
    with pytest.raises(ValueError, match='has no `vis_backends` that would keep the pictures'):
        Runner.from_cfg(cfg).train()
    for name in ('count', 'interval'):
        with pytest.raises(ValueError, match=f'`{name}` must be at least 1, but got 0'):
            EnhancedVisualizationHook(**{name: 0})


def test_in_several_processes_the_first_shows_as_many_of_its_share(tmp_path):
    with socket.socket() as free:
        free.bind(('localhost', 0))
        port = free.getsockname()[1]
    arguments = (2, port, str(tmp_path))
    torch.multiprocessing.spawn(ranks_that_show.show, arguments, nprocs=2)
    # of ten pictures the first process has 0, 2, 4, 6 and 8; three of them are spread evenly
    assert sorted(f.name for f in (tmp_path / 'shown').iterdir()) == ['0.png', '4.png', '8.png']
    assert [(tmp_path / f'rank{r}').read_text() for r in (0, 1)] == ['1', '0']
    for i in (0, 4, 8):
        dark, lit, predicted = np.split(cv2.imread(str(tmp_path / 'shown' / f'{i}.png')), 3, axis=1)
        assert (dark == 10 + i).all() and (lit == 2 * dark).all() and (predicted == 255 - lit).all()


def test_samples_that_metrics_keep_do_not_carry_the_lit_pictures(tmp_path):
    write_pictures(tmp_path)
    cfg = detector(tmp_path, RESIZES['as it is'][0], GAINS)
    cfg.test_evaluator = [dict(type='mmdet.DumpDetResults', out_file_path=str(tmp_path / 'o.pkl'))]
    shown(tmp_path, cfg)
    assert b'enhanced' not in (tmp_path / 'o.pkl').read_bytes()
