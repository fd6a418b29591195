"""Pictures of genotypes: the graph of a cell, and the choices of edges among their candidates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from llv.search.genotype_file import load_genotype
from llv.search.operations import check_operation
from llv.search.spaces import CELL_EDGES, SPACES

from .curves import COLOURS

# one colour for each kind of operation, as its short name ends
_KINDS = dict(SC=COLOURS[6], C=COLOURS[0], RC=COLOURS[1], DC=COLOURS[2], RDC=COLOURS[3])
_BOX = dict(boxstyle='round,pad=0.35', facecolor='white', edgecolor='0.35', lw=1.0)


def short_name(operation: str) -> str:
    """The name that the paper's tables use: ``3-C``, ``1-RC``, ``3-2-DC``, ``SC``; others as they are."""
    if operation == 'skip_connect':
        return 'SC'
    found = re.fullmatch(r'(res)?(dil)?conv_(\d+)x\3(?:_(\d+))?', operation)
    if found is None:
        return operation
    residual, dilated, size, dilation = found.groups()
    kind = ('R' if residual else '') + ('D' if dilated else '') + 'C'
    return '-'.join([size, *([dilation or '2'] if dilated else []), kind])


def plot_cell(
    genotype: str | PathLike | Mapping[str, Any] | Sequence[str], title: str = ''
) -> Figure:
    """The graph of a distillation cell, operations at its edges under the names of the paper.

    From x to x the input of the operation is added to its result, which is not drawn.

    Args:
        genotype: Seven names of operations, or a genotype with the edges of a cell: a file, a published name, or what
            such a file holds.
        title: Set above the figure where it is not empty.

    Returns:
        A figure that belongs to no window, for ``savefig``.

    Raises:
        FileNotFoundError, TypeError, ValueError: It is no genotype of a cell.
    """
    edges = _cell_edges(genotype)
    figure = Figure(figsize=(9.0, 3.4), layout='constrained')
    axes = figure.add_subplot()
    axes.set(xlim=(-0.6, 9.6), ylim=(-0.7, 2.9), title=title)
    axes.axis('off')
    places = {f'x{i}': (2 * i, 0.0) for i in range(4)}
    places |= {f'D{i}': (2 * i - 0.75, 1.35) for i in range(1, 5)}
    places |= dict(fuse=(7.6, 2.5), out=(9.2, 2.5))
    for i in range(1, 5):
        _arrow(axes, places[f'x{i - 1}'], places[f'D{i}'], edges[f'd{i}'])
        _arrow(axes, places[f'D{i}'], places['fuse'])
    for i in range(1, 4):
        _arrow(axes, places[f'x{i - 1}'], places[f'x{i}'], edges[f'r{i}'])
    _arrow(axes, places['fuse'], places['out'])
    labels = {name: rf'${name[0]}_{name[1]}$' for name in places if name[0] in 'xD'}
    for name, (x, y) in places.items():
        text = labels.get(name, {'fuse': '1×1', 'out': 'out'}.get(name))
        axes.text(x, y, text, ha='center', va='center', bbox=_BOX, zorder=3)
    return figure


def plot_choices(
    genotype: str | PathLike | Mapping[str, Any],
    weights: Mapping[str, Sequence[Sequence[float]]] | Sequence[Sequence[float]] | None = None,
    title: str = '',
) -> Figure:
    """A table for each module: a row an edge, a column a candidate, the chosen one marked.

    Args:
        genotype: Of one module or in parts: a file, a published name, or what such a file holds.
        weights: softmax(α), (edges, candidates), drawn as shades; of a genotype in parts by the places of the modules.
        title: Set above the figure where it is not empty.

    Returns:
        A figure that belongs to no window, for ``savefig``.

    Raises:
        FileNotFoundError, TypeError, ValueError: It is no genotype, or the weights have another shape.
    """
    document = load_genotype(genotype)
    parts = document.get('parts', {document.get('module'): document})
    if weights is not None and 'parts' not in document:
        weights = {document['module']: weights}
    heights = [len(part['edges']) for part in parts.values()]
    figure = Figure(figsize=(7.0, 0.9 * len(parts) + 0.3 * sum(heights)), layout='constrained')
    if title:
        figure.suptitle(title)
    grid = figure.add_gridspec(len(parts), 1, height_ratios=[height + 2 for height in heights])
    for index, (place, part) in enumerate(parts.items()):
        name = f'{place} ({part["module"]})' if 'parts' in document else place
        shades = None if weights is None else weights.get(place)
        _table(figure.add_subplot(grid[index]), part, shades, name)
    return figure


def _table(
    axes: Axes, part: Mapping[str, Any], weights: Sequence[Sequence[float]] | None, title: str
) -> None:
    edges = part['edges']
    space = SPACES.get(part['space'])
    # of a user's own space no more is known than what was chosen
    candidates = space.candidates if space else tuple(dict.fromkeys(edges.values()))
    if weights is None:
        weights = [
            [float(chosen == name) * 0.15 for name in candidates] for chosen in edges.values()
        ]
    else:
        weights = [[float(value) for value in row] for row in weights]
    if [len(row) for row in weights] != [len(candidates)] * len(edges):
        raise ValueError(
            f'`weights` of `{part["module"]}` must have {len(edges)} rows of {len(candidates)} numbers, one a '
            'candidate.'
        )
    axes.imshow(weights, cmap='Blues', vmin=0, vmax=1, aspect='auto')
    for row, chosen in enumerate(edges.values()):
        label = short_name(chosen)
        colour = _KINDS.get(label.rpartition('-')[2], '0.2')
        axes.plot(candidates.index(chosen), row, marker='o', ms=9, color=colour)
    axes.set_xticks(range(len(candidates)), [short_name(name) for name in candidates])
    axes.set_yticks(range(len(edges)), list(edges))
    axes.set_title(title, fontsize='medium', loc='left')
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], operation: str | None = None
) -> None:
    label = None if operation is None else short_name(operation)
    colour = '0.6' if label is None else _KINDS.get(label.rpartition('-')[2], '0.2')
    width = 1.0 if label is None else 2.0
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle='-|>', mutation_scale=12, shrinkA=14, shrinkB=14, color=colour, lw=width
        )
    )  # fmt: skip
    if label is not None:
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        box = dict(boxstyle='round,pad=0.15', facecolor='white', edgecolor='none')
        axes.text(
            *middle, label, ha='center', va='center', color=colour, bbox=box, fontsize='small'
        )


def _cell_edges(genotype: Any) -> Mapping[str, str]:
    if isinstance(genotype, Sequence) and not isinstance(genotype, str):
        if len(genotype) != len(CELL_EDGES):
            raise ValueError(
                f'A cell has seven edges ({", ".join(CELL_EDGES)}), but got {list(genotype)!r}.'
            )
        for name in genotype:
            check_operation(name)
        return dict(zip(CELL_EDGES, genotype, strict=True))
    document = load_genotype(genotype)
    if set(document.get('edges', ())) != set(CELL_EDGES):
        raise ValueError(
            f'`genotype` must have the edges of a cell ({", ".join(CELL_EDGES)}); draw others with `plot_choices`.'
        )
    return document['edges']
