"""What an edge may choose among: the two search spaces of Table I.

"Learning with Nested Scene Modeling and Cooperative Architecture Search for Low-Light Vision", Table I. The order of the
candidates is part of a space: a row of architecture weights has one entry a candidate, and ties go to the first.
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
