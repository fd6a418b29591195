"""Maps and exposure averaged over time."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llv.apis import init_enhancer
from llv.apis.temporal import SteadyLight
from llv.models.enhancers import IAT, SCI, Enhancement, MapBasedEnhancer, ZeroDCE


def scene(seed=0, size=(36, 48), low=0.02, high=0.3):
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.uniform(low, high, (1, 3, size[0] // 6, size[1] // 6)))
    return coarse.repeat_interleave(6, 2).repeat_interleave(6, 3).float()


class Told(MapBasedEnhancer):
    """Its map is one number, the next of those it was given; the result is the product."""

    def __init__(self, gains):
        super().__init__()
        self.gains = iter(gains)

    def estimate_maps(self, images):
        return dict(gain=torch.full((1, 1, 1, 1), next(self.gains)))

    def apply_maps(self, images, maps):
        return Enhancement((images * maps['gain']).clamp(0, 1), maps)


@pytest.fixture(scope='module')
def enhancers():
    torch.manual_seed(0)
    lit_by_weights = [init_enhancer('psenet-night-scenes'), init_enhancer('ruas-night-scenes')]
    wild = [SCI().eval(), IAT().eval(), ZeroDCE().eval()]
    with torch.no_grad():
        for parameter in wild[2].parameters():
            parameter.mul_(5)
    return lit_by_weights + wild


@given(seed=st.integers(0, 10**6), depth=st.floats(0.01, 0.06))
@settings(max_examples=2, deadline=None)
def test_a_flickering_exposure_flickers_less(enhancers, seed, depth):
    rng = np.random.default_rng(seed)
    dark = scene(seed)
    frames = [dark * (1 + depth * rng.uniform(-1, 1)) for _ in range(8)]
    for enhancer in enhancers:
        steady = SteadyLight(enhancer, 2.0)
        with torch.no_grad():
            plain = [float(enhancer(frame).image.mean()) for frame in frames]
        kept = [float(steady(frame, i / 25).mean()) for i, frame in enumerate(frames)]
        change, less = (np.abs(np.diff(x)).mean() for x in (plain, kept))
        # an enhancer that brings every picture to one brightness leaves no flicker: below a tenth of a grey level
        assert less < max(0.5 * change, 0.1 / 255), type(enhancer).__name__
        # steadier, and not darker or brighter
        assert np.mean(kept) == pytest.approx(np.mean(plain), rel=3 * depth)


@given(
    gains=st.lists(st.floats(1, 3), min_size=2, max_size=6),
    steps=st.lists(st.floats(0.01, 2), min_size=6, max_size=6),
    seconds=st.floats(0.05, 3),
)
@settings(max_examples=20, deadline=None)
def test_maps_are_the_exponential_average_also_where_the_rate_varies(gains, steps, seconds):
    steady, dark = SteadyLight(Told(gains), seconds), scene()
    time, wanted = 0.0, gains[0]
    for gain, step in zip(gains, [0, *steps], strict=False):
        time += step
        kept = math.exp(-step / seconds) if time else 0
        wanted = kept * wanted + (1 - kept) * gain
        found = steady(dark, time)
        torch.testing.assert_close(found, (dark * wanted).clamp(0, 1), atol=1e-5, rtol=1e-4)


def test_without_memory_it_is_the_plain_enhancer(enhancers):
    for enhancer in enhancers:
        steady = SteadyLight(enhancer, 1e-9)
        for number in range(3):
            frame = scene() * (1 + 0.05 * number)
            with torch.no_grad():
                torch.testing.assert_close(steady(frame, number / 25), enhancer(frame).image)


def test_a_cut_starts_anew(enhancers):
    for enhancer in enhancers:
        steady = SteadyLight(enhancer, 5.0)
        for number in range(3):
            steady(scene(1), number / 25)
        with torch.no_grad():
            plain = enhancer(scene(2)).image
        torch.testing.assert_close(steady(scene(2), 3 / 25), plain)


@pytest.mark.parametrize(('factor', 'starts'), [(1.6, True), (1 / 1.6, True), (1.4, False)])
def test_light_that_is_switched_on_or_off_starts_anew(factor, starts):
    steady = SteadyLight(Told([1.0, 2.0]), 1e6)
    steady(scene(), 0.0)
    wanted = scene() * factor * 2 if starts else scene()
    torch.testing.assert_close(steady(scene() * factor, 0.04), wanted, atol=1e-5, rtol=1e-4)


def test_fading_to_black_and_black_frames_are_no_trouble():
    steady = SteadyLight(Told([2.0] * 5), 1.0)
    for number, frame in enumerate([scene(), 0 * scene(), 0 * scene(), scene()]):
        torch.testing.assert_close(steady(frame, number / 25), 2 * frame)


def test_a_lamp_in_a_part_of_the_picture_does_not_move_the_rest():
    steady = SteadyLight(Told([2.0, 2.0, 2.0]), 1.0)
    lamp = scene()
    lamp[..., :12, :12] = 0.8
    for number, frame in enumerate((scene(), lamp, scene())):
        torch.testing.assert_close(steady(frame, number / 25), (2 * frame).clamp(max=1))


def test_what_predicts_no_maps_is_refused_with_a_list_of_what_does():
    with pytest.raises(ValueError, match='`CLAHE` predicts no maps.* IAT, PSENet, RUAS, SCI, Z'):
        SteadyLight(init_enhancer('clahe'), 0.5)
    for seconds in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match='must be positive'):
            SteadyLight(Told([]), seconds)
