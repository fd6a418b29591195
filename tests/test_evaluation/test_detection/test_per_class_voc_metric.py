import numpy as np
import pytest
from test_evaluation.test_detection.detections import evaluate, random_samples, sample

from llv.evaluation.detection import PerClassVOCMetric, read_curves

voc = pytest.importorskip('mmdet.evaluation.metrics.voc_metric')
mean_ap = pytest.importorskip('mmdet.evaluation.functional.mean_ap')

CLASSES = ('a', 'b', 'c')


def eval_map(samples, iou_thr, mode, legacy):
    """mmdet's figures, unrounded."""
    found = [
        [
            np.hstack([p['bboxes'], p['scores'][:, None]])[p['labels'] == label]
            for label in range(len(CLASSES))
        ]
        for p in ({k: v.numpy() for k, v in s['pred_instances'].items()} for s in samples)
    ]
    objects = [
        dict(
            bboxes=s['gt_instances']['bboxes'].numpy(),
            labels=s['gt_instances']['labels'].numpy(),
            bboxes_ignore=s['ignored_instances']['bboxes'].numpy(),
            labels_ignore=s['ignored_instances']['labels'].numpy(),
        )
        for s in samples
    ]
    return mean_ap.eval_map(
        found, objects, iou_thr=iou_thr, eval_mode=mode, use_legacy_coordinate=legacy,
        logger='silent', nproc=1,
    )  # fmt: skip


MODES = [(0, 'area', True), (1, '11points', True), (2, 'area', False)]


@pytest.mark.parametrize('seed, mode, legacy', MODES)
def test_every_figure_is_that_of_mmdet(seed, mode, legacy):
    samples = random_samples(seed, pictures=20)
    assert sum(len(s['ignored_instances']['bboxes']) for s in samples) > 3
    metric = PerClassVOCMetric([0.3, 0.5, 0.75], eval_mode=mode, legacy_plus_one=legacy)
    figures = evaluate(metric, samples)
    means = []
    for name, threshold in (('AP30', 0.3), ('AP50', 0.5), ('AP75', 0.75)):
        mean, classes = eval_map(samples, threshold, mode, legacy)
        means.append(mean)
        assert figures[f'pascal_voc/{name}'] == pytest.approx(mean, abs=1e-6)
        for kind, expected in zip(CLASSES, classes, strict=True):
            assert figures[f'pascal_voc/{name}.{kind}'] == pytest.approx(expected['ap'], abs=1e-6)
            curve = metric.curves[name][kind]
            assert curve.x[-1] == pytest.approx(expected['recall'][-1])
            assert curve.y[-1] == pytest.approx(expected['precision'][-1])
    assert figures['pascal_voc/mAP'] == pytest.approx(np.mean(means), abs=1e-6)
    assert 0.05 < figures['pascal_voc/mAP'] < 0.95


def test_the_defaults_agree_with_the_metric_of_mmdet():
    samples = random_samples(5)
    theirs = evaluate(voc.VOCMetric(eval_mode='area'), samples)
    ours = evaluate(PerClassVOCMetric(), samples)
    assert ours['pascal_voc/mAP'] == pytest.approx(theirs['pascal_voc/mAP'], abs=1e-6)
    assert ours['pascal_voc/AP50'] == pytest.approx(theirs['pascal_voc/AP50'], abs=5e-4)
    assert list(ours) == ['pascal_voc/mAP', 'pascal_voc/AP50'] + [
        f'pascal_voc/AP50.{kind}' for kind in CLASSES
    ]


def test_a_group_has_the_figure_of_its_pictures_alone():
    samples = random_samples(3)
    figures = evaluate(PerClassVOCMetric(groups=('light', 'indoor')), samples)
    for key, value, name in (
        ('light', 'Low', 'light.Low'), ('light', 'Strong', 'light.Strong'),
        ('indoor', True, 'indoor.True'), ('indoor', False, 'indoor.False'),
    ):  # fmt: skip
        alone = evaluate(PerClassVOCMetric(), [s for s in samples if s[key] == value])
        assert figures[f'pascal_voc/mAP.{name}'] == alone['pascal_voc/mAP']
    assert figures['pascal_voc/mAP'] == evaluate(PerClassVOCMetric(), samples)['pascal_voc/mAP']


def test_groups_are_the_values_that_packing_kept():
    packing = pytest.importorskip('mmdet.datasets.transforms').PackDetInputs(
        meta_keys=('img_path', 'light', 'indoor')
    )
    record = dict(
        img=np.zeros((8, 8, 3), np.uint8), img_path='a.png', light='Window', indoor=False,
        gt_bboxes=np.array([[1.0, 1, 5, 5]], np.float32), gt_bboxes_labels=np.array([0]),
        gt_ignore_flags=np.array([False]),
    )  # fmt: skip
    kept = packing(record)['data_samples'].to_dict()
    kept['pred_instances'] = sample([], [[1, 1, 5, 5]], [0.9])['pred_instances']
    figures = evaluate(PerClassVOCMetric(groups=['light', 'indoor']), [kept])
    assert figures['pascal_voc/mAP.light.Window'] == figures['pascal_voc/mAP.indoor.False'] == 1


def test_a_class_without_objects_is_left_out():
    one = sample([[0, 0, 9, 9]], [[0, 0, 9, 9], [0, 0, 9, 9]], [0.9, 0.8], [1], [1, 2])
    figures = evaluate(PerClassVOCMetric(), [one])
    assert figures == {'pascal_voc/mAP': 1, 'pascal_voc/AP50': 1, 'pascal_voc/AP50.b': 1}
    empty = sample([], [], [])
    assert evaluate(PerClassVOCMetric(), [empty]) == {'pascal_voc/mAP': 0, 'pascal_voc/AP50': 0}


def test_the_curves_are_written(tmp_path):
    metric = PerClassVOCMetric([0.5, 0.75], outfile_prefix=str(tmp_path / 'run' / 'night'))
    figures = evaluate(metric, random_samples(4))
    for name in ('AP50', 'AP75'):
        file = read_curves(tmp_path / 'run' / f'night.{name}.json')
        assert file.kind == 'pr' and list(file.curves) == list(CLASSES)
        for kind, curve in file.curves.items():
            assert curve.ap == figures[f'pascal_voc/{name}.{kind}']
            full = metric.curves[name][kind]
            assert set(zip(curve.x, curve.y, strict=True)) <= set(zip(full.x, full.y, strict=True))


def test_mistakes_are_told_in_a_sentence():
    for options, message in (
        (dict(iou_thrs=1.5), '`iou_thrs` must be in'),
        (dict(iou_thrs=[]), '`iou_thrs` must be in'),
        (dict(iou_thrs=[0.5, 0.501]), '`iou_thrs` must differ by a hundredth'),
        (dict(eval_mode='coco'), '`eval_mode` must be'),
    ):
        with pytest.raises(ValueError, match=message):
            PerClassVOCMetric(**options)
    one = sample([], [], [], img_path='a.png')
    with pytest.raises(ValueError, match='`a.png` has no `light`.*`meta_keys` of `PackDetInputs`'):
        evaluate(PerClassVOCMetric(groups='light'), [one])
    for field, remedy in (('ignored_instances', '`LoadAnnotations`'), ('pred_instances', 'a detector')):  # fmt: skip
        with pytest.raises(ValueError, match=f'no `{field}`.*{remedy}'):
            evaluate(PerClassVOCMetric(), [{k: v for k, v in one.items() if k != field}])
