"""Zero-DCE: light a picture by eight rounds of a quadratic curve, one curve a pixel and channel.

Guo et al., "Zero-Reference Deep Curve Estimation for Low-Light Image Enhancement", CVPR 2020. Where paper and released
code differ, this follows the code, as its authors advise.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llv.registry import MODELS

from ..losses.zero_dce import ZeroDCELoss
from .base import Enhancement
from .map_based import MapBasedEnhancer

_WIDTH = 32
_ROUNDS = 8
_INITIAL_STD = 0.02


def apply_curves(images: Tensor, curves: Tensor, rounds: int | None = None) -> Tensor:
    """x ← x + r · (x² - x), round by round.

    The paper writes x + a · x · (1 - x): a is -r, so negative r brightens. For x in [0, 1] and r in [-1, 1] the result
    is in [0, 1]; 0 and 1 stay what they are.

    Args:
        images: x, (N, 3, H, W) RGB in [0, 1].
        curves: r of all rounds, (N, 3 · rounds, H, W) in [-1, 1]: R, G, B of the first round, of the second, and so on.
        rounds: How many rounds to apply, None for all.

    Returns:
        (N, 3, H, W) in [0, 1].
    """
    for curve in curves.split(3, dim=1)[:rounds]:
        images = torch.addcmul(images, curve, images.square().sub_(images))
    return images


@MODELS.register_module()
class ZeroDCE(MapBasedEnhancer):
    """Seven convolutions with skips predict eight rounds of curves, 79 416 parameters.

    The official file loads as it is (academic use only, so it is not shipped).

    ``Enhancement.maps``: ``curves``, (N, 24, H, W) in (-1, 1), see :func:`apply_curves`. The published network does not
    clamp and need not: its result is in [0, 1], and ``image`` is that result.

    Args:
        estimate_scale: See :class:`MapBasedEnhancer`. The curves of a picture reduced to a quarter of its sides take a
            tenth of the time.
        scene_loss: Config of the scene loss, called with the lit pictures, the pictures and the curves;
            :class:`ZeroDCELoss` if None.
        weights: See :class:`BaseEnhancer`.
    """

    def __init__(
        self,
        estimate_scale: float = 1.0,
        scene_loss: dict | None = None,
        weights: str | None = None,
    ) -> None:
        super().__init__(weights, estimate_scale)
        skips = 2 * _WIDTH
        inputs = (3, _WIDTH, _WIDTH, _WIDTH, skips, skips, skips)
        outputs = (*[_WIDTH] * 6, 3 * _ROUNDS)
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1) for a, b in zip(inputs, outputs, strict=True)
        )
        for conv in self.convs:
            nn.init.normal_(conv.weight, 0, _INITIAL_STD)
        self.scene_loss = ZeroDCELoss() if scene_loss is None else MODELS.build(scene_loss)
        # a third faster on a CPU for these widths
        self.to(memory_format=torch.channels_last)
        self.load_weights()

    @property
    def receptive_field(self) -> int | None:
        """15 pixels; None on a reduced picture, whose grid depends on the size of the whole."""
        return 1 + 2 * len(self.convs) if self.estimate_scale == 1 else None

    def estimate_maps(self, images: Tensor) -> dict[str, Tensor]:
        """``curves`` (N, 24, h, w) in (-1, 1) for (N, 3, h, w) RGB in [0, 1]."""
        first = self.convs[0](images).relu_()
        second = self.convs[1](first).relu_()
        third = self.convs[2](second).relu_()
        x = self.convs[3](third).relu_()
        x = _convolve_pair(self.convs[4], third, x).relu_()
        del third  # as large as ten pictures
        x = _convolve_pair(self.convs[5], second, x).relu_()
        del second
        curves = _convolve_pair(self.convs[6], first, x).tanh_()
        # each round reads three of the maps: five times faster from planes than from interleaved channels
        return dict(curves=curves.contiguous())

    def apply_maps(self, images: Tensor, maps: dict[str, Tensor]) -> Enhancement:
        """Eight rounds of ``maps['curves']`` (N, 24, H, W) on (N, 3, H, W)."""
        return Enhancement(apply_curves(images, maps['curves']), maps)

    def loss(
        self, enhancement: Enhancement, images: Tensor, references: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The four zero-reference losses, see :class:`ZeroDCELoss`.

        Args:
            enhancement: What :meth:`forward` returned for `images`.
            images: (N, 3, H, W) RGB in [0, 1].
            references: Not used.
        """
        with torch.autocast(images.device.type, enabled=False):
            return self.scene_loss(enhancement.image, images.float(), enhancement.maps['curves'])

    def convert_weights(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The official ``e_conv1`` … ``e_conv7`` become ``convs.0`` … ``convs.6``."""
        return {_rename(name): value for name, value in state_dict.items()}


def _convolve_pair(conv: nn.Conv2d, first: Tensor, second: Tensor) -> Tensor:
    """``conv(torch.cat([first, second], dim=1))`` without the copy."""
    channels = first.shape[1]
    out = F.conv2d(first, conv.weight[:, :channels], conv.bias, padding=1)
    return out.add_(F.conv2d(second, conv.weight[:, channels:], padding=1))


def _rename(name: str) -> str:
    layer, _, kind = name.partition('.')
    number = layer.removeprefix('e_conv')
    return f'convs.{int(number) - 1}.{kind}' if number != layer and number.isdigit() else name
