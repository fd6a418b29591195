"""PSENet (WACV 2023) as released, operation by operation; what the benchmark compares with.

Uses the tensors of the enhancer and nothing else of the library.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

# name, stride, whether squeezed and excited, whether the input is added
BLOCKS = dict(
    stem=(1, True, True),
    down1=(2, False, False),
    enc1=(1, False, True),
    down2=(2, False, False),
    mid1=(1, False, True),
    mid2=(1, False, False),
    dec1=(1, False, False),
    dec2=(1, False, False),
    head=(1, True, False),
)


def block(weights: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    """1×1, 3×3 depthwise over reflected borders, 1×1, with slopes of 0.01 between them."""
    stride, squeezed, added = BLOCKS[name]

    def conv(layer: str, y: Tensor, **options) -> Tensor:
        weight, bias = weights[f'{name}.{layer}.weight'], weights[f'{name}.{layer}.bias']
        return F.conv2d(y, weight, bias, **options)

    y = F.leaky_relu(conv('expand', x), 0.01)
    y = F.pad(y, (1, 1, 1, 1), mode='reflect')
    y = conv('depthwise', y, stride=stride, groups=y.shape[1])
    if squeezed:
        factors = F.adaptive_avg_pool2d(y, 1)
        y = y * conv('excite', torch.relu(conv('squeeze', factors)))
    y = conv('project', F.leaky_relu(y, 0.01))
    return x + y if added else y


def upsample(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear, corners aligned, to the size of `like`."""
    return F.interpolate(x, like.shape[-2:], mode='bilinear', align_corners=True)


def forward(enhancer: torch.nn.Module, images: Tensor) -> Tensor:
    """(N, 3, H, W) RGB in [0, 1] in, the same shape out; H and W at least 5."""
    weights = enhancer.state_dict()
    stem = block(weights, 'stem', images)
    fine = block(weights, 'enc1', block(weights, 'down1', stem))
    x = block(weights, 'mid1', block(weights, 'down2', fine))
    x = upsample(block(weights, 'mid2', x), fine)
    x = block(weights, 'dec1', torch.cat((fine, x), 1))
    x = upsample(block(weights, 'dec2', x), images)
    gamma = torch.abs(block(weights, 'head', torch.cat((stem, x), 1)) + 1)
    return 1 - (1 - images) ** gamma
