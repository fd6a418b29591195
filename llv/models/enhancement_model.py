"""An enhancer by itself, as a model that mmengine's Runner trains and tests."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement, PixelData
from torch import Tensor

from llv.models.data_preprocessors.references import stack_references
from llv.models.enhancers.build import build_enhancer
from llv.registry import MODELS
from llv.utils.grouping import group_by_size

from .losses.weighting import mean_over_groups
from .regularizers.attachment import attach


@MODELS.register_module()
class EnhancementModel(BaseModel):
    """Train an enhancer with its own scene loss, on unlabelled pictures or on pairs.

    Pictures of one size go through the enhancer as one batch, others by themselves; the loss is the mean over all
    pictures. Its checkpoints hold the enhancer under ``enhancer.``, which ``weights=`` of every enhancer reads.

    Args:
        enhancer: Config of an enhancer.
        data_preprocessor: Config that yields RGB pictures in [0, 1].
        regularizer: Config of what judges the results of a batch beside that loss, such as ``llv.SampleRelationLoss``;
            it needs references. It is no part of the model: neither parameters nor checkpoints change by it, and
            testing does not know it. Losses that relate samples need pictures of one size.
    """

    def __init__(
        self,
        enhancer: dict,
        data_preprocessor: dict | None = None,
        regularizer: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor or dict(type='llv.PictureDataPreprocessor'))
        self.enhancer = build_enhancer(enhancer)
        self.regularizer = attach(regularizer)

    def forward(
        self,
        inputs: Sequence[Tensor],
        data_samples: Sequence[BaseDataElement] | None = None,
        mode: str = 'tensor',
    ) -> dict[str, Tensor] | list:
        """Light pictures, or the loss of doing so.

        Args:
            inputs: (3, H, W) RGB tensors in [0, 1]; sizes may differ.
            data_samples: May carry ``reference`` (PixelData, uint8 RGB).
            mode: ``'loss'``: dict of losses. ``'predict'``: the samples with ``pred_image`` (PixelData, float
                RGB in [0, 1]). ``'tensor'``: list of lit pictures.
        """
        groups = group_by_size(inputs)
        if mode == 'loss':
            losses, counts = [], []
            for indices in groups:
                images = torch.stack([inputs[i] for i in indices])
                references = stack_references(data_samples, indices)
                losses.append(self._group_loss(images, references))
                counts.append(len(indices))
            return mean_over_groups(losses, counts)
        if mode not in ('predict', 'tensor'):
            raise ValueError(f"`mode` must be 'loss', 'predict' or 'tensor', but got {mode!r}.")
        lit: list[Tensor] = [inputs[0]] * len(inputs)
        for indices in groups:
            images = self.enhancer(torch.stack([inputs[i] for i in indices])).image
            for i, image in zip(indices, images, strict=True):
                lit[i] = image
        if mode == 'tensor':
            return lit
        samples = data_samples or [BaseDataElement() for _ in lit]
        for sample, image in zip(samples, lit, strict=True):
            sample.set_field(PixelData(data=image), 'pred_image', dtype=PixelData)
        return list(samples)

    def _group_loss(self, images: Tensor, references: Tensor | None) -> dict[str, Tensor]:
        """The losses of pictures of one size."""
        enhancement = self.enhancer(images)
        losses = dict(self.enhancer.loss(enhancement, images, references))
        if self.regularizer is not None:
            losses.update(self.regularizer(self.enhancer, enhancement, references))
        return losses
