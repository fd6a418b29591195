"""`tools/benchmark.py` on a matrix of toy size."""

import csv
import json
import runpy
import sys
from pathlib import Path

import pytest

from llv.datasets.night_scenes import write_night_scenes

pytest.importorskip('mmdet')
REPOSITORY = Path(__file__).parents[2]
STUDY = REPOSITORY / 'configs' / 'night_scenes' / 'label_efficiency'

MATRIX = f"""
title: Toy
metric: AP50
scale: 100
detectors:
  ssd-small: {{config: {STUDY}/night.py, start: {STUDY}/day.py}}
enhancers:
  none:
  dark statistics: {{fit: {{kind: statistics, dark: ROOT/unlabelled/night}}}}
  RUAS: {{enhancer: ruas, upstream: {STUDY}/ruas-scene.py}}
arms:
  - {{name: direct, strategy: detector_only}}
  - {{name: statistics, enhancer: dark statistics, strategy: detector_only}}
  - {{name: lit, enhancer: RUAS, strategy: zero_shot}}
  - {{name: scene loss, enhancer: RUAS, strategy: end_to_end_scene}}
axes:
  labels: {{draw: {{into: train_dataloader.dataset.indices, of: 8}}, values: [2, 4]}}
upstream_options: {{train_cfg.max_iters: 2, train_dataloader.dataset.data_root: ROOT/}}
options:
  train_cfg.max_iters: 2
  train_dataloader.dataset.data_root: ROOT/
  test_dataloader.dataset.data_root: ROOT/
pictures: 2
compare: {{baseline: direct, axis: labels}}
"""


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp('scenes')
    splits = dict(train=8, adapt=8, unlabelled=4, val=5)
    write_night_scenes(folder, splits=splits, size=(96, 96), progress=False)
    return folder


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
def finished(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp('benchmark')
    file = folder / 'toy.yml'
    file.write_text(MATRIX.replace('ROOT', str(root)))
    status = run(file, '--work-dir', folder / 'work')
    return file, folder / 'work', status


def records(work):
    return {file: file.stat().st_mtime_ns for file in work.glob('cells/*/result.json')}


def test_every_cell_is_trained_measured_and_reported(finished):
    _, work, status = finished
    assert status == 0
    found = [json.loads(file.read_text()) for file in records(work)]
    assert len(found) == 8
    for record in found:
        assert 0 <= record['metrics']['AP50'] <= 100
        assert record['iterations'] == (0 if record['cell']['strategy'] == 'zero_shot' else 2)
        lit = record['cell']['enhancer'] == 'RUAS'
        assert (record['parameters']['enhancer'] > 0) == lit
        assert record['milliseconds']['model'] > 0
    with open(work / 'results.csv', newline='', encoding='utf-8') as stream:
        assert len(list(csv.DictReader(stream))) == 8
    page = (work / 'index.html').read_text(encoding='utf-8')
    assert 'scene loss' in page and 'data:image/' in page
    assert len(list(work.glob('cells/lit-labels-2*/pictures/*.png'))) == 2
    # one day detector and one enhancer for all cells
    assert len(list(work.glob('upstream/*/result.json'))) == 2


def test_a_second_run_takes_what_is_there_and_one_that_is_gone_comes_back_the_same(finished):
    file, work, _ = finished
    before = records(work)
    assert run(file, '--work-dir', work) == 0
    assert records(work) == before
    gone = next(f for f in before if f.parent.name.startswith('scene-loss-labels-4'))
    metrics = json.loads(gone.read_text())['metrics']
    gone.unlink()
    assert run(file, '--work-dir', work, '--workers', 2) == 0
    assert json.loads(gone.read_text())['metrics'] == metrics
    after = records(work)
    assert {f for f in before if after[f] != before[f]} == {gone}


def test_a_report_of_half_a_matrix_says_what_is_missing(finished, capsys):
    file, work, _ = finished
    page = work.parent / 'page.md'
    page.write_text('Before\n<!-- begin here -->\n<!-- end here -->\nAfter\n')
    given = ('--report-only', '--seeds', 0, 1, '--write', page, '--mark', 'here')
    assert run(file, '--work-dir', work, *given) == 0
    assert '8 of 16 cells' in capsys.readouterr().out
    assert '8 of 16' in (work / 'results.md').read_text(encoding='utf-8')
    written = page.read_text(encoding='utf-8')
    assert '8 of 16' in written and '| scene loss' in written
    assert written.startswith('Before') and written.endswith('After\n')


def test_a_cell_that_fails_is_named_and_the_others_go_on(root, tmp_path, capsys):
    file = tmp_path / 'toy.yml'
    text = MATRIX.replace('ROOT', str(root)).replace('[2, 4]', '[2]')
    text = text.replace(
        'arms:\n',
        'arms:\n  - {name: broken, options: {train_dataloader.dataset.ann_file: gone.json}}\n',
    )
    file.write_text(text)
    assert run(file, '--work-dir', tmp_path / 'work') == 1
    out = capsys.readouterr().out
    failed = next(line for line in out.splitlines() if 'failed' in line)
    assert 'broken' in failed and 'gone.json' in failed
    assert len(records(tmp_path / 'work')) == 4


def test_weights_to_start_from_are_missed_before_any_training(root, tmp_path, capsys):
    file = tmp_path / 'toy.yml'
    text = MATRIX.replace('ROOT', str(root)).replace(f', start: {STUDY}/day.py', '')
    file.write_text(
        text.replace('options:\n  train', 'options:\n  load_from: gone.pth\n  train', 1)
    )
    assert run(file, '--work-dir', tmp_path / 'work') == 2
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert sentence.startswith('error: The checkpoint `gone.pth`, which `direct,')
    assert '`options: {load_from: FILE}`' in sentence
    assert not (tmp_path / 'work').exists()
    # a report of what is there needs no weights
    assert run(file, '--work-dir', tmp_path / 'work', '--report-only') == 0


def test_errors_of_the_file_come_before_any_training(root, tmp_path, capsys):
    file = tmp_path / 'toy.yml'
    file.write_text(MATRIX.replace('ROOT', str(root)).replace('enhancer: ruas', 'enhancer: sun'))
    assert run(file, '--work-dir', tmp_path / 'work') == 2
    assert 'sun' in capsys.readouterr().err
    assert not (tmp_path / 'work').exists()
