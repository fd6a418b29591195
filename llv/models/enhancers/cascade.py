"""Enhancers one behind the other, such as one that lights and one that enlarges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from llv.registry import MODELS

from .base import BaseEnhancer, Enhancement
from .build import build_enhancer


@MODELS.register_module()
class Cascade(BaseEnhancer):
    """Each stage gets the clamped picture of the one before it.

    The stages are trained by themselves, each keeps its own ``weights``, and there is no loss of the whole. ``scale``
    is the product of theirs. What is learned behind a frozen cascade, or through it by a task loss, is an affair of
    the model around it, as for every enhancer.

    ``Enhancement.maps``: those of the stages, ``stages.0.illumination`` and so on; their sizes are those of the stage.

    Example:
        >>> import torch
        >>> from llv.models.enhancers import FixedGain  # registers it
        >>> gain = dict(type='llv.FixedGain', gain=2.0)
        >>> Cascade([gain, gain])(torch.full((1, 3, 2, 2), 0.1)).image.max()
        tensor(0.4000)

    Args:
        stages: Configs of enhancers, the first one first.

    Raises:
        ValueError: There are no stages, or one cannot be built.
    """

    def __init__(self, stages: Sequence[dict]) -> None:
        super().__init__()
        if isinstance(stages, dict) or not stages:
            raise ValueError(
                f'`stages` must be a list of one enhancer or more, the first one first, but got {stages!r}.'
            )
        self.stages = nn.ModuleList(build_enhancer(stage) for stage in stages)
        # for who asks where they come from; a stage that has none is told by itself
        self.weights = ' ⇒ '.join(filter(None, map(_origin, self.stages))) or None
        self.scale = math.prod(stage.scale for stage in self.stages)
        self.minimum_size = _minimum_size(self.stages)
        self.receptive_field = _receptive_field(self.stages)

    def enhance(self, images: Tensor) -> Enhancement:
        """(N, 3, H, W) RGB in [0, 1] in, (N, 3, s·H, s·W) out."""
        maps = {}
        for index, stage in enumerate(self.stages):
            found = stage(images)
            images = found.image
            maps |= {f'stages.{index}.{name}': value for name, value in found.maps.items()}
        return Enhancement(images, maps)


def _origin(stage: BaseEnhancer) -> str:
    """Name of the weights of a stage; empty for one that has nothing to learn."""
    if stage.weights is not None:
        return Path(stage.weights).name
    return 'random' if any(True for _ in stage.parameters()) else ''


def _minimum_size(stages: Sequence[BaseEnhancer]) -> int:
    """What no stage has to pad, so that pictures are padded once, before the first one."""
    least, scale = 1, 1
    for stage in stages:
        least = max(least, math.ceil(stage.minimum_size / scale))
        scale *= stage.scale
    return least


def _receptive_field(stages: Sequence[BaseEnhancer]) -> int | None:
    """In pixels of the first picture: a stage behind an enlargement reaches as much less far."""
    reach, scale = 0, 1
    for stage in stages:
        if stage.receptive_field is None:
            return None
        reach += math.ceil(stage.receptive_field // 2 / scale)
        scale *= stage.scale
    return 2 * reach + 1
