"""Networks whose best operation on one edge is known: what a search has to find there.

A teacher holds one operation on one edge of the cell that RUAS is built from. The student is the same network with all
candidates on that edge. Where the operation is a 3×3 convolution, its centre tap is zero, so that no smaller operation
explains a part of it, and dense and dilated taps share no pixel.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from llv.models.enhancers.distillation_cell import DistillationCell
from llv.search.architecture import Architecture, MixedEdge
from llv.search.operations import ConvOperation, build_operation
from llv.search.searchable import mix
from llv.search.spaces import CELL_EDGES, LOW_LEVEL

# What other edges hold.
FIXED = 'conv_3x3'

# Candidates that compute the same functions once their weights are free: a centre tap stands for the residual input.
FUNCTION_CLASSES = {
    'skip_connect': ('skip_connect',),
    '1x1': ('conv_1x1', 'resconv_1x1'),
    '3x3': ('conv_3x3', 'resconv_3x3'),
    'dilated 3x3': ('dilconv_3x3', 'resdilconv_3x3'),
}


def function_class(operation: str) -> str:
    """Name of the class in :data:`FUNCTION_CLASSES` that holds an operation."""
    return next(name for name, members in FUNCTION_CLASSES.items() if operation in members)


def plant(
    edge: str, operation: str, trainable: bool, channels: int = 3
) -> tuple[DistillationCell, DistillationCell]:
    """A teacher and its student, with weights from the global generator.

    Args:
        edge: One of :data:`llv.search.spaces.CELL_EDGES`.
        operation: A candidate of :data:`llv.search.spaces.LOW_LEVEL`; what the teacher holds there.
        trainable: The candidates of the student can be trained and know nothing of the teacher. Otherwise each keeps
            its random weights, the planted candidate those of the teacher, so that the answer is unique.
        channels: Width.

    Returns:
        The teacher, of which nothing requires gradients, and the student, of which α does, and the weights of the
        candidates if they are trainable (:func:`llv.search.arch_parameters`, :func:`llv.search.weight_parameters`).

    Raises:
        ValueError: There is no such edge or candidate.
    """
    if edge not in CELL_EDGES:
        raise ValueError(f'There is no edge `{edge}`; choose from {", ".join(CELL_EDGES)}.')
    if operation not in LOW_LEVEL.candidates:
        raise ValueError(
            f'There is no candidate `{operation}`; choose from {", ".join(LOW_LEVEL.candidates)}.'
        )
    genotype = [operation if name == edge else FIXED for name in CELL_EDGES]
    teacher = DistillationCell(channels, genotype).requires_grad_(False)
    place, index = _place(teacher, edge)
    clear_centre(place[index])

    student = copy.deepcopy(teacher)
    mixed = mix(
        Architecture(LOW_LEVEL, (edge,)), edge, lambda name: build_operation(name, channels)
    )
    if not trainable:
        mixed.candidates[LOW_LEVEL.candidates.index(operation)] = copy.deepcopy(place[index])
        mixed = MixedEdge(mixed.architecture, 0, mixed.candidates).requires_grad_(False)
    place, index = _place(student, edge)
    place[index] = mixed
    student.architecture = mixed.architecture  # edges do not own it
    return teacher, student


@torch.no_grad()
def clear_centre(operation: nn.Module) -> None:
    """Set the centre tap of a convolution larger than 1×1 to zero, in place; others stay."""
    if isinstance(operation, ConvOperation):
        weight: Tensor = operation.conv.weight
        centre = weight.shape[-1] // 2
        if centre:
            weight[:, :, centre, centre] = 0


def _place(cell: DistillationCell, edge: str) -> tuple[nn.ModuleList, int]:
    """The list that holds the operation of an edge, and where."""
    index = CELL_EDGES.index(edge)
    return (cell.refine if index % 2 else cell.distill), index // 2
