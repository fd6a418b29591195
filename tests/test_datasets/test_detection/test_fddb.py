"""FDDB's reader on made-up folds with every peculiarity of the official files."""

import logging
import math
import os
from pathlib import Path

import mmcv
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from PIL import Image

pytest.importorskip('mmcv.ops')
pytest.importorskip('mmdet')
from llv.datasets.detection.errors import DatasetNotFoundError  # noqa: E402
from llv.datasets.detection.fddb import FDDBDataset  # noqa: E402
from llv.datasets.detection.fddb_files import (  # noqa: E402
    ellipse_boxes,
    read_ellipses,
    write_detections,
)
from llv.registry import DATASETS, METRICS  # noqa: E402

CONFIG = Path(__file__).parents[3] / 'configs' / '_base_' / 'datasets' / 'fddb.py'

A = '2002/08/11/big/img_591'
B = '2002/08/11/big/img_592'
C = '2003/01/02/big/img_7'
# two blanks before the last number, as in the official lists
FOLD_1 = f'{A}\n2\n20.5 10.25 1.5707963267948966 30.0 24.0  1\n8 4 0 20.0 44.0 1\n{B}\n0\n'
FOLD_2 = f'{C}\n1\n10 5 2.5 30 20  1\n'


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


def write_picture(file, mode='RGB', size=(64, 48)):
    os.makedirs(file.parent, exist_ok=True)
    shape = (*size[::-1], 3) if mode == 'RGB' else size[::-1]
    Image.fromarray(np.full(shape, 40, np.uint8)).save(file, format='JPEG')


def write_fddb(root, newline='\n', folds=None, names=True):
    """Write folds (number to the text of the ellipse list) and their pictures below `root`."""
    folds = folds or {1: FOLD_1, 2: FOLD_2}
    os.makedirs(root / 'FDDB-folds')
    for number, text in folds.items():
        stem = root / 'FDDB-folds' / f'FDDB-fold-{number:02}'
        stem.with_name(f'{stem.name}-ellipseList.txt').write_bytes(
            text.replace('\n', newline).encode()
        )
        listed = [line for line in text.splitlines() if '/' in line]
        if names:
            stem.with_suffix('.txt').write_bytes(newline.join([*listed, '']).encode())
        for k, name in enumerate(listed):
            suffix = '.jpg' if k != 1 else '.JPG'
            write_picture(root / 'originalPics' / f'{name}{suffix}', 'L' if k == 1 else 'RGB')
    return root


@pytest.fixture
def root(tmp_path):
    return write_fddb(tmp_path / 'FDDB')


def read(root, **options):
    dataset = FDDBDataset(data_root=str(root), **options)
    return dataset, [dataset.get_data_info(k) for k in range(len(dataset))]


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
@pytest.mark.parametrize('names', [True, False])
def test_every_case_of_the_format(tmp_path, newline, names):
    dataset, records = read(write_fddb(tmp_path / 'FDDB', newline, names=names))
    assert [record['name'] for record in records] == [A, B, C]
    assert [record['img_id'] for record in records] == [0, 1, 2]
    assert [record['fold'] for record in records] == [1, 1, 2]
    assert records[0]['ellipses'] == [[20.5, 10.25, math.pi / 2, 30, 24], [8, 4, 0, 20, 44]]
    boxes = [item['bbox'] for item in records[0]['instances']]
    # upright: as high as the major axis, clipped nowhere; lying: clipped at the bottom
    assert boxes[0] == pytest.approx([19.75, 3.5, 40.25, 44.5])
    assert boxes[1] == pytest.approx([12, 40, 28, 48])
    assert records[0]['instances'][1]['ellipse'] == [8, 4, 0, 20, 44]
    assert records[1]['instances'] == records[1]['ellipses'] == []
    assert dataset.repairs.counts == {}
    for record in records:  # the default loader makes three channels of grey pictures
        assert mmcv.imread(record['img_path']).shape == (record['height'], record['width'], 3)


