"""The head of an SSD, searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from torch import nn

from llv.registry import MODELS
from llv.search.operations import build_layer
from llv.search.searchable import Searchable
from llv.search.spaces import HIGH_LEVEL, head_edges

from .ssd_head import SSDHead


@MODELS.register_module()
class SearchableSSDHead(Searchable, SSDHead):
    """:class:`SSDHead` whose convolution from a map to its boxes, and that to its classes, is searched.

    Edges are ``loc_0``, ``loc_1`` … and then ``conf_0``, ``conf_1`` …, one a map, the finest first: behind those
    of :class:`llv.models.necks.SearchableSSDNeck`, the order in which the detector of "Learning with Nested Scene
    Modeling and Cooperative Architecture Search for Low-Light Vision" was published. Each is one of the ten
    convolutions of the high-level space, with bias and nothing behind. With ``conv_3x3`` throughout this is
    mmdet's head, and its weights load.

    Keys: ``reg_convs.<map>.0.…`` and ``cls_convs.<map>.0.…``.

    Args:
        genotype: None builds the supernet; else a genotype, see :func:`llv.search.genotype_file.read_genotype`.
        kwargs: Arguments of :class:`SSDHead`, without those of its towers (``stacked_convs``, ``use_depthwise``).

    Raises:
        ValueError: There is a tower, or the genotype is not one of such a head.
    """

    genotype_module = 'ssd_head'

    def __init__(
        self,
        *,
        genotype: str | PathLike | Mapping[str, Any] | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        for name in ('stacked_convs', 'use_depthwise'):
            if kwargs.get(name):
                raise ValueError(
                    f'`{name}` of `SearchableSSDHead` must be left out, since its one layer a map is searched, '
                    f'but got {kwargs[name]!r}.'
                )
        super().__init__(**kwargs)
        parts = dict(loc=self.reg_convs, conf=self.cls_convs)
        self.settle_genotype(genotype, HIGH_LEVEL, head_edges(len(self.reg_convs)))
        for part, convs in parts.items():
            for level, (layer,) in enumerate(convs):
                widths = (layer.in_channels, layer.out_channels)
                convs[level] = nn.Sequential(
                    self.build_edge(
                        f'{part}_{level}', lambda name, widths=widths: build_layer(name, *widths)
                    )
                )
