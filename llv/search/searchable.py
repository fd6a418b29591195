"""Modules whose operations can be searched, and their parameters in a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

from torch import nn

from .architecture import Architecture, MixedEdge
from .genotype_file import join_genotypes, make_genotype, read_genotype
from .spaces import SearchSpace


class Searchable:
    """Mixin of modules that take ``genotype=``: None builds all candidates of each edge, a genotype the chosen ones.

    A subclass names itself in ``genotype_module``, calls :meth:`settle_genotype` in its constructor, and builds each
    edge with :meth:`build_edge`.

    Example:
        >>> class Layer(Searchable, nn.Module):
        ...     genotype_module = 'layer'
        ...
        ...     def __init__(self, channels, genotype=None):
        ...         super().__init__()
        ...         self.settle_genotype(genotype, HIGH_LEVEL, ['conv'])
        ...         self.conv = self.build_edge('conv', lambda name: build_layer(name, channels, channels))

    Attributes:
        genotype_module: What genotypes call such a module.
        search_space: What its edges choose among.
        architecture: Holds α; None where the genotype is fixed.
        genotype: The candidate of each edge; None where it is not fixed.
    """

    # no defaults: a class attribute would hide a child module of the same name
    genotype_module: str
    search_space: SearchSpace
    architecture: Architecture | None
    genotype: dict[str, str] | None

    def settle_genotype(
        self,
        genotype: str | PathLike | Mapping[str, Any] | Sequence[str] | None,
        space: SearchSpace,
        edges: Sequence[str],
    ) -> None:
        """Read the genotype, or make an architecture where there is none.

        Args:
            genotype: See :func:`llv.search.genotype_file.read_genotype`.
            space: What the edges choose among.
            edges: Their names.

        Raises:
            FileNotFoundError, TypeError, ValueError: It is no genotype of this module.
        """
        self.search_space = space
        if genotype is None:
            self.genotype, self.architecture = None, Architecture(space, edges)
        else:
            self.genotype = read_genotype(genotype, self.genotype_module, space, edges)
            self.architecture = None

    def build_edge(self, edge: str, build: Callable[[str], nn.Module]) -> nn.Module:
        """The layer of an edge: the chosen candidate, or all of them, mixed.

        Args:
            edge: Its name; several layers may share one.
            build: Makes a candidate of its name.
        """
        if self.architecture is None:
            return build(self.genotype[edge])
        return mix(self.architecture, edge, build)

    def arch_parameters(self) -> Iterator[nn.Parameter]:
        """α; nothing where the genotype is fixed."""
        if self.architecture is not None:
            yield from self.architecture.parameters()

    def derive(self) -> dict[str, Any]:
        """The genotype that α stands for, as the constructor takes it; where it is fixed, that one."""
        edges = self.genotype if self.architecture is None else self.architecture.derive()
        return make_genotype(self.genotype_module, self.search_space, edges)


def mix(architecture: Architecture, edge: str, build: Callable[[str], nn.Module]) -> MixedEdge:
    """All candidates of an edge, mixed by its row of α."""
    candidates = [build(name) for name in architecture.space.candidates]
    return MixedEdge(architecture, architecture.edges.index(edge), candidates)


def searchable_modules(model: nn.Module) -> dict[str, Searchable]:
    """The modules of a model that are searched, by their places; those whose genotype is fixed are none."""
    return {
        place: module
        for place, module in model.named_modules()
        if isinstance(module, Searchable) and module.architecture is not None
    }


def derive_genotype(model: nn.Module, **facts: Any) -> dict[str, Any]:
    """The genotypes of all modules that are searched, as one file holds them.

    Args:
        model: Has one such module or several.
        facts: What else the file is to say: ``macs``, ``parameters``, ``search``.

    Raises:
        ValueError: There is no such module.
    """
    parts = {place: module.derive() for place, module in searchable_modules(model).items()}
    if not parts:
        raise ValueError(
            f'`{type(model).__name__}` has no module that is searched; build one with `genotype=None`.'
        )
    return join_genotypes(parts, **facts)


def arch_parameters(
    model: nn.Module, prefixes: str | Sequence[str] | None = None
) -> list[nn.Parameter]:
    """α of a model: its trainable parameters with a part of their name that starts with ``arch_``.

    Args:
        model: Any model.
        prefixes: Only those in modules at these places; None for everywhere.
    """
    return [parameter for _, parameter in _parameters(model, prefixes, alpha=True)]


def weight_parameters(
    model: nn.Module, prefixes: str | Sequence[str] | None = None
) -> list[nn.Parameter]:
    """ω of a model: its trainable parameters that are not α.

    Args:
        model: Any model.
        prefixes: Only those in modules at these places; None for everywhere.
    """
    return [parameter for _, parameter in _parameters(model, prefixes, alpha=False)]


def is_arch_parameter(name: str) -> bool:
    """Whether a parameter of this name is α."""
    return any(part.startswith('arch_') for part in name.split('.'))


def _parameters(
    model: nn.Module, prefixes: str | Sequence[str] | None, alpha: bool
) -> Iterator[tuple[str, nn.Parameter]]:
    if prefixes is not None:
        prefixes = [prefixes] if isinstance(prefixes, str) else list(prefixes)
    for name, parameter in model.named_parameters():
        here = prefixes is None or any(f'{name}.'.startswith(f'{p}.') for p in prefixes)
        if here and parameter.requires_grad and is_arch_parameter(name) == alpha:
            yield name, parameter
