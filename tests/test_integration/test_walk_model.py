"""The way of somebody whose trained mmdet model fails after dark, typed as commands in a folder of their own.

A detector trained by day → an enhancer plugged in by one option → does it help → both trained on labelled night
pictures. The training is a few steps, so the walk shows that each command works and what it says, not
that anything is detected.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip('mmdet')

ROOT = Path(__file__).resolve().parents[2]
NIGHT = ROOT / 'configs/night_scenes/ssd-small_night.py'
QUICK = [
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'train_dataloader.batch_size=2',
    'train_cfg.max_iters=3',
    'train_cfg.val_interval=3',
    'val_dataloader.num_workers=0',
    'val_dataloader.persistent_workers=False',
    'test_dataloader.num_workers=0',
    'test_dataloader.persistent_workers=False',
]


@pytest.fixture(scope='module')
def home(tmp_path_factory):
    """The folder that everything is typed in, with drawn night scenes and a detector trained by day."""
    folder = tmp_path_factory.mktemp('walk')
    splits = ['train=8', 'val=10', 'unlabelled=4']
    type_in(folder, 'make_night_scenes.py', 'data/night_scenes', '--splits', *splits)
    day = ROOT / 'configs/night_scenes/ssd-small_day.py'
    type_in(folder, 'train.py', day, '--work-dir', 'day', '--cfg-options', *QUICK)
    return folder


def type_in(folder, tool, *arguments):
    """A command of the user; returns what it printed."""
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'OMP_WAIT_POLICY': 'PASSIVE'}
    done = subprocess.run(
        [sys.executable, ROOT / 'tools' / tool, *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr


def test_the_question_is_answered_on_own_labelled_pictures(home):
    (home / 'page.md').write_text('<!-- begin does-it-help -->\n<!-- end does-it-help -->\n')
    own = ['--images', 'data/night_scenes/val/night']
    own += ['--annotations', 'data/night_scenes/annotations/val_night.json']
    said = type_in(
        home, 'analysis_tools/does_it_help.py', NIGHT, 'day/iter_3.pth',
        '--enhancers', 'psenet-night-scenes', 'mean_match', *own,
        '--write', 'page.md', '--json', 'answer.json', '--cfg-options', *QUICK[-2:],
    )  # fmt: skip
    answer = json.loads((home / 'answer.json').read_text(encoding='utf-8'))
    assert [row['enhancer'] for row in answer['rows']] == [
        'none', 'psenet-night-scenes', 'mean_match',
    ]  # fmt: skip
    assert answer['pictures'] == 10 and [g['pictures'] for g in answer['groups']] == [5, 5]
    page = (home / 'page.md').read_text(encoding='utf-8')
    for row in answer['rows'][1:]:
        gain = row['differences']['mAP']
        assert gain['low'] <= gain['value'] <= gain['high']
        # one sentence for each enhancer, on the page and on the screen
        sentences = [
            line for line in page.splitlines() if line.startswith(f'* `{row["enhancer"]}`')
        ]
        assert len(sentences) == 1 and sentences[0] in said
    kept = sorted(file.parent.name for file in home.rglob('predictions.npz'))
    assert [name.rpartition('_')[0] for name in kept] == [
        'mean-match', 'none', 'psenet-night-scenes',
    ]  # fmt: skip
    assert all(file.parents[2].name == 'does_it_help' for file in home.rglob('predictions.npz'))


def test_one_option_plugs_the_enhancer_in_and_shows_what_the_detector_then_sees(home):
    said = type_in(
        home, 'test.py', NIGHT, 'day/iter_3.pth', '--enhancer', 'psenet-night-scenes',
        '--work-dir', 'tested', '--show-dir', 'shown', '--cfg-options', *QUICK[-2:],
    )  # fmt: skip
    assert 'bbox_mAP' in said
    assert len(list((home / 'shown').rglob('*.png'))) == 10


def test_training_takes_the_enhancer_along(home):
    # any of psenet's recipes, here of two steps
    recipe = home / 'psenet_quick.py'
    recipe.write_text(
        f"_base_ = '{ROOT}/configs/psenet/psenet_night-scenes.py'\n"
        'train_cfg = dict(max_iters=2, val_interval=2)\n'
        'train_dataloader = dict(num_workers=0, persistent_workers=False, batch_size=2)\n'
        'val_dataloader = val_evaluator = val_cfg = None\n'
        'test_dataloader = test_evaluator = test_cfg = None\n'
    )
    said = type_in(
        home, 'train.py', NIGHT, '--strategy', 'hierarchical', '--enhancer', 'psenet',
        '--recipe', recipe, '--work-dir', 'adapted',
        '--cfg-options', 'load_from=day/iter_3.pth', *QUICK,
    )  # fmt: skip
    trained = torch.load(home / 'adapted/iter_3.pth', weights_only=False)['state_dict']
    (alone,) = (home / 'adapted').glob('upstream/*/result.pth')
    alone = torch.load(alone, weights_only=True)
    alone = alone.get('state_dict', alone)
    name = next(name for name in alone if name.endswith('weight') and alone[name].ndim == 4)
    place = f'data_preprocessor.enhancer.{name.removeprefix("enhancer.")}'
    # the detector's loss has moved the enhancer on from where the recipe had left it
    assert not torch.equal(trained[place], alone[name])
    # it is measured at the end, and the config in the work folder has the enhancer and needs no option any more
    assert 'bbox_mAP' in said
    assert 'llv.PSENet' in (home / 'adapted' / NIGHT.name).read_text(encoding='utf-8')
