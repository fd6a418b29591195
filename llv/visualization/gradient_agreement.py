"""How the gradients of two groups of pictures agree in the course of training, for several runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .curves import COLOURS

Records = Sequence[Mapping[str, Any]]


def plot_gradient_agreement(
    runs: Mapping[str, Sequence[Records]],
    part: str | None = None,
    smooth: int = 1,
    title: str = '',
    size: tuple[float, float] = (5.6, 3.4),
) -> Figure:
    """Cosine over iterations, one colour a label; the legend has the mean over all measurements.

    Runs that share a label (seeds) are drawn thin, with their mean, where all of them have a measurement, on top.

    Args:
        runs: By label the records of its runs, as :func:`llv.engine.gradient_agreement.read_agreement` gives them.
        part: A part of the model that was measured by itself; None for the whole model.
        smooth: Measurements in the moving mean that is drawn, fewer at both ends; 1 draws them as they are.
        title: Set above the axes where it is not empty.
        size: Width and height in inches.

    Returns:
        A figure that belongs to no window, for ``savefig``.

    Raises:
        ValueError: There are no measurements, they are of different pictures, `part` was not measured, or `smooth` is
            below 1.
    """
    if smooth < 1:
        raise ValueError(f'`smooth` must be a whole number from 1, but got {smooth}.')
    every = [record for group in runs.values() for records in group for record in records]
    if not every:
        raise ValueError('The runs hold no measurement; train for at least one step.')
    if len({record['pictures'] for record in every}) > 1:
        raise ValueError(
            'The runs were measured on different pictures, so they do not compare; give `llv.GradientAgreementHook` '
            'the same groups and seed in all of them.'
        )
    figure = Figure(figsize=size, layout='constrained')
    axes = figure.add_subplot()
    axes.axhline(0, color='0.4', lw=0.8)
    for index, (label, group) in enumerate(runs.items()):
        colour = COLOURS[index % len(COLOURS)]
        curves = [cosines(records, part) for records in group]
        found = [value for curve in curves for value in curve.values()]
        mean = f'mean {np.mean(found):.3f}' if found else 'undefined'
        if len(curves) > 1:
            for curve in curves:
                axes.plot(*_smoothed(curve, smooth), color=colour, lw=0.7, alpha=0.45)
        curve = _mean(curves)
        axes.plot(
            *_smoothed(curve, smooth), color=colour, lw=1.7, label=f'{label} ({mean})',
            marker='.' if len(curve) < 3 else None,
        )  # fmt: skip
    what = 'cosine of the gradients, under- and over-exposed'
    axes.set(xlabel='iteration', ylabel=what if part is None else f'{what}\n{part}', title=title)
    axes.grid(alpha=0.25, lw=0.6)
    axes.spines[['top', 'right']].set_visible(False)
    axes.legend(frameon=False, fontsize='small')
    return figure


def cosines(records: Records, part: str | None = None) -> dict[int, float]:
    """Cosine by iteration, without the measurements in which it is not defined.

    Args:
        records: Of a run.
        part: As for :func:`plot_gradient_agreement`.

    Raises:
        ValueError: `part` was not measured.
    """
    found = {}
    for record in records:
        measured = record
        if part is not None:
            parts = record.get('children') or {}
            if part not in parts:
                raise ValueError(
                    f'`{part}` was not measured by itself, but {", ".join(parts) or "no part"}; name one of these, or '
                    'train with `by_child=True`.'
                )
            measured = parts[part]
        if measured['cosine'] is not None:
            found[record['iteration']] = measured['cosine']
    return found


def _mean(curves: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Mean at the iterations that all curves have."""
    shared = set.intersection(*(set(curve) for curve in curves)) if curves else set()
    return {k: math.fsum(curve[k] for curve in curves) / len(curves) for k in sorted(shared)}


def _smoothed(curve: Mapping[int, float], window: int) -> tuple[list[int], list[float]]:
    """Centred moving mean over a number of measurements."""
    values = list(curve.values())
    before, behind = (window - 1) // 2, window // 2
    means = [
        float(np.mean(values[max(0, k - before) : k + behind + 1])) for k in range(len(values))
    ]
    return list(curve), means
