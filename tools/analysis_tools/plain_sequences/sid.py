"""SID and SID-ENC, step by step as published, for comparison.

Chen et al., CVPR 2018; Huang et al., CVPR 2022.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def forward(enhancer: torch.nn.Module, images: Tensor) -> Tensor:
    """The unclamped result, (N, 3, H, W), for RGB pictures in [0, 1] of at least 16×16 pixels."""
    w = {name: tensor.contiguous() for name, tensor in enhancer.state_dict().items()}
    first = (
        enc(w, 'conv1_1.', images)[0] if 'conv1_1.embed.weight' in w else conv(w, 'conv1_1', images)
    )
    level1 = lrelu(conv(w, 'conv1_2', lrelu(first)))
    level2 = two(w, 2, F.max_pool2d(level1, 2))
    level3 = two(w, 3, F.max_pool2d(level2, 2))
    level4 = two(w, 4, F.max_pool2d(level3, 2))
    level5 = two(w, 5, F.max_pool2d(level4, 2))
    level6 = two(w, 6, join(w, 'upv6', level5, level4))
    level7 = two(w, 7, join(w, 'upv7', level6, level3))
    level8 = two(w, 8, join(w, 'upv8', level7, level2))
    level9 = two(w, 9, join(w, 'upv9', level8, level1))
    return conv(w, 'conv10_1', level9)


def lrelu(x):
    return torch.max(0.2 * x, x)


def conv(w, name, x):
    kernel = w[f'{name}.weight']
    return F.conv2d(x, kernel, w.get(f'{name}.bias'), padding=(kernel.shape[-1] - 1) // 2)


def two(w, level, x):
    return lrelu(conv(w, f'conv{level}_2', lrelu(conv(w, f'conv{level}_1', x))))


def join(w, name, x, skip):
    up = F.conv_transpose2d(x, w[f'{name}.weight'], w[f'{name}.bias'], stride=2)
    up = F.interpolate(up, size=skip.shape[-2:], mode='bilinear', align_corners=False)
    return torch.cat([up, skip], 1)


def enc(w, p, x):
    """The ENC module, its gate evaluated twice as in the released code."""
    e = conv(w, f'{p}embed', x)
    n = F.instance_norm(e, weight=w[f'{p}norm.weight'], bias=w[f'{p}norm.bias'], eps=1e-5)
    a = conv(w, f'{p}norm_conv', n)
    b = conv(w, f'{p}identity_conv', e)

    def gate():
        return torch.sigmoid(F.leaky_relu(conv(w, f'{p}gate', torch.cat([a, b], 1)), 0.1))

    k = torch.cat([gate() * b + a, (1 - gate()) * a + b], 1)
    mean = k.mean(dim=(2, 3), keepdim=True)
    deviation = (k - mean).square().mean(dim=(2, 3), keepdim=True).sqrt()
    s = F.leaky_relu(conv(w, f'{p}attn.0', deviation + mean), 0.1)
    return conv(w, f'{p}project', torch.sigmoid(conv(w, f'{p}attn.2', s)) * k), n
