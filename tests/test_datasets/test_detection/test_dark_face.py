"""DARK FACE: reader and protocols. The made-up data come from a writer that shares no code with the reader."""

import hashlib
import logging
import runpy
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import mmcv
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope

pytest.importorskip('mmcv.ops')
pytest.importorskip('mmdet')

from llv.datasets.detection import DarkFaceDataset, DatasetNotFoundError  # noqa: E402
from llv.datasets.splits import DARKFACE_PROTOCOLS, darkface_subset  # noqa: E402
from llv.registry import DATASETS, METRICS  # noqa: E402

REPOSITORY = Path(__file__).parents[3]
data = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name('face_data.py'))))


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


@pytest.fixture
def root(tmp_path):
    return data.write_dark_face(tmp_path / 'DarkFace')


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


def warnings(lines):
    return [text for level, text in lines if level >= logging.WARNING]


def records(dataset):
    return [dataset.get_data_info(index) for index in range(len(dataset))]


def numbers(root, **arguments):
    return [
        record['img_id'] for record in records(DarkFaceDataset(data_root=str(root), **arguments))
    ]


# reading ------------------------------------------------------------------------------------------


def test_every_case_of_the_format_is_read(root):
    with log_lines() as lines:
        dataset = DATASETS.build(dict(type='llv.DarkFaceDataset', data_root=str(root)))
    found = records(dataset)
    assert [record['img_id'] for record in found] == list(range(1, 11))  # not 1, 10, 2
    boxes = {r['img_id']: [item['bbox'] for item in r['instances']] for r in found}
    assert boxes == data.EXPECTED
    assert dataset.metainfo['classes'] == ('face',)
    for record in found:
        assert all((i['bbox_label'], i['ignore_flag']) == (0, 0) for i in record['instances'])
        # what the default loader gives is what the record says
        assert mmcv.imread(record['img_path']).shape == (record['height'], record['width'], 3)

    notes = {(kind, Path(where).name) for kind, where, _ in dataset.repairs.entries}
    assert notes == {
        ('count missing', '3.txt'),
        ('count mismatch', '5.txt:1'),
        ('count mismatch', '6.txt:1'),
        ('dropped', '7.txt:2'),
        ('dropped', '7.txt:3'),
        ('clipped', '7.txt:4'),
        ('count missing', '9.txt'),
        ('dropped', '10.txt:2'),
    }
    (warning,) = warnings(lines)
    assert '5.txt:1: the first line says 5, 2 faces follow' in warning and '6.txt:1' in warning
    (summary,) = [text for _, text in lines if '10 pictures' in text]
    for part in ('10 boxes', '3 pictures without objects', '3 dropped', '1 clipped', '2 count mis'):
        assert part in summary


@pytest.mark.parametrize(
    'line, words',
    [
        ('1 2 3', ['xmin ymin xmax ymax']),
        ('1 two 3 4', ['1 two 3 4']),
        ('nan 2 3 4', ['nan 2 3 4']),
        ('1 2 3 4 0.9', ['detector']),
        ('7', ['`7`']),
    ],
)
def test_a_line_that_does_not_parse_is_named(tmp_path, line, words):
    text = f'2\n1 2 3 4\n{line}\n'.encode()
    root = data.write_dark_face(tmp_path, {'1': ('1.png', '1.txt', text)})
    with pytest.raises(ValueError) as error:
        DarkFaceDataset(data_root=str(root), missing='skip')
    assert '1.txt:3: ' in str(error.value)
    assert all(word in str(error.value) for word in words)


def test_other_names_than_numbers_are_numbered_by_place(tmp_path):
    cases = {s: (f'{s}.png', f'{s}.txt', b'0\n') for s in ('scene10', 'scene2', 'Scene1')}
    found = records(DarkFaceDataset(data_root=str(data.write_dark_face(tmp_path, cases))))
    assert [(r['img_id'], r['name']) for r in found] == [
        (1, 'Scene1.png'),
        (2, 'scene2.png'),
        (3, 'scene10.png'),
    ]


def test_numbers_of_the_same_value_do_not_share_an_id(tmp_path):
    cases = {s: (f'{s}.png', f'{s}.txt', b'0\n') for s in ('7', '07', '3')}
    assert sorted(numbers(data.write_dark_face(tmp_path, cases))) == [1, 2, 3]


