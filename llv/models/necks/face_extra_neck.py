"""The two coarsest levels of the face detectors."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from llv.registry import MODELS

_XAVIER = dict(type='Xavier', layer='Conv2d', distribution='uniform', bias=0)


@MODELS.register_module()
class FaceExtraNeck(BaseModule):
    """Appends a map of half the size for each extra level: a 1×1 convolution that narrows, then a 3×3 of stride 2.

    A ReLU follows each convolution. With VGG these are conv6_1 to conv7_2 of S3FD (1024 → 256 → 512 → 128 → 256); with
    ResNet ``layer5`` and ``layer6`` of the DSFD release (2048 → 512 → 512 → 128 → 256), which put a batch normalisation
    between convolution and ReLU and keep the biases of the convolutions. Keys: ``convs.<0..3>`` and, with
    normalisation, ``norms.<0..3>``.

    Args:
        in_channels: Of the last map that comes in.
        mid_channels: Between the two convolutions of each level.
        out_channels: Of each level.
        batch_norm: Normalise.
    """

    def __init__(
        self,
        in_channels: int = 1024,
        mid_channels: Sequence[int] = (256, 128),
        out_channels: Sequence[int] = (512, 256),
        batch_norm: bool = False,
        init_cfg: dict | None = _XAVIER,
    ) -> None:
        super().__init__(init_cfg)
        if len(mid_channels) != len(out_channels):
            raise ValueError(
                f'`mid_channels` and `out_channels` must have one number for each extra level, but got '
                f'{len(mid_channels)} and {len(out_channels)}.'
            )
        self.convs = nn.ModuleList()
        for mid, out in zip(mid_channels, out_channels, strict=True):
            self.convs.append(nn.Conv2d(in_channels, mid, 1))
            self.convs.append(nn.Conv2d(mid, out, 3, stride=2, padding=1))
            in_channels = out
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(conv.out_channels) if batch_norm else nn.Identity()
            for conv in self.convs
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The maps that come in, and one more for each extra level, of size ⌈previous / 2⌉."""
        outputs = list(maps)
        last = maps[-1]
        for index, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            last = self.relu(norm(conv(last)))
            if index % 2:
                outputs.append(last)
        return tuple(outputs)
