"""Figures of chosen pictures, their intervals and verdicts, against pycocotools and plain reckoning."""

import contextlib
import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llv.benchmark.does_it_help.bootstrap import (
    check_resamples,
    difference,
    draw_pictures,
    expanded_tail,
    holm,
)
from llv.benchmark.does_it_help.choices import read_choices
from llv.benchmark.does_it_help.darkness import group_by_darkness, mean_luminance
from llv.benchmark.does_it_help.detections import Boxes, MatchedClass, MatchedPictures, match
from llv.benchmark.does_it_help.judging import HELPS, HURTS, UNDECIDED, judge_arms
from llv.benchmark.does_it_help.label_maps import CountedPictures, count_pixels
from llv.benchmark.does_it_help.picture_sets import PictureSet
from llv.benchmark.does_it_help.report import report, verdicts
from llv.benchmark.does_it_help.runs import Predictions
from llv.benchmark.statistics import student_t

CLASSES = ('a', 'b', 'c', 'never')
PICTURES = 14


def random_set(seed, crowds=True):
    """Objects, and detections that are often near one of them, with scores that are all different."""
    rng = np.random.default_rng(seed)
    objects, found = [], []
    scores = rng.permutation(10_000) / 10_000
    taken = 0
    for _ in range(PICTURES):
        count = rng.integers(0, 6)
        boxes = np.concatenate([rng.uniform(0, 60, (count, 2)), rng.uniform(8, 30, (count, 2))], 1)
        labels = rng.integers(0, 3, count)
        crowd = rng.random(count) < (0.15 if crowds else 0)
        objects.append(Boxes(boxes, labels, crowd))
        times = rng.integers(0, 4, count)
        near = np.repeat(boxes, times, axis=0)
        near = near + rng.normal(0, 1, near.shape)
        far = np.concatenate([rng.uniform(0, 60, (4, 2)), rng.uniform(8, 30, (4, 2))], 1)
        every = np.concatenate([near, far])
        every[:, 2:] = every[:, 2:].clip(1)
        own = scores[taken : taken + len(every)]
        taken += len(every)
        guessed = np.concatenate([np.repeat(labels, times), rng.integers(0, 3, 4)])
        found.append(Boxes(every, guessed, np.sort(own)[::-1]))
    return objects, found