def test_pictures_are_read_without_labels(root):
    for file in (root / 'label').iterdir():
        file.unlink()
    (root / 'label').rmdir()
    found = records(DarkFaceDataset(data_root=str(root), labelled=False))
    assert len(found) == 10 and not any(record['instances'] for record in found)
    with pytest.raises(ValueError, match='`labelled=False`'):
        DarkFaceDataset(data_root=str(root), labelled=False, filter_cfg=dict(filter_empty_gt=True))


def test_filters_work_in_training_only(root):
    assert numbers(root, filter_cfg=dict(filter_empty_gt=True)) == [1, 4, 5, 6, 7, 8, 9]
    assert len(numbers(root, filter_cfg=dict(filter_empty_gt=True), test_mode=True)) == 10
    with pytest.raises(ValueError, match='`filter_cfg`.*loosen'):
        DarkFaceDataset(data_root=str(root), filter_cfg=dict(min_size=49))


# missing and superfluous files --------------------------------------------------------------------


def test_missing_files_are_named_or_skipped(root):
    (root / 'image' / '1.png').unlink()
    (root / 'label' / '4.txt').unlink()
    (root / 'image' / '5.png').write_bytes(b'no picture')
    with pytest.raises(FileNotFoundError) as error:
        DarkFaceDataset(data_root=str(root))
    for part in (
        '3 of 10',
        '1 without picture: `1`',
        '1 without label: `4.png`',
        '1 with an unreadable picture: `5.png`',
        "missing='skip'",
    ):
        assert part in str(error.value)
    with log_lines() as lines:
        dataset = DarkFaceDataset(data_root=str(root), missing='skip')
    assert [r['img_id'] for r in records(dataset)] == [2, 3, 6, 7, 8, 9, 10]
    assert dataset.repairs.counts['skipped'] == 3
    assert any('3 of 10' in text and 'not comparable' in text for text in warnings(lines))


def test_links_to_nowhere_are_missing_files(root):
    for name in ('image/1.png', 'label/4.txt'):
        (root / name).unlink()
        (root / name).symlink_to(root / 'nowhere')
    with pytest.raises(FileNotFoundError, match='1 without label: `4.png`; 1 without picture: `1`'):
        DarkFaceDataset(data_root=str(root))


def test_duplicates_are_named_and_the_png_is_read(root):
    data.picture(root / 'image' / '1.jpg', (10, 10))
    (root / 'image' / '._1.png').write_bytes(b'left by a Mac')
    (root / 'image' / 'Thumbs.db').write_bytes(b'left by Windows')
    with log_lines() as lines:
        dataset = DarkFaceDataset(data_root=str(root))
    assert dataset.get_data_info(0)['img_path'].endswith('1.png') and len(dataset) == 10
    assert any('`1.jpg`' in text for text in warnings(lines))
    assert dataset.repairs.counts['duplicate'] == 1
    data.picture(root / 'image' / '2.png')
    with pytest.raises(ValueError, match=r'2\.PNG.*2\.png.*keep one'):
        DarkFaceDataset(data_root=str(root))


def test_a_dataset_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DatasetNotFoundError, match='DARK FACE was not found.*label/1.txt'):
        DarkFaceDataset(data_root=str(tmp_path))
    for name in ('image', 'label'):
        (tmp_path / name).mkdir()
    with pytest.raises(DatasetNotFoundError, match='1.png'):
        DarkFaceDataset(data_root=str(tmp_path))


# protocols ----------------------------------------------------------------------------------------


@pytest.mark.parametrize('protocol', DARKFACE_PROTOCOLS)
def test_the_shipped_lists_are_the_documented_draw(protocol):
    def place(name):
        return hashlib.sha256(f'0:{name}'.encode()).hexdigest()

    order = sorted((str(number) for number in range(1, 6001)), key=place)
    train = DARKFACE_PROTOCOLS[protocol]['train']
    assert darkface_subset(protocol, 'train') == set(order[:train])
    assert darkface_subset(protocol, 'test') == set(order[train:])
    assert DARKFACE_PROTOCOLS[protocol]['test'] == 6000 - train


