"""The distance of two pictures in the eyes of VGG19."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from torch import Tensor, nn

from llv.registry import MODELS
from llv.utils.checkpoint import load_state_dict

from .self_regularized_luminance import DEVIATION, MEAN

# convolutions of each block and their channels; a pooling layer between the blocks
_BLOCKS = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))


def vgg19_convolutions() -> list[tuple[int, int, int]]:
    """Index in torchvision's ``features``, channels in and channels out of each of the 16 convolutions."""
    found, index, channels = [], 0, 3
    for count, width in _BLOCKS:
        for _ in range(count):
            found.append((index, channels, width))
            index, channels = index + 2, width  # past the ReLU
        index += 1  # past the pooling
    return found


@MODELS.register_module()
class VGG19PerceptualLoss(nn.Module):
    """κ · Σ_j w_j · mean |VGG19_j(x) − VGG19_j(y)|.

    j runs over the last convolutions of the five blocks, conv1_2, conv2_2, conv3_4, conv4_4 and conv5_4, *before* their
    ReLU: 2, 7, 16, 25 and 34 in torchvision's ``features``. TriCo (Gao and Liu, ACM MM 2024), Eq. 10, which says "conv1
    … conv5"; layers, weights and κ are those of the released code of UltraIS, the network of the same authors.

    The filters are constants: no parameters, in no checkpoint, never trained. There is no way to run without the
    weights of ImageNet: where the file is gone, the first forward says so, so what was trained with this loss is tested
    and used without the file.

    Args:
        weights: torchvision's ``vgg19-dcbb9e9d.pth``, or any state dict with its ``features``.
        factor: κ.
        layer_weights: w_j.
        sha256: What the digest of the file must begin with. None: the eight digits in the name of the file, if it ends
            in such, as torchvision's do.

    Raises:
        ValueError: The file is damaged, another one, or does not hold VGG19.
    """

    def __init__(
        self,
        weights: str,
        factor: float = 0.01,
        layer_weights: Sequence[float] = (0.1, 0.1, 1.0, 1.0, 1.0),
        sha256: str | None = None,
    ) -> None:
        super().__init__()
        if len(layer_weights) != len(_BLOCKS):
            raise ValueError(
                f'`layer_weights` must hold a number for each of the {len(_BLOCKS)} blocks of VGG19, but got '
                f'{layer_weights!r}.'
            )
        self.factor = factor
        self.layer_weights = tuple(layer_weights)
        # not buffers: nothing that saves, counts or restores the state of a model should touch 80 MB of constants
        self._filters: list[tuple[Tensor, Tensor]] = []
        self.missing: str | None = None
        file = Path(weights).expanduser()
        if file.is_file():
            _check_digest(file, sha256)
            self._filters = _filters(load_state_dict(file), str(weights))
            return
        self.missing = (
            f"The weights of VGG19 `{weights}` are not there; put torchvision's vgg19-dcbb9e9d.pth there, or set "
            '`perceptual=None` to train without this loss.'
        )
        print_log(self.missing, logger='current', level=logging.WARNING)

    def features(self, images: Tensor) -> list[Tensor]:
        """Of the five layers.

        Args:
            images: (N, 3, H, W) RGB in [0, 1], at least 16 × 16 pixels.

        Returns:
            (N, C_j, ⌊H / 2^(j−1)⌋, ⌊W / 2^(j−1)⌋) with C = 64, 128, 256, 512, 512.

        Raises:
            FileNotFoundError: The weights are missing.
            ValueError: The pictures are smaller.
        """
        if self.missing is not None:
            raise FileNotFoundError(self.missing)
        if min(images.shape[-2:]) < 16:
            raise ValueError(
                f'VGG19 halves pictures four times, but these have {images.shape[-1]} × {images.shape[-2]} pixels; '
                'train on larger crops.'
            )
        mean, deviation = (images.new_tensor(v).view(3, 1, 1) for v in (MEAN, DEVIATION))
        x = (images - mean) / deviation
        found, filters = [], iter(self._filters)
        for block, (count, _) in enumerate(_BLOCKS):
            if block:
                x = F.max_pool2d(F.relu(x), 2)
            for number in range(count):
                weight, bias = next(filters)
                x = F.conv2d(F.relu(x) if number else x, weight, bias, padding=1)
            found.append(x)
        return found

    def forward(self, images: Tensor, references: Tensor) -> Tensor:
        """A scalar; gradients reach `images` alone.

        Args:
            images: x, (N, 3, H, W) RGB around [0, 1], not clamped.
            references: y, the same shape, in [0, 1].
        """
        with torch.no_grad():
            wanted = self.features(references)
        distances = [
            weight * (a - b).abs().mean()
            for weight, a, b in zip(self.layer_weights, self.features(images), wanted, strict=True)
        ]
        return self.factor * sum(distances)

    def _apply(self, fn: Callable[[Tensor], Tensor], *args, **kwargs) -> VGG19PerceptualLoss:
        # devices and types are followed as by parameters
        self._filters = [(fn(weight), fn(bias)) for weight, bias in self._filters]
        return super()._apply(fn, *args, **kwargs)


def _filters(state_dict: Mapping[str, Tensor], name: str) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of each convolution; the classifier that may be in the file is left."""
    own = {k: v for k, v in state_dict.items() if k.startswith('features.')}
    wanted = {}
    for index, before, behind in vgg19_convolutions():
        wanted[f'features.{index}.weight'] = (behind, before, 3, 3)
        wanted[f'features.{index}.bias'] = (behind,)
    wrong = [k for k in wanted if k not in own or own[k].shape != wanted[k]]
    wrong += [k for k in own if k not in wanted]
    if wrong:
        raise ValueError(
            f"`{name}` does not hold torchvision's VGG19 (first difference: `{wrong[0]}`); give its file "
            'vgg19-dcbb9e9d.pth.'
        )
    tensors = [own[k].detach().float() for k in wanted]
    return list(zip(tensors[::2], tensors[1::2], strict=True))


def _check_digest(file: Path, sha256: str | None) -> None:
    named = re.search(r'-([0-9a-f]{8})\.pth$', file.name)
    wanted = sha256 or (named and named[1])
    if not wanted:
        return
    hashed = hashlib.sha256()
    with file.open('rb') as opened:
        while part := opened.read(1 << 20):
            hashed.update(part)
    digest = hashed.hexdigest()
    if not digest.startswith(wanted.lower()):
        raise ValueError(
            f'The SHA-256 of `{file.name}` is {digest[:8]}… and not {wanted[:8]}…: the file is damaged or another one; '
            'download it again.'
        )
