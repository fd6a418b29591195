import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llv.datasets.night_scenes import (
    CLASSES,
    PALETTE,
    Conditions,
    Light,
    NightScenes,
    draw_conditions,
    illumination_map,
    linear_to_srgb,
    render_night,
    render_signal,
    srgb_to_linear,
    write_night_scenes,
)

ARRAYS = ('day', 'night', 'boxes', 'labels', 'label_map', 'instance_map')
ROOT = Path(__file__).resolve().parents[2]


def same(a, b, names=ARRAYS):
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


def folder_bytes(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob('*') if p.is_file()}


# --- light ---------------------------------------------------------------------------------------


def test_srgb_curve_against_published_values():
    # IEC 61966-2-1: 18 % grey is 46.1 % signal, half signal is 21.4 % light
    assert srgb_to_linear(np.array([0.5, 0.02, 1.0])) == pytest.approx(
        [0.214041, 0.02 / 12.92, 1.0], abs=1e-6
    )
    assert linear_to_srgb(np.array([[0.18, 0.001, 2.0]])) == pytest.approx(
        np.array([[0.461356, 0.01292, 1.0]]), abs=1e-5
    )
    codes = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(np.rint(linear_to_srgb(srgb_to_linear(codes)) * 255), codes)


def test_light_falls_off_with_the_inverse_square():
    light = Light(x=10, y=20, height=5, peak=1.5)
    field = illumination_map((64, 300), -4.0, (light,)) - 2.0**-4
    assert field[20, 10] == pytest.approx(1.5, rel=1e-5)
    # at distance d from the foot the lamp itself is sqrt(d^2 + h^2) away
    assert field[20, 22] == pytest.approx(1.5 * 25 / (144 + 25), rel=1e-4)
    assert field[50, 50] == pytest.approx(1.5 * 25 / (900 + 1600 + 25), rel=1e-4)
    # far away, twice the distance is a quarter of the light
    assert field[20, 110] / field[20, 210] == pytest.approx(4, rel=0.02)


def test_lights_and_ambient_add_up():
    lights = Light(3, 4, 6, 0.7), Light(-5, 20, 9, 2.0)
    ambient = illumination_map((24, 30), -3.0)
    assert np.all(ambient == 0.125)
    single = [illumination_map((24, 30), -3.0, (light,)) for light in lights]
    both = illumination_map((24, 30), -3.0, lights)
    assert np.allclose(both, single[0] + single[1] - ambient, rtol=1e-5)


@pytest.mark.parametrize('level', [0.0, 0.02, 0.3])
def test_noise_variance_follows_the_signal(level):
    conditions = Conditions(-1.0, (), (0.9, 1.0, 0.5), shot_noise=4e-4, read_noise=2e-3)
    picture = np.full((400, 400, 3), level, np.float32)
    signal = render_signal(picture, np.random.default_rng(1), conditions)
    for channel, gain in enumerate(conditions.white_balance):
        expected = level * 0.5 * gain
        variance = 4e-4 * expected + 2e-3**2
        values = signal[..., channel].astype(np.float64)
        # 160,000 samples: relative error of a variance is sqrt(2 / n) = 0.35 %
        assert values.var() == pytest.approx(variance, rel=0.02)
        assert values.mean() == pytest.approx(expected, abs=5 * np.sqrt(variance) / 400)


def test_noise_free_night_equals_the_formula():
    rng = np.random.default_rng(0)
    day = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    conditions = Conditions(-3.0, (Light(25, 20, 8, 1.2),), (1.1, 1.0, 0.5))
    night = render_night(srgb_to_linear(day), rng, conditions)
    rows, cols = np.mgrid[:40, :50]
    light = 0.125 + 1.2 * 64 / ((rows - 20) ** 2 + (cols - 25) ** 2 + 64)
    code = day / 255.0
    linear = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    linear = np.minimum(linear * light[..., None] * [1.1, 1.0, 0.5], 1)
    code = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(night - code * 255).max() <= 0.5 + 1e-2


