"""FaceVGG against plain convolutions and the layer table of its papers."""

import math

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip('mmdet')

from llv.models.backbones import FaceVGG, scaled_channels  # noqa: E402

# input and output channels, kernel size, position in the flat list
LAYERS = [
    (3, 64, 3, 0), (64, 64, 3, 2), (64, 128, 3, 5), (128, 128, 3, 7), (128, 256, 3, 10),
    (256, 256, 3, 12), (256, 256, 3, 14), (256, 512, 3, 17), (512, 512, 3, 19), (512, 512, 3, 21),
    (512, 512, 3, 24), (512, 512, 3, 26), (512, 512, 3, 28), (512, 1024, 3, 31), (1024, 1024, 1, 33),
]  # fmt: skip


def test_layers_are_those_of_the_table():
    with torch.device('meta'):
        backbone = FaceVGG()
    wanted = {}
    for cin, cout, k, index in LAYERS:
        wanted[f'features.{index}.weight'] = (cout, cin, k, k)
        wanted[f'features.{index}.bias'] = (cout,)
    assert {name: tuple(t.shape) for name, t in backbone.state_dict().items()} == wanted
    assert sum(math.prod(shape) for shape in wanted.values()) == 20_483_904


def test_maps_at_640_have_strides_4_to_32():
    with torch.device('meta'):
        backbone = FaceVGG()
        maps = backbone(torch.empty(2, 3, 640, 640))
    wanted = [(2, 256, 160, 160), (2, 512, 80, 80), (2, 512, 40, 40), (2, 1024, 20, 20)]
    assert [tuple(m.shape) for m in maps] == wanted


def plain(weights, x, dilation):
    maps = []
    for *_, k, index in LAYERS:
        if index in (5, 10, 24, 31):
            x = F.max_pool2d(x, 2)
        if index == 17:  # the only pooling that keeps an odd last row
            x = F.max_pool2d(F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2), value=-1.0), 2)
        d = dilation if index == 31 else 1
        weight, bias = (weights[f'features.{index}.{part}'] for part in ('weight', 'bias'))
        x = F.conv2d(x, weight, bias, padding=d * (k // 2), dilation=d).relu()
        if index in (14, 21, 28, 33):
            maps.append(x)
    return maps


@pytest.mark.parametrize('dilation', [1, 3, 6])
@pytest.mark.parametrize('size', [(108, 140), (33, 90)])
@torch.no_grad()
def test_maps_are_those_of_plain_convolutions(dilation, size):
    torch.manual_seed(0)
    backbone = FaceVGG(dilation, width=1 / 16)
    picture = torch.randn(1, 3, *size)
    wanted = plain(backbone.state_dict(), picture, dilation)
    for ours, theirs in zip(backbone(picture), wanted, strict=True):
        assert ours.shape == theirs.shape
        assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('width, wanted', [(1, 24), (0.5, 16), (0.1, 8), (0.8, 16), (1.5, 32)])
def test_channels_are_multiples_of_eight(width, wanted):
    # 24 · 0.8 = 19.2 is nearer to 16 than to 24; 24 · 0.5 = 12 and 36 lie between and go to even multiples
    assert scaled_channels(24, width) == wanted


def test_the_thirteen_come_from_a_file_and_fc6_and_fc7_begin_as_xavier_has_it(tmp_path):
    torch.manual_seed(0)
    donor = FaceVGG(width=1 / 8)
    thirteen = {n: t for n, t in donor.state_dict().items() if int(n.split('.')[1]) < 30}
    torch.save(thirteen, tmp_path / 'vgg.pth')
    pretrained = dict(type='Pretrained', checkpoint=str(tmp_path / 'vgg.pth'))
    backbone = FaceVGG(width=1 / 8, init_cfg=pretrained)
    backbone.init_weights()
    assert all(torch.equal(backbone.state_dict()[name], t) for name, t in thirteen.items())
    for layer, fan in ((backbone.fc6, 9 * (64 + 128)), (backbone.fc7, 128 + 128)):
        bound = math.sqrt(6 / fan)
        assert 0.98 * bound < layer.weight.abs().max() <= bound
        assert not layer.bias.any()


def test_without_a_file_the_signal_survives_the_depth():
    torch.manual_seed(0)
    backbone = FaceVGG(width=1 / 2)
    backbone.init_weights()
    with torch.no_grad():
        conv5 = backbone(torch.randn(1, 3, 64, 64))[2]
    assert (
        0.1 < conv5.std() < 10
    )  # Xavier's would have lost a factor of √2 in each of thirteen layers


def test_pictures_too_small_to_be_halved_five_times_are_told():
    backbone = FaceVGG(width=1 / 64)
    assert [m.shape[-2:] for m in backbone(torch.zeros(1, 3, 28, 28))] == [
        (7, 7),
        (4, 4),
        (2, 2),
        (1, 1),
    ]
    for size in ((27, 64), (64, 27)):
        sentence = f'at least 28 pixels a side, but got {size[0]} x {size[1]}; .*`pad_size_divisor'
        with pytest.raises(ValueError, match=sentence):
            backbone(torch.zeros(1, 3, *size))


def test_eval_and_train_return_the_module():
    backbone = FaceVGG(width=1 / 64)
    assert backbone.eval() is backbone and backbone.train() is backbone


def test_mistakes_are_told():
    with pytest.raises(ValueError, match='`fc6_dilation` must be one of'):
        FaceVGG(fc6_dilation=2)
    with pytest.raises(ValueError, match='`width` must be positive'):
        FaceVGG(width=0)
