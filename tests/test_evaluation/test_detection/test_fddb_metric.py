"""FDDB's measure against a slow one written from its description: full canvases, every assignment tried."""

import itertools
import json
import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip('mmcv.ops')
pytest.importorskip('mmdet')
from llv.evaluation.detection import fddb_matching  # noqa: E402
from llv.evaluation.detection.fddb_matching import (  # noqa: E402
    assign,
    assign_plainly,
    box_overlaps,
    count_matches,
    draw_ellipse,
    merge_counts,
    pixel_overlaps,
    rate_at,
)
from llv.evaluation.detection.fddb_metric import FDDBMetric  # noqa: E402

HEIGHT, WIDTH = 40, 50


# the slow evaluation ------------------------------------------------------------------------------


def slow_overlap(box, ellipse):
    """Both shapes painted on whole canvases."""
    face = np.zeros((HEIGHT, WIDTH), np.uint8)
    major, minor, angle, x, y = ellipse
    cv2.ellipse(
        face, (round(x), round(y)), (int(major), int(minor)), math.degrees(angle), 0, 360, 1, -1
    )
    found = np.zeros((HEIGHT, WIDTH), np.uint8)
    left, top, width, height = box
    for row in range(HEIGHT):
        for column in range(WIDTH):
            found[row, column] = int(left) <= column <= int(left + width) and int(
                top
            ) <= row <= int(top + height)
    either = np.count_nonzero(face | found)
    return np.count_nonzero(face & found) / either if either else 0.0


def slow_best(overlaps):
    """The overlaps of the assignment with the largest sum, among all there are."""
    rows, columns = overlaps.shape
    if rows < columns:
        overlaps, rows, columns = overlaps.T, columns, rows
    best = max(
        ([overlaps[r, c] for c, r in enumerate(some)] for some in itertools.permutations(range(rows), columns)),
        key=sum,
        default=[],
    )  # fmt: skip
    return [overlap for overlap in best if overlap > 0]


def slow_counts(overlaps, scores):
    """Score to (valid, discrete, continuous)."""
    counts = {}
    for score in set(scores.tolist()):
        valid = overlaps[scores >= score]
        pairs = slow_best(valid)
        counts[score] = (len(valid), sum(o > 0.5 for o in pairs), sum(pairs))
    return counts


def slow_curve(pictures, faces):
    """(threshold, false positives, discrete, continuous), thresholds rising."""
    lines = []
    for threshold in sorted({score for counts in pictures for score in counts}):
        valid = discrete = continuous = 0
        for counts in pictures:
            own = [score for score in counts if score >= threshold]
            if own:
                one = counts[min(own)]
                valid, discrete, continuous = (
                    valid + one[0], discrete + one[1], continuous + one[2],
                )  # fmt: skip
        lines.append((threshold, valid - discrete, discrete / faces, continuous / faces))
    return lines


# cases --------------------------------------------------------------------------------------------


def random_picture(rng, faces, detections):
    """Faces that crowd, some beyond the border; detections around faces and elsewhere, with few different scores."""
    ellipses = np.stack(
        [
            rng.uniform(4, 14, faces),
            rng.uniform(3, 10, faces),
            rng.uniform(-2, 4, faces),
            rng.uniform(-2, WIDTH + 2, faces),
            rng.uniform(-2, HEIGHT + 2, faces),
        ],
        1,
    )
    boxes = []
    for _ in range(detections):
        if faces and rng.random() < 0.8:
            major, minor, _, x, y = ellipses[rng.integers(faces)]
            half = rng.uniform(0.7, 1.3, 2) * (minor, major)
            x, y = (x, y) + rng.normal(0, 2, 2)
        else:
            x, y = rng.uniform(0, (WIDTH, HEIGHT))
            half = rng.uniform(1, 12, 2)
        boxes.append([x - half[0], y - half[1], 2 * half[0], 2 * half[1]])
    scores = rng.integers(1, 6, detections) / 8
    return ellipses.tolist(), np.array(boxes).reshape(-1, 4), scores


def sample(number, ellipses, boxes, scores, label=0):
    """What the metric gets from a model; `boxes` are left, top, width, height."""
    corners = np.array(boxes, float).reshape(-1, 4).copy()
    corners[:, 2:] += corners[:, :2]
    return dict(
        img_id=number,
        name=f'2002/08/11/big/img_{number}',
        ori_shape=(HEIGHT, WIDTH),
        ellipses=ellipses,
        pred_instances=dict(
            bboxes=torch.tensor(corners),
            scores=torch.tensor(np.array(scores, float)),
            labels=torch.full((len(corners),), label),
        ),
    )


