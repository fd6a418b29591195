"""The records of a study by arm, decoy and seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from llv.benchmark.results import is_number
from llv.benchmark.statistics import Estimate, estimate, paired_difference

from .study_file import Point, Study

Record = Mapping[str, Any]
Figure = Callable[[Record], Any]


def metric(name: str) -> Figure:
    """A figure on the test pictures, such as ``psnr`` or ``psnr_-2.5``."""
    return lambda record: record['metrics'].get(name)


def of_loss(name: str, key: str) -> Figure:
    """What :func:`llv.benchmark.tri_level.pulls.pulls` says of a loss; None where there is no such loss."""
    return lambda record: record.get('losses', {}).get(name, {}).get(key)


def against_others(name: str) -> Figure:
    """The weight of a loss by the mean weight of the others; 1 with equal weights."""

    def figure(record: Record) -> float | None:
        losses = record.get('losses', {})
        others = [part['weight'] for other, part in losses.items() if other != name]
        if name not in losses or not others:
            return None
        return losses[name]['weight'] * len(others) / sum(others)

    return figure


class Scores:
    """What trainings of a study gave.

    Args:
        study: What was to be trained.
        records: What there is, in any order.

    Raises:
        ValueError: Trainings of one seed did not start alike.
    """

    def __init__(self, study: Study, records: Iterable[Record]) -> None:
        self.study = study
        self._records = {_key(record['cell']): record for record in records}
        self._check_starts()

    def records(self, arm: str, decoy: str | None = None) -> dict[int, Record]:
        """Records of an arm by seed; of no decoy by default."""
        found = {}
        for seed in self.study.seeds:
            point = Point(arm, self.study.plain if decoy is None else decoy, seed)
            record = self._records.get(_key(point.key))
            if record is not None:
                found[seed] = record
        return found

    def values(self, arm: str, figure: Figure, decoy: str | None = None) -> dict[int, float]:
        """A figure by seed, where it is a number."""
        found = {seed: figure(record) for seed, record in self.records(arm, decoy).items()}
        return {seed: float(value) for seed, value in found.items() if is_number(value)}

    def mean(self, arm: str, figure: Figure, decoy: str | None = None) -> Estimate | None:
        """Mean and interval over the seeds; None where there is no value."""
        values = self.values(arm, figure, decoy)
        return estimate(list(values.values())) if values else None

    def difference(
        self, arm: str, against: str, figure: Figure, decoy: str | None = None
    ) -> Estimate | None:
        """Mean and interval of the paired difference over the seeds that both have, under one decoy."""
        return paired_difference(
            self.values(arm, figure, decoy), self.values(against, figure, decoy)
        )

    def cost_of_decoy(self, arm: str, decoy: str, figure: Figure) -> Estimate | None:
        """The paired difference of an arm with a decoy to the same without."""
        return paired_difference(self.values(arm, figure, decoy), self.values(arm, figure))

    def arms(self, decoy: str | None = None) -> list[str]:
        """Arms of which there is a record, in the order of the study."""
        return [arm for arm in self.study.chosen if self.records(arm, decoy)]

    def cascades(self) -> list[str]:
        """Cascades of which there is a record."""
        return [name for name in self.study.cascades if self.records(name)]

    def losses(self) -> list[str]:
        """Names of all losses that some record has, in the order of ``llv.TriCoLoss``."""
        names: dict[str, None] = {}
        for record in self._records.values():
            names |= dict.fromkeys(record.get('losses', {}))
        known = ('srl', 'c', 'p', 'ssim', 'tv', 'decoy')
        return [name for name in known if name in names]

    def _check_starts(self) -> None:
        starts: dict[int, Record] = {}
        for record in self._records.values():
            if 'start' not in record:  # a cascade
                continue
            cell = record['cell']
            first = starts.setdefault(cell['seed'], record)
            if first['start'] != record['start']:
                raise ValueError(
                    f'`{cell["arm"]}` and `{first["cell"]["arm"]}` of seed {cell["seed"]} did not start from the same '
                    'weights and pictures, so their difference is no paired one; delete the cells of that seed and '
                    'train them again.'
                )


def _key(cell: Mapping[str, Any]) -> str:
    return json.dumps(cell, sort_keys=True)
