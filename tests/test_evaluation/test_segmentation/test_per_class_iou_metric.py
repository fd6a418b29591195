import json

import numpy as np
import pytest
from test_evaluation.test_segmentation.label_maps import (
    CLASSES,
    confusion,
    evaluate,
    ious,
    random_maps,
    sample,
)

IoUMetric = pytest.importorskip('mmseg.evaluation').IoUMetric
from llv.evaluation.segmentation import PerClassIoUMetric  # noqa: E402

ALL = ('mIoU', 'mDice', 'mFscore')


def samples_of(maps):
    return [sample(*pair) for pair in maps]


@pytest.mark.parametrize('seed', [0, 1])
@pytest.mark.parametrize('absent, nan_to_num', [('skip', None), ('zero', 0)])
def test_the_figures_of_mmseg_stay_as_they_are(seed, absent, nan_to_num):
    samples = samples_of(random_maps(seed))
    theirs = evaluate(IoUMetric(iou_metrics=list(ALL), nan_to_num=nan_to_num), samples)
    ours = evaluate(PerClassIoUMetric(iou_metrics=ALL, absent=absent), samples)
    assert len(theirs) == 7 and list(ours)[:7] == list(theirs)
    assert {name: ours[name] for name in theirs} == theirs


@pytest.mark.parametrize('seed', [0, 1, 2])
def test_classes_and_views_are_those_of_a_confusion_matrix(seed):
    maps = random_maps(seed)
    views = dict(first=['a', 'b'], with_absent=['d', 'e'], absent=['e'])
    figures = evaluate(PerClassIoUMetric(views=views), samples_of(maps))
    expected = ious(confusion(maps))
    assert list(expected) == list('abcd')
    assert {k[4:]: v for k, v in figures.items() if k.startswith('IoU.')} == pytest.approx(expected)
    assert figures['mIoU.first'] == pytest.approx((expected['a'] + expected['b']) / 2)
    assert figures['mIoU.with_absent'] == pytest.approx(expected['d'])
    assert 'mIoU.absent' not in figures
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_an_absent_class_can_count_zero():
    maps = random_maps(3)
    options = dict(views=dict(two=['d', 'e']), absent='zero')
    figures = evaluate(PerClassIoUMetric(**options), samples_of(maps))
    expected = ious(confusion(maps))
    assert figures['IoU.e'] == 0
    assert figures['mIoU.two'] == pytest.approx(expected['d'] / 2)
    assert figures['mIoU'] == pytest.approx(sum(expected.values()) / 5, abs=0.005)


def test_a_class_that_is_only_predicted_counts_zero():
    label = np.zeros((4, 4), int)
    predicted = label.copy()
    predicted[0] = 4  # never in a label
    figures = evaluate(PerClassIoUMetric(views=dict(v=['a', 'e'])), [sample(predicted, label)])
    assert figures['IoU.a'] == 75 and figures['IoU.e'] == 0
    assert figures['mIoU'] == figures['mIoU.v'] == 37.5
    assert 'IoU.b' not in figures


def test_predictions_outside_of_a_view_stay_mistakes_of_its_classes():
    label = np.zeros((4, 4), int)
    predicted = label.copy()
    predicted[:2] = 1
    figures = evaluate(PerClassIoUMetric(views=dict(v=['a'])), [sample(predicted, label)])
    assert figures['mIoU.v'] == 50


def test_reported_classes_change_the_means_and_keep_the_others_beside_them():
    maps = random_maps(4)
    samples = samples_of(maps)
    plain = evaluate(PerClassIoUMetric(iou_metrics=ALL), samples)
    some = evaluate(PerClassIoUMetric(iou_metrics=ALL, classes_to_report=['a', 'c', 'e']), samples)
    matrix = confusion(maps)
    expected = ious(matrix)
    recall = {name: 100 * matrix[i, i] / matrix[i].sum() for i, name in enumerate('abcd')}
    assert some['mIoU'] == round((expected['a'] + expected['c']) / 2, 2)
    assert some['mAcc'] == round((recall['a'] + recall['c']) / 2, 2)
    means = [name for name in plain if name.startswith('m')]
    assert len(means) == 6
    assert {name: some[f'{name}.all'] for name in means} == {n: plain[n] for n in means}
    others = {n: v for n, v in plain.items() if n not in means}
    assert {n: some[n] for n in others} == others
    every = evaluate(PerClassIoUMetric(iou_metrics=ALL, classes_to_report=CLASSES), samples)
    assert {n: every[n] for n in plain} == plain


def test_results_of_two_ranks_give_the_figures_of_one():
    samples = samples_of(random_maps(5, pictures=7))
    views = dict(v=['b', 'd'])
    expected = evaluate(PerClassIoUMetric(views), samples)
    ranks = [PerClassIoUMetric(views) for _ in range(2)]
    for index, rank in enumerate(ranks):
        rank.dataset_meta = dict(classes=CLASSES)
        for one in samples[index::2]:
            rank.process(None, [one])
    assert ranks[0].compute_metrics(ranks[0].results + ranks[1].results) == expected


def test_counts_are_summed_exactly():
    # 2**24 + 1 is no float32
    metric = PerClassIoUMetric()
    metric.dataset_meta = dict(classes=('a', 'b'))
    one = evaluate_areas(metric, 2**24, 1)
    assert one['IoU.a'] == 100 * 2**24 / (2**24 + 2)


def evaluate_areas(metric, right, wrong):
    import torch

    def areas(hits, misses):
        hit, label = torch.tensor([hits, 0.0]), torch.tensor([hits + misses, 0.0])
        return hit, label, hit, label

    return metric.compute_metrics([areas(right, 0), areas(0.0, wrong), areas(0.0, wrong)])


def test_only_files_are_written_where_labels_are_missing(tmp_path):
    metric = PerClassIoUMetric(format_only=True, output_dir=str(tmp_path))
    assert evaluate(metric, [sample(np.ones((4, 4), int))]) == {}
    assert (tmp_path / 'a.png').is_file()


def test_mistakes_are_told_in_a_sentence():
    for options, message in (
        (dict(absent='none'), '`absent` must be'),
        (dict(format_only=True), '`format_only` writes label maps: .*`output_dir`'),
        (dict(views='acdc_night'), '`acdc_night` is no class view'),
        (dict(views=dict(all=['a'])), 'must not be named `all`'),
        (dict(classes_to_report='acdc_night'), '`acdc_night` is no class view'),
    ):
        with pytest.raises(ValueError, match=message):
            PerClassIoUMetric(**options)
    one = sample(np.zeros((4, 4)), np.zeros((4, 4)))
    for options, message in (
        (
            dict(views='acdc_night_17'),
            'class view `acdc_night_17` names `road`.*its classes are `a`',
        ),
        (dict(classes_to_report=['a', 'x']), '`classes_to_report` names `x`'),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate(PerClassIoUMetric(**options), [one])
    with pytest.raises(ValueError, match='no `classes` in the metainfo'):
        PerClassIoUMetric().dataset_meta = dict()
    with pytest.raises(ValueError, match='`a.png` has no `gt_sem_seg`.*`LoadAnnotations`'):
        evaluate(PerClassIoUMetric(), [sample(np.zeros((4, 4)))])
    with pytest.raises(
        ValueError, match=r'size \(4, 5\), its prediction \(4, 4\).*behind `Resize`'
    ):
        evaluate(PerClassIoUMetric(), [sample(np.zeros((4, 4)), np.zeros((4, 5)))])
