"""The records of a study by arm and seed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llv.benchmark.results import is_number
from llv.benchmark.statistics import Estimate, estimate, paired_difference

from .study_file import Point, Study

Record = Mapping[str, Any]


class Scores:
    """What trainings of a study gave.

    Args:
        study: What was to be trained.
        records: What there is, in any order.

    Raises:
        ValueError: Trainings of one seed and batch that are compared did not start alike.
    """

    def __init__(self, study: Study, records: Iterable[Record]) -> None:
        self.study = study
        self._records = {_key(record['cell']): record for record in records}
        self._check_starts()

    def record(self, point: Point) -> Record | None:
        """The record of a training; None where there is none."""
        return self._records.get(_key(point.key))

    def records(
        self, arm: str, seeds: Sequence[int] | None = None, **other: Any
    ) -> dict[int, Record]:
        """Records of an arm by seed.

        Args:
            arm: Its name.
            seeds: Those of the study by default.
            other: ``alpha`` or ``batch`` of a sweep.
        """
        points = [self.study.point(arm, seed, **other) for seed in seeds or self.study.seeds]
        return {p.seed: r for p in points if (r := self.record(p)) is not None}

    def values(
        self,
        arm: str,
        metric: str = 'psnr',
        step: int | None = None,
        seeds: Sequence[int] | None = None,
        **other: Any,
    ) -> dict[int, float]:
        """A figure by seed, at the end or at the validation after `step` iterations."""
        found = {}
        for seed, record in self.records(arm, seeds, **other).items():
            figures = record['metrics'] if step is None else record['curve'].get(str(step), {})
            if is_number(figures.get(metric)):
                found[seed] = float(figures[metric])
        return found

    def mean(self, arm: str, metric: str = 'psnr', **other: Any) -> Estimate | None:
        """Mean and interval over the seeds; None where there is no value."""
        values = self.values(arm, metric, **other)
        return estimate(list(values.values())) if values else None

    def difference(
        self, arm: str, against: str, metric: str = 'psnr', **other: Any
    ) -> Estimate | None:
        """Mean and interval of the paired difference over the seeds that both have."""
        return paired_difference(
            self.values(arm, metric, **other), self.values(against, metric, **other)
        )

    def steps(self) -> list[int]:
        """Iterations at which some record has a validation."""
        return sorted({int(step) for r in self._records.values() for step in r['curve']})

    def _check_starts(self) -> None:
        starts: dict[tuple[int, int], tuple[Mapping[str, str], Record]] = {}
        for record in self._records.values():
            cell = record['cell']
            first = starts.setdefault((cell['seed'], cell['batch']), (record['start'], record))
            if first[0] != record['start']:
                raise ValueError(
                    f'`{cell["arm"]}` and `{first[1]["cell"]["arm"]}` of seed {cell["seed"]} did not start from the '
                    'same weights and pictures, so their difference is no paired one; delete the cells of that '
                    'seed and train them again.'
                )


def _key(cell: Mapping[str, Any]) -> str:
    return json.dumps(cell, sort_keys=True)
