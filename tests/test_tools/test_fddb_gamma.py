"""tools/analysis_tools/fddb_gamma.py with a small SSD on drawn faces."""

import copy
import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import save_checkpoint
from mmengine.structures import InstanceData

pytest.importorskip('mmcv.ops')
pytest.importorskip('mmdet')
from mmdet.structures import DetDataSample  # noqa: E402

from llv.datasets.detection.fddb_files import ellipse_boxes  # noqa: E402
from llv.registry import MODELS  # noqa: E402

TOOL = 'analysis_tools/fddb_gamma'
CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
CONFIG = f"""
_base_ = ['{CONFIGS}/_base_/models/ssd_small.py', '{CONFIGS}/_base_/small_detector_runtime.py']
model = dict(bbox_head=dict(num_classes=1), test_cfg=dict(max_per_img=30))
test_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CocoDataset',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(96, 96), keep_ratio=False),
            dict(type='LoadAnnotations', with_bbox=True),
            dict(type='PackDetInputs', meta_keys=('img_id', 'ori_shape', 'img_shape', 'scale_factor')),
        ],
    ),
)
test_evaluator = dict(type='VOCMetric')
"""


def draw_faces(root, render=lambda picture: picture):
    """Four pictures with bright ellipses on noise, in FDDB's format; `render` works on the pictures."""
    rng = np.random.default_rng(5)
    lines = []
    (root / 'FDDB-folds').mkdir(parents=True)
    folder = root / 'originalPics' / 'a'
    folder.mkdir(parents=True)
    for k in range(4):
        picture = rng.integers(20, 90, (64, 96, 3), np.uint8)
        lines += [f'a/{k}', '2']
        for x in (25, 70):
            y, major, minor, angle = int(rng.integers(25, 40)), 18, 12, float(rng.uniform(1.2, 1.9))
            cv2.ellipse(
                picture, (x, y), (major, minor), np.degrees(angle), 0, 360, (150, 180, 220), -1
            )
            lines.append(f'{major} {minor} {angle} {x} {y}  1')
        assert cv2.imwrite(str(folder / f'{k}.png'), render(picture))
    text = '\n'.join([*lines, ''])
    (root / 'FDDB-folds' / 'FDDB-fold-01-ellipseList.txt').write_text(text)
    return root


def train(model, data, steps=40):
    """Teach a detector the drawn faces at the size and light they are tested in."""
    pictures, samples = [], []
    lines = (data / 'FDDB-folds' / 'FDDB-fold-01-ellipseList.txt').read_text().splitlines()
    for k in range(4):
        picture = cv2.imread(str(data / 'originalPics' / 'a' / f'{k}.png'))
        pictures.append(torch.from_numpy(cv2.resize(picture, (96, 96))).permute(2, 0, 1))
        ellipses = [[float(v) for v in line.split()[:5]] for line in lines[4 * k + 2 : 4 * k + 4]]
        boxes = torch.tensor(ellipse_boxes(ellipses), dtype=torch.float32)
        boxes[:, 1::2] *= 96 / 64
        faces = InstanceData(bboxes=boxes, labels=torch.zeros(2, dtype=torch.long))
        meta = dict(img_shape=(96, 96), ori_shape=(64, 96), scale_factor=(1.0, 1.5))
        samples.append(DetDataSample(metainfo=meta, gt_instances=faces))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    model.train()
    for _ in range(steps):
        inputs = dict(inputs=list(pictures), data_samples=copy.deepcopy(samples))
        losses = model(**model.data_preprocessor(inputs, True), mode='loss')
        loss, _ = model.parse_losses(losses)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.fixture(scope='module')
def detector(tmp_path_factory):
    """Config and checkpoint of a detector that finds most of the drawn faces."""
    folder = tmp_path_factory.mktemp('detector')
    (folder / 'face.py').write_text(CONFIG)
    cfg = Config.fromfile(folder / 'face.py')
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
        model.init_weights()
        train(model, draw_faces(folder / 'faces'))
    save_checkpoint(dict(state_dict=model.state_dict()), str(folder / 'face.pth'))
    return folder / 'face.py', folder / 'face.pth'


@pytest.fixture
def gamma_tool(call_tool, detector, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))

    def call(out, data, *arguments, max_fp=2):
        given = ('--work-dir', tmp_path / out, '--data', data, '--max-fp', max_fp, *arguments)
        status, error = call_tool(TOOL, *detector, *given)
        assert status == 0, error
        report = json.loads((tmp_path / out / 'fddb_gamma.json').read_text())
        return {(row['enhancer'], row['gamma']): row for row in report['results']}

    return call


def figures(row):
    return {key: row[key] for key in ('rate', 'continuous', 'false_positives')}


