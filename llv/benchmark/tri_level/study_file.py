"""What a study of training in three levels compares, as its YAML file has it.

::

    title: What do three levels give?
    host: trico.py                     # an `llv.EnhancementModel` with `llv.TriCo`; beside this file, or llv::…
    data: data/night_coupled_48        # the root of all pictures, in the place of those in the configs
    seeds: [0, 1, 2]
    baseline: equal weights            # the arm that gains are told over
    whole: PGR printed                 # the arm that others lack something of
    decoys:                            # options of the decoy of `llv.TriCoLoss`; null once, for none
      none: null
      4: {magnitude: 4.0}
    arms:
      equal weights: {options: {train_cfg.use_s1: false, train_cfg.use_s2: false}}
      PGR printed: {}
      longer: {options: {…}, passes_of: PGR printed}      # as many passes as that arm spends
    cascades:                          # configs that train nothing but what they are built of; without decoy
      PSENet ⇒ ×2: cascade.py
    pairs: [[PGR printed, longer]]     # differences that are told besides, the first minus the second
    convergence: [[PGR printed, none], [PGR printed, 4]]  # arm and decoy of each figure
    features: PGR printed              # the arm whose modulators are drawn
    options: {}                        # config values that replace those of the host
    stage_options: {psenet: {}}        # and those of what cascades are built of, by the name of the config
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from llv.benchmark.study_files import config_beside, mapping, numbers, read_yaml

_KEYS = {
    'title', 'host', 'data', 'seeds', 'baseline', 'whole', 'decoys', 'arms', 'cascades', 'pairs', 'convergence',
    'features', 'options', 'stage_options',
}  # fmt: skip


@dataclass(frozen=True)
class Arm:
    """A way to train the host.

    Attributes:
        name: As tables have it.
        options: Config values by dotted key.
        passes_of: Arm whose passes it is given, by another number of iterations; None: the host's iterations.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    passes_of: str | None = None


@dataclass(frozen=True)
class Point:
    """One training, or one cascade."""

    arm: str
    decoy: str
    seed: int

    @property
    def key(self) -> dict[str, Any]:
        """As records have it."""
        return dict(arm=self.arm, decoy=self.decoy, seed=self.seed)

    @property
    def title(self) -> str:
        """As shown while it runs."""
        return f'{self.arm}, decoy {self.decoy}, seed {self.seed}'


