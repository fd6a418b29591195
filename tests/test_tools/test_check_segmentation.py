"""tools/check_dataset.py on segmentation sets."""

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('mmcv.ops')
pytest.importorskip('mmseg')
from mmengine.config import Config  # noqa: E402
from test_tools import segmentation_sets as sets  # noqa: E402
from test_tools.test_check_dataset import run  # noqa: E402, F401

from llv.datasets.segmentation.checks import PARTS, check_part, find_files  # noqa: E402
from llv.registry import DATASETS  # noqa: E402

ROOT = Path(__file__).parents[2]
NIGHT = ['--subsets', 'night/train', 'night/val']


@pytest.fixture
def check(run):  # noqa: F811
    DATASETS.get('ACDCDataset')  # what packages print while they are imported is no test's concern

    def call(*arguments):
        status, out, error = run('check_dataset', *arguments)
        assert 'Traceback' not in error
        return status, out.splitlines(), error

    return call


def test_the_official_numbers_are_the_published_ones():
    counts = {name: sum(part.count for part in parts) for name, parts in PARTS.items()}
    assert counts == dict(
        acdc=4006,
        cityscapes=5000,
        dark_zurich=50 + 151 + 2416 + 2920 + 3041,
        night_city=4297,
        nighttime_driving=50,
    )
    night = {part.split: part.count for part in PARTS['acdc'] if part.title.startswith('night')}
    assert night == dict(train=400, val=106, test=500)
    assert {part.count for part in PARTS['acdc'] if part.split == 'val'} == {100, 106}


def test_a_part_of_the_official_size_has_no_problem(tmp_path):
    root = sets.acdc(tmp_path)
    part = next(part for part in PARTS['acdc'] if part.title == 'night/train')
    found = check_part(part._replace(count=3), root, decode=True)
    assert found.problems == [] and len(found.pictures) == 3
    assert found.summary == '3 pictures, 3 label maps, 3 reference pictures'
    assert [problem.text for problem in check_part(part, root).problems] == [
        '3 pictures instead of 400'
    ]


COMPLETE = {
    'acdc': [
        'night/train: 3 pictures, 3 label maps, 3 reference pictures',
        'night/val: 2 pictures, 2 label maps, 2 reference pictures',
    ],
    'cityscapes': [
        'train: 2 pictures, 2 label maps',
        'val: 1 pictures, 1 label maps',
        'test: 1 pictures, label maps not looked for',
    ],
    'dark_zurich': ['val: 2 pictures, 2 label maps, 2 reference pictures'],
    'night_city': ['train: 2 pictures, 2 label maps', 'val: 1 pictures, 1 label maps'],
    'nighttime_driving': ['test: 2 pictures, 2 label maps'],
}


@pytest.mark.parametrize('name', COMPLETE)
def test_a_sound_set_in_the_layout_of_its_authors_is_told_complete(tmp_path, check, name):
    root = getattr(sets, name)(tmp_path / name)
    assert check(name, root, '--own', '--decode', '--check-sizes')[:2] == (
        0,
        [*COMPLETE[name], 'complete'],
    )
    status, lines, _ = check(name, root)
    for part in PARTS[name]:
        if (root / part.pictures).is_dir():
            assert f'pictures instead of {part.count}' in '\n'.join(lines)
    assert status == 1


def test_parts_with_labels_have_to_be_there_and_others_not(tmp_path, check):
    status, lines, _ = check('acdc', sets.acdc(tmp_path, [('night', 'train', 1)]))
    titles = [line.split(':')[0] for line in lines if line[0] != ' ' and ':' in line]
    assert status == 1 and titles == [
        f'{condition}/{split}'
        for condition in ('fog', 'night', 'rain', 'snow')
        for split in ('train', 'val')
    ]
    assert f'  No picture below `{tmp_path}/rgb_anon/fog/val` ends in `_rgb_anon.png`' in '\n'.join(
        lines
    )
    assert lines[-1] == '8 problems found'
    status, lines, _ = check('acdc', tmp_path, '--subsets', 'night/test')
    assert status == 1 and 'rgb_anon/night/test` ends in' in lines[1]


def night_problems(root, check, *options):
    """The lines about single files."""
    status, lines, _ = check('acdc', root, '--own', *NIGHT, *options)
    assert status == 1
    return [line for line in lines if line.startswith('  ')], lines


def test_pictures_without_label_map_and_label_maps_without_picture_are_named(tmp_path, check):
    root = sets.acdc(tmp_path)
    lost = root / 'gt/night/train/GOPR0001/GOPR0001_frame_000002_gt_labelTrainIds.png'
    lost.unlink()
    alone = root / 'rgb_anon/night/val/GOPR0000/GOPR0000_frame_000001_rgb_anon.png'
    alone.unlink()
    (first, second), lines = night_problems(root, check)
    assert 'GOPR0001_frame_000002_rgb_anon.png` has no label map' in first and str(lost) in first
    assert 'make it from `GOPR0001_frame_000002_gt_labelIds.png` with `tools/' in first
    assert 'frame_000001_gt_labelTrainIds.png` has no picture `GOPR0000/GOPR0000_frame_0' in second
    assert 'unpack the archive of pictures' in second and lines[-1] == '2 problems found'


