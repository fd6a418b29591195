"""Scenes in several exposures: what the light does to them, and folders that the readers of SICE and MSEC take."""

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

from llv.datasets.enhancement import MSECDataset, SICEDataset
from llv.datasets.night_scenes import (
    NightExposures,
    NightScenes,
    write_night_exposures,
    write_night_faces,
    write_night_scenes,
)
from llv.datasets.night_scenes.exposures import scene_name
from llv.datasets.splits.enhancement import sice_numbers
from llv.registry import DATASETS, METRICS
from llv.utils.errors import friendly_errors

ROOT = Path(__file__).resolve().parents[2]
MSEC_STOPS = {'N1.5': -1.5, 'N1': -1, '0': 0, 'P1': 1, 'P1.5': 1.5}


def folder_bytes(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob('*') if p.is_file()}


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1]


def linear(code):
    """IEC 61966-2-1 undone, float64."""
    x = np.asarray(code) / 255
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


class Painted(NightExposures):
    """In place of a scene, a reflectance of one's own."""

    def __init__(self, reflectance, layout):
        super().__init__(reflectance.shape[:2], 3, layout)
        self.painted = reflectance.astype(np.float32)

    def _compose(self, rng):
        return SimpleNamespace(reflectance=self.painted)


# --- light ---------------------------------------------------------------------------------------


def test_light_is_a_power_of_two_of_the_reflectance_and_noise_grows_as_it_gets_less():
    level, brought_back = 0.12, []
    scene = Painted(np.full((300, 300, 3), level), 'msec')[0]
    assert list(scene.pictures) == list(MSEC_STOPS)
    for name, stops in MSEC_STOPS.items():
        condition = scene.conditions[name]
        assert condition.exposure_ev == stops
        signal = linear(scene.pictures[name])
        expected = level * 2**stops
        # rounding to 8 bits adds the variance of a step of the curve: slope / 255, uniform
        step = 1 / 255 * 2.4 / 1.055 * (1.055 * expected ** (1 / 2.4)) ** 1.4 / 1.055**0.4
        noise = condition.shot_noise * expected + condition.read_noise**2
        assert signal.mean() == pytest.approx(expected, rel=2e-3)
        assert signal.var() == pytest.approx(noise + step**2 / 12, rel=0.03)
        brought_back.append(signal.std() / 2**stops)
    assert all(a > 1.2 * b for a, b in zip(brought_back, brought_back[1:], strict=False))


def test_what_exceeds_full_scale_is_one_white():
    ramp = np.linspace(0.02, 0.9, 200)[None, :, None].repeat(40, 0).repeat(3, 2)
    scene = Painted(ramp, 'sice')[0]
    condition = scene.conditions['over']
    assert condition.exposure_ev >= 1.5
    light = ramp * 2**condition.exposure_ev
    spread = np.sqrt(condition.shot_noise * light + condition.read_noise**2)
    assert (scene.pictures['over'][light > 1 + 6 * spread] == 255).all()
    assert (scene.pictures['over'][light < 0.95 - 6 * spread] < 255).all()
    lost = scene.day[light > 1.1]
    assert lost.max() - lost.min() > 60  # a wide range of levels, gone


def test_stops_and_noise_keep_their_ranges_and_are_drawn_a_scene():
    scenes = NightExposures((32, 32), 1)
    drawn = [scenes.conditions(i) for i in range(300)]
    low, over = (np.array([d[name].exposure_ev for d in drawn]) for name in ('low', 'over'))
    assert -2.5 <= low.min() < -2.45 and -1.55 < low.max() <= -1.5
    assert 1.5 <= over.min() < 1.55 and 2.45 < over.max() <= 2.5
    assert abs(np.corrcoef(low, over)[0, 1]) < 0.2
    for name, bounds in (('shot_noise', (2e-4, 8e-4)), ('read_noise', (1e-3, 4e-3))):
        # one camera a scene
        pairs = np.array([[getattr(d[e], name) for e in ('low', 'over')] for d in drawn])
        assert np.array_equal(pairs[:, 0], pairs[:, 1])
        assert bounds[0] <= pairs.min() < 1.1 * bounds[0] and pairs.max() <= bounds[1]
    assert drawn[7] == scenes[7].conditions


# --- scenes --------------------------------------------------------------------------------------


@pytest.mark.parametrize('layout', ['sice', 'msec'])
def test_day_pictures_are_those_of_the_other_night_scenes(layout):
    exposed, scenes = NightExposures((48, 64), 5, layout, 'val'), NightScenes((48, 64), 5)
    scenes.split = 'val'
    for index in (0, 3):
        assert np.array_equal(exposed[index].day, scenes[index].day)