@dataclass(frozen=True)
class Study:
    """All that is trained and compared."""

    path: Path
    title: str
    host: str
    data: str
    seeds: list[int]
    baseline: str
    whole: str
    decoys: dict[str, dict[str, float] | None]
    arms: dict[str, Arm]
    chosen: list[str]  # the arms that are trained
    cascades: dict[str, str] = field(default_factory=dict)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    convergence: list[tuple[str, str]] = field(default_factory=list)
    features: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    stage_options: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def plain(self) -> str:
        """The name of no decoy."""
        return next(name for name, decoy in self.decoys.items() if decoy is None)

    def points(self) -> list[Point]:
        """Seeds outermost, so that whole repeats are there first; cascades before what has a decoy."""
        return [
            Point(arm, decoy, seed)
            for seed in self.seeds
            for decoy in self.decoys
            for arm in (*self.chosen, *(self.cascades if decoy == self.plain else ()))
        ]

    def restricted(
        self,
        seeds: Sequence[int] | None = None,
        arms: Collection[str] | None = None,
        decoys: Collection[str] | None = None,
    ) -> Study:
        """A part of it; None takes all. The baseline and no decoy always belong to it.

        Raises:
            ValueError: The study has no such arm, cascade or decoy.
        """
        known = [*self.arms, *self.cascades]
        for what, names, there in (('arm', arms, known), ('decoy', decoys, self.decoys)):
            for name in names or ():
                if name not in there:
                    raise ValueError(
                        f'`{self.path}` has no {what} `{name}`; it has {", ".join(there)}.'
                    )
        wanted = known if arms is None else {self.baseline, *arms}
        return replace(
            self,
            seeds=self.seeds if seeds is None else list(seeds),
            chosen=[name for name in self.arms if name in wanted],
            cascades={name: file for name, file in self.cascades.items() if name in wanted},
            decoys={
                name: decoy
                for name, decoy in self.decoys.items()
                if decoy is None or decoys is None or name in decoys
            },
        )


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
    for key in ('host', 'data', 'arms', 'baseline'):
        if not found.get(key):
            raise ValueError(f'{where} has no `{key}`; add it.')
    arms = {
        str(name): _arm(str(name), content, where)
        for name, content in mapping(found['arms'], None, f'`arms` of {where}').items()
    }
    for arm in arms.values():
        if arm.passes_of is not None and (
            arm.passes_of not in arms or arms[arm.passes_of].passes_of is not None
        ):
            raise ValueError(
                f'`passes_of` of the arm `{arm.name}` of {where} must name an arm with the iterations of the host, but '
                f'got {arm.passes_of!r}.'
            )
    decoys = _decoys(found.get('decoys') or {'none': None}, where)
    cascades = {
        str(name): config_beside(config, path)
        for name, config in mapping(
            found.get('cascades') or {}, None, f'`cascades` of {where}'
        ).items()
    }
    for name in cascades:
        if name in arms:
            raise ValueError(f'`{name}` of {where} is an arm and a cascade; rename one.')
    for key in ('baseline', 'whole', 'features'):
        if found.get(key) is not None and found[key] not in arms:
            raise ValueError(
                f'`{key}` of {where} must be one of its arms {", ".join(arms)}, but got {found[key]!r}.'
            )
    known = [*arms, *cascades]
    return Study(
        path=path,
        title=str(found.get('title', path.stem)),
        host=config_beside(found['host'], path),
        data=str(found['data']),
        seeds=list(numbers(found.get('seeds', [0]), f'`seeds` of {where}', int)),
        baseline=found['baseline'],
        whole=found.get('whole') or found['baseline'],
        decoys=decoys,
        arms=arms,
        chosen=list(arms),
        cascades=cascades,
        pairs=_pairs(found.get('pairs') or [], 'pairs', 'arms or cascades', known, known, where),
        convergence=_pairs(
            found.get('convergence') or [],
            'convergence',
            'an arm and a decoy',
            arms,
            decoys,
            where,
        ),
        features=found.get('features'),
        options=mapping(found.get('options') or {}, None, f'`options` of {where}'),
        stage_options=mapping(
            found.get('stage_options') or {}, None, f'`stage_options` of {where}'
        ),
    )


def _arm(name: str, content: Any, where: str) -> Arm:
    where = f'the arm `{name}` of {where}'
    found = mapping(content or {}, {'options', 'passes_of'}, where)
    options = mapping(found.get('options') or {}, None, f'`options` of {where}')
    return Arm(name, options, found.get('passes_of'))


def _decoys(content: Any, where: str) -> dict[str, dict[str, float] | None]:
    place = f'`decoys` of {where}'
    found = {str(name): value for name, value in mapping(content, None, place).items()}
    for name, value in found.items():
        if value is not None:
            mapping(value, {'magnitude', 'sigma'}, f'`{name}` of {place}')
    none = [name for name, value in found.items() if value is None]
    if len(none) != 1:
        raise ValueError(f'{place} must have one null, for no decoy, but has {len(none)}; add it.')
    return {none[0]: None, **found}


def _pairs(
    content: Any,
    key: str,
    what: str,
    firsts: Collection[str],
    seconds: Collection[str],
    where: str,
) -> list[tuple[str, str]]:
    pairs = []
    for pair in content:
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError(f'`{key}` of {where} must hold pairs of {what}, not {pair!r}.')
        first, second = (str(part) for part in pair)
        if first not in firsts or second not in seconds:
            raise ValueError(
                f'`{key}` of {where} names {pair!r}, but one of the two is not in the study.'
            )
        pairs.append((first, second))
    return pairs
