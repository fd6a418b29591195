"""The demo at toy size: the very program, from scenes to report."""

import base64
import json
import math
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from llv.apis import enhance, init_enhancer
from llv.utils.pictures import read_picture

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / 'demo' / 'run_demo.py'
ADAPTED = ('direct', 'mean-match', 'hierarchical')
ROWS = (
    'day',
    'zero-shot',
    'zero-shot_fixed-gain',
    'zero-shot_mean-match',
    'zero-shot_ruas',
    *ADAPTED,
)


def call(*arguments, code=()):
    environment = {**os.environ, 'MPLBACKEND': 'Agg', 'OMP_NUM_THREADS': '1'}
    program = ['-c', *code] if code else [str(SCRIPT)]
    return subprocess.run(
        [sys.executable, *program, *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    """Folder of a finished demo, its arguments and what it printed."""
    folder = tmp_path_factory.mktemp('demo')
    photograph = np.random.default_rng(0).integers(0, 90, (30, 40, 3), np.uint8)
    cv2.imwrite(str(folder / 'street.png'), photograph)
    arguments = ['--tiny', '--data', folder / 'scenes', '--work-dir', folder / 'demo', '--seeds', 3]
    arguments += ['--image', folder / 'street.png']
    done = call(*arguments)
    assert done.returncode == 0, done.stderr
    return folder, arguments, done.stdout


@pytest.fixture(scope='module')
def summary(demo):
    return json.loads((demo[0] / 'demo' / 'summary.json').read_text(encoding='utf-8'))


def test_summary_has_every_row_with_finite_numbers(summary):
    assert [arm['key'] for arm in summary['arms']] == list(ROWS)
    for arm in summary['arms']:
        for key in ('mAP', 'AP50', 'minutes'):
            assert math.isfinite(arm[key]) and arm[key] >= 0
        assert arm['mAP'] <= arm['AP50'] <= 1
        assert arm['recovered'] is None or math.isfinite(arm['recovered'])
        assert arm['pictures'] == ('day' if arm['key'] == 'day' else 'night')
        assert [run['seed'] for run in arm['seeds']] == [3]
    assert summary['seeds'] == [3]
    assert summary['reused'] == []
    assert summary['settings']['val'] == 6
    assert 0 < summary['total_minutes'] < 10
    assert {'cores', 'torch', 'device', 'threads'} <= set(summary['machine'])


def test_adapted_arms_have_equal_training(demo, summary):
    arms = {arm['key']: arm for arm in summary['arms']}
    assert {arms[key]['trained_iterations'] for key in ADAPTED} == {6}
    assert {arms[key]['trained_iterations'] for key in ROWS if key not in ADAPTED} == {0}
    rates = []
    for key in ADAPTED:
        (scalars,) = (demo[0] / 'demo' / key / 'seed_3').glob('*/vis_data/scalars.json')
        records = [json.loads(line) for line in scalars.read_text().splitlines()]
        rates.append({record['step']: record['lr'] for record in records if 'lr' in record})
    assert rates[0] == rates[1] == rates[2]
    assert len(rates[0]) >= 3


def test_gallery_shows_what_the_detectors_saw(demo, summary):
    folder = demo[0] / 'demo'
    assert all((folder / file).is_file() for file in summary['gallery']['files'])
    (alone,) = folder.glob('upstream/*_ruas-scene_*/result.pth')
    trained = folder / 'hierarchical' / 'seed_3' / 'iter_6.pth'
    for weights, key in ((alone, 'zero-shot_ruas'), (trained, 'hierarchical/seed_3')):
        module = init_enhancer('ruas', str(weights))
        for index in summary['gallery']['scenes']:
            night = demo[0] / 'scenes' / 'val' / 'night' / f'{index:06d}.png'
            shown = read_picture(folder / key / 'gallery' / f'{index:06d}.png').astype(int)
            assert np.abs(shown - enhance(module, night)).max() <= 1
    # and training with the detector has moved the enhancer
    first = init_enhancer('ruas', str(alone)).state_dict()
    last = init_enhancer('ruas', str(trained)).state_dict()
    assert any(not bool((first[name] == last[name]).all()) for name in first)


def test_photograph_is_lit_by_the_enhancer_alone(demo):
    (alone,) = (demo[0] / 'demo').glob('upstream/*_ruas-scene_*/result.pth')
    expected = enhance(init_enhancer('ruas', str(alone)), demo[0] / 'street.png')
    assert np.array_equal(read_picture(demo[0] / 'demo' / 'street_enhanced.png'), expected)


def test_report_is_self_contained(demo, summary):
    html = (demo[0] / 'demo' / 'report.html').read_text(encoding='utf-8')
    links, tags, words = [], [], []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.append(tag)
            links.extend(value for key, value in attrs if key in ('src', 'href', 'xlink:href'))

        def handle_data(self, data):
            words.append(data)

    Reader().feed(html)
    kinds = ('data:image/jpeg;base64,', 'data:image/svg+xml;base64,')
    assert links and all(link.startswith(kinds) for link in links)
    assert all(base64.b64decode(link.split(',', 1)[1], validate=True) for link in links)
    assert not {'script', 'link', 'iframe'} & set(tags)
    # three figures, eight pictures for each of two scenes, the photograph before and after
    assert tags.count('img') == 3
    assert tags.count('image') == 2 * 8 + 2
    for arm in summary['arms']:
        assert {f'{arm["mAP"]:.3f}', f'{arm["AP50"]:.3f}'} <= set(words)
    assert 'street.png' in ' '.join(words)


def test_steps_are_numbered_on_the_terminal(demo):
    lines = demo[2].splitlines()
    steps = [line for line in lines if line.startswith('[')]
    assert [line.split(']')[0] + ']' for line in steps] == [f'[{i}/9]' for i in range(1, 10)]
    assert all('elapsed, about' in line for line in steps)
    assert len(lines) < 60  # the logs of mmengine are elsewhere
    assert 'Iter(train)' in (demo[0] / 'demo' / 'demo.log').read_text()


def test_second_run_trains_nothing(demo):
    folder, arguments, _ = demo
    files = sorted((folder / 'demo').glob('**/*.pth'))
    before = [file.stat().st_mtime_ns for file in files]
    done = call(*arguments)
    assert done.returncode == 0, done.stderr
    assert [file.stat().st_mtime_ns for file in files] == before
    assert done.stdout.count('reused from an earlier run') == 8
    again = json.loads((folder / 'demo' / 'summary.json').read_text(encoding='utf-8'))
    assert set(ROWS) <= set(again['reused'])


def test_weak_day_detector_ends_the_demo_with_one_sentence(demo):
    _, arguments, _ = demo
    code = (
        'import sys, dataclasses; sys.path.insert(0, "demo"); import arms, run_demo; '
        'arms.TINY = dataclasses.replace(arms.TINY, enough=0.3); sys.exit(run_demo.main())'
    )
    done = call(*arguments, code=[code])
    assert done.returncode == 1
    assert done.stderr.count('error:') == 1
    assert 'reaches AP50 0.0' in done.stderr and 'Traceback' not in done.stderr


@pytest.mark.parametrize('content', [None, b'', b'\x89PNG\r\n\x1a\n broken'])
def test_bad_photograph_is_said_before_anything_starts(tmp_path, content):
    photograph = tmp_path / 'street.png'
    if content is not None:
        photograph.write_bytes(content)
    done = call(
        '--tiny', '--data', tmp_path / 'd', '--work-dir', tmp_path / 'w', '--image', photograph
    )
    assert done.returncode == 2
    assert done.stdout == ''
    assert done.stderr.startswith(f'error: `{photograph}`') and done.stderr.count('\n') == 1
    assert not (tmp_path / 'd').exists() and not (tmp_path / 'w').exists()


def test_foreign_folder_is_not_written_to(tmp_path):
    (tmp_path / 'thesis.txt').write_text('mine')
    done = call('--tiny', '--work-dir', tmp_path)
    assert done.returncode == 2
    assert (
        done.stderr
        == f'error: `{tmp_path}` holds something else than a demo; choose another `--work-dir`.\n'
    )
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.txt']