def evaluate(samples, **options):
    metric = FDDBMetric(**options)
    metric.process({}, samples)
    return metric.evaluate(len(samples)), metric


CIRCLE = [10, 10, 0, 20, 20]
ON_CIRCLE = [10, 10, 20, 20]


# overlaps -----------------------------------------------------------------------------------------


@pytest.mark.parametrize('angle', [0, 0.6, 2.0, 3.5, -1.2])
def test_a_drawn_face_is_the_ellipse_up_to_its_outline(angle):
    drawn = draw_ellipse([15, 7, angle, 25, 20], HEIGHT, WIDTH).astype(bool)
    y, x = np.mgrid[:HEIGHT, :WIDTH] - np.array([20, 25])[:, None, None]
    along, across = (
        x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle),
    )  # fmt: skip
    assert drawn[np.hypot(along / 14, across / 6) <= 1].all()
    assert not drawn[np.hypot(along / 16.5, across / 8.5) > 1].any()


def test_centres_are_rounded_axes_truncated_and_what_lies_outside_is_lost():
    whole = draw_ellipse([9, 5, 0.3, 20, 15], HEIGHT, WIDTH)
    assert (draw_ellipse([9.9, 5.9, 0.3, 20.4, 14.6], HEIGHT, WIDTH) == whole).all()
    assert draw_ellipse([9, 5, 0, 0, 15], HEIGHT, WIDTH).sum() < 0.6 * whole.sum()
    assert not draw_ellipse([3, 3, 0, -10, 5], HEIGHT, WIDTH).any()
    assert pixel_overlaps([[0, 0, 9, 9]], [[3, 3, 0, -10, 5]], HEIGHT, WIDTH).tolist() == [[0.0]]


def test_rectangles_include_their_last_pixels():
    dot = [0.5, 0.5, 0, 20, 20]  # one pixel
    boxes = [[20, 20, 0, 0], [19.9, 20, 0.2, 0], [20, 20, 1, 1], [18, 18, 1, 1], [-9, -9, 5, 5]]
    overlaps = pixel_overlaps(np.array(boxes, float), [dot], HEIGHT, WIDTH)[:, 0]
    assert overlaps.tolist() == [1, 1 / 2, 1 / 4, 0, 0]
    everything = pixel_overlaps([[-99, -99, 999, 999]], [CIRCLE], HEIGHT, WIDTH)[0, 0]
    assert everything == draw_ellipse(CIRCLE, HEIGHT, WIDTH).sum() / (HEIGHT * WIDTH)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 9999))
def test_overlaps_are_those_of_painted_canvases(seed):
    ellipses, boxes, _ = random_picture(np.random.default_rng(seed), 3, 4)
    slow = [[slow_overlap(box, ellipse) for ellipse in ellipses] for box in boxes]
    assert pixel_overlaps(boxes, ellipses, HEIGHT, WIDTH) == pytest.approx(np.array(slow), abs=0)


def test_boxes_around_ellipses_are_cut_at_the_border():
    faces = [[10, 5, 0, 20, 20], [10, 5, math.pi / 2, 20, 20], [10, 10, 0.7, 0, 20]]
    boxes = np.array([[10, 15, 20, 10], [-50, 10, 60, 20]], float)
    overlaps = box_overlaps(boxes, faces, HEIGHT, WIDTH)
    assert overlaps[0] == pytest.approx([1, 1 / 3, 0])
    assert overlaps[1, 2] == pytest.approx(1)


# counts -------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 9999),
    faces=st.integers(0, 4),
    detections=st.integers(0, 6),
    sparse=st.booleans(),
)
def test_counts_are_those_of_every_assignment_tried(seed, faces, detections, sparse):
    rng = np.random.default_rng(seed)
    overlaps = rng.random((detections, faces))
    if sparse:
        overlaps *= rng.random(overlaps.shape) < 0.4
    scores = rng.integers(1, 5, detections) / 4
    counts = count_matches(overlaps, scores)
    slow = slow_counts(overlaps, scores)
    assert counts.scores.tolist() == sorted(slow, reverse=True)
    rows = zip(counts.valid, counts.discrete, counts.continuous, strict=True)
    assert list(rows) == [
        (valid, discrete, pytest.approx(continuous))
        for valid, discrete, continuous in (slow[score] for score in counts.scores)
    ]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 9999), rows=st.integers(1, 5), columns=st.integers(1, 5))
def test_the_plain_assignment_is_as_good_as_any(seed, rows, columns):
    rng = np.random.default_rng(seed)
    weights = rng.random((rows, columns)) * (rng.random((rows, columns)) < 0.7)
    for method in (assign, assign_plainly):
        chosen_rows, chosen_columns = method(weights)
        assert len(set(chosen_rows)) == len(set(chosen_columns)) == min(rows, columns)
        assert weights[chosen_rows, chosen_columns].sum() == pytest.approx(sum(slow_best(weights)))
        assert sorted(chosen_rows) == list(chosen_rows)


