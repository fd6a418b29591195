"""ExDark: reader and protocols. The made-up data come from a writer that shares no code
with the reader."""

import hashlib
import logging
import os
import runpy
import tempfile
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import mmcv
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope

pytest.importorskip('mmcv.ops')
pytest.importorskip('mmdet')
from mmdet.datasets import CocoDataset  # noqa: E402
from mmdet.evaluation import VOCMetric  # noqa: E402

from llv.datasets.detection import EXDARK_TO_COCO, DatasetNotFoundError, ExDarkDataset  # noqa: E402
from llv.datasets.detection import image_sizes as image_sizes_module  # noqa: E402
from llv.datasets.splits import exdark_subset, seeded_order  # noqa: E402
from llv.registry import DATASETS  # noqa: E402

REPOSITORY = Path(__file__).parents[3]
# by path: test folders are no packages, and another folder may have its own data.py
data = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name('data.py'))))
EVERY_CASE, box, picture = data.EVERY_CASE, data.box, data.picture
write_exdark, write_list = data.write_exdark, data.write_list


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache' / 'llv' / 'image_sizes'


@pytest.fixture
def root(tmp_path):
    return write_exdark(tmp_path / 'ExDark')


@contextmanager
def log_lines():
    """The lines that go to mmengine's logger, with their levels."""
    lines = []
    handler = logging.Handler(logging.DEBUG)
    handler.emit = lambda record: lines.append((record.levelno, record.getMessage()))
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)


def records(dataset):
    return [dataset.get_data_info(index) for index in range(len(dataset))]


def by_number(dataset):
    return {record['img_id']: record for record in records(dataset)}


# reading ------------------------------------------------------------------------------------------


@pytest.mark.parametrize('newline', ['\n', '\r\n'])
def test_every_case_of_the_format(tmp_path, newline):
    root = write_exdark(tmp_path / 'ExDark', newline=newline)
    with log_lines() as lines:
        dataset = DATASETS.build(dict(type='llv.ExDarkDataset', data_root=str(root)))
    found = by_number(dataset)
    assert list(found) == [1, 2, 3, 4, 5, 6, 7, 8]
    classes = dataset.metainfo['classes']
    assert classes == (
        'Bicycle', 'Boat', 'Bottle', 'Bus', 'Car', 'Cat',
        'Chair', 'Cup', 'Dog', 'Motorbike', 'People', 'Table',
    )  # fmt: skip
    assert len(set(dataset.metainfo['palette'])) == len(classes)

    boxes = {
        number: [(classes[item['bbox_label']], item['bbox']) for item in record['instances']]
        for number, record in found.items()
    }
    assert boxes == {
        1: [('Bicycle', [4, 5, 24, 35]), ('People', [30, 10, 50, 35])],
        2: [('Boat', [2, 3, 42, 23])],
        3: [('Bottle', [10, 10, 20, 20])],
        4: [],
        5: [('Car', [5, 30, 45, 60])],
        6: [('Dog', [1, 1, 51, 41])],
        7: [('Table', [0, 0, 30, 30])],
        8: [('Cup', [0, 0, 64, 48]), ('Cup', [1.5, 2.25, 12, 22.25])],
    }
    assert all(
        item['ignore_flag'] == 0 for record in found.values() for item in record['instances']
    )
    assert found[2]['img_path'].endswith('2015_00002.JPG')
    assert [found[n]['light'] for n in (1, 4, 6)] == ['Low', 'Single', 'Twilight']
    assert [found[n]['indoor'] for n in (1, 2)] == [True, False]
    assert (found[7]['name'], found[7]['folder']) == ('2016_00007.png', 'People')

    for record in found.values():  # what the default loader gives is what the record says
        image = mmcv.imread(record['img_path'])
        assert image.shape == (record['height'], record['width'], 3)

    assert dataset.repairs.counts == dict(clipped=1, dropped=2)
    notes = {(kind, Path(where).name) for kind, where, _ in dataset.repairs.entries}
    name = '2017_00008.png.txt'
    assert notes == {('clipped', f'{name}:2'), ('dropped', f'{name}:3'), ('dropped', f'{name}:4')}
    (summary,) = [text for level, text in lines if '8 pictures' in text]
    for part in (
        '9 boxes',
        '1 pictures without objects',
        'repairs: 1 clipped, 2 dropped',
    ):
        assert part in summary
    assert not [text for level, text in lines if level >= logging.WARNING]


