"""The one way an enhancer joins an mm model: inside its data preprocessor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from mmengine.structures import BaseDataElement, PixelData
from torch import Tensor, nn

from llv.models.enhancers.base import BaseEnhancer, Enhancement
from llv.models.enhancers.build import build_enhancer
from llv.registry import MODELS
from llv.utils.grouping import group_by_size

from .references import stack_references
from .rescale import rescale_sample


@dataclass
class HeldGroup:
    """What a scene loss needs of the pictures of one size, attached to the graph.

    Attributes:
        enhancement: What the enhancer returned.
        images: (N, 3, H, W) RGB in [0, 1], what it was given.
        references: (N, 3, s·H, s·W) RGB in [0, 1], or None.
    """

    enhancement: Enhancement
    images: Tensor
    references: Tensor | None


@MODELS.register_module()
class EnhancedDataPreprocessor(BaseDataPreprocessor):
    """Light the pictures, then let any mm data preprocessor do its work.

    The enhancer sits before normalisation and padding, so it never sees a padded pixel, released detector
    weights stay valid, and every entry point that calls the preprocessor (training, testing, TTA, inferencers)
    runs it. Pictures of one size go through it as one batch, others by themselves. The base receives them in
    its own format (the loader's channel order, float, 0..255) and is not touched otherwise. If the enhancer
    returns the very tensor it was given, the base receives the original inputs, bit by bit.

    Where the enhancer enlarges (``enhancer.scale`` ≠ 1), ``img_shape`` and ``scale_factor`` follow always,
    boxes, masks and label maps only in training; see :func:`rescale_sample`.

    Args:
        enhancer: Config of an enhancer, or the module.
        base: Config of the model's own preprocessor, or the module.
        frozen: Keep the enhancer in eval mode, without gradients, also after ``model.train()``.
        channel_order: ``'bgr'`` or ``'rgb'``, the order in which the loader hands pictures over. None reads it from the
            base's config: RGB where it asks for ``rgb_to_bgr``, else BGR, the order of mm's loaders; a module as base
            needs it named.
        keep_pictures: Put the lit picture into each data sample as ``enhanced`` (PixelData, (3, s·H, s·W) uint8 RGB,
            detached), for visualisation; costs memory.
        distortion: Config of a module, or the module, that changes the lit pictures in training, such as
            ``llv.PhotoMetricDistortion``: given a list of (3, H, W) RGB in 0..255 it returns as many. It works on what
            the base would receive, also where the enhancer changed nothing; ``enhanced`` does not show it.
        batch_augments: Config of what mixes the pictures of a batch, for a base that has none of its own. Classifiers
            of mmpretrain write their ``train_cfg`` into the config of whatever preprocessor they build.

    Attributes:
        holding: While True, :meth:`pop_held` gives the last training batch's enhancements; set by ``EnhancerLossHook``.
    """

    def __init__(
        self,
        enhancer: dict | BaseEnhancer,
        base: dict | nn.Module,
        frozen: bool = False,
        channel_order: str | None = None,
        keep_pictures: bool = False,
        non_blocking: bool = False,
        distortion: dict | nn.Module | None = None,
        batch_augments: dict | None = None,
    ) -> None:
        super().__init__(non_blocking)
        if channel_order not in (None, 'bgr', 'rgb'):
            raise ValueError(
                f"`channel_order` must be 'bgr', 'rgb' or None, but got {channel_order!r}."
            )
        if channel_order is None and not isinstance(base, dict):
            raise ValueError(
                "`channel_order` must be 'bgr' or 'rgb' where `base` is a module, which does not tell."
            )
        if batch_augments is not None:
            if not isinstance(base, dict):
                raise ValueError(
                    '`batch_augments` needs a config as `base`; give them to the module itself.'
                )
            base = {'batch_augments': batch_augments, **base}
        if channel_order is None:
            channel_order = 'rgb' if base.get('rgb_to_bgr', False) else 'bgr'
        self.channel_order = channel_order
        self.frozen = frozen
        self.keep_pictures = keep_pictures
        self.enhancer = build_enhancer(enhancer) if isinstance(enhancer, dict) else enhancer
        self.base = MODELS.build(base) if isinstance(base, dict) else base
        self.distortion = MODELS.build(distortion) if isinstance(distortion, dict) else distortion
        if not isinstance(self.enhancer, BaseEnhancer):
            raise TypeError(
                f'`enhancer` must be a BaseEnhancer, but got `{type(self.enhancer).__name__}`.'
            )
        if frozen:
            self.enhancer.requires_grad_(False)
            self.enhancer.eval()
        self.holding = False
        self._held: list[HeldGroup] = []

    def forward(self, data: dict, training: bool = False) -> dict:
        """Light ``data['inputs']`` and pass on to the base.

        Args:
            data: ``inputs``: list of (3, H, W) or one (N, 3, H, W) tensor, uint8 or float in 0..255 (values outside are
                clamped for the enhancer); ``data_samples``: list of data samples, or None.
            training: As mmengine passes it.

        Raises:
            TypeError, ValueError: The inputs are no colour pictures.
        """
        self._held = []
        data = self.cast_data(data)
        inputs = data['inputs']
        pictures = self._check(inputs)
        samples = data.get('data_samples')
        learning = training and not self.frozen and torch.is_grad_enabled()

        lit: list[Tensor | None] = [None] * len(pictures)
        for indices in group_by_size(pictures):
            images = self._to_rgb01(torch.stack([pictures[i] for i in indices]))
            with torch.set_grad_enabled(learning):
                enhancement = self.enhancer(images)
            if self.holding and training:
                references = stack_references(samples, indices)
                self._held.append(HeldGroup(enhancement, images, references))
            if enhancement.image is not images:
                for i, picture in zip(indices, self._from_rgb01(enhancement.image), strict=True):
                    lit[i] = picture

        if samples is not None and (self.enhancer.scale != 1 or self.keep_pictures):
            data['data_samples'] = [
                self._follow(sample, picture, new, training)
                for sample, picture, new in zip(samples, pictures, lit, strict=True)
            ]
        if training and self.distortion is not None:
            shown = [old if new is None else new for old, new in zip(pictures, lit, strict=True)]
            lit = self._distorted(shown)
        if any(new is not None for new in lit):
            outputs = [old if new is None else new for old, new in zip(pictures, lit, strict=True)]
            data['inputs'] = torch.stack(outputs) if isinstance(inputs, Tensor) else outputs
        return self.base(data, training)

    @property
    def batch_augments(self) -> Any:
        """Those of the base, which mmpretrain's ``SwitchRecipeHook`` replaces while a model trains."""
        return self.base.batch_augments

    @batch_augments.setter
    def batch_augments(self, value: Any) -> None:
        self.base.batch_augments = value

    def pop_held(self) -> list[HeldGroup]:
        """The enhancements of the last training batch, one a picture size; they are forgotten here."""
        held, self._held = self._held, []
        return held

    def train(self, mode: bool = True) -> EnhancedDataPreprocessor:
        """As every module's, but a frozen enhancer stays in eval mode."""
        super().train(mode)
        if self.frozen:
            self.enhancer.eval()
        return self

    # a nested preprocessor remembers its device by itself, and only when it is asked by its own method
    def to(self, *args, **kwargs) -> EnhancedDataPreprocessor:
        """Move everything, and tell the base its device."""
        self.base.to(*args, **kwargs)
        return super().to(*args, **kwargs)

    def cuda(self, *args, **kwargs) -> EnhancedDataPreprocessor:
        """Move everything, and tell the base its device."""
        self.base.cuda(*args, **kwargs)
        return super().cuda(*args, **kwargs)

    def cpu(self, *args, **kwargs) -> EnhancedDataPreprocessor:
        """Move everything, and tell the base its device."""
        self.base.cpu(*args, **kwargs)
        return super().cpu(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        # used by copy.deepcopy (EMA) and pickle alike; tensors inside a graph can be neither copied nor pickled
        return {**self.__dict__, '_held': []}

    def _check(self, inputs: Tensor | Sequence[Tensor]) -> list[Tensor]:
        if isinstance(inputs, dict):
            raise TypeError(
                'The batch has several branches; put `llv.EnhancedDataPreprocessor` around the inner preprocessor of '
                'each branch instead.'
            )
        pictures = list(inputs)
        for picture in pictures:
            if not isinstance(picture, Tensor) or picture.ndim != 3 or picture.shape[0] != 3:
                got = (
                    tuple(picture.shape) if isinstance(picture, Tensor) else type(picture).__name__
                )
                raise ValueError(
                    f'An enhancer needs colour pictures of shape (3, H, W), but the batch holds {got}; load grey '
                    "pictures with `color_type='color'`."
                )
        return pictures

    def _to_rgb01(self, images: Tensor) -> Tensor:
        images = (images.float() / 255).clamp(0, 1)
        return images.flip(1) if self.channel_order == 'bgr' else images

    def _from_rgb01(self, images: Tensor) -> Tensor:
        images = images * 255
        return images.flip(1) if self.channel_order == 'bgr' else images

    def _distorted(self, pictures: list[Tensor]) -> list[Tensor]:
        pictures = [picture.float() for picture in pictures]
        if self.channel_order == 'rgb':
            return self.distortion(pictures)
        distorted = self.distortion([picture.flip(0) for picture in pictures])
        return [picture.flip(0) for picture in distorted]

    def _follow(
        self, sample: BaseDataElement, picture: Tensor, lit: Tensor | None, training: bool
    ) -> BaseDataElement:
        if self.enhancer.scale != 1:
            sample = rescale_sample(
                sample, self.enhancer.scale, tuple(picture.shape[-2:]), training
            )
        else:
            sample = sample.new()
        if self.keep_pictures:
            shown = picture if lit is None else lit
            shown = shown.detach().float().round().clamp(0, 255).to(torch.uint8)
            shown = shown.flip(0) if self.channel_order == 'bgr' else shown
            sample.set_field(PixelData(data=shown), 'enhanced', dtype=PixelData)
        return sample
