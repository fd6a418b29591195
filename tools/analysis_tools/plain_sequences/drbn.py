"""DRBN and DRBN-ENC-4, step by step as published, for comparison.

Yang et al., CVPR 2020; Huang et al., CVPR 2022.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def forward(enhancer: torch.nn.Module, images: Tensor) -> Tensor:
    """The unclamped result, (N, 3, H, W), for RGB pictures in [0, 1] with sides divisible by four."""
    return scales(enhancer, images)[0]


def scales(enhancer: torch.nn.Module, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """r1, r2, r4 of the last recurrence."""
    weights = {name: tensor.contiguous() for name, tensor in enhancer.state_dict().items()}
    result, previous = images, None
    for n in range(4):
        previous, (result, r2, r4) = recurrence(
            weights, f'recurrence.{n}.', torch.cat([result, images], 1), previous
        )
    return result, r2, r4


def recurrence(w, p, x, previous):
    """One recurrence; `previous` are its predecessor's features at full, half, quarter size."""
    if f'{p}sfe1.embed.weight' in w:
        f0, _ = enc(w, f'{p}sfe1.', x)
        a = F.relu(conv(w, f'{p}sfe2', F.relu(f0)))
    else:
        f0 = F.relu(conv(w, f'{p}sfe1', x))
        a = F.relu(conv(w, f'{p}sfe2', f0))
    b = conv(w, f'{p}down1', dense(w, f'{p}rdbs.0.', a), stride=2)
    c = conv(w, f'{p}down2', dense(w, f'{p}rdbs.1.', b), stride=2)
    c = c + dense(w, f'{p}rdbs.3.', dense(w, f'{p}rdbs.2.', c))
    if previous is not None:
        c = c + previous[2]
    b = b + dense(w, f'{p}rdbs.4.', up(w, f'{p}up2', c))
    if previous is not None:
        b = b + previous[1]
    a = a + dense(w, f'{p}rdbs.5.', up(w, f'{p}up1', b)) + f0
    if previous is not None:
        a = a + previous[0]
    r4 = to_rgb(w, f'{p}to_rgb4.', c)
    r2 = to_rgb(w, f'{p}to_rgb2.', b) + double(r4)
    r1 = to_rgb(w, f'{p}to_rgb1.', a) + double(r2)
    return (a, b, c), (r1, r2, r4)


def conv(w, name, x, stride=1):
    """A convolution with zero padding that keeps the size at stride 1."""
    kernel = w[f'{name}.weight']
    return F.conv2d(
        x, kernel, w.get(f'{name}.bias'), stride=stride, padding=(kernel.shape[-1] - 1) // 2
    )


def up(w, name, x):
    return F.conv_transpose2d(x, w[f'{name}.weight'], w[f'{name}.bias'], stride=2, padding=1)


def double(x):
    return F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=False)


def to_rgb(w, p, x):
    return conv(w, f'{p}1', conv(w, f'{p}0', x))


def dense(w, p, x):
    """A residual dense block."""
    features = x
    for j in range(4):
        features = torch.cat([features, F.relu(conv(w, f'{p}layers.{j}', features))], 1)
    return conv(w, f'{p}local_fusion', features) + x


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
