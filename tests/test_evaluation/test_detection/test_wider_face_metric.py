"""WIDER FACE's measure against a slow one written from its description."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip('mmcv.ops')
pytest.importorskip('mmdet')
from mmdet.evaluation import eval_map  # noqa: E402
from scipy.io import savemat  # noqa: E402

from llv.evaluation.detection.wider_face_metric import (  # noqa: E402
    Faces,
    WiderFaceMetric,
    read_subset,
    subset_ap,
)


def overlap(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    both = max(width, 0) * max(height, 0)
    areas = [(c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b)]
    return both / (sum(areas) - both)


def slow_ap(boxes, scores, faces):
    """The official procedure, one threshold and one detection at a time."""
    every = [score for picture in scores for score in picture]
    low, high = min(every), max(every)
    total = sum(face.counts.sum() for face in faces)
    tables = [
        [[overlap(box, other) for other in face.boxes] for box in picture]
        for picture, face in zip(boxes, faces, strict=True)
    ]
    points = []
    for k in range(1, 1001):
        threshold, kept, recalled = 1 - k / 1000, 0, 0
        for table, values, face in zip(tables, scores, faces, strict=True):
            if not face.counts.any():
                continue
            found = set()
            for index in np.argsort(-values, kind='stable'):
                if (values[index] - low) / (high - low) < threshold:
                    break
                overlaps = table[index]
                nearest = overlaps.index(max(overlaps))
                if overlaps[nearest] < 0.5:
                    kept += 1
                elif face.counts[nearest]:
                    kept += 1
                    found.add(nearest)
            recalled += len(found)
        points.append((recalled / total, recalled / kept if kept else 0.0))
    ap, reached = 0.0, 0.0
    for k, (recall, _) in enumerate(points):
        ap += (recall - reached) * max(precision for _, precision in points[k:])
        reached = recall
    return ap


def random_picture(rng, faces=4, detections=9):
    corner = rng.uniform(0, 60, (faces, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 25, (faces, 2))], 1)
    near = boxes[rng.integers(faces, size=detections)] + rng.normal(0, 2, (detections, 4))
    return near, rng.random(detections), Faces(boxes, rng.random(faces) < 0.6)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 999))
def test_a_subset_is_measured_as_by_the_slow_procedure(seed):
    rng = np.random.default_rng(seed)
    boxes, scores, faces = zip(*(random_picture(rng) for _ in range(3)), strict=True)
    if sum(face.counts.sum() for face in faces):
        assert subset_ap(boxes, scores, faces) == pytest.approx(slow_ap(boxes, scores, faces))


BOX, OTHER = [0, 0, 9, 9], [50, 50, 59, 59]


def faces_of(*counts):
    return Faces(np.array([BOX, OTHER][: len(counts)], float), np.array(counts))


@pytest.mark.parametrize(
    ('boxes', 'faces', 'ap'),
    [
        ([BOX, OTHER], faces_of(True, True), 1.0),
        ([BOX, OTHER], faces_of(True, False), 1.0),  # the one outside of the subset is dropped
        ([OTHER, BOX], faces_of(True), 0.5),
        ([BOX], faces_of(True, True), 0.5),
        ([BOX, BOX, OTHER], faces_of(True, True), 0.5 + 0.5 * 2 / 3),
    ],
)
def test_subsets_whose_answer_is_known(boxes, faces, ap):
    scores = np.linspace(1, 0, len(boxes))
    assert subset_ap([np.array(boxes, float)], [scores], [faces]) == pytest.approx(ap)


def test_pictures_that_are_passed_over_still_hold_their_faces():
    found, nothing = np.array([BOX], float), np.zeros((0, 4))
    pictures = [found, nothing, np.array([OTHER], float)]
    scores = [np.array([0.9]), np.zeros(0), np.array([0.95])]
    faces = [faces_of(True), faces_of(True), faces_of(False)]
    # the false detection of the third picture is not counted, the face of the second is
    assert subset_ap(pictures, scores, faces) == pytest.approx(0.5)
    assert np.isnan(subset_ap(pictures, scores, [faces_of(False)] * 3))


# the metric ---------------------------------------------------------------------------------------


def sample(path, boxes, scores, valid, ignored=()):
    def tensor(rows):
        return torch.tensor(np.array(rows, np.float32).reshape(-1, 4))

    return dict(
        img_path=path,
        pred_instances=dict(
            bboxes=tensor(boxes),
            scores=torch.tensor(scores),
            labels=torch.zeros(len(boxes), dtype=torch.long),
        ),
        gt_instances=dict(bboxes=tensor(valid)),
        ignored_instances=dict(bboxes=tensor(ignored)),
    )


def evaluate(samples, **options):
    metric = WiderFaceMetric(**options)
    metric.process({}, samples)
    return metric.evaluate(len(samples))


def test_ap50_over_valid_faces_is_mmdets():
    rng = np.random.default_rng(3)
    samples, detections, annotations = [], [], []
    for k in range(6):
        boxes, scores, faces = random_picture(rng)
        scores = scores.astype(np.float32)
        samples.append(
            sample(
                f'e/{k}.jpg', boxes, scores, faces.boxes[faces.counts], faces.boxes[~faces.counts]
            )
        )
        detections.append([np.concatenate([boxes.astype(np.float32), scores[:, None]], 1)])
        valid, ignored = (faces.boxes[m].astype(np.float32) for m in (faces.counts, ~faces.counts))
        annotations.append(
            dict(
                bboxes=valid, labels=np.zeros(len(valid), int),
                bboxes_ignore=ignored, labels_ignore=np.zeros(len(ignored), int),
            )
        )  # fmt: skip
    wanted, _ = eval_map(
        detections,
        annotations,
        iou_thr=0.5,
        dataset='voc',
        nproc=1,
        logger='silent',
        use_legacy_coordinate=True,
    )
    assert evaluate(samples)['wider_face/AP50'] == pytest.approx(wanted, abs=1e-6)


def cell(items):
    array = np.empty((len(items), 1), object)
    for k, item in enumerate(items):
        array[k, 0] = item
    return array


def write_subset(folder, name='wider_easy_val.mat', numbers=([1], [2])):
    """A subset in the benchmark's layout: one event with two pictures, boxes as left, top, width, height."""
    boxes = cell([np.array([[0, 0, 9, 9], [50, 50, 9, 9]], float)] * 2)
    savemat(
        folder / 'wider_face_val.mat',
        dict(
            event_list=cell(['0--Parade']),
            file_list=cell([cell(['a', 'b'])]),
            face_bbx_list=cell([boxes]),
        ),
    )
    lists = cell([cell([np.array(n, np.uint8).reshape(-1, 1) for n in numbers])])
    savemat(folder / name, dict(gt_list=lists))
    return folder / name


