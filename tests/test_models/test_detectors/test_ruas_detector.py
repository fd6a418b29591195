"""The searched detector of RUAS: structure, anchors and loss against closed forms and plain loops.

Its published outputs are compared where the official layout is, in ``test_convert_ruas_detector.py``.
"""

import numpy as np
import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.structures import InstanceData

pytest.importorskip('mmdet')
from mmdet.structures import DetDataSample

from llv.apis.plug import clear_pretrained
from llv.datasets.transforms.detection.resize_to_area import ResizeToArea
from llv.models.backbones import FaceVGG
from llv.models.detectors.ruas_detector import RUASDetector
from llv.registry import MODELS
from llv.search.genotypes import RUAS_DARKFACE

SMALL = 1 / 64  # eight channels almost everywhere
OTHER = dict(
    neck=['conv_1x1', 'dilconv_3x3_18', 'dilconv_7x7', 'conv_5x5'],
    loc=['dilconv_3x3_6'] * 6,
    conf=['conv_3x3'] * 6,
)


def small(seed=0, **kwargs):
    torch.manual_seed(seed)
    detector = RUASDetector(**{'width': SMALL, **kwargs})
    detector.init_weights()
    return detector


def sample(size, boxes=()):
    meta = dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0))
    sample = DetDataSample(metainfo=meta)
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    labels = torch.zeros(len(boxes), dtype=torch.long)
    sample.gt_instances = InstanceData(bboxes=boxes, labels=labels)
    sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4))
    return sample


# ---------------------------------------------------------------- structure


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_parameters_of_each_part_are_as_many_as_published():
    with torch.device('meta'):
        detector = RUASDetector()
    assert count(detector.backbone) == 20_483_904
    assert count(detector.neck.norm) == 1_280
    assert count(detector.neck.extra) == 22_774_912
    assert count(detector.bbox_head.reg_convs) == 151_576
    assert count(detector.bbox_head.cls_convs) == 206_860
    assert count(detector.data_preprocessor) == 549
    assert count(detector) == 43_619_081


def test_the_l2_norms_start_at_their_scales():
    scales = [norm.weight.unique().tolist() for norm in small().neck.norm.norms]
    assert scales == [[10], [8], [5]]


@pytest.mark.parametrize('backbone', ['vgg16', 'resnet50'])
@torch.no_grad()
def test_the_maps_of_the_published_size_have_125015_anchors(backbone):
    with torch.device('meta'):  # sizes only
        detector = RUASDetector(backbone=backbone, width=SMALL)
        cls_scores, bbox_preds = detector(torch.empty(1, 3, 1000, 1500), mode='tensor')
    sizes = [tuple(scores.shape[2:]) for scores in cls_scores]
    halved = dict(vgg16=(62, 94), resnet50=(63, 94))[backbone]  # ResNets round up
    deepest = dict(vgg16=(31, 47), resnet50=(32, 47))[backbone]
    assert sizes == [(250, 375), (125, 188), halved, deepest, (16, 24), (8, 12)]
    if backbone == 'vgg16':
        assert sum(height * width for height, width in sizes) == 125_015
    assert all(scores.shape[1] == 2 for scores in cls_scores)
    assert all(boxes.shape[1] == 4 for boxes in bbox_preds)


def test_the_anchors_are_those_of_the_closed_form():
    sizes = [(32, 40), (16, 20), (8, 10), (4, 5), (2, 3), (1, 2)]
    detector = small(anchor_sizes=(8, 16, 32, 64, 128, 250))
    anchors = torch.cat(detector.bbox_head.prior_generator.grid_priors(sizes, device='cpu'))
    expected = []
    for (height, width), stride in zip(sizes, (4, 8, 16, 32, 64, 128), strict=True):
        half = 125 if stride == 128 else stride
        for i in range(height):
            for j in range(width):
                x, y = (j + 0.5) * stride, (i + 0.5) * stride
                expected.append((x - half, y - half, x + half, y + half))
    assert len(expected) == 1708
    np.testing.assert_array_equal(anchors.numpy(), np.float32(expected))


def test_the_published_anchors(reference_dir):
    golden = np.load(reference_dir / 'ruas' / 'detection_formula.npz')['priors']
    sizes = [(32, 40), (16, 20), (8, 10), (4, 5), (2, 3), (1, 2)]
    anchors = torch.cat(small().bbox_head.prior_generator.grid_priors(sizes, device='cpu'))
    centre, side = (anchors[:, :2] + anchors[:, 2:]) / 2, anchors[:, 2:] - anchors[:, :2]
    ours = torch.cat([centre, side], 1) / torch.tensor([160.0, 128, 160, 128])
    np.testing.assert_array_equal(ours.numpy(), golden)


def test_a_genotype_decides_kernels_and_dilations():
    with torch.device('meta'):
        detector = RUASDetector(OTHER)
    head = detector.bbox_head
    layers = [*detector.neck.extra.convs, head.reg_convs[0], head.cls_convs[5]]
    assert [(layer.kernel_size[0], layer.dilation[0], layer.stride[0]) for layer in layers] == [
        *((1, 1, 1), (3, 18, 2), (7, 2, 1), (5, 1, 2)),
        *((3, 6, 1), (3, 1, 1)),
    ]
    assert head.reg_convs[3].in_channels == 1024 and head.cls_convs[4].in_channels == 512


