"""Synthetic crowds: what the annotations say is what is drawn, in each of the formats."""

import hashlib
import importlib.util
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llv.datasets.night_scenes import NightFaces, NightScenes, write_night_faces, write_night_scenes
from llv.datasets.night_scenes.faces import _Crowd
from llv.datasets.night_scenes.people import Person, draw_person
from llv.utils.errors import friendly_errors

ROOT = Path(__file__).resolve().parents[2]


def folder_bytes(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob('*') if p.is_file()}


def test_scenes_of_objects_are_what_they_were_before_faces():
    # drawn before faces were added; bytes hold for one version of numpy and OpenCV
    digest = hashlib.sha256()
    for index in range(3):
        scene = NightScenes((48, 64), 3, 'local', 'val')[index]
        for name in ('day', 'night', 'label_map', 'boxes', 'labels', 'instance_map'):
            digest.update(np.ascontiguousarray(getattr(scene, name)).tobytes())
    assert digest.hexdigest().startswith('82f6fcb84040a93f398537e8960a261e')


# --- one person ----------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    half=st.floats(2, 30),
    aspect=st.floats(1.2, 1.5),
    tilt=st.floats(-0.35, 0.35),
    x=st.floats(0, 3),
    y=st.floats(0, 3),
)
def test_ellipse_box_and_drawing_are_the_same_face(half, aspect, tilt, x, y):
    centre = 90 + x, 90 + y
    person = Person('face', *centre, half, half * aspect, tilt, look=5)
    _, _, cover, top, left = draw_person(person)
    assert cover.sum() == pytest.approx(np.pi * half**2 * aspect, rel=0.06)
    rows, columns = np.nonzero(cover > 0)
    weights = cover[rows, columns]
    mean = [np.average(c + low + 0.5, weights=weights) for c, low in ((columns, left), (rows, top))]
    assert mean == pytest.approx(centre, abs=0.1)

    major, minor, angle, *middle = person.ellipse
    assert tuple(middle) == centre and major > minor and -np.pi / 2 < angle <= np.pi / 2
    # FDDB's own formula for the box of an ellipse
    across = np.sqrt((major * np.cos(angle)) ** 2 + (minor * np.sin(angle)) ** 2)
    along = np.sqrt((major * np.sin(angle)) ** 2 + (minor * np.cos(angle)) ** 2)
    box = person.box((200, 200))
    expected = (centre[0] - across, centre[1] - along, centre[0] + across, centre[1] + along)
    assert np.abs(np.subtract(box, expected)).max() <= 0.5 + 1e-9
    solid = cover >= 0.5
    drawn = (*(v + left for v in np.flatnonzero(solid.any(0))[[0, -1]]),)
    assert abs(drawn[0] - box[0]) <= 1 and abs(drawn[1] + 1 - box[2]) <= 1
    # the second moments of what is drawn point along the major axis
    if half > 8:
        moments = np.cov(columns, rows, aweights=weights)
        direction = np.linalg.eigh(moments)[1][:, -1]
        along_axis = abs(direction @ (np.cos(angle), np.sin(angle)))
        assert along_axis > np.cos(np.deg2rad(3))


def test_only_faces_have_features():
    def detail(kind):
        """Standard deviation of the eyes' band inside the face."""
        values = []
        for look in range(20):
            colour, _, cover, top, left = draw_person(Person(kind, 40, 40, 20, 26, 0, look))
            rows = slice(33 - top, 41 - top)
            grey = colour[rows].mean(2)
            values.append(grey[cover[rows] > 0.99].std() / grey[cover[rows] > 0.99].mean())
        return np.array(values)

    assert detail('face').min() > 2 * max(detail('dummy').max(), detail('back').max())


# --- scenes --------------------------------------------------------------------------------------


def test_scene_layout_and_repetition():
    scenes = NightFaces((96, 130), seed=3)
    first = scenes[4]
    for picture in (first.day, first.night):
        assert picture.shape == (96, 130, 3) and picture.dtype == np.uint8
    assert first.boxes.dtype == np.float32 and first.ellipses.dtype == np.float64
    assert len(first.boxes) == len(first.ellipses) == first.face_map.max()
    np.random.seed(9)  # numpy's global state must not matter
    scenes[0]
    again = NightFaces((96, 130), seed=3)[4]
    for name in ('day', 'night', 'boxes', 'ellipses', 'face_map'):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    uniform = NightFaces((96, 130), 3, 'uniform')[4]
    assert np.array_equal(first.day, uniform.day) and np.array_equal(first.boxes, uniform.boxes)
    assert not np.array_equal(first.night, uniform.night)
    for other in (NightFaces((96, 130), 4)[4], scenes[5], NightFaces((96, 130), 3, split='val')[4]):
        assert not np.array_equal(first.day, other.day)
    assert first.night.mean() < 0.7 * first.day.mean()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), height=st.integers(32, 140), width=st.integers(32, 140))
