"""The table: the losses of every network of the space, as a file.

::

    {
      "llv_search_table": 1, "task": "interaction", "space": "tabular", "space_version": 1,
      "edges": ["s1", "s2", "t1", "t2"], "settings": {"steps": 150, "batch_size": 16, "lr": 0.02},
      "entries": {"conv_1x1 conv_3x3 conv_1x1 conv_1x1": {"0": {"task": 0.6, "scene": 0.8, "valid": 0.6}, "1": {}}}
    }

with an object of losses for each network and seed, of :func:`llv.benchmark.tabular.training.train_network`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from .network import SCENE_EDGES, SPACE, TASK_EDGES, Genotype, all_genotypes
from .tasks import check_task

FORMAT = 1
_KEY = 'llv_search_table'
_LOSSES = {'task', 'scene', 'valid'}


class Table:
    """Losses by network and seed.

    Args:
        task: ``interaction`` or ``control``.
        settings: Of the trainings.
        entries: Losses by the names of candidates, joined by blanks, and by the seed as text.
    """

    def __init__(
        self,
        task: str,
        settings: Mapping[str, Any],
        entries: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None,
    ) -> None:
        check_task(task)
        self.task = task
        self.settings = dict(settings)
        self.entries = {key: dict(seeds) for key, seeds in (entries or {}).items()}

    def add(self, genotype: Sequence[str], seed: int, losses: Mapping[str, float]) -> None:
        """Enter one training, its losses to six digits."""
        rounded = {name: round(value, 6) for name, value in losses.items()}
        self.entries.setdefault(_key(genotype), {})[str(seed)] = rounded

    def missing(self, seeds: Iterable[int]) -> list[tuple[Genotype, int]]:
        """The trainings that lack, seed by seed, so that a table that was broken off has whole seeds."""
        return [
            (genotype, seed)
            for seed in seeds
            for genotype in all_genotypes()
            if str(seed) not in self.entries.get(_key(genotype), {})
        ]

    def seeds(self) -> list[int]:
        """The seeds that every network has been trained with."""
        each = [set(self.entries.get(_key(genotype), {})) for genotype in all_genotypes()]
        return sorted(int(seed) for seed in set.intersection(*each))

    def loss(self, genotype: Sequence[str], name: str = 'task') -> float:
        """Mean loss of a network over the seeds that all networks have.

        Raises:
            ValueError: There is no such network, or no such seed yet.
        """
        if tuple(genotype) not in all_genotypes():
            raise ValueError(
                f'`genotype` must name one of {", ".join(SPACE.candidates)} for each of '
                f'{", ".join((*SCENE_EDGES, *TASK_EDGES))}, but got {list(genotype)!r}.'
            )
        seeds = self._whole()
        entry = self.entries[_key(genotype)]
        return sum(entry[str(seed)][name] for seed in seeds) / len(seeds)

    def best(self, name: str = 'task') -> tuple[Genotype, float]:
        """The network of the smallest mean loss, and that loss."""
        return min(
            ((genotype, self.loss(genotype, name)) for genotype in all_genotypes()),
            key=lambda found: found[1],
        )

    def regret(self, genotype: Sequence[str]) -> float:
        """How far the task loss of a network lies above the table's best."""
        return self.loss(genotype) - self.best()[1]

    def losses(self, name: str = 'task') -> np.ndarray:
        """Seed by seed, (seeds, 9 pairs of scene edges, 9 pairs of task edges)."""
        seeds = self._whole()
        values = [
            [self.entries[_key(genotype)][str(seed)][name] for genotype in all_genotypes()]
            for seed in seeds
        ]
        return np.array(values).reshape(len(seeds), 9, 9)

    def _whole(self) -> list[int]:
        seeds = self.seeds()
        if not seeds:
            lacking = len(self.missing([0]))
            raise ValueError(
                f'The table of `{self.task}` lacks {lacking} of 81 networks; finish it with '
                f'`tools/analysis_tools/tabular_search.py table {self.task}`.'
            )
        return seeds


