import numpy as np
import pytest
from test_evaluation.test_detection.detections import boxes_like, evaluate, random_samples, sample

from llv.evaluation.detection import DarkFaceMetric, PerClassVOCMetric, read_curves

FACES = [[10, 10, 30, 30], [50, 10, 70, 40]]
# the first face twice, the second, and nothing
FOUND = [[10, 10, 30, 31], [11, 10, 31, 30], [50, 12, 70, 40], [100, 100, 120, 120]]
SCORES = [0.9, 0.8, 0.5, 0.1]


def measure(samples, **options):
    figures = evaluate(DarkFaceMetric(**options), samples, ['face'])
    return {name.removeprefix('dark_face/'): value for name, value in figures.items()}


def plain_iou(a, b):
    """With both border pixels."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b)]
    return width * height / (sum(areas) - width * height)


def slow_official(samples):
    """The tool's procedure, step by step: pictures, ranks, thresholds."""
    pictures = [
        (s['gt_instances']['bboxes'].double().tolist(), s['pred_instances']['bboxes'].double().tolist(),
         s['pred_instances']['scores'].double().tolist())
        for s in samples
    ]  # fmt: skip
    every = [score for _, _, scores in pictures for score in scores]
    low, high = min(every), max(every)
    total = sum(len(faces) for faces, _, _ in pictures)
    detections, recalled = np.zeros(1000), np.zeros(1000)
    for faces, boxes, scores in pictures:
        if not faces or not boxes:
            continue
        ranks = sorted(range(len(boxes)), key=lambda i: -scores[i])
        marked, after = [False] * len(faces), []
        for i in ranks:
            ious = [plain_iou(boxes[i], face) for face in faces]
            if max(ious) >= 0.5:
                marked[ious.index(max(ious))] = True
            after.append(sum(marked))
        stretched = [(scores[i] - low) / (high - low) for i in ranks]
        for k in range(1000):
            reaching = sum(score >= k / 1000 for score in stretched)
            if reaching:
                detections[k] += reaching
                recalled[k] += after[reaching - 1]
    points = [
        (recalled[k] / total, recalled[k] / detections[k]) for k in range(999, -1, -1) if detections[k]
    ]  # fmt: skip
    area, before = 0.0, 0.0
    for i, (recall, _) in enumerate(points):
        area += (recall - before) * max(precision for _, precision in points[i:])
        before = recall
    return area, points


def test_one_picture_worked_out_by_hand():
    figures = measure([sample(FACES, FOUND, SCORES)])
    # precision 1 for the first face, 2 of 3 for the second, in both procedures
    expected = 1 / 2 * 1 + 1 / 2 * 2 / 3
    assert figures == pytest.approx(dict(AP50=expected, recall=1, AP_official=expected))


def test_what_the_two_procedures_count_worked_out_by_hand():
    pictures = [
        sample(FACES, FOUND, SCORES),
        sample([], FOUND[:1], [0.95]),  # no face: a mistake to one, nothing to the other
        sample(FACES[:1], [], []),  # no detection: a face to both
    ]
    figures = measure(pictures)
    assert figures['recall'] == pytest.approx(2 / 3)
    # mistake, face, double, face, mistake
    assert figures['AP50'] == pytest.approx(1 / 3 * 1 / 2 + 1 / 3 * 2 / 4)
    assert figures['AP_official'] == pytest.approx(1 / 3 * 1 + 1 / 3 * 2 / 3)


def test_corners_are_corners():
    # read as left, top, width and height the face would reach to (110, 110)
    face = [[50, 50, 60, 60]]
    assert measure([sample(face, face, [0.5])])['AP_official'] == 1
    assert measure([sample(face, [[50, 50, 110, 110]], [0.5])])['AP_official'] == 0


def test_scores_are_stretched_over_the_whole_data_set_to_a_thousand_steps():
    # two scores nearer than a step are one point, a mistake among them costs
    far = [200, 200, 210, 210]
    near = measure([sample(FACES[:1], [far, FACES[0], far], [0.5002, 0.5001, 0])])
    assert near['AP50'] == near['AP_official'] == 0.5
    near = measure([sample(FACES[:1], [FACES[0], far, far, far], [0.50015, 0.50005, 0, 1])])
    assert near['AP50'] == 0.5 and near['AP_official'] == pytest.approx(1 / 3)
    # a picture that is skipped takes part in the stretching
    alone = sample(FACES[:1], [FACES[0], far], [1, 0.9996])
    assert measure([alone])['AP_official'] == 1
    assert measure([alone, sample([], [far], [0])])['AP_official'] == 0.5


