"""S3FD, PyramidBox and DSFD: sizes by hand from their papers' tables, training, prediction, and changes of parts.

What they compute is compared with the published networks in ``test_convert_detectors.py``.
"""

import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.structures import InstanceData

pytest.importorskip('mmdet')
from mmdet.structures import DetDataSample  # noqa: E402

from llv.apis import clear_pretrained, plug_enhancer  # noqa: E402
from llv.models.detectors import DSFD, S3FD, PyramidBox  # noqa: E402
from llv.models.detectors.face_detector import FACE_PREPROCESSOR, changed  # noqa: E402
from llv.registry import MODELS  # noqa: E402

BASE = Path(__file__).parents[3] / 'configs' / '_base_' / 'models'
SMALL = 1 / 32
DETECTORS = {
    's3fd': dict(type='llv.S3FD'),
    'pyramidbox': dict(type='llv.PyramidBox'),
    'dsfd release r50': dict(type='llv.DSFD', depth=50),
    'dsfd release vgg': dict(type='llv.DSFD', depth=16),
    'dsfd paper vgg': dict(type='llv.DSFD', preset='paper'),
    'dsfd paper r50': dict(type='llv.DSFD', preset='paper', depth=50),
    'dsfd vgg': dict(type='llv.DSFD', preset='vgg'),
}


def small(name, **changes):
    torch.manual_seed(0)
    detector = MODELS.build(dict(DETECTORS[name], width=SMALL, **changes))
    detector.init_weights()
    return detector


def batch(size=(96, 128), boxes=((20.0, 30.0, 45.0, 60.0), (70.0, 8.0, 86.0, 26.0))):
    generator = torch.Generator().manual_seed(1)
    pictures = torch.randint(0, 256, (2, 3, *size), generator=generator, dtype=torch.uint8)
    samples = []
    for own in (boxes, ()):  # the second picture has no face
        meta = dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0))
        sample = DetDataSample(metainfo=meta)
        own = torch.tensor(own, dtype=torch.float32).reshape(-1, 4)
        sample.gt_instances = InstanceData(
            bboxes=own, labels=torch.zeros(len(own), dtype=torch.long)
        )
        samples.append(sample)
    return dict(inputs=list(pictures), data_samples=samples)


# ------------------------------------------------------- sizes, by hand from the tables


def conv(cin, cout, k=1, bias=True):
    return cout * (cin * k * k + bias)


LEVELS = (256, 512, 512, 1024, 512, 256)
VGG16 = 20_483_904  # spelled out in test_face_vgg.py
VGG_EXTRA = conv(1024, 256) + conv(256, 512, 3) + conv(512, 128) + conv(128, 256, 3)
L2 = 256 + 512 + 512


def s3fd():
    classes = (4, 2, 2, 2, 2, 2)
    head = sum(conv(c, 4, 3) + conv(c, n, 3) for c, n in zip(LEVELS, classes, strict=True))
    return VGG16 + VGG_EXTRA + L2 + head


def pyramidbox():
    pairs = ((1024, 512), (512, 512), (512, 256))
    pyramid = sum(conv(upper, lower) + conv(lower, lower) for upper, lower in pairs)
    # a convolution with bias and the two numbers per channel of its normalisation
    residual = sum(
        conv(c, 1024) + conv(c, 256) + conv(256, 256, 3) + conv(256, 1024)
        + 2 * (1024 + 256 + 256 + 1024)
        for c in LEVELS
    )  # fmt: skip
    ssh = conv(1024, 256, 3) + conv(1024, 128, 3) + 3 * conv(128, 128, 3)
    head = 6 * conv(512, 8, 3) + conv(512, 8, 3) + 5 * conv(512, 6, 3)
    return VGG16 + VGG_EXTRA + pyramid + L2 + residual + 6 * ssh + head