@torch.no_grad()
def test_models_of_one_process_do_not_interfere():
    """The official code counts operations in a module-level variable, so its second model fails."""
    image = torch.rand(1, 3, 64, 64) * 255
    first = small().eval()
    before = first(image, mode='tensor')
    other = small(seed=1, genotype=OTHER).eval()
    again = small().eval()
    for model in (first, again):
        after = model(image, mode='tensor')
        for a, b in zip(before, after, strict=True):
            assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert other.bbox_head.reg_convs[0].dilation == (6, 6)
    assert again.bbox_head.reg_convs[0].kernel_size == (7, 7)
    assert RUAS_DARKFACE.loc[0] == 'conv_7x7'


@pytest.mark.parametrize('depth, blocks', [(50, 3 + 4 + 6 + 3), (101, 33), (152, 50)])
def test_resnets_are_those_of_their_depth_without_l2_norms(depth, blocks):
    with torch.device('meta'):
        detector = RUASDetector(backbone=f'resnet{depth}')
    backbone = detector.backbone
    stages = [getattr(backbone, name) for name in backbone.res_layers]
    assert sum(len(stage) for stage in stages) == blocks
    assert list(dict(detector.neck.named_children())) == ['extra']
    channels = [conv.in_channels for conv in detector.bbox_head.reg_convs]
    assert channels == [256, 512, 1024, 2048, 512, 256]


# ---------------------------------------------------------------- loss


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def plain_loss(loc, conf, priors, truths):
    """As the specification says it, box by box. `conf` has the background first."""
    loss_loc = loss_conf = positives = 0
    for codes, logits, boxes in zip(loc, conf, truths, strict=True):
        if not boxes:
            continue
        corners = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for x, y, w, h in priors.tolist()]
        table = np.array([[iou(box, prior) for prior in corners] for box in boxes])
        chosen = table.argmax(0)
        chosen[table.max(0) < 0.3] = -1
        for index, row in enumerate(table):
            chosen[row.argmax()] = index
        entropy = np.logaddexp(logits[:, 0], logits[:, 1])[:, None] - logits
        face = chosen >= 0
        positives += face.sum()
        negatives = np.sort(entropy[~face, 0])[::-1]
        loss_conf += entropy[face, 1].sum() + negatives[: 3 * face.sum()].sum()
        for index in np.flatnonzero(face):
            x, y, w, h = priors[index]
            x1, y1, x2, y2 = boxes[chosen[index]]
            target = np.array(
                [
                    ((x1 + x2) / 2 - x) / (0.1 * w),
                    ((y1 + y2) / 2 - y) / (0.1 * h),
                    np.log((x2 - x1) / w) / 0.2,
                    np.log((y2 - y1) / h) / 0.2,
                ]
            )
            error = np.abs(codes[index] - target)
            loss_loc += np.where(error < 1, error**2 / 2, error - 0.5).sum()
    return loss_loc / max(positives, 1), loss_conf / max(positives, 1)


# a face that fits no anchor, two that share their best one, one that fits well, one beyond the largest
FACES = [
    [(30.0, 21.0, 33.0, 23.0), (57.0, 41.0, 65.0, 50.0), (56.5, 40.0, 66.0, 49.0)],
    [],
    [(8.0, 8.0, 24.0, 24.0), (-40.0, -20.0, 130.0, 110.0)],
]


@torch.no_grad()
def test_the_loss_is_that_of_plain_loops():
    detector = small()
    size = (64, 96)
    inputs = torch.rand(3, 3, *size) * 200 - 100
    cls_scores, bbox_preds = detector(inputs, mode='tensor')
    generator = torch.Generator().manual_seed(2)
    cls_scores = [torch.randn(s.shape, generator=generator) * 3 for s in cls_scores]
    bbox_preds = [torch.randn(b.shape, generator=generator) * 3 for b in bbox_preds]
    samples = [sample(size, boxes) for boxes in FACES]
    losses = detector.bbox_head.loss_by_feat(
        cls_scores,
        bbox_preds,
        [s.gt_instances for s in samples],
        [s.metainfo for s in samples],
        [s.ignored_instances for s in samples],
    )
    flat = [
        torch.cat([m.permute(0, 2, 3, 1).flatten(1, 2) for m in maps], 1).double().numpy()
        for maps in (bbox_preds, cls_scores)
    ]
    priors = []
    for scores, stride in zip(cls_scores, (4, 8, 16, 32, 64, 128), strict=True):
        for i in range(scores.shape[2]):
            for j in range(scores.shape[3]):
                priors.append(((j + 0.5) * stride, (i + 0.5) * stride, 2 * stride, 2 * stride))
    expected = plain_loss(flat[0], flat[1][..., ::-1], np.array(priors), FACES)
    ours = sum(losses['loss_bbox']).item(), sum(losses['loss_cls']).item()
    assert ours == pytest.approx(expected, rel=1e-5)


