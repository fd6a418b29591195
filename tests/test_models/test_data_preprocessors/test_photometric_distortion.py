"""Distortion of lit pictures, against mmseg's transform given the same draws and a second version on OpenCV."""

import pickle
from collections import Counter
from copy import deepcopy

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import LearnedGain  # noqa: F401

from llv.models import EnhancedDataPreprocessor
from llv.models.data_preprocessors.photometric_distortion import (
    Draw,
    PhotoMetricDistortion,
    distort,
)
from llv.registry import MODELS

pytest.importorskip('mmseg')
from mmseg.datasets.transforms import PhotoMetricDistortion as Transform  # noqa: E402
from mmseg.datasets.transforms import transforms as upstream  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402

FULL = Draw(20.0, 1.3, True, 1.4, 9)
draws = st.builds(
    Draw,
    brightness=st.none() | st.floats(-32, 32),
    contrast=st.none() | st.floats(0.5, 1.5),
    contrast_first=st.booleans(),
    saturation=st.none() | st.floats(0.5, 1.5),
    hue=st.none() | st.integers(-18, 17),
)


def rgb(seed=0, size=(24, 30), span=255, dtype=np.uint8):
    """Colours all over the cube; a smaller span keeps channels of a pixel that close."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 256 - span, (*size, 1))
    return (base + rng.integers(0, span + 1, (*size, 3))).astype(dtype)


def tensor(picture):
    return torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)


def array(picture):
    return picture.permute(1, 2, 0).numpy()


class Script:
    """In the place of numpy's random numbers in mmseg's file: says what a draw says."""

    def __init__(self, draw):
        def step(value):
            return [0] if value is None else [1, value]

        contrast = step(draw.contrast)
        self.numbers = [
            *step(draw.brightness),
            int(draw.contrast_first),
            *(contrast if draw.contrast_first else []),
            *step(draw.saturation),
            *step(draw.hue),
            *([] if draw.contrast_first else contrast),
        ]

    def randint(self, *limits):
        return self.numbers.pop(0)

    uniform = randint


def mmseg_transform(picture, draw):
    """RGB uint8 to RGB uint8 by the transform itself, which takes BGR."""
    with pytest.MonkeyPatch.context() as patch:
        script = Script(draw)
        patch.setattr(upstream, 'random', script)
        result = Transform()(dict(img=picture[..., ::-1].copy()))['img']
    assert not script.numbers
    return result[..., ::-1]


def plain(picture, draw):
    """The same steps in numpy without rounding; OpenCV's HSV of floats in 0..1 has the hue in degrees."""
    picture = picture.astype(np.float32)
    if draw.brightness is not None:
        picture = np.clip(picture + np.float32(draw.brightness), 0, 255)
    for first in (True, False):
        if draw.contrast is not None and draw.contrast_first == first:
            picture = np.clip(picture * np.float32(draw.contrast), 0, 255)
        if first:
            hsv = cv2.cvtColor(picture / 255, cv2.COLOR_RGB2HSV)
            hsv[..., 1] = np.clip(hsv[..., 1] * (draw.saturation or 1), 0, 1)
            hsv[..., 0] = (hsv[..., 0] + 2 * (draw.hue or 0)) % 360
            picture = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255
    return picture


@settings(deadline=None, max_examples=60)
@given(draw=draws, seed=st.integers(0, 99))
def test_it_is_the_distortion_without_rounding(draw, seed):
    picture = rgb(seed)
    ours = array(distort(tensor(picture), draw))
    np.testing.assert_allclose(ours, plain(picture, draw), atol=0.02)


STEPS = [
    ('brightness', dict(brightness=31.7), 255),
    ('brightness down', dict(brightness=-20.2), 255),
    ('contrast', dict(contrast=1.47), 255),
    ('contrast down', dict(contrast=0.51, contrast_first=True), 255),
    # 8-bit hues are two degrees apart, which is a 30th of the span of the channels
    ('saturation', dict(saturation=1.5), 40),
    ('saturation down', dict(saturation=0.5), 60),
    ('hue', dict(hue=17), 60),
    ('hue back', dict(hue=-18), 60),
]


@pytest.mark.parametrize('step, span', [(step, span) for _, step, span in STEPS],
                         ids=[name for name, _, _ in STEPS])  # fmt: skip
def test_each_step_is_that_of_mmseg_to_two_levels(step, span):
    picture, draw = rgb(1, (64, 64), span), Draw(**step)
    difference = array(distort(tensor(picture), draw)) - mmseg_transform(picture, draw)
    assert np.abs(difference).max() <= 2


