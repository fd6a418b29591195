"""The gradient of an upper objective through one step of a lower one, by finite differences.

Upper variables α (architecture weights, hyper-variables) are judged by a validation loss at lower variables ω' that
have taken one step on a training loss::

    ω' = ω − ξ · (μ · b + ∇_ω L_train(ω, α) + κ · ω)
    d L_val(ω', α) / dα  ≈  ∇_α L_val(ω', α) − ξ · ∇²_{α ω} L_train(ω, α) · v,     v = ∇_ω' L_val(ω', α)

with the optimizer's momentum μ and buffers b and its weight decay κ. The product with the mixed second derivatives is
the difference of two gradients at ω ± R · v, R = 0.01 / ‖v‖ (DARTS, Liu et al., ICLR 2019; RUAS, journal version,
sections III-C and III-D), so a third and a fourth pass over the training batch take the place of second derivatives.

The direction is the gradient of the *validation* loss at ω', the sign is minus, and the step that follows has its own
rate, which multiplies the whole of it (TriCo, Gao and Liu, ACM MM 2024, prints these otherwise in places).

Where the gradient by α has a closed form, a loss may bring it along (:class:`Explicit`): then nothing is differentiated
by α, and the two passes of the difference need no backward passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Explicit:
    """A loss that brings its gradient by the upper variables along.

    Attributes:
        loss: A scalar; differentiated by the lower variables alone, and only where that is asked for.
        upper: ∇_α, in the order of the upper variables. Parts that do not depend on ω may be left out of the loss
            whose gradients are compared.
    """

    loss: Tensor
    upper: Sequence[Tensor]


Loss = Callable[[], Tensor | Explicit]


@dataclass(frozen=True)
class Hypergradient:
    """What :func:`hypergradient` found; gradients are lists in the order of the upper variables.

    Attributes:
        direct: ∇_α L_val(ω', α).
        implicit: ∇²_{α ω} L_train(ω, α) · v, zeros in first order.
        total: direct − ξ · implicit.
        validation_loss: L_val(ω', α).
        radius: R; 0 where nothing was perturbed.
    """

    direct: list[Tensor]
    implicit: list[Tensor]
    total: list[Tensor]
    validation_loss: float
    radius: float


def hypergradient(
    upper: Sequence[Tensor],
    lower: Sequence[Tensor],
    train_loss: Loss,
    validation_loss: Loss,
    step_size: float,
    *,
    momentum: float = 0.0,
    momentum_buffers: Sequence[Tensor | None] | None = None,
    weight_decay: float = 0.0,
    perturbed_loss: Loss | None = None,
    order: int = 2,
    exact: bool = False,
    radius: float = 0.01,
    smallest: float = 0.0,
    forgiving: bool = False,
) -> Hypergradient:
    """The gradient of the validation loss after one step of the lower variables.

    The losses are functions without arguments that run the model on a fixed batch with the variables as they are then;
    each call must see the same random numbers (:func:`llv.engine.passes.undisturbed`). Lower variables are moved in
    place and put back, bit by bit, also where a loss raises; no ``.grad`` is read or written. In several processes
    every gradient is averaged over them, so that all ranks take the same steps.

    Args:
        upper: α, leaf tensors that require gradients.
        lower: ω, leaf tensors that require gradients. Where there are none, nothing is unrolled, as in first order.
        train_loss: L_train on a training batch.
        validation_loss: L_val on a validation batch; may be :class:`Explicit`.
        step_size: ξ of the virtual step.
        momentum: μ.
        momentum_buffers: b of each lower variable, as ``torch.optim.SGD`` keeps them; None where there is none yet.
        weight_decay: κ.
        perturbed_loss: The loss whose gradients are compared at ω ± R · v; `train_loss` if None; may
            be :class:`Explicit` where the validation loss is.
        order: 1 leaves the step out: ∇_α L_val(ω, α) alone.
        exact: Second derivatives by autograd instead of finite differences; more memory, and every operation must
            have them.
        radius: R · ‖v‖.
        smallest: Where ‖v‖ is no larger, the implicit part is 0.
        forgiving: The implicit part is 0, too, where it or v is not finite.

    Raises:
        ValueError: ``order`` is neither 1 nor 2, there is nothing to differentiate by, or a gradient that is brought
            along is to be differentiated (`exact`).
        FloatingPointError: The gradient of the validation loss is not finite, so no distance is small; unless
            `forgiving`.
    """
    if order not in (1, 2):
        raise ValueError(f'`order` must be 1 or 2, but got {order}.')
    if not upper:
        raise ValueError('`upper` must hold at least one tensor.')
    upper, lower = list(upper), list(lower)
    if order == 1 or not lower:
        loss, direct, _ = _judged(validation_loss(), upper, [])
        nothing = [torch.zeros_like(value) for value in upper]
        return Hypergradient(direct, nothing, direct, loss.item(), 0.0)

    # the virtual step
    buffers = momentum_buffers or [None] * len(lower)
    steps = []
    for value, gradient, buffer in zip(
        lower, _gradients(train_loss(), lower), buffers, strict=True
    ):
        if weight_decay:
            gradient = gradient + weight_decay * value.detach()
        if momentum and buffer is not None:
            gradient = gradient + momentum * buffer
        steps.append(gradient)
    with _moved(lower, steps, -step_size):
        loss, direct, v = _judged(validation_loss(), upper, lower)
    del steps

    loss_of = perturbed_loss or train_loss
    norm = torch.stack([torch.linalg.vector_norm(value) for value in v]).norm().item()
    if not (math.isfinite(norm) or forgiving):
        raise FloatingPointError(
            f'The gradient of the validation loss after the virtual step is not finite (the loss is {loss.item():g}); '
            'lower `step_size` or the learning rate of the weights.'
        )
    nothing = [torch.zeros_like(value) for value in upper]
    if norm <= smallest or not math.isfinite(norm):
        implicit, distance = nothing, 0.0
    elif exact:
        implicit, distance = _second_derivatives(loss_of, upper, lower, v), 0.0
    else:
        distance = radius / norm
        with _moved(lower, v, distance):
            _, ahead, _ = _judged(loss_of(), upper, [])
        with _moved(lower, v, -distance):
            _, behind, _ = _judged(loss_of(), upper, [])
        implicit = [(a - b) / (2 * distance) for a, b in zip(ahead, behind, strict=True)]
        if forgiving and not all(value.isfinite().all() for value in implicit):
            implicit = nothing
    total = [d - step_size * i for d, i in zip(direct, implicit, strict=True)]
    return Hypergradient(direct, implicit, total, loss.item(), distance)


def _judged(
    loss: Tensor | Explicit, upper: list[Tensor], lower: list[Tensor]
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """A loss with its gradients by upper and lower variables."""
    if isinstance(loss, Explicit):
        by_lower = _gradients(loss.loss, lower) if lower else []
        return loss.loss, average_gradients(loss.upper), by_lower
    found = _gradients(loss, [*upper, *lower])
    return loss, found[: len(upper)], found[len(upper) :]


def _second_derivatives(
    loss_of: Loss, upper: list[Tensor], lower: list[Tensor], v: list[Tensor]
) -> list[Tensor]:
    loss = loss_of()
    if isinstance(loss, Explicit):
        raise ValueError(
            '`exact` differentiates gradients, which one that is brought along does not allow; leave `exact` out.'
        )
    gradients = torch.autograd.grad(loss, lower, create_graph=True, allow_unused=True)
    products = [
        (gradient * value).sum()
        for gradient, value in zip(gradients, v, strict=True)
        if gradient is not None and gradient.requires_grad
    ]
    if not products:
        return [torch.zeros_like(value) for value in upper]
    return average_gradients(
        _filled(torch.autograd.grad(sum(products), upper, allow_unused=True), upper)
    )


def _gradients(loss: Tensor, variables: list[Tensor]) -> list[Tensor]:
    """Of a loss by variables; zeros where it does not depend on one."""
    found = torch.autograd.grad(loss, variables, allow_unused=True)
    return average_gradients(_filled(found, variables))


def _filled(gradients: Sequence[Tensor | None], variables: list[Tensor]) -> list[Tensor]:
    return [
        torch.zeros_like(variable) if gradient is None else gradient
        for gradient, variable in zip(gradients, variables, strict=True)
    ]


def average_gradients(gradients: Sequence[Tensor]) -> list[Tensor]:
    """Their means over all processes, the same to the bit on each; in a single process the gradients themselves."""
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return list(gradients)
    # one exchange a type of number; copies, because autograd may hand out views, and one tensor for two variables
    kinds = {gradient.dtype for gradient in gradients}
    result: list[Tensor] = list(gradients)
    for kind in sorted(kinds, key=str):
        places = [i for i, gradient in enumerate(gradients) if gradient.dtype == kind]
        flat = torch.cat([gradients[i].reshape(-1) for i in places])
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
        for i, part in zip(places, flat.split([gradients[i].numel() for i in places]), strict=True):
            result[i] = part.view(gradients[i].shape)
    return result


@contextmanager
def _moved(variables: list[Tensor], directions: list[Tensor], distance: float) -> Iterator[None]:
    """The variables elsewhere, and afterwards where they were, to the bit."""
    kept = [variable.detach().clone() for variable in variables]
    try:
        with torch.no_grad():
            for variable, direction in zip(variables, directions, strict=True):
                variable.add_(direction, alpha=distance)
        yield
    finally:
        with torch.no_grad():
            for variable, value in zip(variables, kept, strict=True):
                variable.copy_(value)