def test_every_face_shows_half_of_its_ellipse_where_its_box_is(seed, height, width):
    scene = NightFaces((height, width), seed)[0]
    for i, (box, ellipse) in enumerate(zip(scene.boxes, scene.ellipses, strict=True)):
        x1, y1, x2, y2 = box
        assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
        rows, columns = np.nonzero(scene.face_map == i + 1)
        major, minor, angle, x, y = ellipse
        assert len(rows) >= 0.5 * np.pi * major * minor * 0.85 - 2
        # visible pixels lie in the ellipse: a pixel of slack for those cut by its edge
        u = (columns + 0.5 - x) * np.cos(angle) + (rows + 0.5 - y) * np.sin(angle)
        v = (rows + 0.5 - y) * np.cos(angle) - (columns + 0.5 - x) * np.sin(angle)
        assert (np.hypot(u / (major + 1), v / (minor + 1)) <= 1).all()


def test_pixels_behind_someone_in_front_are_no_longer_visible():
    crowd, stay = _Crowd(np.random.default_rng(0), (100, 120)), np.zeros((1, 2), int)
    assert crowd.place(Person('face', 50, 50, 10, 13, 0, look=1), stay)
    whole = (crowd.face_map == 1).sum()
    front = Person('back', 63, 50, 10, 13, 0, look=2)
    assert crowd.place(front, stay)
    assert 0.5 * whole <= (crowd.face_map == 1).sum() < 0.95 * whole
    assert (crowd.face_map[45:55, 54:72] == 0).all()
    # someone who would hide more than half is not placed, unless another try is elsewhere
    nearer = Person('back', 50, 50, 10, 13, 0, look=2)
    assert not crowd.place(nearer, stay)
    assert crowd.place(nearer, np.array([(0, 0), (-30, 20)]))


def test_scenes_are_varied():
    scenes = [NightFaces((192, 192), seed=0)[i] for i in range(70)]
    counts = np.array([len(s.boxes) for s in scenes])
    assert counts.max() >= 9 and (counts == 0).any() and np.mean(counts == 0) < 0.25
    boxes = np.concatenate([s.boxes for s in scenes])
    widths = boxes[:, 2] - boxes[:, 0]
    assert widths[boxes[:, 0] > 0].min() >= 3 and widths.max() <= 0.28 * 192 * 1.15
    assert np.quantile(widths, 0.25) < 10 and np.quantile(widths, 0.9) > 30
    # some are hidden in part, some stand close together
    hidden = [
        (s.face_map == i + 1).sum() < 0.9 * np.pi * np.prod(s.ellipses[i, :2])
        for s in scenes
        for i in range(len(s.boxes))
    ]
    assert 0.1 < np.mean(hidden) < 0.7


@pytest.mark.parametrize(
    'kwargs, match',
    [
        (dict(size=(16, 64)), '`size` is .* at least 32'),
        (dict(mode='dusk'), "`mode` is 'local' or 'uniform', not 'dusk'"),
    ],
)
def test_bad_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        NightFaces(**kwargs)
    with pytest.raises(IndexError, match='`index`'):
        NightFaces()[-1]


# --- folders -------------------------------------------------------------------------------------

SMALL = dict(size=(64, 80), seed=5, progress=False)
SPLITS = dict(train=12, val=3)
ALL = ('darkface', 'coco', 'fddb')


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp('faces') / 'set'
    assert write_night_faces(root, SPLITS, formats=ALL, **SMALL) == 'written'
    return root


def scene_of(split, number):
    return NightFaces((64, 80), 5, split=split)[number - 1]


def test_dark_face_files_hold_the_scenes(written):
    for split, count in SPLITS.items():
        folder = written / split
        names = {p.name for p in (folder / 'image').iterdir()}
        assert names == {f'{n}.png' for n in range(1, count + 1)}
        for number in range(1, count + 1):
            scene = scene_of(split, number)
            for part, expected in (('image', scene.night), ('day', scene.day)):
                picture = cv2.imread(str(folder / part / f'{number}.png'))[..., ::-1]
                assert np.array_equal(picture, expected)
            first, *lines = (folder / 'label' / f'{number}.txt').read_text().splitlines()
            boxes = [[int(v) for v in line.split(' ')] for line in lines]
            assert int(first) == len(boxes) and boxes == scene.boxes.tolist()


