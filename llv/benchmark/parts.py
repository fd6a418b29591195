"""Where an enhancer helps a segmentor: means over class views, and over dark, bright, border and inner pixels.

``llv.PerClassIoUMetric`` and ``llv.RegionIoUMetric`` give the figures: ``mIoU.<view>``, ``mIoU.dark1`` (darkest) …,
``mIoU.boundary``, ``mIoU.interior``, and what says which pixels those are, ``brightness.dark1`` and ``pixels.dark1``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .results import REGION, Arm, Column, Results, is_number
from .tables import (
    NOTHING,
    Table,
    grouped,
    metrics_table,
    number_format,
    rows_name,
    show,
    show_range,
)

_MEAN = 'mIoU.'
_BORDERS = ('boundary', 'interior')


def quantiles(results: Results) -> list[str]:
    """Names of the groups of pixels by brightness, darkest first; empty where nobody measured them."""
    found = [n for n in _parts(results) if n.startswith('dark') and REGION.fullmatch(n)]
    return sorted(found, key=lambda name: int(name.removeprefix('dark')))


def view_table(results: Results) -> Table | None:
    """The mean over each class view; None where there are none."""
    views = [name for name in _parts(results) if not REGION.match(name)]
    if not views:
        return None
    names = {_MEAN + view: view for view in views}
    table = metrics_table(results, 'mIoU by class view', names, number_format(results, list(names)))
    note = (
        f'{table.note} One set of predictions, averaged over different classes: compare rows, not columns; the metric '
        'of the config says which classes a view has.'
    )
    return replace(table, note=note)


def region_table(results: Results) -> Table | None:
    """The mean IoU in each region; None where nobody measured it."""

    def row(arm: Arm, column: Column) -> list[str]:
        found = [results.estimate(arm, column, _MEAN + region) for region in regions]
        return [NOTHING if entry is None else format(entry.mean, format_) for entry in found]

    regions = _regions(results)
    if not regions:
        return None
    format_ = number_format(results, [_MEAN + region for region in regions])
    note = (
        f'Mean IoU{" in percent" if format_ == ".1f" else ""}, means over the seeds; {NOTHING}: no result. Regions '
        'hold different classes: compare rows, not columns. A class that a region lacks is left out of its mean, and '
        'counts 0 where it is predicted there.'
    )
    if quantiles(results):
        note += (
            ' dark1, dark2 …: groups of pixels, equally large as far as that goes, by the brightness of their '
            'surroundings in the picture as it is, before any enhancer; in brackets in 8-bit levels.'
        )
    if set(_BORDERS) & set(regions):
        note += ' boundary: pixels near a border of two labels; interior: all others.'
    shares = {name: _values(results, f'pixels.{name}') for name in regions}
    if all(len(found) == 1 for found in shares.values()):
        text = ', '.join(f'{name} {found.pop()} %' for name, found in shares.items())
        note += f' Of the pixels: {text}.'
    header = [rows_name(results), *_header(results, regions)]
    return Table('Where it helps', header, _groups(results, row), note)


def region_difference_table(results: Results, baseline: str) -> Table | None:
    """Paired differences of the mean IoU to a baseline in each region; None where nobody measured it.

    Raises:
        ValueError: `baseline` may be several arms of a segmentor.
    """

    def row(arm: Arm, column: Column) -> list[str] | None:
        against = results.baseline(baseline, arm.model)
        if against in (None, arm):
            return None
        found = [results.difference(arm, against, column, _MEAN + region) for region in regions]
        counts = [entry.count for entry in found if entry is not None]
        cells = [NOTHING if entry is None else show(entry, format_) for entry in found]
        return [*cells, show_range(counts) if counts else '0']

    regions = _regions(results)
    if not regions:
        return None
    format_ = number_format(results, [_MEAN + region for region in regions], signed=True)
    note = (
        f'Mean over the seeds that both have of the difference in mIoU to {baseline}, ± half the width of its 95 % '
        'interval (Student t, paired). An interval that holds 0 shows no difference. Nothing is corrected for the '
        'number of comparisons.'
    )
    if not _same_pixels(results):
        note += (
            ' The groups by brightness are not those of the same pixels: some arms were given other pictures, lit in '
            'their pipelines for one.'
        )
    header = [rows_name(results), *_header(results, regions), 'pairs']
    title = f'Where it helps: differences to {baseline}'
    return Table(title, header, _groups(results, row), note)


def levels(results: Results, model: str | None = None, column: Column | None = None) -> list[str]:
    """The brightness of each group of pixels, as `8–31`.

    Args:
        results: The records in order.
        model, column: Of these cells only; None for all.

    Returns:
        A text for each of :func:`quantiles`, '' where it is not the same in all cells or not known.
    """
    texts, low = [], {0}
    for name in quantiles(results):
        high = _values(results, f'brightness.{name}', model, column)
        texts.append(f'{min(low)}–{max(high)}' if len(low) == len(high) == 1 else '')
        low = {value + 1 for value in high}
    return texts


def _groups(
    results: Results, row: Callable[[Arm, Column], list[str] | None]
) -> dict[str, list[list[str]]]:
    """Rows by segmentor and column; a title says the levels of brightness where the header cannot."""
    names, shared = quantiles(results), all(levels(results))

    def remark(model: str, column: Column) -> str:
        own = [] if shared else zip(names, levels(results, model, column), strict=True)
        return ', '.join(f'{name} {text}' for name, text in own if text)

    return grouped(results, row, remark)


def _header(results: Results, regions: list[str]) -> list[str]:
    texts = levels(results)
    names = dict(zip(quantiles(results), texts, strict=True)) if all(texts) else {}
    return [f'{name} ({names[name]})' if name in names else name for name in regions]


def _regions(results: Results) -> list[str]:
    found = _parts(results)
    return [*quantiles(results), *(name for name in _BORDERS if name in found)]


def _parts(results: Results) -> list[str]:
    return [name.removeprefix(_MEAN) for name in results.metrics() if name.startswith(_MEAN)]


def _same_pixels(results: Results) -> bool:
    """Whether all arms of a segmentor and column have their groups by brightness in common."""
    return all(
        len(_values(results, f'brightness.{name}', model, column)) <= 1
        for name in quantiles(results)
        for model in results.models
        for column in results.columns
    )


def _values(
    results: Results, metric: str, model: str | None = None, column: Column | None = None
) -> set[int]:
    """All values of a metric, rounded."""
    return {
        round(value)
        for record in results.records
        if model is None or record['cell'].get(results.kind, '') == model
        if column is None or results.column(record['cell']) == column
        if is_number(value := (record.get('metrics') or {}).get(metric))
    }