def resnet(blocks):
    total, cin = 64 * 3 * 49 + 2 * 64, 64
    for stage, count in enumerate(blocks):
        mid = 64 << stage
        for block in range(count):
            total += cin * mid + mid * mid * 9 + mid * 4 * mid + 2 * (mid + mid + 4 * mid)
            total += cin * 4 * mid + 2 * 4 * mid if block == 0 else 0
            cin = 4 * mid
    return total


def release(blocks):
    levels = (256, 512, 1024, 2048, 512, 256)
    extra = conv(2048, 512) + conv(512, 512, 3) + conv(512, 128) + conv(128, 256, 3)
    extra += 2 * (512 + 512 + 128 + 256)
    pyramid = sum(conv(levels[i + 1], levels[i]) + conv(levels[i], levels[i]) for i in range(3))
    fem = sum(2 * conv(c, 256, 3) + 2 * conv(256, 128, 3) + conv(128, 128, 3) for c in levels)
    towers = 2 * 6 * (conv(512, 256, 3) + 2 * conv(256, 256, 3))
    outputs = sum(conv(256, n) for n in (4, 8, 12, 12, 12, 12, 4, 6, 8, 8, 8, 8))
    return resnet(blocks) + extra + pyramid + fem + towers + outputs


def two_shots(pyramid, fem):
    heads = 2 * sum(conv(c, 4, 3) + conv(c, 2, 3) for c in LEVELS)
    return VGG16 + VGG_EXTRA + 2 * L2 + pyramid + sum(map(fem, LEVELS)) + heads


def community():
    def fem(c):
        third, rest = c // 3, c - 2 * (c // 3)
        first = 2 * conv(c, third, 3) + conv(c, rest, 3)
        return first + conv(third, third, 3) + 2 * conv(rest, rest, 3)

    down = conv(256, 256) + sum(
        conv(upper, lower) for lower, upper in zip(LEVELS, LEVELS[1:], strict=False)
    )
    return two_shots(down + sum(conv(c, c) for c in LEVELS[:5]), fem)


def paper():
    def fem(c):
        a, b, d = (c + 2) // 3, (c + 1) // 3, c // 3
        return conv(a, a, 3) + 2 * conv(b, b, 3) + 3 * conv(d, d, 3)

    down = sum(conv(upper, lower) for lower, upper in zip(LEVELS, LEVELS[1:], strict=False))
    return two_shots(down + sum(conv(c, c) for c in LEVELS), fem)


