"""Both degradations cost: neither a gain nor enlarging restores the scenes, not even with the reference at hand."""

import cv2
import numpy as np
import pytest
import torch

from llv.datasets.night_scenes import CoupledNightScenes, linear_to_srgb, srgb_to_linear
from llv.evaluation import get_protocol, measure

STOPS = (-2.5, -3.0, -3.5, -4.0, -4.5)
GAINS = {
    'gain': lambda x, k: np.clip(x * k, 0, 1),
    'gain in linear light': lambda x, k: linear_to_srgb(srgb_to_linear(x) * k),
}


def enlarged(picture, scale):
    """By OpenCV's bicubic interpolation."""
    return cv2.resize(
        np.float32(picture), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC
    ).clip(0, 1)


def psnr(picture, target):
    """Of pictures in 0..1, rounded to 8 bits as a file would be."""
    return float(-10 * np.log10(np.square(np.rint(picture * 255) / 255 - target).mean()))


def quality(picture, target):
    """PSNR and SSIM under TriCo's protocol."""
    both = [torch.from_numpy(np.float32(p).transpose(2, 0, 1).copy()) for p in (picture, target)]
    return np.array(list(measure(*both, ['psnr', 'ssim'], get_protocol('trico')).values()))


def best(score, low=0.5, high=256.0):
    """The positive number with the highest score, by a grid that narrows five times."""
    for _ in range(5):
        grid = np.geomspace(low, high, 9)
        top = int(np.argmax([score(k) for k in grid]))
        low, high = grid[max(top - 1, 0)], grid[min(top + 1, 8)]
    return grid[top]


def restored(correction, dark, target, scale):
    """The picture after the best gain of its own, chosen with the reference at hand, and enlarged."""
    lit = GAINS[correction]
    k = best(lambda k: psnr(enlarged(lit(dark, k), scale), target))
    return enlarged(lit(dark, k), scale)


def measure_scenes(side, count=40, scale=2, stops=STOPS, seed=0):
    """Mean (PSNR, SSIM) against the targets of `scale`: of the bicubic enlargement of the smallest target, and by stops
    of the dark pictures enlarged as they are and after the best gains. Squares of `side` dark pixels."""
    scenes = [CoupledNightScenes((side, side), seed, 'test')[i] for i in range(count)]
    targets = [scene.targets[scale] / 255 for scene in scenes]
    figures = {
        'bright': np.mean(
            [
                quality(enlarged(scene.targets[1] / 255, scale), target)
                for scene, target in zip(scenes, targets, strict=True)
            ],
            0,
        )
        if scale > 1
        else None
    }
    for stop in stops:
        pairs = [(s.dark[stop] / 255, target) for s, target in zip(scenes, targets, strict=True)]
        figures[stop] = {
            'as it is': np.mean([quality(enlarged(x, scale), y) for x, y in pairs], 0)
        } | {
            name: np.mean([quality(restored(name, x, y, scale), y) for x, y in pairs], 0)
            for name in GAINS
        }
    return figures


@pytest.fixture(scope='module')
def figures():
    """By scale."""
    return {scale: measure_scenes(48, 4, scale, stops=(-2.5, -4.5)) for scale in (1, 2, 4)}


def psnr_of(figures, scale, stops, what='gain in linear light'):
    return figures[scale][stops][what][0]


def test_the_dark_costs_more_than_enlarging_can_mend(figures):
    for scale in (2, 4):
        bright = figures[scale]['bright'][0]
        assert bright < 35
        assert psnr_of(figures, scale, -2.5) < bright - 1.5
        assert psnr_of(figures, scale, -4.5) < bright - 4


def test_the_size_costs_more_than_a_gain_can_mend(figures):
    same, twice, four = (psnr_of(figures, scale, -2.5) for scale in (1, 2, 4))
    assert four + 0.5 < twice and twice + 1 < same


def test_the_less_light_the_worse_each_correction_gets(figures):
    for scale in (1, 2, 4):
        for what in GAINS:
            assert psnr_of(figures, scale, -4.5, what) < psnr_of(figures, scale, -2.5, what) - 2
        assert psnr_of(figures, scale, -2.5, 'as it is') < 14
        ssim = [figures[scale][stop]['gain in linear light'][1] for stop in (-2.5, -4.5)]
        assert ssim[1] < ssim[0] - 0.1


def test_a_picture_that_is_only_dim_is_restored_by_a_gain():
    """So the corrections of this file can do it, and what they miss above is lost."""
    day = CoupledNightScenes((48, 48), 0)[0].targets[1] / 255
    dim = linear_to_srgb(srgb_to_linear(day) * 2**-3.5)
    assert psnr(restored('gain in linear light', dim, day, 1), day) > 45
