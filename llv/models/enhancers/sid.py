"""SID: the U-Net of "Learning to See in the Dark" on RGB pictures, and SID-ENC.

Chen et al., CVPR 2018, as Huang et al. (ENC, CVPR 2022) use it for exposure correction. Where
papers and released code differ, this follows the code.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llv.registry import MODELS

from .base import Enhancement
from .exposure_normalization import ENC, ENCHost

_WIDTHS = (32, 64, 128, 256, 512)


@MODELS.register_module()
class SID(ENCHost):
    """The U-Net (7 760 163 parameters), or with an ENC module as its first layer SID-ENC (7 816 883).

    Five levels between 2×2 maxima, transposed convolutions on the way back. There is no residual to
    the picture. Odd sizes need no padding: what comes up is resized to what it is joined with. The
    maxima are tied to a grid of 16 pixels, so tiles would have to keep to it and
    ``receptive_field`` is None for both.

    ``Enhancement.maps``: ``raw``, the result before the clamp. With an ENC module, in training or
    with ``distill``, its ``normalized`` and ``compensated`` features, (N, 32, H, W).

    Official names load as they are; no weights are public.

    Args:
        exposure_normalization: An ENC module in the place of the first convolution; belongs to the
            weights. None: what the weight file says, else False.
        distill: See :class:`ENCHost`; None leaves it out.
        distill_weight: γ of that term, as released.
        weights: See :class:`BaseEnhancer`.
    """

    minimum_size = 16
    first_layer = 'conv1_1'

    def __init__(
        self,
        exposure_normalization: bool | None = None,
        distill: str | None = None,
        distill_weight: float = 0.2,
        weights: str | None = None,
    ) -> None:
        super().__init__(exposure_normalization, distill, distill_weight, weights)
        channels = 3
        for level, width in enumerate(_WIDTHS, start=1):
            self.add_module(f'conv{level}_1', nn.Conv2d(channels, width, 3, padding=1))
            self.add_module(f'conv{level}_2', nn.Conv2d(width, width, 3, padding=1))
            channels = width
        if self.exposure_normalization:
            self.conv1_1 = ENC(3, _WIDTHS[0])
        for level, width in enumerate(reversed(_WIDTHS[:-1]), start=6):
            self.add_module(f'upv{level}', nn.ConvTranspose2d(2 * width, width, 2, stride=2))
            self.add_module(f'conv{level}_1', nn.Conv2d(2 * width, width, 3, padding=1))
            self.add_module(f'conv{level}_2', nn.Conv2d(width, width, 3, padding=1))
        self.conv10_1 = nn.Conv2d(_WIDTHS[0], 3, 1)
        # faster on a CPU than the default layout
        self.to(memory_format=torch.channels_last)
        self.load_weights()

    def enhance(self, images: Tensor) -> Enhancement:
        """(N, 3, H, W) RGB in [0, 1] in, the same shape out; see the class for the maps."""
        maps = {}
        x = self.conv1_1(images)
        if self.exposure_normalization:
            x, normalized = x
            if self.keeps_features:
                maps = dict(compensated=x, normalized=normalized)
            del normalized
        x = _activate(self.conv1_2(F.leaky_relu(x, 0.2)))
        skips = []
        for level in range(2, 6):
            skips.append(x)
            x = self._two(level, F.max_pool2d(x, 2))
        for level in range(6, 10):
            skip = skips.pop()
            x = self.get_submodule(f'upv{level}')(x)
            if x.shape != skip.shape:
                size = skip.shape[-2:]
                x = F.interpolate(x, size, mode='bilinear', align_corners=False)
            x = self._two(level, torch.cat([x, skip], dim=1))
        raw = self.conv10_1(x)
        return Enhancement(raw.clamp(0, 1), dict(raw=raw, **maps))

    def _two(self, level: int, x: Tensor) -> Tensor:
        """The two convolutions of a level."""
        for k in (1, 2):
            x = _activate(self.get_submodule(f'conv{level}_{k}')(x))
        return x

    def loss(
        self, enhancement: Enhancement, images: Tensor, references: Tensor | None = None
    ) -> dict[str, Tensor]:
        """``loss_mse`` of the unclamped result and, with ``distill``, ``loss_feature``.

        Args:
            enhancement: What :meth:`forward` returned for `images`.
            images: (N, 3, H, W) RGB in [0, 1].
            references: Well-lit pictures of the same scenes, the same shape.

        Raises:
            ValueError: There are no references, or they have another shape.
        """
        references = self.checked_references(references, images)
        maps = enhancement.maps
        with torch.autocast(images.device.type, enabled=False):
            losses = dict(loss_mse=F.mse_loss(maps['raw'], references))
            if self.distill is not None:
                compensated, normalized = self.reference_features(references)
                losses['loss_feature'] = self.feature_loss(
                    maps['normalized'], maps['compensated'], normalized, compensated
                )
        return losses


def _activate(features: Tensor) -> Tensor:
    """Leaky ReLU in the place of what a convolution returned, whose backward does not need it."""
    return F.leaky_relu(features, 0.2, inplace=True)