def test_exif_switch(root):
    with log_lines() as lines:
        dataset = ExDarkDataset(data_root=str(root), apply_exif=False)
    record = by_number(dataset)[5]
    image = mmcv.imread(record['img_path'], flag='color_ignore_orientation')
    assert (record['height'], record['width']) == image.shape[:2] == (48, 64)
    (warning,) = [text for level, text in lines if level >= logging.WARNING]
    assert 'Car/2015_00005.jpg' in warning and 'apply_exif' in warning


coordinates = st.floats(-30, 90, allow_nan=False)
lengths = st.floats(-5, 80, allow_nan=False)


@settings(max_examples=12, deadline=None)
@given(
    values=st.lists(st.tuples(coordinates, coordinates, lengths, lengths), max_size=6),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
)
def test_boxes_come_back_as_clipped_corners(values, size):
    with tempfile.TemporaryDirectory() as folder:
        lines = [box('Cat', *value) for value in values]
        root = write_exdark(Path(folder), [picture('2015_00001.png', 6, size=size, lines=lines)])
        dataset = ExDarkDataset(data_root=str(root))
        (record,) = records(dataset)
    # torch clips independently of the reader
    boxes = torch.tensor(values, dtype=torch.float64).reshape(-1, 4)
    corners = torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
    limit = torch.tensor([*size, *size], dtype=torch.float64)
    clipped = torch.minimum(corners.clamp(min=0), limit)
    full = (clipped[:, 2:] > clipped[:, :2]).all(1)
    got = torch.tensor([item['bbox'] for item in record['instances']], dtype=torch.float64)
    assert torch.equal(got.reshape(-1, 4), clipped[full])
    assert dataset.repairs.counts['dropped'] == int((~full).sum())
    assert dataset.repairs.counts['clipped'] == int((clipped != corners).any(1)[full].sum())


@pytest.mark.parametrize(
    'line, words',
    [
        ('Bycicle 1 2 3 4 0 0 0 0 0 0 0', ['`Bycicle`', 'nearest is `Bicycle`']),
        ('Cat 1 2 3', ['Cat 1 2 3', 'left top width height']),
        ('Cat 1 two 3 4', ['Cat 1 two 3 4']),
        ('Cat nan 2 3 4', ['Cat nan 2 3 4']),
    ],
)
def test_line_that_does_not_parse(tmp_path, line, words):
    lines = [box('Cat', 1, 2, 3, 4), line]
    root = write_exdark(tmp_path, [picture('2015_00001.jpg', 6, lines=lines)])
    with pytest.raises(ValueError) as error:
        ExDarkDataset(data_root=str(root), missing='skip')
    assert '2015_00001.jpg.txt:3:' in str(error.value)
    assert all(word in str(error.value) for word in words)


@pytest.mark.parametrize(
    'row, words',
    [
        ('2015_00001.png 1 1 1 1', ['imageclasslist.txt:10:', 'already', 'line 2']),
        ('2016_00001.png 1 1 1 1', ['imageclasslist.txt:10:', 'already', 'line 2']),
        ('2015_00009.png 13 1 1 1', ['imageclasslist.txt:10:']),
        ('2015_00009.png 1 1 1', ['imageclasslist.txt:10:']),
        ('cat.png 1 1 1 1', ['imageclasslist.txt:10:', 'cat.png']),
    ],
)
def test_bad_list(root, row, words):
    with open(root / 'imageclasslist.txt', 'a') as stream:
        stream.write(row + '\n')
    with pytest.raises(ValueError) as error:
        ExDarkDataset(data_root=str(root))
    assert all(word in str(error.value) for word in words)


# missing and superfluous files --------------------------------------------------------------------