@settings(max_examples=25, deadline=None)
@given(
    major=st.floats(1, 50), minor=st.floats(1, 50), angle=st.floats(-7, 7),
    x=st.floats(-50, 50), y=st.floats(-50, 50),
)  # fmt: skip
def test_a_bounding_box_touches_its_ellipse_on_four_sides(major, minor, angle, x, y):
    t = np.linspace(0, 2 * np.pi, 20001)
    outline = np.stack(
        [
            x + major * np.cos(t) * np.cos(angle) - minor * np.sin(t) * np.sin(angle),
            y + major * np.cos(t) * np.sin(angle) + minor * np.sin(t) * np.cos(angle),
        ]
    )
    (box,) = ellipse_boxes([[major, minor, angle, x, y]])
    assert box == pytest.approx(np.concatenate([outline.min(1), outline.max(1)]), abs=1e-4)


def test_folds_are_read_as_they_are_asked_for(root):
    assert [record['name'] for record in read(root, folds=[2, 1])[1]] == [C, A, B]
    assert [record['img_id'] for record in read(root, folds=[2, 1])[1]] == [0, 1, 2]
    assert [record['name'] for record in read(root, folds=2)[1]] == [C]
    for folds in ([3], [1, 1]):
        with pytest.raises(ValueError, match='`folds` must be among `1`, `2`, each once'):
            read(root, folds=folds)


def test_the_fold_list_gives_the_order_and_disagreements_are_noted(root):
    extra = '2002/08/11/big/img_593'
    write_picture(root / 'originalPics' / f'{extra}.jpg')
    (root / 'FDDB-folds' / 'FDDB-fold-01.txt').write_text(f'{extra}\n{A}\n')
    dataset, records = read(root, folds=1)
    assert [record['name'] for record in records] == [extra, A]
    assert records[0]['ellipses'] == []
    assert dataset.repairs.counts == {'list mismatch': 2}
    assert [entry.where.rpartition('/')[2] for entry in dataset.repairs.entries] == [
        'FDDB-fold-01.txt',
        'FDDB-fold-01-ellipseList.txt:5',
    ]


def test_a_face_beyond_the_picture_has_no_box_but_stays_an_ellipse(tmp_path):
    text = f'{A}\n2\n5 5 0 -20 20 1\n5 5 0 0 20 1\n'
    dataset, (record,) = read(write_fddb(tmp_path / 'FDDB', folds={1: text}))
    assert [item['bbox'] for item in record['instances']] == [[0, 15, 5, 25]]
    assert len(record['ellipses']) == 2
    assert dataset.repairs.counts == {'dropped': 1}
    assert dataset.repairs.entries[0].where.endswith('FDDB-fold-01-ellipseList.txt:3')


def test_names_that_come_twice_are_read_once_and_noted(root):
    names = root / 'FDDB-folds' / 'FDDB-fold-02.txt'
    names.write_text(f'{C}\n{C}\n')
    picture = root / 'originalPics' / f'{C}.jpg'
    picture.with_suffix('.png').write_bytes(picture.read_bytes())
    dataset, records = read(root)
    assert [record['name'] for record in records] == [A, B, C]
    assert records[2]['img_path'] == str(picture)
    assert [(kind, where) for kind, where, _ in dataset.repairs.entries] == [
        ('duplicate', str(names)),
        ('duplicate', str(picture.with_suffix('.png'))),
    ]


def test_folds_that_share_a_picture_or_have_none_are_refused(tmp_path):
    root = write_fddb(tmp_path / 'shared', folds={1: f'{A}\n0\n', 2: f'{B}\n0\n{A}\n0\n'})
    with pytest.raises(
        ValueError, match='fold-02-ellipseList.txt:3: .* already listed at .*01.*:1'
    ):
        read(root)
    empty = write_fddb(tmp_path / 'empty', folds={1: '', 2: ''})
    (empty / 'originalPics').mkdir()
    with pytest.raises(ValueError, match='lists in .* name no picture'):
        read(empty)
    with pytest.raises(ValueError, match='`folds` must be among'):
        read(root, folds=[])
    (root / 'FDDB-folds' / 'FDDB-fold-1-ellipseList.txt').write_text(f'{B}\n0\n')
    with pytest.raises(ValueError, match='fold-01-.*fold-1-.* are both fold 1: keep one'):
        read(root)


