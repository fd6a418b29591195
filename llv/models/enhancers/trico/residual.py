"""The residual unit of TriCo's regulator and of its head."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of all leaky rectifiers in TriCo


class ResidualUnit(nn.Module):
    """Two 3×3 convolutions, each with a leaky rectifier behind it, and the input added; nothing after the sum.

    Args:
        inputs: Channels in.
        outputs: Channels out; where they differ, a 1×1 convolution takes the input there.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) in, (N, outputs, H, W) out."""
        branch = F.leaky_relu(self.conv1(x), SLOPE, inplace=True)
        branch = F.leaky_relu(self.conv2(branch), SLOPE, inplace=True)
        skip = x if self.skip is None else self.skip(x)
        # the rectifier has its result saved for the gradient
        return skip + branch if branch.requires_grad else branch.add_(skip)
