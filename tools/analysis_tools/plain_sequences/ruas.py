"""RUAS as published, operation by operation; what the benchmark compares with.

Uses the tensors of the enhancer and nothing else of the library.
"""

import json

import torch
import torch.nn.functional as F
from torch import Tensor


def operation(name: str, x: Tensor, weights: dict[str, Tensor], prefix: str) -> Tensor:
    """One edge of a cell."""
    if name == 'skip_connect':
        return x
    kernel = int(name[-1])
    dilation = 2 if 'dil' in name else 1
    y = F.conv2d(
        x,
        weights[f'{prefix}.conv.weight'],
        weights[f'{prefix}.conv.bias'],
        padding=dilation * (kernel - 1) // 2,
        dilation=dilation,
    )
    return y + x if name.startswith('res') else y


def cell(x: Tensor, genotype: list[str], weights: dict[str, Tensor], prefix: str) -> Tensor:
    """Three times distill and refine, distill once more, fuse."""
    distilled = []
    for i in range(3):
        d = operation(genotype[2 * i], x, weights, f'{prefix}.distill.{i}')
        r = operation(genotype[2 * i + 1], x, weights, f'{prefix}.refine.{i}')
        distilled.append(F.leaky_relu(d, 0.05))
        x = F.leaky_relu(r + x, 0.05)
    last = operation(genotype[6], x, weights, f'{prefix}.distill.3')
    distilled.append(F.leaky_relu(last, 0.05))
    fused = torch.cat(distilled, dim=1)
    return F.conv2d(fused, weights[f'{prefix}.fuse.weight'], weights[f'{prefix}.fuse.bias'])


def local_maximum(x: Tensor) -> Tensor:
    """Of each pixel and its right, lower and lower right neighbour; outside counts as 0."""
    x = F.pad(x, (0, 1, 0, 1))
    upper = torch.maximum(x[..., :-1, :-1], x[..., :-1, 1:])
    lower = torch.maximum(x[..., 1:, :-1], x[..., 1:, 1:])
    return torch.maximum(upper, lower)


def forward(enhancer: torch.nn.Module, images: Tensor) -> Tensor:
    """(N, 3, H, W) RGB in [0, 1] in, the same shape in [0, 1] out."""
    # in the published layout
    weights = {name: value.contiguous() for name, value in enhancer.state_dict().items()}
    options = json.loads(bytes(weights['options'].tolist()))
    stages = len({name.split('.')[2] for name in weights if name.startswith('scene.stages.')})

    u = None
    for k in range(stages):
        if u is None:
            start = local_maximum(images)
        elif options['warm_start'] == 'rectified':
            start = local_maximum(u) - 0.5 * (u - images)
        else:
            start = u
        t = torch.sigmoid(cell(start, options['scene_genotype'], weights, f'scene.stages.{k}'))
        t = torch.clamp(torch.maximum(t, weights['scene.t_min']), max=1)
        u = torch.clamp(images / t, 0, 1)
    if 'denoiser.stem.weight' not in weights:
        return u

    noisy = torch.ones(len(u), dtype=torch.bool, device=u.device)
    if 'noise_estimator.convs.0.weight' in weights:
        e = u
        for k in range(5):
            name = f'noise_estimator.convs.{k}'
            e = F.conv2d(e, weights[f'{name}.weight'], weights[f'{name}.bias'], padding=1)
            if k < 4:
                e = torch.relu(e)
        noisy = e.abs().mean(dim=(1, 2, 3)) >= 0.035
    if not noisy.any():
        return u

    n = F.conv2d(u, weights['denoiser.stem.weight'], weights['denoiser.stem.bias'], padding=1)
    for k in range(3):
        n = cell(n, options['noise_genotype'], weights, f'denoiser.cells.{k}')
    n = F.conv2d(n, weights['denoiser.head.weight'], weights['denoiser.head.bias'], padding=1)
    return torch.clamp(u - n * noisy.view(-1, 1, 1, 1), 0, 1)
