"""The supernet of RUAS with the artificial weights of its reference gradients (README of the reference data)."""

import numpy as np
import torch

from llv.models.enhancement_model import EnhancementModel

EDGES = ('c1_d', 'c1_r', 'c2_d', 'c2_r', 'c3_d', 'c3_r', 'c4')


def picture(a, b, c, modulus, height=16, width=20):
    """The formula P of the reference data, (3, H, W) float32 in [0, 1]."""
    k, i, j = np.arange(3)[:, None, None], np.arange(height)[:, None], np.arange(width)
    value = ((i * a + j * b + k * c) % modulus) / (modulus - 1)
    return torch.from_numpy(value.astype(np.float32))


def batch(*formula):
    """As a data loader gives it."""
    return dict(inputs=[(picture(*formula) * 255).flip(0)], data_samples=None)  # BGR


TRAIN, VALID = (11, 3, 31, 101), (7, 13, 29, 97)


def supernet():
    """The model, whose weights and α are those of the reference."""
    model = EnhancementModel(
        dict(
            type='llv.RUAS', version='RUAS', t_min=1e-3,
            scene_genotype='search', noise_genotype='search',
        )
    )  # fmt: skip
    scene, denoiser = model.enhancer.scene, model.enhancer.denoiser
    named = {}
    cells = [(f'enhance_net.iems.{i}.cell', cell) for i, cell in enumerate(scene.stages)]
    cells += [(f'denoise_net.nrms.{i}', cell) for i, cell in enumerate(denoiser.cells)]
    for prefix, cell in cells:
        for place, edge in enumerate(EDGES):
            mixed = (cell.refine if place % 2 else cell.distill)[place // 2]
            for index, candidate in enumerate(mixed.candidates):
                if index:  # the identity has no weights
                    named[f'{prefix}.{edge}._ops.{index}.op'] = candidate.conv
        named[f'{prefix}.c5'] = cell.fuse
    named['denoise_net.stem'] = denoiser.stem
    named['denoise_net.activate.0'] = denoiser.head
    tensors = {
        f'{name}.{part}': getattr(conv, part)
        for name, conv in named.items()
        for part in ('weight', 'bias')
    }
    assert len(tensors) == 520
    with torch.no_grad():
        for number, name in enumerate(sorted(tensors)):
            tensor = tensors[name]
            index = np.arange(tensor.numel())
            scale = np.sqrt(3 / tensor[0].numel()) if tensor.ndim == 4 else 0.05
            value = scale * np.sin(0.7 * index + 1.3 * number)
            tensor.copy_(torch.from_numpy(value.astype(np.float32)).reshape(tensor.shape))
        row, column = np.arange(7)[:, None], np.arange(7)
        alpha_s = 0.3 * np.sin(1.1 * row + 0.9 * column)
        alpha_t = 0.3 * np.cos(0.8 * row + 1.7 * column)
        scene.architecture.arch_alpha.copy_(torch.from_numpy(alpha_s))
        denoiser.architecture.arch_alpha.copy_(torch.from_numpy(alpha_t))
    return model
