"""What becomes of a model that is searched: the network its α stands for, and what that one costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from llv.utils.complexity import count_macs, count_parameters

from .architecture import Architecture, MixedEdge
from .searchable import searchable_modules


@contextmanager
def discretized(model: nn.Module) -> Iterator[nn.Module]:
    """The model with the chosen candidate alone on each edge, with the weights that it has in the supernet.

    Nothing is copied, and afterwards all is as it was, α too.

    Args:
        model: Has modules that are searched.

    Example:
        >>> with discretized(model):
        ...     result = model(images)
    """
    searched = searchable_modules(model)
    edges = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent._modules.items()
        if isinstance(child, MixedEdge)
    ]
    architectures = {place: module.architecture for place, module in searched.items()}
    try:
        for parent, name, child in edges:
            parent._modules[name] = child.chosen()
        for module in searched.values():
            module.genotype, module.architecture = module.architecture.derive(), None
        yield model
    finally:
        for parent, name, child in edges:
            parent._modules[name] = child
        for place, module in searched.items():
            module.genotype, module.architecture = None, architectures[place]


def derived_complexity(
    model: nn.Module,
    size: Sequence[int],
    batch_size: int = 1,
    forward: Callable[[Tensor], Any] | None = None,
) -> dict[str, int]:
    """How large the network is that α stands for.

    Args:
        model: On the CPU; its mode is kept.
        size: Height and width of the picture.
        batch_size: Number of pictures.
        forward: Runs the model on float (N, 3, H, W) RGB in [0, 1]; the model itself if None.

    Returns:
        ``parameters`` and ``macs``, see :func:`llv.utils.complexity.count_macs`.
    """
    with discretized(model):
        return dict(
            parameters=count_parameters(model),
            macs=count_macs(forward or model, size, batch_size),
        )


def candidate_costs(
    model: nn.Module,
    size: Sequence[int],
    batch_size: int = 1,
    forward: Callable[[Tensor], Any] | None = None,
) -> dict[str, Tensor]:
    """Multiply-accumulates that each candidate of each edge would take; of cells that share α their sum.

    Args:
        model, size, batch_size, forward: As of :func:`derived_complexity`.

    Returns:
        Float (edges, candidates) by the places of the modules that are searched.
    """
    edges = [module for module in model.modules() if isinstance(module, MixedEdge)]
    seen: list[tuple[MixedEdge, list[int]]] = []

    def run(images: Tensor) -> Any:
        seen.clear()  # a pass without data may have failed on the way
        return (forward or model)(images)

    hooks = [
        edge.register_forward_hook(
            lambda edge, given, result: seen.append((edge, edge.costs(result, given[0])))
        )
        for edge in edges
    ]
    try:
        count_macs(run, size, batch_size)
    finally:
        for hook in hooks:
            hook.remove()
    found = {}
    for place, module in searchable_modules(model).items():
        alpha = module.architecture.arch_alpha
        table = torch.zeros(alpha.shape, dtype=torch.float64)
        for edge, costs in seen:
            if edge.architecture is module.architecture:
                table[edge.row] += torch.tensor(costs, dtype=torch.float64)
        found[place] = table.to(alpha)
    return found


def expected_cost(architecture: Architecture, costs: Tensor) -> Tensor:
    """Σ softmax(α) · cost over edges and candidates, a scalar that can be differentiated by α.

    Args:
        architecture: Holds α.
        costs: Of each candidate of each edge, (edges, candidates), of :func:`candidate_costs` or any others.

    Raises:
        ValueError: They have another shape.
    """
    if costs.shape != architecture.arch_alpha.shape:
        raise ValueError(
            f'`costs` must have the shape of α, {tuple(architecture.arch_alpha.shape)}, but got {tuple(costs.shape)}.'
        )
    return (architecture.weights() * costs.to(architecture.arch_alpha)).sum()