def test_everything_is_the_same_without_scipy(monkeypatch):
    rng = np.random.default_rng(1)
    overlaps, scores = rng.random((30, 6)), rng.random(30)
    wanted = count_matches(overlaps, scores)
    monkeypatch.setattr(fddb_matching, 'linear_sum_assignment', None)
    found = count_matches(overlaps, scores)
    for column in ('scores', 'valid', 'discrete', 'continuous'):
        assert getattr(found, column) == pytest.approx(getattr(wanted, column))


def test_a_better_sum_takes_a_face_from_its_best_detection():
    # first row: face 0 by .9; second row wants face 0 only, the first can move to face 1
    counts = count_matches(np.array([[0.9, 0.6], [0.8, 0.0]]), np.array([0.9, 0.8]))
    assert counts.discrete.tolist() == [1, 2]
    assert counts.continuous == pytest.approx([0.9, 1.4])


# the measure --------------------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 9999), max_fp=st.integers(0, 6))
def test_the_measure_is_that_of_the_slow_evaluation(seed, max_fp):
    rng = np.random.default_rng(seed)
    pictures = [
        random_picture(rng, int(rng.integers(1, 4)), int(rng.integers(0, 6))) for _ in range(4)
    ]
    samples = [sample(k, *picture) for k, picture in enumerate(pictures)]
    rates, metric = evaluate(samples, max_fp=max_fp)
    faces = sum(len(picture[0]) for picture in pictures)
    slow = []
    for ellipses, boxes, scores in pictures:
        boxes = boxes.round(3)
        overlaps = np.array([[slow_overlap(b, e) for e in ellipses] for b in boxes])
        slow.append(slow_counts(overlaps.reshape(len(boxes), len(ellipses)), scores))
    curve = slow_curve(slow, faces)
    found = zip(*metric.roc, strict=True)
    for ours, theirs in zip(found, curve, strict=True):
        assert ours == pytest.approx(theirs)
    for column, name in ((2, f'TPR@{max_fp}'), (3, f'TPR@{max_fp}_continuous')):
        wanted = max((line[column] for line in curve if line[1] <= max_fp), default=0)
        assert rates[f'fddb/{name}'] == pytest.approx(wanted)


def test_a_second_detection_of_a_face_is_a_false_positive():
    overlap = pixel_overlaps([ON_CIRCLE], [CIRCLE], HEIGHT, WIDTH)[0, 0]
    assert 0.7 < overlap < 0.8  # a circle in its square
    rates, metric = evaluate([sample(0, [CIRCLE], [ON_CIRCLE, ON_CIRCLE], [0.9, 0.5])], max_fp=0)
    assert rates == {'fddb/TPR@0': 1.0, 'fddb/TPR@0_continuous': pytest.approx(overlap)}
    assert metric.roc.thresholds.tolist() == [0.5, 0.9]
    assert metric.roc.false_positives.tolist() == [1, 0]


def test_an_overlap_of_just_a_half_does_not_count_in_the_discrete_rate():
    dot = [0, 0, 0, 20, 20]
    rates, metric = evaluate([sample(0, [dot], [[20, 20, 1, 0]], [0.9])])
    assert metric.roc.false_positives.tolist() == [1]
    assert rates == {'fddb/TPR@500': 0.0, 'fddb/TPR@500_continuous': 0.5}


def test_false_positives_before_the_limit_are_all_that_count():
    good, bad = ON_CIRCLE, [35, 2, 5, 5]
    samples = [
        sample(0, [CIRCLE], [good], [0.9]),
        sample(1, [CIRCLE], [bad, good], [0.8, 0.7]),
        sample(2, [CIRCLE], [bad, good], [0.6, 0.5]),
        sample(3, [CIRCLE], [], []),
    ]
    for max_fp, rate in ((0, 0.25), (1, 0.5), (2, 0.75), (500, 0.75)):
        assert evaluate(samples, max_fp=max_fp)[0][f'fddb/TPR@{max_fp}'] == rate
    _, metric = evaluate(samples)
    assert metric.roc.false_positives.tolist() == [2, 2, 1, 1, 0]
    assert metric.roc.discrete.tolist() == [0.75, 0.5, 0.5, 0.25, 0.25]


