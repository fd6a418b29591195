"""The same size for every vector of the finest maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.models.necks.ssd_neck import L2Norm
from mmengine.model import BaseModule
from torch import Tensor, nn

from llv.registry import MODELS

from .maps import check_maps


@MODELS.register_module()
class L2NormNeck(BaseModule):
    """Divides the vector at each place of the finest maps by its length, times a learned number for each channel.

    The finest maps of a VGG have far larger values than the others (ParseNet, 2015; S3FD, section 3.1). Keys:
    ``norms.<level>.weight``.

    Args:
        in_channels: Of the first maps, finest first; further maps pass through.
        scales: Where the learned numbers begin.
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (256, 512, 512),
        scales: Sequence[float] = (10.0, 8.0, 5.0),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(in_channels) != len(scales):
            raise ValueError(
                f'`in_channels` and `scales` must have one number for each normalised map, but got '
                f'{len(in_channels)} and {len(scales)}.'
            )
        self.norms = nn.ModuleList(
            L2Norm(channels, scale) for channels, scale in zip(in_channels, scales, strict=True)
        )
        for norm in self.norms:  # mmdet's class leaves its weight as memory had it
            norm.weight = nn.Parameter(torch.full((norm.n_dims,), float(norm.scale)))

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The maps in their shapes, the first ones normalised."""
        check_maps(self, maps, len(self.norms), further=True)
        normalised = [norm(m) for norm, m in zip(self.norms, maps, strict=False)]
        return (*normalised, *maps[len(normalised) :])
