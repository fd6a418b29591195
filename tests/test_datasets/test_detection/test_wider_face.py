"""WIDER FACE's reader on made-up lists with every peculiarity of the official ones."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from PIL import Image

pytest.importorskip('mmcv.ops')
pytest.importorskip('mmdet')
from llv.datasets.detection.errors import DatasetNotFoundError  # noqa: E402
from llv.datasets.detection.wider_face import WiderFaceDataset  # noqa: E402
from llv.datasets.detection.wider_face_files import WIDER_COUNTS, read_wider_list  # noqa: E402
from llv.registry import DATASETS, METRICS  # noqa: E402

CONFIG = Path(__file__).parents[3] / 'configs' / '_base_' / 'datasets' / 'wider_face.py'

P1, P2, P3 = '0--Parade/0_Parade_a_1_849.jpg', '0--Parade/0_Parade_b_1_2.jpg', '7--Cheering/c.jpg'
LINES = [
    P1, '3', '4 5 20 30 1 0 1 0 2 1 ', '30 10 20 60 0 0 0 1 0 0 ', '7 7 0 9 0 0 0 0 0 0 ',
    P2, '0', '0 0 0 0 0 0 0 0 0 0 ',  # the line of zeros is no face
    P3, '2', '-2 3 10 10 0 0 0 0 0 0 ', '40 20 1 9 2 1 0 0 0 0 ',
]  # fmt: skip
LIST = '\n'.join(LINES) + '\n'


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


def write_wider(root, text=LIST, subset='train', newline='\n'):
    file = root / 'wider_face_split' / f'wider_face_{subset}_bbx_gt.txt'
    if subset == 'test':
        file = file.with_name('wider_face_test_filelist.txt')
    os.makedirs(file.parent, exist_ok=True)
    file.write_bytes(text.replace('\n', newline).encode())
    for name in (line for line in text.splitlines() if '/' in line):
        picture = root / f'WIDER_{subset}' / 'images' / name
        os.makedirs(picture.parent, exist_ok=True)
        Image.fromarray(np.full((48, 64, 3), 90, np.uint8)).save(picture)
    return root


@pytest.fixture
def root(tmp_path):
    return write_wider(tmp_path / 'WIDER')


def read(root, **options):
    options.setdefault('subset', 'train')
    dataset = WiderFaceDataset(data_root=str(root), **options)
    return dataset, [dataset.get_data_info(k) for k in range(len(dataset))]


def boxes(record):
    return [item['bbox'] for item in record['instances']]


def log_of(action):
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    try:
        action()
    finally:
        logger.removeHandler(handler)
    return '\n'.join(lines)


@pytest.mark.parametrize('newline', ['\n', '\r\n'])
def test_every_case_of_the_format(tmp_path, newline):
    dataset, records = read(write_wider(tmp_path / 'WIDER', newline=newline))
    assert [record['img_id'] for record in records] == [0, 1, 2]
    assert [record['event'] for record in records] == ['0--Parade', '0--Parade', '7--Cheering']
    assert [boxes(record) for record in records] == [
        [[4, 5, 24, 35], [30, 10, 50, 48]],
        [],
        [[0, 3, 8, 13], [40, 20, 41, 29]],
    ]
    assert [item['ignore_flag'] for item in records[0]['instances']] == [0, 1]
    assert [item['invalid'] for item in records[0]['instances']] == [0, 1]
    assert records[0]['instances'][0]['attributes'] == dict(
        blur=1, expression=0, illumination=1, occlusion=2, pose=1
    )
    assert (records[0]['width'], records[0]['height']) == (64, 48)
    assert dataset.repairs.counts == {'dropped': 1, 'clipped': 2}
    place = {entry.kind: entry.where.rpartition('/')[2] for entry in dataset.repairs.entries}
    assert place['dropped'] == 'wider_face_train_bbx_gt.txt:5'


def test_it_is_not_mmdets_class_of_nearly_the_same_name(root):
    dataset = DATASETS.build(dict(type='llv.WiderFaceDataset', data_root=str(root), subset='train'))
    assert type(dataset) is WiderFaceDataset


def test_the_shipped_config_trains_and_tests_on_it(tmp_path):
    root = write_wider(write_wider(tmp_path / 'WIDER'), subset='val')
    cfg = Config.fromfile(CONFIG)
    assert type(METRICS.build(cfg.test_evaluator)).__name__ == 'WiderFaceMetric'
    with DefaultScope.overwrite_default_scope('mmdet'):
        train, val = (
            DATASETS.build({**loader.dataset, 'data_root': str(root)})
            for loader in (cfg.train_dataloader, cfg.val_dataloader)
        )
        sample = val[0]['data_samples']
        assert train[0]['inputs'].shape == (3, 640, 640)
    assert (len(train), len(val)) == (2, 3)
    assert sample.gt_instances.bboxes.tensor.tolist() == [[4, 5, 24, 35]]
    assert sample.ignored_instances.bboxes.tensor.tolist() == [[30, 10, 50, 48]]


def test_invalid_faces_may_count_as_any_other(root):
    _, records = read(root, ignore_invalid=False)
    assert [item['ignore_flag'] for item in records[0]['instances']] == [0, 0]
    assert [item['invalid'] for item in records[0]['instances']] == [0, 1]


def test_boxes_may_be_prepared_as_by_dsfd(root):
    dataset, records = read(root, dsfd_boxes=True, ignore_invalid=False)
    assert [boxes(record) for record in records] == [[[4, 5, 23, 34], [30, 10, 49, 48]], [], []]
    assert dataset.repairs.counts == {'dropped as by DSFD': 3, 'clipped': 1}


def test_the_lines_count_where_the_number_disagrees(tmp_path):
    text = f'{P1}\n3\n4 5 20 30 0 0 0 0 0 0\n{P2}\n0\n{P3}\n0\n1 1 9 9 0 0 0 0 0 0\n'
    dataset, records = read(write_wider(tmp_path / 'WIDER', text))
    assert [len(boxes(record)) for record in records] == [1, 0, 1]
    assert dataset.repairs.counts == {'count mismatch': 2}
    assert dataset.repairs.entries[0].where.endswith(':1')
    assert 'announces 3 faces and has 1' in dataset.repairs.entries[0].text


def test_a_picture_without_a_number_among_others_is_noted(tmp_path):
    text = f'{P1}\n{P2}\n1\n4 5 20 30 0 0 0 0 0 0\n'
    dataset, records = read(write_wider(tmp_path / 'WIDER', text))
    assert [len(boxes(record)) for record in records] == [0, 1]
    (note,) = dataset.repairs.entries
    assert note.kind == 'count mismatch' and note.where.endswith(':1') and P1 in note.text


def test_suffixes_do_not_matter_and_pictures_beside_the_list_are_named(root):
    folder = (root / 'WIDER_train' / 'images' / P1).parent
    (folder / Path(P1).name).rename(folder / Path(P1).with_suffix('.JPG').name)
    (folder / 'more.jpg').write_bytes((folder / Path(P2).name).read_bytes())
    dataset, records = read(root)
    assert Path(records[0]['img_path']).suffix == '.JPG' and len(boxes(records[0])) == 2
    notes = [(kind, where) for kind, where, _ in dataset.repairs.entries if kind == 'not listed']
    assert notes == [('not listed', '0--Parade/more.jpg')]
    # a list of one's own may name a part of the pictures
    dataset, _ = read(root, ann_file='wider_face_split/wider_face_train_bbx_gt.txt')
    assert 'not listed' not in dataset.repairs.counts


def test_the_test_set_is_a_list_of_pictures_without_labels(tmp_path):
    root = write_wider(tmp_path / 'WIDER', f'{P1}\n{P3}\n', 'test')
    dataset, records = read(root, subset='test', test_mode=True)
    assert [boxes(record) for record in records] == [[], []]
    assert dataset.repairs.counts == {}


def test_lists_and_folders_may_be_ones_own(root):
    (root / 'mine.txt').write_text('\n'.join(LINES[-4:]))
    options = dict(subset=None, ann_file='mine.txt', data_prefix=dict(img='WIDER_train/images'))
    assert [record['event'] for record in read(root, **options)[1]] == ['7--Cheering']
    with pytest.raises(ValueError, match='needs a `subset`'):
        read(root, subset=None, ann_file='mine.txt')
    with pytest.raises(ValueError, match='`subset` must be among'):
        read(root, subset='trian')


def test_training_may_leave_out_pictures_without_faces(root):
    assert len(read(root, filter_cfg=dict(filter_empty_gt=True))[1]) == 2


def test_missing_pictures_raise_or_are_skipped(root):
    (root / 'WIDER_train' / 'images' / P1).unlink()
    (root / 'WIDER_train' / 'images' / P2).write_bytes(b'')
    with pytest.raises(FileNotFoundError, match=f'`{P1}`; 1 with an unreadable picture: `{P2}`'):
        read(root)
    dataset, records = read(root, missing='skip')
    assert [(record['img_id'], record['event']) for record in records] == [(0, '7--Cheering')]


def test_what_is_not_there_is_named(root):
    with pytest.raises(
        DatasetNotFoundError, match='wider_face_val_bbx_gt.txt`, `.*WIDER_val/image'
    ):
        read(root, subset='val')


def test_other_counts_than_the_official_ones_are_told(root, monkeypatch):
    assert '3 pictures with 5 faces instead of 12880 with 159424' in log_of(lambda: read(root))
    monkeypatch.setitem(WIDER_COUNTS, 'train', dict(pictures=3, faces=5))
    assert 'instead of' not in log_of(lambda: read(root))


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('\n', 'names no picture: download it again'),
        ('3\n', ':1: `3` is neither'),
        (f'{P1}\n1 2\n', ':2: `1 2` is neither'),
        (f'{P1}\n1\n1 2 3 4\n', ':3: `1 2 3 4` is not "left top'),
        (f'{P1}\n1\n1 2 inf 4 0 0 0 0 0 0\n', ':3: .* is not "left top'),
        (f'{P1}\n0\n{P1}\n0\n', ':3: .* is already listed at .*:1'),
    ],
)
def test_a_damaged_list_is_told_with_file_and_line(tmp_path, text, message):
    (tmp_path / 'list.txt').write_text(text)
    with pytest.raises(ValueError, match=message):
        read_wider_list(tmp_path / 'list.txt', lambda where, text: None)
