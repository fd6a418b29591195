"""Write and judge an enhancer; docs/tutorials/enhancer.md is this script with its output."""

# ruff: noqa: E402  (each cell imports what it shows)

# %% [markdown]
# # Write and judge an enhancer
#
# An enhancer is a module with one method, `enhance`. This one predicts a single exponent for the whole picture from
# its histogram, learns without labels in seconds on a CPU, and is then compared with what needs no learning at all.
# `python demo/tutorials/enhancer.py` runs the page as a whole.

# %% settings
steps, size, test = 300, 64, 60
folder = 'work_dirs/tutorials/enhancer'

# %% [markdown]
# ## Write

# %%
import torch
from torch import nn

from llv.models.enhancers import BaseEnhancer, Enhancement
from llv.registry import MODELS


@MODELS.register_module(force=True)
class HistogramGamma(BaseEnhancer):
    """u = y^γ, with γ of each picture from its histogram."""

    def __init__(self, bins: int = 16, weights: str | None = None):
        super().__init__(weights)
        self.bins = bins
        self.net = nn.Sequential(nn.Linear(bins, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid())
        self.load_weights()  # always the last line

    def enhance(self, images):
        levels = images.amax(dim=1).flatten(1)
        shares = torch.stack([torch.histc(x, self.bins, 0, 1) / x.numel() for x in levels.detach()])
        gamma = 0.1 + 1.4 * self.net(shares)[..., None, None]
        return Enhancement(images.clamp(min=1e-4) ** gamma, dict(gamma=gamma.expand_as(images)))

    def loss(self, enhancement, images, references=None):
        # the mean as bright as by day; what turns white is as bad
        level = enhancement.image.mean(dim=(1, 2, 3))
        return dict(loss_level=(level - 0.42).square().mean())


# %% [markdown]
# ## Train
#
# A config of `llv.EnhancementModel` and `tools/train.py` train any enhancer, with checkpoints, logs and several
# processes ([how](../new_enhancer.md)). To see what goes on inside, here is the loop by hand.

# %%
from llv.datasets.night_scenes import NightScenes


def pictures(split, start, count):
    """Night pictures and the same scenes by day, (N, 3, H, W) in [0, 1]."""
    scenes = NightScenes((size, size), seed=0, mode='local', split=split)
    chosen = [scenes[i] for i in range(start, start + count)]
    stacks = [
        torch.stack([torch.from_numpy(getattr(s, part)) for s in chosen])
        for part in ('night', 'day')
    ]
    return [stack.permute(0, 3, 1, 2) / 255 for stack in stacks]


torch.manual_seed(0)
enhancer = MODELS.build(dict(type='HistogramGamma'))
optimizer = torch.optim.Adam(enhancer.parameters(), lr=3e-3)
night = pictures('train', 0, 64)[0]  # without their references
for _ in range(steps):
    batch = night[torch.randint(len(night), (16,))]
    losses = enhancer.loss(enhancer(batch), batch)
    optimizer.zero_grad()
    sum(losses.values()).backward()
    optimizer.step()
print(f'loss {losses["loss_level"].item():.4f}')

# %% [markdown]
# ## Judge
#
# On scenes that it has not seen, against the same scenes by day. The two lines to beat are one gain and one gamma for
# all pictures, fitted here on the training scenes: they know the references, the enhancer did not.

# %%
from llv.apis import init_enhancer
from llv.evaluation.functional import psnr, ssim
from llv.models.enhancers import fit_gamma, fit_single_gain

night, day = pictures('train', 0, 64)
candidates = {
    'as it is': init_enhancer('identity'),
    'one gain': init_enhancer('fixed_gain', gain=fit_single_gain(night, day)),
    'one gamma': init_enhancer('gamma', gamma=fit_gamma(night, day)),
    'MeanMatch': init_enhancer('mean_match'),
    'HistogramGamma': enhancer.eval(),
    'PSENet': init_enhancer('psenet-night-scenes'),
}
night, day = pictures('test', 0, test)
lit = {}
for name, module in candidates.items():
    with torch.no_grad():
        lit[name] = module(night).image
    score, error = psnr(lit[name], day).mean(), psnr(lit[name], day).std() / test**0.5
    print(f'{name:15} {score:5.2f} ± {error:.2f} dB   SSIM {ssim(lit[name], day).mean():.3f}')

# %% [markdown]
# The ± is the standard error over pictures, of each line by itself. Two enhancers see the same pictures, so their
# difference is known better than that:

# %%
difference = psnr(lit['HistogramGamma'], day) - psnr(lit['one gamma'], day)
error = difference.std() / test**0.5
print(f'HistogramGamma − one gamma: {difference.mean():+.2f} ± {error:.2f} dB')

# %% [markdown]
# Where this is not clearly above zero, the enhancer has learned no more than one number for all pictures does, and
# that number knew the references. Look at the pictures before drawing conclusions:

# %%
from pathlib import Path

from llv.utils.pictures import write_picture

rows = [torch.cat([night[i], *(lit[n][i] for n in list(lit)[1:]), day[i]], dim=2) for i in range(3)]
sheet = (255 * torch.cat(rows, dim=1)).round().byte().permute(1, 2, 0).numpy()
write_picture(Path(folder) / 'enhancer.jpg', sheet)

# %% [markdown]
# ![Night, one gain, one gamma, MeanMatch, HistogramGamma, PSENet, day](figures/enhancer.jpg)
#
# From left to right: night, one gain, one gamma, MeanMatch, HistogramGamma, PSENet, day. PSNR says how close a
# picture comes to its reference, not whether a detector sees more: for that, [put it in front of one](detector.md).
# From a class in a script to one that all tools know, with configs, ONNX and the checks of the contract: [a new
# enhancer](../new_enhancer.md).
