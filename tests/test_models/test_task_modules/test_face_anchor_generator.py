"""One anchor a cell: counts, places, sizes."""

import numpy as np
import pytest
import torch
from test_models.test_task_modules import plain_faces as plain

from llv.registry import TASK_UTILS

pytest.importorskip('mmdet')


def build(**options):
    return TASK_UTILS.build(
        dict(
            type='llv.FaceAnchorGenerator',
            **dict(dict(strides=plain.STRIDES, sizes=plain.SIZES), **options),
        )
    )


def grid(generator, height, width):
    return torch.cat(generator.grid_priors(plain.map_sizes(height, width), device='cpu'))


def test_a_picture_of_640_has_34125_anchors_and_dsfd_s_first_is_the_published_one():
    levels = build(ratio=1.5).grid_priors(plain.map_sizes(640, 640), device='cpu')
    assert [len(level) for level in levels] == [25600, 6400, 1600, 400, 100, 25]
    assert levels[0][0].tolist() == pytest.approx([-4.53, -7.80, 8.53, 11.80], abs=5e-3)
    # the largest is 418 × 627, about the centre of the last cell
    assert levels[5][-1].tolist() == pytest.approx(
        [576 - 209.02, 576 - 313.53, 576 + 209.02, 576 + 313.53], abs=5e-3
    )


def test_half_sized_anchors_of_the_ruas_detector_on_a_picture_of_1500_by_1000():
    maps = [(250, 375), (125, 188), (62, 94), (31, 47), (16, 24), (8, 12)]
    generator = build(sizes=(8, 16, 32, 64, 128, 256))
    anchors = torch.cat(generator.grid_priors(maps, device='cpu'))
    assert len(anchors) == 125_015
    assert anchors[0].tolist() == [-2, -2, 6, 6]
    assert anchors[1].tolist() == [2, -2, 10, 6]  # columns first
    assert anchors[-1].tolist() == [11.5 * 128 - 128, 7.5 * 128 - 128, 1600, 1088]


@pytest.mark.parametrize('ratio', [1.0, 1.5])
@pytest.mark.parametrize('clamp', [False, True])
def test_anchors_are_those_of_the_loops(ratio, clamp):
    height, width = 72, 140  # neither is a multiple of the coarser strides
    generator = build(ratio=ratio, clamp=clamp)
    anchors = generator.fit(grid(generator, height, width), (height, width))
    expected = plain.anchors(height, width, ratio=ratio, clamp=clamp)
    np.testing.assert_allclose(anchors.numpy(), expected, atol=1e-3)


def test_clamping_changes_nothing_where_every_anchor_is_smaller_than_the_picture():
    generator = build(ratio=1.5, clamp=True)
    anchors = grid(generator, 640, 640)
    torch.testing.assert_close(generator.fit(anchors, (640, 640)), anchors, rtol=0, atol=1e-4)


def test_a_clamped_anchor_keeps_its_centre_and_reaches_beyond_the_border():
    generator = build(ratio=1.5, clamp=True)
    first = generator.fit(torch.tensor([[-145.0, -249.5, 273.0, 377.5]]), (200, 300))[0]
    assert first.tolist() == pytest.approx([64 - 150, 64 - 100, 64 + 150, 64 + 100])


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(sizes=(16, 32)), '`sizes` must name one anchor for each of the 6 strides'),
        (dict(ratio=0), '`sizes`, `strides` and `ratio` must be positive'),
        (dict(sizes=(16, 32, 64, 128, 256, -1)), 'must be positive'),
    ],
)
def test_refuses_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)
