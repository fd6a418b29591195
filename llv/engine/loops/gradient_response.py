"""The steps of phased gradient response: hyper-variables in the first stage, illumination in the second.

Section 3.3 and Algorithm 1 of Gao and Liu, "Enhancing Images with Coupled Low-Resolution and Ultra-Dark Degradations: A
Tri-level Learning Framework" (ACM MM 2024), as its own bilevel problems demand it, which differs from the print: the
perturbation follows the gradient of the *upper* objective, the lower objective is that of the lower data, the coupled
term enters the step with the upper *and* the lower rate, and ω_s moves once in an iteration of the second stage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from llv.engine.hypergradient import Explicit, Hypergradient, hypergradient

from .manual_steps import mean_gradients, step_by

Values = dict[str, Tensor]
Pass = Callable[[], Values]

# ‖h‖ below which the upper objective does not depend on the lower variables
_SMALLEST = 1e-12


class GradientResponse:
    """Moves ς, ω_i and ω_s.

    ======  ==============================  ==============  ===================================
    stage   upper variables                 lower           afterwards, at the new upper ones
    ======  ==============================  ==============  ===================================
    first   ς by d − ξA, then projected     ω = ω_i, ω_s    ω by ∇Φ on the lower batch
    second  ω_i by d − ξB                   ω_s             ω_s by ∇Φ on the lower batch
    ======  ==============================  ==============  ===================================

    d is the gradient of the upper objective at ω̂ = ω − ξ ∇Φ(lower batch). A and B are the central differences of the
    gradient of Φ(lower batch) by the upper variables along h, which is the gradient of the upper objective by the lower
    variables at ω̂ (:func:`llv.engine.hypergradient.hypergradient`). ω̂ and ω ± εh are plain displacements: stored
    variables are back to the bit before any of them really moves.

    Passes are functions that run the model on a fixed batch with its variables as they are and return the losses L_u by
    name; those of one batch must see the same random numbers.

    Args:
        criterion: Scene loss with ``hyper``, ``objective``, ``hyper_gradient``, ``slopes``, ``content`` and
            ``project`` (:class:`llv.models.losses.TriCoLoss`).
        illumination: ω_i; may be empty.
        refinement: ω_s.
        optimizers: ``hyper``, ``illum`` and ``refine``; ξ is the current learning rate of ``refine``.
        content: The upper objective is the content loss alone, and not Φ.
        radius: ε · ‖h‖.
        max_norm: Gradients of a real step of ω, all of it together, are clipped to this norm; None: they are not.
    """

    def __init__(
        self,
        criterion: nn.Module,
        illumination: Sequence[nn.Parameter],
        refinement: Sequence[nn.Parameter],
        optimizers: Mapping[str, OptimWrapper],
        content: bool = False,
        radius: float = 0.01,
        max_norm: float | None = None,
    ) -> None:
        self.criterion = criterion
        self.hyper = list(criterion.hyper.values())
        self.illumination = [p for p in illumination if p.requires_grad]
        self.refinement = [p for p in refinement if p.requires_grad]
        self.optimizers = optimizers
        self.content = content
        self.radius = radius
        self.max_norm = max_norm

    def first_stage(
        self, lower: Pass, upper: Pass, real: Pass | None = None, coupled: bool = True
    ) -> dict[str, float]:
        """One step of ς and one of ω.

        Args:
            lower, upper: Passes over the two batches.
            real: As `lower`, for the pass that ω really moves by; `lower` if None.
            coupled: False leaves the virtual step out: ς moves by d at ω, and not at all where the upper objective is
                the content loss, which does not depend on it directly.

        Returns:
            What is logged.

        Raises:
            FloatingPointError: A gradient is not finite.
        """
        if self.content and not coupled:
            return self.plain(real or lower)

        def judged() -> Explicit:
            with torch.set_grad_enabled(coupled):  # h alone needs a backward pass
                values = upper()
                if self.content:
                    zeros = [torch.zeros_like(hyper) for hyper in self.hyper]
                    return Explicit(self.criterion.content(values), zeros)
                by_hyper = self.criterion.hyper_gradient(values)
                return Explicit(
                    self.criterion.objective(values), [by_hyper[name] for name in self._names]
                )

        def perturbed() -> Explicit:
            with torch.no_grad(), full_precision():
                values, slopes = lower(), self.criterion.slopes()
            # without the regulariser, which cancels in the difference
            parts = [slopes[name] * values[name] for name in self._names]
            return Explicit(sum(values.values()), parts)

        found = hypergradient(
            self.hyper,
            [*self.illumination, *self.refinement],
            lambda: self.criterion.objective(lower()),
            judged,
            self.lower_rate,
            perturbed_loss=perturbed,
            order=2 if coupled else 1,
            radius=self.radius,
            smallest=_SMALLEST,
            forgiving=True,
        )
        self._check(found.total, 'the hyper-variables')
        self._step(self.hyper, found.total, clip=False)
        self.criterion.project()
        return {**self.plain(real or lower), **self._told(found)}

    def second_stage(
        self, lower: Pass, upper: Pass, real: Pass | None = None, coupled: bool = True
    ) -> dict[str, float]:
        """One step of ω_i and one of ω_s; arguments and results as of :meth:`first_stage`."""
        told = dict(coupling=0.0, coupling_ratio=0.0)
        if self.illumination:

            def judged() -> Tensor:
                with _resting([] if coupled else self.refinement):
                    return self._judged(upper())

            def stepped() -> Tensor:
                with _resting(self.illumination):
                    return self.criterion.objective(lower())

            def perturbed() -> Tensor:
                with _resting(self.refinement), full_precision():
                    return self.criterion.objective(lower())

            found = hypergradient(
                self.illumination,
                self.refinement,
                stepped,
                judged,
                self.lower_rate,
                perturbed_loss=perturbed,
                order=2 if coupled else 1,
                radius=self.radius,
                smallest=_SMALLEST,
                forgiving=True,
            )
            self._check(found.total, 'the illumination')
            self._step(self.illumination, found.total)
            told = self._told(found)
        return {**self.plain(real or lower, self.refinement), **told}

    def plain(
        self, real: Pass, parameters: Sequence[nn.Parameter] | None = None
    ) -> dict[str, float]:
        """One ordinary step by Φ.

        Args:
            real: A pass.
            parameters: What moves; all of ω if None.

        Returns:
            ``loss`` (Φ), each L_u as ``value/<name>`` and each ς as ``hyper/<name>``.

        Raises:
            FloatingPointError: A gradient is not finite.
        """
        omega = [*self.illumination, *self.refinement]
        moved = omega if parameters is None else list(parameters)
        chosen = {id(parameter) for parameter in moved}
        with _resting([p for p in omega if id(p) not in chosen]):
            values = real()
            loss = self.criterion.objective(values)
            gradients = torch.autograd.grad(loss, moved, allow_unused=True)
        means = mean_gradients(moved, gradients)
        self._check(means, 'the enhancer')
        self._step(moved, means)
        return {
            'loss': loss.item(),
            **{f'value/{name}': value.item() for name, value in values.items()},
            **{f'hyper/{name}': value.item() for name, value in self.criterion.hyper.items()},
            'coupling': 0.0,
            'coupling_ratio': 0.0,
        }

    @property
    def lower_rate(self) -> float:
        """ξ."""
        return self.optimizers['refine'].optimizer.param_groups[0]['lr']

    @property
    def _names(self) -> list[str]:
        return list(self.criterion.hyper)

    def _judged(self, values: Values) -> Tensor:
        return (self.criterion.content if self.content else self.criterion.objective)(values)

    def _told(self, found: Hypergradient) -> dict[str, float]:
        """‖ξA‖ or ‖ξB‖, and its ratio to ‖d‖."""
        coupling, direct = self.lower_rate * _norm(found.implicit), _norm(found.direct)
        return dict(
            upper_loss=found.validation_loss,
            coupling=coupling,
            coupling_ratio=coupling / direct if direct else 0.0,
        )

    def _step(
        self, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None], clip: bool = True
    ) -> None:
        """A real step of the optimizers that the parameters belong to."""
        gradients = [
            None if g is None else g.detach().to(p.dtype)
            for p, g in zip(parameters, gradients, strict=True)
        ]
        if clip and self.max_norm is not None:
            norm = _norm([g for g in gradients if g is not None])
            if norm > self.max_norm:
                gradients = [None if g is None else g * (self.max_norm / norm) for g in gradients]
        by_parameter = {id(p): g for p, g in zip(parameters, gradients, strict=True)}
        for name, owned in (
            ('hyper', self.hyper),
            ('illum', self.illumination),
            ('refine', self.refinement),
        ):
            mine = [p for p in owned if id(p) in by_parameter]
            if mine:
                step_by(self.optimizers[name], mine, [by_parameter[id(p)] for p in mine])

    def _check(self, gradients: Sequence[Tensor | None], what: str) -> None:
        if not all(g is None or bool(g.isfinite().all()) for g in gradients):
            raise FloatingPointError(
                f'The gradient of {what} is not finite; lower the learning rates or look for NaN in the pictures.'
            )


@contextmanager
def full_precision() -> Iterator[None]:
    """Float32 as it is: a difference of two losses that are close does not survive the shorter TF32."""
    places = (torch.backends.cuda.matmul, torch.backends.cudnn)
    kept = [place.allow_tf32 for place in places]
    try:
        for place in places:
            place.allow_tf32 = False
        yield
    finally:
        for place, value in zip(places, kept, strict=True):
            place.allow_tf32 = value


@contextmanager
def _resting(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Nothing is kept for gradients of these inside."""
    try:
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def _norm(tensors: Sequence[Tensor]) -> float:
    if not tensors:
        return 0.0
    return (
        torch.stack([torch.linalg.vector_norm(tensor).double() for tensor in tensors]).norm().item()
    )
