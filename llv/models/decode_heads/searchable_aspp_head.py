"""The head of DeepLabv3+ with searched branches: the feature conversion of RUAS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from mmcv.cnn import ConvModule
from mmseg.models.decode_heads import DepthwiseSeparableASPPHead
from torch import Tensor, nn

from llv.models.necks.searchable_neck import conv_block
from llv.registry import MODELS
from llv.search.operations import build_layer
from llv.search.searchable import Searchable
from llv.search.spaces import HIGH_LEVEL


class FeatureConversion(nn.Module):
    """Branches of layers beside each other, behind one 1×1 convolution that narrows.

    Args:
        reduction: The narrowing block, or None.
        branches: The layers of each branch.
    """

    def __init__(
        self, reduction: nn.Module | None, branches: Sequence[Sequence[nn.Module]]
    ) -> None:
        super().__init__()
        self.reduction = reduction
        self.branches = nn.ModuleList(nn.Sequential(*layers) for layers in branches)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, in_channels, H, W) to one map of that size a branch."""
        x = x if self.reduction is None else self.reduction(x)
        return [branch(x) for branch in self.branches]


@MODELS.register_module()
class SearchableASPPHead(Searchable, DepthwiseSeparableASPPHead):
    """mmseg's head of DeepLabv3+ whose branches between encoder and decoder are searched.

    "Learning with Nested Scene Modeling and Cooperative Architecture Search for Low-Light Vision" searches the
    "feature conversion" of DeepLabv3+ and publishes no layout. Its dilations 6, 12 and 18 are those of the atrous
    pyramid, so the branches of the pyramid are taken for it: each is a chain of `depth` searched convolutions
    with bias, of the ten of the high-level space, with the normalisation and activation of the head. Edges are
    ``branch_<branch>_<layer>``.

    A mixed edge from 2048 to 512 channels has 203 million weights, and four of them fit on few machines. A 1×1
    convolution to `reduction` channels, which the branches share, comes before them; this too is a choice of ours.

    Keys: ``aspp_modules.reduction.…`` and ``aspp_modules.branches.<branch>.<layer>.…``. All others
    (``image_pool``, ``bottleneck``, ``c1_bottleneck``, ``sep_bottleneck``, ``conv_seg``) are mmseg's, so a
    checkpoint of a DeepLabv3+ loads everywhere but in the searched part.

    Args:
        genotype: None builds the supernet; else a genotype, see :func:`llv.search.genotype_file.read_genotype`.
        dilations: Those of the pyramid in a config of mmseg; only their number counts, one branch each.
        depth: Layers of each branch; the first widens to ``channels``.
        reduction: Channels before the branches; None for no reduction.
        dilation_scale: Factor on the dilations 6, 12 and 18, which are meant for an encoder of output stride 16:
            2 gives them the same reach behind mmseg's encoders of output stride 8.
        kwargs: Further arguments of mmseg's ``DepthwiseSeparableASPPHead``. With ordinary batch normalisation a
            batch of one cannot be trained, because ``image_pool`` has one value a channel and picture: take GN or
            ``llv.FrozenBN``.

    Raises:
        ValueError: `depth` is below 1, or the genotype is not one of such a head.
    """

    genotype_module = 'aspp_head'

    def __init__(
        self,
        *,
        genotype: str | PathLike | Mapping[str, Any] | Sequence[str] | None = None,
        dilations: Sequence[int] = (1, 6, 12, 18),
        depth: int = 1,
        reduction: int | None = 256,
        dilation_scale: int = 1,
        **kwargs: Any,
    ) -> None:
        if depth < 1:
            raise ValueError(f'`depth` must be 1 or more, but got {depth!r}.')
        # the parent's own branches give way to ours, so they are built small
        super().__init__(dilations=(1,) * len(dilations), **kwargs)
        self.dilations = tuple(dilations)
        names = [[f'branch_{b}_{i}' for i in range(depth)] for b in range(len(dilations))]
        self.settle_genotype(genotype, HIGH_LEVEL, [edge for row in names for edge in row])

        def build(edge: str, in_channels: int) -> ConvModule:
            layer = self.build_edge(
                edge,
                lambda name: build_layer(
                    name, in_channels, self.channels, dilation_scale=dilation_scale
                ),
            )
            return conv_block(layer, in_channels, self.channels, self.norm_cfg, self.act_cfg)

        follow = dict(norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        narrow = None
        if reduction is not None:
            narrow = ConvModule(self.in_channels, reduction, 1, conv_cfg=self.conv_cfg, **follow)
        first = self.in_channels if reduction is None else reduction
        self.aspp_modules = FeatureConversion(
            narrow,
            [
                [build(edge, self.channels if i else first) for i, edge in enumerate(row)]
                for row in names
            ],
        )
