"""The face head: channels, max-out, loss and prediction, against the rules in loops."""

import copy

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from test_models.test_task_modules import plain_faces as plain
from torch import nn

from llv.registry import MODELS

pytest.importorskip('mmdet')

from llv.models.dense_heads.face_head import (  # noqa: E402
    DSFD_GROUPS,
    FACE_GROUPS,
    PYRAMIDBOX_GROUPS,
    FaceHead,
)

KINDS = dict(
    plain=dict(),
    s3fd=dict(max_out='s3fd'),
    pyramidbox=dict(max_out='pyramidbox', groups=PYRAMIDBOX_GROUPS),
    dsfd=dict(max_out='dsfd', groups=DSFD_GROUPS, head='deep', feat_channels=8, anchor_ratio=1.5),
)
# per group: name, first level, factor on the anchors, factor on the faces
GROUPS = dict(
    plain=[('', 0, 1, 1)],
    s3fd=[('', 0, 1, 1)],
    pyramidbox=[('', 0, 1, 1), ('_head', 0, 1, 2)],
    dsfd=[('', 0, 1, 1), ('_head', 1, 0.5, 1), ('_body', 2, 0.25, 1)],
)
HEIGHT, WIDTH = 64, 72
MAPS = plain.map_sizes(HEIGHT, WIDTH)
META = dict(img_shape=(HEIGHT, WIDTH), ori_shape=(HEIGHT, WIDTH), scale_factor=(1.0, 1.0))
FACES = [
    [[3, 4, 17, 20], [30, 20, 62, 55.5]],
    [[40.3, 8.2, 47.9, 17.1], [41, 9, 60, 33], [10, 40, 16, 47]],
]


def build(kind='plain', **options):
    torch.manual_seed(0)
    config = dict(type='llv.FaceHead', in_channels=[4] * 6, **KINDS[kind])
    return MODELS.build({**config, **options})


def random_feats(pictures=2, channels=4, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(pictures, channels, *size, generator=rng) for size in MAPS]


def faces(boxes):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return InstanceData(bboxes=boxes, labels=torch.zeros(len(boxes), dtype=torch.long))


def loss_of(head, outputs, boxes, ignored=None, metas=None):
    truth = [faces(b) for b in boxes]
    ignored = None if ignored is None else [None if i is None else faces(i) for i in ignored]
    losses = head.loss_by_feat(*outputs, truth, metas or [META] * len(boxes), ignored)
    return {name: sum(value).sum() for name, value in losses.items()}


# ------------------------------------------------------------------ layout