def test_coco_files_hold_the_same_boxes(written):
    from pycocotools.coco import COCO

    for light in ('day', 'night'):
        coco = COCO(str(written / f'annotations/train_{light}.json'))
        assert [c['name'] for c in coco.loadCats(coco.getCatIds())] == ['face']
        for number in range(1, 13):
            image = coco.loadImgs([number])[0]
            assert image['file_name'] == f'{number}.png'
            assert (image['height'], image['width']) == (64, 80)
            assert ('night' in image) == (light == 'night')
            found = coco.loadAnns(coco.getAnnIds(imgIds=[number]))
            corners = [[x, y, x + w, y + h] for x, y, w, h in (a['bbox'] for a in found)]
            assert corners == scene_of('train', number).boxes.tolist()


def test_fddb_files_list_every_picture_once_with_its_ellipses(written):
    folder, seen = written / 'train', []
    for fold in range(1, 11):
        paths = (folder / f'FDDB-folds/FDDB-fold-{fold:02d}.txt').read_text().split()
        lines = (folder / f'FDDB-folds/FDDB-fold-{fold:02d}-ellipseList.txt').read_text()
        lines = iter(lines.splitlines())
        for path in paths:
            number = int(path.rsplit('_', 1)[1])
            seen.append(number)
            scene = scene_of('train', number)
            assert next(lines) == path
            assert int(next(lines)) == len(scene.ellipses)
            for ellipse in scene.ellipses:
                values = [float(v) for v in next(lines).split()]
                assert values == pytest.approx([*ellipse, 1], abs=1e-6)
            picture = cv2.imread(str(folder / f'originalPics/{path}.jpg'))[..., ::-1]
            assert np.abs(picture.astype(float) - scene.day).mean() < 6  # JPEG
        assert list(lines) == []
    assert sorted(seen) == list(range(1, 13))


def test_ellipses_drawn_by_opencv_cover_the_faces():
    # the same direction of the angle as in OpenCV, which FDDB's evaluation draws with
    inside, union = 0, 0
    for number in range(1, 13):
        scene = scene_of('train', number)
        for i, (major, minor, angle, x, y) in enumerate(scene.ellipses):
            drawn = np.zeros((64, 80), np.uint8)
            axes = 2 * major, 2 * minor
            cv2.ellipse(drawn, ((x - 0.5, y - 0.5), axes, np.rad2deg(angle)), 1, -1)
            visible = scene.face_map == i + 1
            inside += (visible & (drawn > 0)).sum()
            union += visible.sum()
    assert inside > 0.97 * union > 100


def test_same_settings_are_already_there_and_workers_change_nothing(written, tmp_path):
    before = folder_bytes(written)
    assert write_night_faces(written, SPLITS, formats=ALL, **SMALL) == 'already there'
    assert write_night_faces(written, dict(val=3), formats=['coco'], **SMALL) == 'already there'
    write_night_faces(tmp_path / 'b', SPLITS, formats=ALL, workers=2, **SMALL)
    assert folder_bytes(tmp_path / 'b') == before == folder_bytes(written)


def test_sets_and_formats_are_extended_and_interrupted_runs_finished(
    written, tmp_path, monkeypatch
):
    from llv.datasets.night_scenes import folders

    root = tmp_path / 'grown'
    real, calls = folders.write_atomic, []

    def dies(path, data):
        if len(calls) == 5:
            path.with_name(path.name + '.part').write_bytes(data[:10])
            raise KeyboardInterrupt
        calls.append(path)
        real(path, data)

    monkeypatch.setattr(folders, 'write_atomic', dies)
    with pytest.raises(KeyboardInterrupt):
        write_night_faces(root, dict(train=4), formats=['coco'], **SMALL)
    monkeypatch.undo()
    assert write_night_faces(root, dict(train=4), formats=['coco'], **SMALL) == 'written'
    assert not (root / 'train/label').exists() and not (root / 'train/originalPics').exists()
    stamp = (root / 'train/image/2.png').stat().st_mtime_ns
    assert write_night_faces(root, SPLITS, formats=['fddb', 'darkface'], **SMALL) == 'written'
    assert folder_bytes(root) == folder_bytes(written)
    assert (root / 'train/image/2.png').stat().st_mtime_ns == stamp
    (root / 'train/label/3.txt').unlink()
    assert write_night_faces(root, SPLITS, **SMALL) == 'written'
    assert folder_bytes(root) == folder_bytes(written)