def interaction_share(losses: np.ndarray) -> tuple[float, float]:
    """How much of the variance between networks is interaction of scene and task edges.

    Two-way analysis of variance with the pairs of scene edges as one factor and those of task edges as the other.

    Args:
        losses: Of :meth:`Table.losses`, (seeds, scenes, tasks).

    Returns:
        The share of the mean table's variance that no sum of a scene term and a task term explains; and what of such a
        share is to be expected from the seeds' noise alone (not a number with one seed).
    """
    mean = losses.mean(axis=0)
    total = np.square(mean - mean.mean()).sum()
    share = np.square(_interaction(mean)).sum() / total
    if len(losses) < 2:
        return float(share), float('nan')
    noise = np.square(np.stack([_interaction(one) for one in losses - mean])).sum()
    return float(share), float(noise / (len(losses) - 1) / len(losses) / total)


def _interaction(table: np.ndarray) -> np.ndarray:
    rows, columns = table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    return table - rows - columns + table.mean()


def read_table(path: str | PathLike) -> Table:
    """Read a table, whole or not.

    Raises:
        FileNotFoundError: The file is not there.
        ValueError: It is no table, or one of another format or space.
    """
    document = read_document(path, _KEY, FORMAT, 'table of a search benchmark')
    if document.get('space') != SPACE.name or document.get('space_version') != SPACE.version:
        raise ValueError(
            f'`{path}` is a table of the space `{document.get("space")}` {document.get("space_version")}, but this '
            f'version of llv has `{SPACE.name}` {SPACE.version}; make the table again.'
        )
    known = {_key(genotype) for genotype in all_genotypes()}
    for key, seeds in document['entries'].items():
        if key not in known:
            raise ValueError(f'`{path}` has an entry `{key}`, which is no network of the space.')
        for seed, losses in seeds.items():
            if not seed.isdecimal() or set(losses) != _LOSSES:
                raise ValueError(
                    f'`{path}` has at `{key}`, seed `{seed}`, not the losses {", ".join(sorted(_LOSSES))}; remove it '
                    'and train that network again.'
                )
    return Table(document['task'], document['settings'], document['entries'])


def write_table(path: str | PathLike, table: Table) -> None:
    """Write a table so that there is never half a file; its folder is made."""
    write_document(
        path,
        {
            _KEY: FORMAT,
            'task': table.task,
            'space': SPACE.name,
            'space_version': SPACE.version,
            'edges': [*SCENE_EDGES, *TASK_EDGES],
            'settings': table.settings,
            'entries': table.entries,
        },
    )


def read_document(path: str | PathLike, key: str, version: int, what: str) -> dict[str, Any]:
    """A JSON object that names its kind by a key, whose value is the version of its format.

    Raises:
        FileNotFoundError: The file is not there.
        ValueError: It is no such file, or of another version.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'There is no {what} at `{path}`; check the path or make it.')
    try:
        document = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'`{path}` is no readable JSON ({error}); make it again.') from None
    if not isinstance(document, dict) or document.get(key) != version:
        raise ValueError(
            f'`{path}` is no {what} of the format {version} (key `{key}`); make it again.'
        )
    return document


def write_document(path: str | PathLike, document: Mapping[str, Any]) -> None:
    """Write JSON through a rename, one line for each network or run."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for key, value in document.items():
        text = json.dumps(value)
        if key in ('entries', 'runs') and value:
            inner = ',\n'.join(f'    {json.dumps(k)}: {json.dumps(v)}' for k, v in value.items())
            text = f'{{\n{inner}\n  }}'
        lines.append(f'  {json.dumps(key)}: {text}')
    unfinished = path.with_name(f'{path.name}.{os.getpid()}.tmp')
    unfinished.write_text('{\n' + ',\n'.join(lines) + '\n}\n', encoding='utf-8')
    unfinished.replace(path)


def _key(genotype: Sequence[str]) -> str:
    return ' '.join(genotype)
