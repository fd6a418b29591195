"""ECLNet (Huang et al., ACM MM 2022) as published, operation by operation, from the tensors of a checkpoint."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

THETA = 0.8
CROSS, DIAGONAL = (1, 3, 4, 5, 7), (0, 2, 4, 6, 8)


def forward(enhancer, images: Tensor) -> Tensor:
    """The lit pictures; (N, 3, H, W) RGB in [0, 1] in and out."""
    return result_and_feature(enhancer, images)[0]


def result_and_feature(enhancer, images: Tensor) -> tuple[Tensor, Tensor]:
    """The lit pictures (N, 3, H, W) and the aggregated feature (N, 8, H, W)."""
    weights = enhancer.state_dict()

    def conv(name, x, **options):
        return F.conv2d(x, weights[f'{name}.weight'], weights[f'{name}.bias'], **options)

    def lrelu(x):
        return F.leaky_relu(x, 0.1)

    def difference(taps, places, x):
        kernel = torch.zeros(8, 8, 9, dtype=x.dtype, device=x.device)
        kernel[:, :, list(places)] = taps[:, :, 0]
        centre = taps[:, :, 0].sum(2)[:, :, None, None]
        return F.conv2d(x, kernel.view(8, 8, 3, 3), padding=1) - THETA * F.conv2d(x, centre)

    def branch(name, x):
        m1 = lrelu(conv(f'{name}.conv.2', lrelu(conv(f'{name}.conv.0', x, padding=1)), padding=1))
        share = torch.sigmoid(weights[f'{name}.cdc.mix'])
        cross = difference(weights[f'{name}.cdc.cross'], CROSS, x)
        diagonal = difference(weights[f'{name}.cdc.diag'], DIAGONAL, x)
        m2 = share * cross + (1 - share) * diagonal + x
        return conv(f'{name}.merge', torch.cat([m1, m2], 1))

    def block(name, x):
        n = F.instance_norm(
            x, weight=weights[f'{name}.norm.weight'], bias=weights[f'{name}.norm.bias']
        )
        p = branch(f'{name}.branch', torch.relu(x))
        q = -branch(f'{name}.branch', torch.relu(-x))
        u = conv(f'{name}.fuse_pos', torch.cat([n, p], 1))
        v = conv(f'{name}.fuse_neg', torch.cat([n, q], 1))
        inner = lrelu(conv(f'{name}.post.0', torch.cat([u, v], 1), padding=1))
        return x + conv(f'{name}.post.2', inner, padding=1)

    x = conv('stem', images, padding=1)
    outputs = []
    for k in range(5):
        x = block(f'blocks.{k}', x)
        outputs.append(x)
    feature = conv('aggregate', torch.cat(outputs, 1))

    y = conv('refine.entry', feature, padding=1)
    t = conv('refine.body.2', torch.relu(conv('refine.body.0', y, padding=1)), padding=1)
    t = t.mean((2, 3), keepdim=True)
    z = torch.sigmoid(conv('refine.gate.2', torch.relu(conv('refine.gate.0', t))))
    result = conv('refine.exit', y + z * t, padding=1)
    return (result + 1e-5).clamp(0, 1), feature