def test_missing_files_are_named_or_skipped(root):
    (root / 'images' / 'Bottle' / '2015_00003.JPEG').unlink()
    (root / 'annotations' / 'Cat' / '2015_00004.jpg.txt').unlink()
    (root / 'images' / 'Dog' / '2015_00006.png').write_bytes(b'no picture')
    with pytest.raises(FileNotFoundError) as error:
        ExDarkDataset(data_root=str(root))
    message = str(error.value)
    for part in (
        '3 of 8',
        '1 without picture: `Bottle/2015_00003.JPEG`',
        '1 without annotation: `Cat/2015_00004.jpg.txt`',
        '1 with an unreadable picture: `Dog/2015_00006.png`',
        "missing='skip'",
    ):
        assert part in message
    with log_lines() as lines:
        dataset = ExDarkDataset(data_root=str(root), missing='skip')
    assert list(by_number(dataset)) == [1, 2, 5, 7, 8]
    assert dataset.repairs.counts['skipped'] == 3
    (warning,) = [text for level, text in lines if level >= logging.WARNING]
    assert '3 of 8' in warning and 'Cat/2015_00004.jpg.txt' in warning


def test_links_to_nowhere_are_missing_files(root):
    for name in ('images/Bicycle/2015_00001.png', 'annotations/Dog/2015_00006.png.txt'):
        (root / name).unlink()
        (root / name).symlink_to(root / 'nowhere')
    with pytest.raises(FileNotFoundError) as error:
        ExDarkDataset(data_root=str(root))
    assert '1 without picture: `Bicycle/2015_00001.png`' in str(error.value)
    assert '1 without annotation: `Dog/2015_00006.png.txt`' in str(error.value)


def test_only_ten_missing_files_are_named(tmp_path):
    names = [f'2015_{number:05d}.jpg' for number in range(1, 14)]
    root = write_exdark(tmp_path, [picture(name, size=(4, 4)) for name in names])
    for name in names[1:]:
        (root / 'images' / 'Bicycle' / name).unlink()
    with pytest.raises(FileNotFoundError, match='12 without picture') as error:
        ExDarkDataset(data_root=str(root))
    assert names[10] in str(error.value) and names[11] not in str(error.value)


def test_superfluous_and_ambiguous_files(root):
    images = root / 'images'
    first = images / 'Bicycle' / '2015_00001.png'
    (images / 'Bicycle' / '2015_00099.png').write_bytes(first.read_bytes())
    (images / 'Bicycle' / '2015_00001.JPG').write_bytes(b'another copy')
    (images / 'Bicycle' / '._2015_00001.png').write_bytes(b'left by a Mac')
    (images / 'Bicycle' / 'Thumbs.db').write_bytes(b'left by Windows')
    with log_lines() as lines:
        dataset = ExDarkDataset(data_root=str(root))
    assert by_number(dataset)[1]['img_path'] == str(first)  # the exact name wins
    (warning,) = [text for level, text in lines if level >= logging.WARNING]
    assert '2 pictures' in warning and '2015_00099.png' in warning and '2015_00001.JPG' in warning
    first.rename(images / 'Bicycle' / '2015_00001.PNG')
    with pytest.raises(ValueError, match=r'2015_00001\.JPG.*2015_00001\.PNG'):
        ExDarkDataset(data_root=str(root))


def test_dataset_not_there(tmp_path, root):
    with pytest.raises(DatasetNotFoundError) as error:
        ExDarkDataset(data_root=str(tmp_path / 'nowhere'))
    for part in (
        'nowhere',
        'imageclasslist.txt',
        'images',
        'annotations',
        'Exclusively-Dark-Image-Dataset',
    ):
        assert part in str(error.value)
    with pytest.raises(DatasetNotFoundError, match='lacks `[^`]*ExDark_Annno`:'):
        ExDarkDataset(data_root=str(root), data_prefix=dict(ann='ExDark_Annno'))


