"""What every enhancer is: a picture in, a lit picture and its maps out."""

from __future__ import annotations

import logging
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from llv.utils.checkpoint import load_state_dict

from . import published
from .options import pack_options, same_option, unpack_options

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
        weights: A name in the table of published weights (``llv.models.enhancers.published``), or a file: the
            official one of the method, or any checkpoint of llv that holds this enhancer. None starts from the
            initialisation. A file that is gone, or cannot be fetched, is an error at the first forward unless a
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
        self._options: dict[str, Any] | None = None
        self._weights_missing: str | None = None  # a sentence that says what is wrong
        self._weights_file: Path | None = None
        self._weights_row: published.PublishedWeights | None = None
        if self.weights is not None:
            self._locate_weights()

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
            images: (N, 3, H, W) floating point RGB in [0, 1], any H and W of at least one pixel; values outside count
                as 0 or 1.

        Raises:
            TypeError, ValueError: `images` is no such tensor, or holds NaN.
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
        if self._weights_missing is not None:
            raise FileNotFoundError(
                f'`{type(self).__name__}` has no weights, and no checkpoint has filled it: {self._weights_missing}'
            )
        with torch.autocast(images.device.type, enabled=False):
            images = _in_range(images.float())
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

    def check_options(self, theirs: Mapping[str, Any]) -> None:
        """Compare the options of a checkpoint that is being loaded with those of this enhancer.

        Raises:
            ValueError: They differ, so the tensors would be used by another network than they were made for.
        """
        for name, own in (self._options or {}).items():
            if name in theirs and not same_option(own, theirs[name]):
                raise ValueError(
                    f'The checkpoint was made with `{name}={theirs[name]!r}`, but this `{type(self).__name__}` has '
                    f'{own!r}; build it with the options of the checkpoint.'
                )

    def convert_weights(self, state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Rename the tensors of an official weight file to llv's names; other files pass through."""
        return state_dict

    def implied_options(self) -> dict[str, Any]:
        """What the weight file says about the options that belong to it; empty where it says nothing."""
        if self._weights_file is None:
            return {}
        if self._weights_row is not None and self._weights_row.options:
            return dict(self._weights_row.options)
        state_dict = without_prefix(load_state_dict(self._weights_file))
        if 'options' not in state_dict:
            return {}
        return unpack_options(state_dict['options'], f'`{self.weights}`')

    def settle_options(self, defaults: Mapping[str, Any], **asked: Any) -> dict[str, Any]:
        """Settle the options that belong to the weights, and keep them in the checkpoints.

        Those that are None take what the weight file says, else their default. They travel in the state dict as the
        buffer ``options``, so that a checkpoint of llv builds the network it was made with.

        Args:
            defaults: Default of each option.
            asked: What the user asked for, None for nothing.

        Returns:
            The settled options.

        Raises:
            ValueError: The user asks for what contradicts the weight file.
        """
        implied = self.implied_options()
        self.refuse_contradictions(implied, **asked)
        settled = {
            name: next(v for v in (asked.get(name), implied.get(name), default) if v is not None)
            for name, default in defaults.items()
        }
        self._options = settled
        self.register_buffer('options', pack_options(settled))
        return settled

    def refuse_contradictions(self, implied: Mapping[str, Any], **asked: Any) -> None:
        """Compare what the user asks for with what the weight file says.

        Raises:
            ValueError: They differ.
        """
        for name, value in asked.items():
            theirs = implied.get(name)
            if value is not None and theirs is not None and not same_option(value, theirs):
                raise ValueError(
                    f'`{name}={value!r}` contradicts `{self.weights}`, which was made with {theirs!r}; leave '
                    f'`{name}` out or choose other weights.'
                )

    def load_weights(self) -> None:
        """Read ``weights`` strictly; to be called at the end of a subclass's constructor.

        Raises:
            ValueError: The file is damaged, refused, or belongs to another network.
        """
        if self._weights_file is None:
            return
        state_dict = without_prefix(load_state_dict(self._weights_file))
        state_dict = dict(self.convert_weights(state_dict))
        if self._options is not None:  # settled already from what the file says
            state_dict['options'] = self.options.clone()
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

    def _locate_weights(self) -> None:
        """Find the file that ``weights`` names, and its row in the table of published weights."""
        row = published.find(self.weights)
        path = Path(self.weights).expanduser()
        if path.is_file():
            self._weights_file, self._weights_row = path, published.recognise(path)
        elif row is not None:
            self._check_row(row)
            self._weights_row = row
            try:
                self._weights_file = published.fetch(row)
            except FileNotFoundError as error:
                self._weights_missing = str(error)
        else:
            near = published.closest(self.weights)
            hint = f' (did you mean the published weights `{near}`?)' if near else ''
            self._weights_missing = (
                f'the weight file `{self.weights}` is not there{hint}; give the right `weights` or load a checkpoint '
                'that holds the enhancer.'
            )
        if self._weights_row is not None:
            self._check_row(self._weights_row)
        if self._weights_missing is not None:
            print_log(
                f'`{type(self).__name__}` has no weights until a checkpoint that holds the enhancer is loaded: '
                f'{self._weights_missing}',
                logger='current',
                level=logging.WARNING,
            )

    def _check_row(self, row: published.PublishedWeights) -> None:
        kinds = [kind.__name__ for kind in type(self).__mro__]
        if row.enhancer not in kinds:
            raise ValueError(
                f'`{self.weights}` holds the published weights `{row.name}` of `{row.enhancer}`, not of '
                f'`{kinds[0]}`; choose the enhancer that belongs to them.'
            )

    def _apply(self, fn: Callable[[Tensor], Tensor], *args, **kwargs) -> BaseEnhancer:
        # every cast and every move of a module and of what it stands in comes through here
        def keep_type(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return moved if moved.dtype == tensor.dtype else tensor.to(moved.device)

        return super()._apply(keep_type, *args, **kwargs)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args) -> None:
        # called for every load, also by mmengine's own loader, with the place of this module in the model: once a
        # checkpoint brings every tensor, the missing file does not matter any more
        if all(prefix + name in state_dict for name in self.state_dict()):
            self._weights_missing = None
        if self._options is not None and f'{prefix}options' in state_dict:
            theirs = unpack_options(state_dict[f'{prefix}options'], 'The checkpoint')
            self.check_options(theirs)
            # of another length where one side knows an option that the other does not
            state_dict[f'{prefix}options'] = self.options.clone()
        super()._load_from_state_dict(state_dict, prefix, *args)


def without_prefix(state_dict: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The enhancer's part of a checkpoint."""
    for prefix in _PREFIXES:
        part = {k[len(prefix) :]: v for k, v in state_dict.items() if k.startswith(prefix)}
        if part:
            return part
    return state_dict


def _in_range(images: Tensor) -> Tensor:
    """Pictures clamped to [0, 1]; the very tensor where it is in [0, 1] already.

    Raises:
        ValueError: There is NaN among the values.
    """
    # a graph that is recorded cannot depend on values, and some tensors have none
    recording = torch.jit.is_tracing() or torch.compiler.is_compiling()
    if recording or images.is_meta or type(images) not in (Tensor, nn.Parameter):
        return images.clamp(0, 1)
    lowest, highest = torch.stack(torch.aminmax(images.detach())).tolist()
    if math.isnan(lowest) or math.isnan(highest):
        raise ValueError(
            '`images` holds NaN; look for its origin in what comes before the enhancer.'
        )
    return images if lowest >= 0 and highest <= 1 else images.clamp(0, 1)


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
