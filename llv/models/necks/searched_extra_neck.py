"""The two coarsest levels of the detector of RUAS, made by searched layers."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from llv.registry import MODELS
from llv.search.operations import build_layer

_STRIDES = (1, 2, 1, 2)
_XAVIER = dict(type='Xavier', layer='Conv2d', distribution='uniform', bias=0)


@MODELS.register_module()
class SearchedExtraNeck(BaseModule):
    """Appends two maps, each of half the size of the one before, by two searched layers each.

    A ReLU follows each layer; the second and the fourth have stride 2. Keys: ``convs.<0..3>``.

    Args:
        layers: Names of the four layers, of :data:`llv.search.operations.LAYERS`.
        in_channels: Of the last map that comes in.
        channels: What the four layers put out.
        init_cfg: How the layers start. Nothing is published; Xavier is usual for such detectors.

    Raises:
        ValueError: There is no layer of a name, or there are not four.
    """

    def __init__(
        self,
        layers: Sequence[str],
        in_channels: int = 1024,
        channels: Sequence[int] = (256, 512, 128, 256),
        init_cfg: dict | None = _XAVIER,
    ) -> None:
        super().__init__(init_cfg)
        if not len(layers) == len(channels) == len(_STRIDES):
            raise ValueError(
                f'`layers` and `channels` must have {len(_STRIDES)} entries each, but got '
                f'{len(layers)} and {len(channels)}.'
            )
        self.convs = nn.ModuleList()
        for name, out_channels, stride in zip(layers, channels, _STRIDES, strict=True):
            self.convs.append(build_layer(name, in_channels, out_channels, stride))
            in_channels = out_channels
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The maps that come in, and two more, of size ⌈previous / 2⌉."""
        outputs = list(maps)
        last = maps[-1]
        for conv, stride in zip(self.convs, _STRIDES, strict=True):
            last = self.relu(conv(last))
            if stride == 2:
                outputs.append(last)
        return tuple(outputs)
