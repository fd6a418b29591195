"""Darkening in a pipeline, against the formulas."""

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import Compose

from llv.datasets.transforms.synthetic_low_light import RANGES, SyntheticLowLight
from llv.engine.seeded_sampler import seeded
from llv.registry import DATASETS, TRANSFORMS
from llv.utils.pictures import write_picture


def picture(seed=0, size=(24, 30), dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(dtype)


def darken(transform, img, key=0):
    with seeded(key):
        return transform(dict(img=img))


def decode(code):
    """sRGB to light (IEC 61966-2-1), in double precision."""
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def encode(light):
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_gamma_without_noise_is_its_formula(dtype):
    transform = SyntheticLowLight('gamma', gamma=(3, 3), scale=(0.8, 0.8), noise=(0, 0))
    dark = darken(transform, picture(dtype=dtype))['img']
    assert dark.dtype == dtype
    expected = 255 * 0.8 * (picture() / 255) ** 3
    assert np.abs(dark - expected).max() <= 0.5 + 1e-3


def test_noise_of_the_gamma_mode_has_its_standard_deviation():
    transform = SyntheticLowLight('gamma', gamma=(1, 1), scale=(1, 1), noise=(0.05, 0.05))
    grey = np.full((200, 200, 3), 128, np.uint8)
    noise = darken(transform, grey)['img'].astype(float) - 128
    # rounding adds a variance of 1/12; 120,000 samples: 0.2 % of the deviation
    assert noise.std() == pytest.approx(np.sqrt((0.05 * 255) ** 2 + 1 / 12), rel=0.02)
    assert abs(noise.mean()) < 0.2


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
@pytest.mark.parametrize('lamps', [0, 2])
def test_night_without_noise_is_its_formula(lamps, dtype):
    transform = SyntheticLowLight(lamps=(lamps, lamps), shot_noise=(0, 0), read_noise=(0, 0))
    results = darken(transform, picture(size=(90, 140), dtype=dtype))
    drawn = results['low_light']
    assert len(drawn['lights']) == lamps and drawn['mode'] == 'physical'
    light = np.full((90, 140), 2.0 ** drawn['exposure_ev'])
    rows, columns = np.mgrid[:90, :140]
    for lamp in drawn['lights']:
        squared = (rows - lamp['y']) ** 2 + (columns - lamp['x']) ** 2
        light += lamp['peak'] * lamp['height'] ** 2 / (squared + lamp['height'] ** 2)
    red, green, blue = drawn['white_balance']
    signal = decode(picture(size=(90, 140)) / 255) * light[..., None] * [blue, green, red]  # BGR
    assert results['img'].dtype == dtype
    assert np.abs(results['img'] - 255 * encode(signal)).max() <= 0.5 + 1e-2


def test_noise_of_the_night_follows_its_signal():
    transform = SyntheticLowLight(
        exposure_ev=(-1, -1), lamps=(0, 0), red_gain=(1, 1), blue_gain=(1, 1),
        shot_noise=(1e-3, 1e-3), read_noise=(2e-3, 2e-3),
    )  # fmt: skip
    dark = darken(transform, np.full((200, 200, 3), 188, np.uint8))['img'] / 255
    signal = decode(dark)
    expected = decode(188 / 255) / 2
    assert signal.mean() == pytest.approx(expected, rel=0.01)
    assert signal.var() == pytest.approx(1e-3 * expected + 4e-6, rel=0.05)


@pytest.mark.parametrize('mode', RANGES)
def test_quantities_fill_their_ranges_and_vary_from_picture_to_picture(mode):
    transform = SyntheticLowLight(mode)
    drawn = [darken(transform, picture(size=(40, 50)), key)['low_light'] for key in range(150)]
    values = {name: [d[name] for d in drawn] for name in RANGES[mode] if name in drawn[0]}
    if mode == 'physical':
        gains = np.array([d['white_balance'] for d in drawn])
        values |= dict(red_gain=gains[:, 0], blue_gain=gains[:, 2])
        values['lamps'] = [len(d['lights']) for d in drawn]
        assert set(values['lamps']) == {0, 1, 2, 3}
    assert set(values) == set(RANGES[mode])
    for name, (low, high) in RANGES[mode].items():
        span = high - low
        assert low <= min(values[name]) < low + 0.1 * span or name == 'lamps'
        assert high - 0.1 * span < max(values[name]) <= high


def test_lamps_are_as_large_on_a_large_picture_as_on_a_small_one():
    transform = SyntheticLowLight(lamps=(1, 1), shot_noise=(0, 0), read_noise=(0, 0))
    small = darken(transform, np.full((64, 64, 3), 200, np.uint8))['img']
    large = darken(transform, np.full((320, 320, 3), 200, np.uint8))['img']
    # the middle of each 5 x 5 block is the centre of the small picture's pixel
    assert np.abs(large[2::5, 2::5].astype(int) - small).max() <= 1
    assert small.max() > 1.5 * small.min()


def test_seeds_decide_and_nothing_else_does():
    transform = SyntheticLowLight()
    first = darken(transform, picture(), 7)['img']
    darken(transform, picture(3), 8)
    assert np.array_equal(first, darken(transform, picture(), 7)['img'])
    assert not np.array_equal(first, darken(transform, picture(), 8)['img'])
    np.random.seed(1)
    a = transform(dict(img=picture()))['img']
    b = transform(dict(img=picture()))['img']
    assert not np.array_equal(a, b)
    assert np.array_equal(picture(), picture()) and a.flags['C_CONTIGUOUS']


def test_the_probability_is_kept_and_moves_no_later_draw():
    bright = picture(size=(4, 4))
    np.random.seed(0)
    transform = SyntheticLowLight(prob=0.3)
    share = np.mean(['low_light' in transform(dict(img=bright)) for _ in range(300)])
    assert share == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / 300))
    after = []
    for prob in (0.0, 1.0):
        np.random.seed(4)
        SyntheticLowLight(prob=prob)(dict(img=bright))
        after.append(np.random.random_sample())
    assert after[0] == after[1]