@settings(deadline=None, max_examples=40)
@given(draw=draws, seed=st.integers(0, 99))
def test_the_whole_is_that_of_mmseg_but_for_its_rounding(draw, seed):
    picture = rgb(seed, (48, 48), span=60)
    difference = np.abs(array(distort(tensor(picture), draw)) - mmseg_transform(picture, draw))
    assert difference.mean() <= 2
    # decimals cut off early are multiplied by later steps
    assert difference.max() <= 6


def test_draws_have_the_distribution_of_mmseg(monkeypatch):
    ours = PhotoMetricDistortion()
    torch.manual_seed(0)
    made = [ours.draw() for _ in range(4000)]
    for name in ('brightness', 'contrast', 'saturation', 'hue'):
        values = np.array([getattr(draw, name) for draw in made if getattr(draw, name) is not None])
        assert abs(len(values) / 4000 - 0.5) < 0.03
        low, high = dict(brightness=(-32, 32), hue=(-18, 17)).get(name, (0.5, 1.5))
        assert values.min() >= low and values.max() <= high
        assert abs(values.mean() - (low + high) / 2) < 0.03 * (high - low)
        assert abs(values.std() - (high - low) / 12**0.5) < 0.05 * (high - low)
    assert set(Counter(draw.hue for draw in made) - Counter([None])) - {None} == set(range(-18, 18))
    assert abs(np.mean([draw.contrast_first for draw in made]) - 0.5) < 0.03
    # independent of each other
    on = np.array([[getattr(draw, n) is not None for n in ('brightness', 'contrast', 'saturation', 'hue')]
                   + [draw.contrast_first] for draw in made])  # fmt: skip
    assert np.abs(np.corrcoef(on.T) - np.eye(5)).max() < 0.06


def test_a_seed_repeats_and_each_picture_draws_by_itself():
    module = PhotoMetricDistortion()
    picture = tensor(rgb())
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        results.append(module([picture] * 8))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    assert len({str(result.sum().item()) for result in results[0]}) > 4


def test_the_same_number_of_random_numbers_is_drawn_for_any_picture():
    module, after = PhotoMetricDistortion(), set()
    for seed in range(6):
        torch.manual_seed(seed)
        module.draw()
        drawn = torch.rand(1)
        torch.manual_seed(seed)
        torch.rand(9, dtype=torch.float64)
        after.add(torch.equal(drawn, torch.rand(1)))
    assert after == {True}


def test_eval_mode_leaves_pictures_alone():
    pictures = [tensor(rgb()) * 3 - 200]
    state = torch.get_rng_state()
    assert PhotoMetricDistortion().eval()(pictures)[0] is pictures[0]
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize('seed', range(3))
def test_gradients_agree_with_differences(seed):
    # away from clamps and from ties between channels
    generator = torch.Generator().manual_seed(seed)
    offsets = torch.rand(3, 4, 4, generator=generator, dtype=torch.float64).argsort(0) * 20.0
    picture = 90 + offsets + torch.rand(3, 4, 4, generator=generator, dtype=torch.float64)
    torch.autograd.gradcheck(
        lambda p: distort(p, Draw(5.0, 1.2, bool(seed % 2), 1.1, 7)), picture.requires_grad_()
    )


@pytest.mark.parametrize('value', [0, 1, 127, 255])
def test_gradients_of_flat_grey_pictures_are_finite(value):
    picture = torch.full((3, 5, 5), float(value), requires_grad=True)
    distorted = distort(picture, FULL)
    distorted.sum().backward()
    assert torch.isfinite(picture.grad).all() and torch.isfinite(distorted).all()


def test_grey_stays_grey_and_value_is_kept_by_the_colour_steps():
    grey = torch.full((3, 2, 2), 77.0)
    assert torch.equal(distort(grey, Draw(saturation=1.5, hue=17)), grey)
    picture = tensor(rgb(5))
    turned = distort(picture, Draw(hue=11, saturation=0.7))
    torch.testing.assert_close(turned.amax(0), picture.amax(0))


