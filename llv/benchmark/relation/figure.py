"""The study's figure: the gain of each arm over the iterations."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from llv.visualization.curves import COLOURS

from .scores import Scores


def curve_figure(scores: Scores) -> Figure:
    """PSNR on the held-out scenes over the iterations on the left, the paired gain over the baseline on the right.

    Bands are intervals of 95 % over the seeds, of the gains alone: those of the means hold what the seeds have in
    common.
    """
    study = scores.study
    steps = scores.steps()
    figure = Figure(figsize=(8.6, 3.4), layout='constrained')
    left, right = figure.subplots(1, 2)
    for index, arm in enumerate(study.arms):
        colour = COLOURS[index % len(COLOURS)]
        means = [(step, scores.mean(arm, step=step)) for step in steps]
        means = [(step, found.mean) for step, found in means if found is not None]
        if means:
            left.plot(*zip(*means, strict=True), label=arm, color=colour, lw=1.4, marker='o', ms=3)
        if arm == study.baseline:
            continue
        gains = [(step, scores.difference(arm, study.baseline, step=step)) for step in steps]
        gains = [(step, found) for step, found in gains if found is not None]
        if not gains:
            continue
        xs, ys = [step for step, _ in gains], [found.mean for _, found in gains]
        right.plot(xs, ys, color=colour, lw=1.4, marker='o', ms=3)
        if all(found.half_width is not None for _, found in gains):
            low = [found.mean - found.half_width for _, found in gains]
            high = [found.mean + found.half_width for _, found in gains]
            right.fill_between(xs, low, high, color=colour, alpha=0.1, lw=0)
    right.axhline(0, color='0.4', lw=0.8, zorder=1)
    left.set(xlabel='iteration', ylabel='PSNR (dB)')
    right.set(xlabel='iteration', ylabel=f'PSNR − that of {study.baseline} (dB)')
    for axes in (left, right):
        axes.grid(alpha=0.25, lw=0.6)
        axes.spines[['top', 'right']].set_visible(False)
    if left.lines:
        figure.legend(
            *left.get_legend_handles_labels(), loc='outside lower center', ncols=3, frameon=False
        )
    return figure


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure as SVG, the same bytes for the same data."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({'svg.hashsalt': 'llv', 'svg.fonttype': 'none'}):
        figure.savefig(path, format='svg', metadata={'Date': None})