def test_a_batch_without_faces_has_a_loss_of_zero_with_finite_gradients():
    detector = small()
    data = dict(inputs=[torch.rand(3, 64, 64) * 50] * 2, data_samples=[sample((64, 64))] * 2)
    losses = detector(**detector.data_preprocessor(data, training=True), mode='loss')
    total, _ = detector.parse_losses(losses)
    total.backward()
    assert total.item() == 0
    assert all(torch.isfinite(p.grad).all() for p in detector.parameters())


# ---------------------------------------------------------------- with the rest of llv


@pytest.mark.parametrize('backbone', ['vgg16', 'resnet50'])
def test_it_learns_together_with_the_scene_module(backbone):
    detector = small(backbone=backbone, width=1 / 16).train()
    image = torch.full((3, 64, 64), 12, dtype=torch.uint8)
    image[:, 20:36, 28:44] = 40
    data = dict(inputs=[image], data_samples=[sample((64, 64), [(28, 20, 44, 36)])])
    optimizer = torch.optim.Adam(detector.parameters(), 2e-3)
    start = {name: value.clone() for name, value in detector.state_dict().items()}
    wrapper = OptimWrapper(optimizer)
    losses = [float(detector.train_step(data, wrapper)['loss'].detach()) for _ in range(15)]
    assert np.isfinite(losses).all() and np.mean(losses[-3:]) < 0.7 * losses[0]
    moved = {name for name, value in detector.state_dict().items() if (value != start[name]).any()}
    assert {
        'data_preprocessor.enhancer.scene.stages.0.fuse.weight',
        'bbox_head.reg_convs.1.weight',
    } < moved
    assert ('neck.norm.norms.0.weight' in moved) == (backbone == 'vgg16')


@torch.no_grad()
def test_faces_are_found_in_the_coordinates_of_the_original_picture():
    detector = small(test_cfg=dict(score_thr=0.0, max_per_img=9)).eval()
    image = np.random.default_rng(0).integers(0, 256, (24, 36, 3), dtype=np.uint8)
    results = ResizeToArea(96 * 144).transform(dict(img=image))
    assert results['scale_factor'] == (4, 4)
    picture = torch.from_numpy(results['img']).permute(2, 0, 1)
    found = {}
    for factor in (1.0, 4.0):
        one = sample((96, 144))
        one.set_metainfo(dict(scale_factor=(factor, factor)))
        (one,) = detector.test_step(dict(inputs=[picture], data_samples=[one]))
        found[factor] = one.pred_instances
    assert len(found[1.0]) == 9 and found[1.0].labels.eq(0).all()
    torch.testing.assert_close(found[4.0].bboxes * 4, found[1.0].bboxes)
    torch.testing.assert_close(found[4.0].scores, found[1.0].scores)


def test_the_lit_picture_loses_its_mean_in_rgb():
    picture = torch.tensor([1, 2, 3], dtype=torch.uint8).view(3, 1, 1).expand(3, 32, 32)  # BGR
    plain = small(data_preprocessor=dict(enhancer=dict(type='llv.Identity')))
    inputs = plain.data_preprocessor(dict(inputs=[picture]))['inputs']
    assert inputs[0, :, 0, 0].tolist() == [3 - 123, 2 - 117, 1 - 104]
    lit = small().eval().data_preprocessor(dict(inputs=[picture]))['inputs']
    assert (lit > inputs).all()


def test_a_backbone_starts_from_pretrained_weights_unless_they_are_cleared(tmp_path):
    path = str(tmp_path / 'vgg.pth')
    weights = FaceVGG(width=SMALL).state_dict()
    torch.save(weights, path)
    config = dict(type='llv.RUASDetector', width=SMALL, pretrained=path)

    def starts_from_them():
        detector = MODELS.build(dict(config))
        detector.init_weights()
        own = detector.backbone.state_dict()
        return all(torch.equal(own[name], value) for name, value in weights.items())

    assert starts_from_them()
    assert clear_pretrained(dict(model=config)) == 1
    assert not starts_from_them()


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(backbone='vgg19'), "`backbone` must be one of vgg16, .*, but got 'vgg19'"),
        (dict(width=0), '`width` must be positive, but got 0'),
        (dict(genotype='darkface'), '`genotype` must be one of ruas-darkface'),
        (dict(genotype={**OTHER, 'loc': ['skip_connect'] * 6}), '`loc` .* `skip_connect`'),
        (dict(anchor_sizes=(8, 16)), '`anchor_sizes` must name the same levels'),
        (dict(bbox_head=dict(num_classes=12)), '`num_classes` must be 1, .* `llv.SSDHead`'),
        (
            dict(bbox_head=dict(loc=['conv_1x1'])),
            '`loc` and `conf` must name one layer for each of the 6',
        ),
        (
            dict(neck=dict(extra=dict(layers=['conv_1x1']))),
            '`layers` and `channels` must have 4 entries',
        ),
    ],
)
def test_what_cannot_be_built_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        RUASDetector(**{'width': SMALL, **change})
