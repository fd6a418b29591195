"""Intervals against SciPy and closed forms; crossings against hand-made curves."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llv.benchmark.statistics import amount_for, estimate, paired_difference, student_t

scipy_stats = pytest.importorskip('scipy.stats')
SCORES = st.lists(st.floats(-100, 100), min_size=2, max_size=8)


@pytest.mark.parametrize('confidence', [0.5, 0.95, 0.999])
@pytest.mark.parametrize('degrees', [1, 2, 3, 4, 5, 9, 10, 30, 31, 400])
def test_student_t_is_that_of_scipy(degrees, confidence):
    wanted = scipy_stats.t.ppf((1 + confidence) / 2, degrees)
    assert student_t(degrees, confidence) == pytest.approx(wanted, rel=1e-10)


def test_student_t_has_its_closed_forms():
    assert student_t(1) == pytest.approx(math.tan(0.95 * math.pi / 2), rel=1e-12)
    # two degrees: t = p · √(2 / (1 − p²))
    assert student_t(2) == pytest.approx(0.95 * math.sqrt(2 / (1 - 0.95**2)), rel=1e-12)


@pytest.mark.parametrize('degrees, confidence', [(0, 0.95), (1.5, 0.95), (3, 0.0), (3, 1.0)])
def test_arguments_outside_their_range_are_told(degrees, confidence):
    with pytest.raises(ValueError, match='`degrees` must be|`confidence` must be'):
        student_t(degrees, confidence)


@settings(deadline=None, max_examples=40)
@given(SCORES)
def test_an_estimate_is_that_of_scipy(values):
    found = estimate(values)
    low, high = scipy_stats.t.interval(
        0.95, len(values) - 1, scipy_stats.tmean(values), max(scipy_stats.sem(values), 1e-300)
    )
    assert found.mean - found.half_width == pytest.approx(low, abs=1e-9)
    assert found.mean + found.half_width == pytest.approx(high, abs=1e-9)
    assert found.spread == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    assert found.count == len(values)


def test_one_measurement_has_no_interval_and_none_is_an_error():
    found = estimate([3.5])
    assert (found.mean, found.spread, found.half_width, found.count) == (3.5, None, None, 1)
    with pytest.raises(ValueError, match='`values` is empty'):
        estimate([])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=2, max_size=6))
def test_a_paired_difference_is_the_paired_test_of_scipy(pairs):
    ours = dict(enumerate(a for a, _ in pairs))
    # the order of the seeds must not matter, nor a seed that only one side has
    theirs = dict(reversed([(k, b) for k, (_, b) in enumerate(pairs)])) | {'extra': 1e6}
    found = paired_difference(ours, theirs)
    if found.spread < 1e-6:  # SciPy has nothing to divide by
        return
    interval = scipy_stats.ttest_rel(*zip(*pairs, strict=True)).confidence_interval(0.95)
    assert found.mean - found.half_width == pytest.approx(interval.low, abs=1e-8)
    assert found.mean + found.half_width == pytest.approx(interval.high, abs=1e-8)


def test_what_seeds_do_to_both_cancels_in_pairs():
    ours, theirs = {0: 10.0, 1: 50.0, 2: 90.0}, {0: 8.0, 1: 49.0, 2: 87.0}
    found = paired_difference(ours, theirs)
    assert (found.mean, found.spread) == (2.0, 1.0)
    assert found.half_width == pytest.approx(4.302652729911275 / math.sqrt(3))
    assert estimate(list(ours.values())).half_width > 90
    assert paired_difference({0: 1.0}, {1: 1.0}) is None


def test_an_amount_lies_halfway_in_its_logarithm():
    curve = [(64, 50.0), (4, 10.0), (16, 30.0)]
    assert amount_for(curve, 20.0) == pytest.approx(8)
    assert amount_for(curve, 40.0) == pytest.approx(32)
    assert amount_for(curve, 35.0) == pytest.approx(16 * 4**0.25)
    assert [amount_for(curve, score) for score in (10.0, 30.0, 50.0)] == pytest.approx([4, 16, 64])


def test_an_amount_outside_of_what_was_measured_is_none():
    curve = [(4, 10.0), (16, 30.0)]
    assert amount_for(curve, 30.1) is None
    assert amount_for(curve, 9.9) is None
    # better at once, whatever comes behind
    assert amount_for([(4, 10.0), (16, 5.0), (64, 12.0)], 8.0) is None
    assert amount_for([(8, 1.0)], 1.0) == 8
    with pytest.raises(ValueError, match='positive amounts'):
        amount_for([(0, 1.0), (4, 2.0)], 1.5)
    with pytest.raises(ValueError, match='positive amounts'):
        amount_for([], 1.5)


def test_of_several_crossings_the_first_counts():
    assert amount_for([(1, 0.0), (4, 2.0), (16, 0.0), (64, 2.0)], 1.0) == pytest.approx(2)


@settings(deadline=None, max_examples=40)
@given(st.floats(1, 1000), st.floats(0.1, 50), st.floats(-20, 20))
def test_a_logarithmic_curve_is_inverted_exactly(amount, slope, start):
    curve = [(n, start + slope * math.log(n)) for n in (1, 3, 30, 1000)]
    target = start + slope * math.log(amount)
    found = amount_for(curve, target)
    if curve[0][1] <= target <= curve[-1][1]:  # not off by a rounding at the ends
        assert found == pytest.approx(amount, rel=1e-6)
