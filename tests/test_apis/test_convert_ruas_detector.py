"""The official detector of RUAS: its file layout, and after conversion its published outputs."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.structures import InstanceData

pytest.importorskip('mmdet')
from mmdet.structures import DetDataSample

from llv.apis.convert_ruas_detector import convert_ruas_detector
from llv.registry import MODELS

CONFIG = Path(__file__).parents[2] / 'configs' / '_base_' / 'models' / 'ruas_detector.py'
MEAN = torch.tensor([123.0, 117.0, 104.0]).view(3, 1, 1)
VGG = {0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256)}
VGG |= {14: (256, 256), 17: (256, 512), 19: (512, 512), 21: (512, 512), 24: (512, 512)}
VGG |= {26: (512, 512), 28: (512, 512), 31: (512, 1024), 33: (1024, 1024)}
MAPS = (256, 512, 512, 1024, 512, 256)
EXTRAS = ((1024, 256, 7, 1), (256, 512, 7, 2), (512, 128, 7, 1), (128, 256, 3, 2))
LOC = ((7, 1), (3, 2), (3, 2), (3, 2), (3, 2), (3, 1))  # kernel, dilation
CONF = ((3, 2), (7, 1), (7, 1), (5, 1), (5, 2), (7, 1))


def official_shapes():
    """The layout of the official file, from its published description."""
    shapes = {f'detection_net.L2Normof{i + 1}.weight': (MAPS[i],) for i in range(3)}
    convs = {
        f'detection_net.vgg.{i}': (out, inputs, 1 if i == 33 else 3)
        for i, (inputs, out) in VGG.items()
    }
    for i, (inputs, out, size, _) in enumerate(EXTRAS):
        convs[f'detection_net.extras.{i}.op'] = (out, inputs, size)
    for i, inputs in enumerate(MAPS):
        convs[f'detection_net.loc_pal1.{i}.op'] = (4, inputs, LOC[i][0])
        convs[f'detection_net.conf_pal1.{i}.op'] = (2, inputs, CONF[i][0])
    for k in range(3):
        cell = f'enhance_net.iems.{k}.cell'
        for edge in ('c1_r', 'c2_d', 'c2_r', 'c3_d', 'c3_r', 'c4'):
            convs[f'{cell}.{edge}.op'] = (3, 3, 3 if edge == 'c4' else 1)
        convs[f'{cell}.c5'] = (3, 12, 1)
    for name, (out, inputs, size) in convs.items():
        shapes |= {f'{name}.weight': (out, inputs, size, size), f'{name}.bias': (out,)}
    return shapes


def hashed(shape, n, scale):
    """The formula of the artificial weights: a hash of the flat index and the key's position."""
    h = np.arange(np.prod(shape), dtype=np.uint32) + np.uint32(1000003 * n)
    for shift, factor in ((15, 2654435761), (13, 2246822519), (16, 3266489917)):
        h *= np.uint32(factor)
        h ^= h >> np.uint32(shift)
    return torch.from_numpy((scale * (h / 2**31 - 1)).astype(np.float32)).view(shape)


@pytest.fixture(scope='module')
def official():
    state_dict = {}
    for n, (name, shape) in enumerate(sorted(official_shapes().items())):
        if 'L2Norm' in name:
            state_dict[name] = torch.full(shape, {'1': 10.0, '2': 8.0, '3': 5.0}[name[22]])
        elif name.endswith('bias'):
            state_dict[name] = hashed(shape, n, 0.05)
        else:
            scale = (6 / np.prod(shape[1:])) ** 0.5
            if '_pal1' in name:
                scale *= 0.1 if int(name.split('.')[2]) < 3 else 0.02
            state_dict[name] = hashed(shape, n, scale)
    return state_dict


@pytest.fixture(scope='module')
def detector(official):
    detector = MODELS.build(Config.fromfile(CONFIG).model).eval()
    detector.load_state_dict(convert_ruas_detector(official), strict=True)
    return detector


@pytest.fixture
def golden(reference_dir):
    return np.load(reference_dir / 'ruas' / 'detection_formula.npz')