@pytest.mark.parametrize('seed', range(3))
def test_random_pictures_agree_with_plain_loops(seed):
    samples = random_samples(seed, pictures=15, classes=1, ignore=False)
    metric = DarkFaceMetric()
    figures = evaluate(metric, samples, ['face'])
    area, points = slow_official(samples)
    assert figures['dark_face/AP_official'] == pytest.approx(area)
    curve = metric.curves['official']
    assert np.allclose(list(zip(curve.x, curve.y, strict=True)), points)
    plain = evaluate(PerClassVOCMetric(), samples, ['face'])
    assert figures['dark_face/AP50'] == plain['pascal_voc/mAP']
    assert abs(figures['dark_face/AP50'] - figures['dark_face/AP_official']) > 1e-4


def test_equal_scores_and_no_detections_are_no_error():
    assert measure([sample(FACES, FOUND[:1], [0.3])])['AP_official'] == 0.5
    nothing = dict(AP50=0, recall=0, AP_official=0)
    assert measure([sample(FACES, [], [])]) == nothing
    assert measure([sample([], FOUND, SCORES)])['AP_official'] == 0
    assert measure([sample([], [], [])]) == nothing


def test_ap_by_size_is_that_of_mmdet():
    mean_ap = pytest.importorskip('mmdet.evaluation.functional.mean_ap')
    samples = random_samples(7, pictures=25, classes=1, ignore=False)
    figures = measure(samples, modes='plain', size_bins=(20, 40, 5000))
    found = [
        [np.hstack([s['pred_instances']['bboxes'], s['pred_instances']['scores'][:, None]])]
        for s in samples
    ]
    objects = [{k: v.numpy() for k, v in s['gt_instances'].items()} for s in samples]
    ranges = [(0, 20), (20, 40), (40, 5000)]
    means, _ = mean_ap.eval_map(
        found, objects, ranges, use_legacy_coordinate=True, logger='silent', nproc=1
    )
    names = ['AP50.0-20', 'AP50.20-40', 'AP50.40-5000']  # no face is larger, and no bin of them
    assert list(figures) == ['AP50', 'recall', *names]
    assert [figures[name] for name in names] == pytest.approx(means, abs=1e-6)


def test_a_submission_holds_corners_and_score_best_first(tmp_path):
    samples = [
        sample(FACES, FOUND, [0.1, 0.8, 0.5, 1e-9], img_path='image/12.png'),
        sample([], [], [], img_path='image/7.png'),
    ]
    for one in samples:
        del one['gt_instances']  # the labels of the hidden set are not known
    folder = tmp_path / 'out'
    assert measure(samples, format_only=True, submission_dir=folder) == {}
    assert sorted(file.name for file in folder.iterdir()) == ['12.txt', '7.txt']
    assert (folder / '7.txt').read_text() == ''
    lines = (folder / '12.txt').read_text().splitlines()
    assert lines[0] == '11.00 10.00 31.00 30.00 0.80000001'
    read = np.array([line.split() for line in lines], float)
    assert read[:, :4].tolist() == [FOUND[i] for i in (1, 2, 0, 3)]
    assert read[:, 4] == pytest.approx([0.8, 0.5, 0.1, 1e-9], rel=1e-6)


def test_the_curves_are_written(tmp_path):
    figures = measure([sample(FACES, FOUND, SCORES)], outfile_prefix=str(tmp_path / 'night'))
    for mode, name in (('plain', 'AP50'), ('official', 'AP_official')):
        (curve,) = read_curves(tmp_path / f'night.{mode}.json').curves.values()
        assert curve.ap == figures[name] and curve.x[-1] == 1


def test_mistakes_are_told_in_a_sentence(tmp_path):
    for options, message in (
        (dict(modes='coco'), '`modes` must be among'),
        (dict(size_bins=(32, 16)), '`size_bins` must be positive and ascending'),
        (dict(size_bins=(32,), modes='official'), "belong to the mode 'plain'"),
        (dict(format_only=True), '`submission_dir`'),
    ):
        with pytest.raises(ValueError, match=message):
            DarkFaceMetric(**options)
    with pytest.raises(ValueError, match='no `gt_instances`'):
        measure([dict(pred_instances=sample([], [], [])['pred_instances'])])
    broken = sample([[1, 1, 9, 9]], [[1, 1, 9, float('nan')]], [0.5], img_path='7.png')
    with pytest.raises(ValueError, match='`7.png` has `pred_instances.bboxes` that are not finite'):
        measure([broken])
    twice = [sample([], [], [], img_path=f'{folder}/1.png') for folder in 'ab']
    with pytest.raises(ValueError, match='named `1`'):
        measure(twice, submission_dir=tmp_path)


def test_many_detections_are_measured_at_full_length():
    rng = np.random.default_rng(0)
    samples = [
        sample(boxes_like(rng, 8, (4, 30)), boxes_like(rng, 750, (4, 30)), rng.random(750))
        for _ in range(20)
    ]
    metric = DarkFaceMetric()
    evaluate(metric, samples, ['face'])
    assert len(metric.curves['plain'].x) == 20 * 750
    assert len(metric.curves['official'].x) == 1000
