"""Training curves from what mmengine's ``LocalVisBackend`` writes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

# distinguishable for most colour-blind readers (Okabe and Ito), on white
COLOURS = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000')


def read_scalars(work_dir: str | PathLike) -> list[dict[str, Any]]:
    """The scalars of a run, in the order of its steps.

    Args:
        work_dir: Work folder of an mmengine run. Every start of the run has its own log there; where a resumed
            run repeats a step, the later start counts.

    Returns:
        One dict for each logged training step, with ``step`` and whatever was logged (``loss``, ``lr``, ``time``
        …); empty if there is no log. A line that is still being written is left out.
    """
    records: dict[int, dict[str, Any]] = {}
    for file in sorted(Path(work_dir).glob('*/vis_data/scalars.json')):
        for line in file.read_text(encoding='utf-8').splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if 'loss' in record:
                records[record['step']] = record
    return [records[step] for step in sorted(records)]


def plot_curves(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    ylabel: str,
    xlabel: str = 'step',
    size: tuple[float, float] = (5.2, 2.9),
) -> Figure:
    """Curves in one set of axes.

    Args:
        curves: Points (x, y) by the name of the curve; one without points is left out.
        ylabel: What is drawn, with its unit if it has one.
        xlabel: What it is drawn over.
        size: Width and height in inches.

    Returns:
        A figure that belongs to no window, for :meth:`HtmlReport.figure` or ``savefig``.
    """
    figure = Figure(figsize=size, layout='constrained')
    axes = figure.add_subplot()
    for index, (name, points) in enumerate(curves.items()):
        if points:
            colour = COLOURS[index % len(COLOURS)]
            marker = '.' if len(points) < 3 else None
            axes.plot(*zip(*points, strict=True), label=name, color=colour, lw=1.6, marker=marker)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(alpha=0.25, lw=0.6)
    axes.spines[['top', 'right']].set_visible(False)
    if axes.lines and (len(axes.lines) > 1 or axes.lines[0].get_label()):
        axes.legend(frameon=False, fontsize='small')
    return figure
