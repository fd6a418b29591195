"""Matching of anchors and faces against the same rules in loops."""

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from test_models.test_task_modules import plain_faces as plain
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from llv.registry import TASK_UTILS

pytest.importorskip('mmdet')

HEIGHT, WIDTH = 72, 96


def build(**options):
    return TASK_UTILS.build(dict(type='llv.ScaleCompensationAssigner', **options))


def faces_of(boxes):
    boxes = torch.as_tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return InstanceData(bboxes=boxes, labels=torch.zeros(len(boxes), dtype=torch.long))


def assign(assigner, anchors, faces, ignored=None):
    priors = InstanceData(priors=torch.as_tensor(anchors, dtype=torch.float32))
    ignored = None if ignored is None else faces_of(ignored)
    return assigner.assign(priors, faces_of(faces), ignored)


def random_faces(seed, count):
    rng = np.random.default_rng(seed)
    corner = rng.uniform((0, 0), (WIDTH - 10, HEIGHT - 10), (count, 2))
    side = 2 ** rng.uniform(1.5, 6, (count, 1)) * rng.uniform(0.8, 1.25, (count, 2))
    return np.concatenate([corner, corner + side], axis=1).astype(np.float32)


@pytest.mark.parametrize('ratio', [1.0, 1.5])
@pytest.mark.parametrize(
    'threshold, compensate', [(0.35, 'mean'), (0.35, None), (0.4, 6), (0.3, None)]
)
@pytest.mark.parametrize('seed, count', [(0, 1), (1, 2), (2, 7), (3, 15)])
def test_the_matching_is_that_of_the_loops(ratio, threshold, compensate, seed, count):
    anchors = np.array(plain.anchors(HEIGHT, WIDTH, ratio=ratio), dtype=np.float32)
    faces = random_faces(seed, count)
    expected = plain.match(anchors.tolist(), faces.tolist(), threshold, compensate)
    if (
        ratio != 1
    ):  # equal overlaps of irrational anchors differ in the last bit of single precision
        expected = plain.match(list(anchors), list(faces), threshold, compensate)
    result = assign(build(pos_iou_thr=threshold, compensate=compensate), anchors, faces)
    assert result.gt_inds.tolist() == expected
    assert max(expected) > 0
    assert result.labels.tolist() == [0 if owner else -1 for owner in expected]


@pytest.mark.parametrize('seed', range(5))
def test_without_compensation_it_is_the_assigner_of_mmdet(seed):
    theirs = TASK_UTILS.build(
        dict(
            type='mmdet.MaxIoUAssigner',
            pos_iou_thr=0.4,
            neg_iou_thr=(0.0, 0.3),
            min_pos_iou=1e-6,
            gt_max_assign_all=False,
        )
    )
    ours = build(pos_iou_thr=0.4, neg_iou_thr=0.3, compensate=None)
    anchors, faces = plain.anchors(HEIGHT, WIDTH, ratio=1.5), random_faces(seed, 12)
    a, b = assign(ours, anchors, faces), assign(theirs, anchors, faces)
    assert torch.equal(a.gt_inds, b.gt_inds) and torch.equal(a.labels, b.labels)
    assert torch.equal(a.max_overlaps, b.max_overlaps)
    assert set(a.gt_inds.tolist()) > {-1, 0, 1}


def test_more_faces_than_are_compared_at_a_time_are_matched_as_by_the_loops():
    anchors = plain.anchors(48, 48)
    faces = random_faces(4, 150) * np.float32(0.5)
    expected = plain.match(anchors, faces.tolist(), 0.35, 'mean')
    assert assign(build(), anchors, faces).gt_inds.tolist() == expected
    assert len(set(expected)) > 60  # the last of the faces have taken most anchors


