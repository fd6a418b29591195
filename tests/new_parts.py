"""Running the commands of a page in the test's own process, on data and for times that are tiny."""

import runpy
import sys

from docs_commands import ROOT
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

# of a detector: an iteration, and a checkpoint of it
STEPS = {
    'train_cfg.max_iters': 1,
    'train_cfg.val_interval': 1,
    'train_dataloader.batch_size': 2,
    'train_dataloader.dataset.indices': 4,
    'default_hooks.checkpoint.interval': 1,
}
_ONE = 'train_cfg.max_iters=1 default_hooks.checkpoint.interval=1'
# what is added to a command that has this config
_TINY = {
    'demo/new_enhancer/train_lantern.py': _ONE,
    'demo/new_search/search_flicker.py': 'train_cfg.max_iters=2 train_dataloader.dataset.indices=4 '
    'train_cfg.valid_dataloader.dataset.indices=-4',
    'demo/new_search/train_flicker.py': f'{_ONE} upstream.0.cfg_options.train_cfg.max_iters=1',
    'configs/night_scenes/label_efficiency/night.py': ' '.join(
        f'{k}={v}' for k, v in STEPS.items()
    ),
}
_RECIPE = """_base_ = 'demo/new_enhancer/train_lantern.py'
train_cfg = dict(max_iters=1)
"""


def linked(folder):
    """A folder that is as llv's own to whoever types commands in it, but for its data and results."""
    for name in ('configs', 'demo', 'docs', 'tools'):
        (folder / name).symlink_to(ROOT / name)
    return folder


def run_command(command, folder, monkeypatch):
    """Run a tool in this process as if it was typed in a folder; returns its exit status."""
    words = list(command[1:])
    if words[0] == 'tools/make_night_scenes.py':
        at = words.index('--splits') + 1
        words[at : at + 4] = ['train=4', 'adapt=8', 'unlabelled=8', 'val=2']
    if words[0] in ('tools/train.py', 'tools/search.py'):
        words += [] if '--cfg-options' in words else ['--cfg-options']
        words += _TINY[words[1]].split()
    if '--recipe' in words:
        (folder / 'recipe.py').write_text(_RECIPE)
        words[words.index('--recipe') + 1] = 'recipe.py'
    if words[0].endswith('benchmark_enhancers.py'):
        words[words.index('--sizes') + 1] = '16x16'
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, 'argv', words)
    # a new process has none of these
    MMLogger._instance_dict.clear()
    DefaultScope._instance_dict.clear()
    for kind in (Visualizer, *Visualizer.__subclasses__()):
        kind._instance_dict.clear()
    status = 0
    try:
        runpy.run_path(str(ROOT / words[0]), run_name='__main__')
    except SystemExit as end:
        status = end.code or 0
    for file in folder.glob('work_dirs/*/iter_1.pth'):
        for named in ('iter_400.pth', 'iter_200.pth'):  # as the pages call them
            file.with_name(named).write_bytes(file.read_bytes())
    return status
