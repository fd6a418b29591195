"""SCI as published, step by step: what the library's version is compared with."""

import torch
import torch.nn.functional as F
from torch import Tensor


def forward(enhancer: torch.nn.Module, images: Tensor) -> Tensor:
    """Light (N, 3, H, W) RGB in [0, 1] with the tensors of `enhancer`; batch norm in eval mode."""
    w = enhancer.state_dict()
    first = F.relu(
        F.conv2d(images, w['estimator.head.weight'], w['estimator.head.bias'], padding=1)
    )
    second = F.conv2d(first, w['estimator.block.0.weight'], w['estimator.block.0.bias'], padding=1)
    second = F.batch_norm(
        second,
        w['estimator.block.1.running_mean'],
        w['estimator.block.1.running_var'],
        w['estimator.block.1.weight'],
        w['estimator.block.1.bias'],
        training=False,
        eps=1e-5,
    )
    features = first + F.relu(second)
    third = F.conv2d(features, w['estimator.tail.weight'], w['estimator.tail.bias'], padding=1)
    illumination = torch.clamp(torch.sigmoid(third) + images, 1e-4, 1)
    return torch.clamp(images / illumination, 0, 1)
