"""The report of a matrix: `results.md`, `results.csv`, `results.json` and one page of HTML."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import platform
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from llv.version import __version__

from . import parts, tables
from .matrix import Matrix
from .pages import build_page, status_of
from .results import Results, show_cell


def write_report(
    folder: str | os.PathLike, matrix: Matrix, records: Sequence[Mapping[str, Any]]
) -> Results:
    """Write what a matrix gave, whole or half done; an earlier report is replaced.

    ``results.csv`` has one line a cell with all its metrics, ``results.json`` everything, ``results.md`` the tables,
    ``index.html`` also curves and pictures, in one file that loads nothing from elsewhere.

    Args:
        folder: Where to write; made if it is not there.
        matrix: What the records belong to. Its ``compare`` asks for paired differences to ``baseline`` (an arm, or a
            strategy or an enhancer that one arm of a model has), with ``axis`` also for how much of it the baseline
            needs for the same score, with ``also`` for the differences in further metrics.
        records: One a cell, as read from ``result.json``: ``cell``, ``metrics`` and, each where there is one,
            ``iterations``, ``minutes``, ``parameters``, ``macs``, ``milliseconds`` (each with ``enhancer`` and
            ``model``), ``curves`` and ``pictures`` (files relative to ``folder``), ``folder``. A record without
            ``metrics`` is a missing cell, like one without a record; its ``failed`` says why.

    Returns:
        The records in order.

    Raises:
        ValueError: Two records have the same cell, or one has a cell that is not in the matrix; the baseline may be
            several arms.
    """
    folder = Path(folder)
    results = Results(matrix.metric, [point.cell for point in matrix.points()], records)
    about = {
        'machine': describe_machine(),
        'command': shlex.join(['python', *sys.argv]),
        'seeds': results.seeds,
        'yaml': matrix.text,
    }
    shown = _tables(results, matrix.compare)
    baselines = [comparison['baseline'] for comparison in matrix.compare]
    page = build_page(results, matrix.title, about, shown, baselines)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / 'results.csv', _csv(results))
    _write(folder / 'results.json', _json(results, matrix, about))
    _write(folder / 'results.md', _markdown(results, matrix.title, about, shown))
    page.write(folder / 'index.html')
    return results


def results_text(results: Results, matrix: Matrix) -> str:
    """The tables of a matrix in markdown, with what they were measured on, for a page of one's own."""
    machine = '; '.join(f'{name} {value}' for name, value in describe_machine().items())
    note = f'{status_of(results)}. {machine}; seeds {", ".join(map(str, results.seeds))}.'
    shown = _tables(results, matrix.compare)
    return '\n\n'.join([note, *(table.markdown() for table in shown)])


def describe_machine() -> dict[str, str]:
    """What numbers were measured on."""
    try:
        text = Path('/proc/cpuinfo').read_text(encoding='utf-8')
    except OSError:
        text = ''
    model = re.search(r'^model name\s*: (.+)$', text, re.M)
    facts = {
        'processor': model[1].strip() if model else platform.processor() or platform.machine(),
        'cores': f'{os.cpu_count()}, {torch.get_num_threads()} threads',
    }
    if torch.cuda.is_available():
        facts['GPU'] = torch.cuda.get_device_name()
    return {**facts, 'PyTorch': torch.__version__, 'llv': __version__}


def _tables(results: Results, comparisons: Sequence[Mapping[str, Any]]) -> list[tables.Table]:
    found: list[tables.Table | None] = [tables.main_table(results), tables.missing_table(results)]
    for comparison in comparisons:
        baseline, axis = comparison['baseline'], comparison.get('axis')
        found += [
            tables.difference_table(results, baseline, metric)
            for metric in (None, *comparison.get('also', ()))
        ]
        if axis is not None:
            found.append(tables.amount_table(results, baseline, axis))
    found.append(parts.region_table(results))
    found += [
        parts.region_difference_table(results, comparison['baseline']) for comparison in comparisons
    ]
    found += [
        tables.class_table(results),
        parts.view_table(results),
        tables.other_metrics_table(results),
        tables.cost_table(results),
    ]
    return [table for table in found if table is not None and table.groups]


def _markdown(
    results: Results,
    title: str,
    about: Mapping[str, Any],
    shown: Sequence[tables.Table],
) -> str:
    machine = '; '.join(f'{name} {value}' for name, value in about['machine'].items())
    parts = [f'# {title}', f'{status_of(results)}.']
    parts += [table.markdown() for table in shown]
    parts += [
        '## Settings',
        f'{machine}; seeds {", ".join(map(str, about["seeds"]))}.',
        f'```bash\n{about["command"]}\n```',
        f'```yaml\n{about["yaml"].strip()}\n```',
    ]
    return '\n\n'.join(parts) + '\n'


def _csv(results: Results) -> str:
    keys = list(dict.fromkeys(key for record in results.records for key in record['cell']))
    parts = [
        (name, part)
        for name in ('parameters', 'macs', 'milliseconds')
        for part in ('enhancer', 'model')
    ]
    metrics = results.metrics()
    reasons = {show_cell(cell): reason for cell, reason in results.missing}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(
        [*keys, 'missing', *metrics, 'iterations', 'minutes', *(f'{n}.{p}' for n, p in parts)]
    )
    for record in results.records:
        cell, found = record['cell'], record.get('metrics') or {}
        writer.writerow(
            [
                *(cell.get(key) for key in keys),
                reasons.get(show_cell(cell), ''),
                *(found.get(name) for name in metrics),
                record.get('iterations'),
                record.get('minutes'),
                *((record.get(name) or {}).get(part) for name, part in parts),
            ]
        )
    return text.getvalue()


def _json(results: Results, matrix: Matrix, about: Mapping[str, Any]) -> str:
    rows, differences = [], []
    for arm in results.arms:
        for column in results.columns:
            if not (place := results.place(arm, column)):
                continue
            axes = dict(zip(results.axes, column, strict=True))
            head = {'arm': arm.name, results.kind: arm.model, 'axes': axes}
            found = results.estimate(arm, column)
            rows.append({**head, 'cells': len(place), **(vars(found) if found else {'count': 0})})
            for comparison in matrix.compare:
                against = results.baseline(comparison['baseline'], arm.model)
                if against in (None, arm):
                    continue
                for metric in (results.metric, *comparison.get('also', ())):
                    found = results.difference(arm, against, column, metric)
                    if found is not None:
                        about_it = dict(baseline=against.name, metric=metric)
                        differences.append({**head, **about_it, **vars(found)})
    content = dict(
        title=matrix.title,
        metric=results.metric,
        **about,
        rows=rows,
        differences=differences,
        missing=[dict(cell=cell, why=reason) for cell, reason in results.missing],
        # where they lay while this was written holds nowhere else
        records=[
            {key: value for key, value in record.items() if key != 'folder'}
            for record in results.records
        ],
    )
    return json.dumps(_plain(content), indent=1, allow_nan=False) + '\n'


def _plain(value: Any) -> Any:
    """The same for JSON, which knows neither NaN nor paths."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _write(path: Path, text: str) -> None:
    """Write a file; an earlier one stays whole until this one is."""
    part = path.with_name(f'{path.name}.part')
    part.write_text(text, encoding='utf-8')
    os.replace(part, path)