def test_sizes_are_remembered(root, cache_folder, monkeypatch):
    read = []
    real = image_sizes_module.read_image_size
    monkeypatch.setattr(
        image_sizes_module,
        'read_image_size',
        lambda path: read.append(Path(path).name) or real(path),
    )
    first = records(ExDarkDataset(data_root=str(root)))
    assert len(read) == 8 and [file.suffix for file in cache_folder.iterdir()] == ['.json']
    assert records(ExDarkDataset(data_root=str(root))) == first
    assert len(read) == 8

    changed = root / 'images' / 'Bicycle' / '2015_00001.png'
    write_exdark(root.parent / 'other', [picture('2015_00001.png', size=(20, 10))])
    os.replace(root.parent / 'other' / 'images' / 'Bicycle' / '2015_00001.png', changed)
    again = by_number(ExDarkDataset(data_root=str(root)))
    assert read[8:] == ['2015_00001.png'] and (again[1]['width'], again[1]['height']) == (20, 10)

    for broken in ('{"half', '[]', '{"Bicycle/2015_00001.png": [1, 2]}'):
        for file in cache_folder.iterdir():
            file.write_text(broken)
        assert by_number(ExDarkDataset(data_root=str(root))) == again


def test_cache_that_cannot_be_written(root, tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    with log_lines() as lines:
        assert len(ExDarkDataset(data_root=str(root))) == 8
    (line,) = [(level, text) for level, text in lines if 'not remembered' in text]
    assert line[0] == logging.INFO and str(tmp_path / 'file') in line[1]


# protocols and filters ----------------------------------------------------------------------------

# SHA-256 of the stems, one a line in seeded order; made with coreutils from the official names:
#   printf "0:$stem" | sha256sum for each stem, sort, head or sed of the wanted lines, sha256sum
SEEDED = {
    ('exdark_ruas', 'train'): (
        0,
        5200,
        'abcf76f4d6f1bcd44e1e7f25ce15b355c4f5b18d68b3c6abf208907bae3466f4',
    ),
    ('exdark_ruas', 'test'): (
        5200,
        6400,
        '8ede694747a7f6ef1e0f5e10d495df8f371e43025885fcef8596ee7b34344bc1',
    ),
    ('exdark_maet', 'train'): (
        0,
        5890,
        'c338528f357a0fb7c2737eee46953c6ae9511ed177fec96088c5c18a547f7c37',
    ),
    ('exdark_maet', 'test'): (
        5890,
        7363,
        'fba252fa67b284737c1233c5712eff538b99f17549f2f48128a91fde499fb10e',
    ),
}


def official_names(tmp_path):
    rows = (write_list(tmp_path) / 'imageclasslist.txt').read_text().splitlines()[1:]
    return [row.split('.')[0] for row in rows], [int(row.split()[-1]) for row in rows]


def test_seeded_order_is_the_documented_one(tmp_path):
    stems, columns = official_names(tmp_path)
    order = seeded_order(stems)
    assert order == seeded_order(reversed([stem.upper() for stem in stems]))
    assert order != seeded_order(stems, seed=1)
    for (protocol, subset), (start, stop, digest) in SEEDED.items():
        names = order[start:stop]
        assert hashlib.sha256(''.join(f'{name}\n' for name in names).encode()).hexdigest() == digest
        assert exdark_subset(protocol, subset, stems, columns) == set(names)


def test_official_counts(tmp_path):
    stems, columns = official_names(tmp_path)
    parts = [
        exdark_subset('exdark_official', name, stems, columns) for name in ('train', 'val', 'test')
    ]
    assert [len(part) for part in parts] == [3000, 1800, 2563]
    assert set.union(*parts) == set(stems)


def test_protocols_through_the_dataset(root):
    def numbers(**kwargs):
        return list(by_number(ExDarkDataset(data_root=str(root), **kwargs)))

    assert numbers(protocol='exdark_official', subset='train') == [1, 4, 5]
    assert numbers(protocol='exdark_official', subset=['train', 'val']) == [1, 2, 4, 5, 6]
    train, test = (numbers(protocol='exdark_maet', subset=name) for name in ('train', 'test'))
    assert len(train) == 8 * 5890 // 7363 and not set(train) & set(test)
    # a filter changes nobody's subset
    outdoor = numbers(protocol='exdark_maet', subset='train', indoor=False)
    assert outdoor == [number for number in train if number in (2, 4, 5)]
    with log_lines() as lines:
        numbers(protocol='exdark_ruas', subset='train')
    assert any('instead of 5200' in text for level, text in lines if level >= logging.WARNING)


def test_filters(root):
    def numbers(**kwargs):
        return list(by_number(ExDarkDataset(data_root=str(root), **kwargs)))

    assert numbers(light='twilight') == [6]
    assert numbers(light=['Low', 'Ambient']) == [1, 2]
    assert numbers(indoor=True) == [1, 3, 6, 7, 8]
    assert numbers(folders=['Cat', 'Dog']) == [4, 6]
    assert numbers(folders='Cat', test_mode=True, filter_cfg=dict(filter_empty_gt=True)) == [4]
    assert numbers(filter_cfg=dict(filter_empty_gt=True)) == [1, 2, 3, 5, 6, 7, 8]
    assert numbers(filter_cfg=dict(min_size=40)) == [1, 2, 3, 5, 6, 7, 8]


def test_folder_filter_needs_only_those_folders(root):
    for name in ('Bicycle', 'Boat'):
        for file in (root / 'images' / name).iterdir():
            file.unlink()
    assert list(by_number(ExDarkDataset(data_root=str(root), folders='Dog'))) == [6]


def test_split_file(root, tmp_path):
    listed = root / 'mine.txt'
    listed.write_bytes(b'2015_00002\r\n\r\nJPEGImages/2015_00003.jpg\r\n2017_00008.PNG\r\n')
    dataset = ExDarkDataset(data_root=str(root), split_file='mine.txt')
    assert list(by_number(dataset)) == [2, 3, 8]
    listed.write_text('2015_00001\n2019_00001\n')
    with pytest.raises(ValueError, match=r'mine\.txt:2: `2019_00001` not in'):
        ExDarkDataset(data_root=str(root), split_file=str(listed))
    listed.write_text('2015_00001\n2015_00001.png\n')
    with pytest.raises(ValueError, match=r'mine\.txt:2: .*already named in line 1'):
        ExDarkDataset(data_root=str(root), split_file=str(listed))
    with pytest.raises(FileNotFoundError, match='`split_file`'):
        ExDarkDataset(data_root=str(root), split_file='none.txt')


@pytest.mark.parametrize(
    'arguments, words',
    [
        (dict(protocol='exdark_raus', subset='train'), ['`protocol`', 'nearest is `exdark_ruas`']),
        (dict(protocol='exdark_ruas', subset='val'), ['`subset`', '`train`', '`test`']),
        (dict(protocol='exdark_ruas'), ['`subset`', '`train`']),
        (dict(subset='train'), ['`protocol`', '`exdark_official`']),
        (
            dict(protocol='exdark_maet', subset='test', split_file='x'),
            ['`protocol`', '`split_file`'],
        ),
        (dict(light='Twilihgt'), ['`light`', 'nearest is `Twilight`']),
        (dict(folders='Person'), ['`folders`', '`People`']),
        (dict(missing='ignore'), ['`missing`', 'ignore']),
        (dict(filter_cfg=dict(filter_empty=True)), ['`filter_cfg`', '`filter_empty`']),
        (
            dict(metainfo=dict(classes=('Car', 'Bus', 'Bycicle'))),
            ['`Bycicle`', 'nearest is `Bicycle`'],
        ),
        (dict(metainfo=dict(classes=('zebra',))), ['`metainfo.classes`']),
        (dict(light='Low', indoor=False), ['No picture']),
        (dict(filter_cfg=dict(min_size=999)), ['`filter_cfg`', '999']),
    ],
)
def test_bad_arguments(root, arguments, words):
    with pytest.raises(ValueError) as error:
        ExDarkDataset(data_root=str(root), **arguments)
    assert all(word in str(error.value) for word in words)


# classes ------------------------------------------------------------------------------------------


def test_fewer_classes_and_coco_classes(root):
    few = by_number(ExDarkDataset(data_root=str(root), metainfo=dict(classes=('Table', 'Bicycle'))))
    labels = {n: [item['bbox_label'] for item in record['instances']] for n, record in few.items()}
    assert labels == {1: [1], 2: [], 3: [], 4: [], 5: [], 6: [], 7: [0], 8: []}

    coco = CocoDataset.METAINFO['classes']
    assert set(EXDARK_TO_COCO.values()) <= set(coco) and len(set(EXDARK_TO_COCO.values())) == 12
    found = by_number(ExDarkDataset(data_root=str(root), metainfo=dict(classes=coco)))
    names = {
        n: [coco[item['bbox_label']] for item in record['instances']] for n, record in found.items()
    }
    assert names[1] == ['bicycle', 'person'] and names[7] == ['dining table']


# with mmdet ---------------------------------------------------------------------------------------


def base_config():
    return Config.fromfile(REPOSITORY / 'configs' / '_base_' / 'datasets' / 'exdark.py')


@pytest.fixture
def mmdet_scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


@pytest.fixture
def made_up_config(root):
    """The base config on the made-up data, all pictures in both subsets."""
    cfg = base_config()
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.update(data_root=str(root), protocol=None, subset=None)
    return cfg


def test_base_config_is_the_protocol_it_says():
    cfg = base_config()
    assert (cfg.train_dataloader.dataset.subset, cfg.val_dataloader.dataset.subset) == (
        'train',
        'test',
    )
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.protocol == 'exdark_ruas'
    assert cfg.test_dataloader.dataset.test_mode and not cfg.train_dataloader.dataset.get(
        'test_mode'
    )
    assert cfg.val_evaluator == dict(type='VOCMetric', metric='mAP', iou_thrs=0.5, eval_mode='area')


def test_train_pipeline(made_up_config, mmdet_scope):
    dataset = DATASETS.build(made_up_config.train_dataloader.dataset)
    assert len(dataset) == 7  # without the one that holds no object
    np.random.seed(0)
    for _ in range(3):
        for item in dataset:
            boxes = item['data_samples'].gt_instances.bboxes.tensor
            assert item['inputs'].shape == (3, 300, 300) and item['inputs'].dtype == torch.uint8
            assert (
                item['inputs'].max() < 90
            )  # of 0..59 plus JPEG's overshoot: no grey was filled in
            assert len(boxes) and boxes.min() >= 0 and boxes.max() <= 300


def voc_map(dataset, predict):
    metric = VOCMetric(metric='mAP', iou_thrs=0.5, eval_mode='area')
    metric.dataset_meta = dataset.metainfo
    for item in dataset:
        sample = item['data_samples'].to_dict()
        truth = item['data_samples'].gt_instances
        boxes, labels = predict(truth.bboxes.tensor, truth.labels)
        sample['gt_instances'] = dict(bboxes=truth.bboxes.tensor, labels=truth.labels)
        ignored = item['data_samples'].ignored_instances
        sample['ignored_instances'] = dict(bboxes=ignored.bboxes.tensor, labels=ignored.labels)
        sample['pred_instances'] = dict(bboxes=boxes, labels=labels, scores=torch.ones(len(labels)))
        metric.process({}, [sample])
    return metric.evaluate(len(dataset))


def test_perfect_predictions_have_map_one(made_up_config, mmdet_scope):
    dataset = DATASETS.build(made_up_config.val_dataloader.dataset)
    assert len(dataset) == 8
    for item, case in zip(
        dataset, EVERY_CASE, strict=True
    ):  # annotations stay in original coordinates
        sample = item['data_samples']
        stored = case['size'][::-1] if not case['orientation'] else case['size']
        assert sample.ori_shape == stored and sample.img_shape == (300, 300)
    assert voc_map(dataset, lambda boxes, labels: (boxes, labels)) == {
        'pascal_voc/mAP': 1.0,
        'pascal_voc/AP50': 1.0,
    }
    wrong = voc_map(dataset, lambda boxes, labels: (boxes, (labels + 1) % 12))
    assert wrong['pascal_voc/mAP'] == 0