def test_same_key_same_bytes_and_other_key_other_pictures():
    scenes = NightExposures((48, 64), 5)
    first = scenes[2].pictures['low']
    np.random.seed(9)  # numpy's global state must not matter
    scenes[0]
    assert np.array_equal(first, NightExposures((48, 64), 5)[2].pictures['low'])
    for other in (
        scenes[3],
        NightExposures((48, 64), 6)[2],
        NightExposures((48, 64), 5, split='x')[2],
    ):
        assert not np.array_equal(first, other.pictures['low'])
    # drawn when this was written; bytes hold for one version of numpy and OpenCV
    digest = hashlib.sha256()
    for layout in ('sice', 'msec'):
        scene = NightExposures((48, 64), 5, layout)[2]
        for picture in scene.pictures.values():
            digest.update(picture.tobytes())
    assert digest.hexdigest().startswith('13610e10aefcd3b3c923ab3e329bddaf')


def test_bad_arguments():
    with pytest.raises(ValueError, match="`layout` is 'sice' or 'msec', not 'lol'"):
        NightExposures(layout='lol')
    with pytest.raises(ValueError, match='`size` is .* at least 32'):
        NightExposures((16, 64))
    with pytest.raises(IndexError, match='`index` is 0 or more'):
        NightExposures()[-1]


# --- folders -------------------------------------------------------------------------------------

SMALL = dict(size=(40, 48), seed=5, progress=False)
SPLITS = dict(train=4, val=2, test=3)


@pytest.fixture(scope='module', params=['sice', 'msec'])
def written(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param) / 'set'
    assert write_night_exposures(root, SPLITS, layout=request.param, **SMALL) == 'written'
    return request.param, root


def other(layout, tmp_path, splits=SPLITS, **change):
    """Another folder, by default with the same settings."""
    return write_night_exposures(tmp_path, splits, **SMALL | dict(layout=layout) | change)


def test_the_reader_finds_each_scene_with_its_reference_and_its_group(written):
    layout, root = written
    kind = dict(sice=SICEDataset, msec=MSECDataset)[layout]
    groups = (
        dict(low='under', over='over')
        if layout == 'sice'
        else {'N1.5': 'under', 'N1': 'under', '0': 'over', 'P1': 'over', 'P1.5': 'over'}
    )
    for split, count in SPLITS.items():
        dataset = kind(data_root=str(root), subset=split, serialize_data=False)
        scenes = NightExposures((40, 48), 5, layout, split)
        expected = {}
        for index in range(count):
            scene = scenes[index]
            for name, picture in scene.pictures.items():
                expected[picture.tobytes()] = (scene.day.tobytes(), groups[name])
        records = [dataset.get_data_info(i) for i in range(len(dataset))]
        found = {
            read(r['img_path']).tobytes(): (read(r['reference_path']).tobytes(), r['exposure'])
            for r in records
        }
        assert found == expected and len(records) == count * len(groups)


def test_scenes_of_sice_have_the_numbers_of_its_lists(tmp_path):
    names = {
        split: [scene_name('sice', split, i) for i in range(count)]
        for split, count in (('train', 700), ('val', 30), ('test', 200))
    }
    for split, count in (('train', 482), ('val', 30), ('test', 30)):
        assert names[split][:count] == [str(number) for number in sice_numbers(split)]
    assert len({*names['train'], *names['val']}) == 730 and len(set(names['test'])) == 200
    with pytest.raises(ValueError, match='`val` in the layout of SICE has 30 scenes at most, not'):
        other('sice', tmp_path / 'new', dict(val=31))
    assert not (tmp_path / 'new').exists()


def test_records_hold_the_stops_and_the_noise(written):
    layout, root = written
    for split, count in SPLITS.items():
        records = json.loads((root / f'annotations/{split}.json').read_text())
        assert len(records) == count
        for index, record in enumerate(records):
            conditions = NightExposures((40, 48), 5, layout, split).conditions(index)
            assert record['stops'] == {k: v.exposure_ev for k, v in conditions.items()}
            assert {record['read_noise']} == {v.read_noise for v in conditions.values()}
            assert list(root.rglob(f'{record["scene"]}*.png'))


def test_same_settings_are_already_there(written):
    layout, root = written
    before = folder_bytes(root)
    assert other(layout, root) == other(layout, root, dict(val=2)) == 'already there'
    assert folder_bytes(root) == before


def test_workers_change_nothing(tmp_path):
    for workers in (1, 2):
        other('msec', tmp_path / str(workers), dict(test=3), workers=workers)
    alone, shared = folder_bytes(tmp_path / '1'), folder_bytes(tmp_path / '2')
    assert alone == shared and len(alone) == 3 * 6 + 2