def test_render_refuses_other_layouts():
    with pytest.raises(ValueError, match=r'`linear` is an RGB picture'):
        render_night(np.zeros((4, 4), np.float32), np.random.default_rng(0), Conditions())


def test_drawn_conditions_keep_their_ranges():
    drawn = [draw_conditions(np.random.default_rng(i), (96, 128)) for i in range(300)]
    exposures = np.array([c.exposure_ev for c in drawn])
    assert -5.5 <= exposures.min() < -5.3 and -2.7 < exposures.max() <= -2.5
    blue = np.array([c.white_balance[2] for c in drawn])
    assert 0.45 <= blue.min() < 0.48 and 0.95 < blue.max() <= 1
    assert all(c.white_balance[1] == 1 and c.shot_noise > 0 and c.read_noise > 0 for c in drawn)
    inside = [sum(0 <= li.x <= 128 and 0 <= li.y <= 96 for li in c.lights) for c in drawn]
    assert set(inside) == {0, 1, 2, 3}
    with pytest.raises(ValueError, match="`mode` is 'local' or 'uniform', not 'dusk'"):
        draw_conditions(np.random.default_rng(0), (96, 128), 'dusk')


@pytest.mark.parametrize('size', [(32, 32), (192, 192), (48, 160)])
def test_local_light_spans_ten_to_one_in_every_picture(size):
    for i in range(150):
        c = draw_conditions(np.random.default_rng(i), size)
        field = illumination_map(size, c.exposure_ev, c.lights)
        assert field.max() / field.min() >= 10
        assert field.min() >= 2.0**c.exposure_ev


def test_uniform_light_is_constant():
    drawn = [draw_conditions(np.random.default_rng(i), (64, 64), 'uniform') for i in range(5)]
    assert len(set(drawn)) == 1
    field = illumination_map((64, 64), drawn[0].exposure_ev, drawn[0].lights)
    assert field.min() == field.max()


# --- scenes --------------------------------------------------------------------------------------


def test_scene_layout():
    scene = NightScenes((96, 130), seed=3)[0]
    for picture in (scene.day, scene.night):
        assert picture.shape == (96, 130, 3) and picture.dtype == np.uint8
    assert scene.label_map.shape == scene.instance_map.shape == (96, 130)
    assert scene.boxes.dtype == np.float32 and scene.labels.dtype == np.int64
    assert len(CLASSES) == len(PALETTE) == len(set(PALETTE))


def test_same_key_same_bytes_and_other_key_other_scene():
    scenes = NightScenes((64, 64), seed=7)
    first = scenes[5]
    np.random.seed(99)  # numpy's global state must not matter
    scenes[2]
    assert same(first, scenes[5])
    assert same(first, NightScenes((64, 64), seed=7)[5])
    for other in (
        NightScenes((64, 64), seed=8)[5],
        NightScenes((64, 64), seed=7, split='val')[5],
        scenes[6],
    ):
        assert not np.array_equal(first.day, other.day)


def test_scenes_do_not_depend_on_pythons_hash_seed():
    code = (
        'import hashlib; from llv.datasets.night_scenes import NightScenes; '
        's = NightScenes((64, 64), 1, split="val")[0]; '
        'print(hashlib.sha256(s.day.tobytes() + s.night.tobytes()).hexdigest())'
    )
    prints = [
        subprocess.run(
            [sys.executable, '-c', code],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
            env={'PYTHONHASHSEED': seed, 'PYTHONPATH': str(ROOT)},
        ).stdout
        for seed in ('1', '2')
    ]
    assert prints[0] == prints[1] != ''


def test_modes_share_the_scene():
    local, uniform = NightScenes((64, 64), 1)[4], NightScenes((64, 64), 1, 'uniform')[4]
    assert same(local, uniform, ('day', 'boxes', 'labels', 'label_map'))
    assert not np.array_equal(local.night, uniform.night)