@pytest.fixture(autouse=True)
def repeatable():
    np.random.seed(0)


def pipeline(*transforms):
    return Compose([TRANSFORMS.build(t) for t in transforms])


@pytest.fixture
def file(tmp_path):
    write_picture(tmp_path / 'a.png', picture()[..., ::-1])
    return str(tmp_path / 'a.png')


@pytest.mark.parametrize('to_float32', [False, True])
def test_enhancers_train_on_the_dark_picture_and_its_bright_reference(file, to_float32):
    item = pipeline(
        dict(type='llv.LoadPicture', to_float32=to_float32),
        dict(type='llv.SyntheticLowLight', keep_reference=True, lamps=(0, 0)),
        dict(type='llv.RandomCrop', size=(16, 16)),
        dict(type='llv.PackEnhancementInputs', meta_keys=('img_path', 'low_light')),
    )(dict(img_path=file))
    reference = item['data_samples'].reference.data
    assert reference.dtype == torch.uint8 and reference.shape == item['inputs'].shape
    assert item['inputs'].dtype == (torch.float32 if to_float32 else torch.uint8)
    rgb = picture()[..., ::-1]
    windows = [rgb[t : t + 16, x : x + 16] for t in range(9) for x in range(15)]
    assert any((reference.permute(1, 2, 0).numpy() == w).all() for w in windows)
    assert item['inputs'].float().mean() < 0.7 * reference.float().mean()
    assert item['data_samples'].low_light['exposure_ev'] < 0


def test_bright_pictures_are_their_own_reference():
    results = SyntheticLowLight(prob=0, keep_reference=True)(dict(img=picture()))
    assert np.array_equal(results['reference'], results['img'])
    results['img'][:] = 0
    assert np.array_equal(results['reference'], picture())  # a copy


def test_detection_pipelines_keep_their_boxes(file):
    pytest.importorskip('mmdet')
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope('mmdet'):
        build = pipeline(
            dict(type='LoadImageFromFile'),
            dict(type='mmdet.LoadAnnotations', with_bbox=True),
            dict(type='llv.SyntheticLowLight', mode='gamma'),
            dict(type='mmdet.PackDetInputs', meta_keys=('img_shape', 'low_light')),
        )
    box = dict(bbox=[2, 3, 20, 21], bbox_label=1, ignore_flag=0)
    item = build(dict(img_path=file, img_id=0, instances=[box]))
    assert item['inputs'].dtype == torch.uint8
    assert item['inputs'].float().mean() < 0.7 * picture().mean()
    assert item['data_samples'].gt_instances.bboxes.tensor.tolist() == [[2, 3, 20, 21]]
    assert item['data_samples'].low_light['mode'] == 'gamma'


def test_segmentation_pipelines_keep_their_label_map(file, tmp_path):
    pytest.importorskip('mmseg')
    pytest.importorskip('mmcv.ops')
    from mmseg.datasets.transforms import LoadAnnotations, PackSegInputs

    labels = np.random.default_rng(1).integers(0, 4, (24, 30)).astype(np.uint8)
    path = str(tmp_path / 'map.png')
    cv2.imwrite(path, labels)
    results = dict(img_path=file, seg_map_path=path, seg_fields=[], reduce_zero_label=0)
    results = TRANSFORMS.build(dict(type='llv.LoadPicture'))(results)
    results = LoadAnnotations()(results)
    results = SyntheticLowLight(lamps=(0, 0))(results)
    item = PackSegInputs(meta_keys=('img_shape',))(results)
    assert np.array_equal(item['data_samples'].gt_sem_seg.data[0].numpy(), labels)
    assert item['inputs'].float().mean() < 0.7 * picture().mean()


