"""Searched layers behind the maps of any neck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from mmcv.cnn import ConvModule
from mmengine.model import ModuleList, kaiming_init
from torch import Tensor, nn

from llv.registry import MODELS
from llv.search.operations import build_layer
from llv.search.searchable import Searchable
from llv.search.spaces import HIGH_LEVEL

from .maps import check_maps
from .wrapping_neck import WrappingNeck, chosen_levels

_RELU = dict(type='ReLU')
_XAVIER = dict(type='Xavier', layer='Conv2d', distribution='uniform', bias=0)


@MODELS.register_module()
class SearchableNeck(Searchable, WrappingNeck):
    """Puts `depth` searched layers behind each map of a neck, or of the backbone itself. Maps keep size and width.

    Each layer is a convolution with bias, of the ten of the high-level space in "Learning with Nested Scene
    Modeling and Cooperative Architecture Search for Low-Light Vision" (Table I); then the normalisation. The
    activation stands between the layers of a map and not behind the last, so that the maps may have both signs,
    as those of an FPN do. There is one row of α a layer, ``map_<level>_<layer>``.

    Keys: ``layers.<level>.<layer>.conv.…``, those of the inner neck after ``neck.``; a checkpoint of the same
    detector with the inner neck alone loads too.

    Args:
        neck: Config of a neck of any mm package; None where the maps of the backbone are meant.
        channels: Widths of its maps, the finest first. None: read from the ``out_channels`` and ``num_outs`` that
            FPNs have.
        depth: Layers behind each map.
        genotype: None builds the supernet; else a genotype, see :func:`llv.search.genotype_file.read_genotype`.
        levels: Indices of the maps that get layers, the others pass unchanged; None for all.
        residual: Add the map that came in. The paper's space has no residual layer; this is for models that are
            trained already: the last layer starts at zero, so the model starts as it was.
        norm_cfg: Normalisation behind each layer. None by default, since searches run with one picture a step.
        act_cfg: Activation between layers.
        dilation_scale: Factor on the dilations 6, 12 and 18, see :func:`llv.search.operations.build_layer`.
        init_cfg: How the layers start.

    Raises:
        ValueError: `channels` cannot be read from the neck, `levels` names a map that is not there, or the
            genotype is not one of such a neck.

    Example:
        >>> neck = dict(type='mmdet.FPN', in_channels=[256, 512, 1024, 2048], out_channels=256, num_outs=5)
        >>> supernet = SearchableNeck(neck)
    """

    genotype_module = 'neck'

    def __init__(
        self,
        neck: dict[str, Any] | None,
        channels: Sequence[int] | None = None,
        depth: int = 1,
        genotype: str | PathLike | Mapping[str, Any] | Sequence[str] | None = None,
        levels: Sequence[int] | None = None,
        residual: bool = False,
        norm_cfg: dict | None = None,
        act_cfg: dict = _RELU,
        dilation_scale: int = 1,
        init_cfg: dict | list[dict] | None = _XAVIER,
    ) -> None:
        super().__init__(neck)
        if depth < 1:
            raise ValueError(f'`depth` must be 1 or more, but got {depth!r}.')
        widths = _widths(self.neck) if channels is None else list(channels)
        chosen = chosen_levels(levels, len(widths))
        self.residual = residual
        names = {level: [f'map_{level}_{i}' for i in range(depth)] for level in sorted(chosen)}
        self.settle_genotype(genotype, HIGH_LEVEL, [edge for row in names.values() for edge in row])

        def build(name: str, width: int) -> nn.Module:
            return build_layer(name, width, width, dilation_scale=dilation_scale)

        self.layers = ModuleList(init_cfg=init_cfg)
        for level, width in enumerate(widths):
            layers = []
            for edge in names.get(level, []):
                layer = self.build_edge(edge, lambda name, width=width: build(name, width))
                last = edge == names[level][-1]
                layers.append(conv_block(layer, width, width, norm_cfg, None if last else act_cfg))
            self.layers.append(nn.Sequential(*layers))
        self._start_at_identity()

    def init_weights(self) -> None:
        """The layers by their ``init_cfg``, the inner neck by its own."""
        super().init_weights()
        self._start_at_identity()

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """What comes from the backbone in; the maps of the inner neck in their shapes out."""
        maps = maps if self.neck is None else self.neck(maps)
        check_maps(self, maps, len(self.layers))
        return tuple(self._convert(*pair) for pair in zip(self.layers, maps, strict=True))

    def _convert(self, layers: nn.Sequential, x: Tensor) -> Tensor:
        return x + layers(x) if self.residual and len(layers) else layers(x)

    def _start_at_identity(self) -> None:
        if not self.residual:
            return
        for layers in self.layers:
            for conv in layers[-1].conv.modules() if len(layers) else ():
                if isinstance(conv, nn.Conv2d):
                    nn.init.zeros_(conv.weight)
                    nn.init.zeros_(conv.bias)


def conv_block(
    layer: nn.Module,
    in_channels: int,
    out_channels: int,
    norm_cfg: dict | None,
    act_cfg: dict | None,
) -> ConvModule:
    """A searched layer as mm networks hold convolutions: ``conv``, normalisation, activation.

    Args:
        layer: A convolution, or all candidates of an edge; they start as convolutions of such blocks do.
        in_channels, out_channels: Its widths.
        norm_cfg, act_cfg: What follows it, or None.
    """
    block = ConvModule(in_channels, out_channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
    for conv in layer.modules():
        if isinstance(conv, nn.Conv2d):
            kaiming_init(conv)
    block.conv = layer
    return block


def _widths(neck: nn.Module | None) -> list[int]:
    channels, count = getattr(neck, 'out_channels', None), getattr(neck, 'num_outs', None)
    if isinstance(channels, int) and isinstance(count, int):
        return [channels] * count
    name = 'the backbone' if neck is None else f'`{type(neck).__name__}`'
    raise ValueError(
        f'`channels` of `SearchableNeck` must name the widths of the maps of {name}, which does not tell them itself.'
    )