def test_a_curve_of_each_enhancer_over_gamma_is_measured_written_and_kept(gamma_tool, tmp_path):
    data = draw_faces(tmp_path / 'faces')
    names = ('none', 'identity', 'fixed_gain@gain=3.5')
    given = ('out', data, '--gammas', 1, 0.25, '--enhancers', *names)
    rows = gamma_tool(*given)
    assert list(rows) == [(name, gamma) for name in names for gamma in (0.25, 1.0)]
    for gamma in (0.25, 1.0):
        assert figures(rows['none', gamma]) == figures(rows['identity', gamma])
    # the detector is lost in the dark, and light brings it back
    assert rows['none', 1.0]['rate'] > 0.8 and rows['none', 0.25]['rate'] < 0.3
    assert rows[names[2], 0.25]['rate'] > rows['none', 0.25]['rate'] + 0.3
    assert 0 < rows['none', 1.0]['continuous'] < 1
    assert {row['pictures'] for row in rows.values()} == {4}

    out = tmp_path / 'out'
    with open(out / 'fddb_gamma.csv', newline='') as file:
        written = {(row['enhancer'], float(row['gamma'])): row for row in csv.DictReader(file)}
    assert {k: float(v['rate']) for k, v in written.items()} == {
        k: v['rate'] for k, v in rows.items()
    }
    page = (out / 'fddb_gamma.md').read_text()
    assert '| gamma | `none` | `identity` | `fixed_gain@gain=3.5` |' in page
    assert f'| {rows["none", 0.25]["rate"]:.3f} ' in page and '1 − (1 − I)^gamma' in page
    assert cv2.imread(str(out / 'fddb_gamma.png')) is not None
    assert '<svg' in (out / 'fddb_gamma.svg').read_text()
    (roc,) = (out / 'runs').glob('none_gamma-1_*/fddb_roc.json')
    assert json.loads(roc.read_text())['curves']['discrete']['ap'] == rows['none', 1.0]['rate']

    # a second time nothing is measured; another limit is
    records = {file: file.stat().st_mtime_ns for file in out.rglob('result.json')}
    assert len(records) == 6
    assert gamma_tool(*given) == rows
    assert {file: file.stat().st_mtime_ns for file in out.rglob('result.json')} == records
    gamma_tool('out', data, '--gammas', 1, '--enhancers', 'none', max_fp=5)
    assert len(list(out.rglob('result.json'))) == 7


def test_pictures_are_re_rendered_before_anything_else(gamma_tool, tmp_path):
    def darken(picture):
        return np.rint(255 * (1 - (1 - picture / 255) ** 0.4)).astype(np.uint8)

    plain, dark = draw_faces(tmp_path / 'plain'), draw_faces(tmp_path / 'dark', darken)
    enhancer = 'mean_match'  # looks at the whole picture
    on_the_way = gamma_tool('a', plain, '--gammas', 0.4, 1, '--enhancers', enhancer)
    on_disk = gamma_tool('b', dark, '--gammas', 1, '--enhancers', enhancer)
    assert figures(on_the_way[enhancer, 0.4]) == figures(on_disk[enhancer, 1.0])
    assert figures(on_the_way[enhancer, 1.0]) != figures(on_disk[enhancer, 1.0])


def test_views_may_be_merged(gamma_tool, tmp_path):
    data = draw_faces(tmp_path / 'faces')
    one = gamma_tool('one', data, '--gammas', 1, '--enhancers', 'none')
    two = gamma_tool('two', data, '--gammas', 1, '--enhancers', 'none', '--tta')
    assert figures(one['none', 1.0]) != figures(two['none', 1.0])


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--data', 'x', '--gammas', '0'], "must be a number above 0, but got '0'"),
        (['--data', 'x', '--gammas', '1', '1.0'], '`--gammas` names something twice'),
        (['--data', 'x', '--enhancers', 'ruas@stages'], 'is not NAME[:WEIGHTS][@KEY=VALUE,...]'),
        (['--data', 'x', '--enhancers', 'rus'], '`rus`'),
        ([], 'tests on `CocoDataset`; name a folder in the format of FDDB with `--data`'),
        (
            ['--data', 'nowhere', '--enhancers', 'none'],
            'FDDB was not found in `data_root` `nowhere`',
        ),
    ],
)
def test_mistakes_are_told_in_one_sentence(call_tool, detector, tmp_path, arguments, words):
    status, error = call_tool(TOOL, *detector, '--work-dir', tmp_path / 'out', *arguments)
    assert status == 2 and words in error


def test_a_missing_checkpoint_is_told_before_anything_runs(call_tool, detector, tmp_path):
    given = ('--work-dir', tmp_path / 'out', '--data', 'x')
    status, error = call_tool(TOOL, detector[0], tmp_path / 'gone.pth', *given)
    assert status == 2 and 'gone.pth` is not there' in error
    assert not (tmp_path / 'out').exists()
