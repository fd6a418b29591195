"""The extra layers of an SSD, searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import torch
from mmdet.models.necks import SSDNeck
from torch import Tensor, nn

from llv.registry import MODELS
from llv.search.operations import build_layer
from llv.search.searchable import Searchable
from llv.search.spaces import HIGH_LEVEL, neck_edges

from .maps import check_maps

_RELU = dict(type='ReLU')
_INIT = [
    dict(type='Xavier', distribution='uniform', layer='Conv2d', bias=0),
    dict(type='Constant', val=1, layer='BatchNorm2d'),
]


@MODELS.register_module()
class SearchableSSDNeck(Searchable, SSDNeck):
    """mmdet's ``SSDNeck`` whose extra layers are searched: two convolutions a level, a narrowing and a
    down-sampling one.

    Edges are ``extra_0``, ``extra_1`` … in the order of computation, as in the detector of "Learning with Nested
    Scene Modeling and Cooperative Architecture Search for Low-Light Vision", whose four these are with the widths
    256, 512, 512, 1024 from the backbone and 512, 256 from here. Each is one of the ten convolutions of the
    high-level space, with bias; a ReLU follows.

    All candidates of an edge put out one size, ⌈H / stride⌉. Where mmdet's layer, 3×3 with the padding of the
    level, puts out less, the middle of it is taken, at least one pixel: SSD300 keeps its 38, 19, 10, 5, 3, 1,
    which candidates without padding could not even compute. With ``conv_1x1`` and ``conv_3x3`` in turn this is
    mmdet's neck, and its weights load.

    Keys: ``extra_layers.<level>.<0 or 1>.conv.…``, ``l2_norm.weight``.

    Args:
        in_channels: Widths of the maps from the backbone, which come first in the result.
        out_channels: Widths of all maps; begins with `in_channels`.
        level_strides: Of the down-sampling convolution of each extra level.
        level_paddings: Of mmdet's layer in its place.
        genotype: None builds the supernet; else a genotype, see :func:`llv.search.genotype_file.read_genotype`.
        l2_norm_scale: Where the learned scale of the normalised first map starts; None for no normalisation.
        last_kernel_size: Of mmdet's last layer: 3 in SSD300, 4 in SSD512.
        norm_cfg: Normalisation behind each layer. None, as in SSD: searches run with one picture a step.
        act_cfg: Activation behind that.
        init_cfg: How layers start; mmdet's class adds the scale of the first map.

    Raises:
        ValueError: The lists do not fit, or the genotype is not one of such a neck.
    """

    genotype_module = 'ssd_neck'

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: Sequence[int],
        level_strides: Sequence[int],
        level_paddings: Sequence[int],
        genotype: str | PathLike | Mapping[str, Any] | Sequence[str] | None = None,
        l2_norm_scale: float | None = 20.0,
        last_kernel_size: int = 3,
        norm_cfg: dict | None = None,
        act_cfg: dict = _RELU,
        init_cfg: list[dict] = _INIT,
    ) -> None:
        in_channels, out_channels = tuple(in_channels), tuple(out_channels)
        extra = len(out_channels) - len(in_channels)
        if not (extra > 0 and out_channels[: len(in_channels)] == in_channels):
            raise ValueError(
                f'`out_channels` must begin with `in_channels` and add a level, but got {list(out_channels)} and '
                f'{list(in_channels)}.'
            )
        if not len(level_strides) == len(level_paddings) == extra:
            raise ValueError(
                f'`level_strides` and `level_paddings` must have one number for each of the {extra} extra levels, '
                f'but got {list(level_strides)} and {list(level_paddings)}.'
            )
        super().__init__(
            in_channels=in_channels,
            out_channels=out_channels,
            level_strides=level_strides,
            level_paddings=level_paddings,
            l2_norm_scale=l2_norm_scale,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
            init_cfg=init_cfg,
        )
        if l2_norm_scale:  # mmdet's class leaves its weight as memory had it
            self.l2_norm.weight = nn.Parameter(torch.full((in_channels[0],), float(l2_norm_scale)))
        self.inputs = len(in_channels)
        kernels = [3] * (extra - 1) + [last_kernel_size]
        self.references = list(zip(kernels, level_strides, level_paddings, strict=True))
        edges = neck_edges(2 * extra)
        self.settle_genotype(genotype, HIGH_LEVEL, edges)
        for level, pair in enumerate(self.extra_layers):
            for i, block in enumerate(pair):
                widths = (block.in_channels, block.out_channels)
                stride = level_strides[level] if i else 1
                block.conv = self.build_edge(
                    edges[2 * level + i],
                    lambda name, widths=widths, stride=stride: build_layer(name, *widths, stride),
                )

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The maps of the backbone, the first normalised, and one more for each extra level."""
        check_maps(self, maps, self.inputs)
        outputs = list(maps)
        if hasattr(self, 'l2_norm'):
            outputs[0] = self.l2_norm(outputs[0])
        last = outputs[-1]
        for layer, reference in zip(self.extra_layers, self.references, strict=True):
            height, width = (_size(size, *reference) for size in last.shape[-2:])
            last = _middle(layer(last), height, width)
            outputs.append(last)
        return tuple(outputs)


def _size(size: int, kernel: int, stride: int, padding: int) -> int:
    """What mmdet's layer makes of a height or width; 1 where it would be nothing."""
    return max((size + 2 * padding - kernel) // stride + 1, 1)


def _middle(x: Tensor, height: int, width: int) -> Tensor:
    """The middle of (N, C, H, W), all of it where that is no larger."""
    top, left = max(x.shape[-2] - height, 0) // 2, max(x.shape[-1] - width, 0) // 2
    return x[..., top : top + height, left : left + width]
