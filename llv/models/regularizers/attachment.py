"""How those who train an enhancer hold a regulariser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from llv.models.enhancers.base import BaseEnhancer, Enhancement
from llv.models.enhancers.exposure_normalization import ENCHost
from llv.models.enhancers.fecnet import FECNet
from llv.registry import MODELS


class Attachment:
    """A regulariser beside a model and outside its module tree.

    The model keeps its parameters, buffers, state dict and children; a copy of it (EMA) shares the regulariser.

    Args:
        cfg: Config of a regulariser: called with results and references, (B, 3, H, W) RGB each, it returns a dict of
            scalars whose names start with ``loss``.

    Raises:
        ValueError: The regulariser has parameters that nobody would train.
    """

    def __init__(self, cfg: Mapping[str, Any]) -> None:
        self.loss = MODELS.build(cfg)
        if isinstance(self.loss, nn.Module) and any(
            p.requires_grad for p in self.loss.parameters()
        ):
            raise ValueError(
                f'`regularizer` must be frozen, but `{type(self.loss).__name__}` has parameters that ask for '
                'gradients; freeze them in its constructor.'
            )

    def __call__(
        self, enhancer: BaseEnhancer, enhancement: Enhancement, references: Tensor | None
    ) -> dict[str, Tensor]:
        """The terms of pictures of one size.

        Args:
            enhancer: Who lit them.
            enhancement: What it returned, attached to the graph.
            references: (B, 3, H, W) RGB in [0, 1], what the results should be.

        Raises:
            ValueError: There are no references.
        """
        if references is None:
            raise ValueError(
                '`regularizer` compares results with well-lit `references`, but the batch has none; load them with '
                '`llv.LoadReference`, or leave `regularizer` out.'
            )
        return self.loss(judged(enhancer, enhancement), references)

    def __deepcopy__(self, memo: dict) -> Attachment:
        return self


def attach(cfg: Mapping[str, Any] | None) -> Attachment | None:
    """A regulariser from its config; None for None."""
    return None if cfg is None else Attachment(cfg)


def judged(enhancer: BaseEnhancer, enhancement: Enhancement) -> Tensor:
    """The full-resolution result that the enhancer is trained on, (B, 3, H, W) RGB.

    Before the clamp to [0, 1] for networks whose own loss is taken there (DRBN, SID, FECNet in its raw formula), which
    would have no gradient where they leave the range; the clamped picture for all others, as ECLNet and FECNet as
    published for SICE are trained on it.
    """
    unclamped = isinstance(enhancer, ENCHost) or (
        isinstance(enhancer, FECNet) and enhancer.formula == 'raw'
    )
    return enhancement.maps['raw'] if unclamped else enhancement.image
