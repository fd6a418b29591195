"""Segmentors behind enhancers from the folder to the figure: enlarged pictures, darkened sets, faulty input."""

import json
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import Runner

pytest.importorskip('mmseg')
pytest.importorskip('mmcv.ops')
from colour_segmentor import colour_segmentor, labelled_picture  # noqa: E402

from llv.models.enhancers import RUAS  # noqa: E402

REPOSITORY = Path(__file__).parents[2]
SIZE = (64, 80)


def run_tool(name, *arguments):
    before = sys.argv
    sys.argv = [name, *map(str, arguments)]
    MMLogger._instance_dict.clear()  # they write to a stream that is closed by now
    try:
        runpy.run_path(str(REPOSITORY / 'tools' / name), run_name='__main__')
    finally:
        sys.argv = before


# ---------------------------------------------------------------- an enhancer that enlarges


@pytest.fixture(scope='module')
def colours(tmp_path_factory):
    root = tmp_path_factory.mktemp('colours')
    rng = np.random.default_rng(0)
    for folder in ('pictures', 'labels'):
        (root / folder).mkdir()
    for i in range(3):
        picture, label = labelled_picture(rng, 33, 41)
        cv2.imwrite(str(root / 'pictures' / f'{i}.png'), picture)
        cv2.imwrite(str(root / 'labels' / f'{i}.png'), label)
    return root


def metrics(root, work_dir, scale, mode):
    inference = dict(mode='whole')
    if mode == 'slide':
        s = scale or 1
        inference = dict(mode='slide', crop_size=(16 * s, 20 * s), stride=(9 * s, 13 * s))
    dataset = dict(
        type='BaseSegDataset',
        data_root=str(root),
        data_prefix=dict(img_path='pictures', seg_map_path='labels'),
        img_suffix='.png',
        metainfo=dict(classes=tuple('vwxyz')),
        test_mode=True,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(123, 99)),
            dict(type='LoadAnnotations'),
            dict(type='PackSegInputs'),
        ],
    )
    cfg = dict(
        default_scope='mmseg',
        model=colour_segmentor(scale, inference, test_cfg=dict(size_divisor=16 * (scale or 1))),
        test_dataloader=dict(
            batch_size=2,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dataset,
        ),
        test_cfg=dict(),
        test_evaluator=[
            dict(type='IoUMetric', iou_metrics=['mIoU', 'mDice']),
            dict(type='llv.PerClassIoUMetric', prefix='llv'),
            dict(type='llv.RegionIoUMetric', prefix='llv'),
        ],
        work_dir=str(work_dir),
        experiment_name=f'colours_{scale}_{mode}',
        log_level='ERROR',
    )
    return Runner.from_cfg(Config(cfg)).test()


@pytest.mark.parametrize('mode', ['whole', 'slide'])
def test_the_test_loop_measures_an_enlarged_picture_as_the_picture(colours, tmp_path, mode):
    plain = metrics(colours, tmp_path, 0, mode)
    assert 40 < plain['mIoU'] == plain['llv/mIoU'] < 90 and 0 < plain['llv/mIoU.dark1'] < 100
    assert metrics(colours, tmp_path, 4 if mode == 'whole' else 2, mode) == plain


# ---------------------------------------------------------------- a darkened set

CITIES = """
_base_ = ['{models}/deeplabv3plus_small.py', '{runtime}']
data_preprocessor = dict(size=(64, 64))
model = dict(
    data_preprocessor=data_preprocessor,
    # the weights of the base are those of its six classes
    decode_head=dict(num_classes=19, loss_decode=dict(class_weight=None)),
    auxiliary_head=dict(num_classes=19, loss_decode=dict(class_weight=None)),
)
dark = dict(type='llv.SyntheticLowLight', mode='gamma')
files = dict(
    type='llv.CityscapesDataset',
    data_root='{root}',
    img_suffix='_leftImg8bit.png',
    seg_map_suffix='_gtFine_labelTrainIds.png',
)
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        **files,
        data_prefix=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='llv.CheckLabelMap'),
            dark,
            dict(type='RandomResize', scale=(80, 64), ratio_range=(1.0, 2.0), keep_ratio=True),
            dict(type='RandomCrop', crop_size=(64, 64), cat_max_ratio=0.75),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSegInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(
        type='llv.SeededSampler', seed=0, sampler=dict(type='DefaultSampler', shuffle=False)
    ),
    dataset=dict(
        **files,
        data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'),
        test_mode=True,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dark,
            dict(type='LoadAnnotations'),
            dict(type='llv.CheckLabelMap'),
            dict(type='PackSegInputs'),
        ],
    ),
)
val_evaluator = [dict(type='llv.PerClassIoUMetric'), dict(type='llv.RegionIoUMetric')]
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=2, val_interval=1)
val_cfg = dict(type='ValLoop')
default_hooks = dict(logger=dict(interval=1))
"""


