"""The tables of a matrix's report, as texts that Markdown and HTML share."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llv.utils.markdown import markdown_table

from .results import Arm, Column, Results, is_number, show_cell, show_value
from .statistics import Estimate, amount_for

NOTHING = '–'


@dataclass(frozen=True)
class Table:
    """A table with its title.

    Attributes:
        title: Heading above it.
        header: Names of the columns, all different.
        groups: Rows by the title of their group; '' for none.
        note: Below it.
    """

    title: str
    header: list[str]
    groups: dict[str, list[list[str]]]
    note: str = ''

    def markdown(self) -> str:
        """The table with its heading, group titles and note."""
        parts = [f'## {self.title}']
        for title, rows in self.groups.items():
            if title:
                parts.append(f'**{title}**')
            parts.append(markdown_table([dict(zip(self.header, row, strict=True)) for row in rows]))
        return '\n\n'.join([*parts, self.note] if self.note else parts)


def main_table(results: Results) -> Table:
    """The main metric: mean ± half-width of each arm at each column; missing seeds are counted."""
    format_ = number_format(results, [results.metric])

    def cell(arm: Arm, column: Column) -> str:
        place = results.place(arm, column)
        found = results.estimate(arm, column)
        if not place:
            return NOTHING
        if found is None:
            return 'missing'
        lacking = found.count < len(place)
        return show(found, format_) + (f' ({found.count} of {len(place)})' if lacking else '')

    def row(arm: Arm) -> list[str]:
        counts = [
            found.count for c in results.columns if (found := results.estimate(arm, c)) is not None
        ]
        return [
            arm.name,
            *(cell(arm, column) for column in results.columns),
            show_range(counts) if counts else '0',
        ]

    header = [rows_name(results), *column_names(results), 'seeds']
    note = (
        'Mean ± half the width of the 95 % interval over the seeds (Student t; none for one seed). '
        f'{NOTHING}: not in the matrix. missing: no seed has a result; (1 of 3): one of three has.'
    )
    if results.constants:
        note += f' Everywhere: {show_cell(results.constants)}.'
    return Table(results.metric, header, _by_model(results, row), note)


def missing_table(results: Results) -> Table:
    """The cells without a result, seeds of one cell and reason together; without rows where there are none."""
    seeds: dict[tuple[str, str], list[str]] = {}
    for cell, reason in results.missing:
        rest = {key: value for key, value in cell.items() if key != 'seed'}
        seeds.setdefault((show_cell(rest), reason), []).append(str(cell.get('seed', 0)))
    rows = [[cell, ', '.join(found), reason] for (cell, reason), found in seeds.items()]
    return Table('Missing cells', ['cell', 'seeds', 'why'], {'': rows} if rows else {})


def class_table(results: Results) -> Table | None:
    """The main metric class by class, means over the seeds; None where the records have none."""
    prefix, classes = results.class_prefix(), results.class_names()
    if not classes:
        return None
    names = {prefix + name: name for name in classes}
    # a class at 0.6 % beside others in percent is no 0.600
    format_ = number_format(results, [results.metric, *names])
    return metrics_table(results, f'{prefix.removesuffix(".")} by class', names, format_)


def other_metrics_table(results: Results) -> Table | None:
    """All further metrics of whole test sets; None where there are none."""
    prefix = results.class_prefix()
    names = [
        name
        for name in results.metrics()
        # names of classes may hold a point, those of metrics such as `AP@0.5` too
        if name != results.metric and not (prefix and name.startswith(prefix))
    ]
    # parts of the test set and classes have tables of their own
    wholes = [results.metric, *names] if results.metric == 'mIoU' else names
    parents = [f'{name}.' for name in (*wholes, *(n.removeprefix('m') for n in wholes))]
    parents += ['pixels.', 'brightness.']
    names = [name for name in names if not name.startswith(tuple(parents))]
    if not names:
        return None
    return metrics_table(results, 'Other metrics', {name: name for name in names})


def difference_table(results: Results, baseline: str, metric: str | None = None) -> Table:
    """Paired differences of the main metric, or of another one, to a baseline, model by model.

    On a model without such an arm nothing is compared, which the note says.

    Raises:
        ValueError: `baseline` may be several arms of a model.
    """
    shown = metric or results.metric
    format_ = number_format(results, [shown], signed=True)
    groups: dict[str, list[list[str]]] = {}
    alone = []
    for model in results.models:
        against = results.baseline(baseline, model)
        if against is None:
            alone.append(model)
            continue
        rows = []
        for arm in results.arms_of(model):
            if arm == against:
                continue
            found = [results.difference(arm, against, c, metric) for c in results.columns]
            counts = [entry.count for entry in found if entry is not None]
            cells = [NOTHING if entry is None else show(entry, format_) for entry in found]
            rows.append([arm.name, *cells, show_range(counts) if counts else '0'])
        if rows:
            groups[model if len(results.models) > 1 else ''] = rows
    note = (
        f'Mean over the seeds that both have of the difference in {shown} at equal seed, {results.kind} '
        'and axes, ± half the width of its 95 % interval (Student t, paired). An interval that holds 0 shows no '
        'difference. Nothing is corrected for the number of comparisons.'
    )
    if alone:
        note += f' Nothing to compare with: {", ".join(alone)}.'
    columns = column_names(results) if results.axes else [shown]
    title = f'Differences to {baseline}' + (f': {metric}' if metric else '')
    return Table(title, [rows_name(results), *columns, 'pairs'], groups, note)


def amount_table(results: Results, baseline: str, axis: str) -> Table | None:
    """How much of an axis the baseline needs for the mean score of another arm.

    Args:
        results: The records in order.
        baseline: Name of an arm.
        axis: An axis with positive numbers, such as the number of labels.

    Returns:
        The table; None where the axis does not hold several numbers, all positive.

    Raises:
        ValueError: `baseline` may be several arms of a model.
    """
    if axis not in results.numeric_axes():
        return None
    slices = results.slices(axis)
    place = results.axes.index(axis)
    amounts = sorted({column[place] for column in results.columns})
    if amounts[0] <= 0:
        return None
    groups: dict[str, list[list[str]]] = {}
    for model in results.models:
        against = results.baseline(baseline, model)
        if against is None:
            continue
        for rest, columns in slices.items():
            curve = _curve(results, against, columns, place)
            rows = []
            for arm in results.arms_of(model):
                if arm == against:
                    continue
                scores = dict(_curve(results, arm, columns, place))
                rows.append([arm.name, *(_amount(curve, scores.get(n)) for n in amounts)])
            if rows:
                groups[slice_title(results, model, axis, rest)] = rows
    note = (
        f'Reading: what a row reaches with the {axis} at the head of the column, {baseline} reaches with the number in '
        f'the cell. Between the measured points the mean curve of {baseline} is straight over the logarithm of {axis}; '
        f'> and <: beyond what was measured; {NOTHING}: a result is missing.'
    )
    header = [rows_name(results), *(f'{axis} {show_value(n)}' for n in amounts)]
    title = f'{axis.capitalize()} that {baseline} needs for the same {results.metric}'
    return Table(title, header, groups, note)


def cost_table(results: Results) -> Table | None:
    """Parameters, multiply-accumulates, milliseconds and training of each arm; None where no record has them."""
    columns: dict[str, Callable[[Mapping[str, Any]], float | None]] = {}
    texts: dict[str, Callable[[float], str]] = {}
    for key, name, text in (
        ('parameters', 'parameters', lambda x: f'{x:,.0f}'),
        ('macs', 'GMACs', lambda x: f'{x / 1e9:.3f}'),
        ('milliseconds', 'ms', lambda x: f'{x:.1f}'),
    ):
        for part in ('enhancer', 'model'):
            title = f'{name}: {part}'
            columns[title] = lambda r, k=key, p=part: (r.get(k) or {}).get(p)
            texts[title] = text
    columns['enhancer of the time'] = _share
    texts['enhancer of the time'] = lambda x: f'{100 * x:.0f} %'
    for name, title, text in (
        ('iterations', 'steps', lambda x: f'{x:.0f}'),
        ('minutes', 'minutes', lambda x: f'{x:.1f}'),
    ):
        columns[title] = lambda r, k=name: r.get(k)
        texts[title] = text

    def row(arm: Arm) -> list[str]:
        records = [r for column in results.columns for r in results.done(arm, column)]
        cells = []
        for title, read in columns.items():
            found = [value for record in records if is_number(value := read(record))]
            cells.append(texts[title](statistics.median(found)) if found else NOTHING)
        return [arm.name, *cells]

    groups = _by_model(results, row)
    rows = [row for rows in groups.values() for row in rows]
    kept = [k for k in range(len(columns) + 1) if k == 0 or any(row[k] != NOTHING for row in rows)]
    if len(kept) == 1:
        return None
    header = [rows_name(results), *columns]
    note = (
        'Medians over all cells of a row. model: what stands behind the enhancer. Multiply-accumulates and '
        'milliseconds are those of one picture at test time; minutes are those of one cell, training and evaluation.'
    )
    groups = {title: [[row[k] for k in kept] for row in rows] for title, rows in groups.items()}
    return Table('Size, speed and training', [header[k] for k in kept], groups, note)


def column_names(results: Results) -> list[str]:
    """Head of each column: the metric where there is no axis."""
    if not results.axes:
        return [results.metric]
    return [show_cell(dict(zip(results.axes, column, strict=True))) for column in results.columns]


def slice_title(results: Results, model: str, axis: str, rest: Column) -> str:
    """What tells a slice from the others; '' where there is one only."""
    others = dict(zip([name for name in results.axes if name != axis], rest, strict=True))
    parts = [model] if len(results.models) > 1 else []
    return ', '.join(parts + ([show_cell(others)] if others else []))


def show(found: Estimate, format_: str) -> str:
    """Mean ± half-width."""
    text = format(found.mean, format_)
    if found.half_width is None:
        return text
    return f'{text} ± {format(found.half_width, format_.removeprefix("+"))}'


def metrics_table(
    results: Results, title: str, names: Mapping[str, str], format_: str | None = None
) -> Table:
    """Means of several metrics, a column each.

    Args:
        results: The records in order.
        title: Heading.
        names: Head of the column by the name of the metric.
        format_: Of all numbers; None for one that fits each column.
    """
    formats = {name: format_ or number_format(results, [name]) for name in names}

    def row(arm: Arm, column: Column) -> list[str]:
        found = {name: results.estimate(arm, column, name) for name in names}
        return [
            NOTHING if entry is None else format(entry.mean, formats[name])
            for name, entry in found.items()
        ]

    note = f'Means over the seeds; {NOTHING}: no result, or none here.'
    return Table(title, [rows_name(results), *names.values()], grouped(results, row), note)


def grouped(
    results: Results,
    row: Callable[[Arm, Column], list[str] | None],
    remark: Callable[[str, Column], str] = lambda model, column: '',
) -> dict[str, list[list[str]]]:
    """Rows by model and column of the matrix; a title names what there are several of.

    Args:
        results: The records in order.
        row: The cells behind the name of an arm, None for no row.
        remark: What else the title says of a model and column.
    """
    groups = {}
    for model in results.models:
        for column, column_name in zip(results.columns, column_names(results), strict=True):
            arms = [arm for arm in results.arms_of(model) if results.place(arm, column)]
            rows = [[arm.name, *cells] for arm in arms if (cells := row(arm, column)) is not None]
            parts = [model] if len(results.models) > 1 else []
            parts += [column_name] if results.axes else []
            if rows:
                groups[', '.join(filter(None, [*parts, remark(model, column)]))] = rows
    return groups


def rows_name(results: Results) -> str:
    """What the rows of a table are: arms, or enhancers where a matrix has no named arms."""
    return 'arm' if any('arm' in record['cell'] for record in results.records) else 'enhancer'


def _by_model(results: Results, row: Callable[[Arm], list[str]]) -> dict[str, list[list[str]]]:
    several = len(results.models) > 1
    return {
        model if several else '': [row(arm) for arm in results.arms_of(model)]
        for model in results.models
    }


def number_format(results: Results, names: Sequence[str], signed: bool = False) -> str:
    """One digit behind the point for percentages, three for shares."""
    values = [
        abs(value)
        for arm in results.arms
        for column in results.columns
        for name in names
        for value in results.values(arm, column, name).values()
    ]
    digits = 3 if not values or max(values) <= 1.5 else 1
    return f'{"+" if signed else ""}.{digits}f'


def _curve(
    results: Results, arm: Arm, columns: Sequence[Column], place: int
) -> list[tuple[float, float]]:
    found = ((column[place], results.estimate(arm, column)) for column in columns)
    return [(amount, entry.mean) for amount, entry in found if entry is not None]


def _amount(curve: list[tuple[float, float]], score: float | None) -> str:
    if not curve or score is None:
        return NOTHING
    amount = amount_for(curve, score)
    if amount is not None:
        return f'{amount:.0f}' if amount >= 100 else f'{amount:.3g}'
    first, last = min(curve), max(curve)
    return f'< {show_value(first[0])}' if score < first[1] else f'> {show_value(last[0])}'


def _share(record: Mapping[str, Any]) -> float | None:
    times = record.get('milliseconds') or {}
    if not (is_number(times.get('enhancer')) and is_number(times.get('model'))):
        return None
    total = times['enhancer'] + times['model']
    return times['enhancer'] / total if total > 0 else None


def show_range(counts: Sequence[int]) -> str:
    """The numbers as `3`, or as `2–3` where they differ."""
    return str(counts[0]) if len(set(counts)) == 1 else f'{min(counts)}–{max(counts)}'
