"""Scene loss ℓ_s and task loss ℓ_t of a model, each by itself.

A level of a search is trained by one of them and judged by one or both. What is not asked for is not computed where the
model allows it: the scene loss of an enhancer before a detector costs no pass through the detector.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from llv.engine.passes import fresh
from llv.models.data_preprocessors import EnhancedDataPreprocessor
from llv.models.data_preprocessors.references import stack_references
from llv.models.enhancement_model import EnhancementModel
from llv.models.losses.weighting import mean_over_groups
from llv.utils.grouping import group_by_size

from .search_levels import has_low_level_task

Parts = dict[str, dict[str, Tensor]]


class ModelLosses:
    """The entries of a model's loss dict, divided by their names.

    Args:
        model: An mmengine model; its ``forward(mode='loss')`` gives the entries, those with "loss" in their name count.
        pattern: Regular expression that is found in the names of scene losses. None: all are task losses.

    Raises:
        ValueError: The pattern is no regular expression; when called, the model has no loss of a part.
    """

    def __init__(self, model: BaseModel, pattern: str | None = None) -> None:
        self.model = model
        try:
            self.pattern = None if pattern is None else re.compile(pattern)
        except re.error as error:
            raise ValueError(
                f'`scene_losses` must be a regular expression, but got {pattern!r} ({error}).'
            ) from None

    def __call__(self, batch: Any, parts: Collection[str]) -> Parts:
        """The losses of a batch.

        Args:
            batch: As the data loader gives it; not changed.
            parts: ``scene``, ``task`` or both.

        Returns:
            Scalars by part and name, of the parts asked for.
        """
        return self._divided(self.model.data_preprocessor(fresh(batch), True), parts)

    def _divided(self, data: Any, parts: Collection[str]) -> Parts:
        found = self.model._run_forward(data, mode='loss')
        named = {
            name: self.model.parse_losses({name: value})[0]
            for name, value in found.items()
            if 'loss' in name  # others are for the log
        }
        scene = {n for n in named if self.pattern is not None and self.pattern.search(n)}
        divided = dict(
            scene={name: value for name, value in named.items() if name in scene},
            task={name: value for name, value in named.items() if name not in scene},
        )
        for part in parts:
            if not divided[part]:
                known = ', '.join(f'`{name}`' for name in named) or 'none'
                raise ValueError(
                    f'The model has no {part} loss among its losses ({known}); name those of the scene module by '
                    '`scene_losses`.'
                )
        return {part: divided[part] for part in parts}


class EnhancedLosses(ModelLosses):
    """The loss of the enhancer in the preprocessor, and the losses of the model behind it."""

    def __call__(self, batch: Any, parts: Collection[str]) -> Parts:
        preprocessor = self.model.data_preprocessor
        preprocessor.holding = 'scene' in parts
        try:
            data = preprocessor(fresh(batch), True)
            held = preprocessor.pop_held()
        finally:
            preprocessor.holding = False
        found: Parts = {}
        if 'scene' in parts:
            # exponentials and small differences, which half precision does not hold
            with torch.autocast(held[0].images.device.type, enabled=False):
                losses = [
                    preprocessor.enhancer.loss(group.enhancement, group.images, group.references)
                    for group in held
                ]
            found['scene'] = mean_over_groups(losses, [len(group.images) for group in held])
        if 'task' in parts:
            found.update(self._divided(data, ('task',)))
        return found


class EnhancementLosses:
    """The loss of an enhancer by itself.

    With the noise removal of RUAS the task loss is that of the noise removal, behind a scene module that is *not*
    detached: in a search, unlike in training, it reaches the scene module too.

    Args:
        model: An enhancer by itself.

    Raises:
        ValueError: The model has a regulariser; when called for a task loss that the enhancer does not have.
    """

    def __init__(self, model: EnhancementModel) -> None:
        if model.regularizer is not None:
            raise ValueError(
                'A search does not use the `regularizer` of the model; leave it out here and give it to the training '
                'of what is found.'
            )
        self.model = model
        self.with_task = has_low_level_task(model)

    def __call__(self, batch: Any, parts: Collection[str]) -> Parts:
        data = self.model.data_preprocessor(fresh(batch), True)
        inputs, samples = data['inputs'], data.get('data_samples')
        found, counts = [], []
        for indices in group_by_size(inputs):
            images = torch.stack([inputs[i] for i in indices])
            with torch.autocast(images.device.type, enabled=False):
                references = stack_references(samples, indices)
                found.append(self._losses(images.float(), references, parts))
            counts.append(len(indices))
        return {part: mean_over_groups([group[part] for group in found], counts) for part in parts}

    def _losses(self, images: Tensor, references: Tensor | None, parts: Collection[str]) -> Parts:
        enhancer = self.model.enhancer
        if not self.with_task:
            if 'task' in parts:
                raise ValueError(
                    f'`{type(enhancer).__name__}` by itself has a scene loss alone; leave `scene` and `task` out.'
                )
            return dict(scene=enhancer.loss(enhancer(images), images, references))
        illumination = enhancer.maps_at(images, enhancer.estimate_scale)['illumination']
        losses: Parts = {}
        if 'scene' in parts:
            losses['scene'] = enhancer.scene_loss(illumination, images)
        if 'task' in parts:
            lit = (images / illumination).clamp(0, 1)
            denoised = lit - enhancer.denoiser(lit)
            losses['task'] = dict(loss_denoise=enhancer.denoise_loss(denoised, lit))
        return losses


def losses_of(model: nn.Module, scene_losses: str | None) -> ModelLosses | EnhancementLosses:
    """How the losses of a model are obtained.

    Args:
        model: Any mmengine model.
        scene_losses: Regular expression for the names of scene losses in its loss dict. None: the enhancer gives them,
            or there are none.
    """
    if scene_losses is None and isinstance(model, EnhancementModel):
        return EnhancementLosses(model)
    if scene_losses is None and isinstance(model.data_preprocessor, EnhancedDataPreprocessor):
        return EnhancedLosses(model)
    return ModelLosses(model, scene_losses)
