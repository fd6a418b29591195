"""DRBN: deep recursive band network, its first stage (recursive band learning).

Yang et al., "From Fidelity to Perceptual Quality: A Semi-Supervised Approach for Low-Light Image
Enhancement", CVPR 2020; with ENC modules: Huang et al., CVPR 2022. Where papers and released code
differ, this follows the code, which the published weights need.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llv.registry import MODELS

from ..losses.strided_ssim import StridedSSIMLoss
from .base import Enhancement
from .exposure_normalization import ENC, ENCHost

_RECURRENCES = 4
_CHANNELS = 16
_GROWTH = 8
_DIVISOR = 4


class Bands(NamedTuple):
    """Features of one recurrence at full, half and quarter size: 16, 16 and 32 channels."""

    full: Tensor
    half: Tensor
    quarter: Tensor


class ResidualDenseBlock(nn.Module):
    """Four convolutions that each see all that came before, a 1×1 fusion, and the input added.

    Args:
        channels: Of the input and of the output.
        growth: Channels that each convolution adds.
    """

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(channels + i * growth, growth, 3, padding=1) for i in range(4)
        )
        self.local_fusion = nn.Conv2d(channels + 4 * growth, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) in, the same shape out."""
        features = x
        for layer in self.layers:
            features = torch.cat([features, layer(features).relu_()], dim=1)
        return self.local_fusion(features) + x


class Recurrence(nn.Module):
    """One recurrence: bands of a picture at three sizes, from coarse to fine, and their pictures.

    Args:
        exposure_normalization: An ENC module in the place of the first convolution.
    """

    def __init__(self, exposure_normalization: bool) -> None:
        super().__init__()
        wide = 2 * _CHANNELS
        self.sfe1 = (
            ENC(6, _CHANNELS) if exposure_normalization else nn.Conv2d(6, _CHANNELS, 3, padding=1)
        )
        self.sfe2 = nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1)
        self.rdbs = nn.ModuleList(
            ResidualDenseBlock(width * _CHANNELS, width * _GROWTH) for width in (1, 1, 2, 2, 1, 1)
        )
        self.down1 = nn.Conv2d(_CHANNELS, _CHANNELS, 3, stride=2, padding=1)
        self.down2 = nn.Conv2d(_CHANNELS, wide, 3, stride=2, padding=1)
        self.up1 = nn.ConvTranspose2d(_CHANNELS, _CHANNELS, 4, stride=2, padding=1)
        self.up2 = nn.ConvTranspose2d(wide, _CHANNELS, 4, stride=2, padding=1)
        self.to_rgb1 = _to_rgb(_CHANNELS)
        self.to_rgb2 = _to_rgb(_CHANNELS)
        self.to_rgb4 = _to_rgb(wide)

    def forward(
        self, inputs: Tensor, previous: Bands | None, with_features: bool = False
    ) -> tuple[Bands, tuple[Tensor, Tensor, Tensor], tuple[Tensor, Tensor] | None]:
        """Sizes must be multiples of four.

        Args:
            inputs: (N, 6, H, W), the previous result and the picture.
            previous: The bands of the previous recurrence, None in the first.
            with_features: Return the features of the ENC module, too.

        Returns:
            The bands; the results r1, r2, r4 at full, half and quarter size, (N, 3, …), unclamped;
            the compensated and normalised features of the ENC module or None.
        """
        features = None
        if isinstance(self.sfe1, ENC):
            shallow, normalized = self.sfe1(inputs)
            if with_features:
                features = (shallow, normalized)
            del normalized
            a = self.sfe2(shallow.relu()).relu_()
        else:
            shallow = self.sfe1(inputs).relu_()
            a = self.sfe2(shallow).relu_()
        b = self.down1(self.rdbs[0](a))
        # the coarse bands do not need `a` any more: added up now, three full-size tensors become one.
        # With ENC, `shallow` keeps its negative values here.
        a = _add(a + shallow, previous and previous.full)
        del shallow
        c = self.down2(self.rdbs[1](b))
        c = _add(c + self.rdbs[3](self.rdbs[2](c)), previous and previous.quarter)
        b = _add(b + self.rdbs[4](self.up2(c)), previous and previous.half)
        del previous
        a = a + self.rdbs[5](self.up1(b))
        r4 = self.to_rgb4(c)
        r2 = self.to_rgb2(b) + _double(r4)
        r1 = self.to_rgb1(a) + _double(r2)
        return Bands(a, b, c), (r1, r2, r4), features