def test_interrupted_runs_are_finished_and_sets_extended(written, tmp_path, monkeypatch):
    from llv.datasets.night_scenes import folders

    layout, root = written
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
        other(layout, grown, dict(train=2))
    monkeypatch.undo()
    assert list(grown.rglob('*.part'))
    assert other(layout, grown, dict(train=2)) == 'written'
    assert not list(grown.rglob('*.part'))
    kept = next(grown.rglob('*.png'))
    stamp = kept.stat().st_mtime_ns
    assert other(layout, grown) == 'written'
    assert folder_bytes(grown) == folder_bytes(root) and kept.stat().st_mtime_ns == stamp
    for lost in (kept, grown / 'annotations/test.json'):
        lost.unlink()
        assert other(layout, grown) == 'written'
        assert folder_bytes(grown) == folder_bytes(root)
    with pytest.raises(FileExistsError, match='already holds 4 scenes in `train`'):
        other(layout, grown, dict(train=3))


def test_other_folders_and_settings_are_refused(written, tmp_path):
    layout, root = written
    before = folder_bytes(root)
    with pytest.raises(FileExistsError, match='with seed=5, not 6'):
        other(layout, root, seed=6)
    with pytest.raises(FileExistsError, match=f'with layout={layout}, not '):
        other('msec' if layout == 'sice' else 'sice', root)
    with pytest.raises(FileExistsError, match='holds night scenes of exposures, not of objects'):
        write_night_scenes(root, dict(val=1), **SMALL)
    write_night_faces(tmp_path / 'faces', dict(val=1), **SMALL)
    with pytest.raises(FileExistsError, match='holds night scenes of faces, not of exposures'):
        other(layout, tmp_path / 'faces')
    with pytest.raises(ValueError, match='`dusk` is no split of exposures: .* train, val, test'):
        other(layout, tmp_path / 'new', dict(dusk=1))
    assert folder_bytes(root) == before and not (tmp_path / 'new').exists()


# --- tools and config ----------------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a tool in this process; returns its exit status, stdout and stderr."""

    def call(name, *arguments):
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
    layout, root = written
    splits = ['--splits', *(f'{name}={count}' for name, count in SPLITS.items())]
    options = ['--exposures', layout, *splits, '--size', '40x48', '--workers', 1]
    status, out, _ = run('make_night_scenes', tmp_path / 'out', *options, '--seed', 5)
    assert (status, out) == (0, f'{tmp_path}/out: written\n')
    assert folder_bytes(tmp_path / 'out') == folder_bytes(root)
    status, _, err = run('make_night_scenes', tmp_path / 'out', *options, '--seed', 6)
    assert status == 2 and err.count('\n') == 1 and 'seed=5, not 6' in err
    for extra in (['--faces'], ['--mode', 'uniform']):
        status, _, err = run('make_night_scenes', tmp_path / 'new', *options, *extra)
        assert status == 2 and '`--exposures` takes neither' in err


def test_the_checker_misses_nothing_but_the_published_numbers(written, run):
    layout, root = written
    titles = dict(sice=['trainval', 'test'], msec=['train', 'val', 'test, expert C'])[layout]
    options = [layout, root, '--check-sizes', '--decode', '--subsets', *titles]
    status, out, _ = run('check_dataset', *options)
    pairs = [6 * 2, 3 * 2] if layout == 'sice' else [4 * 5, 2 * 5, 3 * 5]
    for title, count in zip(titles, pairs, strict=True):
        assert f'{title}: {count} pairs' in out
    problems = [line for line in out.splitlines() if line.startswith('  ')]
    assert problems and all('instead of' in p or 'not in' in p for p in problems)


def test_the_base_config_gives_crops_with_references_and_groups(tmp_path):
    other('sice', tmp_path, size=(100, 112))
    cfg = Config.fromfile(ROOT / 'configs/_base_/datasets/night_exposures.py')
    with DefaultScope.overwrite_default_scope('llv'):
        loaders = cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader
        for loader in loaders:
            loader.dataset.update(data_root=str(tmp_path), serialize_data=False)
        train, val, test = (DATASETS.build(loader.dataset) for loader in loaders)
        METRICS.build(cfg.test_evaluator)
    assert (len(train), len(val), len(test)) == (8, 4, 6)
    batch = pseudo_collate([train[i] for i in range(cfg.train_dataloader.batch_size)])
    for picture, sample in zip(batch['inputs'], batch['data_samples'], strict=True):
        assert picture.shape == sample.reference.data.shape == (3, 96, 96)
    levels = {'under': [], 'over': []}
    for item in (test[i] for i in range(6)):
        assert item['inputs'].shape == (3, 100, 112)
        sample = item['data_samples']
        difference = item['inputs'].float().mean() - sample.reference.data.float().mean()
        levels[sample.get(cfg.test_evaluator.groups)].append(float(difference))
    assert len(levels['under']) == len(levels['over']) == 3
    assert max(levels['under']) < -20 and min(levels['over']) > 20
