"""Pairs of small dark and large well-lit pictures, against the formulas."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llv.datasets.transforms.coupled_darkening import CoupledDarkening
from llv.engine.seeded_sampler import seeded

STOPS = (-2.5, -3.0, -3.5, -4.0, -4.5)


def picture(size=(24, 30), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def darken(transform, img, key=0, **results):
    with seeded(key):
        return transform(dict(img=img, **results))


def decode(code):
    """sRGB to light (IEC 61966-2-1)."""
    return code / 12.92 if code <= 0.04045 else ((code + 0.055) / 1.055) ** 2.4


def encode(light):
    light = min(max(light, 0), 1)
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


@settings(deadline=None, max_examples=12)
@given(
    height=st.integers(4, 9),
    width=st.integers(4, 9),
    scale=st.sampled_from([1, 2, 4]),
    stops=st.sampled_from([0.0, *STOPS]),
)
def test_without_noise_every_pixel_is_the_mean_light_of_its_square(height, width, scale, stops):
    large = picture((height, width))
    transform = CoupledDarkening(scale, (stops,), shot_noise=0, read_noise=0)
    results = darken(transform, large.copy())
    dark = results['img']
    assert dark.shape == (height // scale, width // scale, 3) == (*results['img_shape'], 3)
    assert np.array_equal(
        results['reference'], large[: height // scale * scale, : width // scale * scale]
    )
    assert dark.dtype == results['reference'].dtype == np.uint8 and results['ev'] == stops
    for row, column, colour in np.ndindex(dark.shape):
        light = 0
        for i in range(scale):
            for j in range(scale):
                light += decode(large[scale * row + i, scale * column + j, colour] / 255)
        wanted = 255 * encode(light / scale**2 * 2**stops)
        assert abs(dark[row, column, colour] - wanted) <= 0.5 + 1e-2


def test_the_mean_is_taken_of_light_and_not_of_levels():
    board = np.zeros((2, 2, 3), np.uint8)
    board[0, 0] = board[1, 1] = 255
    transform = CoupledDarkening(2, (0.0,), shot_noise=0, read_noise=0)
    assert darken(transform, board)['img'].tolist() == [[[188] * 3]]  # half the light


def test_noise_has_the_variance_of_its_signal_in_each_colour():
    grey = np.full((800, 800, 3), 188, np.uint8)
    transform = CoupledDarkening(2, (-1.0,), shot_noise=2e-3, read_noise=1e-2)
    dark = darken(transform, grey)['img'].astype(float) / 255
    light = np.where(dark <= 0.04045, dark / 12.92, ((dark + 0.055) / 1.055) ** 2.4)
    signal = decode(188 / 255) / 2
    assert light.mean((0, 1)) == pytest.approx([signal] * 3, rel=0.01)
    # 160,000 samples: 0.4 % of the variance; levels are much finer than the noise
    assert light.var((0, 1)) == pytest.approx([2e-3 * signal + 1e-4] * 3, rel=0.03)
    assert abs(np.corrcoef(light.reshape(-1, 3).T)[0, 1]) < 0.02


def test_by_default_noise_has_the_published_stops_and_our_variance():
    transform = CoupledDarkening()
    assert transform.stops == STOPS and transform.scale == 2
    assert (transform.shot_noise, transform.read_noise**2) == (2e-4, pytest.approx(1e-6))
    drawn = [darken(transform, picture((4, 4)), key)['ev'] for key in range(200)]
    counts = [drawn.count(stops) for stops in STOPS]
    assert sum(counts) == 200 and min(counts) > 20


def test_fixed_pictures_depend_on_the_name_of_the_file_alone():
    fixed = CoupledDarkening(fixed=True)
    names = [f'aachen_{k:06d}_leftImg8bit' for k in range(60)]
    first = [darken(fixed, picture(), 1, img_path=f'data/val/{name}.png') for name in names]
    again = [darken(fixed, picture(), 2, img_path=f'/else/{name}.jpg') for name in names]
    for a, b in zip(first, again, strict=True):
        assert a['ev'] == b['ev'] and np.array_equal(a['img'], b['img'])
    assert {a['ev'] for a in first} == set(STOPS)
    alike = [a for a in first if a['ev'] == first[0]['ev']]
    assert not np.array_equal(alike[0]['img'], alike[1]['img'])  # noise of their own
    other = CoupledDarkening(fixed=True, seed=1)
    assert [darken(other, picture(), img_path=name)['ev'] for name in names] != [
        a['ev'] for a in first
    ]
    # for ever: another draw is another test set
    assert [a['ev'] for a in first[:6]] == [-2.5, -4.0, -3.0, -2.5, -3.5, -3.5]


def test_in_training_the_seed_decides_and_nothing_else_does():
    transform = CoupledDarkening()
    a = darken(transform, picture(), 3, img_path='a.png')
    b = darken(transform, picture(), 3, img_path='b.png')
    assert a['ev'] == b['ev'] and np.array_equal(a['img'], b['img'])
    assert not np.array_equal(a['img'], darken(transform, picture(), 4)['img'])
    assert a['img'].flags['C_CONTIGUOUS'] and a['reference'].flags['C_CONTIGUOUS']


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (dict(scale=0), '`scale` is a whole number'),
        (dict(scale=1.5), '`scale` is a whole number'),
        (dict(stops=()), '`stops` holds at least one number'),
        (dict(stops=(float('nan'),)), '`stops` holds at least one number'),
        (dict(shot_noise=-1), '`shot_noise` is a number from 0 up'),
        (dict(read_noise=float('inf')), '`read_noise` is a number from 0 up'),
    ],
)
def test_bad_arguments_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        CoupledDarkening(**arguments)


def test_other_pictures_are_refused():
    with pytest.raises(TypeError, match='`img` holds float32'):
        CoupledDarkening()(dict(img=picture().astype(np.float32)))
    with pytest.raises(ValueError, match=r'`a.png` has shape \(1, 30, 3\)'):
        CoupledDarkening()(dict(img=picture((1, 30)), img_path='a.png'))
    with pytest.raises(ValueError, match=r'has shape \(24, 30\)'):
        CoupledDarkening()(dict(img=picture()[..., 0]))
    with pytest.raises(ValueError, match='there is no `img_path`'):
        CoupledDarkening(fixed=True)(dict(img=picture()))
