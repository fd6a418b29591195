"""Enhancers that predict maps and apply them pixel by pixel."""

from __future__ import annotations

from abc import abstractmethod

import torch.nn.functional as F
from torch import Tensor

from .base import BaseEnhancer, Enhancement


class MapBasedEnhancer(BaseEnhancer):
    """An enhancer in two steps: predict maps from the picture, apply them to the picture.

    Maps vary slowly, so they can be predicted on a reduced picture at a fraction of the cost, which grows with the
    number of pixels, and be applied at full size. The result is not that of the published network, whose behaviour
    depends on scale; how far it is off depends on the weights.

    Args:
        weights: See :class:`BaseEnhancer`.
        estimate_scale: Size of the picture the maps are predicted on over its full size, in (0, 1]. 1 is the
            published network.

    Raises:
        ValueError: `estimate_scale` is outside (0, 1].
    """

    def __init__(self, weights: str | None = None, estimate_scale: float = 1.0) -> None:
        super().__init__(weights)
        if not 0 < estimate_scale <= 1:
            raise ValueError(f'`estimate_scale` must be in (0, 1], but got {estimate_scale}.')
        self.estimate_scale = float(estimate_scale)

    @abstractmethod
    def estimate_maps(self, images: Tensor) -> dict[str, Tensor]:
        """Predict the maps of a batch.

        Args:
            images: (N, 3, h, w) RGB in [0, 1], possibly reduced, at least ``minimum_size``.

        Returns:
            Maps by name; those of shape (N, C, h, w) are resized to the full picture, others (one value a picture)
            are not.
        """

    @abstractmethod
    def apply_maps(self, images: Tensor, maps: dict[str, Tensor]) -> Enhancement:
        """Light a batch by its maps.

        Args:
            images: (N, 3, H, W) RGB in [0, 1].
            maps: What :meth:`estimate_maps` returned, at full size.

        Returns:
            The lit pictures; its ``maps`` hold `maps`.
        """

    def enhance(self, images: Tensor) -> Enhancement:
        """Predict, resize and apply."""
        return self.apply_maps(images, self.maps_at(images, self.estimate_scale))

    def maps_at(self, images: Tensor, scale: float) -> dict[str, Tensor]:
        """The maps of a batch at full size, predicted on the picture reduced by `scale`.

        Reduction is antialiased bilinear interpolation, enlargement bilinear, both without corner alignment.
        """
        full = images.shape[-2:]
        size = tuple(max(round(side * scale), min(side, self.minimum_size)) for side in full)
        if size == tuple(full):
            return self.estimate_maps(images)
        reduced = F.interpolate(images, size, mode='bilinear', antialias=True)
        maps = self.estimate_maps(reduced)
        return {
            name: F.interpolate(value, full, mode='bilinear')
            if value.ndim == 4 and tuple(value.shape[-2:]) == size
            else value
            for name, value in maps.items()
        }