@pytest.mark.parametrize(
    'kind, classes, boxes',
    [
        ('plain', [2] * 6, [4] * 6),
        ('s3fd', [4, 2, 2, 2, 2, 2], [4] * 6),
        ('pyramidbox', [8, 6, 6, 6, 6, 6], [8] * 6),
        ('dsfd', [4, 6, 8, 8, 8, 8], [4, 8, 12, 12, 12, 12]),
    ],
)
def test_channels_are_the_published_ones(kind, classes, boxes):
    head = build(kind)
    layer = 'conv4.' if kind == 'dsfd' else ''
    state = head.state_dict()
    for level in range(6):
        assert state[f'cls_convs.{level}.{layer}bias'].shape == (classes[level],)
        assert state[f'reg_convs.{level}.{layer}bias'].shape == (boxes[level],)
    scores, deltas = head(random_feats())
    assert [d.shape[1] for d in deltas] == boxes
    assert [s.shape[1] for s in scores] == [b // 2 for b in boxes]


def test_keys_of_a_shallow_and_of_a_deep_head():
    shallow, deep = build('s3fd').state_dict(), build('dsfd', in_channels=[16] * 6).state_dict()
    assert set(shallow) == {
        f'{part}.{level}.{name}'
        for part in ('reg_convs', 'cls_convs')
        for level in range(6)
        for name in ('weight', 'bias')
    }
    assert shallow['reg_convs.5.weight'].shape == (4, 4, 3, 3)
    assert len(deep) == 2 * 6 * 4 * 2
    shapes = [deep[f'cls_convs.1.conv{k}.weight'].shape for k in (1, 2, 3, 4)]
    assert shapes == [(8, 16, 3, 3), (8, 8, 3, 3), (8, 8, 3, 3), (6, 8, 1, 1)]


@pytest.mark.parametrize(
    'kind, level, raw, expected',
    [
        # raw: official channel order; expected: face, background for each group
        ('plain', 0, [1, 2], [2, 1]),
        ('s3fd', 0, [1, 7, 3, 5], [5, 7]),
        ('s3fd', 1, [1, 2], [2, 1]),
        ('pyramidbox', 0, [1, 7, 3, 9, 5, 2, 6, 4], [9, 7, 4, 6]),
        ('pyramidbox', 2, [6, 1, 8, 3, 9, 5], [8, 6, 5, 9]),
        ('dsfd', 0, [1, 7, 3, 5], [5, 7]),
        ('dsfd', 1, [1, 7, 3, 5, 9, 8], [7, 5, 8, 9]),
        ('dsfd', 5, [1, 7, 3, 9, 5, 6, 4, 8], [7, 9, 6, 5, 8, 4]),
    ],
)
def test_max_out_and_the_order_of_labels(kind, level, raw, expected):
    head = build(kind)
    last = head.cls_convs[level].conv4 if kind == 'dsfd' else head.cls_convs[level]
    nn.init.zeros_(last.weight)
    last.bias.data = torch.tensor(raw, dtype=torch.float32)
    scores, _ = head(random_feats())
    assert (scores[level] == torch.tensor(expected).view(1, -1, 1, 1)).all()


def test_a_deep_layer_is_three_convolutions_with_relu_and_one_without():
    head = build('dsfd')
    feats = random_feats()
    layer, x = head.reg_convs[3], feats[3]
    for k in (1, 2, 3):
        conv = getattr(layer, f'conv{k}')
        x = nn.functional.conv2d(x, conv.weight, conv.bias, padding=1).clamp_min(0)
    x = nn.functional.conv2d(x, layer.conv4.weight, layer.conv4.bias)
    torch.testing.assert_close(head(feats)[1][3], x)
    assert x.min() < 0


def test_a_subclass_gives_its_own_layers():
    class Wide(FaceHead):
        def __init__(self, kernels, **kwargs):
            self.kernels = kernels
            super().__init__(**kwargs)

        def build_conv(self, level, in_channels, out_channels, kind):
            k = self.kernels[kind][level]
            return nn.Conv2d(in_channels, out_channels, k, padding=k // 2)

    kernels = dict(loc=[1, 3, 5, 1, 3, 5], conf=[5, 5, 5, 3, 3, 3])
    head = Wide(kernels, in_channels=[4] * 6, max_out='s3fd')
    assert [conv.kernel_size[0] for conv in head.reg_convs] == kernels['loc']
    assert [conv.kernel_size[0] for conv in head.cls_convs] == kernels['conf']
    assert [s.shape[-2:] for s in head(random_feats())[0]] == MAPS


# -------------------------------------------------------------------- loss


def expected_losses(kind, outputs, boxes, threshold=0.35, compensate='mean'):
    """Loss by loops, from the channels that the published layouts name."""
    scores, deltas = ([m.detach().double().numpy() for m in maps] for maps in outputs)
    ratio = 1.5 if kind == 'dsfd' else 1.0
    losses = {}
    for index, (name, first, scale, growth) in enumerate(GROUPS[kind]):
        priors = plain.anchors(HEIGHT, WIDTH, first, scale, ratio)
        pictures = []
        for picture, truth in enumerate(boxes):
            grown = []
            for x1, y1, x2, y2 in truth:
                dx, dy = (growth - 1) * (x2 - x1) / 2, (growth - 1) * (y2 - y1) / 2
                grown.append([x1 - dx, y1 - dy, x2 + dx, y2 + dy])
            # matched in the precision of the library, where equal overlaps must stay equal
            single = [np.asarray(rows, np.float32) for rows in (priors, grown)]
            owner = plain.match(*map(list, single), threshold, compensate)
            pictures.append(
                (
                    priors,
                    plain.rows_of([s[picture] for s in scores[first:]], 2 * index, 2),
                    plain.rows_of([d[picture] for d in deltas[first:]], 4 * index, 4),
                    owner,
                    grown,
                )
            )
        cls, bbox = plain.multi_box_loss(pictures)
        losses |= {f'loss_cls{name}': cls, f'loss_bbox{name}': bbox}
    return losses


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('boxes', [FACES, [FACES[0], []], [[[2, 2, 70, 62]], FACES[1]]])
def test_the_loss_is_that_of_the_loops(kind, boxes):
    head = build(kind)
    outputs = head(random_feats(seed=len(boxes[1])))
    losses = loss_of(head, outputs, boxes)
    expected = expected_losses(kind, outputs, boxes)
    assert {k: v.item() for k, v in losses.items()} == pytest.approx(expected, rel=1e-5)
    assert all(value > 0 for value in expected.values())


def test_more_wanted_negatives_than_anchors_use_all_of_them():
    """One level of 2 × 2 cells, all anchors within one large face's reach but one."""
    head = build(in_channels=[4], strides=[32], anchor_sizes=[64])
    with torch.no_grad():
        outputs = head([torch.randn(1, 4, 2, 2)])
    face = [0, 0, 60, 60]
    priors = [[-16, -16, 48, 48], [16, -16, 80, 48], [-16, 16, 48, 80], [16, 16, 80, 80]]
    owner = plain.match(priors, [face], 0.35)
    assert 4 > owner.count(1) > 1
    rows = (
        plain.rows_of([m[0]], 0, c) for m, c in zip((*outputs[0], *outputs[1]), (2, 4), strict=True)
    )
    expected = plain.multi_box_loss([(priors, *rows, owner, [face])])
    meta = dict(META, img_shape=(64, 64))
    losses = loss_of(head, outputs, [[face]], metas=[meta])
    assert [v.item() for v in losses.values()] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('kind', KINDS)
def test_a_batch_without_faces_has_a_loss_of_zero_and_gradients_of_zero(kind):
    head = build(kind)
    losses = loss_of(head, head(random_feats()), [[], []])
    assert all(value.item() == 0 for value in losses.values())
    sum(losses.values()).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None and not parameter.grad.any(), name


@pytest.mark.parametrize('kind', KINDS)
def test_gradients_are_finite_and_reach_every_layer(kind):
    head = build(kind)
    losses = loss_of(head, head(random_feats()), [[*FACES[0], [2, 2, 70, 62]], FACES[1]])
    sum(losses.values()).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad.isfinite().all(), name
    # the faces are as large as the anchors of the three finest levels
    for layer in head.reg_convs[:3]:
        assert list(layer.parameters())[-1].grad.any()


def test_a_picture_without_faces_adds_nothing_not_even_to_the_number_of_positives():
    head = build()
    scores, boxes = head(random_feats())
    both = loss_of(head, (scores, boxes), [FACES[0], []])
    alone = loss_of(head, ([s[:1] for s in scores], [b[:1] for b in boxes]), [FACES[0]])
    for name, value in both.items():
        torch.testing.assert_close(value, alone[name])


@pytest.mark.parametrize('kind', ['plain', 'pyramidbox'])
def test_boxes_without_area_are_left_out(kind):
    head = build(kind)
    outputs = head(random_feats())
    crooked = [[20, 20, 20, 40], [50, 30, 40, 60], [7, 7, 7, 7]]
    with_them = loss_of(head, outputs, [crooked + FACES[0], crooked])
    without = loss_of(head, outputs, [FACES[0], []])
    for name, value in with_them.items():
        assert value.item() == without[name].item()


def test_anchors_in_boxes_to_ignore_are_no_hard_negatives():
    head = build()
    scores, deltas = head(random_feats(1))
    face, ignored = [[3, 4, 17, 20]], [[28, 0, 72, 64]]
    before = loss_of(head, (scores, deltas), [face])['loss_cls'].item()
    scores[0] = scores[0].detach().clone()
    scores[0][:, 0, 2:-2, 10:-2] += 40  # sure to see faces all over the right half
    wrong = loss_of(head, (scores, deltas), [face])['loss_cls'].item()
    assert wrong > before + 3 * 30
    assert loss_of(head, (scores, deltas), [face], [None])['loss_cls'].item() == wrong
    assert loss_of(head, (scores, deltas), [face], [ignored])['loss_cls'].item() <= before


def test_the_padding_of_a_batch_takes_no_part():
    """Whatever the network says about cells outside of the picture."""
    head = build()
    outputs = head(random_feats(1))
    small = dict(META, img_shape=(40, 32))
    face = [[3, 4, 17, 20]]
    before = loss_of(head, outputs, [face], metas=[small])
    sure = torch.tensor([30.0, -30.0]).view(1, 2, 1, 1)
    for scores, boxes, stride in zip(*outputs, plain.STRIDES, strict=True):
        for outside in (np.s_[:, :, -(-40 // stride) :], np.s_[:, :, :, -(-32 // stride) :]):
            scores.data[outside] = sure
            boxes.data[outside] = 7
    after = loss_of(head, outputs, [face], metas=[small])
    assert {k: v.item() for k, v in before.items()} == {k: v.item() for k, v in after.items()}
    full = loss_of(head, outputs, [face])
    assert full['loss_cls'] > after['loss_cls'] + 1
    head.test_cfg.score_thr = 0.0
    found = head.predict_by_feat(*outputs, batch_img_metas=[small], with_nms=False)[0]
    assert len(found) == sum(-(-40 // s) * -(-32 // s) for s in plain.STRIDES)


def test_weights_of_groups_and_settings_of_the_mining_count():
    weighted = (
        dict(name='face', loss_weight=2.0),
        dict(name='head', target_scale=2.0, loss_weight=0.5),
    )
    one, other = build('pyramidbox'), build('pyramidbox', groups=weighted)
    other.load_state_dict(one.state_dict())
    outputs = one(random_feats())
    before, after = (loss_of(head, outputs, FACES) for head in (one, other))
    for name, factor in dict(
        loss_cls=2, loss_bbox=2, loss_cls_head=0.5, loss_bbox_head=0.5
    ).items():
        assert after[name].item() == pytest.approx(factor * before[name].item())
    none = build('pyramidbox', train_cfg=dict(neg_pos_ratio=0))
    assert loss_of(none, outputs, FACES)['loss_cls'] < before['loss_cls']
    few = build(
        'pyramidbox',
        train_cfg=dict(assigner=dict(type='llv.ScaleCompensationAssigner', compensate=None)),
    )
    expected = expected_losses('pyramidbox', outputs, FACES, compensate=None)
    got = {k: v.item() for k, v in loss_of(few, outputs, FACES).items()}
    assert got == pytest.approx(expected, rel=1e-5)


def test_under_mixed_precision_losses_are_sums_in_single_precision():
    head = build('pyramidbox')
    with torch.autocast('cpu', torch.bfloat16):
        outputs = head(random_feats())
        losses = loss_of(head, outputs, FACES)
    assert outputs[0][0].dtype == torch.bfloat16
    exact = expected_losses('pyramidbox', [[m.float() for m in maps] for maps in outputs], FACES)
    assert {k: v.item() for k, v in losses.items()} == pytest.approx(exact, rel=1e-5)
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in head.parameters())


def test_groups_keep_their_channels_in_any_order():
    """Level 1 has the second and not the third of DSFD's groups; here it has the third and not the second."""
    ordered = build('dsfd')
    swapped = build('dsfd', groups=[DSFD_GROUPS[k] for k in (0, 2, 1)])
    outputs = ordered(random_feats())
    order = dict(scores=[0, 1, 4, 5, 2, 3], deltas=[0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7])
    moved = tuple(
        [*maps[:2], *(m[:, index] for m in maps[2:])]
        for maps, index in zip(outputs, order.values(), strict=True)
    )
    expected, got = loss_of(ordered, outputs, FACES), loss_of(swapped, moved, FACES)
    assert len(got) == 6
    for name, value in got.items():
        assert value.item() == expected[name].item()


def test_the_ground_truth_is_not_changed():
    head = build('pyramidbox')
    truth = [faces(b) for b in FACES]
    before = copy.deepcopy(truth)
    head.loss_by_feat(*head(random_feats()), truth, [META] * 2)
    for a, b in zip(truth, before, strict=True):
        assert torch.equal(a.bboxes, b.bboxes)


def test_refuses_other_labels():
    head = build()
    truth = faces(FACES[0])
    truth.labels[1] = 3
    with pytest.raises(ValueError, match='knows the label 0 only, but the ground truth has 3'):
        head.loss_by_feat(*head(random_feats(1)), [truth], [META])


# -------------------------------------------------------------- prediction


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('nms_pre, cap', [(5000, 4), (12, 750)])
@torch.no_grad()
def test_the_prediction_is_that_of_the_loops(kind, nms_pre, cap):
    """The best of all levels together, NMS, the cap; in pixels of the original picture."""
    test_cfg = dict(nms_pre=nms_pre, max_per_img=cap, score_thr=0.4)
    clamp = kind == 'dsfd'
    head = build(kind, test_cfg=test_cfg, clamp_anchors=clamp).eval()
    scores, deltas = head(random_feats(seed=3))
    meta = dict(META, scale_factor=(2.0, 0.5))
    found = head.predict_by_feat(scores, deltas, batch_img_metas=[meta] * 2, rescale=True)
    ratio = 1.5 if kind == 'dsfd' else 1.0
    priors = plain.anchors(HEIGHT, WIDTH, ratio=ratio, clamp=clamp)
    for picture in range(2):
        pairs = np.array(plain.rows_of([s[picture] for s in scores], 0, 2))
        rows = plain.rows_of([d[picture] for d in deltas], 0, 4)
        probability = 1 / (1 + np.exp(pairs[:, 1] - pairs[:, 0]))
        best = [i for i in np.argsort(-probability) if probability[i] > 0.4][:nms_pre]
        boxes = np.array([plain.decode(priors[i], rows[i]) for i in best])
        boxes = boxes.clip(0, [WIDTH, HEIGHT, WIDTH, HEIGHT]) / [2, 0.5, 2, 0.5]
        kept = plain.nms(boxes.tolist(), probability[best].tolist(), 0.3)[:cap]
        result = found[picture]
        np.testing.assert_allclose(result.bboxes, boxes[kept], atol=1e-3)
        np.testing.assert_allclose(result.scores, probability[best][kept], atol=1e-5)
        assert len(kept) > 1 and not result.labels.any()


@torch.no_grad()
def test_an_anchor_that_is_sure_becomes_its_box_in_the_original_picture():
    head = build('s3fd').eval()
    for parameter in head.parameters():
        nn.init.zeros_(parameter)
    for conv in head.cls_convs:
        conv.bias[:-1] = 10
    scores, deltas = head(random_feats(1))
    scores[1][0, 0, 3, 5] = 13  # second level, stride 8: centre (44, 28), side 32
    meta = dict(META, scale_factor=(2.0, 2.0))
    (found,) = head.predict_by_feat(scores, deltas, batch_img_metas=[meta], rescale=True)
    torch.testing.assert_close(found.bboxes, torch.tensor([[14.0, 6, 30, 22]]))
    assert found.scores.item() == pytest.approx(1 / (1 + np.exp(-3)))
    (same,) = head.predict_by_feat(scores, deltas, batch_img_metas=[meta])
    torch.testing.assert_close(same.bboxes, torch.tensor([[28.0, 12, 60, 44]]))


@torch.no_grad()
def test_nothing_found_is_an_empty_result():
    head = build(test_cfg=dict(score_thr=1.0)).eval()
    (found,) = head.predict_by_feat(*head(random_feats(1)), batch_img_metas=[META], rescale=True)
    assert found.bboxes.shape == (0, 4) and found.scores.shape == found.labels.shape == (0,)


# ----------------------------------------------------------------- options


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(max_out='retina'), '`max_out` must be one of None, s3fd, pyramidbox, dsfd'),
        (dict(head='flat'), '`head` must be one of conv, deep'),
        (dict(num_classes=12), '`num_classes` must be 1, the face, but got 12; .* ExDark'),
        (dict(strides=(4, 8)), '`in_channels`, `strides` and `anchor_sizes` must name the same'),
        (dict(groups=[]), '`groups` must begin with the group that predicts'),
        (dict(groups=[dict(name='face', first_level=1)]), '`groups` must begin with'),
        (dict(groups=[dict(name='face', target_scale=2)]), '`groups` must begin with'),
        (dict(groups=[dict(first_level=0)]), '`groups` need a `name`'),
        (dict(groups=[dict(name='face', size=3)]), 'may have anchor_scale, first_level'),
        (dict(groups=FACE_GROUPS * 2), '`groups` must have different names'),
        (dict(groups=[*FACE_GROUPS, dict(name='head', first_level=6)]), '`head` needs a `first_'),
        (dict(groups=[*FACE_GROUPS, dict(name='head', anchor_scale=0)]), 'positive scales'),
    ],
)
def test_refuses_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_a_config_may_name_its_one_class():
    assert build(num_classes=1).num_classes == build().num_classes == 1


def test_refuses_another_number_of_maps():
    with pytest.raises(ValueError, match='takes 6 maps, but got 5'):
        build()(random_feats()[:5])
