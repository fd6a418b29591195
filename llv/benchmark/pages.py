"""The page of a matrix's report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from llv.utils.pictures import PictureError, read_picture
from llv.visualization.report import HtmlReport, Tile

from .figures import class_figures, curves_of, darkness_figure, efficiency_figure
from .parts import quantiles
from .results import ROW_KEYS, Arm, Results, folder_of, show_cell
from .tables import Table, column_names, slice_title

# of each arm on the page; the others stay in the folders of their cells
PICTURES = 4
# width in pixels at which a picture is put into the page
_WIDTH = 1200


def build_page(
    results: Results,
    title: str,
    about: Mapping[str, Any],
    shown: Sequence[Table],
    baselines: Sequence[str] = (),
) -> HtmlReport:
    """The page of a matrix.

    Args:
        results: The records in order.
        title: Title of the matrix.
        about: `machine`, `command`, `seeds` and `yaml`.
        shown: Its tables, the main one first.
        baselines: Names of the arms that others are compared with.
    """
    report = HtmlReport(title, f'{status_of(results)} · {results.metric}')
    for index, table in enumerate(shown):
        report.heading(table.title)
        report.table(table.header, table.groups, table.note)
        if index == 0:
            _efficiency(report, results)
    for baseline in dict.fromkeys(baselines):
        _darkness(report, results, baseline)
    _curves(report, results)
    _pictures(report, results)
    report.heading('Settings')
    report.facts({**about['machine'], 'seeds': ', '.join(map(str, about['seeds']))})
    report.text('How to get this page again:')
    report.code(about['command'])
    report.text('The matrix:')
    report.code(about['yaml'].strip())
    return report


def _efficiency(report: HtmlReport, results: Results) -> None:
    for axis in results.numeric_axes():
        figures = []
        for model in results.models:
            arms = results.arms_of(model)
            for rest, columns in results.slices(axis).items():
                title = slice_title(results, model, axis, rest)
                caption = f'{results.metric} over {axis}{f": {title}" if title else ""}'
                figures.append((efficiency_figure(results, arms, columns, axis), caption))
        report.heading(f'{results.metric} over {axis}', 3)
        report.figures(figures)
        report.text(
            'Means over the seeds; bands: 95 % intervals, cut where they leave the frame.',
            note=True,
        )


def _darkness(report: HtmlReport, results: Results, baseline: str) -> None:
    if not quantiles(results):
        return
    figures = []
    for model in results.models:
        against = results.baseline(baseline, model)
        arms = [arm for arm in results.arms_of(model) if arm != against]
        if against is None or not arms:
            continue
        for column, name in zip(results.columns, column_names(results), strict=True):
            where = [model] if len(results.models) > 1 else []
            where += [name] if results.axes else []
            figure = darkness_figure(results, arms, against, column)
            figures.append((figure, ', '.join(where) or f'mIoU − mIoU of {against.name}'))
    if not figures:
        return
    report.heading(f'Difference to {baseline} from dark to bright pixels')
    report.figures(figures)
    report.text(
        'Means over the seeds of the paired difference in mIoU; bands: 95 % intervals, cut where they leave the frame. '
        'Below the axis: brightness of the surroundings before any enhancer, in 8-bit levels.',
        note=True,
    )


def _curves(report: HtmlReport, results: Results) -> None:
    heading = False
    for model in results.models:
        chosen = _last_runs(results, model, lambda record: curves_of(record) is not None)
        if not chosen:
            continue
        if not heading:
            report.heading('Curves by class')
            heading = True
        if len(results.models) > 1:
            report.heading(model, 3)
        report.figures(
            class_figures({arm.name: curves_of(record) for arm, record in chosen.items()})
        )
        report.text(_which(chosen, 'curves'), note=True)


def _pictures(report: HtmlReport, results: Results) -> None:
    heading = False
    for model in results.models:
        chosen = _last_runs(results, model, lambda record: bool(_files(record)))
        tiles: dict[str, list[Tile]] = {}
        for arm, record in chosen.items():
            for path in _files(record)[:PICTURES]:
                try:
                    picture = _shrunk(read_picture(path))
                except PictureError as error:
                    report.text(f'{arm.name}: {error}', note=True)
                    continue
                tiles.setdefault(path.stem, []).append(Tile(picture, arm.name))
        if not tiles:
            continue
        if not heading:
            report.heading('Sample pictures')
            report.text(
                'From left to right: the picture as it is, enhanced where there is an enhancer, and what was found.'
            )
            heading = True
        for stem, row in tiles.items():
            several = len(results.models) > 1
            report.heading(f'{model}: {stem}' if several else stem, 3)
            report.gallery(row, columns=1, width=860)
        report.text(_which(chosen, 'pictures'), note=True)


def _last_runs(
    results: Results, model: str, usable: Callable[[Mapping[str, Any]], bool]
) -> dict[Arm, Mapping[str, Any]]:
    """One run for each arm of a model, all at the last column that any can show, first seed first."""
    arms = results.arms_of(model)
    for column in reversed(results.columns):
        found = {}
        for arm in arms:
            records = [record for record in results.done(arm, column) if usable(record)]
            if records:
                found[arm] = records[0]
        if found:
            return found
    return {}


def _which(chosen: Mapping[Arm, Mapping[str, Any]], what: str) -> str:
    """Which cells are shown; what all of them share is said once."""
    cells = [record['cell'] for record in chosen.values()]
    shared = {
        key: value
        for key, value in cells[0].items()
        if key not in ROW_KEYS and all(cell.get(key) == value for cell in cells)
    }
    text = f'Shown: {show_cell(shared) or "one run of each arm"}.'
    if len(shared) < len([key for key in cells[0] if key not in ROW_KEYS]):
        text += ' Runs: ' + '; '.join(map(show_cell, cells)) + '.'
    return f'{text} The {what} of the others are in the folders of their cells.'


def _files(record: Mapping[str, Any]) -> list[Path]:
    folder = folder_of(record)
    return [] if folder is None else [Path(folder, name) for name in record.get('pictures') or ()]


def _shrunk(picture: np.ndarray) -> np.ndarray:
    if picture.dtype != np.uint8:
        picture = (picture >> 8).astype(np.uint8)
    height, width = picture.shape[:2]
    if width <= _WIDTH:
        return picture
    size = _WIDTH, max(1, round(height * _WIDTH / width))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def status_of(results: Results) -> str:
    """How many cells are done."""
    done = len(results.records) - len(results.missing)
    return f'{done} of {len(results.records)} cells have a result'
