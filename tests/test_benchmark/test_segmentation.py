"""`tools/benchmark.py` on a matrix of segmentors of toy size: training, figures of regions, pictures and the report."""

import csv
import json
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from llv.datasets.night_scenes import CLASSES, PALETTE, write_night_scenes
from llv.utils.pictures import read_picture

pytest.importorskip('mmseg')
pytest.importorskip('scipy')
from scipy import stats  # noqa: E402

REPOSITORY = Path(__file__).parents[2]
SIZE = 32

CONFIG = f"""
_base_ = 'mmseg::_base_/default_runtime.py'
norm = dict(type='BN')
data_preprocessor = dict(
    type='SegDataPreProcessor', mean=[120, 115, 105], std=[58, 57, 57], bgr_to_rgb=True, seg_pad_val=255,
    size=({SIZE}, {SIZE}))
model = dict(
    type='EncoderDecoder',
    data_preprocessor=data_preprocessor,
    backbone=dict(type='ResNetV1c', depth=18, base_channels=4, stem_channels=4, num_stages=2, strides=(1, 1),
        dilations=(1, 1), out_indices=(1,), norm_cfg=norm),
    decode_head=dict(type='FCNHead', in_channels=8, in_index=0, channels=8, num_convs=1, concat_input=False,
        num_classes={len(CLASSES) + 1}, norm_cfg=norm,
        # else a few steps find nothing but background
        loss_decode=dict(type='CrossEntropyLoss', class_weight={[0.05] + [1.0] * len(CLASSES)})),
    test_cfg=dict(mode='whole'))


def loader(split, light, steps, **options):
    return dict(batch_size=2, num_workers=0, dataset=dict(
        type='BaseSegDataset', data_root='ROOT/', img_suffix='.png',
        metainfo=dict(classes={('background', *CLASSES)}, palette={[[0, 0, 0], *map(list, PALETTE)]}),
        data_prefix=dict(img_path=split + '/' + light, seg_map_path=split + '/labels'),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), *steps, dict(type='PackSegInputs')]),
        **options)


train_dataloader = loader('train', 'night', [dict(type='RandomFlip', prob=0.5)], sampler=dict(type='InfiniteSampler'))
test_dataloader = loader('val', 'night', [], sampler=dict(type='DefaultSampler', shuffle=False))
del loader
train_cfg = dict(type='IterBasedTrainLoop', max_iters=9, val_interval=100)
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.02))
test_evaluator = [
    dict(type='llv.PerClassIoUMetric', views=dict(shapes={list(CLASSES)})),
    dict(type='llv.RegionIoUMetric', quantiles=2, per_class=True)]
"""

MATRIX = """
title: Toy segmentation
metric: mIoU
segmentors:
  tiny: {config: tiny.py}
enhancers:
  none:
  MeanMatch: {fit: {kind: mean, bright: ROOT/train/day}}
arms:
  - {name: direct, segmentor: tiny}
  - {name: lit, enhancer: MeanMatch, strategy: frozen}
axes:
  labels: {draw: {into: train_dataloader.dataset.indices, of: 8}, values: [4]}
options: {train_cfg.max_iters: 4}
seeds: [0, 1]
pictures: 2
compare: {baseline: direct}
"""


def run(*arguments):
    before = sys.argv
    sys.argv = ['benchmark.py', *map(str, arguments)]
    try:
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(REPOSITORY / 'tools' / 'benchmark.py'), run_name='__main__')
    finally:
        sys.argv = before
    return ended.value.code


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp('segmentation')
    write_night_scenes(folder, splits=dict(train=8, val=4), size=(SIZE, SIZE), progress=False)
    (folder / 'tiny.py').write_text(CONFIG.replace('ROOT', str(folder)))
    (folder / 'toy.yml').write_text(MATRIX.replace('ROOT', str(folder)))
    status = run(folder / 'toy.yml', '--work-dir', folder / 'work')
    return folder / 'toy.yml', folder / 'work', status


def refuse(constant):
    raise AssertionError(f'{constant} is no JSON')


def records(work):
    """The records by arm and seed."""
    found = {}
    for file in work.glob('cells/*/result.json'):
        record = json.loads(file.read_text(), parse_constant=refuse)
        found[record['cell']['arm'], record['cell']['seed']] = record
    return found


def table(page, title):
    """Rows of the table below a heading, its header first."""
    lines = page.split(f'## {title}\n', 1)[1].splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith('|'))
    rows = []
    for line in lines[start:]:
        if not line.startswith('|'):
            break
        rows.append([cell.strip() for cell in line.strip('|').split('|')])
    return [rows[0], *rows[2:]]


def interval(values):
    """Mean and half the width of the 95 % interval."""
    return np.mean(values), stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)


