"""The records of a matrix, ordered into arms and axes, with what is missing among them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .statistics import Estimate, estimate, paired_difference

# parts of the pixels, as metrics of segmentors name them behind `mIoU.` and `IoU.`
REGION = re.compile(r'(dark\d+|boundary|interior)(\.|$)')
# keys of a cell that make its row; all others but the seed are axes
ROW_KEYS = ('arm', 'enhancer', 'strategy', 'detector', 'segmentor')


@dataclass(frozen=True)
class Arm:
    """A row of the tables: what is compared, on one model.

    Attributes:
        model: Name of the detector or segmentor.
        name: The arm's name in the matrix; where it has none, or the name stands for several, with enhancer and
            strategy.
    """

    model: str
    name: str


Column = tuple[Any, ...]  # a value for each of `Results.axes`


class Results:
    """All cells of a matrix by arm, column (the values of the axes) and seed.

    A cell is done where its record has `metrics` with a finite number under the main metric. All others are missing,
    and :attr:`missing` says why.

    Args:
        metric: Name of the main metric.
        cells: All cells of the matrix, in its order.
        records: What they gave, in any order, each with its `cell`. One without `metrics` stands for a cell that did
            not run; its `failed` is the reason, if there is one. `folder` is where the files of the record lie.

    Attributes:
        metric: Name of the main metric.
        kind: ``detector`` or ``segmentor``, the key of the models in a cell.
        arms: In order of appearance, model by model.
        axes: Names of the axes that have several values.
        constants: Axes with one value.
        columns: Their values together, numbers in ascending order.
        seeds: All seeds.
        missing: (cell, reason) of each cell without a result.

    Raises:
        ValueError: Two results claim the same cell, or one belongs to no cell.
    """

    def __init__(
        self,
        metric: str,
        cells: Iterable[Mapping[str, Any]],
        records: Sequence[Mapping[str, Any]],
    ) -> None:
        self.metric = metric
        by_cell: dict[str, Mapping[str, Any]] = {_key(cell): dict(cell=cell) for cell in cells}
        claimed = set()
        for record in records:
            key = _key(record['cell'])
            if key in claimed or key not in by_cell:
                wrong = 'Two results claim' if key in claimed else 'The matrix has not'
                raise ValueError(
                    f'{wrong} the cell `{show_cell(record["cell"])}`; move its folder away.'
                )
            claimed.add(key)
            by_cell[key] = record
        self.records = list(by_cell.values())
        cells = [record['cell'] for record in self.records]

        self.kind = 'segmentor' if any('segmentor' in cell for cell in cells) else 'detector'
        self._double = _names_of_several(cells)
        found = dict.fromkeys(self.arm(cell) for cell in cells)
        models = list(dict.fromkeys(arm.model for arm in found))
        self.arms = sorted(found, key=lambda arm: models.index(arm.model))
        names = dict.fromkeys(
            key for cell in cells for key in cell if key not in ROW_KEYS and key != 'seed'
        )
        values = {name: _distinct([cell.get(name) for cell in cells]) for name in names}
        self.axes = [name for name in names if len(values[name]) > 1]
        self.constants = {name: values[name][0] for name in names if len(values[name]) == 1}
        self._order = {name: values[name] for name in self.axes}
        self.columns = sorted(
            dict.fromkeys(self.column(cell) for cell in cells), key=self._column_order
        )
        self.seeds = _distinct([cell.get('seed', 0) for cell in cells])
        self._places: dict[tuple[Arm, Column], dict[Any, Mapping[str, Any]]] = {}
        self.missing: list[tuple[Mapping[str, Any], str]] = []
        for record in self.records:
            cell = record['cell']
            place = self._places.setdefault((self.arm(cell), self.column(cell)), {})
            place[cell.get('seed', 0)] = record
            reason = self._lack(record)
            if reason:
                self.missing.append((cell, reason))

    @property
    def models(self) -> list[str]:
        """Names of the detectors or segmentors, in order."""
        return list(dict.fromkeys(arm.model for arm in self.arms))

    def arms_of(self, model: str) -> list[Arm]:
        """The rows of a detector or segmentor, in order."""
        return [arm for arm in self.arms if arm.model == model]

    def arm(self, cell: Mapping[str, Any]) -> Arm:
        """The row of a cell."""
        parts = f'{cell.get("enhancer") or "no enhancer"}, {cell.get("strategy") or "no strategy"}'
        name = str(cell['arm']) if cell.get('arm') is not None else None
        if name is None:
            name = parts if 'strategy' in cell else str(cell.get('enhancer') or 'no enhancer')
        elif name in self._double:
            name = f'{name} ({parts})'
        return Arm(str(cell.get(self.kind, '')), name)

    def column(self, cell: Mapping[str, Any]) -> Column:
        """The column of a cell."""
        return tuple(cell.get(name) for name in self.axes)

    def place(self, arm: Arm, column: Column) -> dict[Any, Mapping[str, Any]]:
        """Records by seed, those without a result among them; empty where the matrix has no such cells."""
        return self._places.get((arm, column), {})

    def values(self, arm: Arm, column: Column, metric: str | None = None) -> dict[Any, float]:
        """Finite values of a metric by seed, of the cells that are done."""
        found = {}
        for seed, record in self.place(arm, column).items():
            value = (record.get('metrics') or {}).get(metric or self.metric)
            if not self._lack(record) and is_number(value):
                found[seed] = float(value)
        return found

    def estimate(self, arm: Arm, column: Column, metric: str | None = None) -> Estimate | None:
        """Mean and interval over the seeds; None where there is no value."""
        values = self.values(arm, column, metric)
        return estimate(list(values.values())) if values else None

    def difference(
        self, arm: Arm, baseline: Arm, column: Column, metric: str | None = None
    ) -> Estimate | None:
        """Mean and interval of the paired difference over the seeds that both have."""
        return paired_difference(
            self.values(arm, column, metric), self.values(baseline, column, metric)
        )

    def done(self, arm: Arm, column: Column) -> list[Mapping[str, Any]]:
        """The records with a result, in order of their seeds."""
        place = self.place(arm, column)
        return [place[seed] for seed in self.seeds if seed in place and not self._lack(place[seed])]

    def metrics(self) -> list[str]:
        """Names of all metrics, in order of appearance."""
        return list(dict.fromkeys(key for r in self.records for key in r.get('metrics') or {}))

    def class_prefix(self) -> str | None:
        """What the names of the main metric's class-wise values begin with: `AP50.` for AP50, `IoU.` for mIoU.

        That of a class view (`mIoU.acdc_night_17`) has those of mIoU.
        """
        whole = 'mIoU' if self.metric.startswith('mIoU.') else self.metric
        # `mIoU.` stands before parts of the test set as well
        for prefix in (f'{whole.removeprefix("m")}.', f'{whole}.'):
            if any(name.startswith(prefix) for name in self.metrics()):
                return prefix
        return None

    def class_names(self) -> list[str]:
        """Names of the main metric's class-wise values, without their prefix."""
        prefix = self.class_prefix()
        names = (
            [name.removeprefix(prefix) for name in self.metrics() if name.startswith(prefix)]
            if prefix
            else []
        )
        return [name for name in names if not REGION.match(name)]

    def baseline(self, name: str, model: str) -> Arm | None:
        """The arm that a name means on a model: its own name, or that of a strategy or enhancer that one arm has.

        Raises:
            ValueError: Several arms are meant.
        """
        arms = self.arms_of(model)
        exact = [arm for arm in arms if arm.name == name]
        if exact:
            return exact[0]
        cells = [record['cell'] for record in self.records]
        for key in ('arm', 'strategy', 'enhancer'):
            found = dict.fromkeys(self.arm(cell) for cell in cells if cell.get(key) == name)
            meant = [arm for arm in found if arm in arms]
            if len(meant) > 1:
                names = ', '.join(f'`{arm.name}`' for arm in meant)
                raise ValueError(f'`compare.baseline` is `{name}`, which may be {names}; name one.')
            if meant:
                return meant[0]
        return None

    def slices(self, axis: str) -> dict[Column, list[Column]]:
        """The columns along one axis, for each combination of the other axes' values.

        Args:
            axis: One of :attr:`axes`.
        """
        place = self.axes.index(axis)
        slices: dict[Column, list[Column]] = {}
        for column in self.columns:
            slices.setdefault(column[:place] + column[place + 1 :], []).append(column)
        for columns in slices.values():
            columns.sort(key=self._column_order)
        return slices

    def numeric_axes(self) -> list[str]:
        """Axes whose values are numbers throughout."""
        return [name for name in self.axes if all(map(is_number, self._order[name]))]

    def _column_order(self, column: Column) -> tuple[int, ...]:
        return tuple(
            self._order[name].index(value) for name, value in zip(self.axes, column, strict=True)
        )

    def _lack(self, record: Mapping[str, Any]) -> str:
        """Why a record has no result, '' where it has one."""
        metrics = record.get('metrics')
        if metrics is None:
            return str(record.get('failed') or 'not run')
        if self.metric not in metrics:
            return f'its result has no `{self.metric}`'
        value = metrics[self.metric]
        wrong = 'no number' if value is None else value
        return '' if is_number(value) else f'its `{self.metric}` is {wrong}'


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, and no truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def show_cell(cell: Mapping[str, Any]) -> str:
    """A cell in one line."""
    return ', '.join(f'{key} {show_value(value)}' for key, value in cell.items())


def show_value(value: Any) -> str:
    """The value of an axis as text."""
    if value is None:
        return '–'
    return f'{value:g}' if isinstance(value, float) else str(value)


def folder_of(record: Mapping[str, Any]) -> Path | None:
    """Where the files of a record lie; None where it names no folder."""
    return Path(record['folder']) if record.get('folder') else None


def _key(cell: Mapping[str, Any]) -> str:
    return json.dumps(cell, sort_keys=True, default=str)


def _names_of_several(cells: Sequence[Mapping[str, Any]]) -> set[str]:
    """Names of arms that stand for several enhancers or strategies."""
    parts: dict[str, set[tuple[str, str]]] = {}
    for cell in cells:
        if cell.get('arm') is not None:
            pair = str(cell.get('enhancer')), str(cell.get('strategy'))
            parts.setdefault(str(cell['arm']), set()).add(pair)
    return {name for name, found in parts.items() if len(found) > 1}


def _distinct(values: Sequence[Any]) -> list[Any]:
    distinct = list(dict.fromkeys(values))
    return sorted(distinct) if all(map(is_number, distinct)) else distinct
