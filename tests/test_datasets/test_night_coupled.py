"""Scenes small and dark with large day pictures: optics and light, and a folder that RELLISUR's reader takes."""

import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope

from llv.datasets.enhancement import RELLISURDataset
from llv.datasets.night_scenes import (
    CLASSES,
    CoupledNightScenes,
    NightScenes,
    write_coupled_night_scenes,
    write_night_faces,
)
from llv.datasets.night_scenes.strokes import draw_strokes
from llv.registry import DATASETS, METRICS
from llv.utils.errors import friendly_errors

ROOT = Path(__file__).resolve().parents[2]
STOPS = (-2.5, -3.0, -3.5, -4.0, -4.5)


def folder_bytes(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob('*') if p.is_file()}


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1]


def linear(code):
    """IEC 61966-2-1 undone, float64."""
    x = np.asarray(code) / 255
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def means(picture, factor):
    """Means over squares, pixel by pixel."""
    height, width = (side // factor for side in picture.shape[:2])
    return np.array(
        [
            [
                picture[factor * i : factor * (i + 1), factor * j : factor * (j + 1)].mean((0, 1))
                for j in range(width)
            ]
            for i in range(height)
        ]
    )


class Painted(CoupledNightScenes):
    """In place of a scene, a reflectance of one's own, and perhaps objects on it: their classes, -1 for none, and
    where each is seen."""

    def __init__(self, reflectance, classes=(), instances=None):
        super().__init__(tuple(side // 4 for side in reflectance.shape[:2]), 3)
        if instances is None:
            instances = np.zeros(reflectance.shape[:2], np.int32)
        self.painted = SimpleNamespace(
            reflectance=reflectance.astype(np.float32), classes=list(classes), instances=instances
        )

    def _compose(self, rng):
        return self.painted


# --- light and optics ----------------------------------------------------------------------------


def test_light_is_a_power_of_two_of_the_reflectance_and_noise_is_the_cameras():
    level = 0.2
    scene = Painted(np.full((800, 800, 3), level))[0]
    assert tuple(scene.dark) == STOPS
    for stops, picture in scene.dark.items():
        condition = scene.conditions[stops]
        expected = level * 2**stops
        signal = linear(picture)
        # rounding to 8 bits adds the variance of a step of the curve: slope / 255, uniform
        step = 1 / 255 * 2.4 / 1.055 * (1.055 * expected ** (1 / 2.4)) ** 1.4 / 1.055**0.4
        noise = condition.shot_noise * expected + condition.read_noise**2
        assert signal.mean() == pytest.approx(expected, rel=5e-3)
        assert signal.var() == pytest.approx(noise + step**2 / 12, rel=0.04)
    for target in scene.targets.values():
        assert linear(target).mean() == pytest.approx(level, rel=1e-3)


def test_targets_are_means_over_squares_in_linear_light():
    reflectance = np.random.default_rng(0).uniform(0.02, 0.9, (80, 96, 3))
    targets = Painted(reflectance)[0].targets
    assert {scale: target.shape for scale, target in targets.items()} == {
        1: (20, 24, 3), 2: (40, 48, 3), 4: (80, 96, 3),
    }  # fmt: skip
    for scale, target in targets.items():
        expected = means(reflectance, 4 // scale)
        # noise of variance 1e-4 · signal + 1e-6 and rounding
        error = linear(target) - expected
        assert abs(error.mean()) < 5e-4 and error.std() < 0.011, scale
    # means of the coded values would be darker
    coded = linear(means(targets[4].astype(float), 4)) - means(reflectance, 4)
    assert coded.mean() < -0.03


def test_the_dark_picture_is_the_blurred_scene_over_squares_and_lies_where_the_targets_do():
    stripe = np.full((1600, 96, 3), 0.1)
    stripe[:, 40:52] = 0.8
    scene = Painted(stripe)[0]
    sigma = 4 * scene.blur
    assert 0.3 <= scene.blur <= 0.6
    offsets = np.arange(-12, 13)
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))
    profile = np.convolve(np.pad(stripe[0, :, 0], 12, mode='edge'), kernel / kernel.sum(), 'valid')
    expected = profile.reshape(-1, 4).mean(1)
    # 1200 values a column: rows and channels
    found = linear(scene.dark[-2.5]).mean((0, 2)) * 2**2.5
    assert np.abs(found - expected).max() < 5e-3
    plain = stripe[0, :, 0].reshape(-1, 4).mean(1)
    assert np.abs(found - plain).max() > 0.08  # what no lens would give
    position = np.arange(24)
    sharp = linear(scene.targets[4]).mean((0, 2)).reshape(-1, 4).mean(1)
    centres = [(p - 0.1) @ position / (p - 0.1).sum() for p in (found, sharp)]
    assert centres[0] == pytest.approx(centres[1], abs=0.05)


def test_noise_and_blur_keep_their_ranges_and_are_drawn_a_scene():
    scenes = CoupledNightScenes((8, 8), 1)
    drawn = [scenes.conditions(i) for i in range(300)]
    for name, low, high in (('shot_noise', 1e-4, 4e-4), ('read_noise', 5e-4, 2e-3)):
        values = np.array([[getattr(d[stops], name) for stops in STOPS] for d in drawn])
        assert (values == values[:, :1]).all()
        assert low <= values.min() < 1.1 * low and 0.9 * high < values.max() <= high
    blurs = [scenes.blur(i) for i in range(300)]
    assert 0.3 <= min(blurs) < 0.31 and 0.59 < max(blurs) <= 0.6
    assert drawn[7] == scenes[7].conditions and blurs[7] == scenes[7].blur


def test_strokes_are_thin_darker_or_brighter_and_stay_in_range():
    changes, widths = [], []
    for seed in range(20):
        ground = np.full((192, 160, 3), 0.2, np.float32)
        draw_strokes(np.random.default_rng(seed), ground, 4)
        assert ground.min() >= 0.02 and ground.max() <= 0.9
        changed = np.abs(np.log(ground[..., 0] / 0.2)) > 0.3
        changes.append([changed.mean(), (ground[changed] > 0.2).mean()])
        distance = cv2.distanceTransform(np.uint8(changed), cv2.DIST_L2, 5)
        widths.append(np.quantile(distance[changed], 0.9))
    covered, brighter = np.mean(changes, 0)
    assert 0.03 < covered < 0.4 and 0.3 < brighter < 0.7
    assert np.mean(widths) < 3  # half of 1.2 units of 4 pixels, and half a pixel


def test_boxes_are_tight_around_what_is_seen_of_each_object():
    reflectance = np.full((160, 192, 3), 0.05)
    instances = np.zeros((160, 192), np.int32)
    places = {  # class: rows and columns in the finest picture
        3: (slice(40, 60), slice(24, 66)),
        -1: (slice(100, 120), slice(10, 30)),  # a distractor
        0: (slice(81, 97), slice(120, 162)),
    }
    for value, (rows, columns) in enumerate(places.values(), 1):
        instances[rows, columns] = value
        reflectance[rows, columns] = 0.8
    reflectance[44:48] = 0.05  # a stroke across an object
    scene = Painted(reflectance, places, instances)[0]
    assert scene.boxes.dtype == np.float32 and scene.labels.tolist() == [3, 0]
    np.testing.assert_array_equal(scene.boxes, [[6, 10, 16.5, 15], [30, 81 / 4, 162 / 4, 97 / 4]])
    # pictures hold something bright inside the boxes and nothing beside them
    for scale, picture in scene.targets.items():
        bright = linear(picture).mean(-1) > 0.6
        for box in scene.boxes * scale:
            (left, top), (right, bottom) = (
                np.floor(box[:2]).astype(int),
                np.ceil(box[2:]).astype(int),
            )
            rows, columns = np.nonzero(bright[top : bottom + 3, left : right + 3])
            assert rows.max() < bottom - top and columns.max() < right - left
            assert len(rows) > 0.6 * np.prod(box[2:] - box[:2])


# --- scenes --------------------------------------------------------------------------------------


def test_same_key_same_bytes_and_other_key_other_pictures():
    scenes = CoupledNightScenes((12, 16), 5)
    first = scenes[2].dark[-4.0]
    np.random.seed(9)  # numpy's global state must not matter
    scenes[0]
    assert np.array_equal(first, CoupledNightScenes((12, 16), 5)[2].dark[-4.0])
    for other in (
        scenes[3],
        CoupledNightScenes((12, 16), 6)[2],
        CoupledNightScenes((12, 16), 5, 'x')[2],
    ):
        assert not np.array_equal(first, other.dark[-4.0])
    # drawn when this was written; bytes hold for one version of numpy and OpenCV
    digest = hashlib.sha256()
    scene = scenes[2]
    boxes, labels = scenes.objects(2)
    assert np.array_equal(scene.boxes, boxes) and np.array_equal(scene.labels, labels)
    for picture in (*scene.dark.values(), *scene.targets.values()):
        digest.update(picture.tobytes())
    assert digest.hexdigest().startswith('7272438db7446484e6a98e61809845f5')


def test_bad_arguments():
    with pytest.raises(ValueError, match='`size` is .* of the dark pictures with at least 8'):
        CoupledNightScenes((4, 64))
    with pytest.raises(IndexError, match='`index` is 0 or more'):
        CoupledNightScenes()[-1]


# --- folders -------------------------------------------------------------------------------------

SMALL = dict(size=(10, 12), seed=5, progress=False)
SPLITS = dict(train=4, val=2, test=3)


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp('coupled') / 'set'
    assert write_coupled_night_scenes(root, SPLITS, **SMALL) == 'written'
    return root


def other(root, splits=SPLITS, **change):
    """Another folder, by default with the same settings."""
    return write_coupled_night_scenes(root, splits, **SMALL | change)


def test_the_reader_finds_each_scene_with_its_references_and_stops(written):
    names = {}
    for split, count in SPLITS.items():
        scenes = [CoupledNightScenes((10, 12), 5, split)[i] for i in range(count)]
        for scale in (1, 2, 4):
            dataset = RELLISURDataset(str(written), split, scale, serialize_data=False)
            records = [dataset.get_data_info(i) for i in range(len(dataset))]
            found = {
                read(r['img_path']).tobytes(): (read(r['reference_path']).tobytes(), r['ev'])
                for r in records
            }
            expected = {
                picture.tobytes(): (scene.targets[scale].tobytes(), stops)
                for scene in scenes
                for stops, picture in scene.dark.items()
            }
            assert found == expected and len(records) == 5 * count
            names[split] = {r['scene'] for r in records}
    assert len(set().union(*names.values())) == 9 and len(next(iter(names['val']))) == 5


def test_records_hold_the_stops_the_blur_and_the_noise(written):
    for split, count in SPLITS.items():
        records = json.loads((written / f'annotations/{split}.json').read_text())
        scenes = CoupledNightScenes((10, 12), 5, split)
        assert len(records) == count
        for index, record in enumerate(records):
            camera = scenes.conditions(index)[-2.5]
            assert record['stops'] == list(STOPS) and record['blur'] == scenes.blur(index)
            assert record['shot_noise'] == camera.shot_noise
            assert record['read_noise'] == camera.read_noise
            assert len(list(written.rglob(f'{record["scene"]}*.png'))) == 8


def test_objects_are_those_of_the_scenes_in_pixels_of_each_picture(written):
    coco = pytest.importorskip('pycocotools.coco')
    folders = dict(dark='LLLR', X1='NLHR/X1', X2='NLHR/X2', X4='NLHR/X4')
    seen = set()
    for split, half in (('train', 'Train'), ('val', 'Val'), ('test', 'Test')):
        scenes = [CoupledNightScenes((10, 12), 5, split)[i] for i in range(SPLITS[split])]
        for kind, folder in folders.items():
            found = coco.COCO(written / f'annotations/{split}_{kind}.json')
            pictures = {read(p).tobytes(): p for p in (written / half / folder).glob('*.png')}
            assert len(found.imgs) == len(pictures)
            for scene in scenes:
                drawn = scene.dark if kind == 'dark' else {None: scene.targets[int(kind[1:])]}
                for stops, picture in drawn.items():
                    (entry,) = (
                        e
                        for e in found.imgs.values()
                        if e['file_name'] == pictures[picture.tobytes()].name
                    )
                    assert (entry['height'], entry['width']) == picture.shape[:2]
                    assert entry.get('ev') == stops
                    there = found.imgToAnns[entry['id']]
                    scale = 1 if kind == 'dark' else int(kind[1:])
                    expected = scale * scene.boxes
                    expected = np.hstack([expected[:, :2], expected[:, 2:] - expected[:, :2]])
                    np.testing.assert_allclose([a['bbox'] for a in there], expected)
                    assert [a['category_id'] for a in there] == (scene.labels + 1).tolist()
                    seen |= {found.cats[a['category_id']]['name'] for a in there}
    assert seen == set(CLASSES)


def test_a_folder_without_boxes_gets_them_and_keeps_its_pictures(written, tmp_path):
    other(tmp_path / 'old')
    for file in (tmp_path / 'old/annotations').glob('*_*.json'):
        file.unlink()
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / 'old').rglob('*.png')}
    assert other(tmp_path / 'old') == 'written'
    assert folder_bytes(tmp_path / 'old') == folder_bytes(written)
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps


def test_the_detectors_reader_finds_every_object(written):
    pytest.importorskip('mmdet')
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = DATASETS.build(
            dict(
                type='mmdet.CocoDataset',
                metainfo=dict(classes=CLASSES),
                data_root=str(written),
                ann_file='annotations/test_dark.json',
                data_prefix=dict(img='Test/LLLR'),
                test_mode=True,
                serialize_data=False,
            )
        )
    boxes = {i: CoupledNightScenes((10, 12), 5, 'test')[i].boxes for i in range(3)}
    assert len(dataset) == 15
    for index in range(15):
        record = dataset.get_data_info(index)
        assert Path(record['img_path']).is_file()
        found = np.array([instance['bbox'] for instance in record['instances']])
        # mmdet leaves out what is less than a pixel wide or high
        sides = boxes[index // 5][:, 2:] - boxes[index // 5][:, :2]
        np.testing.assert_allclose(found, boxes[index // 5][sides.min(1) >= 1])


def test_same_settings_are_already_there(written):
    before = folder_bytes(written)
    assert other(written) == other(written, dict(val=2)) == 'already there'
    assert folder_bytes(written) == before


def test_workers_change_nothing(tmp_path):
    for workers in (1, 2):
        other(tmp_path / str(workers), dict(test=3), workers=workers)
    alone, shared = folder_bytes(tmp_path / '1'), folder_bytes(tmp_path / '2')
    assert alone == shared and len(alone) == 3 * 8 + 6


def test_interrupted_runs_are_finished_and_sets_extended(written, tmp_path, monkeypatch):
    from llv.datasets.night_scenes import folders

    grown = tmp_path / 'grown'
    real, calls = folders.write_atomic, []

    def dies(path, data):
        if len(calls) == 4:
            path.with_name(path.name + '.part').write_bytes(data[:10])
            raise KeyboardInterrupt
        calls.append(path)
        real(path, data)

    monkeypatch.setattr(folders, 'write_atomic', dies)
    with pytest.raises(KeyboardInterrupt):
        other(grown, dict(train=2))
    monkeypatch.undo()
    assert list(grown.rglob('*.part'))
    assert other(grown, dict(train=2)) == 'written'
    assert not list(grown.rglob('*.part'))
    kept = next(grown.rglob('*.png'))
    stamp = kept.stat().st_mtime_ns
    assert other(grown) == 'written'
    assert folder_bytes(grown) == folder_bytes(written) and kept.stat().st_mtime_ns == stamp
    for lost in (kept, grown / 'annotations/test.json', grown / 'annotations/val_X2.json'):
        lost.unlink()
        assert other(grown) == 'written'
        assert folder_bytes(grown) == folder_bytes(written)
    with pytest.raises(FileExistsError, match='already holds 4 scenes in `train`'):
        other(grown, dict(train=3))


def test_other_folders_and_settings_are_refused(written, tmp_path):
    before = folder_bytes(written)
    with pytest.raises(FileExistsError, match='with seed=5, not 6'):
        other(written, seed=6)
    write_night_faces(tmp_path / 'faces', dict(val=1), (40, 48), 5, progress=False)
    with pytest.raises(FileExistsError, match='holds night scenes of faces, not of coupled'):
        other(tmp_path / 'faces')
    for splits, said in (
        (dict(dusk=1), '`dusk` is no split of coupled night scenes: .* train, val, test'),
        (dict(val=10001), '`val` has five-digit numbers for 10000 .* not 10001'),
    ):
        with pytest.raises(ValueError, match=said):
            other(tmp_path / 'new', splits)
    assert folder_bytes(written) == before and not (tmp_path / 'new').exists()


# --- tools and config ----------------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the tool in this process; returns its exit status, stdout and stderr."""

    def call(*arguments):
        name = 'make_night_scenes'
        spec = importlib.util.spec_from_file_location(name, ROOT / 'tools' / f'{name}.py')
        tool = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, tool)
        spec.loader.exec_module(tool)
        monkeypatch.setattr(sys, 'argv', [f'{name}.py', *map(str, arguments)])
        try:
            with friendly_errors():
                status = tool.main() or 0
        except SystemExit as error:
            status = error.code
        return status, *capsys.readouterr()

    return call


def test_command_line(written, tmp_path, run):
    splits = ['--splits', *(f'{name}={count}' for name, count in SPLITS.items())]
    options = ['--coupled', *splits, '--size', '10x12', '--workers', 1]
    status, out, _ = run(tmp_path / 'out', *options, '--seed', 5)
    assert (status, out) == (0, f'{tmp_path}/out: written\n')
    assert folder_bytes(tmp_path / 'out') == folder_bytes(written)
    status, _, err = run(tmp_path / 'out', *options, '--seed', 6)
    assert status == 2 and err.count('\n') == 1 and 'seed=5, not 6' in err
    for extra in (['--faces'], ['--mode', 'uniform'], ['--exposures', 'sice']):
        status, _, err = run(tmp_path / 'new', *options, *extra)
        assert status == 2 and '`--coupled` takes neither' in err


def test_other_scenes_are_192_pixels_as_before_and_coupled_ones_96(tmp_path, run):
    for option, file, shape in (
        ([], 'val/day/000000.png', (192, 192, 3)),
        (['--coupled'], 'Val/LLLR/80000-2.5.png', (96, 96, 3)),
    ):
        root = tmp_path / '-'.join(['set', *option])
        assert run(root, *option, '--splits', 'val=1', '--workers', 1)[0] == 0
        assert read(root / file).shape == shape
    day = read(tmp_path / 'set/val/day/000000.png')
    assert np.array_equal(day, NightScenes(split='val')[0].day)


def test_the_base_config_gives_crops_and_the_two_levels(tmp_path):
    other(tmp_path, dict(train=6, val=1, test=1), size=(48, 56))
    cfg = Config.fromfile(ROOT / 'configs/_base_/datasets/night_coupled.py')
    with DefaultScope.overwrite_default_scope('llv'):
        loaders = [cfg[f'{name}_dataloader'] for name in ('train', 'upper', 'val', 'test')]
        for loader in loaders:
            loader.dataset.update(data_root=str(tmp_path), serialize_data=False)
        lower, upper, val, test = (DATASETS.build(loader.dataset) for loader in loaders)
        METRICS.build(cfg.test_evaluator)
    assert [len(d) for d in (lower, upper, val, test)] == [25, 5, 5, 5]
    batch = pseudo_collate([lower[i] for i in range(cfg.train_dataloader.batch_size)])
    for picture, sample in zip(batch['inputs'], batch['data_samples'], strict=True):
        assert picture.shape == (3, 48, 48) and sample.reference.data.shape == (3, 96, 96)
        assert picture.float().mean() < 0.7 * sample.reference.data.float().mean()
    item = test[0]
    assert item['inputs'].shape == (3, 48, 56)
    assert item['data_samples'].reference.data.shape == (3, 96, 112)
    assert {test[i]['data_samples'].ev for i in range(5)} == set(STOPS)
