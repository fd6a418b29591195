"""ENC: the exposure normalisation and compensation module, and what its host networks share.

Huang et al., "Exposure Normalization and Compensation for Multiple-Exposure Correction", CVPR 2022.
Where paper and released code differ, this follows the code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from llv.utils.checkpoint import load_state_dict

from ..losses.enc_feature import ENCFeatureLoss
from .base import BaseEnhancer, without_prefix

_SMALLEST_VARIANCE = 1e-12


class ENC(nn.Module):
    """Normalise features against exposure and give back what normalisation lost.

    Instance normalisation brings pictures of different exposure together; a gate mixes the
    normalised features with the others both ways, and channel weights select (released code, where
    it is called AttING).

    Args:
        in_channels: Channels that come in.
        channels: Channels that go out, even.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.norm = nn.InstanceNorm2d(channels, affine=True)
        self.norm_conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.identity_conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.gate = nn.Conv2d(2 * channels, channels, 3, padding=1, bias=False)
        # on a map of one pixel only the centres of these kernels act
        self.attn = nn.Sequential(
            nn.Conv2d(2 * channels, channels // 2, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(channels // 2, 2 * channels, 3, padding=1),
        )
        self.project = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, in_channels, H, W) in; compensated and normalised features out.

        Both are (N, channels, H, W), H · W at least 2.
        """
        embedded = self.embed(images)
        normalized = self.norm(embedded)
        pair = torch.cat([self.norm_conv(normalized), self.identity_conv(embedded)], dim=1)
        gate = F.leaky_relu(self.gate(pair), 0.1, inplace=True).sigmoid()
        a, b = pair.chunk(2, dim=1)
        mixed = torch.cat([torch.addcmul(a, gate, b), torch.addcmul(b, 1 - gate, a)], dim=1)
        weights = self.attn(_deviation_and_mean(mixed)).sigmoid()
        return self.project(mixed * weights), normalized


def _deviation_and_mean(features: Tensor) -> Tensor:
    """Population standard deviation + mean of each channel, (N, C, 1, 1).

    The square root has no gradient at 0, so a constant channel counts as deviating by 1e-6.
    """
    variance, mean = torch.var_mean(features, dim=(2, 3), correction=0, keepdim=True)
    return variance.clamp_min(_SMALLEST_VARIANCE).sqrt() + mean


class ENCHost(BaseEnhancer):
    """A network that takes ENC modules in the place of its first convolutions.

    Args:
        exposure_normalization: Whether it does; belongs to the weights. None: what the weight file
            says, else False.
        distill: Weights of a frozen earlier copy of the network, for the loss on ENC's features, see
            :class:`llv.models.losses.enc_feature.ENCFeatureLoss`. The copy is read at the first
            loss; it is in no checkpoint and no optimizer. None leaves this term out.
        distill_weight: γ of that loss.
        weights: See :class:`BaseEnhancer`.

    Raises:
        ValueError: ``distill`` without ENC modules.
    """

    #: name of the layer that is the first ENC module, or a convolution without them
    first_layer: str
    #: from official names to llv's, pairs of a regular expression and what replaces it
    official_names: tuple[tuple[str, Any], ...] = ()

    def __init__(
        self,
        exposure_normalization: bool | None,
        distill: str | None,
        distill_weight: float,
        weights: str | None,
    ) -> None:
        super().__init__(weights)
        options = self.settle_options(
            dict(exposure_normalization=False), exposure_normalization=exposure_normalization
        )
        self.exposure_normalization = bool(options['exposure_normalization'])
        if distill is not None and not self.exposure_normalization:
            raise ValueError(
                '`distill` compares features of ENC modules, so it needs '
                '`exposure_normalization=True`.'
            )
        self.distill = distill
        self.feature_loss = ENCFeatureLoss(distill_weight)
        self._teacher: list[ENC] = []  # in a list, where no state dict and no optimizer finds it

    @property
    def keeps_features(self) -> bool:
        """Whether the maps hold ENC's features; in testing they would only take memory."""
        return self.exposure_normalization and (self.training or self.distill is not None)

    def convert_weights(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Official names, with or without ``module.``, to llv's; llv's own stay."""
        return {self._rename(name): tensor for name, tensor in state_dict.items()}

    def implied_options(self) -> dict[str, Any]:
        """What the weight file says; official files show by their names which network they hold."""
        implied = super().implied_options()
        if implied or self._weights_file is None:
            return implied
        names = {self._rename(name) for name in without_prefix(load_state_dict(self._weights_file))}
        for value, name in ((True, 'embed.weight'), (False, 'weight')):
            if f'{self.first_layer}.{name}' in names:
                return dict(exposure_normalization=value)
        return {}

    def checked_references(self, references: Tensor | None, images: Tensor) -> Tensor:
        """The references in float32.

        Raises:
            ValueError: There are none, or they have another shape than the pictures.
        """
        if references is None:
            raise ValueError(
                f'`{type(self).__name__}` learns from pairs but got no `references`; give the data '
                'set well-lit pictures and the pipeline `llv.LoadReference`.'
            )
        if references.shape != images.shape:
            raise ValueError(
                f'`references` {tuple(references.shape)} must have the shape of `images` '
                f'{tuple(images.shape)}; pair pictures of one size.'
            )
        return references.float()

    def reference_features(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """(compensated, normalised) features of the frozen copy for what its first layer is fed."""
        if not self._teacher:
            # what a new network draws for its initialisation must not change the training
            with torch.random.fork_rng(devices=[]):
                copy = type(self)(exposure_normalization=True, weights=self.distill)
            if copy._weights_missing is not None:
                raise FileNotFoundError(
                    f'`distill` names no weights of an earlier copy: {copy._weights_missing}'
                )
            self._teacher.append(copy.get_submodule(self.first_layer).requires_grad_(False))
        (teacher,) = self._teacher
        with torch.no_grad():
            return teacher.to(inputs.device)(inputs)

    def _rename(self, name: str) -> str:
        for pattern, replacement in (
            ('^module\\.', ''),
            *self.official_names,
            *_OFFICIAL_ENC_NAMES,
        ):
            name = re.sub(pattern, replacement, name)
        return name


# inside an ENC module; each name is told from those of the hosts by what follows the first layer
_FIRST = r'(conv1_1|sfe1)\.'
_OFFICIAL_ENC_NAMES = (
    (_FIRST + r'conv1\.', r'\1.embed.'),
    (_FIRST + r'conv2_1\.', r'\1.norm_conv.'),
    (_FIRST + r'conv2_2\.', r'\1.identity_conv.'),
    (_FIRST + r'instance\.', r'\1.norm.'),
    (_FIRST + r'interative\.0\.', r'\1.gate.'),
    (_FIRST + r'process\.', r'\1.attn.'),
    (_FIRST + r'conv1x1\.', r'\1.project.'),
)
