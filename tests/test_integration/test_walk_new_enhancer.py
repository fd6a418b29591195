"""The way of a person with an idea: a file in a folder of their own, and nothing of llv touched.

Every command is a process of its own, typed in that folder.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from llv.utils.checkpoint import load_state_dict

pytest.importorskip('mmdet')
ROOT = Path(__file__).parents[2]
OWN_DETECTOR = """
_base_ = ['{configs}/night_scenes/label_efficiency/night.py']
train_cfg = dict(max_iters=2, val_interval=2)
train_dataloader = dict(batch_size=2, dataset=dict(indices=4))
default_hooks = dict(checkpoint=dict(interval=2))
"""


@pytest.fixture(scope='module')
def home(tmp_path_factory):
    """A folder of a person: the example copied into it, its recipe, and the config of a detector."""
    folder = tmp_path_factory.mktemp('ideas')
    shutil.copy(ROOT / 'demo/new_enhancer/lantern.py', folder)
    recipe = (ROOT / 'demo/new_enhancer/train_lantern.py').read_text()
    recipe = recipe.replace('demo.new_enhancer.lantern', 'lantern').replace('=400', '=3')
    (folder / 'recipe.py').write_text(
        recipe + 'default_hooks = dict(checkpoint=dict(interval=3), logger=dict(interval=1))\n'
    )
    (folder / 'night.py').write_text(OWN_DETECTOR.format(configs=ROOT / 'configs'))
    return folder


@pytest.fixture(scope='module')
def typed(home):
    """Types a command in that folder; returns what it said."""

    def run(tool, *words, status=0):
        environment = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
        done = subprocess.run(
            [sys.executable, str(ROOT / 'tools' / tool), *map(str, words)],
            cwd=home, env=environment, capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        assert done.returncode == status, done.stdout[-2000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    return run


def test_from_a_file_to_a_detector_behind_it(home, typed):
    typed('make_night_scenes.py', 'data/night_scenes_96', '--size', 96, 96,
          '--splits', 'train=2', 'adapt=8', 'unlabelled=8', 'val=2')  # fmt: skip

    # it is told what is not yet right, in a sentence, and then that all is
    text = (home / 'lantern.py').read_text()
    broken = text.replace(
        'return (1 + strength) * images / (1 + strength * images)', 'return images * (2 + strength)'
    )
    assert broken != text
    (home / 'draft.py').write_text(broken.replace('class Lantern', 'class Draft'))
    said = typed('analysis_tools/check_enhancer.py', '--enhancer', 'draft.py', '--json', 'draft.json',
                 '--skip', 'gradients', 'loss', 'copies', 'onnx', status=1)  # fmt: skip
    assert 'clamp `image` to [0, 1]' in said and 'Traceback' not in said
    rows = json.loads((home / 'draft.json').read_text())['checks']
    found = {row['name']: row['status'] for row in rows}
    assert found['result'] == found['sizes'] == 'broken' and found['batches'] == 'kept'

    # trained without labels, it lights
    said = typed('train.py', 'recipe.py')
    steps = [float(value) for value in re.findall(r'loss_level: ([\d.]+)', said)]
    assert len(steps) == 3
    typed('enhance.py', 'data/night_scenes_96/val/night', '--enhancer', 'lantern.py',
          '--weights', 'work_dirs/recipe/iter_3.pth', '--out', 'lit')  # fmt: skip
    assert len(list((home / 'lit').iterdir())) == 2

    # trained first and then with a detector, in one command, and tested from what that left behind
    typed('train.py', 'night.py', '--enhancer', 'lantern.py', '--strategy', 'hierarchical',
          '--recipe', 'recipe.py', '--work-dir', 'work_dirs/both')  # fmt: skip
    (first,) = (home / 'work_dirs/both/upstream').glob('*/iter_3.pth')
    names = [f'enhancer.layers.{k}.weight' for k in (0, 2, 4)]
    before = load_state_dict(first)
    after = load_state_dict(home / 'work_dirs/both/iter_2.pth')
    assert all(not torch.equal(before[n], after[f'data_preprocessor.{n}']) for n in names)
    said = typed('test.py', 'work_dirs/both/night.py', 'work_dirs/both/iter_2.pth')
    assert re.search(r'AP50|mAP', said)
