"""A benchmark, as its YAML file has it: which enhancers, models and strategies are compared, and over what.

::

    title: Label efficiency on night scenes
    metric: mAP                        # what the evaluator returns; the rest is kept too
    scale: 100                         # figures are multiplied by it; those of mmseg are percentages already
    detectors:                         # or segmentors:, and then `segmentor` in the arms
      ssd-small:
        config: night.py               # beside this file, or llv::…, mmdet::…, mmseg::…
        start: day.py                  # optional: trained first, once a seed; its weights start every cell
        options: {train_dataloader.batch_size: 8}
    enhancers:
      none:
      MeanMatch: {enhancer: mean_match, fit: {kind: mean, bright: data/…/train/day}}
      PSENet: {enhancer: {type: llv.PSENet}, upstream: psenet.py, scene_loss: 1.0}
    strategies: [detector_only, hierarchical]        # every model × enhancer × strategy that makes sense, or
    arms:                                            # the ones that are named
      - {name: direct, enhancer: none, strategy: detector_only}
      - {name: hierarchical PSENet, enhancer: PSENet, strategy: hierarchical}
      - {name: searched, config: searched.py, enhancer: RUAS}    # a config that brings all of it; the enhancer's
                                                                 # name is for the table, `none` if there is none
    axes:
      labels:
        draw: {into: train_dataloader.dataset.indices, of: 3000}    # random, nested, new for each seed
        values: {16: {train_cfg.max_iters: 200}, 1024: {train_cfg.max_iters: 900}}
    seeds: [0, 1, 2, 3, 4]
    pictures: 4                        # sample pictures of each arm, at the first seed
    compare: {baseline: direct, axis: labels, also: [mAP.small]}    # differences in further metrics, too
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Model:
    """A detector or segmentor without enhancer.

    Attributes:
        config: Its config.
        start: Config whose training gives the weights to start from, or None.
        options, start_options: Values that replace those of the two.
        kind: ``detector`` or ``segmentor``, as records and tables call it.
    """

    name: str
    config: str
    start: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    start_options: dict[str, Any] = field(default_factory=dict)
    kind: str = 'detector'


@dataclass(frozen=True)
class EnhancerChoice:
    """What stands in front of a model.

    Attributes:
        enhancer: Name or config as :func:`llv.apis.plug_enhancer` takes it, or None.
        upstream: Config that trains it without labels, or None.
        scene_loss: λ of ``end_to_end_scene``.
        options: Values that replace those of the config once the enhancer is in it.
        upstream_options: The same for `upstream`.
        fit: ``kind`` of what is fitted to folders of pictures, ``gain`` (``FixedGain``; `dark` to `bright`), ``mean``
            (``MeanMatch``; to `bright`) or ``statistics`` (the preprocessor's mean and std; of `dark`), or None.
    """

    name: str
    enhancer: str | dict[str, Any] | None = None
    upstream: str | None = None
    scene_loss: float = 1.0
    options: dict[str, Any] = field(default_factory=dict)
    upstream_options: dict[str, Any] = field(default_factory=dict)
    fit: dict[str, str] | None = None


# what tables call the strategy of an arm that has a config of its own
AS_CONFIGURED = 'as_configured'


@dataclass(frozen=True)
class Arm:
    """One row: an enhancer, a model and a strategy; `only` restricts its axes to some values.

    With `config` the row is that config as it is, in the place of the model's: it has its enhancer, if any, its losses
    and what it builds on. Its strategy is :data:`AS_CONFIGURED`, and of the enhancer there is the name alone.
    """

    name: str
    model: Model
    enhancer: EnhancerChoice
    strategy: str
    options: dict[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] | None = None
    only: dict[str, list[Any]] = field(default_factory=dict)
    config: str | None = None


@dataclass(frozen=True)
class Axis:
    """What is varied beside the arms.

    Attributes:
        values: Each value with the config options it means.
        draw: ``into``, a config key that gets as many random whole numbers below ``of`` as the value says; or None.
    """

    name: str
    values: dict[Any, dict[str, Any]]
    draw: dict[str, Any] | None = None


@dataclass(frozen=True)
class Point:
    """One training or evaluation of the matrix."""

    arm: Arm
    seed: int
    axes: dict[str, Any]

    @property
    def title(self) -> str:
        """As shown while it runs."""
        return ', '.join(
            [self.arm.name, *(f'{k} {v}' for k, v in self.axes.items()), f'seed {self.seed}']
        )

    @property
    def cell(self) -> dict[str, Any]:
        """As kept in the record."""
        arm = self.arm
        return {
            'arm': arm.name,
            arm.model.kind: arm.model.name,
            'enhancer': arm.enhancer.name,
            'strategy': arm.strategy,
            'seed': self.seed,
            **self.axes,
        }


@dataclass(frozen=True)
class Matrix:
    """All cells, in the order in which they run: seeds outermost, so that whole repeats are there first.

    The seed of a cell is also that of all runs that it builds on, whether the matrix or a config names them, and of
    what those build on; the `cfg_options` of a link in a config may say otherwise.
    """

    path: Path
    title: str
    metric: str
    arms: list[Arm]
    axes: list[Axis]
    seeds: list[int]
    scale: float = 1.0
    pictures: int = 0
    speed: bool = True
    compare: list[dict[str, Any]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    upstream_options: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The file itself, for the report."""
        return self.path.read_text(encoding='utf-8')

    def points(self) -> Iterator[Point]:
        """Every cell."""
        for seed in self.seeds:
            for values in itertools.product(*(axis.values for axis in self.axes)):
                axes = dict(zip((axis.name for axis in self.axes), values, strict=True))
                for arm in self.arms:
                    if arm.seeds is not None and seed not in arm.seeds:
                        continue
                    if any(axes[name] not in wanted for name, wanted in arm.only.items()):
                        continue
                    yield Point(arm, seed, axes)
