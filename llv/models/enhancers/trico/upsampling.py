"""Dynamic up-sampling: each pixel of the result is a mean of its neighbourhood, with weights of its own.

After the principle of Dai et al., "Learning Affinity-Aware Upsampling for Deep Image Matting", CVPR 2021: the weights
are predicted from second-order features. Unlike there, nothing is pooled over the picture, so that the result does not
depend on how much of it is seen.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .reassembly import reassemble


class DynamicUpsampling(nn.Module):
    """Twice the size: (N, C, H, W) to (N, C, 2H, 2W).

    The output pixel (Y, X) is the weighted mean of the k×k inputs around (⌊Y/2⌋, ⌊X/2⌋), borders replicated; the
    weights, one set for all channels, are the softmax of logits that the product of two linear branches gives.

    Args:
        channels: C.
        rank: Channels of the branches.
        kernel: k, odd.
    """

    def __init__(self, channels: int, rank: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.branch1 = _branch(channels, rank)
        self.branch2 = _branch(channels, rank)
        self.logits = nn.Conv2d(rank, 4 * kernel**2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in, (N, C, 2H, 2W) out."""
        weights = self.weights(x)
        border = self.kernel // 2
        padded = F.pad(x, (border,) * 4, mode='replicate').permute(0, 2, 3, 1)
        doubled = reassemble(padded, weights).flatten(3, 4).flatten(1, 2)
        return doubled.permute(0, 3, 1, 2)

    def weights(self, x: Tensor) -> Tensor:
        """(N, H, W, k², 4): for each input pixel and the four outputs in it (row by row), weights of the k² inputs
        (row by row), which add up to 1."""
        logits = self.logits(self.branch1(x) * self.branch2(x))
        return logits.permute(0, 2, 3, 1).unflatten(3, (-1, 4)).softmax(dim=3)


def _branch(channels: int, rank: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, rank, 1), nn.Conv2d(rank, rank, 3, padding=1, groups=rank)
    )
