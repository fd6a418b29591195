"""Every snippet of the page on inference runs as it stands, in the order of the page."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.visualization import Visualizer

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')
from docs_commands import ROOT, check_command, commands  # noqa: E402
from mmengine.runner import CheckpointLoader  # noqa: E402
from plain_models import write_detector, write_night, write_segmentor  # noqa: E402

import llv.engine.runner as runs  # noqa: E402
from llv.apis import enhance, init_enhancer, plug_enhancer  # noqa: E402
from llv.engine.settings import RunOptions  # noqa: E402
from llv.registry import HOOKS  # noqa: E402
from llv.utils.pictures import read_picture  # noqa: E402

TEXT = (ROOT / 'docs' / 'inference.md').read_text(encoding='utf-8')
SNIPPETS = re.findall(r'^```python\n(.*?)^```', TEXT, flags=re.DOTALL | re.MULTILINE)
CONFIGS = [snippet for snippet in SNIPPETS if snippet.startswith('_base_')]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """What the page says is there."""
    root = tmp_path_factory.mktemp('page')
    write_night(root)
    write_detector(root)
    write_segmentor(root)
    cv2.imwrite(str(root / 'night.jpg'), cv2.imread(str(root / 'night' / '0.png')))
    return root


@pytest.fixture
def schemes():
    """mmengine's readers of checkpoints, which one snippet exchanges for the process."""
    before = dict(CheckpointLoader._schemes)
    yield
    CheckpointLoader._schemes.clear()
    CheckpointLoader._schemes.update(before)


def test_snippets_run_as_they_stand(folder, monkeypatch, schemes):
    monkeypatch.chdir(folder)
    assert len(SNIPPETS) == 9 and len(CONFIGS) == 1
    seen = {}
    kept = []  # what each snippet left
    for snippet in SNIPPETS:
        if snippet not in CONFIGS:
            exec(compile(snippet, 'docs/inference.md', 'exec'), seen)
            kept.append(dict(seen))
    picture, many, arrays, config, later, drawn, segmented, _ = kept

    wanted = enhance(init_enhancer('psenet-night-scenes'), 'night.jpg')
    np.testing.assert_array_equal(picture['lit'], wanted)
    assert many['first'].shape == (64, 64, 3) and many['beside'].shape == (64, 3 * 64, 3)
    np.testing.assert_array_equal(many['beside'][:, 128:], many['first'][..., ::-1])
    names = sorted(str(f.relative_to('lit')) for f in Path('lit').rglob('*.png'))
    assert names == ['preds/0.png', 'preds/1.png', 'vis/0.png', 'vis/1.png']
    np.testing.assert_array_equal(arrays['lit_frame'][..., ::-1], wanted)
    np.testing.assert_array_equal(read_picture('lit.png'), wanted)

    assert {'labels', 'scores', 'bboxes'} <= config['found'].keys() and config['found']['scores']
    np.testing.assert_allclose(later['same']['scores'], config['found']['scores'], atol=1e-5)
    assert drawn['drawn'].shape == (64, 64, 3)
    bare = drawn['detector']('night.jpg', return_vis=True, pred_score_thr=1.1)['visualization'][0]
    np.testing.assert_array_equal(bare, wanted)  # no boxes, but what they are drawn on
    assert Path('found/vis/night.jpg').is_file()
    assert segmented['label_map'].shape == (64, 64)
    assert segmented['drawn'].shape == (64, 64, 3)


def test_the_config_on_the_page_puts_pictures_of_a_test_into_the_backend(folder, monkeypatch):
    kinds = [Visualizer]
    while kinds:  # mmengine builds a visualizer of a name once a process
        kind = kinds.pop()
        kind._instance_dict.clear()
        kinds += kind.__subclasses__()
    monkeypatch.chdir(folder)
    (folder / 'shown.py').write_text(CONFIGS[0], encoding='utf-8')
    cfg = plug_enhancer(Config.fromfile('shown.py'), 'psenet-night-scenes')
    cfg.update(load_from='detector.pth', work_dir='work')
    runs.test(cfg, RunOptions())
    files = sorted(Path('work').rglob('vis_image/*.png'))
    assert [file.name for file in files] == ['test_0_0.png', 'test_1_0.png']
    for i, file in enumerate(files):
        dark, _, _, _ = np.split(
            read_picture(file), 4, axis=1
        )  # dark | map | enhanced | prediction
        np.testing.assert_array_equal(dark, read_picture(f'night/{i}.png'))


def test_the_training_of_the_page_has_the_hook(monkeypatch):
    (command,) = (command for command in commands(TEXT) if command[1] == 'tools/train.py')
    hook = HOOKS.build(check_command(command, monkeypatch).default_hooks.visualization)
    assert (hook.count, hook.out_dir) == (4, None)


def test_the_defaults_on_the_page_are_those_of_the_hook():
    hook = HOOKS.build(dict(type='llv.EnhancedVisualizationHook'))
    assert hook.maps == ('illumination', 'gamma') and f'maps={hook.maps!r}' in TEXT
    assert hook.score_thr == 0.3 and 'score_thr=0.3' in TEXT
