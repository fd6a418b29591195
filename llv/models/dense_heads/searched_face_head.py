"""The head of the detector of RUAS: a searched layer for boxes and one for scores on each map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from llv.registry import MODELS
from llv.search.operations import build_layer

from .face_head import FaceHead


@MODELS.register_module()
class SearchedFaceHead(FaceHead):
    """:class:`FaceHead` whose layers from maps to outputs are searched ones. Keys are the same.

    Args:
        in_channels: Channels of each map, the finest first.
        loc: Names of the box layers of the maps, of :data:`llv.search.operations.LAYERS`, the finest
            map first.
        conf: Names of the class layers.
        kwargs: Arguments of :class:`FaceHead`.

    Raises:
        ValueError: There is no layer of a name, or not one name a map.
    """

    def __init__(
        self, in_channels: Sequence[int], loc: Sequence[str], conf: Sequence[str], **kwargs: Any
    ) -> None:
        if not len(loc) == len(conf) == len(in_channels):
            raise ValueError(
                f'`loc` and `conf` must name one layer for each of the {len(in_channels)} maps, but got '
                f'{len(loc)} and {len(conf)}.'
            )
        self.layers = dict(loc=tuple(loc), conf=tuple(conf))  # the base class builds with it
        super().__init__(in_channels, **kwargs)

    def build_conv(self, level: int, in_channels: int, out_channels: int, kind: str) -> nn.Conv2d:
        """The searched layer of a map, ``loc`` or ``conf`` by `kind`."""
        return build_layer(self.layers[kind][level], in_channels, out_channels)
