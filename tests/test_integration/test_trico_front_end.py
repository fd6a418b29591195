"""TriCo ×2 in front of SSD, DSFD and DeepLabv3+: what they learn and find is what they learn and find in pictures that
were lit and enlarged beforehand, by other code."""

import copy
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData, PixelData
from torch import nn

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')
pytest.importorskip('mmcv.ops')
from mmcv.transforms import Compose  # noqa: E402
from mmdet.models.test_time_augs import DetTTAModel  # noqa: E402
from mmdet.structures import DetDataSample  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402

from llv.models.enhancers.trico.prior import SemanticPrior  # noqa: E402
from llv.registry import MODELS  # noqa: E402

MODEL_CONFIGS = Path(__file__).parents[2] / 'configs' / '_base_' / 'models'
SMALL = dict(
    width=8, illumination_width=4, blocks=(1, 1, 1, 1), heads=(1, 2, 2, 4), ffn_expansion=1.5
)
# config of the model, scope, and two sizes of pictures: no multiple of eight, and one
FRONTS = dict(
    ssd=('ssd_small', 'mmdet', (53, 70), (64, 72)),
    dsfd=('dsfd_vgg_small', 'mmdet', (69, 90), (72, 96)),
    deeplab=('deeplabv3plus_small', 'mmseg', (37, 45), (48, 40)),
)
ALPHA = 0.9
BOXES = ((8.0, 6.0, 30.0, 28.0), (20.0, 30.0, 50.0, 50.0))


class TinyPrior(SemanticPrior):
    """Four maps at strides 2, 4, 8 and 8."""

    def __init__(self):
        torch.manual_seed(5)
        super().__init__(_Maps(), (2, 3, 4, 5), dict(type='llv.FrontEndPrior'))


