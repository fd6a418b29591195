"""No global correction undoes the exposures, not even one chosen with the reference at hand."""

import numpy as np
import pytest

from llv.datasets.night_scenes import NightExposures, linear_to_srgb, srgb_to_linear

GROUPS = dict(sice=('low', 'over'), msec=('N1.5', 'N1', '0', 'P1', 'P1.5'))
CORRECTIONS = {
    'gain': lambda x, k: np.clip(x * k, 0, 1),
    'linear gain': lambda x, k: linear_to_srgb(srgb_to_linear(x) * k),
    'gamma': lambda x, k: x**k,
}


def psnr(picture, target):
    """Of pictures in 0..1, rounded to 8 bits as a file would be."""
    return float(-10 * np.log10(np.square(np.rint(picture * 255) / 255 - target).mean()))


def highest(score, low=1 / 16, high=16.0):
    """The highest score of a positive number, by a grid that narrows four times, and the number."""
    for _ in range(4):
        grid = np.geomspace(low, high, 9)
        scores = [score(k) for k in grid]
        best = int(np.argmax(scores))
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, 8)]
    return max(scores), grid[int(np.argmax(scores))]


def by_curves(picture, target):
    """Each value of each channel replaced by what the reference has there on average: no curve does better."""
    result = np.empty_like(target)
    for channel in range(3):
        values = picture[..., channel]
        counts = np.maximum(np.bincount(values.ravel(), minlength=256), 1)
        sums = np.bincount(values.ravel(), target[..., channel].ravel(), 256)
        result[..., channel] = (sums / counts)[values]
    return result


def measure(side, count=100, layout='sice', seed=0):
    """Mean PSNR against the reference of each exposure, as it is and corrected, on squares of `side` pixels."""
    scenes = [NightExposures((side, side), seed, layout, 'test')[i] for i in range(count)]
    return {name: measure_exposure(name, scenes) for name in GROUPS[layout]}


def measure_exposure(name, scenes):
    pairs = [(s.pictures[name] / 255, s.day / 255) for s in scenes]

    def after(correction, k, some):
        return np.mean([psnr(CORRECTIONS[correction](x, k), y) for x, y in some])

    return {
        'as it is': after('gain', 1, pairs),
        'one gain for all': highest(lambda k: after('gain', k, pairs))[0],
        **{
            correction: np.mean(
                [highest(lambda k, p=p, c=correction: after(c, k, [p]))[0] for p in pairs]
            )
            for correction in CORRECTIONS
        },
        'curves': np.mean(
            [
                psnr(by_curves(s.pictures[name], y), y)
                for s, (_, y) in zip(scenes, pairs, strict=True)
            ]
        ),
        'white in percent': 100 * np.mean([(s.pictures[name] == 255).mean() for s in scenes]),
    }


@pytest.fixture(scope='module')
def figures():
    return measure(64, 6)


@pytest.mark.parametrize('name', ['low', 'over'])
def test_no_correction_of_all_pixels_alike_restores_the_picture(figures, name):
    found = figures[name]
    corrected = [
        value for key, value in found.items() if key not in ('as it is', 'white in percent')
    ]
    # the day picture's own noise and rounding are at 42 dB
    assert found['as it is'] < 15 and max(corrected) < 36
    assert found['curves'] > max(corrected) - 0.01 > found['as it is'] + 10


def test_one_gain_for_all_pictures_is_worse_than_one_for_each(figures):
    assert figures['low']['one gain for all'] < figures['low']['gain'] - 2


def test_the_over_exposed_lose_more_than_the_under_exposed(figures):
    assert figures['over']['curves'] < figures['low']['curves'] - 1
    assert figures['over']['white in percent'] > 10 and figures['low']['white in percent'] < 0.1


def test_a_picture_that_lost_nothing_is_restored_by_a_gain():
    """So the corrections of this file can do it, and what they miss above is lost."""
    day = NightExposures((64, 64), 0)[0].day / 255
    dim = linear_to_srgb(srgb_to_linear(day) * 0.25)
    assert highest(lambda k: psnr(CORRECTIONS['linear gain'](dim, k), day))[0] > 45
