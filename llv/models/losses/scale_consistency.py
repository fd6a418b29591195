"""Maps that stay the same when they are predicted on a reduced picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from llv.registry import MODELS

if TYPE_CHECKING:
    from llv.models.enhancers.base import Enhancement
    from llv.models.enhancers.map_based import MapBasedEnhancer

_OFFSET = 1e-3


@MODELS.register_module()
class ScaleConsistencyLoss(nn.Module):
    """w · mean (ln(g + 1e-3) − ln(g_s + 1e-3))² of a map g and the same map g_s predicted on a reduced picture.

    Of no publication: the published networks are not trained to be run at a fraction of the size, and their maps then
    come out differently. Weights trained with this term suit ``estimate_scale``. The gradient flows through both maps.

    Args:
        loss_weight: w.
        scale: Size of the reduced picture over the full size, in (0, 1).
        map_name: A map that is not negative, such as ``gamma`` or ``illumination``.

    Raises:
        ValueError: `scale` is outside (0, 1); at a call, the enhancer has no such map.
    """

    def __init__(
        self, loss_weight: float = 1.0, scale: float = 0.25, map_name: str = 'gamma'
    ) -> None:
        super().__init__()
        if not 0 < scale < 1:
            raise ValueError(f'`scale` must be between 0 and 1, but got {scale}.')
        self.loss_weight = loss_weight
        self.scale = scale
        self.map_name = map_name

    def forward(
        self, enhancer: MapBasedEnhancer, enhancement: Enhancement, images: Tensor
    ) -> dict[str, Tensor]:
        """``loss_scale``.

        Args:
            enhancer: An enhancer that predicts maps, at full size.
            enhancement: What it made of `images`, attached to the graph.
            images: (N, 3, H, W) RGB in [0, 1].
        """
        if self.map_name not in enhancement.maps or not hasattr(enhancer, 'maps_at'):
            raise ValueError(
                f'`{type(enhancer).__name__}` predicts no map `{self.map_name}` that could be compared at two scales; '
                'set `map_name`, or leave the scale consistency out.'
            )
        with torch.autocast(images.device.type, enabled=False):
            reduced = enhancer.maps_at(images.float(), self.scale)[self.map_name]
            ratio = (enhancement.maps[self.map_name] + _OFFSET) / (reduced + _OFFSET)
            return dict(loss_scale=self.loss_weight * ratio.log().square().mean())
