"""Feature pyramids that multiply: a coarse map gates the finer one below it."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from llv.registry import MODELS

from .maps import check_maps

_XAVIER = dict(type='Xavier', layer='Conv2d', distribution='uniform', bias=0)


@MODELS.register_module()
class ProductFPN(BaseModule):
    """Top-down: the upper result through a 1×1 convolution, enlarged (bilinear), times a 1×1 convolution of the map.

    Three published detectors differ in where it begins and whether there are ReLUs:

    * DSFD's release: begins at level 3, no ReLU. mmdet's pyramids add where this one multiplies.
    * PyramidBox (low-level feature pyramid, ECCV 2018, section 3.2): begins at level 3; a ReLU after the convolution of
      the upper map and on the product.
    * The community's DSFD on VGG: begins at level 5 with a 1×1 convolution of the coarsest map itself, ReLUs alike.

    Keys: ``top_down.<l>`` and ``lateral.<l>`` for the convolutions that make the result of level l, where ``top_down``
    takes that of level l + 1; ``top_down.<top_level>`` is the convolution of the top itself.

    Args:
        in_channels: Of the maps up to `top_level`, which results keep; further maps pass through.
        top_level: Where the way down begins.
        relu: With ReLUs.
        top_conv: With a convolution (and ReLU) of the top's map; without it that map passes unchanged.
        align_corners: How the upper result is enlarged. False is what the ported weights were used with; the first
            releases were trained with PyTorch 0.3, which aligned the corners.
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (256, 512, 512, 1024),
        top_level: int = 3,
        relu: bool = False,
        top_conv: bool = False,
        align_corners: bool = False,
        init_cfg: dict | None = _XAVIER,
    ) -> None:
        super().__init__(init_cfg)
        if not 0 < top_level < len(in_channels):
            raise ValueError(
                f'`top_level` must be a level of `in_channels` above 0, but got {top_level} of {len(in_channels)}.'
            )
        self.top_level = top_level
        self.align_corners = align_corners
        own = in_channels[: top_level + 1]
        self.top_down = nn.ModuleList(
            nn.Conv2d(upper, lower, 1) for lower, upper in zip(own, own[1:], strict=False)
        )
        self.lateral = nn.ModuleList(nn.Conv2d(c, c, 1) for c in own[:-1])
        if top_conv:
            self.top_down.append(nn.Conv2d(own[-1], own[-1], 1))
        # not in place: an identity's input is also the result of the level above
        self.activation = nn.ReLU() if relu else nn.Identity()

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The maps in their shapes, the one at ``top_level`` and those below it enhanced."""
        check_maps(self, maps, self.top_level + 1, further=True)
        outputs = list(maps)
        if len(self.top_down) > self.top_level:
            top = self.top_down[self.top_level](maps[self.top_level])
            outputs[self.top_level] = self.activation(top)
        for level in reversed(range(self.top_level)):
            upper = self.activation(self.top_down[level](outputs[level + 1]))
            lateral = self.lateral[level](maps[level])
            product = enlarge(upper, lateral, self.align_corners) * lateral
            outputs[level] = self.activation(product)
        return tuple(outputs)


@MODELS.register_module()
class NeighbourProduct(BaseModule):
    """Each map times the original map above it, both through 1×1 convolutions (DSFD, CVPR 2019, section 3.2).

    Other than in :class:`ProductFPN` nothing travels further down than one level. The coarsest map has none above and
    goes through its convolution alone. Keys: ``lateral.<l>`` and ``top_down.<l>``, which takes level l + 1.

    Args:
        in_channels: Of all maps, which results keep.
    """

    def __init__(self, in_channels: Sequence[int], init_cfg: dict | None = _XAVIER) -> None:
        super().__init__(init_cfg)
        self.lateral = nn.ModuleList(nn.Conv2d(c, c, 1) for c in in_channels)
        self.top_down = nn.ModuleList(
            nn.Conv2d(upper, lower, 1)
            for lower, upper in zip(in_channels, in_channels[1:], strict=False)
        )

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The maps in their shapes."""
        check_maps(self, maps, len(self.lateral))
        outputs = [conv(m) for conv, m in zip(self.lateral, maps, strict=True)]
        for level, conv in enumerate(self.top_down):
            outputs[level] = outputs[level] * enlarge(conv(maps[level + 1]), outputs[level])
        return tuple(outputs)


def enlarge(upper: Tensor, lower: Tensor, align_corners: bool = False) -> Tensor:
    """``upper`` in the height and width of ``lower``, bilinear."""
    return F.interpolate(upper, lower.shape[-2:], mode='bilinear', align_corners=align_corners)
