"""Batch normalisation by the statistics of a checkpoint, so that one picture a step is enough."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import FrozenBatchNorm2d

from llv.registry import MODELS


@MODELS.register_module()
class FrozenBN(FrozenBatchNorm2d):
    """What ``BN`` and ``SyncBN`` compute in eval mode, in training too; for ``norm_cfg=dict(type='llv.FrozenBN')``.

    It takes their entries of a checkpoint (``weight``, ``bias``, ``running_mean``, ``running_var``; a
    ``num_batches_tracked`` is passed over), but holds them as buffers: there is nothing to train. Batch statistics do
    not exist, so a batch of one picture trains, also where pooling leaves one value a channel.

    Without a checkpoint it scales by 1 and shifts by 0: it belongs in front of weights that are loaded, and normalises
    nothing in a network that starts from random ones.

    Args:
        num_features: Channels of the maps, which are (N, C, H, W).
        eps: Added to the variance.
    """

    # layers of a backbone are named by it (`bn1`, `bn2`), as they are in checkpoints
    _abbr_ = 'bn'

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__(num_features, eps)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W), in the precision it comes in: half precision stays so under autocast, as behind ``BN``."""
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        scale, shift = (value.to(x.dtype).reshape(1, -1, 1, 1) for value in (scale, shift))
        return torch.addcmul(shift, x, scale)
