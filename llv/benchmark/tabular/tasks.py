"""Synthetic pictures under light that varies over nine pixels, and two tasks on them.

Everything is additive in logarithms: log y = log R + log L + noise. R is one of two materials, in blobs of about three
pixels; L is grey and changes over about nine. What the task asks for is the material.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

SIZE = 24
TASKS = ('interaction', 'control')
SPLITS = dict(train=256, valid=128, test=256)  # number of pictures

_MATERIAL = 0.5  # half the difference of the two materials in log R
_LIGHT = 1.0  # deviation of log L
_NOISE = 0.6


@dataclass(frozen=True)
class Scenes:
    """Pictures and what they are made of.

    Attributes:
        pictures: y, float (N, 3, H, W), positive.
        even: The same without L, (N, 3, H, W).
        material: +1 or -1, (N, 1, H, W).
        log_light: log L, (N, 1, H, W).
    """

    pictures: Tensor
    even: Tensor
    material: Tensor
    log_light: Tensor


@functools.cache
def make_scenes(split: str) -> Scenes:
    """The pictures of ``train``, ``valid`` or ``test``: always the same ones."""
    count = SPLITS[split]
    generator = torch.Generator().manual_seed(1000 + list(SPLITS).index(split))

    def field(width: int) -> Tensor:
        """Gaussian noise seen through two boxes of a width, of deviation 1."""
        margin = 2 * (width // 2)
        noise = torch.randn(count, 1, *[SIZE + 2 * margin] * 2, generator=generator)
        for _ in range(2):
            noise = F.avg_pool2d(noise, width, stride=1)
        return noise / noise.std()

    material = torch.where(field(3) > 0, 1.0, -1.0)
    log_light = _LIGHT * field(9)
    noise = _NOISE * torch.randn(count, 3, SIZE, SIZE, generator=generator)
    log_even = _MATERIAL * material + noise
    return Scenes((log_even + log_light).exp(), log_even.exp(), material, log_light)


class ScenePictures(Dataset):
    """The pictures of a split as a search takes them.

    Items: ``inputs`` (6, H, W), the picture over the one under even light, and ``targets`` (2, H, W), material and
    log L.
    """

    def __init__(self, split: str) -> None:
        self.inputs, self.targets = stacked(make_scenes(split))

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return dict(inputs=self.inputs[index], targets=self.targets[index])


def stacked(scenes: Scenes) -> tuple[Tensor, Tensor]:
    """Inputs (N, 6, H, W) and targets (N, 2, H, W), see :class:`ScenePictures`."""
    inputs = torch.cat([scenes.pictures, scenes.even], dim=1)
    return inputs, torch.cat([scenes.material, scenes.log_light], dim=1)


def scene_loss(log_light: Tensor, log_picture: Tensor, smoothness: float = 4.0) -> Tensor:
    """ℓ_s, without labels: near the picture, and smooth. In both tasks the same.

    Args:
        log_light: Estimate of log L, (N, 3, H, W).
        log_picture: log y, (N, 3, H, W).
        smoothness: Factor of the squared differences of neighbours; its square root is the width of the smoothing that
            would be the minimum.
    """
    rows, columns = log_light.diff(dim=-1).square(), log_light.diff(dim=-2).square()
    fidelity = (log_light - log_picture).square().mean()
    return fidelity + smoothness * (rows.mean() + columns.mean())


def task_loss(
    task: str,
    see: Callable[[Tensor], Tensor],
    log_light: Tensor,
    inputs: Tensor,
    targets: Tensor,
) -> Tensor:
    """ℓ_t, a mean squared error.

    ``interaction``: the task module finds the material in what the scene module leaves, log y - log L. What one of the
    two does not see the other must.

    ``control``: it finds the material in the picture under even light, and the error of the estimated light is added.
    The sum has a term of the scene module and one of the task module and nothing that both have to do with.

    Args:
        task: ``interaction`` or ``control``.
        see: The task module, (N, 3, H, W) to (N, 1, H, W).
        log_light: Estimate of log L, (N, 3, H, W).
        inputs, targets: See :class:`ScenePictures`, (N, 6, H, W) and (N, 2, H, W).
    """
    check_task(task)
    picture, even = inputs.log().split(3, dim=1)
    material, light = targets.split(1, dim=1)
    if task == 'interaction':
        return (see(picture - log_light) - material).square().mean()
    found = (see(even) - material).square().mean()
    return found + (log_light - light).square().mean()


def check_task(task: str) -> None:
    """Raise a ValueError unless there is such a task."""
    if task not in TASKS:
        raise ValueError(f'`task` must be one of {", ".join(TASKS)}, but got {task!r}.')