def picture(height=128, width=160):
    """The picture of the published outputs: (3, H, W), RGB in 0..255."""
    k, i, j = np.ogrid[:3, :height, :width]
    return torch.from_numpy(0.4 * 255 * ((i * 7 + j * 13 + k * 29) % 97) / 96).float()


def batch(boxes=None, image=None):
    """As a loader hands a picture over: BGR, with the boxes that it shows."""
    image = picture() if image is None else image
    shape = tuple(image.shape[1:])
    sample = DetDataSample(metainfo=dict(img_shape=shape, ori_shape=shape, scale_factor=(1.0, 1.0)))
    if boxes is not None:
        labels = torch.zeros(len(boxes), dtype=torch.long)
        sample.gt_instances = InstanceData(bboxes=torch.tensor(boxes), labels=labels)
        sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4))
    return dict(inputs=[image.flip(0)], data_samples=[sample])


def flat(maps, channels):
    return torch.cat([m.permute(0, 2, 3, 1).reshape(-1, channels) for m in maps]).numpy()


def close(tensor, array, relative=1e-5):
    """Within a fraction of the largest value of the golden array."""
    np.testing.assert_allclose(tensor, array, rtol=0, atol=relative * np.abs(array).max())


# ---------------------------------------------------------------- the published outputs


def test_the_layout_and_the_formula_are_the_published_ones(official):
    assert len(official) == 107
    assert sum(value.numel() for value in official.values()) == 43_619_081
    assert sorted(official)[40] == 'detection_net.vgg.12.weight'
    first = official['detection_net.vgg.12.weight'].flatten()[:3]
    np.testing.assert_allclose(first, [-0.04982575, 0.03414133, 0.01745341], rtol=1e-6)


@torch.no_grad()
def test_published_outputs(detector, golden):
    inputs = detector.data_preprocessor(batch())['inputs']
    lit = (inputs[0] + MEAN) / 255
    np.testing.assert_allclose(lit, golden['u_stage3'], rtol=0, atol=1e-5)
    cls_scores, bbox_preds = detector(inputs, mode='tensor')
    sizes = [tuple(scores.shape[2:]) for scores in cls_scores]
    assert sizes == [(32, 40), (16, 20), (8, 10), (4, 5), (2, 3), (1, 2)]
    close(flat(bbox_preds, 4), golden['loc'])
    close(flat(cls_scores, 2)[:, ::-1], golden['conf'])  # mmdet has the background last


@torch.no_grad()
def test_published_detections(detector, golden, monkeypatch):
    # as published, boxes reach beyond the picture, also in the NMS
    monkeypatch.setattr(detector.bbox_head.bbox_coder, 'clip_border', False)
    (sample,) = detector.test_step(batch())
    found = sample.pred_instances
    assert (found.labels == 0).all() and (found.scores[:-1] >= found.scores[1:]).all()
    boxes = found.bboxes / torch.tensor([160.0, 128, 160, 128])
    ours = np.concatenate([found.scores[:, None].numpy(), boxes.numpy()], 1)
    theirs = golden['detections'][golden['detections'][:, 0] > 0]
    assert len(ours) == len(theirs)
    # a periodic picture has groups of equal scores in any order
    distance = np.abs(ours[:, None] - theirs[None]).max(-1)
    assert distance.min(0).max() < 2e-6 and distance.min(1).max() < 2e-6
    assert len(set(distance.argmin(1))) == len(theirs)


@torch.no_grad()
def test_published_losses(detector, golden):
    boxes = np.float32([[0.1, 0.1, 0.3, 0.35], [0.5, 0.5, 0.52, 0.53]]) * [160, 128, 160, 128]
    data = detector.data_preprocessor(batch(boxes.astype(np.float32)), training=True)
    losses = {k: sum(v).item() for k, v in detector(**data, mode='loss').items()}
    expected = dict(loss_bbox=golden['loss_l'].item(), loss_cls=golden['loss_c'].item())
    assert losses == pytest.approx(expected, rel=1e-5)


# ---------------------------------------------------------------- a plain implementation


