"""The way of a person with an idea: a file in a folder of their own, and nothing of llv touched.

Every command is a process of its own, typed in that folder.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from llv.utils.checkpoint import load_state_dict
from llv.utils.pictures import read_picture, to_tensor, to_uint8

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
    """A folder of a person: the examples copied into it, their recipes, and the config of a detector."""
    folder = tmp_path_factory.mktemp('ideas')

    def copy(name, target, *changes, more=''):
        text = (ROOT / 'demo' / name).read_text()
        # as the page says, the path of the file from that folder
        for old, new in (('demo.new_enhancer.', ''), ('demo.new_search.', ''), *changes):
            text = text.replace(old, new)
        (folder / target).write_text(text + more)

    copy('new_enhancer/lantern.py', 'lantern.py')
    copy('new_search/flicker.py', 'flicker.py')
    hooks = 'default_hooks = dict(checkpoint=dict(interval=3), logger=dict(interval=1))\n'
    copy('new_enhancer/train_lantern.py', 'recipe.py', ('=400', '=3'), more=hooks)
    few = (('=750', '=4'), ('=-750', '=-4'), ('=300', '=2'))
    base = ('../new_enhancer/train_lantern.py', 'recipe.py')
    copy('new_search/search_flicker.py', 'search_flicker.py', base, *few)
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


def levels_between(model, pictures, lit):
    """How far an ONNX file is from what was lit, in grey levels at most."""
    session = pytest.importorskip('onnxruntime').InferenceSession(model)
    differences = []
    for dark in sorted(pictures.iterdir()):
        images = to_tensor(read_picture(dark))[None].numpy()
        (result,) = session.run(['enhanced'], dict(images=images))
        found = to_uint8(torch.from_numpy(result[0])).astype(int)
        differences.append(np.abs(found - read_picture(lit / dark.name)).max())
    assert len(differences) == 2
    return max(differences)


def test_from_a_file_to_a_detector_behind_it(home, typed):
    typed('make_night_scenes.py', 'data/night_scenes_96', '--size', 96,
          '--splits', 'train=2', 'adapt=4', 'unlabelled=8', 'val=2')  # fmt: skip

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

    # trained without labels first and then with a detector, in one command, and tested from what that left behind
    said = typed('train.py', 'night.py', '--enhancer', 'lantern.py', '--strategy', 'hierarchical',
          '--recipe', 'recipe.py', '--work-dir', 'work_dirs/both')  # fmt: skip
    steps = [float(value) for value in re.findall(r'loss_level: ([\d.]+)', said)]
    assert len(steps) == 3
    (first,) = (home / 'work_dirs/both/upstream').glob('*/iter_3.pth')
    names = [f'enhancer.layers.{k}.weight' for k in (0, 2, 4)]
    before = load_state_dict(first)
    after = load_state_dict(home / 'work_dirs/both/iter_2.pth')
    assert all(not torch.equal(before[n], after[f'data_preprocessor.{n}']) for n in names)
    said = typed('test.py', 'work_dirs/both/night.py', 'work_dirs/both/iter_2.pth')
    assert re.search(r'AP50|mAP', said)

    # without the detector it lights pictures
    pictures = home / 'data/night_scenes_96/val/night'
    typed('enhance.py', pictures, '--enhancer', 'lantern.py', '--weights', first, '--out', 'lit')
    assert len(list((home / 'lit').iterdir())) == 2

    # its layers searched among the candidates of another own file; both measured against one of llv
    typed('search.py', 'search_flicker.py')
    genotype = 'work_dirs/search_flicker/genotype.json'
    found = json.loads((home / genotype).read_text())
    part = found['parts']['enhancer']
    assert part['space'] == 'flicker' and len(part['edges']) == 3
    searched = f'flicker.py@genotype={genotype}'
    typed('analysis_tools/benchmark_enhancers.py', '--enhancers', 'lantern.py@width=4', 'psenet',
          searched, '--sizes', '24x32', '--rounds', 1, '--estimate-scales', 1,
          '--json', 'speed.json')  # fmt: skip
    rows = {row['enhancer']: row for row in json.loads((home / 'speed.json').read_text())['rows']}
    assert rows['Lantern width=4']['parameters'] == 4 * 28 + 4 * 37 + 37
    assert rows[f'Flicker genotype={genotype}']['parameters'] == found['parameters']
    assert all(row['seconds'] > 0 for row in rows.values())


def test_what_was_trained_is_given_away_as_a_file_for_programs_without_pytorch(home, typed):
    pytest.importorskip('onnxruntime')
    (first,) = (home / 'work_dirs/both/upstream').glob('*/iter_3.pth')
    typed('export_onnx.py', '--enhancer', 'lantern.py', '--weights', first,
          '--out', 'lantern.onnx')  # fmt: skip
    pictures = home / 'data/night_scenes_96/val/night'
    assert levels_between(home / 'lantern.onnx', pictures, home / 'lit') <= 1