def write_config(path, text, root):
    base = REPOSITORY / 'configs' / '_base_'
    runtime = base / 'small_segmentor_runtime.py'
    path.write_text(text.format(models=base / 'models', runtime=runtime, root=root))
    return path


def write_pair(image, label, rng, classes=19, size=SIZE):
    """A bright picture of blocks and the label map that belongs to it."""
    ids = np.kron(rng.integers(0, classes, (8, 10)), np.ones((8, 8), np.int64)).astype(np.uint8)
    picture = np.stack([ids * 12 + 20, 230 - ids * 10, ids % 5 * 50 + 20], 2).astype(np.uint8)
    for path, array in ((image, picture), (label, ids)):
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), cv2.resize(array, size[::-1], interpolation=0))


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'ruas.pth'
    torch.save(RUAS().state_dict(), path)
    return path


def test_darkened_cityscapes_trains_an_enhancer(tmp_path, weights):
    rng = np.random.default_rng(1)
    for split, number in (('train', 3), ('val', 2)):
        for i in range(number):
            stem = f'{split}/ulm/ulm_{i:06d}_000019'
            image = tmp_path / 'leftImg8bit' / f'{stem}_leftImg8bit.png'
            label = tmp_path / 'gtFine' / f'{stem}_gtFine_labelTrainIds.png'
            write_pair(image, label, rng)
    config = write_config(tmp_path / 'cities.py', CITIES, tmp_path)
    plug = ['--enhancer', 'ruas', '--enhancer-weights', weights]
    run_tool('train.py', config, '--work-dir', tmp_path / 'run', '--no-pretrained', *plug)
    log = next((tmp_path / 'run').glob('*/vis_data/scalars.json')).read_text().splitlines()
    records = [json.loads(line) for line in log]
    losses = [record['loss'] for record in records if 'loss' in record]
    assert len(losses) == 2 and all(0 < loss < 1e4 for loss in losses)
    measured = [record for record in records if 'mIoU' in record]
    assert len(measured) == 2 and all(0 <= record['mIoU'] <= 100 for record in measured)
    # both validations saw the same dark pictures, whatever training drew in between
    limits = [[r[f'brightness.dark{i}'] for i in (1, 2, 3)] for r in measured]
    assert limits[0] == limits[1] and limits[0][0] < 60
    state = torch.load(next((tmp_path / 'run').glob('*.pth')), weights_only=False)['state_dict']
    for name, start in torch.load(weights, weights_only=True).items():
        trained = state[f'data_preprocessor.enhancer.{name}']
        assert torch.isfinite(trained).all()
        assert not name.endswith('weight') or not torch.equal(trained, start), name


# ---------------------------------------------------------------- faulty input

NIGHTS = """
_base_ = ['{models}/deeplabv3plus_small.py', '{runtime}']
data_preprocessor = dict(size=(64, 64))
model = dict(
    data_preprocessor=data_preprocessor,
    # the weights of the base are those of its six classes
    decode_head=dict(num_classes=19, loss_decode=dict(class_weight=None)),
    auxiliary_head=dict(num_classes=19, loss_decode=dict(class_weight=None)),
)
reading = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='llv.CheckLabelMap'),
]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=False),
    dataset=dict(
        type='llv.ACDCDataset',
        data_root='{root}',
        subset='train',
        pipeline=[
            *reading,
            dict(type='RandomCrop', crop_size=(64, 64)),
            dict(type='PackSegInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='llv.ACDCDataset',
        data_root='{root}',
        subset='val',
        test_mode=True,
        pipeline=[*reading, dict(type='PackSegInputs')],
    ),
)
val_evaluator = dict(type='llv.PerClassIoUMetric')
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=1, val_interval=1)
val_cfg = dict(type='ValLoop')
default_hooks = dict(logger=dict(interval=1))
"""
TRAIN = 'night/train/GOPR0351/GOPR0351_frame_{:06d}'
VAL = 'night/val/GP010376/GP010376_frame_{:06d}'


