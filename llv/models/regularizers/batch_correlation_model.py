"""The two stages in which a batch-correlation module is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.structures import BaseDataElement, PixelData
from torch import Tensor

from llv.models.losses.frequency import phase_distance
from llv.models.losses.weighting import mean_over_groups
from llv.registry import MODELS
from llv.utils.grouping import group_by_size

from .checks import warn_of_one
from .module_file import build_module, read_module

_STAGES = ('reconstruction', 'pretext')
_PRETEXTS = ('phase', 'pixel')


@MODELS.register_module()
class BatchCorrelationModel(BaseModel):
    """Train a batch-correlation module on well-lit pictures (Section 3.2 of ERL, CVPR 2023).

    1. ``reconstruction``: encoder and decoder learn to reproduce a picture, by the mean absolute error. The model has
       neither transformer nor fusion then.
    2. ``pretext``: both are frozen; the transformer learns between them, from the phases of the Fourier transforms of
       pictures and results. The paper trains only the transformer in this stage, but nothing else would ever train the
       fusion, which is new here, so it learns too.

    The fusion may drop what the transformer says; logs show the norms of its two halves, ``fusion_own`` and
    ``fusion_related``. The phase loss sees no brightness, so that of the results drifts, which does no harm: they are
    not used.

    Checkpoints hold the module under ``module.``; ``llv.SampleRelationLoss`` reads them.

    Args:
        module: Options of :class:`BatchCorrelationModule`.
        stage: ``'reconstruction'`` or ``'pretext'``.
        pretext: ``'phase'``, or ``'pixel'`` for the mean absolute error (the ablation "with L1").
        wrap: Differences of phases around the circle. Without, as FECNet has it, an output whose phases are all zero
            scores better than most.
        train_fusion: False leaves the fusion the mean of its halves.
        weights: Checkpoint of the first stage, from which the second takes encoder and decoder. A missing one is an
            error at the first loss, unless a checkpoint has filled the module meanwhile.
        data_preprocessor: Config that yields RGB pictures in [0, 1]; ``llv.PictureDataPreprocessor`` by default.

    Raises:
        ValueError: An option has no such value, or the weights are of another module.
    """

    def __init__(
        self,
        module: Mapping[str, Any] | None = None,
        stage: str = 'reconstruction',
        pretext: str = 'phase',
        wrap: bool = True,
        train_fusion: bool = True,
        weights: str | None = None,
        data_preprocessor: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor or dict(type='llv.PictureDataPreprocessor'))
        for name, value, known in (('stage', stage, _STAGES), ('pretext', pretext, _PRETEXTS)):
            if value not in known:
                raise ValueError(f'`{name}` must be one of {", ".join(known)}, but got {value!r}.')
        self.stage = stage
        self.pretext = pretext
        self.wrap = wrap
        self._lacking: str | None = None  # a sentence that says what is wrong
        self._warned = False
        if stage == 'reconstruction':
            if weights is not None:
                raise ValueError(
                    "`weights` are those of the first stage, for `stage='pretext'`; leave them out here."
                )
            self.module = build_module(module).drop('transformer', 'fusion')
            return
        if weights is not None and Path(weights).expanduser().is_file():
            self.module = read_module(str(weights), module, ('encoder', 'decoder'))
        else:
            self.module = build_module(module)
            self._lacking = (
                "`weights` is not set; train `stage='reconstruction'` first, or let `upstream` of the config do so."
                if weights is None
                else f'the weight file `{weights}` is not there; give the checkpoint of the first stage.'
            )
        self.module.encoder.requires_grad_(False)
        self.module.decoder.requires_grad_(False)
        self.module.fusion.requires_grad_(train_fusion)

    def forward(
        self,
        inputs: Sequence[Tensor],
        data_samples: Sequence[BaseDataElement] | None = None,
        mode: str = 'tensor',
    ) -> dict[str, Tensor] | list:
        """Reproduce pictures, or the loss of doing so; in float32 also under autocast.

        Args:
            inputs: (3, H, W) RGB tensors in [0, 1], well-lit; those of one size are related to each other.
            data_samples: Returned with ``mode='predict'``.
            mode: ``'loss'``: dict of losses. ``'predict'``: the samples with ``pred_image`` (PixelData, float RGB in
                [0, 1]). ``'tensor'``: list of results, not clamped.

        Raises:
            ValueError: The second stage has nothing of the first.
        """
        if mode not in ('loss', 'predict', 'tensor'):
            raise ValueError(f"`mode` must be 'loss', 'predict' or 'tensor', but got {mode!r}.")
        if self._lacking is not None:
            raise ValueError(
                f'`BatchCorrelationModel` has no encoder for its second stage: {self._lacking}'
            )
        groups = group_by_size(inputs)
        batches = [torch.stack([inputs[i] for i in indices]).float() for indices in groups]
        run = self.module if self.stage == 'pretext' else self.module.reconstruct
        with torch.autocast(inputs[0].device.type, enabled=False):
            results = [run(images) for images in batches]
            if mode == 'loss':
                if self.stage == 'pretext' and not self._warned and min(map(len, batches)) < 2:
                    self._warned = True
                    warn_of_one('the transformer learns nothing about others from it')
                pairs = zip(results, batches, strict=True)
                losses = [self._loss(result, images) for result, images in pairs]
                return {**mean_over_groups(losses, [len(b) for b in batches]), **self._norms()}
        made: list[Tensor] = [inputs[0]] * len(inputs)
        for indices, images in zip(groups, results, strict=True):
            for i, image in zip(indices, images, strict=True):
                made[i] = image
        if mode == 'tensor':
            return made
        samples = data_samples or [BaseDataElement() for _ in made]
        for sample, image in zip(samples, made, strict=True):
            sample.set_field(PixelData(data=image.clamp(0, 1)), 'pred_image', dtype=PixelData)
        return list(samples)

    def _loss(self, result: Tensor, images: Tensor) -> dict[str, Tensor]:
        if self.stage == 'pretext' and self.pretext == 'phase':
            return dict(loss_phase=phase_distance(result, images, self.wrap))
        return dict(loss_pixel=(result - images).abs().mean())

    def _norms(self) -> dict[str, Tensor]:
        """How much the fusion takes of a picture's own features, and of what the transformer says."""
        if self.stage != 'pretext':
            return {}
        own, related = self.module.fusion.weight.detach().chunk(2, dim=1)
        return dict(fusion_own=own.norm(), fusion_related=related.norm())

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args) -> None:
        # called for every load, also by mmengine's own loader, which takes the name of our child for a wrapper's and
        # cuts it off when it resumes
        for name in self.state_dict():
            cut = prefix + name.removeprefix('module.')
            if cut in state_dict:
                state_dict[prefix + name] = state_dict.pop(cut)
        if all(prefix + name in state_dict for name in self.state_dict()):
            self._lacking = None
        super()._load_from_state_dict(state_dict, prefix, *args)
