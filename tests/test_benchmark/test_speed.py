"""What is measured against hand-counted layers and enhancers that wait."""

import copy
import time

import pytest
import torch
from mmengine.config import Config
from torch import nn

from llv.apis import plug_enhancer
from llv.benchmark.speed import measure_speed
from llv.models.enhancers.base import BaseEnhancer, Enhancement
from llv.registry import MODELS
from llv.utils.complexity import count_macs

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')
from mmdet.structures import DetDataSample  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402

SIZE = (48, 64)


@MODELS.register_module()
class OneConvolution(BaseEnhancer):
    """A convolution of 3 × 3 on three channels; `seconds` long."""

    def __init__(self, seconds=0.0):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.seconds = seconds
        self.modes = []

    def enhance(self, images):
        self.modes.append((self.training, torch.is_grad_enabled()))
        time.sleep(self.seconds)
        return Enhancement(self.conv(images).clamp(0, 1))


def detector(enhancer=None, **options):
    cfg = Config.fromfile('configs/_base_/models/ssd_small.py')
    cfg.model.backbone.base_channels = 8
    cfg.model.neck.in_channels = (16, 32)
    cfg.model.neck.out_channels = (16, 32, 32, 32)
    cfg.model.bbox_head.in_channels = (16, 32, 32, 32)
    if enhancer:
        cfg = plug_enhancer(cfg, enhancer, **options)
    torch.manual_seed(0)
    return MODELS.build(cfg.model)


def batch(kind=DetDataSample, sizes=(SIZE, SIZE)):
    torch.manual_seed(0)
    samples = [
        kind(metainfo=dict(img_shape=size, ori_shape=size, scale_factor=(1.0, 1.0)))
        for size in sizes
    ]
    inputs = [torch.randint(0, 255, (3, *size), dtype=torch.uint8) for size in sizes]
    return dict(inputs=inputs, data_samples=samples)


def test_parameters_and_macs_are_those_of_each_part():
    alone = measure_speed(detector(), batch(), repeats=1)
    found = measure_speed(detector('llv.OneConvolution'), batch(), repeats=1)
    assert found['parameters'] == dict(enhancer=81, model=alone['parameters']['model'])
    assert found['macs'] == dict(enhancer=81 * 48 * 64, model=alone['macs']['model'])
    assert alone['parameters']['enhancer'] == alone['macs']['enhancer'] == 0
    assert alone['parameters']['model'] == sum(p.numel() for p in detector().parameters())
    model = detector().eval()
    wanted = count_macs(lambda x: model(x, None, mode='tensor'), SIZE)
    assert alone['macs']['model'] == wanted > 0


def test_convolutions_of_the_model_are_counted_by_hand():
    model, layers = detector().eval(), []

    def note(module, _, output):
        layers.append(module.weight.numel() * output.shape[-2] * output.shape[-1])

    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(note)
    with torch.no_grad():
        model(torch.zeros(1, 3, *SIZE), None, mode='tensor')
    by_hand = sum(layers)
    assert measure_speed(detector(), batch(), repeats=1)['macs']['model'] == by_hand


def test_waiting_enhancers_wait_in_the_enhancers_time():
    quick = measure_speed(detector('llv.OneConvolution'), batch(), repeats=3)['milliseconds']
    slow = measure_speed(detector('llv.OneConvolution', seconds=0.5), batch(), repeats=1)
    # half a second for two pictures; a sleep is never shorter than asked
    assert slow['milliseconds']['enhancer'] >= 250
    assert quick['enhancer'] > 0 and quick['model'] > 0
    alone = measure_speed(detector(), batch(), repeats=1)['milliseconds']
    assert alone['enhancer'] == 0 and alone['model'] > 0


def test_pictures_of_two_sizes_count_what_each_needs():
    sizes = ((48, 64), (32, 32))
    found = measure_speed(detector('llv.OneConvolution'), batch(sizes=sizes), repeats=1)
    assert found['macs']['enhancer'] == 81 * (48 * 64 + 32 * 32) / 2


def test_model_and_batch_are_left_as_they_were():
    model, given = detector('llv.OneConvolution').train(), batch()
    model.backbone.eval()
    before, state = copy.deepcopy(given), copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    measure_speed(model, given, repeats=2)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    for sample, old in zip(given['data_samples'], before['data_samples'], strict=True):
        assert sample.keys() == old.keys() and sample.metainfo == old.metainfo
    enhancer = model.data_preprocessor.enhancer
    # a step to warm up and two that count
    assert enhancer.modes[:3] == [(False, False)] * 3
    assert not any(training for training, _ in enhancer.modes)
    assert not enhancer._forward_hooks and not model.data_preprocessor._forward_hooks


@pytest.mark.parametrize(
    'test_cfg, window, windows',
    [
        (dict(mode='whole'), (64, 64), 1),
        # 64 pixels at a stride of 24: 0–32, 24–56 and 32–64
        (dict(mode='slide', crop_size=(32, 32), stride=(24, 24)), (32, 32), 9),
        (dict(mode='slide', crop_size=(32, 48), stride=(32, 8)), (32, 48), 6),
        (dict(mode='slide', crop_size=(32, 128), stride=(32, 64)), (32, 64), 2),
    ],
)
def test_segmentors_are_measured_too(test_cfg, window, windows):
    norm = dict(type='BN', requires_grad=True)
    model = dict(
        type='EncoderDecoder',
        data_preprocessor=dict(
            type='mmseg.SegDataPreProcessor', size_divisor=32, test_cfg=dict(size_divisor=32)
        ),
        backbone=dict(
            type='mmseg.ResNetV1c',
            depth=18,
            base_channels=4,
            stem_channels=4,
            num_stages=4,
            out_indices=(3,),
            norm_cfg=norm,
        ),
        decode_head=dict(
            type='mmseg.FCNHead',
            in_channels=32,
            in_index=0,
            channels=4,
            num_convs=1,
            concat_input=False,
            num_classes=3,
            norm_cfg=norm,
        ),
        test_cfg=test_cfg,
    )
    cfg = Config(dict(default_scope='mmseg', model=dict(model, type='mmseg.EncoderDecoder')))
    plugged = MODELS.build(plug_enhancer(cfg, 'llv.OneConvolution').model)
    found = measure_speed(plugged, batch(SegDataSample), repeats=1)
    assert found['macs']['enhancer'] == 81 * 48 * 64
    # the base pads 48 × 64 to 64 × 64
    plugged.eval()
    wanted = windows * count_macs(lambda x: plugged(x, None, mode='tensor'), window)
    assert found['macs']['model'] == wanted > 0
    # what mmseg runs is what was counted
    sizes = []
    plugged.backbone.register_forward_hook(lambda _, args, out: sizes.append(args[0].shape[-2:]))
    plugged.test_step(batch(SegDataSample))
    assert sizes == [window] * windows
    assert all(value > 0 for value in found['milliseconds'].values())


def test_mistakes_are_told():
    with pytest.raises(ValueError, match='`repeats` must be'):
        measure_speed(detector(), batch(), repeats=0)
    with pytest.raises(ValueError, match='holds no picture'):
        measure_speed(detector(), dict(inputs=[], data_samples=[]))