@given(seed=st.integers(0, 10_000), height=st.integers(32, 120), width=st.integers(32, 120))
@settings(max_examples=25, deadline=None)
def test_annotations_describe_the_visible_pixels(seed, height, width):
    scene = NightScenes((height, width), seed)[0]
    assert scene.instance_map.max() == len(scene.boxes) == len(scene.labels)
    assert np.array_equal(scene.instance_map > 0, scene.label_map > 0)
    for i, (box, label) in enumerate(zip(scene.boxes, scene.labels, strict=True)):
        rows, cols = np.nonzero(scene.instance_map == i + 1)
        assert box.tolist() == [cols.min(), rows.min(), cols.max() + 1, rows.max() + 1]
        assert set(scene.label_map[rows, cols]) == {label + 1}


def test_every_object_shows_enough_of_itself():
    # A disc of diameter D has the area pi/4 D^2: the smallest that may be drawn, half visible
    scenes = NightScenes((192, 192), seed=2)
    smallest = 0.5 * np.pi / 4 * 22**2
    areas = [
        (scene.instance_map == i + 1).sum()
        for scene in map(scenes.__getitem__, range(40))
        for i in np.flatnonzero(scene.labels == CLASSES.index('disc'))
    ]
    assert len(areas) > 15
    assert min(areas) > 0.9 * smallest
    assert max(areas) < 1.05 * np.pi / 4 * 84**2


def test_scenes_are_varied():
    scenes = [NightScenes((128, 128), seed=0)[i] for i in range(60)]
    counts = [len(s.labels) for s in scenes]
    assert min(counts) >= 1 and max(counts) == 8
    shares = np.bincount(np.concatenate([s.labels for s in scenes]), minlength=len(CLASSES))
    assert shares.min() > 0.5 * shares.mean()
    sides = np.concatenate([(s.boxes[:, 2:] - s.boxes[:, :2]).max(1) for s in scenes])
    assert np.quantile(sides, 0.9) > 2.5 * np.quantile(sides, 0.1)


def test_objects_stand_out_locally_and_not_by_brightness():
    brighter, contrast, inside, outside = [], [], [], []
    scenes = NightScenes((128, 128), seed=0)
    for scene in map(scenes.__getitem__, range(80)):
        grey = srgb_to_linear(scene.day) @ np.array([0.2126, 0.7152, 0.0722], np.float32)
        for i in range(len(scene.labels)):
            mask = scene.instance_map == i + 1
            near = cv2.dilate(mask.astype(np.uint8), np.ones((9, 9))) > 0
            around = near & (scene.instance_map == 0)
            if around.sum() < 30:
                continue
            ratio = np.median(grey[mask]) / np.median(grey[around])
            brighter.append(ratio > 1)
            contrast.append(abs(np.log(ratio)))
            inside.append(np.median(grey[mask]))
            outside.append(np.median(grey[around]))
    assert 0.35 < np.mean(brighter) < 0.65
    assert np.quantile(contrast, 0.1) > np.log(1.4)
    # the best brightness threshold hardly tells objects from ground
    order = np.argsort(np.concatenate([inside, outside]))
    is_object = np.concatenate([np.ones(len(inside)), np.zeros(len(outside))])[order]
    right = np.cumsum(is_object) + np.cumsum((1 - is_object)[::-1])[::-1]
    assert max(right.max(), (len(order) - right).max()) / len(order) < 0.8


@pytest.mark.parametrize(
    'kwargs, match',
    [
        (dict(size=(16, 64)), '`size` is .* at least 32'),
        (dict(size=(64,)), '`size` is'),
        (dict(mode='dusk'), "`mode` is 'local' or 'uniform', not 'dusk'"),
    ],
)
def test_bad_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        NightScenes(**kwargs)
    with pytest.raises(IndexError, match='`index`'):
        NightScenes()[-1]


