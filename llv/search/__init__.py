"""Searching architectures: spaces, mixed edges, genotypes and what is derived from them; no training."""

from .architecture import Architecture, MixedEdge
from .derivation import candidate_costs, derived_complexity, discretized, expected_cost
from .genotype_file import (
    join_genotypes,
    load_genotype,
    make_genotype,
    published_names,
    read_genotype,
    write_genotype,
)
from .searchable import (
    Searchable,
    arch_parameters,
    derive_genotype,
    searchable_modules,
    weight_parameters,
)
from .spaces import HIGH_LEVEL, LOW_LEVEL, SPACES, SearchSpace

__all__ = [
    'HIGH_LEVEL',
    'LOW_LEVEL',
    'SPACES',
    'Architecture',
    'MixedEdge',
    'SearchSpace',
    'Searchable',
    'arch_parameters',
    'candidate_costs',
    'derive_genotype',
    'derived_complexity',
    'discretized',
    'expected_cost',
    'join_genotypes',
    'load_genotype',
    'make_genotype',
    'published_names',
    'read_genotype',
    'searchable_modules',
    'weight_parameters',
    'write_genotype',
]