def test_every_cell_is_trained_and_measured(finished):
    _, work, status = finished
    assert status == 0
    found = records(work)
    assert set(found) == {(arm, seed) for arm in ('direct', 'lit') for seed in (0, 1)}
    for (arm, _), record in found.items():
        assert record['iterations'] == 4 and record['cell']['segmentor'] == 'tiny'
        metrics = record['metrics']
        for name in ('mIoU', 'aAcc', 'mIoU.shapes', 'mIoU.dark1', 'mIoU.dark2', 'mIoU.boundary'):
            assert 0 <= metrics[name] <= 100, name
        assert metrics['pixels.dark1'] + metrics['pixels.dark2'] == pytest.approx(100)
        assert metrics['brightness.dark1'] < metrics['brightness.dark2'] <= 255
        times = record['milliseconds']
        assert times['model'] > 0 and (times['enhancer'] > 0) == (arm == 'lit')
    # the pictures are grouped as they are, so all models are looked at in the same pixels
    assert len({record['metrics']['brightness.dark1'] for record in found.values()}) == 1


def test_the_report_tells_where_the_enhancer_helps(finished):
    _, work, _ = finished
    found = records(work)
    page = (work / 'results.md').read_text(encoding='utf-8')

    def scores(arm, metric):
        return np.array([found[arm, seed]['metrics'][metric] for seed in (0, 1)])

    for row, arm in zip(table(page, 'mIoU')[1:], ('direct', 'lit'), strict=True):
        mean, half = interval(scores(arm, 'mIoU'))
        assert row == [arm, f'{mean:.1f} ± {half:.1f}', '2']
    limits = [found['direct', 0]['metrics'][f'brightness.dark{k}'] for k in (1, 2)]
    header = ['arm', f'dark1 (0–{limits[0]:.0f})', f'dark2 ({limits[0] + 1:.0f}–{limits[1]:.0f})']
    header += ['boundary', 'interior']
    regions = ('dark1', 'dark2', 'boundary', 'interior')
    means = [f'{scores("lit", f"mIoU.{region}").mean():.1f}' for region in regions]
    assert table(page, 'Where it helps')[0] == header
    assert table(page, 'Where it helps')[2] == ['lit', *means]
    differences = []
    for region in regions:
        name = f'mIoU.{region}'
        mean, half = interval(scores('lit', name) - scores('direct', name))
        differences.append(f'{mean:+.1f} ± {half:.1f}')
    rows = table(page, 'Where it helps: differences to direct')
    assert rows == [[*header, 'pairs'], ['lit', *differences, '2']]
    assert table(page, 'mIoU by class view')[0] == ['arm', 'shapes']
    assert set(table(page, 'IoU by class')[0]) <= {'arm', 'background', *CLASSES}
    assert table(page, 'Other metrics')[0] == ['arm', 'aAcc', 'mAcc']
    with open(work / 'results.csv', newline='', encoding='utf-8') as stream:
        assert {row['segmentor'] for row in csv.DictReader(stream)} == {'tiny'}
    json.loads((work / 'results.json').read_text(), parse_constant=refuse)
    html = (work / 'index.html').read_text(encoding='utf-8')
    assert 'Difference to direct from dark to bright pixels' in html
    assert html.count('data:image/svg+xml') == 1 and html.count('data:image/jpeg') == 4


def test_sample_pictures_show_the_dark_the_lit_and_the_label_map(finished):
    _, work, _ = finished
    palette = np.array([[0, 0, 0], *PALETTE], float)
    for arm, panels in (('direct', 2), ('lit', 3)):
        files = sorted(work.glob(f'cells/{arm}-*/pictures/*.png'))
        assert len(files) == 2  # of the first seed only
        for file in files:
            shown = np.split(read_picture(file).astype(float), panels, axis=1)
            assert all(panel.shape == (SIZE, SIZE, 3) for panel in shown)
            dark = read_picture(work.parent / 'val' / 'night' / file.name)
            np.testing.assert_array_equal(shown[0], dark)
            if arm == 'lit':
                assert shown[1].mean() > 1.2 * shown[0].mean()
            # the visualizer mixes the colours of the classes into the last picture before it, 80 : 20
            mixed = 0.2 * shown[-2][:, :, None] + 0.8 * palette
            off = np.abs(shown[-1][:, :, None] - mixed).max(-1).min(-1)
            assert np.mean(off <= 1) > 0.5  # the rest is under the names of the classes


def test_only_a_cell_that_is_gone_is_run_again_and_gives_the_same(finished):
    file, work, _ = finished
    before = {f: f.stat().st_mtime_ns for f in work.glob('cells/*/result.json')}
    gone = next(f for f in before if f.parent.name.startswith('lit-labels-4-seed-1'))
    metrics = json.loads(gone.read_text())['metrics']
    shutil.rmtree(gone.parent)
    assert run(file, '--work-dir', work) == 0
    after = {f: f.stat().st_mtime_ns for f in work.glob('cells/*/result.json')}
    assert {f for f in after if before[f] != after[f]} == {gone}
    assert json.loads(gone.read_text())['metrics'] == metrics
