"""The two levels of a cooperative search: the scene module and the task module."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from llv.models.data_preprocessors import EnhancedDataPreprocessor
from llv.models.enhancement_model import EnhancementModel
from llv.models.enhancers.ruas import RUAS
from llv.search.searchable import arch_parameters, searchable_modules, weight_parameters

REST = 'rest'


@dataclass(frozen=True)
class Level:
    """What is searched and trained together.

    Attributes:
        name: ``scene``, ``task``, or ``global`` for both as one.
        alpha: Architecture weights; there may be none.
        omega: The other trainable parameters; there may be none.
        objective: Parts of the loss that train ω.
        validation: Factor of each part of the loss that α is judged by.
    """

    name: str
    alpha: list[nn.Parameter]
    omega: list[nn.Parameter]
    objective: tuple[str, ...]
    validation: dict[str, float]

    def __bool__(self) -> bool:
        return bool(self.alpha or self.omega)


def scene_place(model: nn.Module) -> tuple[str, ...]:
    """Where the scene module of a model usually is: the enhancer before a network, or RUAS's scene module before its
    noise removal. Nowhere in a model without an enhancer.
    """
    preprocessor = getattr(model, 'data_preprocessor', None)
    if isinstance(preprocessor, EnhancedDataPreprocessor):
        return () if preprocessor.frozen else ('data_preprocessor.enhancer',)
    if isinstance(model, EnhancementModel):
        return ('enhancer.scene',) if has_low_level_task(model) else ('enhancer',)
    return ()


def has_low_level_task(model: nn.Module) -> bool:
    """Whether the model is RUAS by itself, whose noise removal is the task module."""
    enhancer = getattr(model, 'enhancer', None)
    return (
        isinstance(model, EnhancementModel)
        and isinstance(enhancer, RUAS)
        and enhancer.denoiser is not None
        and enhancer.train_part is None
    )


def divide(
    model: nn.Module,
    scene: str | Sequence[str] | None,
    task: str | Sequence[str],
    beta: float,
    strategy: str,
) -> list[Level]:
    """The levels of a search in the order in which they move.

    Args:
        model: Has searchable modules.
        scene: Places of the scene module; None for :func:`scene_place`.
        task: Places of the task module, ``rest`` for all that is not the scene module.
        beta: Factor of the task loss where the scene module's α is judged.
        strategy: ``cooperative``, ``global`` or ``independent``.

    Raises:
        ValueError: There is nothing to search, or no parameter at one of the places.
    """
    if not searchable_modules(model):
        raise ValueError(
            f'`{type(model).__name__}` has no searchable module; build one with `genotype=None` '
            "(for RUAS `scene_genotype='search'`), or train with another loop."
        )
    places = scene_place(model) if scene is None else _listed(scene)
    # an enhancer without parameters is no scene module, but a place that was named must have some
    named = () if scene is None else places
    for name, given in (('scene', named), ('task', _listed(task))):
        for place in given:
            if place != REST:
                _check(model, name, place)
    alpha, omega = arch_parameters(model, places), weight_parameters(model, places)
    taken = {id(parameter) for parameter in (*alpha, *omega)}
    others = None if task == REST else _listed(task)
    task_alpha = [p for p in arch_parameters(model, others) if id(p) not in taken]
    task_omega = [p for p in weight_parameters(model, others) if id(p) not in taken]
    if not alpha and not task_alpha:
        searched = ', '.join(f'`{place}`' for place in searchable_modules(model))
        raise ValueError(
            f'What is searched in the model ({searched}) is frozen or at none of the places of `scene` and `task`; '
            'correct the places, or let it be trained.'
        )
    if strategy == 'global':
        both = ('scene',) * bool(alpha or omega) + ('task',) * bool(task_alpha or task_omega)
        factors = dict.fromkeys(both, 1.0)
        return [Level('global', alpha + task_alpha, omega + task_omega, both, factors)]
    together = beta > 0 and strategy == 'cooperative' and bool(task_alpha or task_omega)
    judged = dict(scene=1.0, task=beta) if together else dict(scene=1.0)
    levels = [
        Level('scene', alpha, omega, ('scene',), judged),
        Level('task', task_alpha, task_omega, ('task',), dict(task=1.0)),
    ]
    return [level for level in levels if level]


def left_out(model: nn.Module, levels: Sequence[Level]) -> list[str]:
    """Places of searchable modules whose α no level moves."""
    moved = {id(parameter) for level in levels for parameter in level.alpha}
    return [
        place
        for place, module in searchable_modules(model).items()
        if not all(id(parameter) in moved for parameter in module.arch_parameters())
    ]


def _listed(places: str | Sequence[str]) -> tuple[str, ...]:
    return (places,) if isinstance(places, str) else tuple(places)


def _check(model: nn.Module, name: str, place: str) -> None:
    if arch_parameters(model, place) or weight_parameters(model, place):
        return
    known = [module for module, _ in model.named_modules() if module]
    near = difflib.get_close_matches(place, known, n=1)
    hint = f'; did you mean `{near[0]}`?' if near and near[0] != place else '; correct the place.'
    raise ValueError(f'`{name}` names `{place}`, where the model has no trainable parameter{hint}')