class Nights:
    """A tiny folder in ACDC's layout, and a training on it."""

    def __init__(self, root, pictures=10):
        self.root = root
        rng = np.random.default_rng(2)
        names = [TRAIN.format(i) for i in range(pictures)] + [VAL.format(i) for i in range(2)]
        for name in names:
            write_pair(self.image(name), self.label(name), rng)
        self.config = write_config(root / 'nights.py', NIGHTS, root)

    def image(self, name):
        return self.root / 'rgb_anon' / f'{name}_rgb_anon.png'

    def label(self, name, kind='labelTrainIds'):
        return self.root / 'gt' / f'{name}_gt_{kind}.png'

    def train(self, capsys, *options):
        """Exit status and everything that was written."""
        options = ['--cfg-options', *options] if options else []
        arguments = [self.config, '--work-dir', self.root / 'run', '--no-pretrained', *options]
        capsys.readouterr()
        try:
            run_tool('train.py', *arguments)
            status = 0
        except SystemExit as error:
            status = error.code
        out, err = capsys.readouterr()
        return status, out, err

    def refusal(self, capsys, *options, before_training=True):
        """The one sentence in which a training is refused."""
        status, out, err = self.train(capsys, *options)
        assert status == 2
        assert 'Traceback' not in out + err
        if before_training:
            assert 'Iter(train)' not in out + err
        assert not list(self.root.glob('run/*.pth'))
        sentences = [line for line in err.splitlines() if line.startswith('error: ')]
        assert len(sentences) == 1 and err.rstrip().endswith(sentences[0])
        return sentences[0]


@pytest.fixture
def nights(tmp_path):
    return Nights(tmp_path)


def test_a_resumed_run_distorts_as_an_uninterrupted_one(nights, capsys, weights):
    options = [
        'train_cfg.max_iters=2',
        'train_cfg.val_interval=9',
        'default_hooks.checkpoint.interval=1',
        'default_hooks.checkpoint.max_keep_ckpts=-1',
        'model.data_preprocessor.distortion.type=llv.PhotoMetricDistortion',
    ]
    plug = ['--enhancer', 'ruas', '--enhancer-weights', weights, '--no-pretrained']
    states = []
    for folder, resume in (('whole', []), ('half', ['--resume', nights.root / 'whole/iter_1.pth'])):
        run = nights.root / folder
        run_tool(
            'train.py', nights.config, '--work-dir', run, *plug, *resume, '--cfg-options', *options
        )
        states.append(torch.load(run / 'iter_2.pth', weights_only=False)['state_dict'])
    capsys.readouterr()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    early = torch.load(nights.root / 'whole/iter_1.pth', weights_only=False)['state_dict']
    assert not all(torch.equal(value, early[name]) for name, value in states[0].items())