def test_a_protocol_reads_its_pictures_of_the_official_folder(tmp_path):
    root = data.write_numbers(tmp_path, [*range(1, 6001), 6001, 'extra'], labels=False)
    with log_lines() as lines:
        test = numbers(root, protocol='darkface_heldout500', subset='test', labelled=False)
    assert test == sorted(test) and len(test) == 500
    assert set(map(str, test)) == darkface_subset('darkface_heldout500', 'test')
    (warning,) = warnings(lines)
    assert '2 pictures are not among the official 6000' in warning
    assert '`6001.png`, `extra.png`' in warning


def test_labels_of_no_official_picture_are_named(tmp_path):
    root = data.write_numbers(tmp_path, [1, 2, 6001])
    with log_lines() as lines:
        got = numbers(root, protocol='darkface_ruas', subset=['train', 'test'], missing='skip')
    assert got == [1, 2]
    assert [text[:9] for text in warnings(lines) if 'not among' in text] == [
        '1 picture',
        '1 labels ',
    ]


def test_a_protocol_on_a_smaller_folder_names_what_is_missing(root):
    with pytest.raises(FileNotFoundError, match='without picture.*leave `protocol` out'):
        DarkFaceDataset(data_root=str(root), protocol='darkface_5400_600', subset='train')
    there = [n for n in range(1, 11) if str(n) in darkface_subset('darkface_5400_600', 'train')]
    with log_lines() as lines:
        got = numbers(root, protocol='darkface_5400_600', subset='train', missing='skip')
    assert got == there and 'not comparable' in warnings(lines)[0]


def test_a_split_file_chooses_pictures(root):
    (root / 'mine.txt').write_bytes(b'10\r\n\r\n2.png\r\n')
    assert numbers(root, split_file='mine.txt') == [2, 10]
    (root / 'mine.txt').write_text('10\n77\n')
    with pytest.raises(ValueError, match=r'mine\.txt:2: `77` not in'):
        numbers(root, split_file='mine.txt')


@pytest.mark.parametrize(
    'arguments, words',
    [
        (dict(protocol='darkface_raus', subset='test'), 'nearest is `darkface_ruas`'),
        (dict(protocol='darkface_ruas', subset='val'), '`subset` must be among `train`, `test`'),
        (dict(protocol='darkface_ruas'), 'needs a `subset`'),
        (dict(subset='train'), 'needs a `protocol`'),
        (dict(protocol='darkface_ruas', subset='test', split_file='x'), 'give one of them'),
        (dict(missing='ignore'), '`missing`'),
        (dict(metainfo=dict(classes=('person',))), '`metainfo.classes` has no `face`'),
        (dict(filter_cfg=dict(empty=True)), '`filter_cfg` knows'),
    ],
)
def test_bad_arguments_are_told_in_one_sentence(root, arguments, words):
    with pytest.raises(ValueError, match=words):
        DarkFaceDataset(data_root=str(root), **arguments)


# with mmdet ---------------------------------------------------------------------------------------


def test_the_base_config_reads_and_measures(root):
    cfg = Config.fromfile(REPOSITORY / 'configs' / '_base_' / 'datasets' / 'dark_face.py')
    train, val = cfg.train_dataloader.dataset, cfg.val_dataloader.dataset
    assert (train.protocol, train.subset) == ('darkface_ruas', 'train')
    assert (val.protocol, val.subset, val.test_mode) == ('darkface_ruas', 'test', True)
    for dataset in (train, val):
        dataset.update(data_root=str(root), protocol=None, subset=None)
    with DefaultScope.overwrite_default_scope('mmdet'):
        for item in DATASETS.build(train):
            boxes = item['data_samples'].gt_instances.bboxes.tensor
            assert item['inputs'].shape == (3, 640, 640) and item['inputs'].max() < 90
            assert len(boxes) and boxes.min() >= 0 and boxes.max() <= 640
        dataset = DATASETS.build(val)
        metric = METRICS.build(cfg.val_evaluator)
    for item, expected in zip(dataset, data.EXPECTED.values(), strict=True):
        sample = item['data_samples']
        assert sample.ori_shape == (48, 64)
        boxes = sample.gt_instances.bboxes.tensor  # in original coordinates
        assert torch.equal(boxes, torch.tensor(expected).reshape(-1, 4).float())
        truth = dict(bboxes=boxes, scores=torch.ones(len(boxes)))
        metric.process({}, [dict(gt_instances=truth, pred_instances=truth)])
    assert metric.evaluate(len(dataset)) == {'dark_face/AP50': 1, 'dark_face/recall': 1}
