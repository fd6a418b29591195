"""IAT step by step, as published: what the library's network is compared with."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def forward(enhancer: nn.Module, images: Tensor) -> Tensor:
    """(N, 3, H, W) RGB in [0, 1] in, the unclamped result out; batch normalisation by its running statistics."""
    weights = enhancer.state_dict()
    signed = b'"signed"' in bytes(weights['options'].tolist())
    x = images * 2 - 1 if signed else images
    mul, add = local_branch(weights, x)
    gamma, matrix = global_branch(weights, x)
    y = x * mul + add
    pixels = y.permute(0, 2, 3, 1)
    mixed = torch.einsum('nck,nhwk->nhwc', matrix, pixels)
    clamped = torch.clamp(mixed.permute(0, 3, 1, 2), 1e-8, 1.0)
    return torch.pow(clamped, gamma.reshape(-1, 1, 1, 1))


def conv(weights: dict[str, Tensor], name: str, x: Tensor, **options) -> Tensor:
    """The convolution stored under `name`."""
    return F.conv2d(x, weights[f'{name}.weight'].contiguous(), weights[f'{name}.bias'], **options)


def linear(weights: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    """The linear layer stored under `name`, with its bias if it has one."""
    return F.linear(x, weights[f'{name}.weight'], weights.get(f'{name}.bias'))


def mix(weights: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    """The channel vector of each pixel times a matrix, then a scale and a shift a channel."""
    pixels = torch.einsum('ck,nkhw->nhwc', weights[f'{name}.color'], x)
    pixels = pixels * weights[f'{name}.alpha'] + weights[f'{name}.beta']
    return pixels.permute(0, 3, 1, 2).contiguous()


def block(weights: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    """One block of the local branch, nothing dropped."""
    x = x + conv(weights, f'{name}.pos_embed', x, padding=1, groups=16)
    y = mix(weights, f'{name}.norm1', x)
    y = conv(weights, f'{name}.conv1', y)
    y = conv(weights, f'{name}.attn', y, padding=2, groups=16)
    y = conv(weights, f'{name}.conv2', y)
    x = x + weights[f'{name}.gamma_1'].view(1, -1, 1, 1) * y
    y = mix(weights, f'{name}.norm2', x)
    y = conv(weights, f'{name}.mlp.fc1', y)
    y = F.gelu(y)
    y = conv(weights, f'{name}.mlp.fc2', y)
    return x + weights[f'{name}.gamma_2'].view(1, -1, 1, 1) * y


def local_branch(weights: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """mul and add, each (N, 3, H, W)."""
    f = F.leaky_relu(conv(weights, 'local_net.conv1', x, padding=1), 0.2)
    results = []
    for kind, activation in (('mul', torch.relu), ('add', torch.tanh)):
        y = f
        for i in range(3):
            y = block(weights, f'local_net.{kind}_blocks.{i}', y)
        results.append(activation(conv(weights, f'local_net.{kind}_end.0', y + f, padding=1)))
    return results[0], results[1]


def global_branch(weights: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """gamma (N,) and the colour matrix (N, 3, 3)."""

    def norm(name: str, y: Tensor) -> Tensor:
        mean, variance = weights[f'{name}.running_mean'], weights[f'{name}.running_var']
        return F.batch_norm(y, mean, variance, weights[f'{name}.weight'], weights[f'{name}.bias'])

    def layer_norm(name: str, y: Tensor) -> Tensor:
        return F.layer_norm(y, (64,), weights[f'{name}.weight'], weights[f'{name}.bias'])

    stem, generator = 'global_net.conv_large.proj', 'global_net.generator'
    y = F.gelu(norm(f'{stem}.1', conv(weights, f'{stem}.0', x, stride=2, padding=1)))
    y = norm(f'{stem}.4', conv(weights, f'{stem}.3', y, stride=2, padding=1))
    y = y + conv(weights, f'{generator}.pos_embed', y, padding=1, groups=64)
    tokens = layer_norm(f'{generator}.norm1', y.flatten(2).transpose(1, 2))
    n, length, _ = tokens.shape
    q = weights[f'{generator}.attn.q'].reshape(10, 4, 16)
    k = linear(weights, f'{generator}.attn.k', tokens).reshape(n, length, 4, 16)
    v = linear(weights, f'{generator}.attn.v', tokens).reshape(n, length, 4, 16)
    attention = torch.softmax(torch.einsum('qhd,nthd->nhqt', q, k) / 4, dim=-1)
    answers = torch.einsum('nhqt,nthd->nqhd', attention, v).reshape(n, 10, 64)
    answers = linear(weights, f'{generator}.attn.proj', answers)
    hidden = F.gelu(
        linear(weights, f'{generator}.mlp.fc1', layer_norm(f'{generator}.norm2', answers))
    )
    answers = answers + linear(weights, f'{generator}.mlp.fc2', hidden)
    gamma = linear(weights, 'global_net.gamma_linear', answers[:, :1]).reshape(n)
    matrix = linear(weights, 'global_net.color_linear', answers[:, 1:]).reshape(n, 3, 3)
    return gamma + weights['global_net.gamma_base'], matrix + weights['global_net.color_base']
