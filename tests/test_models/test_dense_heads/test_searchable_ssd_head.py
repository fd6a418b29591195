"""The searched SSD head: mmdet's with its own layers, the published one of RUAS's detector by its counts."""

import re

import pytest
import torch
from mmengine.structures import InstanceData
from test_models.test_necks import decided

pytest.importorskip('mmdet')

from llv.models.dense_heads import SearchableSSDHead, SSDHead  # noqa: E402
from llv.models.dense_heads.searched_face_head import SearchedFaceHead  # noqa: E402

HEAD = dict(
    in_channels=(8, 6),
    num_classes=3,
    anchor_generator=dict(
        type='mmdet.SSDAnchorGenerator', scale_major=False, input_size=64, strides=[8, 16], ratios=[[2], [2, 3]],
        min_sizes=[16, 32], max_sizes=[32, 52],
    ),
    bbox_coder=dict(type='mmdet.DeltaXYWHBBoxCoder', target_stds=[0.1, 0.1, 0.2, 0.2]),
    train_cfg=dict(
        assigner=dict(
            type='mmdet.MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.0, ignore_iof_thr=-1,
            gt_max_assign_all=False,
        ),
        sampler=dict(type='mmdet.PseudoSampler'),
        smoothl1_beta=1.0, allowed_border=-1, pos_weight=-1, neg_pos_ratio=3, debug=False,
    ),
)  # fmt: skip
RUAS = dict(
    in_channels=(256, 512, 512, 1024, 512, 256),
    num_classes=1,
    anchor_generator=dict(
        type='mmdet.AnchorGenerator', strides=[4, 8, 16, 32, 64, 128], ratios=[1.0], scales=[1.0],
        base_sizes=[8, 16, 32, 64, 128, 256],
    ),
)  # fmt: skip


def maps():
    torch.manual_seed(0)
    return [torch.randn(2, 8, 8, 8), torch.randn(2, 6, 4, 4)]


def build(genotype=None):
    return SearchableSSDHead(**HEAD, genotype=genotype)


def flat(outputs):
    return [m for part in outputs for m in part]


def test_with_the_layers_of_mmdet_it_is_its_head():
    ours, theirs = build(['conv_3x3'] * 4), SSDHead(**HEAD)
    ours.load_state_dict(theirs.state_dict())
    for a, b in zip(flat(ours(maps())), flat(theirs(maps())), strict=True):
        torch.testing.assert_close(a, b)


def test_published_head_has_the_parameters_of_its_release_and_its_order():
    with torch.device('meta'):
        head = SearchableSSDHead(**RUAS, genotype='ruas-darkface')
    assert decided.count(head.reg_convs) == 151_576
    assert decided.count(head.cls_convs) == 206_860
    assert list(head.genotype) == [f'loc_{i}' for i in range(6)] + [f'conf_{i}' for i in range(6)]


def test_published_layers_compute_what_the_port_of_the_release_computes():
    narrow = (4, 6, 6, 8, 6, 4)
    ours = SearchableSSDHead(**{**RUAS, 'in_channels': narrow}, genotype='ruas-darkface')
    layers = list(ours.genotype.values())
    theirs = SearchedFaceHead(narrow, layers[:6], layers[6:])
    theirs.load_state_dict(
        {
            re.sub(r'(convs\.\d)\.0\.', r'\1.', name): value
            for name, value in ours.state_dict().items()
        }
    )
    x = [torch.randn(1, c, 12, 9) for c in narrow]
    (scores, boxes), (their_scores, their_boxes) = ours(x), theirs(x)
    for level in range(6):
        torch.testing.assert_close(boxes[level], their_boxes[level])
        # the release has the background first, mmdet last
        torch.testing.assert_close(scores[level].flip(1), their_scores[level])


@pytest.mark.parametrize('seed', range(3))
def test_supernet_that_has_decided_is_the_derived_network(seed):
    supernet = decided.decide(build(), seed)
    supernet.init_weights()
    decided.same_outputs(supernet, build, maps())


def test_supernet_trains_and_every_alpha_has_a_gradient():
    head = build()
    head.init_weights()
    assert [p.shape for p in head.arch_parameters()] == [(4, 10)]
    truth = InstanceData(
        bboxes=torch.tensor([[4.0, 4, 24, 24], [20, 10, 60, 50]]), labels=torch.tensor([0, 2])
    )
    meta = dict(img_shape=(64, 64), pad_shape=(64, 64))
    losses = head.loss_by_feat(*head(maps()), [truth, truth], [meta, meta])
    sum(sum(value) for value in losses.values()).backward()
    assert (head.architecture.arch_alpha.grad != 0).all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())


def test_parameters_counted_by_hand():
    taps = 1 + 9 + 25 + 49 + 9 + 25 + 49 + 9 + 9 + 9
    # anchors: 2 + 2 * ratios a place
    expected = sum(
        channels * anchors * out * taps + 10 * anchors * out
        for channels, anchors in ((8, 4), (6, 6))
        for out in (4, 3 + 1)
    )
    assert decided.count(build()) == expected + 4 * 10
    names = {name.split('.candidates')[0] for name, _ in build().named_parameters()}
    assert names == {
        'architecture.arch_alpha', 'reg_convs.0.0', 'reg_convs.1.0', 'cls_convs.0.0', 'cls_convs.1.0',
    }  # fmt: skip


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(stacked_convs=1), '`stacked_convs` of `SearchableSSDHead` must be left out'),
        (dict(use_depthwise=True), '`use_depthwise` of `SearchableSSDHead` must be left out'),
        (dict(genotype=['conv_3x3'] * 16), r'has 4 names \(loc_0, loc_1, conf_0, conf_1\)'),
    ],
)
def test_bad_input_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        SearchableSSDHead(**{**HEAD, **change})
