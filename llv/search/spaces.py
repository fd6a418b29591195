"""What an edge may choose among: the two search spaces of Table I.

"Learning with Nested Scene Modeling and Cooperative Architecture Search for Low-Light Vision", Table I. The order of
the candidates is part of a space: a row of architecture weights has one entry a candidate, and ties go to the first.
"""

from __future__ import annotations

from dataclasses import dataclass

from .operations import LAYERS


@dataclass(frozen=True)
class SearchSpace:
    """The candidates of an edge.

    Attributes:
        name: As genotype files name it.
        version: Raised whenever the candidates, their order or what they compute changes.
        candidates: Names of operations.
    """

    name: str
    version: int
    candidates: tuple[str, ...]


# cells that keep size and width: the scene module and noise removal, in the order of the released search
LOW_LEVEL = SearchSpace(
    'low_level',
    1,
    (
        'skip_connect',
        'conv_1x1',
        'conv_3x3',
        'dilconv_3x3',
        'resconv_1x1',
        'resconv_3x3',
        'resdilconv_3x3',
    ),
)
# necks, heads and feature conversions: nothing is residual and nothing skips
HIGH_LEVEL = SearchSpace('high_level', 1, tuple(LAYERS))
SPACES: dict[str, SearchSpace] = {space.name: space for space in (LOW_LEVEL, HIGH_LEVEL)}

# Names of edges, in the order of published genotypes: distill and refine edges of a cell.
CELL_EDGES = ('d1', 'r1', 'd2', 'r2', 'd3', 'r3', 'd4')


def neck_edges(layers: int) -> tuple[str, ...]:
    """Edges of a neck of that many extra layers: ``extra_0``, ``extra_1`` …"""
    return tuple(f'extra_{index}' for index in range(layers))


def head_edges(levels: int) -> tuple[str, ...]:
    """Edges of a head on that many maps: box layers ``loc_0`` …, then class layers ``conf_0`` …"""
    return tuple(f'{kind}_{level}' for kind in ('loc', 'conf') for level in range(levels))