def test_label_maps_in_colour_or_of_another_size_are_named(tmp_path, check):
    root = sets.acdc(tmp_path)
    folder = root / 'gt/night/val/GOPR0000'
    sets.picture(folder / 'GOPR0000_frame_000000_gt_labelTrainIds.png')
    sets.label(folder / 'GOPR0000_frame_000001_gt_labelTrainIds.png', size=(4, 4))
    (first, second), _ = night_problems(root, check)
    assert 'is in colour (RGB)' in first and '`_labelTrainIds.png`' in first
    assert 'is 8x6' in second and '4x4: resize the label map' in second


def test_unknown_ids_and_damage_are_found_by_decoding(tmp_path, check):
    root = sets.acdc(tmp_path)
    folder = root / 'gt/night/val/GOPR0000'
    sets.label(folder / 'GOPR0000_frame_000000_gt_labelTrainIds.png', (7, 23, 33))
    path = folder / 'GOPR0000_frame_000001_gt_labelTrainIds.png'
    sets.label(path, np.random.default_rng(0).integers(0, 19, 48))
    path.write_bytes(path.read_bytes()[:-40])
    picture = root / 'rgb_anon/night/train/GOPR0000/GOPR0000_frame_000000_rgb_anon.png'
    picture.write_bytes(picture.read_bytes()[:50])
    assert check('acdc', root, '--own', *NIGHT)[0] == 0
    (damaged, ids, cut), _ = night_problems(root, check, '--decode')
    assert str(picture) in damaged
    assert 'has the ids 23, 33' in ids and 'label_ids_to_train_ids.py`' in ids
    assert f'`{path}` is damaged' in cut


def test_ten_of_each_kind_are_listed_or_all(tmp_path, check):
    root = sets.cityscapes(tmp_path, [('train', 13)], converted=False)
    status, lines, _ = check('cityscapes', root, '--own')
    assert status == 1 and len(lines) == 13 and lines[-1] == '13 problems found'
    assert lines[-2] == '  no label map: 3 more (`--all` names them)'
    assert len(check('cityscapes', root, '--own', '--all')[1]) == 15


def test_reference_pictures_in_the_wrong_folder_are_no_pictures_without_label(tmp_path, check):
    root = sets.dark_zurich(tmp_path)
    for file in (root / 'rgb_anon/val_ref').rglob('*.png'):
        shutil.move(file, root / 'rgb_anon/val/night/GOPR0356' / file.name)
    status, lines, _ = check('dark_zurich', root, '--own')
    assert (status, lines[0]) == (0, COMPLETE['dark_zurich'][0])


def test_absent_labels_are_told_once_and_hidden_files_are_none(tmp_path, check):
    root = sets.night_city(tmp_path)
    sets.picture(root / 'NightCity-images/images/train/._Paris_0000.png')
    assert check('night_city', root, '--own')[0] == 0
    shutil.rmtree(root / 'NightCity-label')
    status, lines, _ = check('night_city', root, '--own')
    assert status == 1 and lines[-1] == '2 problems found'
    assert f'label maps `{root}/NightCity-label/label/train` is not there: unpack' in lines[1]


# base config: data set, the part that it tests on
CONFIGS = {
    'acdc_night': ('acdc', 'night/val'),
    'cityscapes_dark': ('cityscapes', 'val'),
    'dark_zurich': ('dark_zurich', 'val'),
    'night_city': ('night_city', 'val'),
    'nighttime_driving': ('nighttime_driving', 'test'),
}


@pytest.mark.parametrize('config', CONFIGS)
def test_what_is_checked_is_what_shipped_configs_read(tmp_path, config):
    name, title = CONFIGS[config]
    root = getattr(sets, name)(tmp_path)
    part = next(part for part in PARTS[name] if part.title == title)
    cfg = Config.fromfile(ROOT / 'configs' / '_base_' / 'datasets' / f'{config}.py')
    dataset = DATASETS.build(dict(cfg.test_dataloader.dataset, data_root=str(root), pipeline=[]))
    read = {
        (Path(record['img_path']), Path(record['seg_map_path']))
        for record in map(dataset.get_data_info, range(len(dataset)))
    }
    assert read == set(find_files(part, root).pairs()) and read


@pytest.mark.parametrize('name', COMPLETE)
def test_a_folder_without_the_set_is_told_in_sentences(tmp_path, check, name):
    status, lines, _ = check(name, tmp_path, '--own')
    assert status == 1 and f'No picture below `{tmp_path}/' in lines[1] and 'unpack' in lines[1]
    status, _, error = check(name, tmp_path, '--subsets', 'trian')
    assert status == 2 and '`--subsets` trian' in error and f'`{name}` has `' in error
