"""A night photograph in five minutes; docs/tutorials/photograph.md is this script with its output."""

# ruff: noqa: E402  (each cell imports what it shows)

# %% [markdown]
# # A night photograph in five minutes
#
# A picture taken in the dark, lit by an enhancer that comes with llv, and what to look at afterwards. Every line
# below runs on a CPU in seconds; put a photograph of yours in the place of the first. All of them at once are
# `python demo/tutorials/photograph.py`, which writes its pictures to `folder`.

# %% settings
photograph = 'drawn'  # or a file of yours, such as 'street.jpg'
folder = 'work_dirs/tutorials/photograph'

# %% [markdown]
# Without a photograph at hand, a night scene is drawn: [generated pictures](../night_scenes.md) have a twin in normal
# light, which photographs do not have.

# %%
from pathlib import Path

import numpy as np

from llv.datasets.night_scenes import NightScenes
from llv.utils.pictures import read_picture, write_picture

out = Path(folder)
if photograph == 'drawn':
    night = NightScenes((144, 192), seed=4, mode='local', split='tutorial')[2].night
else:
    night = read_picture(photograph)
print(night.shape, night.dtype, f'mean {night.mean():.0f} of 255')

# %% [markdown]
# `init_enhancer` takes a name: of an enhancer, or of published weights, which stand for their enhancer.
# `psenet-night-scenes` comes with llv; others are fetched from their authors at the first use ([all of
# them](../enhancers.md)).

# %%
from llv.apis import enhance, init_enhancer

enhancer = init_enhancer('psenet-night-scenes')
lit = enhance(enhancer, night)
print(lit.shape, lit.dtype, f'mean {lit.mean():.0f} of 255')

# %% [markdown]
# Is that more than turning up the brightness? Two controls that learn nothing: one gamma for all pixels, and one gain
# for each colour that brings the mean of the picture to a fixed value.

# %%
gamma = enhance(init_enhancer('gamma', gamma=0.5), night)
gain = enhance(init_enhancer('mean_match'), night)
sheet = np.concatenate([night, gamma, gain, lit], axis=1)
write_picture(out / 'photograph.jpg', sheet)
for name, picture in dict(night=night, gamma=gamma, gain=gain, psenet=lit).items():
    print(f'{name:7} mean {picture.mean():5.1f}   white {100 * (picture == 255).mean():.1f} %')

# %% [markdown]
# ![The night picture, one gamma, one gain, PSENet](figures/photograph.jpg)
#
# From left to right: as it is, one gamma, one gain, PSENet. A gain lights everything alike, so what is bright already
# turns white; what is white holds nothing any more for a detector behind it. What an enhancer did to each pixel is in
# its maps: PSENet predicts an exponent, larger where it lights more.

# %%
import torch

pixels = torch.from_numpy(night).permute(2, 0, 1)[None] / 255
with torch.no_grad():
    enhancement = enhancer(pixels)
strength = enhancement.maps['gamma'].mean(dim=1)[0]
print(tuple(enhancement.image.shape), sorted(enhancement.maps))
print(f'gamma between {strength.min():.2f} and {strength.max():.2f}')
shades = (255 * (strength - strength.min()) / (strength.max() - strength.min())).byte().numpy()
write_picture(out / 'photograph_map.jpg', np.stack([shades] * 3, axis=-1))

# %% [markdown]
# ![The map: bright where the picture is lit most](figures/photograph_map.jpg)
#
# A whole folder is one command, and so is a video ([all options](../enhance.md)):
#
# ```bash
# python tools/enhance.py photo.jpg folder/ --out lit/
# ```
