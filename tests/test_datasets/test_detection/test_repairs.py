"""Boxes made tidy, and the notes about them."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip('mmcv.ops')
pytest.importorskip('mmdet')

from llv.datasets.detection.repairs import Repairs, tidy_box  # noqa: E402

coordinates = st.floats(-50, 150, allow_nan=False) | st.integers(-50, 150)
boxes = st.tuples(coordinates, coordinates, coordinates, coordinates)
sides = st.integers(1, 100)


def covered(box, points):
    """Which of the points lie inside of a box."""
    x1, y1, x2, y2 = box
    return [x1 < x < x2 and y1 < y < y2 for x, y in points]


@settings(max_examples=200, deadline=None)
@given(boxes, sides, sides, st.lists(st.tuples(coordinates, coordinates), max_size=20))
def test_a_tidy_box_covers_what_the_box_covers_of_the_picture(box, width, height, points):
    repairs = Repairs()
    tidy = tidy_box(box, width, height, 'file:1', repairs)
    both = [
        all(pair)
        for pair in zip(covered(box, points), covered((0, 0, width, height), points), strict=True)
    ]
    if tidy is None:
        assert not any(both)
        assert repairs.counts == {'dropped': 1}
    else:
        assert covered(tidy, points) == both
        assert 0 <= tidy[0] < tidy[2] <= width and 0 <= tidy[1] < tidy[3] <= height
        assert repairs.counts == ({} if tidy == box else {'clipped': 1})
    assert sum(repairs.counts.values()) == len(repairs.entries)
    assert bool(repairs.summary()) == bool(repairs.entries)


@settings(max_examples=50, deadline=None)
@given(boxes, sides, sides)
def test_a_tidy_box_stays_as_it_is(box, width, height):
    tidy = tidy_box(box, width, height, 'file:1', Repairs())
    if tidy is not None:
        repairs = Repairs()
        assert tidy_box(tidy, width, height, 'file:1', repairs) == tidy
        assert repairs.summary() == ''


@pytest.mark.parametrize(
    'box, words',
    [
        ((5, 5, 5, 9), 'no area'),
        ((9, 5, 5, 9), 'no area'),
        ((5, 9, 9, 5), 'no area'),
        ((5, math.nan, 9, 9), 'no area'),
        ((20, 5, 30, 9), 'outside of the picture of 20x10'),
        ((-9, 5, 0, 9), 'outside of the picture of 20x10'),
    ],
)
def test_a_dropped_box_says_where_and_why(box, words):
    repairs = Repairs()
    assert tidy_box(box, 20, 10, 'label/7.txt:3', repairs) is None
    ((kind, where, text),) = repairs.entries
    assert (kind, where) == ('dropped', 'label/7.txt:3') and words in text


def test_the_summary_counts_each_kind():
    repairs = Repairs()
    for kind in ('clipped', 'dropped', 'clipped'):
        repairs.add(kind, 'file', 'text')
    assert repairs.summary() == '2 clipped, 1 dropped'
    assert repairs.counts['skipped'] == 0