def test_other_folders_and_settings_are_refused(written, tmp_path):
    with pytest.raises(FileExistsError, match='with seed=5, not 6'):
        write_night_faces(written, SPLITS, **SMALL | dict(seed=6))
    with pytest.raises(FileExistsError, match='holds night scenes of faces, not of objects'):
        write_night_scenes(written, SPLITS, **SMALL)
    with pytest.raises(FileExistsError, match='already holds 12 scenes in `train`'):
        write_night_faces(written, dict(train=4), **SMALL)
    write_night_scenes(tmp_path / 'objects', dict(val=1), **SMALL)
    with pytest.raises(FileExistsError, match='holds night scenes of objects, not of faces'):
        write_night_faces(tmp_path / 'objects', dict(val=1), **SMALL)
    for formats in ((), ('voc',)):
        with pytest.raises(ValueError, match='`formats` takes any of darkface, coco, fddb'):
            write_night_faces(tmp_path / 'new', SPLITS, formats=formats, **SMALL)
    assert not (tmp_path / 'new').exists()


def test_command_line(written, tmp_path, monkeypatch, capsys):
    path = ROOT / 'tools/make_night_scenes.py'
    spec = importlib.util.spec_from_file_location(path.stem, path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    def run(folder, *args):
        monkeypatch.setattr(
            sys, 'argv', [path.name, str(tmp_path / folder), *args, '--workers', '1']
        )
        with friendly_errors():
            tool.main()

    options = ['--faces', '--splits', 'train=12', 'val=3', '--seed', '5']
    run('out', *options, '--size', '64x80', '--format', *ALL)
    assert capsys.readouterr().out.endswith('written\n')
    assert folder_bytes(tmp_path / 'out') == folder_bytes(written)
    run('square', '--faces', '--splits', 'val=1', '--size', '96')
    assert cv2.imread(str(tmp_path / 'square/val/image/1.png')).shape == (96, 96, 3)
    with pytest.raises(SystemExit, match='2'):
        run('x', '--size', '1x2x3')
    assert 'or one side of a square' in capsys.readouterr().err
    with pytest.raises(SystemExit, match='2'):
        run('x', '--format', 'coco')
    assert 'add `--faces`' in capsys.readouterr().err


# --- configs and readers -------------------------------------------------------------------------


@pytest.fixture(scope='module')
def data_config(written):
    from mmengine.config import Config

    cfg = Config.fromfile(ROOT / 'configs/_base_/datasets/night_faces.py')
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.data_root = str(written)
    return cfg


def test_the_base_config_gives_batches_by_night_and_by_day(data_config, written):
    pytest.importorskip('mmcv.ops')
    import mmdet.datasets  # noqa: F401
    from mmengine.registry import DATASETS, DefaultScope

    from llv.engine.seeded_sampler import seeded

    assert data_config.val_evaluator.ann_file.endswith('annotations/val_night.json')
    with DefaultScope.overwrite_default_scope('mmdet'):
        cfg = data_config.train_dataloader.dataset
        night = DATASETS.build(cfg)
        cfg = {**cfg, 'ann_file': 'annotations/train_day.json'}
        day = DATASETS.build({**cfg, 'data_prefix': dict(img='train/day/')})
        test = DATASETS.build(data_config.val_dataloader.dataset)
    for index in range(len(night)):
        items = []
        for dataset in (night, day):
            with seeded(index):
                items.append(dataset[index])
        boxes = [item['data_samples'].gt_instances.bboxes.tensor for item in items]
        assert items[0]['inputs'].shape == items[1]['inputs'].shape == (3, 192, 192)
        assert boxes[0].tolist() == boxes[1].tolist()
        assert boxes[0].min() >= 0 and boxes[0].max() <= 192
        assert items[0]['inputs'].float().mean() < items[1]['inputs'].float().mean()
    assert len(test) == 3
    sample = test[0]['data_samples']
    assert sample.ori_shape == (64, 80) and sample.img_shape == (192, 192)


def test_dark_face_and_fddb_readers_read_the_folder(written):
    pytest.importorskip('mmcv.ops')
    dark_face = pytest.importorskip('llv.datasets.detection.dark_face')
    fddb = pytest.importorskip('llv.datasets.detection.fddb')

    dataset = dark_face.DarkFaceDataset(data_root=str(written / 'train'), pipeline=[])
    assert len(dataset) == 12
    for index in range(12):
        info = dataset.get_data_info(index)
        expected = scene_of('train', int(Path(info['img_path']).stem)).boxes.tolist()
        assert [list(x['bbox']) for x in info['instances']] == expected
    dataset = fddb.FDDBDataset(data_root=str(written / 'train'), pipeline=[])
    assert len(dataset) == 12
    for index in range(12):
        info = dataset.get_data_info(index)
        number = int(Path(info['img_path']).stem.rsplit('_', 1)[1])
        assert len(info['instances']) == len(scene_of('train', number).ellipses)
