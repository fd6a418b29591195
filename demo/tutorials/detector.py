"""A detector after dark: plug, measure, adapt; docs/tutorials/detector.md is this script with its output."""

# ruff: noqa: E402  (each cell imports what it shows)

# %% [markdown]
# # A detector after dark: plug, measure, adapt
#
# A detector that learned by day fails at night. Here a small SSD does so on [generated scenes](../night_scenes.md),
# in minutes on a CPU; with a detector of yours, start at "Plug": all you need is its config and its checkpoint.

# %% settings
root = 'work_dirs/tutorials/detector'
scenes = dict(train=600, adapt=64, val=150)
by_day, by_night = 500, 120  # training steps

# %%
import io
from contextlib import redirect_stdout
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from llv.datasets.night_scenes import write_night_scenes

Path(root).mkdir(parents=True, exist_ok=True)
write_night_scenes(f'{root}/data', scenes, size=(96, 96), workers=1, progress=False)

# %% [markdown]
# ## The detector that learned by day

# %%
cfg = Config.fromfile('configs/night_scenes/label_efficiency/day.py')
cfg.log_level = 'ERROR'
cfg.default_hooks.logger.interval = 10**6
for loader in (cfg.train_dataloader, cfg.test_dataloader):
    loader.dataset.data_root = f'{root}/data/'


def run(cfg, name, steps):
    """Train for some steps, and measure the average precision (AP50, in percent) on the test pictures."""
    cfg.work_dir = f'{root}/{name}'
    cfg.train_cfg.update(max_iters=steps, val_interval=steps)
    cfg.param_scheduler[1].T_max = steps
    with redirect_stdout(io.StringIO()):  # readers of annotations print
        runner = Runner.from_cfg(cfg)
        if steps:
            runner.train()
            runner.save_checkpoint(cfg.work_dir, 'last.pth')
        return 100 * runner.test()['pascal_voc/AP50']


day = cfg.copy()
print(f'day detector by day:   {run(day, "day", by_day):.1f}')

night = cfg.copy()
night.load_from = f'{root}/day/last.pth'
night.test_dataloader.dataset.update(
    ann_file='annotations/val_night.json', data_prefix=dict(img='val/night/')
)
print(f'day detector by night: {run(night.copy(), "night", 0):.1f}')

# %% [markdown]
# ## Plug
#
# One line puts an enhancer in front of the detector, whose checkpoint loads as it is. `MeanMatch` has nothing to
# learn: it brings the mean of each picture to a fixed value. An enhancer that learned something should beat it.

# %%
from llv.apis import plug_enhancer

for name in ('mean_match', 'psenet-night-scenes'):
    plugged = plug_enhancer(night, name)
    print(f'behind {name}: {run(plugged, name, 0):.1f}')

# %% [markdown]
# The same without a line of Python, for any config and checkpoint:
#
# ```bash
# python tools/test.py configs/night_scenes/label_efficiency/night.py last.pth --enhancer psenet-night-scenes
# ```
#
# ## Measure
#
# Each number above comes from one set of pictures and one training. Before believing a difference, ask how far it may
# go by chance: [does it help?](../does_it_help.md) has a command that compares enhancers in front of your model on
# your pictures, with paired intervals and by the darkness of the pictures.
#
# ## Adapt
#
# With some labelled night pictures, detector and enhancer go on learning. Directly means without an enhancer;
# hierarchically, that the enhancer has learned from pictures alone before (the weights that come with llv have) and
# now learns from the detector's loss.

# %%
night.train_dataloader.dataset.update(
    ann_file='annotations/adapt_night.json', data_prefix=dict(img='adapt/night/')
)
night.optim_wrapper.optimizer.lr = 1e-3
print(f'adapted directly:       {run(night.copy(), "direct", by_night):.1f}')
plugged = plug_enhancer(night, 'psenet-night-scenes')
print(f'adapted hierarchically: {run(plugged, "hierarchical", by_night):.1f}')

# %% [markdown]
# One run each: the order of close numbers means nothing. [The study](../label_efficiency.md) has the same with three
# seeds, five numbers of labels and all strategies. On the command line:
#
# ```bash
# python tools/train.py configs/night_scenes/label_efficiency/night.py --strategy hierarchical --enhancer psenet \
#     --recipe configs/night_scenes/label_efficiency/psenet.py --cfg-options load_from=last.pth
# ```
#
# From here: [plugging into other models](../plug_in.md), [inferencers and pictures](../inference.md), [detection in
# the dark](../detection.md).
