"""FECNet (Huang et al., ECCV 2022) as published, operation by operation, from the tensors of a checkpoint."""

from __future__ import annotations

import json

import torch
import torch.nn.functional as F
from torch import Tensor

EPS = 1e-8


def forward(enhancer, images: Tensor) -> Tensor:
    """The lit pictures; (N, 3, H, W) RGB in [0, 1], H and W multiples of four, in and out."""
    return sub_networks(enhancer, images)[1].clamp(0, 1)


def sub_networks(enhancer, images: Tensor) -> tuple[Tensor, Tensor]:
    """The results of the amplitude and of the phase sub-network, in the stabilised formula clamped."""
    weights = enhancer.state_dict()
    stable = json.loads(bytes(weights['options'].tolist()))['formula'] == 'stabilised'

    def conv(name, x, **options):
        return F.conv2d(x, weights[f'{name}.weight'], weights[f'{name}.bias'], **options)

    def lrelu(x):
        return F.leaky_relu(x, 0.1)

    def spatial(name, x):
        return x + lrelu(conv(f'{name}.2', lrelu(conv(f'{name}.0', x, padding=1)), padding=1))

    def frequency(name, z, mode):
        if stable:
            z = z + EPS
        magnitude = torch.abs(z)
        phase = torch.angle(z)
        if mode == 'amplitude':
            magnitude = conv(f'{name}.2', lrelu(conv(f'{name}.0', magnitude)))
        else:
            phase = conv(f'{name}.2', lrelu(conv(f'{name}.0', phase)))
        real = magnitude * torch.cos(phase)
        imaginary = magnitude * torch.sin(phase)
        z = torch.complex(real, imaginary)
        return z + EPS if stable else z

    def interaction(name, x, mode):
        size = x.shape[-2:]
        z = torch.fft.rfft2(conv(f'{name}.freq_in', x))
        u = spatial(f'{name}.spatial1', x)
        z = frequency(f'{name}.freq1', z, mode)
        y = torch.fft.irfft2(z, s=size)
        if stable:
            y = torch.abs(y) + EPS
        u = u + conv(f'{name}.f2s', y, padding=1)
        z = z + torch.fft.rfft2(conv(f'{name}.s2f', u, padding=1))
        u = spatial(f'{name}.spatial2', u)
        if stable:
            u = u + EPS
        z = frequency(f'{name}.freq2', z, mode)
        y = torch.fft.irfft2(z, s=size)
        if stable:
            y = torch.abs(y)
        result = conv(f'{name}.merge', torch.cat([u, y], 1)) + x
        return torch.nan_to_num(result, nan=1e-5, posinf=1e-5, neginf=1e-5) if stable else result

    def up(name, x, skip):
        x = F.interpolate(x, skip.shape[-2:], mode='bilinear', align_corners=False)
        x = torch.cat([x, skip], 1)
        return F.conv_transpose2d(x, weights[f'{name}.weight'], weights[f'{name}.bias'])

    def modulate(name, y, guide):
        change = conv(f'{name}.scale', guide, padding=1) * y
        change = change + conv(f'{name}.shift', guide, padding=1)
        return conv(f'{name}.fuse', torch.cat([y, change], 1))

    # amplitude sub-network
    a = interaction('amplitude.sfi1', conv('amplitude.stem', images), 'amplitude')
    b = interaction('amplitude.sfi2', conv('amplitude.down1', a, stride=2), 'amplitude')
    d = interaction('amplitude.sfi3', conv('amplitude.down2', b, stride=2), 'amplitude')
    e = interaction('amplitude.sfi4', up('amplitude.up1', d, b), 'amplitude')
    e = interaction('amplitude.sfi5', up('amplitude.up2', e, a), 'amplitude')
    amplitude = conv('amplitude.mix_rgb', conv('amplitude.to_rgb', e) + images)

    # phase sub-network
    magnitude = torch.abs(torch.fft.rfft2(amplitude))
    phase = torch.angle(torch.fft.rfft2(images))
    z = torch.complex(magnitude * torch.cos(phase), magnitude * torch.sin(phase))
    if stable:
        entry = torch.abs(torch.fft.irfft2(z + EPS) + EPS) + EPS
        k = torch.cat([entry, amplitude], 1)
    else:
        k = torch.cat([amplitude, torch.fft.irfft2(z)], 1)
    mean = k.mean((2, 3), keepdim=True)
    std = (k - mean).square().mean((2, 3), keepdim=True).clamp_min(1e-12).sqrt()
    gate = conv('phase.entry.gate.0', std + mean, padding=1)
    gate = torch.sigmoid(conv('phase.entry.gate.2', lrelu(gate), padding=1))
    y = conv('phase.entry.project', gate * k)
    guide = conv('phase.guide', amplitude - images).detach()
    y = modulate('phase.modulate1', interaction('phase.sfi1', y, 'phase'), guide)
    y = modulate('phase.modulate2', interaction('phase.sfi2', y, 'phase'), guide)
    y = interaction('phase.sfi4', interaction('phase.sfi3', y, 'phase'), 'phase')
    out = conv('phase.to_rgb', y) + images
    if stable:
        return (amplitude + 1e-5).clamp(0, 1), (out + 1e-5).clamp(0, 1)
    return amplitude, out
