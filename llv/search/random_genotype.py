"""Genotypes by chance: what a search has to be better than."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from .genotype_file import make_genotype
from .spaces import SearchSpace


def draw_genotype(
    module: str, space: SearchSpace, edges: Sequence[str], seed: int
) -> dict[str, Any]:
    """Any candidate on each edge, all equally likely.

    Modules of one seed are drawn independently of each other, so that a genotype of several stays when one more joins.

    Args:
        module: What genotypes call the module.
        space: What its edges choose among.
        edges: Their names.
        seed: Another one gives another genotype.

    Returns:
        As :func:`llv.search.genotype_file.make_genotype`.

    Example:
        >>> from llv.search import HIGH_LEVEL
        >>> draw_genotype('neck', HIGH_LEVEL, ['map_0_0'], seed=1)['edges']
        {'map_0_0': 'conv_5x5'}
    """
    drawn = random.Random(f'{module} {seed}')
    return make_genotype(
        module, space, {edge: drawn.choice(space.candidates) for edge in edges}, seed=seed
    )