def test_subset_files_are_read_in_the_layout_of_the_benchmark(tmp_path):
    subset = read_subset(write_subset(tmp_path, numbers=([1, 2], [])))
    assert list(subset) == ['0--Parade/a', '0--Parade/b']
    assert subset['0--Parade/a'].boxes.tolist() == [BOX, OTHER]
    assert subset['0--Parade/a'].counts.tolist() == [True, True]
    assert subset['0--Parade/b'].counts.tolist() == [False, False]


def test_the_metric_gives_each_subset_beside_ap50(tmp_path):
    easy = write_subset(tmp_path)
    samples = [
        sample('x/0--Parade/a.jpg', [BOX, OTHER], [0.9, 0.8], [BOX, OTHER]),
        sample('x/0--Parade/b.jpg', [BOX], [0.1], [BOX, OTHER]),
    ]
    found = evaluate(samples, subset_files=dict(easy=easy))
    assert found == {
        'wider_face/AP50': pytest.approx(0.75),
        'wider_face/AP_easy': pytest.approx(0.5),
    }


@pytest.mark.parametrize('key', ['img_path', 'pred_instances', 'gt_instances', 'ignored_instances'])
def test_samples_that_lack_something_are_told_in_a_sentence(key):
    one = sample('0--Parade/a.jpg', [OTHER], [0.5], [OTHER])
    del one[key]
    with pytest.raises(ValueError, match=f'`{key}`.*`PackDetInputs`|`{key}`; use the metric with'):
        evaluate([one])


def test_pictures_and_files_that_do_not_belong_are_named(tmp_path):
    easy = write_subset(tmp_path)
    stranger = [sample('x/0--Parade/c.jpg', [BOX], [0.9], [BOX])]
    with pytest.raises(ValueError, match='`subset_files.easy` has no picture `0--Parade/c`'):
        evaluate(stranger, subset_files=dict(easy=easy))
    with pytest.raises(FileNotFoundError, match='nowhere.mat` is not there'):
        WiderFaceMetric(subset_files=dict(easy=tmp_path / 'nowhere.mat'))
    (tmp_path / 'wider_face_val.mat').unlink()
    with pytest.raises(ValueError, match='has no `event_list`; put `wider_face_val.mat`'):
        WiderFaceMetric(subset_files=dict(easy=easy))