@pytest.fixture
def seg_folder(tmp_path):
    """Pictures whose grey value is 50 times the class plus 25, and their label maps."""
    for name in ('a', 'b', 'c'):
        labels = np.random.default_rng(ord(name)).integers(0, 5, (6, 7)).astype(np.uint8)
        labels = np.kron(labels, np.ones((4, 5), np.uint8))
        cv2.imwrite(str(tmp_path / f'{name}.png'), np.repeat(labels[..., None] * 50 + 25, 3, 2))
        (tmp_path / 'labels').mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / 'labels' / f'{name}.png'), labels)
    return tmp_path


def seg_dataset(root, *steps, **low_light):
    pytest.importorskip('mmseg')
    pytest.importorskip('mmcv.ops')
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='mmseg.LoadAnnotations'),
        dict(type='llv.SyntheticLowLight', **low_light),
        *steps,
        dict(type='mmseg.PackSegInputs', meta_keys=('img_path', 'low_light')),
    ]
    return dict(
        type='mmseg.BaseSegDataset',
        data_root=str(root),
        data_prefix=dict(img_path='', seg_map_path='labels'),
        ann_file='names.txt',
        img_suffix='.png',
        metainfo=dict(classes=tuple('vwxyz')),
        pipeline=pipeline,
    )


def test_label_maps_are_cropped_and_mirrored_with_their_dark_picture(seg_folder):
    (seg_folder / 'names.txt').write_text('a\nb\nc')
    crops = [
        dict(type='mmseg.RandomCrop', crop_size=(15, 17), cat_max_ratio=0.75),
        dict(type='mmseg.RandomFlip', prob=0.5, direction=['horizontal', 'vertical']),
    ]
    still = dict(mode='gamma', gamma=(2, 2), scale=(0.7, 0.7), noise=(0, 0))
    dataset = DATASETS.build(seg_dataset(seg_folder, *crops, **still))
    dark = np.rint(255 * 0.7 * ((np.arange(5) * 50 + 25) / 255) ** 2)
    crops = set()
    for _ in range(4):
        for item in (dataset[i] for i in range(3)):
            label = item['data_samples'].gt_sem_seg.data
            assert label.shape == (1, 15, 17) and item['inputs'].shape == (3, 15, 17)
            expected = torch.from_numpy(dark)[label].to(torch.uint8).expand(3, -1, -1)
            assert torch.equal(item['inputs'], expected)
            crops.add(label.numpy().tobytes())
    assert len(crops) > 6


@pytest.mark.parametrize('workers', [0, 2])
def test_a_seeded_test_set_is_as_dark_every_time(seg_folder, workers):
    """Every validation sees the same pictures, whatever was drawn before and whoever loads them."""
    pytest.importorskip('mmseg')
    from mmengine.runner import Runner

    (seg_folder / 'names.txt').write_text('a\nb\nc')

    def loader(sampler, seed, batch=1, workers=0):
        cfg = dict(
            batch_size=batch,
            num_workers=workers,
            dataset=dict(seg_dataset(seg_folder), test_mode=True),
            sampler=sampler,
        )
        return Runner.build_dataloader(cfg, seed=seed)

    def once(loader):
        np.random.random_sample(3)  # training goes on between two validations
        batches = list(loader)
        for batch in batches:
            for sample in batch['data_samples']:
                name = sample.img_path
                label = cv2.imread(name.replace(str(seg_folder), f'{seg_folder}/labels'), -1)
                assert np.array_equal(sample.gt_sem_seg.data[0].numpy(), label)
        return torch.stack([picture for batch in batches for picture in batch['inputs']])

    plain = dict(type='DefaultSampler', shuffle=False)
    fixed = dict(type='llv.SeededSampler', sampler=plain, seed=0)
    first = once(loader(fixed, seed=1))
    assert len(first) == 3 and not torch.equal(first[0], first[1])
    other = loader(fixed, seed=2, batch=2, workers=workers)
    assert torch.equal(once(other), first) and torch.equal(once(other), first)
    # what the seeds are for
    unseeded = loader(plain, seed=1)
    assert not torch.equal(once(unseeded), once(unseeded))


@pytest.mark.parametrize(
    'kwargs, match',
    [
        (dict(mode='dusk'), "`mode` is 'physical' or 'gamma', not 'dusk'"),
        (dict(prob=2), '`prob` is a probability'),
        (dict(gamma=(2, 3)), "`gamma` is no quantity of mode 'physical'"),
        (dict(mode='gamma', gamma=3), r'`gamma` is a range \(low, high\), but got 3'),
        (dict(mode='gamma', gamma=(3, 2)), '`gamma` is a range .* in order'),
        (dict(read_noise=(-1, 1)), '`read_noise` is a range .* from 0 up'),
    ],
)
def test_bad_arguments_are_refused(kwargs, match):
    with pytest.raises(ValueError, match=match):
        SyntheticLowLight(**kwargs)


def test_other_pictures_are_refused():
    with pytest.raises(TypeError, match='`img` holds uint16'):
        SyntheticLowLight()(dict(img=picture(dtype=np.uint16)))
    with pytest.raises(ValueError, match=r'`img` has shape \(24, 30\)'):
        SyntheticLowLight()(dict(img=picture()[..., 0]))