class _Maps(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.Sequential(
            nn.Conv2d(3, 2, 2, 2), nn.Conv2d(2, 3, 2, 2), nn.Conv2d(3, 4, 2, 2), nn.Conv2d(4, 5, 1)
        )

    def forward(self, x):
        maps = []
        for part in self.parts:
            x = part(x)
            maps.append(x)
        return maps


@pytest.fixture(scope='module', autouse=True)
def registered():
    MODELS.register_module('FrontEndPrior', module=TinyPrior)
    yield
    MODELS.module_dict.pop('FrontEndPrior')


# ---------------------------------------------------------------- models


def build(front, frozen=None, **options):
    """The model of a config; behind a TriCo ×2 where `frozen` is given."""
    config, scope, *_ = FRONTS[front]
    cfg = Config.fromfile(MODEL_CONFIGS / f'{config}.py').model
    if frozen is not None:
        enhancer = {**dict(type='llv.TriCo', scale=2, prior='none'), **SMALL, **options}
        cfg.data_preprocessor = dict(
            type='llv.EnhancedDataPreprocessor',
            enhancer=enhancer,
            frozen=frozen,
            base=cfg.data_preprocessor,
        )
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(scope):
        model = MODELS.build(cfg)
    model.init_weights()
    return model


def pair(front):
    """A detector or segmentor whose answers differ from place to place, and the same behind a TriCo that does what
    :func:`lit` does: one α for all pixels, and nothing added to the enlarged reflectance."""
    plain, behind = build(front), build(front, frozen=True)
    with torch.no_grad():
        for name, parameter in plain.named_parameters():
            if 'head' in name and name.endswith('weight') and parameter.ndim == 4:
                parameter.normal_(0, 0.1)
    behind.load_state_dict(plain.state_dict(), strict=False)
    enhancer = behind.data_preprocessor.enhancer
    for layer in (enhancer.regulator.head, enhancer.refiner.to_rgb):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    nn.init.constant_(enhancer.regulator.head.bias, np.log(ALPHA / (1 - ALPHA)))
    return plain, behind


def lit(picture):
    """x / (α·x + 1 − α), twice as large; (3, H, W) in 0..255."""
    x = picture.permute(1, 2, 0).numpy().astype(np.float32) / 255
    v = x / (ALPHA * x + 1 - ALPHA)
    height, width = v.shape[:2]
    v = np.pad(v, ((0, -height % 8), (0, -width % 8), (0, 0)), mode='reflect')
    y = cv2.resize(v, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(255 * y[: 2 * height, : 2 * width]).permute(2, 0, 1)


# ---------------------------------------------------------------- data


def dark_pictures(size, count=2, seed=0):
    """Blocks of 0 to 50 grey levels."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 50, (count, 12, 12, 3), dtype=np.uint8)
    large = [cv2.resize(b, size[::-1], interpolation=cv2.INTER_CUBIC) for b in blocks]
    return [torch.from_numpy(picture).permute(2, 0, 1).contiguous() for picture in large]


def batch(front, size, scale=1, labels=None):
    """Dark pictures as a loader hands them over; with `scale` 2, lit and enlarged ones, and as much larger labels
    unless `labels` says otherwise."""
    inputs = dark_pictures(size)
    labels = scale if labels is None else labels
    if scale == 2:
        inputs = [lit(picture) for picture in inputs]
    size = tuple(scale * side for side in size)
    samples = []
    for k in range(len(inputs)):
        meta = dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0))
        if FRONTS[front][1] == 'mmseg':
            sample = SegDataSample(metainfo=meta)
            rows, columns = np.mgrid[: size[0], : size[1]] // (8 * labels)
            classes = torch.from_numpy((rows + 2 * columns + k) % 6)[None]
            sample.gt_sem_seg = PixelData(data=classes)
        else:
            sample = DetDataSample(metainfo=meta)
            sample.gt_instances = InstanceData(
                bboxes=labels * torch.tensor(BOXES), labels=torch.zeros(2, dtype=torch.long)
            )
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


def losses(model, data):
    torch.manual_seed(1)  # of the dropout
    model = copy.deepcopy(model)  # batch normalisation keeps in mind what it saw
    found = model.train()(**model.data_preprocessor(data, training=True), mode='loss')
    values = {}
    for name, value in found.items():
        parts = value if isinstance(value, list) else [value]
        values[name] = sum(part.mean().item() for part in parts)
    return values


def predictions(model, data):
    with torch.no_grad():
        return model.eval().test_step(data)


def best(sample, number=20):
    """Scores, best first, and their boxes."""
    instances = sample.pred_instances
    order = instances.scores.argsort(descending=True)[:number]
    return instances.scores[order], instances.bboxes[order]


def assert_same_boxes(found, expected, factor):
    """`expected` is in coordinates that are `factor` times as large."""
    assert len(found) == len(expected)
    for mine, theirs in zip(found, expected, strict=True):
        scores, boxes = best(theirs)
        assert len(scores) == 20 and scores[0] > scores[-1]
        torch.testing.assert_close(best(mine)[0], scores, rtol=0, atol=1e-4)
        torch.testing.assert_close(best(mine)[1], boxes / factor, rtol=0, atol=0.02)


# ---------------------------------------------------------------- what is computed


@pytest.fixture(scope='module', params=list(FRONTS))
def models(request):
    return request.param, *pair(request.param)


def test_training_sees_the_enlarged_picture_and_labels_of_its_size(models):
    front, plain, behind = models
    for size in FRONTS[front][2:]:
        found = losses(behind, batch(front, size))
        expected = losses(plain, batch(front, size, scale=2))
        assert found == pytest.approx(expected, rel=2e-3)
        wrong = losses(plain, batch(front, size, scale=2, labels=1))
        assert wrong != pytest.approx(expected, rel=2e-3)


def test_predictions_are_in_coordinates_of_the_original_picture(models):
    front, plain, behind = models
    for size in FRONTS[front][2:]:
        data = batch(front, size)
        before = copy.deepcopy(data['data_samples'])
        found = predictions(behind, data)
        large = batch(front, size, scale=2)
        if front == 'deeplab':
            for sample in large['data_samples']:
                sample.set_metainfo(dict(ori_shape=size))
        expected = predictions(plain, large)
        if front == 'deeplab':
            for mine, theirs in zip(found, expected, strict=True):
                assert mine.pred_sem_seg.shape == size
                torch.testing.assert_close(
                    mine.seg_logits.data, theirs.seg_logits.data, rtol=0, atol=1e-3
                )
        else:
            assert_same_boxes(found, expected, 2)
        for sample, given in zip(found, before, strict=True):
            assert sample.scale_factor == (2.0, 2.0) and sample.ori_shape == size
            assert tuple(sample.img_shape) == tuple(2 * side for side in size)
            # what was given may be used again, and is not enlarged twice then
            assert given.scale_factor == (1.0, 1.0) and given.img_shape == size
        for sample, given in zip(data['data_samples'], before, strict=True):
            assert sample.metainfo == given.metainfo


def test_mirrored_views_are_merged_where_the_picture_is():
    plain, behind = pair('ssd')
    size = FRONTS['ssd'][3]  # a multiple of eight, whose mirrored view is lit alike

    def merged(model, scale):
        views = [batch('ssd', size, scale) for _ in range(2)]
        for mirrored, view in enumerate(views):
            for sample in view['data_samples']:
                direction = 'horizontal' if mirrored else None
                sample.set_metainfo(dict(flip=bool(mirrored), flip_direction=direction))
        views[1]['inputs'] = [picture.flip(2) for picture in views[1]['inputs']]
        tta = DetTTAModel(
            module=model,
            tta_cfg=Config(dict(nms=dict(type='nms', iou_threshold=0.5), max_per_img=50)),
        )
        keys = ('inputs', 'data_samples')
        with torch.no_grad():
            return tta.eval().test_step({key: [view[key] for view in views] for key in keys})

    assert_same_boxes(merged(behind, 1), merged(plain, 2), 2)


# ---------------------------------------------------------------- what learns


def learn(model, front, optimizer):
    """One step. The gradients by name, and what the optimizer moves."""
    wrapper = build_optim_wrapper(model, dict(optimizer=optimizer))
    data = model.train().data_preprocessor(batch(front, FRONTS[front][2]), training=True)
    model.parse_losses(model(**data, mode='loss'))[0].backward()
    wrapper.step()
    moved = {id(p) for group in wrapper.param_groups for p in group['params']}
    return {name: p.grad for name, p in model.named_parameters()}, moved


@pytest.mark.parametrize('front', FRONTS)
def test_end_to_end_the_task_reaches_regulator_and_refiner_alone(front):
    model = build(
        front,
        frozen=False,
        prior=dict(type='llv.FrontEndPrior'),
        scene_loss=dict(type='llv.TriCoLoss'),
    )
    enhancer = model.data_preprocessor.enhancer
    prior = copy.deepcopy(enhancer.prior.state_dict())
    state = copy.deepcopy(model.state_dict())
    gradients, moved = learn(model, front, dict(type='AdamW', lr=1e-3, weight_decay=0.1))
    groups = [*enhancer.illumination_parameters(), *enhancer.refinement_parameters()]
    names = {id(p): name for name, p in model.named_parameters()}
    assert len(groups) > 100
    for parameter in groups:
        name = names[id(parameter)]
        gradient = gradients[name]
        assert gradient is not None and gradient.isfinite().all() and gradient.any(), name
        assert not torch.equal(parameter, state[name]), name
    for name, parameter in enhancer.prior.named_parameters():
        assert parameter.grad is None and id(parameter) not in moved, name
        assert torch.equal(parameter, prior[name]), name
    for name, hyper in enhancer.scene_loss.hyper.items():
        assert hyper.grad is None and hyper == 1, name


@pytest.mark.parametrize('front', FRONTS)
def test_frozen_it_stays_what_it_was_while_the_model_learns(front):
    model = build(front, frozen=True)
    enhancer = model.data_preprocessor.enhancer
    state = copy.deepcopy(model.state_dict())
    gradients, _ = learn(model, front, dict(type='AdamW', lr=1e-3, weight_decay=0.1))
    assert not any(module.training for module in enhancer.modules())
    for name, parameter in model.named_parameters():
        if name.startswith('data_preprocessor.enhancer'):
            assert gradients[name] is None and torch.equal(parameter, state[name]), name
    assert any(not torch.equal(p, state[n]) for n, p in model.named_parameters() if 'backbone' in n)


# ---------------------------------------------------------------- shrunk first


@pytest.mark.parametrize('size', [(96, 128), (97, 131)])
def test_a_picture_that_was_shrunk_first_reaches_the_detector_at_its_own_size(tmp_path, size):
    plain, behind = pair('ssd')
    path = str(tmp_path / 'night.png')
    cv2.imwrite(path, dark_pictures(size, 1)[0].permute(1, 2, 0).numpy())
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='Resize', scale_factor=0.5, keep_ratio=True),
        dict(type='PackDetInputs', meta_keys=('ori_shape', 'img_shape', 'scale_factor')),
    ]
    instances = [dict(bbox=list(box), bbox_label=0, ignore_flag=0) for box in BOXES]
    with DefaultScope.overwrite_default_scope('mmdet'):
        packed = Compose(pipeline)(dict(img_path=path, instances=instances))

    def data():
        return copy.deepcopy(dict(inputs=[packed['inputs']], data_samples=[packed['data_samples']]))

    even = tuple(2 * -(-side // 2) for side in size)
    learned = behind.data_preprocessor(data(), training=True)
    assert learned['inputs'].shape[-2:] == even
    boxes = torch.as_tensor(BOXES)
    growth = torch.tensor([even[1] / size[1], even[0] / size[0]] * 2)
    torch.testing.assert_close(
        learned['data_samples'][0].gt_instances.bboxes, boxes * growth, rtol=0, atol=1e-4
    )

    found = predictions(behind, data())
    assert found[0].batch_input_shape == even and found[0].ori_shape == size
    assert found[0].scale_factor == pytest.approx(growth[:2].tolist())
    large = data()
    large['inputs'] = [lit(large['inputs'][0])]
    large['data_samples'][0].set_metainfo(
        dict(img_shape=even, scale_factor=tuple(growth[:2].tolist()))
    )
    assert_same_boxes(found, predictions(plain, large), 1)
