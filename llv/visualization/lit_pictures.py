"""What enhancers make of pictures on their way into a model, brought back to the size of the files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.structures import BaseDataElement
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from llv.models.data_preprocessors import EnhancedDataPreprocessor
from llv.models.enhancers.base import BaseEnhancer, Enhancement
from llv.utils.grouping import group_by_size
from llv.utils.pictures import to_uint8

from .maps import MAPS, choose_map


@dataclass(frozen=True)
class LitPicture:
    """A picture as an enhancer lit it.

    Attributes:
        picture: (H, W, 3) uint8 RGB in the size of the file.
        name: Of the map, or None where the enhancer has none that can be shown.
        values: The map in the size of the file, (H, W, 1) or (H, W, 3) float32, or None.
    """

    picture: np.ndarray
    name: str | None = None
    values: np.ndarray | None = None


class LitPictures:
    """Watches the enhancers of a model and keeps what they make of chosen pictures of each batch.

    It costs nothing until :meth:`start` and after :meth:`stop`, and for batches without a chosen picture.

    Args:
        model: Any model; also one in a wrapper, for several views, or without an enhancer, where nothing is found.
        maps: Names of the map to keep, see :func:`llv.visualization.maps.choose_map`.

    Attributes:
        wanted: Places in the batch of the pictures to keep.
        found: What was kept of the last batch, by its place; of several views of a picture the first.
    """

    def __init__(self, model: nn.Module, maps: Sequence[str] = MAPS) -> None:
        self.wanted: set[int] = set()
        self.found: dict[int, LitPicture] = {}
        self._maps = tuple(maps)
        self._groups: list[Enhancement] = []
        self._modules = [m for m in model.modules() if isinstance(m, EnhancedDataPreprocessor)]
        self._handles: list[RemovableHandle] = []

    def start(self) -> None:
        """Begin to watch."""
        for module in self._modules:
            self._handles += [
                module.register_forward_pre_hook(self._begin),
                module.enhancer.register_forward_hook(self._enhanced),
                module.register_forward_hook(self._end),
            ]

    def stop(self) -> None:
        """Forget everything and leave the model as it was."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self.next_batch(())

    def next_batch(self, wanted: Iterable[int]) -> None:
        """Forget the last batch; of the next one keep the pictures at these places."""
        self.wanted, self.found = set(wanted), {}

    def _begin(self, module: EnhancedDataPreprocessor, args: tuple) -> None:
        self._groups = []

    def _enhanced(self, module: BaseEnhancer, args: tuple, enhancement: Enhancement) -> None:
        if self.wanted:
            self._groups.append(enhancement)

    def _end(self, module: EnhancedDataPreprocessor, args: tuple, output: dict) -> None:
        # the preprocessor gave the enhancer its pictures by these groups; its samples know what was done to them
        groups, self._groups = self._groups, []
        samples = output.get('data_samples')
        if not groups or samples is None:
            return
        for indices, enhancement in zip(
            group_by_size(list(args[0]['inputs'])), groups, strict=True
        ):
            chosen = choose_map(enhancement.maps, self._maps)
            for place, index in enumerate(indices):
                if index in self.wanted and index not in self.found:
                    self.found[index] = _lit_picture(enhancement, chosen, place, samples[index])


def enhanced_picture(sample: BaseDataElement) -> np.ndarray:
    """The lit picture that a sample holds, in the size of the file.

    Args:
        sample: With ``enhanced``, which ``keep_pictures`` of the preprocessor puts there, and ``ori_shape``.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    picture = sample.enhanced.data.permute(1, 2, 0).cpu().numpy()
    return in_size_of_file(picture, sample.metainfo, picture.shape[0], picture.shape[1])


def in_size_of_file(
    picture: np.ndarray, meta: Mapping[str, Any], lit_height: int, lit_width: int
) -> np.ndarray:
    """Undo what the pipeline did to a picture: padding is cut off, mirroring and resizing are undone.

    Args:
        picture: (h, w, C), the lit picture or a map of the same view in any resolution.
        meta: ``ori_shape`` and, where the pipeline wrote them, ``scale_factor`` (width, height), ``flip`` and
            ``flip_direction``, for the lit picture.
        lit_height, lit_width: Of the lit picture.

    Returns:
        (H, W, C) of the same type, as ``ori_shape`` says.
    """
    height, width = meta['ori_shape'][:2]
    across, down = meta.get('scale_factor', (1.0, 1.0))
    # mm's pipelines pad last, to the right and below
    rows = round(round(height * down) * picture.shape[0] / lit_height)
    columns = round(round(width * across) * picture.shape[1] / lit_width)
    picture = picture[: max(rows, 1), : max(columns, 1)]
    if meta.get('flip'):
        axes = dict(horizontal=1, vertical=0, diagonal=(0, 1))
        picture = np.flip(picture, axes[meta['flip_direction']])
    method = cv2.INTER_AREA if picture.shape[0] > height else cv2.INTER_LINEAR
    resized = cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=method)
    return resized if resized.ndim == 3 else resized[..., None]


def _lit_picture(
    enhancement: Enhancement, chosen: tuple[str, Tensor] | None, place: int, sample: BaseDataElement
) -> LitPicture:
    meta, size = sample.metainfo, enhancement.image.shape[-2:]
    picture = in_size_of_file(to_uint8(enhancement.image[place]), meta, *size)
    if chosen is None:
        return LitPicture(picture)
    name, maps = chosen
    values = maps[place].detach().to('cpu', torch.float32).permute(1, 2, 0).numpy()
    return LitPicture(picture, name, in_size_of_file(values, meta, *size))
