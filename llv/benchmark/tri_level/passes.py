"""What a training in three levels costs, in passes, and how to give another one as many."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

PLAIN = 3
"""A pass forward, and one backward that counts for two."""

# by stage and whether there is a virtual step; of which 3 are the real step of the weights
_COSTS = {
    (1, True): 3 + 3 + 2 + 3,  # virtual step, upper objective, two values beside it
    (1, False): 1 + 3,  # values of the upper objective: ς has a closed form
    (2, True): 3 + 3 + 2 * 3 + 3,  # the same with two gradients
    (2, False): 3 + 3,  # gradient of the upper objective
}


def forward_passes(train_cfg: Mapping[str, Any]) -> int:
    """The passes of a training by ``llv.PhasedGradientResponseLoop``, a backward one counted twice.

    Args:
        train_cfg: Arguments of the loop.

    Raises:
        ValueError: The first stage ends when ς rests, so nobody knows beforehand.
    """
    if train_cfg.get('s1_tolerance') is not None:
        raise ValueError(
            '`train_cfg.s1_tolerance` ends the first stage at an unknown iteration; leave it out of the study.'
        )
    first = train_cfg.get('s1_iters', 15000) if train_cfg.get('use_s1', True) else 0
    coupled, every = train_cfg.get('coupled', True), train_cfg.get('coupled_every', 1)
    total = 0
    for iteration in range(train_cfg['max_iters']):
        stage = 1 if iteration < first else 2 if train_cfg.get('use_s2', True) else 0
        virtual = coupled and iteration % every == 0
        total += _COSTS[stage, virtual] if stage else PLAIN
    return total


def stretch(cfg: Config, iterations: int) -> None:
    """Give a config another number of iterations; its schedules keep their shape.

    Args:
        cfg: With ``train_cfg.max_iters``; changed.
        iterations: At least 1.
    """
    ratio = iterations / cfg.train_cfg.max_iters
    for scheduler in cfg.get('param_scheduler') or ():
        for key in ('begin', 'end', 'T_max'):
            if key in scheduler:
                scheduler[key] = round(scheduler[key] * ratio)
        for key in ('periods', 'milestones'):
            if key in scheduler:  # up, lest the periods end before the training does
                scheduler[key] = [math.ceil(value * ratio) for value in scheduler[key]]
    if 's1_iters' in cfg.train_cfg:
        cfg.train_cfg.s1_iters = round(cfg.train_cfg.s1_iters * ratio)
    cfg.train_cfg.max_iters = cfg.train_cfg.val_interval = iterations