def ids_of(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_references_under_a_wide_suffix_are_never_trained_on(nights, capsys):
    rng = np.random.default_rng(4)
    for stem in ('GOPR0351_frame_000000_rgb_ref', 'GOPR0351_frame_000001_ref_rgb'):
        # with a label map, so that nothing else would keep them out
        name = f'night/train/GOPR0351/{stem}'
        picture = nights.root / 'rgb_anon' / f'{name}_anon.png'
        for label in (name, name.removesuffix('_rgb')):
            write_pair(picture, nights.label(label), rng)
    wide = 'train_dataloader.dataset.img_suffix=_anon.png'
    # the names of the label maps do not fit any more
    sentence = nights.refusal(capsys, wide)
    assert '10 of 10' in sentence and 'GOPR0351_frame_000000_rgb_gt' in sentence
    assert 'correct the suffix' in sentence
    # the official suffix lets the one of Dark Zurich in
    status, out, err = nights.train(capsys)
    assert status == 0, err
    assert '1 reference pictures' in out + err and 'left out' in out + err
    assert 'night train): 10 pictures' in out + err and 'Iter(train)' in out + err


def test_nothing_but_references_is_refused(nights, capsys):
    for picture in (nights.root / 'rgb_anon/night/train').rglob('*.png'):
        picture.rename(picture.with_name(picture.name.replace('_rgb_anon', '_rgb_ref_anon')))
    sentence = nights.refusal(capsys, 'train_dataloader.dataset.img_suffix=_rgb_ref_anon.png')
    assert '10 reference pictures' in sentence and '`img_suffix`' in sentence
    assert str(nights.root / 'rgb_anon') in sentence


def test_missing_label_maps_are_named(nights, capsys):
    nights.label(TRAIN.format(3)).unlink()
    sentence = nights.refusal(capsys)
    assert 'GOPR0351_frame_000003_gt_labelTrainIds.png' in sentence
    assert '1 of 10' in sentence and "missing='skip'" in sentence


def test_missing_label_maps_of_the_validation_are_found_before_training(nights, capsys):
    nights.label(VAL.format(1)).rename(nights.label(VAL.format(1), 'labelIds'))
    sentence = nights.refusal(capsys)
    assert 'GP010376_frame_000001' in sentence and 'label_ids_to_train_ids.py' in sentence


def test_label_maps_in_colour_are_refused(nights, capsys):
    path = nights.label(TRAIN.format(5))
    cv2.imwrite(str(path), np.repeat(ids_of(path)[..., None], 3, 2))
    sentence = nights.refusal(capsys)
    assert path.name in sentence and 'RGB' in sentence and '_labelTrainIds.png' in sentence


def test_label_maps_of_another_size_are_refused(nights, capsys):
    path = nights.label(TRAIN.format(5))
    cv2.imwrite(str(path), ids_of(path)[:-2])
    sentence = nights.refusal(capsys)
    assert path.name in sentence and '80x64' in sentence and '80x62' in sentence


@pytest.mark.parametrize('kind', ['label ids', 'other ids'])
def test_unknown_ids_are_refused(nights, capsys, kind):
    for i in range(10):
        path = nights.label(TRAIN.format(i))
        cv2.imwrite(str(path), ids_of(path) + (15 if kind == 'label ids' else 100))
    sentence = nights.refusal(capsys)
    assert 'GOPR0351_frame_000000_gt_labelTrainIds.png' in sentence
    remedy = 'label_ids_to_train_ids.py' if kind == 'label ids' else '`ignore_index`'
    assert remedy in sentence


@pytest.mark.parametrize('workers', [0, 1])
def test_one_label_map_of_unknown_ids_is_refused_when_it_is_loaded(nights, capsys, workers):
    """The reader decodes a sample, and `llv.CheckLabelMap` every map."""
    path = nights.label(TRAIN.format(5))
    ids = ids_of(path)
    ids[3, 4] = 77
    cv2.imwrite(str(path), ids)
    workers = f'train_dataloader.num_workers={workers}'
    options = [workers, 'train_cfg.max_iters=5', 'train_cfg.val_interval=9']
    sentence = nights.refusal(capsys, *options, before_training=False)
    assert path.name in sentence and '77' in sentence


def test_damaged_pictures_and_wrong_arguments_are_named(nights, capsys):
    sentence = nights.refusal(capsys, f'train_dataloader.dataset.data_root={nights.root}/nowhere')
    assert 'nowhere' in sentence and '`data_root`' in sentence
    sentence = nights.refusal(capsys, 'train_dataloader.dataset.subset=trian')
    assert '`trian`' in sentence and '`train`' in sentence
    picture = nights.image(TRAIN.format(0))
    picture.write_bytes(picture.read_bytes()[:200])
    sentence = nights.refusal(capsys)
    assert picture.name in sentence and 'damaged' in sentence