def test_training_may_leave_out_pictures_without_faces(root):
    filters = dict(filter_empty_gt=True)
    assert [record['name'] for record in read(root, filter_cfg=filters)[1]] == [A, C]
    assert len(read(root, filter_cfg=filters, test_mode=True)[1]) == 3


def test_missing_and_unreadable_pictures_raise_or_are_skipped(root):
    (root / 'originalPics' / f'{A}.jpg').unlink()
    (root / 'originalPics' / f'{B}.JPG').write_bytes(b'no picture')
    with pytest.raises(FileNotFoundError, match=f'1 without picture: `{A}`; 1 with an unreadable'):
        read(root)
    dataset, (record,) = read(root, missing='skip')
    assert (record['name'], record['img_id']) == (C, 0)
    assert dataset.repairs.counts == {'skipped': 2}


def test_what_is_not_there_is_named(root, tmp_path):
    with pytest.raises(
        DatasetNotFoundError, match='FDDB-fold-01-ellipseList.txt`, `.*originalPics'
    ):
        read(tmp_path / 'nowhere')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (f'{A}\n{B}\n0\n', f':1: `{A}` is followed by `{B}` instead of its number'),
        (f'{A}\n', ':1: .* followed by `the end of the file`'),
        (f'{A}\n2\n5 5 0 20 20 1\n', ':1: .* has 1 of 2 faces, then the file ends'),
        (f'{A}\n1\n5 5 0 20\n', ':3: `5 5 0 20` is not "major_radius'),
        (f'{A}\n1\n5 5 nan 20 20 1\n', ':3: .* is not "major_radius'),
        (f'{A}\n1\n-5 5 0 20 20 1\n', ':3: .* is not "major_radius'),
        (f'{A}\n0\n{A}\n0\n', ':3: .* is already listed at .*:1'),
    ],
)
def test_a_damaged_list_is_told_with_file_and_line(tmp_path, text, message):
    file = tmp_path / 'FDDB-fold-01-ellipseList.txt'
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_ellipses(file)


def test_ten_folds_of_another_size_are_told(tmp_path):
    folds = {k: f'2002/08/{k:02}/big/img_1\n1\n5 5 0 20 20 1\n' for k in range(1, 11)}
    root = write_fddb(tmp_path / 'FDDB', folds=folds)
    text = log_of(lambda: read(root))
    assert '10 pictures with 10 faces instead of 2845 with 5171' in text
    assert 'FDDB (all folds): 10 pictures with 10 boxes' in text
    assert 'instead of' not in log_of(lambda: read(root, folds=1))


def test_the_shipped_config_hands_the_metric_what_it_needs(root):
    cfg = Config.fromfile(CONFIG)
    assert type(METRICS.build(cfg.test_evaluator)).__name__ == 'FDDBMetric'
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = DATASETS.build({**cfg.test_dataloader.dataset, 'data_root': str(root)})
        packed = dataset[0]
    sample = packed['data_samples'].to_dict()
    assert (sample['name'], sample['ellipses']) == (A, dataset.get_data_info(0)['ellipses'])
    assert sample['ori_shape'] == (48, 64) and packed['inputs'].shape == (3, 480, 640)
    assert dataset[1]['inputs'].shape[0] == 3  # grey on disk
    # in coordinates of the original picture, as the predictions will be
    assert sample['gt_instances']['bboxes'].tensor[0].tolist() == pytest.approx(
        [19.75, 3.5, 40.25, 44.5]
    )


def test_written_detections_have_a_zero_line_for_pictures_without_any(tmp_path):
    write_detections(tmp_path / 'x' / 'out.txt', [(A, [[1, 2, 3.5, 4]], [0.25]), (B, [], [])])
    assert (tmp_path / 'x' / 'out.txt').read_text() == f'{A}\n1\n1 2 3.5 4 0.25\n{B}\n0\n'