def test_interpolation_follows_a_straight_line_between_points():
    falses, rates = np.array([10, 4, 0]), np.array([0.9, 0.6, 0.5])
    assert rate_at(falses, rates, 6) == 0.6
    assert rate_at(falses, rates, 6, interpolate=True) == pytest.approx(0.7)
    assert rate_at(falses, rates, 99, interpolate=True) == 0.9
    assert rate_at(falses[:1], rates[:1], 5) == 0
    assert rate_at(falses[:1], rates[:1], 5, interpolate=True) == pytest.approx(0.45)
    assert rate_at(np.zeros(0), np.zeros(0), 5, interpolate=True) == 0


def test_boxes_extended_upwards_reach_the_forehead():
    tall = [18, 10, math.pi / 2, 25, 20]
    tight = [15, 9, 20, 29]  # without the forehead, as boxes of WIDER FACE
    plain, _ = evaluate([sample(0, [tall], [tight], [0.9])])
    extended, _ = evaluate([sample(0, [tall], [tight], [0.9])], extend_up=0.2)
    by_hand, _ = evaluate([sample(0, [tall], [[15, 9 - 5.8, 20, 34.8]], [0.9])])
    key = 'fddb/TPR@500_continuous'
    assert extended[key] == by_hand[key] > plain[key]


def test_whole_pixels_are_those_of_dsfds_script():
    _, metric = evaluate([sample(0, [CIRCLE], [[10.7, 10.2, 19.1, 19.9]], [0.9])], whole_pixels=True,
                         outfile_prefix=None)  # fmt: skip
    assert metric._rectangles(np.array([[10.7, 10.2, 29.8, 30.1]])).tolist() == [[10, 10, 20, 20]]


def test_other_classes_are_left_out():
    rates, _ = evaluate([sample(0, [CIRCLE], [ON_CIRCLE], [0.9], label=1)])
    assert set(rates.values()) == {0.0}
    rates, _ = evaluate([sample(0, [CIRCLE], [ON_CIRCLE], [0.9], label=1)], label=1)
    assert rates['fddb/TPR@500'] == 1


def test_files_hold_the_curves_and_what_was_measured_in_official_order(tmp_path):
    samples = [
        sample(1, [CIRCLE], [[9.87654321, 10, 20, 20], [35, 2, 5, 5]], [0.75, 0.25]),
        sample(0, [CIRCLE], [], []),
    ]
    rates, metric = evaluate(samples, outfile_prefix=tmp_path / 'new' / 'run')
    detections = (tmp_path / 'new' / 'run_detections.txt').read_text()
    assert detections == (
        '2002/08/11/big/img_0\n0\n2002/08/11/big/img_1\n2\n9.877 10 20 20 0.75\n35 2 5 5 0.25\n'
    )
    assert (tmp_path / 'new' / 'run_DiscROC.txt').read_text() == '0.5 1 0.25\n0.5 0 0.75\n'
    continuous = (tmp_path / 'new' / 'run_ContROC.txt').read_text().splitlines()
    assert float(continuous[0].split()[0]) == pytest.approx(rates['fddb/TPR@500_continuous'])
    roc = json.loads((tmp_path / 'new' / 'run_roc.json').read_text())
    assert roc['kind'] == 'roc'
    assert roc['curves']['discrete'] == dict(x=[0, 1], y=[0.5, 0.5], score=[0.75, 0.25], ap=0.5)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda s: s.pop('ellipses'), '`ellipses` of `llv.FDDBDataset`: add it to the `meta_keys`'),
        (lambda s: s.pop('name'), '`name` of `llv.FDDBDataset`'),
        (lambda s: s.pop('img_id'), '`img_id` of `llv.FDDBDataset`'),
        (lambda s: s.pop('pred_instances'), 'img_0` has no `pred_instances`; use the metric with'),
        (
            lambda s: s['pred_instances']['scores'].fill_(math.nan),
            'img_0` has `pred_instances.scores` that are not finite',
        ),
        (lambda s: s['ellipses'].clear(), 'the pictures of this test have none'),
    ],
)
def test_a_sample_that_cannot_be_measured_is_named(change, message):
    broken = sample(0, [CIRCLE], [ON_CIRCLE], [0.9])
    change(broken)
    with pytest.raises(ValueError, match=message):
        evaluate([broken])


@pytest.mark.parametrize('options', [dict(mode='pixel'), dict(max_fp=-1), dict(extend_up=-0.1)])
def test_options_out_of_range_are_refused(options):
    (name,) = options
    with pytest.raises(ValueError, match=f'`{name}` must be'):
        FDDBMetric(**options)


def test_merging_counts_of_no_detections_gives_an_empty_curve():
    counts = count_matches(np.zeros((0, 2)), np.zeros(0))
    assert all(len(column) == 0 for column in merge_counts([counts], 2))
