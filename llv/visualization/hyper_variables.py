"""How the weights of losses find their places: hyper-variables and the objective over the iterations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from .curves import COLOURS

_PREFIX = 'hyper/'
# of the paper where it has any
_SYMBOLS = dict(srl='luminance', c='content', p='perceptual', ssim='SSIM', tv='smoothness')


def plot_hyper_variables(
    records: Sequence[Mapping[str, Any]], title: str = '', size: tuple[float, float] = (7.6, 3.2)
) -> Figure:
    """ς on the left, the objectives on the right; a line where the first stage ends.

    Args:
        records: What ``llv.PhasedGradientResponseLoop`` logged, as :func:`llv.visualization.read_scalars` reads it:
            ``step``, ``loss`` (Φ of the lower pictures), ``stage``, ``hyper/<name>`` and, where there is an upper
            objective, ``upper_loss``.
        title: Set above both.
        size: Width and height in inches.

    Returns:
        A figure that belongs to no window.

    Raises:
        ValueError: No record holds hyper-variables.
    """
    records = [r for r in records if any(key.startswith(_PREFIX) for key in r)]
    if not records:
        raise ValueError(
            'The log holds no hyper-variables; give the work folder of a training with '
            '`llv.PhasedGradientResponseLoop`.'
        )
    steps = [record['step'] for record in records]
    names = [key for key in records[0] if key.startswith(_PREFIX)]
    figure = Figure(figsize=size, layout='constrained')
    left, right = figure.subplots(1, 2)
    for colour, key in zip(COLOURS, names, strict=False):
        name = key.removeprefix(_PREFIX)
        label = _SYMBOLS.get(name, name)
        values = [record[key] for record in records]
        left.plot(steps, values, label=f'{label} {values[-1]:.3g}', color=colour, lw=1.6)
    right.plot(
        steps, [r['loss'] for r in records], label='lower pictures', color=COLOURS[0], lw=1.6
    )
    # plain training has none, but a log repeats the last value that there was
    judged = [(r['step'], r['upper_loss']) for r in records if r.get('stage') and 'upper_loss' in r]
    if judged:
        right.plot(*zip(*judged, strict=True), label='upper pictures', color=COLOURS[1], lw=1.2)
    stages = [record.get('stage') for record in records]
    if 1 in stages and stages[-1] != 1:
        end = steps[max(i for i, stage in enumerate(stages) if stage == 1)]
        for axes in (left, right):
            axes.axvline(end, color='0.5', lw=0.8, ls='--')
    for axes, label in ((left, 'hyper-variable ς'), (right, 'objective Φ')):
        axes.set(xlabel='iteration', ylabel=label)
        axes.grid(alpha=0.25, lw=0.6)
        axes.spines[['top', 'right']].set_visible(False)
        axes.legend(frameon=False, fontsize='small')
    if title:
        figure.suptitle(title)
    return figure