@MODELS.register_module()
class DRBN(ENCHost):
    """DRBN (557 668 parameters), or with an ENC module in each recurrence DRBN-ENC-4 (612 228).

    Four recurrences with weights of their own; each is fed the previous result and the picture, and
    adds the features of the one before to its own. There is no residual to the picture. Sides that
    are no multiples of four are padded by replication, below and to the right, and cropped back;
    the authors of ENC enlarge such pictures instead (``llv.EnlargeToMultiple``). Tiling would also
    have to keep to multiples of four, so ``receptive_field`` is None for both.

    The official file of DRBN, ``model_s1.pt``, loads as it is. No weights of DRBN-ENC are public.

    ``Enhancement.maps``: ``raw``, the result of the last recurrence before the clamp; ``half`` and
    ``quarter``, its results at smaller sizes, (N, 3, ⌈H/2⌉, ⌈W/2⌉) and (N, 3, ⌈H/4⌉, ⌈W/4⌉). With
    ENC modules, in training or with ``distill``, ``normalized`` and ``compensated`` features of the
    first recurrence, (N, 16, H, W).

    Args:
        exposure_normalization: ENC modules in the place of the first convolutions; belongs to the
            weights. None: what the weight file says, else False.
        distill: See :class:`ENCHost`; None, as released for SICE, leaves it out.
        distill_weight: γ of that term; as released for MSEC.
        weights: See :class:`BaseEnhancer`.
    """

    first_layer = 'recurrence.0.sfe1'
    official_names = (
        (r'^recur([1-4])\.', lambda match: f'recurrence.{int(match[1]) - 1}.'),
        (r'\.SFENet([12])\.', r'.sfe\1.'),
        (r'\.RDBs\.(\d)\.convs\.(\d)\.conv\.0\.', r'.rdbs.\1.layers.\2.'),
        (r'\.RDBs\.(\d)\.LFF\.', r'.rdbs.\1.local_fusion.'),
        (r'\.UPNet\.', '.to_rgb1.'),
        (r'\.UPNet([24])\.', r'.to_rgb\1.'),
        (r'\.Down([12])\.', r'.down\1.'),
        (r'\.Up([12])\.', r'.up\1.'),
    )

    def __init__(
        self,
        exposure_normalization: bool | None = None,
        distill: str | None = None,
        distill_weight: float = 0.1,
        weights: str | None = None,
    ) -> None:
        super().__init__(exposure_normalization, distill, distill_weight, weights)
        self.recurrence = nn.ModuleList(
            Recurrence(self.exposure_normalization) for _ in range(_RECURRENCES)
        )
        self.ssim_loss = StridedSSIMLoss()
        # a third faster on a CPU than the default layout
        self.to(memory_format=torch.channels_last)
        self.load_weights()

    def enhance(self, images: Tensor) -> Enhancement:
        """(N, 3, H, W) RGB in [0, 1] in, the same shape out; see the class for the maps."""
        height, width = images.shape[-2:]
        images = _pad(images)
        inputs = torch.cat([images, images], dim=1)
        bands, (result, half, quarter), features = self.recurrence[0](
            inputs, None, self.keeps_features
        )
        for recurrence in self.recurrence[1:]:
            inputs = torch.cat([result, images], dim=1)
            bands, (result, half, quarter), _ = recurrence(inputs, bands)
        maps = dict(
            raw=result[..., :height, :width],
            half=half[..., : -(-height // 2), : -(-width // 2)],
            quarter=quarter[..., : -(-height // 4), : -(-width // 4)],
        )
        if features is not None:
            maps['compensated'], maps['normalized'] = (f[..., :height, :width] for f in features)
        return Enhancement(maps['raw'].clamp(0, 1), maps)

    def loss(
        self, enhancement: Enhancement, images: Tensor, references: Tensor | None = None
    ) -> dict[str, Tensor]:
        """``loss_ssim`` over the three sizes and, with ``distill``, ``loss_feature``.

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
            results = [maps[name] for name in ('raw', 'half', 'quarter')]
            losses = dict(loss_ssim=self.ssim_loss(results, references))
            if self.distill is not None:
                height, width = references.shape[-2:]
                padded = _pad(references)
                compensated, normalized = (
                    features[..., :height, :width]
                    for features in self.reference_features(torch.cat([padded, padded], dim=1))
                )
                losses['loss_feature'] = self.feature_loss(
                    maps['normalized'], maps['compensated'], normalized, compensated
                )
        return losses


def _to_rgb(channels: int) -> nn.Sequential:
    """Two convolutions without an activation between them."""
    return nn.Sequential(
        nn.Conv2d(channels, _CHANNELS, 3, padding=1), nn.Conv2d(_CHANNELS, 3, 3, padding=1)
    )


def _add(features: Tensor, previous: Tensor | None) -> Tensor:
    return features if previous is None else features + previous


def _double(images: Tensor) -> Tensor:
    return F.interpolate(images, scale_factor=2, mode='bilinear', align_corners=False)


def _pad(images: Tensor) -> Tensor:
    """Replicate the last row and column until the sides are multiples of four."""
    height, width = images.shape[-2:]
    missing = (0, -width % _DIVISOR, 0, -height % _DIVISOR)
    return F.pad(images, missing, mode='replicate') if any(missing) else images
