"""PSENet: a gamma map for every pixel and channel, learnt from pseudo ground truth.

Nguyen et al., "PSENet: Progressive Self-Enhancement Network for Unsupervised Extreme-Light Image Enhancement", WACV
2023. Where paper and released code differ, this follows the code, which the published weights need.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llv.registry import MODELS

from ..losses.pseudo_target import PseudoTarget
from ..losses.pseudo_target_loss import PseudoTargetLoss
from .base import Enhancement
from .map_based import MapBasedEnhancer

_SLOPE = 0.01
# of the widest tensor of a strip: larger ones leave the cache and, worse, go back to the system after each use
_STRIP_BYTES = 4 * 2**20


class Block(nn.Module):
    """Expand by 1×1, filter each channel by 3×3 over reflected borders, project by 1×1, all with biases.

    With `squeeze`, each filtered channel is multiplied by a factor that two 1×1 convolutions make of the means of all
    channels. The factors have no bounds and no fixed sign: there is no sigmoid. The input is added where it has the
    shape of the result.

    Args:
        inputs: Channels in.
        hidden: Channels between.
        outputs: Channels out.
        stride: 1, or 2 to halve height and width (rounded up).
        squeeze: Look at the whole picture.
    """

    def __init__(
        self, inputs: int, hidden: int, outputs: int, stride: int = 1, squeeze: bool = False
    ) -> None:
        super().__init__()
        self.expand = nn.Conv2d(inputs, hidden, 1)
        # the border is reflected before the expansion, which is the same for fewer channels
        self.depthwise = nn.Conv2d(hidden, hidden, 3, stride=stride, groups=hidden)
        self.squeeze = nn.Conv2d(hidden, hidden, 1) if squeeze else None
        self.excite = nn.Conv2d(hidden, hidden, 1) if squeeze else None
        self.project = nn.Conv2d(hidden, outputs, 1)
        self.stride = stride
        self.adds_input = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) in, H and W at least 2; (N, outputs, ⌈H/stride⌉, ⌈W/stride⌉) out."""
        filtered = (self._filter(strip) for strip in self._strips(x))
        if self.squeeze is not None:
            filtered = self._excited(list(filtered))
        parts = [self.project(F.leaky_relu(part, _SLOPE, inplace=True)) for part in filtered]
        result = parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
        return result + x if self.adds_input else result

    def _strips(self, x: Tensor) -> Iterator[Tensor]:
        """The input with its border, in horizontal strips that overlap by what the filter reaches over.

        There is one strip only where gradients are wanted, on accelerators, and while a graph is recorded.
        """
        padded = F.pad(x, (1, 1, 1, 1), mode='reflect')
        height = math.ceil(x.shape[2] / self.stride)
        rows = height
        recording = torch.jit.is_tracing() or torch.compiler.is_compiling()
        if x.device.type == 'cpu' and not (torch.is_grad_enabled() or recording):
            row_bytes = 4 * x.shape[0] * self.expand.out_channels * padded.shape[3] * self.stride
            rows = max(_STRIP_BYTES // row_bytes, 1)
        for top in range(0, height, rows):
            last = min(top + rows, height) - 1
            yield padded[:, :, top * self.stride : last * self.stride + 3]

    def _filter(self, padded: Tensor) -> Tensor:
        """Everything up to the depthwise convolution, whose kernel on a CPU is faster in this layout by far."""
        hidden = F.leaky_relu(self.expand(padded), _SLOPE, inplace=True)
        if hidden.device.type == 'cpu':
            hidden = hidden.contiguous(memory_format=torch.channels_last)
        return self.depthwise(hidden)

    def _excited(self, parts: list[Tensor]) -> list[Tensor]:
        """Multiply the channels of all strips by the factors of the whole picture."""
        # 1×1 convolutions of so few channels are faster in this layout
        parts = [part.contiguous() for part in parts]
        total = sum(part.sum(dim=(2, 3), keepdim=True) for part in parts)
        means = total / sum(part.shape[2] * part.shape[3] for part in parts)
        factors = self.excite(self.squeeze(means).relu())
        if torch.is_grad_enabled():
            return [part * factors for part in parts]
        return [part.mul_(factors) for part in parts]


@MODELS.register_module()
class PSENet(MapBasedEnhancer):
    """u = 1 − (1 − y)^γ with a gamma map γ ≥ 0 for every pixel and channel; 15 251 parameters.

    γ > 1 brightens and γ < 1 darkens. Black and white are fixed points: a saturated area stays as it is. The network
    has no normalisation and no dropout, and two global means, so tiles or padding change the result everywhere.
    Pictures are lit at their own size.

    The official files (Lightning checkpoints) load as they are, without Lightning.

    ``Enhancement.maps``: ``gamma`` (N, 3, H, W).

    Args:
        width: Factor of the channels between the first and the last block, which stay as they are; the paper tries
            0.5, 1 and 2. None: that of the weights, else 1.
        estimate_scale: See :class:`MapBasedEnhancer`.
        scene_loss: Config of the loss, called with the enhancement and its target; :class:`PseudoTargetLoss` with a
            weight of 5 if None (published for SICE; 500 for MSEC).
        pseudo_target: Config of the targets where pictures have no references; :class:`PseudoTarget` if None.
        weights: See :class:`BaseEnhancer`.

    Raises:
        ValueError: `width` is not positive, or contradicts the weight file.
    """

    minimum_size = 5  # a quarter of it must be 2 pixels, or there is nothing to reflect

    def __init__(
        self,
        width: float | None = None,
        estimate_scale: float = 1.0,
        scene_loss: dict | None = None,
        pseudo_target: dict | None = None,
        weights: str | None = None,
    ) -> None:
        super().__init__(weights, estimate_scale)
        width = self.settle_options(dict(width=1.0), width=width)['width']
        if not 0 < width < math.inf:
            raise ValueError(f'`width` must be a positive number, but got {width}.')
        c16, c24, c32, c48 = (max(round(width * channels), 1) for channels in (16, 24, 32, 48))
        self.stem = Block(3, 6, 3, squeeze=True)
        self.down1 = Block(3, c24, c16, stride=2)
        self.enc1 = Block(c16, c24, c16)
        self.down2 = Block(c16, c48, c32, stride=2)
        self.mid1 = Block(c32, c48, c32)
        self.mid2 = Block(c32, c48, c16)
        self.dec1 = Block(2 * c16, c48, c16)
        self.dec2 = Block(c16, c24, 3)
        self.head = Block(6, 9, 3, squeeze=True)
        self.scene_loss = PseudoTargetLoss() if scene_loss is None else MODELS.build(scene_loss)
        self.pseudo_target = (
            PseudoTarget() if pseudo_target is None else MODELS.build(pseudo_target)
        )
        self.load_weights()

    def estimate_maps(self, images: Tensor) -> dict[str, Tensor]:
        """``gamma``: |r + 1| of the U-shaped network's result r, (N, 3, h, w)."""
        stem = self.stem(images)
        fine = self.enc1(self.down1(stem))
        coarse = self.mid2(self.mid1(self.down2(fine)))
        fine = self.dec1(torch.cat((fine, _upsample(coarse, fine)), dim=1))
        del coarse
        result = self.dec2(fine)
        del fine
        result = self.head(torch.cat((stem, _upsample(result, stem)), dim=1))
        return dict(gamma=(result + 1).abs())

    def apply_maps(self, images: Tensor, maps: dict[str, Tensor]) -> Enhancement:
        """1 − (1 − y)^γ, in [0, 1] by itself; with respect to a white pixel the gradient is 0."""
        rest = (1 - images).clamp_(0, 1)  # above 1 a picture would give NaN
        if not torch.is_grad_enabled():
            return Enhancement(rest.pow_(maps['gamma']).neg_().add_(1), maps)
        if images.requires_grad:
            # d(rest^γ) is infinite at 0 for γ < 1
            white = rest == 0
            rest = rest.masked_fill(white, 1).pow(maps['gamma']).masked_fill(white, 0)
            return Enhancement(1 - rest, maps)
        return Enhancement(1 - rest.pow(maps['gamma']), maps)

    def loss(
        self, enhancement: Enhancement, images: Tensor, references: Tensor | None = None
    ) -> dict[str, Tensor]:
        """``loss_pixel`` against the references and ``loss_smooth`` of the gamma map.

        Args:
            enhancement: What :meth:`forward` returned for `images`.
            images: (N, 3, H, W) RGB in [0, 1], sides of at least 13 pixels where there are no references.
            references: (N, 3, H, W) RGB in [0, 1]: pseudo targets of :class:`llv.models.PseudoTargetModel`, which
                gives the published training, or real ones. Without them, targets are made here with the enhancement
                itself among the candidates: training without the published lag of one step.
        """
        with torch.autocast(images.device.type, enabled=False):
            if references is None:
                references = self.pseudo_target(images.float(), enhancement.image.detach()).image
            return self.scene_loss(enhancement, references, images)

    def convert_weights(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Official names to llv's."""
        return rename_official(state_dict)


def _upsample(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[-2:], mode='bilinear', align_corners=True)


_BLOCKS = dict(
    first_conv='stem',
    conv1='down1',
    conv2='enc1',
    conv3='down2',
    conv5='mid1',  # there is no conv4
    conv6='mid2',
    conv7='dec1',
    conv8='dec2',
    last_conv='head',
)
_LAYERS = {
    '0': 'expand',
    '2': 'depthwise',
    '3.fc.0': 'squeeze',
    '3.fc.2': 'excite',
    '5': 'project',
}
_OFFICIAL_NAME = re.compile(r'(?:model\.)?(\w+)\.conv\.(0|2|3\.fc\.0|3\.fc\.2|5)\.(weight|bias)')


def rename_official(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of an official weight file the names they have in :class:`PSENet`; others keep theirs."""
    renamed = {}
    for name, value in state_dict.items():
        match = _OFFICIAL_NAME.fullmatch(name)
        if match and match[1] in _BLOCKS:
            name = f'{_BLOCKS[match[1]]}.{_LAYERS[match[2]]}.{match[3]}'
        renamed[name] = value
    return renamed