class LargestTensor(TorchDispatchMode):
    """Notes how many elements the largest tensor has that is made meanwhile."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        sizes = (leaf.numel() for leaf in tree_leaves(made) if isinstance(leaf, torch.Tensor))
        self.numel = max(self.numel, *sizes, 0)
        return made


@pytest.mark.parametrize('to_ignore', [False, True])
def test_memory_does_not_grow_with_the_boxes_of_a_crowd(to_ignore):
    anchors = plain.anchors(HEIGHT, WIDTH)
    largest = []
    for count in (100, 800):
        boxes = random_faces(0, count) * np.float32(0.2)
        with LargestTensor() as watch:
            result = assign(build(), anchors, [] if to_ignore else boxes, boxes)
        assert (result.gt_inds == -1).any() if to_ignore else (result.gt_inds > 0).any()
        largest.append(watch.numel)
    assert largest[0] == largest[1] < 100 * 2 * len(anchors)


def test_compensation_gives_a_face_between_two_scales_the_mean_number_of_anchors():
    anchors = plain.anchors(256, 256)
    fits = [96, 96, 128, 128]  # as large as an anchor of the second level
    between = [20, 20, 30.5, 30.5]  # too small for the first level's
    before = assign(build(compensate=None), anchors, [fits, between]).gt_inds
    after = assign(build(), anchors, [fits, between]).gt_inds
    counts = [(before == f).sum().item() for f in (1, 2)]
    assert counts[0] > counts[1]
    assert (after == 1).sum() == counts[0]
    assert (after == 2).sum() == sum(counts) // 2
    six = assign(build(compensate=6), anchors, [fits, [20, 20, 26, 26]]).gt_inds
    assert (six == 2).sum() == 6


def test_compensation_takes_no_anchor_from_another_face():
    anchors = np.array(plain.anchors(HEIGHT, WIDTH), dtype=np.float32)
    for seed in range(5):
        faces = random_faces(seed, 12)
        before = assign(build(compensate=None), anchors, faces).gt_inds
        after = assign(build(compensate=20), anchors, faces).gt_inds
        assert torch.equal(after[before > 0], before[before > 0])
        assert (after > 0).sum() > (before > 0).sum()


def test_of_two_faces_with_the_same_best_anchor_the_last_one_gets_it():
    anchors = [[0, 0, 16, 16], [100, 100, 116, 116]]
    faces = [[0, 0, 16, 16], [0, 0, 10, 10]]
    assert assign(build(compensate=None), anchors, faces).gt_inds.tolist() == [2, 0]
    assert assign(build(compensate=None), anchors, faces[::-1]).gt_inds.tolist() == [2, 0]


def test_a_face_without_any_overlap_gets_no_anchor():
    anchors = [[0, 0, 16, 16], [8, 0, 24, 16]]
    result = assign(build(), anchors, [[200, 200, 220, 220], [5, 5, 5, 9]])
    assert result.gt_inds.tolist() == [0, 0]
    assert result.max_overlaps.tolist() == [0, 0]


@pytest.mark.parametrize('compensate', ['mean', 6, None])
def test_without_faces_all_is_background(compensate):
    result = assign(build(compensate=compensate), plain.anchors(32, 32), [])
    assert result.num_gts == 0
    assert not result.gt_inds.any() and (result.labels == -1).all()


def test_between_two_thresholds_anchors_are_ignored():
    # IoU 1, 0.6, 1/3
    anchors = [[0, 0, 16, 16], [4, 0, 20, 16], [8, 0, 24, 16], [40, 40, 56, 56]]
    assigner = build(pos_iou_thr=0.7, neg_iou_thr=0.5, compensate=None)
    assert assign(assigner, anchors, [[0, 0, 16, 16]]).gt_inds.tolist() == [1, -1, 0, 0]
    # but a face that wants more may have them
    assigner = build(pos_iou_thr=0.7, neg_iou_thr=0.5, compensate=2)
    assert assign(assigner, anchors, [[0, 0, 16, 16]]).gt_inds.tolist() == [1, 1, 0, 0]


def test_anchors_inside_of_a_box_to_ignore_are_ignored_unless_a_face_has_them():
    anchors = [[0, 0, 16, 16], [20, 0, 36, 16], [27, 0, 43, 16], [29, 0, 45, 16]]
    result = assign(build(), anchors, [[0, 0, 16, 16]], ignored=[[0, 0, 36, 40]])
    # 16/16, 16/16, 9/16, 7/16 of them lie in it
    assert result.gt_inds.tolist() == [1, -1, -1, 0]
    assert assign(build(), anchors, [], ignored=[[0, 0, 36, 40]]).gt_inds.tolist() == [
        -1,
        -1,
        -1,
        0,
    ]
    assert not assign(build(), anchors, [], ignored=[]).gt_inds.any()


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(pos_iou_thr=0.3, neg_iou_thr=0.4), '0 < neg ≤ pos ≤ 1, but got 0.4 and 0.3'),
        (dict(pos_iou_thr=0.0), '0 < neg ≤ pos ≤ 1'),
        (dict(compensate='median'), "`compensate` must be 'mean', a positive number or None"),
        (dict(compensate=0), '`compensate` must be'),
        (dict(compensate=True), '`compensate` must be'),
    ],
)
def test_refuses_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)
