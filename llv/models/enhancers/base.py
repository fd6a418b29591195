"""What every enhancer is: a picture in, a lit picture and its maps out."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor

from llv.utils.checkpoint import load_state_dict

# where an enhancer sits in the checkpoints that llv writes: behind a detector, alone, or bare
_PREFIXES = ('data_preprocessor.enhancer.', 'enhancer.')


@dataclass
class Enhancement:
    """What an enhancer returns.

    Attributes:
        image: (N, 3, s·H, s·W) float32 RGB in [0, 1], clamped; s is the enhancer's ``scale``.
        maps: Named intermediate tensors for losses and pictures, such as ``illumination`` or ``gamma``. Where the
            published network does not clamp, ``raw`` is its untouched result.
    """

    image: Tensor
    maps: dict[str, Tensor] = field(default_factory=dict)


class BaseEnhancer(BaseModule):
    """An enhancer: low-light pictures in, lit pictures out.

    Subclasses build their layers, call :meth:`load_weights` as the last line of their constructor and write
    :meth:`enhance`; those that can be trained without labels also write :meth:`loss`.

    Weights are an argument of the constructor and never an ``init_cfg``: only ``Runner.train`` honours that one, so
    testing and the inferencers would run random weights in silence.

    An enhancer keeps its tensors in the types it was built with (float32): ``model.half()``, ``bfloat16()``,
    ``double()`` or ``to(dtype)`` cast what is around it, and only devices are followed.

    Args:
        weights: Weight file: the official file of the method, or any checkpoint of llv that holds this enhancer.
            None starts from the initialisation. A file that is gone is an error at the first forward unless a
            checkpoint has filled the enhancer meanwhile, so that a trained detector outlives the file it
            started from.

    Attributes:
        scale: Output size / input size.
        minimum_size: Smaller pictures are padded by replication and cropped back; larger ones are never padded.
        receptive_field: In pixels, or None where it is the whole picture (then tiling changes the result).
    """

    scale: int = 1
    minimum_size: int = 1
    receptive_field: int | None = None

    def __init__(self, weights: str | None = None) -> None:
        super().__init__()
        self.weights = None if weights is None else str(weights)
        self._weights_missing = False

    @abstractmethod
    def enhance(self, images: Tensor) -> Enhancement:
        """Light a batch.

        Args:
            images: (N, 3, H, W) float32 RGB in [0, 1], H and W at least ``minimum_size``.
        """

    def forward(self, images: Tensor) -> Enhancement:
        """Light a batch of pictures of one size.

        Runs in float32 also under autocast: divisions by small illuminations and exponentials do not survive half
        precision.

        Args:
            images: (N, 3, H, W) floating point RGB in [0, 1], any H and W of at least one pixel.

        Raises:
            TypeError, ValueError: `images` is no such tensor.
            FileNotFoundError: The file named by ``weights`` was missing and nothing has filled the enhancer since.
        """
        if not isinstance(images, Tensor) or not images.is_floating_point():
            kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
            raise TypeError(
                f'`images` must be a floating point tensor in [0, 1], but got {kind}; divide 8-bit pictures by 255.'
            )
        if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
            raise ValueError(
                f'`images` must be RGB of shape (N, 3, H, W) with at least one pixel, but got {tuple(images.shape)}.'
            )
        if self._weights_missing:
            raise FileNotFoundError(
                f'The weight file `{self.weights}` of `{type(self).__name__}` is not there and no checkpoint has '
                'filled the enhancer; give the right `weights` or load a checkpoint that holds it.'
            )
        with torch.autocast(images.device.type, enabled=False):
            images = images.float()
            height, width = images.shape[-2:]
            pad_h = max(self.minimum_size - height, 0)
            pad_w = max(self.minimum_size - width, 0)
            if not (pad_h or pad_w):
                return self.enhance(images)
            padded = F.pad(images, (0, pad_w, 0, pad_h), mode='replicate')
            enhancement = self.enhance(padded)
            enhancement.image = _crop(enhancement.image, padded, height, width)
            for name, value in enhancement.maps.items():
                enhancement.maps[name] = _crop(value, padded, height, width)
            return enhancement

    def loss(
        self, enhancement: Enhancement, images: Tensor, references: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The scene loss ℓ_s of a batch.

        Args:
            enhancement: What :meth:`forward` returned for `images`, attached to the graph.
            images: (N, 3, H, W) RGB in [0, 1].
            references: Well-lit pictures of the same scenes, (N, 3, s·H, s·W) RGB in [0, 1], for supervised losses.

        Returns:
            Scalars whose names start with ``loss``.
        """
        raise TypeError(
            f'`{type(self).__name__}` has no scene loss; train it with the task loss or choose another enhancer.'
        )

    def convert_weights(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Rename the tensors of an official weight file to llv's names; other files pass through."""
        return state_dict

    def load_weights(self) -> None:
        """Read ``weights`` strictly; to be called at the end of a subclass's constructor.

        Raises:
            ValueError: The file is damaged, refused, or belongs to another network.
        """
        if self.weights is None:
            return
        if not Path(self.weights).expanduser().is_file():
            self._weights_missing = True
            print_log(
                f'The weight file `{self.weights}` of `{type(self).__name__}` is not there; a checkpoint that holds '
                'the enhancer must be loaded before it is used.',
                logger='current',
                level=logging.WARNING,
            )
            return
        state_dict = without_prefix(load_state_dict(self.weights))
        state_dict = self.convert_weights(state_dict)
        own = self.state_dict()
        wrong = [
            name for name in own if name in state_dict and state_dict[name].shape != own[name].shape
        ]
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        if wrong or missing or unexpected:
            first = (wrong + missing + unexpected)[0]
            raise ValueError(
                f'`{self.weights}` holds the weights of another network than this `{type(self).__name__}`: '
                f'{len(missing)} tensors are missing, {len(unexpected)} are unknown, {len(wrong)} have another shape '
                f'(first: `{first}`); choose the file or the options that belong together.'
            )
        self.load_state_dict(state_dict)
        print_log(
            f'Loaded {len(own)} tensors of {type(self).__name__} from {self.weights}.',
            logger='current',
        )

    def _apply(self, fn: Callable[[Tensor], Tensor], *args, **kwargs) -> BaseEnhancer:
        # every cast and every move of a module and of what it stands in comes through here
        def keep_type(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        return super()._apply(keep_type, *args, **kwargs)

    def _load_from_state_dict(self, state_dict: Mapping[str, Tensor], prefix: str, *args) -> None:
        # called for every load, also by mmengine's own loader, with the place of this module in the model: once a
        # checkpoint brings every tensor, the missing file does not matter any more
        if all(prefix + name in state_dict for name in self.state_dict()):
            self._weights_missing = False
        super()._load_from_state_dict(state_dict, prefix, *args)


def without_prefix(state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The enhancer's part of a checkpoint."""
    for prefix in _PREFIXES:
        part = {k[len(prefix) :]: v for k, v in state_dict.items() if k.startswith(prefix)}
        if part:
            return part
    return state_dict


def _crop(tensor: Tensor, padded: Tensor, height: int, width: int) -> Tensor:
    """Undo the padding on a tensor of the padded size or a multiple of it; others pass through."""
    if (
        tensor.ndim != 4
        or tensor.shape[-2] % padded.shape[-2]
        or tensor.shape[-1] % padded.shape[-1]
    ):
        return tensor
    return tensor[
        ...,
        : height * (tensor.shape[-2] // padded.shape[-2]),
        : width * (tensor.shape[-1] // padded.shape[-1]),
    ]