@pytest.mark.parametrize(
    'config, wanted',
    [
        (dict(type='llv.S3FD'), s3fd()),
        (dict(type='llv.PyramidBox'), pyramidbox()),
        (dict(type='llv.DSFD'), release((3, 8, 36, 3))),
        (dict(type='llv.DSFD', depth=50), release((3, 4, 6, 3))),
        (dict(type='llv.DSFD', preset='paper'), paper()),
        (dict(type='llv.DSFD', preset='vgg'), community()),
    ],
)
def test_parameters_and_maps_are_those_of_the_tables(config, wanted):
    with torch.device('meta'):
        detector = MODELS.build(config)
        scores, boxes = detector(torch.empty(1, 3, 640, 640), mode='tensor')
    assert sum(p.numel() for p in detector.parameters()) == wanted
    sizes = [160, 80, 40, 20, 10, 5] * (len(scores) // 6)
    assert [m.shape[-2:] for m in scores] == [(n, n) for n in sizes]
    groups = dict(S3FD=[1] * 6, PyramidBox=[2] * 6, DSFD=[1, 2, 3, 3, 3, 3])[
        type(detector).__name__
    ]
    if 'preset' in config:
        groups = [1] * 12
    assert [m.shape[1] for m in scores] == [2 * n for n in groups]
    assert [m.shape[1] for m in boxes] == [4 * n for n in groups]


@pytest.mark.parametrize(
    'name, layers',
    [
        (
            's3fd',
            'neck.extra.convs.* neck.norm.norms.* bbox_head.reg_convs.* bbox_head.cls_convs.*',
        ),
        (
            'pyramidbox',
            'neck.extra.convs.* neck.fpn.top_down.* neck.fpn.lateral.* neck.norm.norms.* '
            'neck.context.levels.*.branch1.conv neck.context.levels.*.branch1.norm '
            'neck.context.levels.*.branch2a.conv neck.context.levels.*.branch2a.norm '
            'neck.context.levels.*.branch2b.conv neck.context.levels.*.branch2b.norm '
            'neck.context.levels.*.branch2c.conv neck.context.levels.*.branch2c.norm '
            'neck.context.levels.*.ssh_1 neck.context.levels.*.ssh_dimred '
            'neck.context.levels.*.ssh_2 neck.context.levels.*.ssh_3a neck.context.levels.*.ssh_3b '
            'bbox_head.reg_convs.* bbox_head.cls_convs.*',
        ),
        (
            'dsfd release vgg',
            'neck.extra.convs.* neck.fpn.top_down.* neck.fpn.lateral.* neck.norm.norms.* '
            'neck.fem.levels.*.cpm1 neck.fem.levels.*.cpm2 neck.fem.levels.*.cpm3 '
            'neck.fem.levels.*.cpm4 neck.fem.levels.*.cpm5 '
            + ' '.join(
                f'bbox_head.{kind}_convs.*.conv{i}' for kind in ('reg', 'cls') for i in (1, 2, 3, 4)
            ),
        ),
        (
            'dsfd vgg',
            'neck.extra.convs.* neck.norm.norms.* neck.enhanced.fpn.top_down.* '
            'neck.enhanced.fpn.lateral.* neck.enhanced.norm.norms.* '
            'neck.enhanced.fem.levels.*.branch1.* neck.enhanced.fem.levels.*.branch2.* '
            'neck.enhanced.fem.levels.*.branch3.* bbox_head.first.reg_convs.* '
            'bbox_head.first.cls_convs.* bbox_head.second.reg_convs.* bbox_head.second.cls_convs.*',
        ),
    ],
)
def test_layers_keep_the_names_that_checkpoints_have(name, layers):
    with torch.device('meta'):
        detector = MODELS.build(dict(DETECTORS[name], width=SMALL))
    # numbers that stand alone are places in a list
    found = {
        re.sub(r'(?<=\.)\d+(?=\.|$)', '*', key.rsplit('.', 1)[0]) for key in detector.state_dict()
    }
    assert found == {'backbone.features.*', *layers.split()}


def anchors(head):
    sizes = [(n, n) for n in (160, 80, 40, 20, 10, 5)]
    return torch.cat(head.prior_generator.grid_priors(sizes, device='cpu'))


def test_anchors_at_640():
    s3fd = anchors(small('s3fd').bbox_head)
    assert len(s3fd) == 34_125
    assert s3fd[0].tolist() == [-6, -6, 10, 10] and (s3fd[-1, 2:] - s3fd[-1, :2] == 512).all()
    release = anchors(small('dsfd release r50').bbox_head)
    assert release[0].tolist() == pytest.approx([-4.53, -7.80, 8.53, 11.80], abs=5e-3)
    two = small('dsfd paper vgg').bbox_head
    first, second = anchors(two.first), anchors(two.second)
    assert torch.allclose(2 * (first[:, 2:] - first[:, :2]), second[:, 2:] - second[:, :2])
    assert torch.allclose(second, release)
    community = small('dsfd vgg').bbox_head
    assert torch.equal(anchors(community.second), s3fd)
    assert (anchors(community.first)[0] == torch.tensor([-2.0, -2, 6, 6])).all()


def test_matching_is_as_published():
    found = {}
    for name in DETECTORS:
        head = small(name).bbox_head
        for shot in (head.first, head.second) if hasattr(head, 'first') else (head,):
            found[name] = (shot.assigner.pos_iou_thr, shot.assigner.compensate)
    assert found == {
        's3fd': (0.35, 'mean'),
        'pyramidbox': (0.35, None),
        'dsfd release r50': (0.4, None),
        'dsfd release vgg': (0.4, None),
        'dsfd paper vgg': (0.4, None),
        'dsfd paper r50': (0.4, None),
        'dsfd vgg': (0.35, None),
    }


# -------------------------------------------------------------- training and prediction


@pytest.mark.parametrize('name', DETECTORS)
def test_it_trains_and_predicts(name):
    detector = small(name).train()
    optimizer = OptimWrapper(
        torch.optim.SGD(detector.parameters(), lr=1e-2), clip_grad=dict(max_norm=1.0)
    )
    before = {n: p.detach().clone() for n, p in detector.named_parameters()}
    losses = [detector.train_step(batch(), optimizer)['loss'].item() for _ in range(3)]
    assert losses[2] < losses[0]  # of the same two pictures
    moved = [n for n, p in detector.named_parameters() if not torch.equal(p, before[n])]
    for part in ('backbone.', 'neck.', 'bbox_head.reg', 'bbox_head.cls'):
        assert any(n.replace('head.second.', 'head.').startswith(part) for n in moved)

    detector.eval()
    data = batch()
    data['data_samples'][0].set_metainfo(dict(ori_shape=(48, 64), scale_factor=(2.0, 2.0)))
    with torch.no_grad():
        found = detector.test_step(data)
    assert len(found) == 2
    for sample in found:
        height, width = sample.ori_shape
        boxes = sample.pred_instances.bboxes
        assert not sample.pred_instances.labels.any()
        assert len(boxes) and len(boxes) <= 750
        assert (boxes >= 0).all() and (boxes[:, 2] <= width).all() and (boxes[:, 3] <= height).all()


@pytest.mark.parametrize('name', DETECTORS)
def test_every_parameter_has_a_finite_gradient(name):
    # also in half precision, and in a batch without faces: a parameter without a gradient would stop training in
    # several processes
    for boxes in (((20.0, 30.0, 45.0, 60.0),), ()):
        detector = small(name).train()
        data = detector.data_preprocessor(batch(boxes=boxes), True)
        with torch.autocast('cpu', torch.bfloat16, enabled=bool(boxes)):
            losses = detector(**data, mode='loss')
        loss, _ = detector.parse_losses(losses)
        loss.backward()
        assert bool(loss) is bool(boxes)
        for key, parameter in detector.named_parameters():
            assert parameter.grad is not None and parameter.grad.isfinite().all(), key


@pytest.mark.parametrize('name', ['s3fd', 'dsfd vgg'])
def test_it_sees_the_picture_that_the_enhancer_lit(name):
    base = dict(type='mmdet.DetDataPreprocessor', mean=[104, 117, 123], std=[1, 1, 1])
    enhancer = dict(type='llv.Gamma', gamma=0.5)
    wrapper = dict(type='llv.EnhancedDataPreprocessor', enhancer=enhancer, base=base)
    enhanced, plain = small(name, data_preprocessor=wrapper).eval(), small(name).eval()
    data = batch()
    data['inputs'] = [picture // 4 for picture in data['inputs']]
    lit = [255 * (picture / 255).sqrt() for picture in data['inputs']]
    with torch.no_grad():
        found = enhanced.test_step(data)[0].pred_instances
        wanted = plain.test_step(dict(batch(), inputs=lit))[0].pred_instances
    assert len(found) == len(wanted)
    assert torch.allclose(found.scores, wanted.scores, atol=1e-5)
    assert torch.allclose(found.bboxes, wanted.bboxes, atol=1e-2)
    losses = enhanced.train()(**enhanced.data_preprocessor(data, True), mode='loss')
    assert all(torch.stack(list(value)).isfinite().all() for value in losses.values())


def test_the_default_preprocessor_subtracts_the_mean_of_blue_green_and_red():
    detector = small('s3fd')
    picture = torch.tensor([104, 117, 123], dtype=torch.uint8).view(3, 1, 1).expand(3, 4, 5)
    data = detector.data_preprocessor(dict(inputs=[picture], data_samples=[DetDataSample()]))
    assert data['inputs'].shape == (1, 3, 4, 5) and not data['inputs'].any()


# ------------------------------------------------------------------- changes of parts


def test_a_change_without_type_reaches_single_arguments_and_one_with_type_the_part():
    default = dict(type='A', size=1, part=dict(type='B', k=2, other=3))
    assert changed(default, None) == default
    assert changed(default, dict(size=4))['size'] == 4
    assert changed(default, dict(part=dict(k=5)))['part'] == dict(type='B', k=5, other=3)
    assert changed(default, dict(part=dict(type='C')))['part'] == dict(type='C')
    assert changed(default, dict(type='D')) == dict(type='D')
    assert default == dict(type='A', size=1, part=dict(type='B', k=2, other=3))


def test_parts_can_be_changed_and_replaced():
    detector = DSFD(
        'release',
        depth=50,
        width=SMALL,
        neck=dict(fpn=dict(align_corners=True)),
        bbox_head=dict(anchor_sizes=(8, 16, 32, 64, 128, 256)),
        test_cfg=dict(score_thr=0.3),
        backbone=dict(norm_eval=True),
    )
    assert detector.neck.fpn.align_corners
    assert detector.bbox_head.test_cfg.score_thr == 0.3
    assert detector.bbox_head.test_cfg.max_per_img == 750
    assert detector.backbone.norm_eval
    first = anchors(detector.bbox_head)[0]
    assert (first[2] - first[0]).item() == pytest.approx(8 / 1.5**0.5)
    norm = dict(type='llv.L2NormNeck', in_channels=[8], scales=[2.0])
    assert type(PyramidBox(SMALL, neck=norm).neck).__name__ == 'L2NormNeck'


@pytest.mark.parametrize(
    'build, error, sentence',
    [
        (lambda: DSFD('releases'), ValueError, "`preset` must be 'release', 'paper' or 'vgg'"),
        (lambda: DSFD('vgg', depth=50), ValueError, "`depth=50` does not go with `preset='vgg'`"),
        (lambda: DSFD('release', depth=18), ValueError, '`depth=18` does not go with'),
        (lambda: DSFD(depth=50, width=-1), ValueError, '`width` must be positive, but got -1'),
        (lambda: DSFD(depth=50, fc6_dilation=3), ValueError, '`fc6_dilation` belongs to VGG'),
        (lambda: DSFD(depth=16, width=SMALL, fc6_dilation=0), ValueError, '`fc6_dilation` must'),
        (lambda: S3FD(SMALL, head={}), TypeError, '`S3FD` has no argument `head`'),
        (lambda: S3FD(SMALL, fc6_dilation=5), ValueError, '`fc6_dilation` must be one of'),
    ],
)
def test_mistakes_are_told(build, error, sentence):
    with pytest.raises(error, match=sentence):
        build()


# ----------------------------------------------------------------------------- configs


CONFIGS = ['s3fd', 'pyramidbox', 'dsfd_r152', 'dsfd_paper', 'dsfd_vgg', 's3fd_small']
CONFIGS += ['pyramidbox_small', 'dsfd_r50_small', 'dsfd_paper_small', 'dsfd_vgg_small']


@pytest.mark.parametrize('name', CONFIGS)
def test_the_base_config_builds_and_takes_an_enhancer(name):
    cfg = Config.fromfile(BASE / f'{name}.py')
    pretrained = clear_pretrained(cfg)
    assert pretrained == (0 if name.endswith('_small') else 1)
    # written out, so that a config with an enhancer can refer to it
    assert cfg.model.data_preprocessor == FACE_PREPROCESSOR
    plugged = plug_enhancer(cfg, 'identity')
    assert plugged.model.data_preprocessor.base == FACE_PREPROCESSOR
    with torch.device('meta'):
        detector = MODELS.build(plugged.model)
    count = sum(p.numel() for p in detector.parameters())
    assert (count < 3_000_000) is name.endswith('_small')
