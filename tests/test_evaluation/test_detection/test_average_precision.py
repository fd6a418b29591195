import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llv.evaluation.detection.average_precision import (
    FALSE,
    IGNORED,
    TRUE,
    average_precision,
    best_targets,
    box_overlaps,
    judge,
    precision_recall,
)


def pixels(box, plus_one):
    """The unit squares of a box of whole numbers."""
    x1, y1, x2, y2 = box
    return {
        (x, y) for x in range(x1, x2 + plus_one) for y in range(y1, y2 + plus_one)
    }  # fmt: skip


whole_box = st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(1, 8)] * 2).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@given(whole_box, whole_box, st.booleans())
@settings(max_examples=60, deadline=None)
def test_overlap_is_shared_pixels_over_all_pixels(a, b, plus_one):
    one, other = pixels(a, plus_one), pixels(b, plus_one)
    value = box_overlaps(np.array([a]), np.array([b]), plus_one)
    assert value == pytest.approx(len(one & other) / len(one | other))


def test_boxes_without_area_and_no_boxes_overlap_by_nothing():
    point = np.array([[3.0, 3, 3, 3]])
    assert box_overlaps(point, point).tolist() == [[0.0]]
    assert box_overlaps(point, point, plus_one=True).tolist() == [[1.0]]
    assert box_overlaps(point, np.zeros((0, 4))).shape == (1, 0)
    overlaps, targets = best_targets(np.zeros((2, 0)))
    assert overlaps.tolist() == [-1, -1] and targets.tolist() == [0, 0]


def test_the_best_scored_detection_of_an_object_is_the_right_one():
    scores = np.array([0.1, 0.9, 0.5, 0.7, 0.8, 0.6])
    overlaps = np.array([0.9, 0.5, 0.8, 0.49, 0.7, -1])
    targets = np.array([0, 0, 1, 1, 2, 0])
    ignored = np.array([False, False, True])
    verdicts = judge(scores, overlaps, targets, ignored, 0.5)
    assert verdicts.tolist() == [FALSE, TRUE, TRUE, FALSE, IGNORED, FALSE]
    outside = np.array([True, True, True, True, False, False])
    verdicts = judge(scores, overlaps, targets, ignored, 0.5, outside)
    assert verdicts.tolist() == [FALSE, TRUE, TRUE, IGNORED, IGNORED, FALSE]


def test_a_curve_worked_out_by_hand():
    scores = np.array([0.1, 0.9, 0.5, 0.8, 0.7])
    verdicts = np.array([FALSE, TRUE, TRUE, FALSE, IGNORED])
    curve = precision_recall(scores, verdicts, 4)
    assert curve.score.tolist() == [0.9, 0.8, 0.5, 0.1]
    assert curve.x.tolist() == [1 / 4, 1 / 4, 2 / 4, 2 / 4]
    assert curve.y.tolist() == [1, 1 / 2, 2 / 3, 2 / 4]
    assert curve.ap == pytest.approx(1 / 4 + 1 / 4 * 2 / 3)
    # recalls 0, .1, .2 reach precision 1; .3, .4, .5 reach 2/3
    assert precision_recall(scores, verdicts, 4, '11points').ap == pytest.approx((3 + 2) / 11)
    assert precision_recall(scores, verdicts, 0).ap is None
    assert precision_recall(np.zeros(0), np.zeros(0), 3).ap == 0


@given(st.lists(st.booleans(), max_size=30), st.integers(0, 10))
@settings(max_examples=50, deadline=None)
def test_average_precision_is_the_mean_of_the_best_precision_still_to_come(hits, missed):
    found = np.cumsum(hits, dtype=int)
    objects = max(sum(hits) + missed, 1)
    recall, precision = found / objects, found / np.arange(1, len(hits) + 1)
    # each object adds 1 / objects times the best precision at its recall or beyond
    area = sum(max(precision[i:]) for i, hit in enumerate(hits) if hit) / objects
    assert average_precision(recall, precision) == pytest.approx(area)
    eleven = [max(precision[recall >= t], default=0) for t in np.arange(0, 1.001, 0.1)]
    assert average_precision(recall, precision, '11points') == pytest.approx(sum(eleven) / 11)


def test_another_mode_is_told():
    with pytest.raises(ValueError, match="`mode` must be 'area' or '11points'"):
        average_precision(np.ones(1), np.ones(1), 'coco')
