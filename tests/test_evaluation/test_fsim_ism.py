"""The FSIM of `image-similarity-measures`, where that package is installed, against a second implementation."""

import math

import numpy as np
import pytest
import torch

from llv.evaluation.perceptual import fsim, fsim_ism

ORIENTATIONS, SCALES = 6, 4


def frequencies(size):
    """Of the centred spectrum; the package stretches odd sizes to ± 0.5."""
    steps = np.arange(size) - size // 2
    return steps / (size - size % 2)


def phase_congruency(band):
    """Kovesi's measure with the constants of FSIM's paper, summed over orientations."""
    x, y = np.meshgrid(*(frequencies(size) for size in band.shape[::-1]))
    radius, angle = np.hypot(x, y), np.arctan2(-y, x)
    spectrum = np.fft.fftshift(np.fft.fft2(band.astype(float)))
    middle = tuple(size // 2 for size in band.shape)
    total = 0
    for orientation in range(ORIENTATIONS):
        turned = np.exp(1j * (angle - orientation * math.pi / ORIENTATIONS))
        spread = (1 + np.cos(np.minimum(np.abs(np.angle(turned)) * ORIENTATIONS / 2, math.pi))) / 2
        responses = []
        for scale in range(SCALES):
            with np.errstate(divide='ignore'):
                octaves = np.log(radius * 6 * 2**scale) / math.log(0.5978)
            filtered = np.exp(-(octaves**2) / 2) / (1 + (radius / 0.45) ** 30) * spread
            filtered[middle] = 0
            responses.append(np.fft.ifft2(np.fft.ifftshift(spectrum * filtered)))
        sizes = np.abs(responses)
        together = np.sum(responses, 0)
        along = responses * np.conj(together / (np.abs(together) + 1e-4))
        energy = np.sum(along.real - np.abs(along.imag), 0)
        # noise: Rayleigh's distribution from the median at the finest scale, halved from scale to scale
        noise = np.median(sizes[0]) / math.sqrt(math.log(4)) * (2 - 2.0 ** (1 - SCALES))
        threshold = noise * (math.sqrt(math.pi / 2) + 2 * math.sqrt((4 - math.pi) / 2))
        energy = np.maximum(energy - max(threshold, 1e-4), 0)
        width = (sizes.sum(0) / (sizes.max(0) + 1e-4) - 1) / (SCALES - 1)
        total = total + energy / (1 + np.exp(10 * (0.5 - width))) / sizes.sum(0)
    return total


def gradient(band):
    """Scharr's, in 16 bits without a sign: below 0 is 0, squares and their sum are taken modulo 65536."""
    padded = np.pad(band.astype(int), 1, mode='reflect')
    height, width = band.shape
    squares = np.zeros_like(band, dtype=int)
    for turn in (False, True):
        value = np.zeros_like(squares)
        for i, smooth in enumerate((3, 10, 3)):
            for j, slope in ((0, -1), (2, 1)):
                down, right = (j, i) if turn else (i, j)
                window = padded[down : down + height, right : right + width]
                value += smooth * slope * window
        squares = (squares + np.maximum(value, 0) ** 2) % 65536
    return np.sqrt(squares)


def alike(a, b, constant):
    return (2 * a * b + constant) / (a**2 + b**2 + constant)


def plain_fsim_ism(x, y):
    """From what the package is documented and seen to compute, (H, W, 3) uint8."""
    bands = []
    for a, b in zip(x.transpose(2, 0, 1), y.transpose(2, 0, 1), strict=True):
        pa, pb = phase_congruency(a), phase_congruency(b)
        similar = alike(pa, pb, 0.85) * alike(gradient(a), gradient(b), 160)
        weights = np.maximum(pa, pb)
        bands.append((similar * weights).sum() / weights.sum())
    return np.mean(bands)


def pictures(size, seed=0):
    """Two related pictures with edges: blocks and noise, uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (*(-(-side // 8) for side in size), 3))
    x = blocks.repeat(8, 0).repeat(8, 1)[: size[0], : size[1]]
    y = 0.7 * x + rng.normal(0, 6, x.shape)
    return tuple(np.clip(v, 0, 255).astype(np.uint8) for v in (x + rng.normal(0, 3, x.shape), y))


def tensor(*arrays):
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2) / 255


@pytest.fixture(autouse=True)
def package():
    pytest.importorskip('image_similarity_measures.quality_metrics')


@pytest.mark.parametrize('size', [(48, 64), (41, 57)])
def test_the_figure_is_that_of_a_second_implementation(size):
    first, second = pictures(size), pictures(size, 1)
    found = fsim_ism(tensor(first[0], second[0]), tensor(first[1], second[1]))
    wanted = [plain_fsim_ism(*first), plain_fsim_ism(*second)]
    torch.testing.assert_close(found, torch.tensor(wanted).double(), atol=1e-6, rtol=0)
    # what sets it apart shows: steps of more than 16 levels have squares that wrap around
    assert max(wanted) < 0.9


def test_equal_pictures_have_1_and_levels_are_the_nearest():
    x, _ = pictures((40, 40))
    sides = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0)) - 0.5
    nearly = (tensor(x) + 0.3 / 255 * sides.sign()).clamp(0, 1)
    assert fsim_ism(tensor(x), nearly).tolist() == pytest.approx([1], abs=1e-12)


def test_it_is_another_figure_than_fsim():
    pytest.importorskip('piq')
    x, y = (tensor(v) for v in pictures((64, 64)))
    assert fsim_ism(x, y).item() < fsim(x, y).item() - 0.1


@pytest.mark.parametrize('band', [0, 100])
def test_pictures_without_features_are_told(band):
    x, _ = pictures((40, 40))
    x[..., 1] = band
    with pytest.raises(ValueError, match='`fsim_ism` is not defined where a colour is black'):
        fsim_ism(tensor(x), tensor(x))
