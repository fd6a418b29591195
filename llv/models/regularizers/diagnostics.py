"""Does a batch-correlation module relate samples at all, and does it do so by their exposure?"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from .batch_correlation_module import BatchCorrelationModule


def cross_gradient_ratio(
    module: BatchCorrelationModule, images: Tensor, probes: int = 8, seed: int = 0
) -> float:
    """How much the relation of a sample depends on the others of its batch, against on itself.

    With J_ij the Jacobian of the relation of sample i to the pixels of sample j: the mean over all pairs i ≠ j of
    ‖J_ij‖ / ‖J_ii‖ (Frobenius norms). 0: no interaction. 1: another sample means as much as the own picture.

    The squared norms are estimated from ‖Jᵀv‖² with vectors v of random signs, whose mean they are.

    Args:
        module: Encoder and transformer; evaluation mode is up to the caller.
        images: (B, 3, H, W) RGB in [0, 1], B at least 2.
        probes: Vectors a sample.
        seed: Of the vectors; other random numbers stay as they are.

    Returns:
        The ratio; infinite where a relation does not depend on its own sample.

    Raises:
        ValueError: There is one picture, or no probe.
    """
    _check_batch(images)
    if probes < 1:
        raise ValueError(f'`probes` must be at least 1, but got {probes}.')
    images = images.detach().clone().requires_grad_()
    with torch.enable_grad(), torch.autocast(images.device.type, enabled=False):
        related = module.relate(images)
    count, width = related.shape
    generator = torch.Generator().manual_seed(seed)
    squares = images.new_zeros(count, count, dtype=torch.float64)
    for i in range(count):
        for _ in range(probes):
            signs = 2.0 * torch.randint(0, 2, (width,), generator=generator) - 1
            signs = signs.to(related)
            (gradient,) = torch.autograd.grad(related[i], images, signs, retain_graph=True)
            squares[i] += gradient.double().square().sum((1, 2, 3))
    norms = squares.sqrt()
    ratios = norms / norms.diagonal()[:, None]
    return (ratios.sum() - count).item() / (count * (count - 1))


@dataclass
class Reactions:
    """How far the relation of a sample moves when *another* sample of its batch is exchanged.

    Attributes:
        exposure: Mean absolute change of the numbers of T, for the other sample in another exposure.
        content: The same for another scene in its place.
        exposure_change: Mean absolute change of the other sample's pixels, in the first case.
        content_change: The same in the second.
    """

    exposure: float
    content: float
    exposure_change: float
    content_change: float

    @property
    def ratio(self) -> float:
        """Exposure against content; above 1: T reacts more to exposure. NaN where neither moves anything."""
        return _quotient(self.exposure, self.content)

    @property
    def ratio_by_change(self) -> float:
        """The same, each by the change of pixels that it took."""
        exposure = _quotient(self.exposure, self.exposure_change)
        return _quotient(exposure, _quotient(self.content, self.content_change))


@torch.no_grad()
def reactions(
    module: BatchCorrelationModule,
    images: Tensor,
    exposures: Sequence[Tensor],
    contents: Sequence[Tensor],
) -> Reactions:
    """What of its batch mates a sample reacts to: their exposure, or their content.

    Each sample j in turn is exchanged for each ``exposures[·][j]`` and for each ``contents[·][j]``; counted is the
    change of T for the samples i ≠ j, whose pictures stay.

    Args:
        module: Encoder and transformer, in evaluation mode.
        images: (B, 3, H, W) RGB in [0, 1], B at least 2.
        exposures: The same scenes in other exposures, each of that shape.
        contents: Other scenes in the same exposure, each of that shape.

    Raises:
        ValueError: There is one picture, nothing to exchange it for, or the shapes differ.
    """
    _check_batch(images)
    found = []
    for name, others in dict(exposures=exposures, contents=contents).items():
        if not len(others) or any(other.shape != images.shape for other in others):
            shapes = ', '.join(str(tuple(other.shape)) for other in others) or 'none'
            raise ValueError(
                f'`{name}` must be batches of the shape of `images`, {tuple(images.shape)}, at least one, but got '
                f'{shapes}.'
            )
        found.append(_reaction(module, images, others))
    (exposure, exposure_change), (content, content_change) = found
    return Reactions(exposure, content, exposure_change, content_change)


def mean_reactions(found: Sequence[Reactions]) -> Reactions:
    """The mean of each number, so that the ratios are those of means."""
    each = [[getattr(one, field.name) for one in found] for field in fields(Reactions)]
    return Reactions(*map(statistics.fmean, each))


def _quotient(a: float, b: float) -> float:
    if b:
        return a / b
    return math.inf if a else math.nan


def _reaction(
    module: BatchCorrelationModule, images: Tensor, replacements: Sequence[Tensor]
) -> tuple[float, float]:
    """Mean absolute change of T of the samples that stay, and of the pixels of those that are exchanged."""
    with torch.autocast(images.device.type, enabled=False):
        before = module.relate(images)
        moved, changed = [], []
        for replacement in replacements:
            for j in range(len(images)):
                batch = images.clone()
                batch[j] = replacement[j]
                difference = (module.relate(batch) - before).abs().mean(1)
                moved.append((difference.sum() - difference[j]) / (len(images) - 1))
                changed.append((replacement[j] - images[j]).abs().mean())
    return torch.stack(moved).mean().item(), torch.stack(changed).mean().item()


def _check_batch(images: Tensor) -> None:
    if len(images) < 2:
        raise ValueError(
            '`images` holds one picture, which has none to relate to; give at least 2.'
        )
