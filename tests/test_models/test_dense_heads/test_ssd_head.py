"""The repaired SSD head: mmdet's in everything but that it predicts."""

import pytest
import torch
from mmengine.config import ConfigDict

from llv.registry import MODELS

pytest.importorskip('mmdet')

HEAD = dict(
    in_channels=(8, 8),
    num_classes=3,
    anchor_generator=dict(
        type='mmdet.SSDAnchorGenerator',
        scale_major=False,
        input_size=64,
        strides=[8, 16],
        ratios=[[2], [2]],
        min_sizes=[16, 32],
        max_sizes=[32, 52],
    ),
    bbox_coder=dict(type='mmdet.DeltaXYWHBBoxCoder', target_stds=[0.1, 0.1, 0.2, 0.2]),
    test_cfg=ConfigDict(
        nms_pre=100, nms=dict(type='nms', iou_threshold=0.45), score_thr=0.0, max_per_img=5
    ),
)
META = [dict(img_shape=(64, 64), ori_shape=(64, 64), scale_factor=(1.0, 1.0))]


def build(kind):
    torch.manual_seed(0)
    return MODELS.build(dict(HEAD, type=kind)).eval()


def test_parameters_and_outputs_are_those_of_mmdet():
    ours, theirs = build('llv.SSDHead'), build('mmdet.SSDHead')
    ours.load_state_dict(theirs.state_dict())
    maps = [torch.randn(1, 8, 8, 8), torch.randn(1, 8, 4, 4)]
    for a, b in zip(ours(maps), theirs(maps), strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@torch.no_grad()
def test_it_predicts():
    head = build('llv.SSDHead')
    maps = [torch.randn(1, 8, 8, 8), torch.randn(1, 8, 4, 4)]
    found = head.predict_by_feat(*head(maps), batch_img_metas=META)[0]
    assert len(found) == 5
    assert (found.scores[:-1] >= found.scores[1:]).all()
    assert found.bboxes.min() >= 0 and found.bboxes.max() <= 64
