"""Average precision by size against mmdet's ranges of areas and COCO's, and by hand at the bounds."""

import numpy as np
import pytest
import torch
from test_evaluation.test_detection.detections import evaluate, random_samples, sample

from llv.evaluation.detection import PerClassVOCMetric, SizeAPMetric

mean_ap = pytest.importorskip('mmdet.evaluation.functional.mean_ap')
coco = pytest.importorskip('pycocotools.coco')
cocoeval = pytest.importorskip('pycocotools.cocoeval')

SIZES = dict(small=(0, 24), middle=(24, 40), large=(40, None))


def arrays(instances):
    return {k: v.numpy() for k, v in instances.items()}


def eval_map(samples, iou_thr):
    """mmdet's means by range of areas."""
    found, objects = [], []
    for one in samples:
        p, g, i = (arrays(one[f'{n}_instances']) for n in ('pred', 'gt', 'ignored'))
        rows = np.hstack([p['bboxes'], p['scores'][:, None]])
        found.append([rows[p['labels'] == label] for label in range(3)])
        objects.append(
            dict(bboxes=g['bboxes'], labels=g['labels'],
                 bboxes_ignore=i['bboxes'], labels_ignore=i['labels'])
        )  # fmt: skip
    ranges = [(low, 1e4 if high is None else high) for low, high in SIZES.values()]
    return mean_ap.eval_map(
        found, objects, scale_ranges=ranges, iou_thr=iou_thr, logger='silent', nproc=1
    )[0]


@pytest.mark.parametrize('seed', [0, 1, 2])
def test_every_figure_is_that_of_mmdets_ranges(seed):
    samples = random_samples(seed, pictures=20)
    thresholds = (0.3, 0.5, 0.75)
    figures = evaluate(SizeAPMetric(SIZES, iou_thrs=thresholds), samples)
    expected = {t: eval_map(samples, t) for t in thresholds}
    for k, name in enumerate(SIZES):
        of_size = [expected[t][k] for t in thresholds]
        assert figures[f'size/AP_{name}'] == pytest.approx(np.mean(of_size), abs=1e-6)
        assert figures[f'size/AP50_{name}'] == pytest.approx(expected[0.5][k], abs=1e-6)
        assert 0.02 < figures[f'size/AP_{name}'] < 0.98
    whole = evaluate(PerClassVOCMetric(thresholds, legacy_plus_one=False), samples)
    assert figures['size/AP'] == pytest.approx(whole['pascal_voc/mAP'], abs=1e-9)


def entries(samples, field):
    """Objects or detections as COCO has them."""
    found = []
    for k, one in enumerate(samples):
        columns = arrays(one[field])
        for row, (x, y, x2, y2) in enumerate(columns['bboxes'].tolist()):
            entry = dict(id=len(found) + 1, image_id=k, category_id=int(columns['labels'][row]))
            entry |= dict(bbox=[x, y, x2 - x, y2 - y], area=(x2 - x) * (y2 - y), iscrowd=0)
            if 'scores' in columns:
                entry['score'] = float(columns['scores'][row])
            found.append(entry)
    return found


def coco_figures(samples, bound):
    """COCO's own, with its bound of small objects moved."""
    found = entries(samples, 'pred_instances')
    content = dict(
        images=[dict(id=k) for k in range(len(samples))],
        categories=[dict(id=k) for k in range(3)],
        annotations=entries(samples, 'gt_instances'),
    )
    truth = coco.COCO()
    truth.dataset = content
    truth.createIndex()
    run = cocoeval.COCOeval(truth, truth.loadRes(found), 'bbox')
    run.params.areaRng = [[0, 1e10], [0, bound**2 - 1e-6], [bound**2, 1e10], [0, 1]]
    run.evaluate()
    run.accumulate()
    precision = run.eval['precision']  # thresholds, recalls, classes, areas, detections
    return [float(precision[:, :, :, k, -1].mean()) for k in (0, 1)]


def test_the_default_is_near_cocos_with_its_bound_moved(capsys):
    samples = random_samples(7, pictures=40, ignore=False, most=12)
    figures = evaluate(SizeAPMetric(dict(small=(0, 30))), samples)
    whole, small = coco_figures(samples, 30)
    # another integral, and COCO hands a double on to the next object
    assert figures['size/AP'] == pytest.approx(whole, abs=0.02)
    assert figures['size/AP_small'] == pytest.approx(small, abs=0.02)
    assert abs(whole - small) > 0.03


def test_the_bound_is_the_root_of_the_area_and_belongs_to_the_larger():
    square, bar = [0, 0, 9, 9], [20, 0, 47, 3]  # 81 pixels each
    less = [0, 20, 9, 28.9]
    one = sample([square, bar, less], [square, bar, less], [0.9, 0.8, 0.7])
    for bound, small, large in ((9, 1, 2), (8.94, 0, 3), (9.01, 3, 0)):
        metric = SizeAPMetric(dict(small=(0, bound), large=(bound, None)))
        metric.dataset_meta = dict(classes=('a',))
        metric.process(None, [one])
        assert metric.results[0].objects.tolist() == [[3], [small], [large]]
        figures = metric.evaluate(1)
        assert ('size/AP_small' in figures) == (small > 0)
        assert ('size/AP_large' in figures) == (large > 0)
        assert set(figures.values()) == {1.0}


def test_what_is_of_another_size_is_neither_missed_nor_a_mistake():
    small, large = [0, 0, 8, 8], [50, 50, 80, 80]
    wrong_small, wrong_large = [20, 20, 27, 27], [100, 100, 130, 130]
    # both wrong ones are the surest
    one = sample([small, large], [wrong_large, wrong_small, small], [0.9, 0.8, 0.7])
    sizes = dict(small=(0, 9), large=(9, None))
    figures = evaluate(SizeAPMetric(sizes), [one], classes=('a',))
    assert figures['size/AP_small'] == 0.5  # one mistake before it
    assert figures['size/AP_large'] == 0  # missed
    assert figures['size/AP'] == pytest.approx(1 / 3 / 2)
    none_wrong = sample([small, large], [wrong_large, small], [0.9, 0.7])
    figures = evaluate(SizeAPMetric(sizes), [none_wrong], classes=('a',))
    assert figures['size/AP_small'] == 1


def test_samples_without_objects_or_detections_count():
    empty = sample([], [], [])
    assert evaluate(SizeAPMetric(dict(small=(0, 9))), [empty]) == {}
    missed = sample([[0, 0, 5, 5]], [], [])
    figures = evaluate(SizeAPMetric(dict(small=(0, 9))), [empty, missed])
    assert figures == {'size/AP': 0, 'size/AP_small': 0, 'size/AP50_small': 0}


def test_mistakes_are_told_in_a_sentence():
    for options, message in (
        (dict(sizes={}, iou_thrs=[1.5]), '`iou_thrs` must be numbers'),
        (dict(sizes=dict(small=(9, 0))), '`sizes.small` must be the lowest size'),
        (dict(sizes=dict(small=(9,))), '`sizes.small` must be the lowest size'),
    ):
        with pytest.raises(ValueError, match=message):
            SizeAPMetric(**options)
    with pytest.raises(ValueError, match='no `pred_instances`'):
        lacking = sample([], [], [])
        del lacking['pred_instances']
        SizeAPMetric({}).process(None, [lacking])
    lacking = sample([], [[0, 0, 1, 1]], [0.5])
    lacking['pred_instances']['bboxes'] = torch.full((1, 4), float('nan'))
    with pytest.raises(ValueError, match='not finite'):
        SizeAPMetric({}).process(None, [lacking])
