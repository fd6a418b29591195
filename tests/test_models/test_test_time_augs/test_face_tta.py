"""Views of several sizes, mirrored, merged in the coordinates of the original picture."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.dataset import Compose, pseudo_collate
from mmengine.structures import InstanceData
from test_models.test_task_modules import plain_faces as plain
from torch import nn

from llv.registry import MODELS

pytest.importorskip('mmdet')

from mmdet.structures import DetDataSample  # noqa: E402

HEIGHT, WIDTH = 96, 128


class Nothing(nn.Module):
    """Stands where a detector does when only views are merged."""

    def test_step(self, data):
        return data


def build(**options):
    return MODELS.build(dict(type='llv.FaceTTAModel', module=Nothing(), **options))


def view(boxes, scores, scale=1.0, flip=False):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    sample = DetDataSample(
        metainfo=dict(
            ori_shape=(HEIGHT, WIDTH),
            scale_factor=(scale, scale),
            flip=flip,
            flip_direction='horizontal' if flip else None,
        )
    )
    sample.pred_instances = InstanceData(
        bboxes=boxes,
        scores=torch.tensor(scores, dtype=torch.float32),
        labels=torch.zeros(len(boxes), dtype=torch.long),
    )
    return sample


def merge(model, *views):
    (merged,) = model.merge_preds([views])
    return merged.pred_instances


def test_mirrored_boxes_are_mirrored_back_and_vote():
    found = merge(
        build(),
        view([[10, 10, 30, 40], [70, 50, 90, 80]], [0.8, 0.4]),
        view([[WIDTH - 32, 10, WIDTH - 12, 40]], [0.4], flip=True),
    )
    expected = [[10 + 2 / 3, 10, 30 + 2 / 3, 40], [70, 50, 90, 80]]
    np.testing.assert_allclose(found.bboxes, expected, rtol=1e-6)
    assert found.scores.tolist() == pytest.approx([0.8, 0.4])
    assert found.labels.tolist() == [0, 0]


@pytest.mark.parametrize('kind', ['vote', 'nms'])
def test_the_ground_truth_is_that_of_a_view_that_is_not_mirrored(kind):
    # mmdet's own pipelines, and the one that `--tta` makes, may begin with the mirrored view
    right, mirrored = (
        torch.tensor([[10.0, 10, 30, 40]]),
        torch.tensor([[WIDTH - 30.0, 10, WIDTH - 10, 40]]),
    )
    views = [view(mirrored.tolist(), [0.8], flip=True), view(right.tolist(), [0.6])]
    for sample, boxes in zip(views, (mirrored, right), strict=True):
        sample.gt_instances = InstanceData(bboxes=boxes)
    for order in (views, views[::-1]):
        (merged,) = build(merge=kind).merge_preds([order])
        assert torch.equal(merged.gt_instances.bboxes, right) and not merged.flip
        assert torch.equal(merged.pred_instances.bboxes, right)


def test_the_vote_over_views_is_that_of_the_loops():
    rng = np.random.default_rng(0)
    views, boxes, scores = [], [], []
    for _ in range(3):
        corner = rng.uniform(0, 50, (12, 2))
        found = np.concatenate([corner, corner + rng.uniform(10, 30, (12, 2))], axis=1)
        boxes += found.tolist()
        scores += (score := rng.uniform(0.1, 1, 12).round(4).tolist())
        views.append(view(found.tolist(), score))
    for drop in (False, True):
        found = merge(build(drop_singletons=drop, max_per_img=5), *views)
        expected = plain.vote(boxes, scores, drop_singletons=drop, cap=5)
        np.testing.assert_allclose(found.bboxes, expected[:, :4], rtol=1e-5)
        np.testing.assert_allclose(found.scores, expected[:, 4], rtol=1e-6)


def test_smaller_views_see_large_faces_only_and_larger_views_small_ones():
    large = [0, 0, 110, 105]  # the shorter side is 100 or more
    wide = [0, 0, 120, 25]
    small = [0, 0, 20, 29]  # the longer side is 30 or less
    boxes, scores = [large, wide, small], [0.9, 0.8, 0.7]
    nothing = view([], [])
    model = build(iou_threshold=1.0)
    for scale, kept in [(0.5, [0.9, 0.8]), (1.0, scores), (1.5, [0.8, 0.7]), (3.0, [0.8, 0.7])]:
        found = merge(model, nothing, view(boxes, scores, scale))
        assert found.scores.tolist() == pytest.approx(kept)
    # the base view itself may be enlarged or reduced; it counts as 1
    assert len(merge(model, view(boxes, scores, 0.4))) == 3
    found = merge(model, view([], [], 0.4), view(boxes, scores, 0.8))
    assert found.scores.tolist() == pytest.approx([0.8, 0.7])


def test_filters_are_a_matter_of_the_config():
    rules = [dict(scale_above=1.0, scale_below=2.0, min_size=25, max_size=80)]
    model = build(size_filters=rules, iou_threshold=1.0)
    boxes, scores = [[0, 0, 90, 85], [0, 0, 60, 30], [0, 0, 20, 20]], [0.9, 0.8, 0.7]
    base = view([], [])
    assert merge(model, base, view(boxes, scores, 1.5)).scores.tolist() == pytest.approx([0.8])
    assert len(merge(model, base, view(boxes, scores, 2.0))) == 3
    assert len(merge(build(size_filters=[]), base, view(boxes[2:], scores[2:], 0.1))) == 1


def test_nms_keeps_the_best_box_as_it_is():
    views = view([[10, 10, 30, 40]], [0.4]), view([[12, 10, 32, 40], [70, 9, 80, 19]], [0.8, 0.3])
    found = merge(build(merge='nms'), *views)
    assert found.bboxes.tolist() == [[12, 10, 32, 40], [70, 9, 80, 19]]
    assert len(merge(build(merge='nms', max_per_img=1), *views)) == 1


@pytest.mark.parametrize('kind', ['vote', 'nms'])
def test_nothing_found_is_an_empty_result(kind):
    found = merge(build(merge=kind), view([], []), view([], [], 0.5, True))
    assert found.bboxes.shape == (0, 4) and found.scores.shape == found.labels.shape == (0,)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(merge='soft'), '`merge` must be one of vote, nms'),
        (dict(size_filters=[dict(scale=2)]), '`size_filters` may have max_size, min_size'),
        (dict(size_filters=[{}]), '`size_filters` may have'),
    ],
)
def test_refuses_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


class Brightness(nn.Module):
    """Maps that hold the mean brightness of the anchor at each cell, less that of its surroundings."""

    def forward(self, images):
        maps = []
        for stride in (4, 8, 16):
            inner, outer = (
                nn.functional.avg_pool2d(
                    nn.functional.pad(images.mean(1, keepdim=True), [(size - stride) // 2] * 4),
                    size,
                    stride,
                )
                for size in (4 * stride, 8 * stride)
            )
            maps.append((inner - outer) / 255)
        return maps


PIPELINE = [
    dict(type='mmcv.LoadImageFromFile'),
    dict(
        type='mmcv.TestTimeAug',
        transforms=[
            [dict(type='mmdet.Resize', scale_factor=s, keep_ratio=True) for s in (1.0, 0.5, 2.0)],
            [dict(type='mmdet.RandomFlip', prob=0.0), dict(type='mmdet.RandomFlip', prob=1.0)],
            [
                dict(
                    type='mmdet.PackDetInputs',
                    meta_keys=(
                        'img_id',
                        'img_path',
                        'ori_shape',
                        'img_shape',
                        'scale_factor',
                        'flip',
                        'flip_direction',
                    ),
                )
            ],
        ],
    ),
]


@torch.no_grad()
def test_a_bright_square_is_found_in_every_view_and_once_in_the_end(tmp_path):
    """A real detector, pipeline and TTA loop; only its features are made by hand."""
    picture = np.zeros((128, 192, 3), np.uint8)
    # about the centre of a cell of the second level, and in the other views of the first and the third
    square = [52, 36, 84, 68]
    picture[36:68, 52:84] = 255
    cv2.imwrite(str(tmp_path / 'night.png'), picture)
    head = dict(
        type='llv.FaceHead',
        in_channels=[1, 1, 1],
        strides=[4, 8, 16],
        anchor_sizes=[16, 32, 64],
    )
    backbone = dict(type='mmdet.MobileNetV2', widen_factor=0.1)
    detector = dict(type='mmdet.SingleStageDetector', backbone=backbone, bbox_head=head)
    detector |= dict(
        test_cfg=dict(score_thr=0.6), data_preprocessor=dict(type='mmdet.DetDataPreprocessor')
    )
    config = ConfigDict(type='llv.FaceTTAModel', drop_singletons=True, module=detector)
    model = MODELS.build(config).eval()
    model.module.backbone = Brightness()
    for parameter in model.module.bbox_head.parameters():
        nn.init.zeros_(parameter)
    for conv in model.module.bbox_head.cls_convs:
        # 0.75 is what a square of the anchor's size amid darkness gives
        conv.weight[1, 0, 1, 1] = 40.0
        conv.bias[1] = -28.0

    data = pseudo_collate([Compose(PIPELINE)(dict(img_path=str(tmp_path / 'night.png'), img_id=0))])
    views = [
        model.module.test_step({key: value[k] for key, value in data.items()})[0] for k in range(6)
    ]
    assert [sample.flip for sample in views] == [False, True] * 3
    for sample in views:
        best = sample.pred_instances.bboxes[0].tolist()
        if sample.flip:
            best = [192 - best[2], best[1], 192 - best[0], best[3]]
        assert plain.iou(best, square) > 0.75

    (merged,) = model.test_step(data)
    found = merged.pred_instances
    assert len(found) == 1
    assert plain.iou(found.bboxes[0].tolist(), square) > 0.9
