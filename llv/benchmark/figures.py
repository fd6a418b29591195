"""The figures of a matrix's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from llv.visualization.curves import COLOURS

from .parts import levels, quantiles
from .results import Arm, Column, Results, folder_of, show_value
from .statistics import Estimate

if TYPE_CHECKING:
    from llv.evaluation.detection.curves import Curve, CurveFile

_DASHES = ('-', '--', ':', '-.')
# more are not to be seen, and weigh in a file that holds dozens of curves
_POINTS = 200
# curves that share the axes with their legend
_FEW = 6


def efficiency_figure(
    results: Results, arms: Sequence[Arm], columns: Sequence[Column], axis: str
) -> Figure:
    """The main metric over a numeric axis: means, and bands of the 95 % intervals where there are several seeds.

    The axis is logarithmic where its values are positive. The height follows the means; a band that is much wider
    leaves the frame.

    Args:
        results: The records in order.
        arms: A curve each.
        columns: A point each, all equal but for `axis`.
        axis: Name of the axis.
    """
    place = results.axes.index(axis)
    figure = Figure(figsize=(5.2, 3.4), layout='constrained')
    axes = figure.add_subplot()
    _lines(
        axes,
        {
            arm.name: [(column[place], results.estimate(arm, column)) for column in columns]
            for arm in arms
        },
    )
    values = sorted({column[place] for column in columns})
    if values[0] > 0:
        axes.set_xscale('log')
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(FixedLocator(values))
    axes.xaxis.set_major_formatter(FixedFormatter([show_value(value) for value in values]))
    axes.set(xlabel=axis, ylabel=results.metric)
    axes.grid(alpha=0.25, lw=0.6)
    axes.spines[['top', 'right']].set_visible(False)
    _legend(figure, axes)
    return figure


def darkness_figure(results: Results, arms: Sequence[Arm], against: Arm, column: Column) -> Figure:
    """The paired difference in mIoU to an arm over the brightness of the pixels, with bands of its 95 % interval.

    Args:
        results: The records in order.
        arms: A curve each.
        against: The arm that they are compared with.
        column: Values of the axes.
    """
    names = quantiles(results)
    figure = Figure(figsize=(5.2, 3.4), layout='constrained')
    axes = figure.add_subplot()
    lines = {}
    for arm in arms:
        found = [results.difference(arm, against, column, f'mIoU.{name}') for name in names]
        lines[arm.name] = list(enumerate(found))
    _lines(axes, lines)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.0), max(high, 0.0))
    axes.axhline(0, color='0.4', lw=0.8, zorder=1, label='_')
    texts = levels(results, against.model, column)
    labels = [f'{name}\n{text}' for name, text in zip(names, texts, strict=True)]
    axes.set_xticks(range(len(names)), labels)
    axes.set(xlabel='pixels, from dark to bright', ylabel=f'mIoU − mIoU of {against.name}')
    axes.grid(alpha=0.25, lw=0.6)
    axes.spines[['top', 'right']].set_visible(False)
    _legend(figure, axes)
    return figure


def _lines(axes: Axes, lines: Mapping[str, Sequence[tuple[float, Estimate | None]]]) -> None:
    """Means with bands of their 95 % intervals; the height follows the means."""
    heights: list[tuple[float, float]] = []
    for index, (name, found) in enumerate(lines.items()):
        points = [(x, entry) for x, entry in found if entry is not None]
        if not points:
            continue
        xs = [x for x, _ in points]
        means = np.array([entry.mean for _, entry in points])
        widths = np.array([entry.half_width or 0.0 for _, entry in points])
        look = _look(index)
        axes.plot(xs, means, label=name, lw=1.6, marker='o', ms=3.5, **look)
        if widths.any():
            low, high = means - widths, means + widths
            axes.fill_between(xs, low, high, color=look['color'], alpha=0.12, lw=0)
        heights += zip(means, widths, strict=True)
    if heights:
        means, widths = np.array(heights).T
        span = max(np.ptp(means), 1e-3 * np.abs(means).max(), 1e-9)
        widths = np.minimum(widths, 0.6 * span) + 0.06 * span
        axes.set_ylim((means - widths).min(), (means + widths).max())


def curves_of(record: Mapping[str, Any]) -> CurveFile | None:
    """The curves of a record; None where it has no readable file of them."""
    folder = folder_of(record)
    if not record.get('curves') or folder is None:
        return None
    # needs mmdet, which whoever has such a file has
    from llv.evaluation.detection.curves import read_curves

    try:
        return read_curves(Path(folder, record['curves']))
    except (OSError, ValueError):
        return None


def class_figures(runs: Mapping[str, CurveFile]) -> list[tuple[Figure, str]]:
    """A figure for each class with the curves of several runs.

    Args:
        runs: Curves of one kind by the name of the run.

    Returns:
        Figures with the class as caption, in order of appearance.
    """
    from llv.visualization.detection_curves import plot_detection_curves

    names = dict.fromkeys(name for run in runs.values() for name in run.curves)
    figures = []
    for name in names:
        thin = {
            label: replace(run, curves={name: _thinned(run.curves[name])})
            for label, run in runs.items()
            if name in run.curves
        }
        figure = plot_detection_curves(thin)
        (axes,) = figure.axes
        order = list(runs)
        for label, line in zip(thin, axes.lines, strict=True):
            # the same look in every class, also where a run lacks some
            line.set(**_look(order.index(label)))
        _legend(figure, axes)
        figures.append((figure, name))
    return figures


def _thinned(curve: Curve) -> Curve:
    """At most `_POINTS` points, the first and the last among them."""
    count = len(curve.x)
    kept = np.unique(np.linspace(0, count - 1, min(count, _POINTS)).round().astype(int))
    return replace(curve, x=curve.x[kept], y=curve.y[kept], score=curve.score[kept])


def _look(index: int) -> dict[str, Any]:
    dashes = _DASHES[index // len(COLOURS) % len(_DASHES)]
    return dict(color=COLOURS[index % len(COLOURS)], linestyle=dashes)


def _legend(figure: Figure, axes: Axes) -> None:
    """Inside of the axes for a few lines; more have a place of their own below."""
    count = sum(not str(line.get_label()).startswith('_') for line in axes.lines)
    if axes.get_legend() is not None:
        axes.get_legend().remove()
    if 0 < count <= _FEW:
        axes.legend(frameon=False, fontsize='small')
    elif count:
        rows = -(-count // 2)
        figure.set_figheight(figure.get_figheight() + 0.2 * rows)
        figure.legend(loc='outside lower center', ncols=2, frameon=False, fontsize='x-small')