def of_pycocotools(objects, found):
    """mAP and AP50 by pycocotools alone, from evaluation to the mean."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def coco(pictures, key):
        rows = []
        for number, picture in enumerate(pictures, 1):
            for box, label, value in zip(
                picture.boxes, picture.labels, picture.values, strict=True
            ):
                row = dict(id=len(rows) + 1, image_id=number, category_id=int(label), iscrowd=0)
                row |= dict(bbox=box.tolist(), area=float(box[2] * box[3]))
                row[key] = int(value) if key == 'iscrowd' else float(value)
                rows.append(row)
        made = COCO()
        made.dataset = dict(
            images=[dict(id=n) for n in range(1, len(pictures) + 1)],
            categories=[dict(id=k, name=name) for k, name in enumerate(CLASSES)],
            annotations=rows,
        )
        made.createIndex()
        return made

    with contextlib.redirect_stdout(io.StringIO()):
        judge = COCOeval(coco(objects, 'iscrowd'), coco(found, 'score'), 'bbox')
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return 100 * judge.stats[:2]


def plainly(objects, found):
    """mAP and AP50 by loops: greedy matching, the 101-point mean, classes without an object left out."""
    thresholds = [0.5 + 0.05 * k for k in range(10)]
    averages = []
    for label in range(len(CLASSES)):
        total = sum(int((picture.labels == label).sum()) for picture in objects)
        if not total:
            continue
        averages.append([])
        for threshold in thresholds:
            judged = []
            for truth, guess in zip(objects, found, strict=True):
                boxes = truth.boxes[truth.labels == label]
                free = set(range(len(boxes)))
                mine = guess.labels == label
                order = np.argsort(-guess.values[mine], kind='stable')
                for box, score in zip(
                    guess.boxes[mine][order], guess.values[mine][order], strict=True
                ):
                    best, place = threshold, None
                    for k in sorted(free):
                        overlap = iou(box, boxes[k])
                        if overlap >= best:
                            best, place = overlap, k
                    free.discard(place)
                    judged.append((-score, place is not None))
            judged.sort(key=lambda pair: pair[0])
            points, hits = [], 0
            for rank, (_, hit) in enumerate(judged, 1):
                hits += hit
                points.append((hits / total, hits / rank))
            best = [
                max((p for recall, p in points if recall >= level), default=0.0)
                for level in np.linspace(0, 1, 101)
            ]
            averages[-1].append(sum(best) / 101)
    return 100 * np.mean(averages), 100 * np.mean([row[0] for row in averages])


def iou(one, other):
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    common = max(width, 0) * max(height, 0)
    return common / (one[2] * one[3] + other[2] * other[3] - common)


def repeated(pictures, weights):
    return [p for p, weight in zip(pictures, weights, strict=True) for _ in range(weight)]


# ---------------------------------------------------------------- average precision


@pytest.mark.parametrize('seed', range(6))
def test_every_picture_once_gives_the_figures_of_pycocotools(seed):
    objects, found = random_set(seed)
    scores = match(objects, found, CLASSES).scores(np.ones((1, PICTURES), int))
    expected = of_pycocotools(objects, found)
    assert 5 < expected[0] < expected[1] < 95
    # to the last bits, in which sums of another order differ
    assert [scores['mAP'][0], scores['AP50'][0]] == pytest.approx(list(expected), rel=1e-13)


@pytest.mark.parametrize('seed', range(4))
def test_a_repeated_picture_counts_as_often_as_its_copies_would(seed):
    objects, found = random_set(seed, crowds=seed % 2 == 0)
    weights = draw_pictures(PICTURES, 8, seed)
    assert weights.max() > 2 and weights.min() == 0
    scores = match(objects, found, CLASSES).scores(weights)
    for row, mean, at_half in zip(weights, scores['mAP'], scores['AP50'], strict=True):
        copies = repeated(objects, row), repeated(found, row)
        assert [mean, at_half] == pytest.approx(list(of_pycocotools(*copies)), rel=1e-13)
        if seed % 2:
            assert [mean, at_half] == pytest.approx(list(plainly(*copies)), rel=1e-9)


def test_large_sets_are_reckoned_in_parts_with_the_same_result(monkeypatch):
    objects, found = random_set(1)
    weights = draw_pictures(PICTURES, 9, 0)
    whole = match(objects, found, CLASSES).scores(weights)
    monkeypatch.setattr('llv.benchmark.does_it_help.detections._CHUNK', 64)
    parts = match(objects, found, CLASSES).scores(weights)
    assert all(np.array_equal(whole[name], parts[name]) for name in whole)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=PICTURES, max_size=PICTURES), st.integers(2, 5))
def test_a_set_and_several_copies_of_it_have_one_score(row, times):
    matched = match(*random_set(3), CLASSES)
    once, often = matched.scores(np.array([row, [times * weight for weight in row]]))['mAP']
    assert (math.isnan(once) and math.isnan(often)) or once == pytest.approx(often, rel=1e-12)


def test_a_choice_without_objects_has_no_score_and_no_detection_scores_0():
    objects, found = random_set(0)
    empty = next(i for i, picture in enumerate(objects) if not len(picture.labels))
    matched = match(objects, found, CLASSES)
    assert np.isnan(matched.scores(np.eye(PICTURES, dtype=int)[[empty]])['mAP']).all()
    nothing = [Boxes(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))] * PICTURES
    assert match(objects, nothing, CLASSES).scores(np.ones((1, PICTURES), int))['mAP'] == 0
    with pytest.raises(ValueError, match='labelled object'):
        match(nothing, found, CLASSES)


# ---------------------------------------------------------------- mean IoU


def test_miou_of_chosen_pictures_is_that_of_their_pixels_together():
    # class 0: 3 common of 5 and of 4 in the first picture, 1 of 1 and 2 in the second; class 1 never
    common = np.array([[3, 0, 2], [1, 0, 0]])
    predicted = np.array([[5, 0, 2], [1, 0, 3]])
    labelled = np.array([[4, 0, 3], [2, 0, 2]])
    counts = CountedPictures(common, predicted, labelled)
    scores = counts.scores(np.array([[1, 1], [2, 0], [1, 3], [0, 0]]))['mIoU']
    assert scores[0] == pytest.approx(50 * (4 / 8 + 2 / 8))
    assert scores[1] == pytest.approx(50 * (3 / 6 + 2 / 3))
    assert scores[2] == pytest.approx(50 * (6 / 12 + 2 / 18))
    assert np.isnan(scores[3])


def test_pixels_are_counted_without_the_ignored_ones():
    rng = np.random.default_rng(0)
    predicted = rng.integers(0, 4, (9, 7))
    label = np.where(rng.random((9, 7)) < 0.2, 255, rng.integers(0, 4, (9, 7)))
    counts = count_pixels(predicted, label, 4)
    for k in range(4):
        both = sum(p == t == k for p, t in zip(predicted.flat, label.flat, strict=True))
        called = sum(p == k and t != 255 for p, t in zip(predicted.flat, label.flat, strict=True))
        assert counts[:, k].tolist() == [both, called, (label == k).sum()]


# ---------------------------------------------------------------- intervals


def test_draws_are_of_as_many_pictures_and_repeat_with_their_seed():
    weights = draw_pictures(30, 200, 7)
    assert weights.shape == (200, 30) and (weights.sum(1) == 30).all()
    assert np.array_equal(weights, draw_pictures(30, 200, 7))
    assert not np.array_equal(weights, draw_pictures(30, 200, 8))
    # each picture is missing from (1 − 1/30)³⁰ of the draws
    assert (weights == 0).mean() == pytest.approx((29 / 30) ** 30, abs=0.02)


def coverage(values, tail, draws=400):
    """How often the interval of a mean of ten has 0, its truth."""
    weights = draw_pictures(values.shape[1], draws, 0)
    means = values @ weights.T / values.shape[1]
    low, high = np.quantile(means, (tail, 1 - tail), axis=1)
    return ((low <= 0) & (high >= 0)).mean()


def test_intervals_hold_the_truth_as_often_as_they_say_also_of_few_pictures():
    values = np.random.default_rng(1).normal(size=(2500, 10))
    assert coverage(values, expanded_tail(10)) == pytest.approx(0.95, abs=0.015)
    assert coverage(values, 0.025) < 0.92  # plain percentiles
    assert expanded_tail(10**6) == pytest.approx(0.025, rel=1e-3)


def population(seed, pictures):
    """Detections of one class by two detectors; what is hard is hard for both, and the second is better."""
    rng = np.random.default_rng(seed)
    objects = rng.integers(1, 4, pictures)
    hard = rng.normal(0, 1, pictures)
    kinds = []
    places = np.repeat(np.arange(pictures), 5)
    shared = rng.normal(-hard[places], 0.7)
    for skill in (0.0, 0.5):
        right = rng.normal(skill + shared, 0.2) > 0.7
        # of a picture no more right ones than it has objects
        order = np.cumsum(right.reshape(pictures, 5), axis=1)
        right &= (order <= objects[:, None]).ravel()
        scores = rng.normal(right + 0.3 * shared, 0.3)
        best = np.argsort(-scores)
        kinds.append((places[best], right[best]))
    return objects, kinds


def matched_of(objects, kind, chosen):
    """The chosen pictures, each once."""
    place = np.full(len(objects), -1)
    place[chosen] = np.arange(len(chosen))
    keep = place[kind[0]] >= 0
    right = np.tile(kind[1][keep], (10, 1))
    one = MatchedClass(place[kind[0][keep]], right, np.ones_like(right), objects[chosen])
    return MatchedPictures((one,), np.linspace(0, 1, 101))


def test_intervals_of_a_difference_in_average_precision_hold_that_of_the_population():
    objects, kinds = population(0, 3000)
    everything = np.ones((1, 3000), int)
    whole = [matched_of(objects, k, np.arange(3000)).scores(everything)['mAP'][0] for k in kinds]
    truth = whole[1] - whole[0]
    rng = np.random.default_rng(5)
    held, found, widths = 0, 0, []
    for trial in range(100):
        chosen = rng.choice(3000, 60, replace=False)
        weights = np.concatenate([np.ones((1, 60), int), draw_pictures(60, 200, trial)])
        one, two = (matched_of(objects, kind, chosen).scores(weights)['mAP'] for kind in kinds)
        interval = difference(two[0] - one[0], two[1:] - one[1:], 60)
        held += interval.low <= truth <= interval.high
        found += interval.low > 0
        alone = difference(two[0], two[1:], 60)
        widths.append(((interval.high - interval.low), (alone.high - alone.low)))
    assert 0.88 <= held / 100 <= 0.995
    assert found > 75 and 5 < truth < 30
    # what is hard for both cancels
    paired, alone = np.mean(widths, axis=0)
    assert paired < 0.9 * alone


def test_a_verdict_agrees_with_its_interval():
    rng = np.random.default_rng(0)
    for shift in np.linspace(-1.2, 1.2, 25):
        drawn = rng.normal(shift, 0.4, 4000)
        one = difference(shift, drawn, 20)
        apart = one.low > 0 or one.high < 0
        edge = min(abs(one.low), abs(one.high)) < 0.05
        assert holm([one.strength], 20) == [apart] or edge


def test_holm_asks_more_of_several_and_stops_at_the_first_that_fails():
    needed = [student_t(29, 1 - 0.05 / m) for m in (1, 2, 3)]
    assert holm([needed[0] + 0.01], 30) == [True]
    assert holm([needed[0] + 0.01, 0.0], 30) == [False, False]
    assert holm([0.0, needed[1] + 0.01], 30) == [False, True]
    assert holm([needed[0] + 0.01, needed[2] + 0.01, needed[1] + 0.01], 30) == [True] * 3
    assert holm([needed[0] + 0.01, needed[2] - 0.01, needed[1] + 0.01], 30) == [False] * 3


def test_too_few_pictures_or_draws_are_refused_in_a_sentence():
    check_resamples(1000, 300, 4)
    with pytest.raises(ValueError, match='`--bootstrap 100` is too few for 4 enhancers') as error:
        check_resamples(100, 300, 4)
    needed = int(str(error.value).split('give ')[1].split(' ')[0])
    check_resamples(needed, 300, 4)
    # with so many draws, all on one side of 0, the strongest there can be passes
    most = difference(1.0, np.ones(needed), 300)
    assert holm([most.strength, 0, 0, 0], 300)[0]
    fewer = difference(1.0, np.ones(needed - 2), 300)
    assert not holm([fewer.strength, 0, 0, 0], 300)[0]
    with pytest.raises(ValueError, match='4 pictures'):
        check_resamples(10**6, 4, 1)


# ---------------------------------------------------------------- darkness


def test_luminance_is_rec_601_of_what_was_not_padded():
    picture = torch.zeros(3, 6, 8)
    picture[0, :4, :6], picture[1, :4, :6], picture[2, :4, :6] = 10, 20, 40  # B, G, R
    meta = dict(img_shape=(4, 6))
    assert mean_luminance(picture, meta) == pytest.approx(0.114 * 10 + 0.587 * 20 + 0.299 * 40)
    assert mean_luminance(picture, meta, 'rgb') == pytest.approx(
        0.299 * 10 + 0.587 * 20 + 0.114 * 40
    )
    # a pipeline that pads writes the padded shape
    padded = dict(img_shape=(6, 8), ori_shape=(8, 12), scale_factor=(0.5, 0.5))
    assert mean_luminance(picture, padded) == mean_luminance(picture, meta)
    assert mean_luminance(picture.to(torch.uint8), {}) == pytest.approx(
        mean_luminance(picture, meta) * 24 / 48
    )


def test_groups_are_equally_large_and_equal_pictures_stay_together():
    luminance = np.random.default_rng(0).permutation(np.arange(20.0))
    groups = group_by_darkness(luminance, 4)
    assert [(g.low, g.high, len(g.members)) for g in groups] == [
        (0, 4, 5), (5, 9, 5), (10, 14, 5), (15, 19, 5),
    ]  # fmt: skip
    assert all((luminance[g.members] >= g.low).all() for g in groups)
    tied = group_by_darkness(np.array([3.0] * 9 + [8.0]), 4)
    assert sorted(i for g in tied for i in g.members) == list(range(10))
    assert all(g.low == g.high for g in tied)


# ---------------------------------------------------------------- verdicts


def predictions_of(pixels, milliseconds=5.0):
    count = len(pixels)
    luminance = np.linspace(1, 40, count)
    return Predictions(
        dict(luminance=luminance, milliseconds=np.full(3, milliseconds), pixels=pixels)
    )


def arms(count=40, baseline='none', groups=4):
    """A model that has half of each picture right, a copy, one that has more right everywhere, and one less."""
    rng = np.random.default_rng(0)
    hard = rng.uniform(-15, 15, count).round()

    def pixels(shift):
        right = 50 + hard + shift + rng.integers(-3, 4, count)
        wrong = 100 - right
        common = np.stack([right, right], 1)
        return np.stack([common, np.full((count, 2), 100), np.full((count, 2), 100)], 1), wrong

    base = pixels(0)[0]
    found = dict(
        none=predictions_of(base),
        same=predictions_of(base.copy(), 7.0),
        better=predictions_of(pixels(5)[0]),
        worse=predictions_of(pixels(-5)[0]),
    )
    pictures = PictureSet(None, {}, {}, ('x', 'y'), True, ())
    return found, judge_arms(found, pictures, baseline, 500, 0, groups)


def test_equal_predictions_differ_by_exactly_0_everywhere():
    _, answer = arms()
    same = next(row for row in answer.rows if row.name == 'same')
    for gains in (same.gains, *(gains for _, gains in same.by_darkness)):
        assert (gains['mIoU'].value, gains['mIoU'].low, gains['mIoU'].high) == (0.0, 0.0, 0.0)
    assert same.verdict == UNDECIDED
    assert 'mIoU 0.0 [0.0, 0.0]' in report(answer, 'x')


def test_what_is_hard_for_all_does_not_hide_a_difference():
    _, answer = arms()
    rows = {row.name: row for row in answer.rows}
    assert rows['better'].verdict == HELPS and rows['worse'].verdict == HURTS
    assert rows['none'].verdict is None and rows['none'].gains is None
    for name in ('better', 'worse'):
        gain, score = rows[name].gains['mIoU'], rows[name].scores['mIoU']
        assert gain.low <= gain.value <= gain.high
        assert gain.value == pytest.approx(score.value - rows['none'].scores['mIoU'].value)
        # the model alone is less sure than the difference
        assert gain.high - gain.low < 0.7 * (score.high - score.low)


def test_groups_by_darkness_are_scored_as_sets_of_their_own():
    found, answer = arms()
    assert [len(group.members) for group in answer.groups] == [10] * 4
    for place, group in enumerate(answer.groups):
        for row in answer.rows:
            arrays = found[row.name].arrays['pixels'][group.members]
            common, predicted, labelled = arrays.sum(0)
            expected = 100 * np.mean(common / (predicted + labelled - common))
            assert row.by_darkness[place][0]['mIoU'].value == pytest.approx(expected)
    assert len(arms(count=12)[1].groups) == 2 and arms(count=9)[1].groups == ()


def test_the_report_says_all_in_words_and_numbers():
    _, answer = arms()
    same, better, worse = verdicts(answer)
    assert same.startswith('`same` is not distinguishable from no enhancer on 40 pictures: mIoU')
    assert better.startswith('`better` helps: mIoU +') and worse.startswith('`worse` hurts: mIoU −')
    text = ' '.join(report(answer, 'python tools/x.py').split())
    assert 'corrected for 3 enhancers (Holm)' in text and '`python tools/x.py`' in text
    assert '40 pictures. Percent.' in text and '500 draws, seed 0' in text
    assert '1.0 – 10.0 (10 pictures)' in text


def test_another_baseline_is_compared_with_and_named():
    _, answer = arms(baseline='better')
    rows = {row.name: row for row in answer.rows}
    assert rows['better'].gains is None and rows['better'].verdict is None
    assert rows['none'].gains['mIoU'].high < 0 and rows['none'].verdict is None
    assert '`worse` is worse than `better`: mIoU −' in report(answer, 'x')


# ---------------------------------------------------------------- enhancers by name


def test_enhancers_are_read_with_weights_and_options(tmp_path):
    from llv.apis import init_enhancer

    torch.save(init_enhancer('gamma', gamma=0.7).state_dict(), tmp_path / 'g.pth')
    texts = ['mean_match', 'fixed_gain@gain=4', f'gamma:{tmp_path}/g.pth', 'psenet-night-scenes']
    none, plain, gain, weighted, published = read_choices(texts)
    assert none.name == 'none'
    assert (plain.name, plain.weights, plain.options) == ('mean_match', None, {})
    assert (gain.name, gain.options) == ('fixed_gain', dict(gain=4))
    assert (weighted.name, weighted.weights) == ('gamma', f'{tmp_path}/g.pth')
    assert published.text == published.name == texts[-1]


@pytest.mark.parametrize(
    ('texts', 'message'),
    [
        (['psenett'], 'did you mean'),
        (['ruas'], '`ruas` would be random'),
        (['ruas:'], '`ruas:` is not NAME'),
        (['fixed_gain'], 'gain of 1'),
        (['gamma', 'gamma'], 'twice'),
        (['none'], 'always measured'),
        (['gamma@power=2'], 'takes no `power`'),
        (['ruas:gone.pt'], 'gone.pt'),
    ],
)
def test_enhancers_that_cannot_be_measured_are_named_in_a_sentence(texts, message):
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        read_choices(texts)
    assert message in str(error.value) and '\n' not in str(error.value)
