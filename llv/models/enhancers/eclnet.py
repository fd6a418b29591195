"""ECLNet: exposure-consistency learning (Huang et al., ACM MM 2022)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llv.registry import MODELS

from ..losses.exposure_consistency import ECLNetLoss
from .base import BaseEnhancer, Enhancement

_WIDTH = 8
_THETA = 0.8  # how much of a difference convolution is difference
_CROSS, _DIAGONAL = (
    (1, 3, 4, 5, 7),
    (0, 2, 4, 6, 8),
)  # where the five taps lie in a 3×3 kernel, row by row
_LARGEST_MIX = 50.0

# official name -> llv's, applied in this order
_RENAMES = (
    (r'^extract\.', 'stem.'),
    (r'^dualprocess\.conv([1-5])\.', lambda match: f'blocks.{int(match[1]) - 1}.'),
    (r'^dualprocess\.cat\.', 'aggregate.'),
    (r'^dualprocess\.refine\.conv_in\.', 'refine.entry.'),
    (r'^dualprocess\.refine\.process\.0\.process\.', 'refine.body.'),
    (r'^dualprocess\.refine\.process\.0\.conv_du\.', 'refine.gate.'),
    (r'^dualprocess\.refine\.conv_last\.', 'refine.exit.'),
    (r'\.fuse1\.', '.fuse_pos.'),
    (r'\.fuse2\.', '.fuse_neg.'),
    (r'\.prcessblock\.fuse\.', '.branch.merge.'),
    (r'\.prcessblock\.', '.branch.'),
    (r'\.cdc\.h_conv\.conv\.weight$', '.cdc.cross'),
    (r'\.cdc\.d_conv\.conv\.weight$', '.cdc.diag'),
    (r'\.cdc\.HP_branch$', '.cdc.mix'),
)


@MODELS.register_module()
class ECLNet(BaseEnhancer):
    """Five bilateral-activation blocks, their outputs gathered and refined.

    A block treats what lies above and below zero in its input by one shared branch each, because under- and
    over-exposed pictures deviate to opposite sides (Section 3 of the paper). 22 450 parameters. The picture is not
    added to the result.

    Maps: ``raw``, the result before the clamp to [0, 1], (N, 3, H, W); ``feature``, the gathered outputs of the
    blocks on which consistency is asked for, (N, 8, H, W).

    Kernels that act one after the other without anything between them are multiplied out, so results differ from the
    published ones by rounding (up to 2e-6).

    Args:
        weights: See :class:`BaseEnhancer`.
        scene_loss: Config of the loss, ``llv.ECLNetLoss`` by default; it needs references.
    """

    minimum_size = 2  # the normalisation knows no deviation of one pixel

    def __init__(self, weights: str | None = None, scene_loss: dict | None = None) -> None:
        super().__init__(weights)
        self.stem = nn.Conv2d(3, _WIDTH, 3, padding=1)
        self.blocks = nn.ModuleList(BilateralActivation(_WIDTH) for _ in range(5))
        self.aggregate = nn.Conv2d(5 * _WIDTH, _WIDTH, 1)
        self.refine = Refinement(_WIDTH)
        self.scene_loss = ECLNetLoss() if scene_loss is None else MODELS.build(scene_loss)
        self.load_weights()

    def enhance(self, images: Tensor) -> Enhancement:
        """(N, 3, H, W) in [0, 1] in, the same shape out."""
        x = self.stem(images)
        parts = self.aggregate.weight.split(_WIDTH, dim=1)
        feature = self.aggregate.bias.view(1, -1, 1, 1)
        for block, part in zip(self.blocks, parts, strict=True):
            x = block(x)
            feature = F.conv2d(x, part).add_(feature)
        raw = self.refine(feature).add_(1e-5)
        return Enhancement(raw.clamp(0, 1), dict(raw=raw, feature=feature))

    def loss(
        self, enhancement: Enhancement, images: Tensor, references: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The supervised loss; see ``llv.ECLNetLoss``.

        Runs the network once more, on the pictures with a square mixed towards the reference. The square is drawn
        from torch's random numbers on the CPU, so a seed settles it on every device.
        """
        if references is None:
            raise ValueError(
                '`ECLNet` is trained with well-lit `references`, but the batch has none; load them with '
                '`llv.LoadReference`, or train it with a task loss.'
            )
        mixed_feature = None
        if self.scene_loss.consistency_weight:
            mixed = self.scene_loss.mix(images, references)
            mixed_feature = self(mixed).maps['feature']
        return self.scene_loss(
            enhancement.image, references, enhancement.maps['feature'], mixed_feature
        )

    def convert_weights(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Rename official tensors; other files pass through.

        The mixing numbers, created uninitialised in the official code (one is 5e31), are limited to ±50, where their
        sigmoid is 0 or 1 already and half precision still holds them.
        """
        names = (name.removeprefix('module.') for name in state_dict)
        official = dict(zip(names, state_dict.values(), strict=True))
        if 'extract.weight' not in official:
            return state_dict
        renamed = {}
        for name, tensor in official.items():
            for pattern, replacement in _RENAMES:
                name = re.sub(pattern, replacement, name)
            if name.endswith('.cdc.mix'):
                tensor = tensor.clamp(-_LARGEST_MIX, _LARGEST_MIX)
            renamed[name] = tensor
        return renamed


class BilateralActivation(nn.Module):
    """x + post of two fusions of the normalised input with what a branch makes of max(x, 0) and max(-x, 0).

    Args:
        width: Channels in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(width, affine=True)
        self.branch = Branch(width)
        self.fuse_pos = nn.Conv2d(2 * width, width, 1)
        self.fuse_neg = nn.Conv2d(2 * width, width, 1)
        self.post = nn.Sequential(
            nn.Conv2d(2 * width, width, 3, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) in and out, at least two pixels."""
        normal = self.norm(x)
        kernel = self.branch.kernel()
        above = _join(self.fuse_pos, normal, self.branch(x.relu(), kernel))
        below = _join(self.fuse_neg, normal, self.branch((-x).relu_(), kernel).neg())
        del normal
        both = torch.cat([above, below], 1)
        del above, below
        return self.post(both).add_(x)


class Branch(nn.Module):
    """Two convolutions beside a difference convolution, merged.

    Args:
        width: Channels in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
        )
        self.cdc = DifferenceKernel(width)
        self.merge = nn.Conv2d(2 * width, width, 1)

    def kernel(self) -> Tensor:
        """The difference convolution with its half of the merging convolution behind it, (width, width, 3, 3)."""
        half = self.merge.weight[:, self.merge.out_channels :, 0, 0]
        return torch.einsum('om,micd->oicd', half, self.cdc())

    def forward(self, x: Tensor, kernel: Tensor) -> Tensor:
        """(N, width, H, W) in and out; `kernel` is that of :meth:`kernel`."""
        first = self.merge.weight[:, : self.merge.out_channels]
        differences = F.conv2d(x, kernel, padding=1)
        return F.conv2d(self.conv(x), first, self.merge.bias).add_(differences)


class DifferenceKernel(nn.Module):
    """The kernel of the cross-central difference convolution and the identity beside it.

    A cross and a diagonal kernel of five taps each; 0.8 times the sum of its taps is taken off the centre of each, so
    that they answer to differences. The two are mixed by one learned number.

    Args:
        width: Channels in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cross = nn.Parameter(torch.empty(width, width, 1, 5))
        self.diag = nn.Parameter(torch.empty(width, width, 1, 5))
        for taps in (self.cross, self.diag):
            nn.init.kaiming_uniform_(taps, a=5**0.5)  # the default of convolutions
        self.mix = nn.Parameter(torch.zeros(1))  # uninitialised memory in the official code
        for name, places in (('to_cross', _CROSS), ('to_diag', _DIAGONAL)):
            places = F.one_hot(torch.tensor(places), 9).float()
            places[:, 4] -= _THETA
            self.register_buffer(name, places, persistent=False)

    def forward(self) -> Tensor:
        """(width, width, 3, 3)."""
        share = self.mix.sigmoid()
        kernel = share * (self.cross @ self.to_cross) + (1 - share) * (self.diag @ self.to_diag)
        kernel = kernel.view(*self.cross.shape[:2], 3, 3)
        identity = torch.eye(len(kernel), dtype=kernel.dtype, device=kernel.device)
        return kernel + F.pad(identity[..., None, None], (1, 1, 1, 1))


class Refinement(nn.Module):
    """From the gathered feature to RGB.

    The gate multiplies the **mean** over the picture and the product is spread over all pixels; the weights rely on it.

    Args:
        width: Channels in.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.entry = nn.Conv2d(width, width, 3, padding=1)
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
        )
        self.gate = nn.Sequential(
            nn.Conv2d(width, width // 4, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width // 4, width, 1),
            nn.Sigmoid(),
        )
        self.exit = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) in, (N, 3, H, W) out."""
        x = self.entry(x)
        pooled = self.body(x).mean((2, 3), keepdim=True)
        return self.exit(x + self.gate(pooled) * pooled)


def _join(conv: nn.Conv2d, a: Tensor, b: Tensor) -> Tensor:
    """A 1×1 convolution of [a, b] without the copy that concatenates them."""
    first, second = conv.weight.split(a.shape[1], dim=1)
    return F.conv2d(a, first, conv.bias).add_(F.conv2d(b, second))
