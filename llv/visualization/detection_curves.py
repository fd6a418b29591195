"""Precision-recall and ROC curves of several runs in one figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from llv.evaluation.detection.curves import AXES, CurveFile

from .curves import COLOURS

_COLUMNS = 4


def plot_detection_curves(
    runs: Mapping[str, CurveFile],
    classes: Sequence[str] | None = None,
    max_x: float | None = None,
    title: str = '',
) -> Figure:
    """One set of axes a class, one line a run.

    Args:
        runs: Curves of one kind by the label of their run; the same label has the same colour everywhere.
        classes: The classes to draw; None for those of all runs, in the order in which they appear.
        max_x: Where the horizontal axis ends; by default at recall 1, or behind the last false positive.
        title: Set above the figure where it is not empty.

    Returns:
        A figure that belongs to no window, for ``savefig``.

    Raises:
        ValueError: There are no runs, their kinds differ, or no run has one of `classes`.
    """
    kinds = {run.kind for run in runs.values()}
    if len(kinds) != 1:
        raise ValueError(
            'The runs must have curves of one kind, but have '
            f'{", ".join(f"`{kind}`" for kind in sorted(kinds)) or "none"}; plot each kind by itself.'
        )
    (kind,) = kinds
    known = list(dict.fromkeys(name for run in runs.values() for name in run.curves))
    chosen = known if classes is None else list(classes)
    for name in chosen:
        if name not in known:
            raise ValueError(f'No run has a curve of `{name}`; they have {", ".join(known)}.')
    if not chosen:
        raise ValueError('The runs hold no curve; evaluate pictures that have objects.')

    columns = min(len(chosen), _COLUMNS)
    rows = -(-len(chosen) // columns)
    width = 5.2 if columns == 1 else 3.2 * columns
    figure = Figure(
        figsize=(width, 3.6 if columns == 1 else 2.8 * rows + 0.3), layout='constrained'
    )
    if title:
        figure.suptitle(title)
    for index, name in enumerate(chosen):
        axes = figure.add_subplot(rows, columns, index + 1)
        for colour, (label, run) in enumerate(runs.items()):
            if name in run.curves:
                curve = run.curves[name]
                legend = label if curve.ap is None else f'{label} ({curve.ap:.3f})'
                axes.plot(
                    curve.x, curve.y, label=legend, color=COLOURS[colour % len(COLOURS)], lw=1.6,
                    marker='.' if len(curve.x) < 2 else None,
                )  # fmt: skip
        _dress(axes, kind, max_x, name if len(chosen) > 1 else '')
    return figure


def _dress(axes: Axes, kind: str, max_x: float | None, title: str) -> None:
    axes.set(xlabel=AXES[kind][0], ylabel=AXES[kind][1], title=title, ylim=(0, 1.02))
    axes.set_xlim(0, max_x if max_x is not None else 1.02 if kind == 'pr' else None)
    axes.grid(alpha=0.25, lw=0.6)
    axes.spines[['top', 'right']].set_visible(False)
    axes.legend(frameon=False, fontsize='small', loc='best')
