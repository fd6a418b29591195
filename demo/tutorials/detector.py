"""A detector after dark: plug, measure, adapt; docs/tutorials/detector.md is this script with its output."""

# ruff: noqa: E402  (each cell imports what it shows)

# %% [markdown]
# # A detector after dark: plug, measure, adapt
#
# A detector that learned by day fails at night. Here a small SSD does so on [generated scenes](../night_scenes.md),
# in minutes on a CPU; with a detector of yours, start at "Plug": all you need is its config and its checkpoint.
# `python demo/tutorials/detector.py` runs the page as a whole.

# %% settings
root = 'work_dirs/tutorials/detector'
scenes = dict(train=600, adapt=64, val=150)
by_day, by_night = 500, 120  # training steps
folder = 'work_dirs/tutorials/detector'

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
# The same without a line of Python, for any config and checkpoint; here the pictures are named, since those of the
# config lie elsewhere:
#
# ```bash
# python tools/test.py configs/night_scenes/label_efficiency/night.py work_dirs/tutorials/detector/day/last.pth \
#     --enhancer psenet-night-scenes --cfg-options test_dataloader.dataset.data_root=work_dirs/tutorials/detector/data/
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

# %%
import cv2
import numpy as np
from mmdet.apis import inference_detector, init_detector

from llv.apis import enhance
from llv.utils.pictures import read_picture, write_picture

with redirect_stdout(io.StringIO()):  # loading prints
    before = init_detector(night, f'{root}/day/last.pth', device='cpu')
    after = init_detector(plugged, f'{root}/hierarchical/last.pth', device='cpu')


def with_boxes(picture, detector, file):
    """The picture at twice its size, with what the detector finds in the file."""
    found = inference_detector(detector, file).pred_instances
    shown = cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    for box in found.bboxes[found.scores > 0.3]:
        left, top, right, bottom = (2 * box).round().int().tolist()
        cv2.rectangle(shown, (left, top), (right, bottom), (255, 210, 0))
    return shown


columns = []
for i in range(3):
    file = f'{root}/data/val/night/{i:06}.png'
    dark = read_picture(file)
    lit = enhance(after.data_preprocessor.enhancer, file)
    columns.append(np.vstack([with_boxes(dark, before, file), with_boxes(lit, after, file)]))
write_picture(Path(folder) / 'detector.jpg', np.hstack(columns))

# %% [markdown]
# ![Three pictures, dark with the boxes of the day detector, lit with those of the adapted one](figures/detector.jpg)
#
# Above, what the day detector finds in three dark pictures; below, the pictures as the adapted detector is given them,
# and what it finds (scores above 0.3).
#
# One run each: the order of close numbers means nothing. [The study](../label_efficiency.md) has the same with three
# seeds, five numbers of labels and all strategies. On the command line, the enhancer from the weights that come with
# llv as above, in 200 steps:
#
# ```bash
# python tools/train.py configs/night_scenes/label_efficiency/night.py --enhancer psenet-night-scenes \
#     --cfg-options load_from=work_dirs/tutorials/detector/day/last.pth \
#     train_dataloader.dataset.data_root=work_dirs/tutorials/detector/data/ \
#     test_dataloader.dataset.data_root=work_dirs/tutorials/detector/data/
# python tools/test.py work_dirs/night/night.py work_dirs/night/iter_200.pth
# ```
#
# An enhancer that learns [from dark pictures of yours](../plug_in.md#an-enhancer-that-learns-from-your-dark-pictures)
# takes one more config. From here: [plugging into other models](../plug_in.md), [inferencers and
# pictures](../inference.md), [detection in the dark](../detection.md).
