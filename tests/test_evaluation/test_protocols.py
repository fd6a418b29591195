import re

import cv2
import numpy as np
import pytest
import torch
from skimage.color import rgb2ycbcr

from llv.evaluation.protocols import PROTOCOLS, Protocol, get_protocol


def levels(count=40000, seed=0):
    """8-bit colours, (H, W, 3), and as a network sees them, (1, 3, H, W) float32 in [0, 1]."""
    array = np.random.default_rng(seed).integers(0, 256, (count // 100, 100, 3), np.uint8)
    return array, torch.from_numpy(array).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize('rounding', ['uint8', 'truncate'])
def test_gray_levels_are_those_of_opencv(rounding):
    array, images = levels()
    protocol = Protocol(rounding=rounding)
    gray = protocol.convert(protocol.prepare(images), 'gray') * 255
    np.testing.assert_allclose(
        gray[0, 0], cv2.cvtColor(array, cv2.COLOR_RGB2GRAY), rtol=0, atol=1e-9
    )


def test_gray_of_float_pictures_is_that_of_opencv_on_floats():
    array, images = levels()
    protocol = Protocol()
    gray = protocol.convert(protocol.prepare(images), 'gray')
    wanted = cv2.cvtColor(np.float32(array) / 255, cv2.COLOR_RGB2GRAY)
    np.testing.assert_allclose(gray[0, 0], wanted, rtol=0, atol=1e-6)


def test_luma_is_that_of_scikit_image():
    array, images = levels()
    protocol = Protocol()
    luma = protocol.convert(protocol.prepare(images), 'y') * 255
    np.testing.assert_allclose(luma[0, 0], rgb2ycbcr(array)[..., 0], rtol=0, atol=1e-4)


def test_rounding_keeps_every_level_and_sends_the_rest_its_own_way():
    every = (torch.arange(256).float() / 255).view(1, 1, 1, 256).expand(1, 3, 1, 256)
    between = (every + 0.7 / 255)[..., :-1]
    outside = torch.tensor([-0.5, 1.5]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    for rounding, step in (('uint8', 1), ('truncate', 0)):
        protocol = Protocol(rounding=rounding)
        level = protocol.prepare(every)[0, 0, 0] * 255
        torch.testing.assert_close(level, torch.arange(256.0).double(), atol=1e-9, rtol=0)
        just_below = torch.nextafter(every, torch.tensor(-1.0))
        assert torch.equal(protocol.prepare(just_below)[0, 0, 0] * 255, level)
        level = protocol.prepare(between)[0, 0, 0] * 255
        torch.testing.assert_close(level, torch.arange(255.0).double() + step, atol=1e-9, rtol=0)
        assert protocol.prepare(outside)[0, 0, 0].tolist() == [0, 1]
    assert torch.equal(Protocol().prepare(between), between.double().clamp(0, 1))


def test_the_border_is_left_out():
    images = torch.rand(1, 3, 9, 8)
    assert torch.equal(Protocol(border=3).prepare(images), images[..., 3:6, 3:5].double())
    with pytest.raises(ValueError, match=r'`border=4` leaves nothing of a picture of 8 × 9'):
        Protocol(border=4).prepare(images)


def test_settings_change_the_protocol_they_start_from():
    changed = get_protocol(dict(base='erl', border=4))
    assert (changed.ssim_colour, changed.border) == ('gray', 4)
    assert changed.name == 'erl, changed'
    assert get_protocol(dict(name='mine')).window == 'uniform'
    assert get_protocol(changed) is changed


def test_every_protocol_prints_what_sets_it_apart():
    lines = {re.sub(r'^\S+ ', '', str(protocol)) for protocol in PROTOCOLS.values()}
    assert len(lines) == len(PROTOCOLS)
    assert '4 pixels of border' in str(get_protocol(dict(border=4)))


@pytest.mark.parametrize(
    ('settings', 'sentence'),
    [
        ('lol', r'`lol` is no known protocol; choose one of skimage, ruas'),
        (dict(windows='uniform'), r'`windows` is no setting of a protocol'),
        (dict(window='box'), r"`window` of a protocol must be one of 'uniform', 'gaussian'"),
        (dict(border=-1), r'`border` must be a number of pixels'),
    ],
)
def test_unknown_settings_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        get_protocol(settings)
