"""What a study of sample relationship compares, as its YAML file has it.

::

    title: Does relating the samples of a batch help?
    host: eclnet.py                    # an `llv.EnhancementModel` with pairs; beside this file, or llv::…
    pretext: bcm.py                    # the second stage; its `upstream` is the first
    seeds: [0, 1, 2]
    alpha: 0.1                         # the loss weight of the relation
    batch: 4                           # of the host and of the pretext
    baseline: none
    arms:
      none: {kind: none}
      ERL: {kind: relation}
      random transformer: {kind: relation, transformer: random}
      L1 pretext: {kind: relation, pretext: pixel}
      attention to itself: {kind: relation, attention: self}
      pooled L1: {kind: pooled, like: ERL}
    sweeps:                            # beside the arms at `alpha` and `batch`
      alpha: {arms: [ERL], values: [0.03, 0.3], seeds: [0, 1]}
    agreement: {arms: [none, ERL], seeds: [0], interval: 40, batches: 2}
    options: {}                        # config values that replace those of the host,
    pretext_options: {}                # of the second stage
    reconstruction_options: {}         # and of the first
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from llv.benchmark.study_files import config_beside, mapping, numbers, read_yaml

KINDS = ('none', 'relation', 'pooled')
SWEEPS = ('alpha', 'batch')
_CHOICES = dict(
    kind=KINDS,
    transformer=('trained', 'random'),
    pretext=('phase', 'pixel'),
    attention=('batch', 'self'),
)
_KEYS = {
    'title', 'host', 'pretext', 'seeds', 'alpha', 'batch', 'baseline', 'arms', 'sweeps', 'agreement', 'options',
    'pretext_options', 'reconstruction_options',
}  # fmt: skip


@dataclass(frozen=True)
class Arm:
    """A way to train the host.

    Attributes:
        name: As tables have it.
        kind: ``none`` (its own loss alone), ``relation`` (``llv.SampleRelationLoss``) or ``pooled``
            (``llv.PooledL1Loss``).
        transformer: ``trained`` or ``random``, of a relation.
        pretext: ``phase`` or ``pixel``, of a relation whose transformer is trained.
        attention: ``batch`` or ``self``, of a relation.
        like: The relation whose gradient a pooled loss equals in length.
    """

    name: str
    kind: str = 'none'
    transformer: str = 'trained'
    pretext: str = 'phase'
    attention: str = 'batch'
    like: str | None = None


@dataclass(frozen=True)
class Point:
    """One training of the host."""

    arm: Arm
    seed: int
    alpha: float | None  # None where there is no relation
    batch: int

    @property
    def key(self) -> dict[str, Any]:
        """As records have it."""
        return dict(arm=self.arm.name, seed=self.seed, alpha=self.alpha, batch=self.batch)

    @property
    def title(self) -> str:
        """As shown while it runs."""
        alpha = '' if self.alpha is None else f', α {self.alpha:g}'
        return f'{self.arm.name}{alpha}, batch {self.batch}, seed {self.seed}'


@dataclass(frozen=True)
class Sweep:
    """Arms at other values of `alpha` or `batch`."""

    arms: list[str]
    values: list[float]
    seeds: list[int]


@dataclass(frozen=True)
class Agreement:
    """Where and how often the gradients of the two exposures are compared."""

    arms: list[str]
    seeds: list[int]
    interval: int
    batches: int = 2


@dataclass(frozen=True)
class Study:
    """All that is trained and compared."""

    path: Path
    title: str
    host: str
    pretext: str
    seeds: list[int]
    alpha: float
    batch: int
    baseline: str
    arms: dict[str, Arm]
    sweeps: dict[str, Sweep] = field(default_factory=dict)
    agreement: Agreement | None = None
    options: dict[str, Any] = field(default_factory=dict)
    pretext_options: dict[str, Any] = field(default_factory=dict)
    reconstruction_options: dict[str, Any] = field(default_factory=dict)

    def point(
        self, arm: str, seed: int, alpha: float | None = None, batch: int | None = None
    ) -> Point:
        """A training; what is not given is that of the study."""
        chosen = self.arms[arm]
        weight = None if chosen.kind == 'none' else float(self.alpha if alpha is None else alpha)
        return Point(chosen, seed, weight, batch or self.batch)

    def main_points(self) -> list[Point]:
        """Every arm with every seed, seeds outermost, so that whole repeats are there first."""
        return [self.point(arm, seed) for seed in self.seeds for arm in self.arms]

    def sweep_points(self, name: str) -> list[Point]:
        """Every training of a sweep, those it shares with the main comparison among them."""
        sweep = self.sweeps[name]
        return [
            self.point(arm, seed, **{name: value})
            for seed in sweep.seeds
            for value in sweep.values
            for arm in sweep.arms
        ]

    def points(self) -> list[Point]:
        """Each training once."""
        every = self.main_points() + [p for name in self.sweeps for p in self.sweep_points(name)]
        return list(dict.fromkeys(every))

    def restricted(
        self,
        seeds: Sequence[int] | None = None,
        arms: Collection[str] | None = None,
        sweeps: Collection[str] | None = None,
    ) -> Study:
        """A part of it; None takes all.

        The baseline is always an arm, and so is what a pooled loss is like. Sweeps keep those of their arms and seeds
        that are chosen.

        Raises:
            ValueError: An arm or a sweep is not in the study.
        """
        for what, names, known in (('arm', arms, self.arms), ('sweep', sweeps, self.sweeps)):
            for name in names or ():
                if name not in known:
                    raise ValueError(
                        f'`{self.path}` has no {what} `{name}`; it has {", ".join(known)}.'
                    )
        wanted = {self.baseline, *(self.arms if arms is None else arms)}
        wanted |= {self.arms[name].like for name in wanted}  # a pooled loss is weighed by it
        kept = {name: arm for name, arm in self.arms.items() if name in wanted}
        chosen = list(seeds) if seeds is not None else self.seeds
        parts = {}
        for name, sweep in self.sweeps.items():
            part = Sweep(
                [arm for arm in sweep.arms if arm in kept],
                sweep.values,
                [seed for seed in sweep.seeds if seed in chosen],
            )
            if (sweeps is None or name in sweeps) and part.arms and part.seeds:
                parts[name] = part
        return replace(self, seeds=chosen, arms=kept, sweeps=parts)


def read_study(path: Path) -> Study:
    """Read and check a study.

    Args:
        path: The YAML file; the configs in it are relative to it.

    Raises:
        FileNotFoundError: The file, or a config it names, is not there.
        ValueError: Something in it is not as it should be; the sentence says where.
    """
    where = f'`{path}`'
    found = mapping(read_yaml(path), _KEYS, where)
    for key in ('host', 'pretext', 'arms'):
        if not found.get(key):
            raise ValueError(f'{where} has no `{key}`; add it.')
    arms = {
        str(name): _arm(str(name), content, where)
        for name, content in mapping(found['arms'], None, f'`arms` of {where}').items()
    }
    for arm in arms.values():
        if arm.kind == 'pooled' and (arm.like not in arms or arms[arm.like].kind != 'relation'):
            raise ValueError(
                f'`like` of the arm `{arm.name}` of {where} must name an arm of kind `relation`, but got {arm.like!r}.'
            )
    plain = [name for name, arm in arms.items() if arm.kind == 'none']
    baseline = str(found.get('baseline', 'none'))
    if baseline not in plain:
        raise ValueError(
            f'`baseline` of {where} must be an arm of kind `none`, but got `{baseline}`; give it one.'
        )
    study = Study(
        path=path,
        title=str(found.get('title', path.stem)),
        host=config_beside(found['host'], path),
        pretext=config_beside(found['pretext'], path),
        seeds=list(numbers(found.get('seeds', [0]), f'`seeds` of {where}', int)),
        alpha=float(found.get('alpha', 0.1)),
        batch=int(found.get('batch', 4)),
        baseline=baseline,
        arms=arms,
        sweeps=_sweeps(found.get('sweeps') or {}, arms, where),
        agreement=_agreement(found.get('agreement'), arms, where),
        **{
            key: mapping(found.get(key) or {}, None, f'`{key}` of {where}')
            for key in ('options', 'pretext_options', 'reconstruction_options')
        },
    )
    if study.batch < 2:
        raise ValueError(f'`batch` of {where} must be at least 2: one picture relates to nothing.')
    return study


def _arm(name: str, content: Any, where: str) -> Arm:
    where = f'the arm `{name}` of {where}'
    found = mapping(content or {}, {*_CHOICES, 'like'}, where)
    for key, known in _CHOICES.items():
        if key in found and found[key] not in known:
            raise ValueError(
                f'`{key}` of {where} must be one of {", ".join(known)}, but got `{found[key]}`.'
            )
    return Arm(name, **found)


def _sweeps(content: Any, arms: Mapping[str, Arm], where: str) -> dict[str, Sweep]:
    sweeps = {}
    for name, found in mapping(content, set(SWEEPS), f'`sweeps` of {where}').items():
        place = f'`sweeps.{name}` of {where}'
        found = mapping(found, {'arms', 'values', 'seeds'}, place)
        kind = int if name == 'batch' else float
        sweeps[name] = Sweep(
            _names(found.get('arms'), arms, place),
            list(numbers(found.get('values'), f'`values` of {place}', kind)),
            list(numbers(found.get('seeds'), f'`seeds` of {place}', int)),
        )
        if name == 'batch' and min(sweeps[name].values) < 2:
            raise ValueError(
                f'`values` of {place} must be at least 2: one picture relates to nothing.'
            )
    return sweeps


def _agreement(content: Any, arms: Mapping[str, Arm], where: str) -> Agreement | None:
    if content is None:
        return None
    place = f'`agreement` of {where}'
    found = mapping(content, {'arms', 'seeds', 'interval', 'batches'}, place)
    return Agreement(
        _names(found.get('arms'), arms, place),
        list(numbers(found.get('seeds'), f'`seeds` of {place}', int)),
        int(found.get('interval', 50)),
        int(found.get('batches', 2)),
    )


def _names(content: Any, arms: Mapping[str, Arm], where: str) -> list[str]:
    names = content if isinstance(content, list) and content else [None]
    for name in names:
        if name not in arms:
            raise ValueError(
                f'`arms` of {where} must be a list of arms, but got {content!r}; there are {", ".join(arms)}.'
            )
    return names
