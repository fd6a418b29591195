"""What is promised about the weights that come with llv."""

import pytest
import torch

from llv.apis import init_enhancer
from llv.utils.pictures import read_picture, to_tensor


def psnr(x, y):
    return -10 * torch.log10((x - y).square().mean()).item()


@pytest.fixture(scope='module')
def pairs(reference_dir):
    folder = reference_dir / 'ruas'
    return [
        tuple(
            to_tensor(read_picture(folder / f'lol_{k}_{part}.png'))[None]
            for part in ('input', 'gt')
        )
        for k in ('00001', '00271')
    ]


@pytest.mark.parametrize('name', ['psenet-night-scenes', 'ruas-night-scenes'])
def test_they_bring_photographs_nearer_to_their_references(pairs, name):
    enhancer = init_enhancer(name)
    with torch.no_grad():
        for dark, reference in pairs:
            assert psnr(enhancer(dark).image, reference) > psnr(dark, reference) + 1.5


def test_psenet_keeps_its_result_when_the_map_comes_from_a_quarter_of_the_side(pairs):
    exact, cheap = (init_enhancer('psenet-night-scenes', estimate_scale=s) for s in (1.0, 0.25))
    with torch.no_grad():
        for dark, reference in pairs:
            image = exact(dark).image
            reduced = cheap(dark).image
            assert psnr(reduced, image) > 40
            assert psnr(reduced, reference) > psnr(image, reference) - 0.2