def test_a_third_of_the_circle_exchanges_the_channels():
    from llv.models.data_preprocessors.photometric_distortion import turn_hue

    picture = tensor(rgb(6))
    torch.testing.assert_close(turn_hue(picture, 120), picture[[2, 0, 1]], atol=1e-3, rtol=0)
    torch.testing.assert_close(turn_hue(picture, -120), picture[[1, 2, 0]], atol=1e-3, rtol=0)
    torch.testing.assert_close(turn_hue(picture, 360), picture, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    'arguments',
    [
        dict(contrast_range=(1.5, 0.5)), dict(contrast_range=(0.5,)), dict(saturation_range=(-1, 1)),
        dict(saturation_range=(0.5, 1, 1.5)), dict(brightness_delta=-1), dict(hue_delta=-3),
    ],
)  # fmt: skip
def test_wrong_ranges_are_refused(arguments):
    with pytest.raises(ValueError, match=f'`{next(iter(arguments))}`'):
        PhotoMetricDistortion(**arguments)


# ---- inside the preprocessor

BASE = dict(
    type='mmseg.SegDataPreProcessor', mean=[0, 0, 0], std=[1, 1, 1], bgr_to_rgb=True, size=(24, 30)
)


def preprocessor(enhancer, **options):
    return MODELS.build(
        dict(
            type='llv.EnhancedDataPreprocessor',
            enhancer=enhancer,
            base=dict(BASE),
            distortion=dict(type='llv.PhotoMetricDistortion'),
            **options,
        )
    )


def batch(count=6):
    pictures = [torch.from_numpy(rgb(i, span=60)[..., ::-1].copy()).permute(2, 0, 1) for i in range(count)]  # fmt: skip
    samples = [SegDataSample(metainfo=dict(img_shape=(24, 30), ori_shape=(24, 30))) for _ in pictures]  # fmt: skip
    return dict(inputs=pictures, data_samples=samples)


@pytest.mark.parametrize('gain', [None, 2.0])
def test_preprocessor_distorts_what_is_lit_in_training_only(gain):
    enhancer = dict(type='llv.Identity') if gain is None else dict(type='llv.FixedGain', gain=gain)
    wrapper = preprocessor(enhancer)
    lit = [(tensor(rgb(i, span=60)) * (gain or 1)).clamp(0, 255) for i in range(6)]
    out = wrapper(batch(), training=False)['inputs']
    torch.testing.assert_close(out, torch.stack(lit))
    torch.manual_seed(4)
    out = wrapper(batch(), training=True)['inputs']
    torch.manual_seed(4)
    expected = PhotoMetricDistortion()(lit)
    torch.testing.assert_close(out, torch.stack(expected), atol=1e-3, rtol=0)
    assert not torch.allclose(out, torch.stack(lit), atol=1)
    out = wrapper.eval()(batch(), training=True)['inputs']
    torch.testing.assert_close(out, torch.stack(lit))


def test_gradients_of_the_task_reach_the_enhancer_through_it():
    wrapper = preprocessor(dict(type='LearnedGain'))
    torch.manual_seed(0)
    wrapper(batch(), training=True)['inputs'].mean().backward()
    grads = [p.grad for p in wrapper.enhancer.parameters()]
    assert grads and all(g is not None and torch.isfinite(g).all() and g.abs().sum() > 0 for g in grads)  # fmt: skip


def test_shown_picture_is_the_lit_one():
    wrapper = preprocessor(dict(type='llv.FixedGain', gain=2.0), keep_pictures=True)
    torch.manual_seed(1)
    samples = wrapper(batch(2), training=True)['data_samples']
    lit = (tensor(rgb(0, span=60)) * 2).clamp(0, 255).to(torch.uint8)
    assert torch.equal(samples[0].enhanced.data, lit)


def test_a_distortion_adds_no_entry_to_checkpoints():
    with_it = preprocessor(dict(type='llv.Identity'))
    without = EnhancedDataPreprocessor(dict(type='llv.Identity'), dict(BASE))
    assert with_it.state_dict().keys() == without.state_dict().keys()


def test_copies_and_pickles_distort_alike():
    # averaged weights copy the whole model, workers and launchers pickle it
    wrapper = preprocessor(dict(type='LearnedGain'))
    wrapper.holding = True
    wrapper(batch(1), training=True)  # leaves tensors of a graph behind
    results = []
    for one in (wrapper, deepcopy(wrapper), pickle.loads(pickle.dumps(wrapper))):
        torch.manual_seed(5)
        results.append(one(batch(), training=True)['inputs'])
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])


def test_under_autocast_it_works_in_full_precision():
    wrapper = preprocessor(dict(type='LearnedGain'))
    outputs = []
    for enabled in (False, True):
        torch.manual_seed(6)
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=enabled):
            outputs.append(wrapper(batch(), training=True)['inputs'])
    assert outputs[1].dtype == torch.float32
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-3, rtol=0)
