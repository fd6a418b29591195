"""Training on targets that the enhancer itself helps to make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from llv.models.data_preprocessors.references import stack_references
from llv.registry import MODELS
from llv.utils.grouping import group_by_size

from .enhancement_model import EnhancementModel
from .losses.pseudo_target import PseudoTarget
from .losses.weighting import mean_over_groups


@dataclass
class TargetPair:
    """Pictures of one size and their targets, each (N, 3, H, W) RGB in [0, 1]."""

    images: Tensor
    target: Tensor


@MODELS.register_module()
class PseudoTargetModel(EnhancementModel):
    """Train an enhancer without references, against the best of several exposures and its own output.

    The progressive training of PSENet (WACV 2023), for any enhancer. As in the released code, which differs from the
    paper (it says: the output of the previous epoch), a step

    1. makes the targets of the current batch with the current weights;
    2. trains on the previous batch and the targets it got in the step before;
    3. keeps the current batch and its targets for the next step.

    So a target is one update old, the last batch is never trained on, and the first step has nothing to train on: it
    only reports the loss of its own batch. :class:`llv.engine.hooks.PseudoTargetHook` belongs to this model: it leaves
    the update of the first step out, and makes resumed runs go on with the kept pair. Without it the first step trains
    on its own batch.

    All of this happens in the forward pass, so it is the same under every optimizer wrapper and under DDP. Random
    exposures come from torch's global generator. Losses are those of training only in training mode; in evaluation
    mode the loss is that of the current batch, and nothing is kept.

    Beside the losses, logs show for the current batch: ``share_*`` and ``score`` of
    :meth:`~llv.models.losses.pseudo_target.PseudoTargets.statistics`, and ``target_psnr`` in dB where samples have a
    reference (which training never sees).

    Args:
        enhancer: Config of an enhancer.
        pseudo_target: Config of the targets; :class:`PseudoTarget` if None.
        loss: Config of a loss like :class:`PseudoTargetLoss`; None: the enhancer's own, with the targets as its
            references.
        lag: How many updates old the targets are: 1 is published; 0 makes target and update in one step, which is
            nearly equivalent.
        progressive: False is the plain training that the paper compares with: the enhancer's own output is no
            candidate, so the targets come from the input alone and no lag has a meaning.
        scale_consistency: Config of :class:`ScaleConsistencyLoss`, for weights that are to be run at a reduced
            ``estimate_scale``; None (published) leaves it out.
        data_preprocessor: As for :class:`EnhancementModel`.
        regularizer: As for :class:`EnhancementModel`; the targets are its references.

    Raises:
        ValueError: `lag` is neither 0 nor 1.
    """

    def __init__(
        self,
        enhancer: dict,
        pseudo_target: dict | None = None,
        loss: dict | None = None,
        lag: int = 1,
        progressive: bool = True,
        scale_consistency: dict | None = None,
        data_preprocessor: dict | None = None,
        regularizer: dict | None = None,
    ) -> None:
        super().__init__(enhancer, data_preprocessor, regularizer)
        if lag not in (0, 1):
            raise ValueError(f'`lag` must be 0 or 1, but got {lag!r}.')
        self.pseudo_target = (
            PseudoTarget() if pseudo_target is None else MODELS.build(pseudo_target)
        )
        self.loss = None if loss is None else MODELS.build(loss)
        self.scale_consistency = (
            None if scale_consistency is None else MODELS.build(scale_consistency)
        )
        self.progressive = progressive
        self.lag = lag if progressive else 0
        # no buffer: its shape varies, and checkpoints stay those of the enhancer
        self.pending: list[TargetPair] | None = None

    @property
    def waits(self) -> bool:
        """Whether the next training step has no older pair to train on."""
        return self.lag > 0 and self.pending is None

    def forward(
        self,
        inputs: Sequence[Tensor],
        data_samples: Sequence[BaseDataElement] | None = None,
        mode: str = 'tensor',
    ) -> dict[str, Tensor] | list:
        """As :class:`EnhancementModel`; with ``mode='loss'`` one step of the training."""
        if mode != 'loss':
            return super().forward(inputs, data_samples, mode)
        with torch.autocast(inputs[0].device.type, enabled=False):
            return self._step(inputs, data_samples)

    def _step(
        self, inputs: Sequence[Tensor], data_samples: Sequence[BaseDataElement] | None
    ) -> dict[str, Tensor]:
        pairs, statistics = [], []
        for indices in group_by_size(inputs):
            images = torch.stack([inputs[i] for i in indices]).float()
            pair, report = self._make_target(images, stack_references(data_samples, indices))
            pairs.append(pair)
            statistics.append(report)
        report = mean_over_groups(statistics, [len(pair.images) for pair in pairs])
        if self.lag and self.training:
            pairs, self.pending = self.pending or pairs, pairs
        losses = mean_over_groups(
            [self._pair_loss(pair) for pair in pairs], [len(pair.images) for pair in pairs]
        )
        return {**losses, **report}

    @torch.no_grad()
    def _make_target(
        self, images: Tensor, references: Tensor | None
    ) -> tuple[TargetPair, dict[str, Tensor]]:
        """The targets of pictures of one size, and what is logged about them."""
        own = self.enhancer(images).image if self.progressive else None
        targets = self.pseudo_target(images, own)
        report = targets.statistics()
        if references is not None:
            error = (targets.image - references).square().mean(dim=(1, 2, 3))
            report['target_psnr'] = (-10 * error.clamp_min(1e-10).log10()).mean()
        return TargetPair(images, targets.image), report

    def _pair_loss(self, pair: TargetPair) -> dict[str, Tensor]:
        enhancement = self.enhancer(pair.images)
        if self.loss is None:
            losses = dict(self.enhancer.loss(enhancement, pair.images, pair.target))
        else:
            losses = dict(self.loss(enhancement, pair.target, pair.images))
        if self.scale_consistency is not None:
            losses.update(self.scale_consistency(self.enhancer, enhancement, pair.images))
        if self.regularizer is not None:
            losses.update(self.regularizer(self.enhancer, enhancement, pair.target))
        return losses