# --- folders -------------------------------------------------------------------------------------

SMALL = dict(size=(48, 64), seed=5, progress=False)


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp('scenes') / 'set'
    assert write_night_scenes(root, dict(train=6, val=3), **SMALL) == 'written'
    return root


def test_pictures_on_disk_are_the_scenes(written):
    scene = NightScenes((48, 64), 5, split='val')[2]
    for part in ('day', 'night'):
        picture = cv2.imread(str(written / 'val' / part / '000002.png'))[..., ::-1]
        assert np.array_equal(picture, getattr(scene, part))
    label_map = cv2.imread(str(written / 'val' / 'labels' / '000002.png'), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(label_map, scene.label_map)


def test_day_and_night_share_their_annotations(written):
    day, night = (
        json.loads((written / f'annotations/train_{x}.json').read_text()) for x in ('day', 'night')
    )
    assert day['annotations'] == night['annotations'] and day['categories'] == night['categories']
    assert all(-5.5 <= image['night']['exposure_ev'] <= -2.5 for image in night['images'])


def test_same_settings_are_already_there_and_workers_change_nothing(written, tmp_path):
    before = folder_bytes(written)
    assert write_night_scenes(written, dict(train=6, val=3), **SMALL) == 'already there'
    assert write_night_scenes(written, dict(val=3), **SMALL) == 'already there'
    write_night_scenes(tmp_path / 'b', dict(train=6, val=3), workers=2, **SMALL)
    assert folder_bytes(tmp_path / 'b') == before == folder_bytes(written)


def test_bigger_set_extends_a_smaller_one(written, tmp_path):
    root = tmp_path / 'grown'
    write_night_scenes(root, dict(train=2), **SMALL)
    stamp = (root / 'train/night/000001.png').stat().st_mtime_ns
    assert write_night_scenes(root, dict(train=6, val=3), **SMALL) == 'written'
    assert folder_bytes(root) == folder_bytes(written)
    assert (root / 'train/night/000001.png').stat().st_mtime_ns == stamp
    with pytest.raises(FileExistsError, match='already holds 6 scenes in `train`'):
        write_night_scenes(root, dict(train=4), **SMALL)


def test_interrupted_run_is_finished(written, tmp_path, monkeypatch):
    from llv.datasets.night_scenes import folders

    root = tmp_path / 'killed'
    real, calls = folders.write_atomic, []

    def dies(path, data):
        if len(calls) == 9:
            path.with_name(path.name + '.part').write_bytes(data[:10])
            raise KeyboardInterrupt
        calls.append(path)
        real(path, data)

    monkeypatch.setattr(folders, 'write_atomic', dies)
    with pytest.raises(KeyboardInterrupt):
        write_night_scenes(root, dict(train=6, val=3), **SMALL)
    monkeypatch.undo()
    assert list(root.rglob('*.part'))
    assert write_night_scenes(root, dict(train=6, val=3), **SMALL) == 'written'
    assert folder_bytes(root) == folder_bytes(written)
    (root / 'val/labels/000001.png').unlink()
    assert write_night_scenes(root, dict(train=6, val=3), **SMALL) == 'written'
    assert folder_bytes(root) == folder_bytes(written)


@pytest.mark.parametrize(
    'change, match',
    [
        (dict(seed=6), r'with seed=5, not 6'),
        (dict(mode='uniform'), r'with mode=local, not uniform'),
        (dict(size=(64, 64)), r'with size=\[48, 64\], not \[64, 64\]'),
    ],
)
def test_other_settings_are_refused(written, change, match):
    before = folder_bytes(written)
    with pytest.raises(FileExistsError, match=match):
        write_night_scenes(written, dict(train=6, val=3), **SMALL | change)
    assert folder_bytes(written) == before


def test_foreign_folders_and_bad_splits_are_refused(tmp_path):
    (tmp_path / 'mine.txt').write_text('x')
    with pytest.raises(FileExistsError, match='holds no night scenes'):
        write_night_scenes(tmp_path, dict(train=1), **SMALL)
    with pytest.raises(FileExistsError, match='holds no night scenes'):
        write_night_scenes(tmp_path / 'mine.txt', dict(train=1), **SMALL)
    (tmp_path / 'dataset.json').write_text('{')
    with pytest.raises(ValueError, match='cannot be read'):
        write_night_scenes(tmp_path, dict(train=1), **SMALL)
    new = tmp_path / 'new'
    for splits, match in (
        ({'../x': 1}, 'no name for a split'),
        ({'a': 0}, 'at least one scene'),
        ({}, 'names no split'),
    ):
        with pytest.raises(ValueError, match=match):
            write_night_scenes(new, splits, **SMALL)
    assert not new.exists()


def test_command_line(written, tmp_path):
    def run(*args):
        return subprocess.run(
            [sys.executable, str(ROOT / 'tools/make_night_scenes.py'), *args],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={'PYTHONPATH': str(ROOT)},
        )

    options = ['--splits', 'train=6', 'val=3', '--size', '48x64', '--workers', '1']
    done = run('out', *options, '--seed', '5')
    assert done.returncode == 0 and done.stdout.endswith('written\n')
    assert folder_bytes(tmp_path / 'out') == folder_bytes(written)
    refused = run('out', *options, '--seed', '6')
    assert refused.returncode == 2
    assert refused.stderr.count('\n') == 1 and 'seed=5, not 6' in refused.stderr
    assert run('out', '--splits', 'train').returncode == 2


def test_pycocotools_reads_the_annotations(written):
    from pycocotools.coco import COCO

    coco = COCO(str(written / 'annotations/val_night.json'))
    scene = NightScenes((48, 64), 5, split='val')[1]
    found = coco.loadAnns(coco.getAnnIds(imgIds=[1]))
    assert [a['category_id'] for a in found] == (scene.labels + 1).tolist()
    corners = [[x, y, x + w, y + h] for x, y, w, h in (a['bbox'] for a in found)]
    assert corners == scene.boxes.tolist()
    assert [c['name'] for c in coco.loadCats(coco.getCatIds())] == list(CLASSES)


def test_mmdet_reads_the_folder(written):
    pytest.importorskip('mmcv.ops')
    from mmdet.datasets import CocoDataset

    dataset = CocoDataset(
        data_root=str(written),
        ann_file='annotations/train_night.json',
        data_prefix=dict(img='train/night/'),
        metainfo=dict(classes=CLASSES),
        pipeline=[],
    )
    assert len(dataset) == 6
    info = dataset.get_data_info(3)
    scene = NightScenes((48, 64), 5)[3]
    assert [x['bbox_label'] for x in info['instances']] == scene.labels.tolist()
    assert [x['bbox'] for x in info['instances']] == scene.boxes.tolist()
    picture = cv2.imread(info['img_path'])
    assert picture.shape[:2] == (info['height'], info['width'])


@pytest.mark.parametrize('light', ['day', 'night'])
def test_mmseg_reads_the_folder(written, light):
    pytest.importorskip('mmcv.ops')
    from mmseg.datasets import BaseSegDataset
    from mmseg.datasets.transforms import LoadAnnotations

    dataset = BaseSegDataset(
        data_root=str(written),
        data_prefix=dict(img_path=f'val/{light}', seg_map_path='val/labels'),
        img_suffix='.png',
        seg_map_suffix='.png',
        metainfo=dict(classes=('background', *CLASSES)),
        pipeline=[],
    )
    assert len(dataset) == 3
    loaded = LoadAnnotations()(dataset.get_data_info(0))
    scene = NightScenes((48, 64), 5, split='val')[0]
    assert np.array_equal(loaded['gt_seg_map'], scene.label_map)