def plain_forward(weights, y):
    """Both networks on (1, 3, H, W) RGB in [0, 1], as the specification tells them."""

    def conv(name, x, stride=1, dilation=1):
        weight, bias = weights[f'{name}.weight'], weights[f'{name}.bias']
        padding = dilation * (weight.shape[-1] - 1) // 2
        return F.conv2d(x, weight, bias, stride, padding, dilation)

    start = F.max_pool2d(F.pad(y, (0, 1, 0, 1)), 2, stride=1)
    for k in range(3):
        cell = f'enhance_net.iems.{k}.cell'
        ops = dict(c1_d=lambda x: x, c1_r=lambda x, c=cell: conv(f'{c}.c1_r.op', x))
        for edge in ('c2_d', 'c2_r', 'c3_d', 'c3_r', 'c4'):
            ops[edge] = lambda x, name=f'{cell}.{edge}.op': conv(name, x) + x
        x, distilled = start, []
        for i in '123':
            distilled.append(F.leaky_relu(ops[f'c{i}_d'](x), 0.05))
            x = F.leaky_relu(ops[f'c{i}_r'](x) + x, 0.05)
        distilled.append(F.leaky_relu(ops['c4'](x), 0.05))
        t = conv(f'{cell}.c5', torch.cat(distilled, 1)).sigmoid().clamp(1e-4, 1)
        start = (y / t).clamp(0, 1)
    x, taps = 255 * start - MEAN, []
    for i in VGG:
        if i in (5, 10, 17, 24, 31):
            x = F.max_pool2d(x, 2, 2, ceil_mode=i == 17)
        x = conv(f'detection_net.vgg.{i}', x, dilation=3 if i == 31 else 1).relu()
        if i in (14, 21, 28):
            scale = weights[f'detection_net.L2Normof{len(taps) + 1}.weight'].view(1, -1, 1, 1)
            taps.append(x / (x.pow(2).sum(1, keepdim=True).sqrt() + 1e-10) * scale)
    taps.append(x)
    for i, (*_, stride) in enumerate(EXTRAS):
        x = conv(f'detection_net.extras.{i}.op', x, stride=stride).relu()
        if stride == 2:
            taps.append(x)
    loc = [conv(f'detection_net.loc_pal1.{i}.op', x, 1, LOC[i][1]) for i, x in enumerate(taps)]
    conf = [conv(f'detection_net.conf_pal1.{i}.op', x, 1, CONF[i][1]) for i, x in enumerate(taps)]
    return flat(loc, 4), flat(conf, 2)


@torch.no_grad()
def test_a_plain_implementation_with_the_official_names_agrees(detector, official):
    """On a side that is halved with a remainder four times, so the rounding of each pooling counts."""
    image = torch.rand(3, 68, 108, generator=torch.Generator().manual_seed(1)) * 80
    loc, conf = plain_forward(official, image[None] / 255)
    cls_scores, bbox_preds = detector(
        detector.data_preprocessor(batch(image=image))['inputs'], mode='tensor'
    )
    close(flat(bbox_preds, 4), loc, 2e-5)
    close(flat(cls_scores, 2)[:, ::-1], conf, 2e-5)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    'change, message',
    [
        ({'detection_net.vgg.0.bias': None}, 'it lacks `backbone.features.0.bias`'),
        ({'detection_net.fem.0.bias': torch.zeros(1)}, 'also holds `detection_net.fem.0.bias`'),
        (
            {'detection_net.extras.3.op.weight': torch.zeros(256, 128, 7, 7)},
            'other shapes for .neck',
        ),
    ],
)
def test_another_layout_is_refused(official, change, message):
    changed = {k: v for k, v in {**official, **change}.items() if v is not None}
    with pytest.raises(ValueError, match=message):
        convert_ruas_detector(changed)


def test_an_enhancement_file_is_refused(official):
    part = {k: v for k, v in official.items() if k.startswith('enhance_net.')}
    with pytest.raises(ValueError, match='it lacks `backbone.* and 62 more .*the converter of'):
        convert_ruas_detector(part)


def test_the_tensors_stay_as_they_are(official):
    converted = convert_ruas_detector(official)
    own = {'data_preprocessor.enhancer.options', 'data_preprocessor.enhancer.scene.t_min'}
    assert len(converted) == 107 + len(own) and own < converted.keys()
    kept = {value.data_ptr() for name, value in converted.items() if name not in own}
    assert kept == {value.data_ptr() for value in official.values()}
