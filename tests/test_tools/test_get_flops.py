"""Parameters and multiply-accumulates against counts by hand."""

import importlib.util
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from torch import nn

from llv.apis import plug_enhancer
from llv.models.enhancers import RUAS
from llv.registry import MODELS

ROOT = Path(__file__).resolve().parents[2]
TOOL = 'analysis_tools/get_flops'
import toys  # noqa: E402, F401  (registers an enhancer that enlarges)


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('get_flops', ROOT / 'tools' / f'{TOOL}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@MODELS.register_module()
class TwoConvolutions(BaseModel):
    """3 → 4 channels at half the size, then 4 → 2 in two groups."""

    def __init__(self, data_preprocessor=None):
        super().__init__(data_preprocessor)
        self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.second = nn.Conv2d(4, 2, 1, groups=2, bias=False)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return self.second(self.first(inputs))


def two_convolutions(divisor=1, **more):
    base = dict(type='mmengine.ImgDataPreprocessor', pad_size_divisor=divisor)
    return Config(dict(model=dict(type='llv.TwoConvolutions', data_preprocessor=base), **more))


def by_hand(height, width):
    outputs = -(-height // 2) * -(-width // 2)
    return outputs * (4 * 3 * 9 + 2 * 2)


PARAMETERS = 4 * 3 * 9 + 4 + 2 * 2


def test_a_model_without_an_enhancer_counted_by_hand(tool):
    assert tool.measure(two_convolutions(), (11, 17)) == dict(model=(PARAMETERS, by_hand(11, 17)))


def test_the_enhancer_sees_the_picture_and_the_model_what_is_padded_and_enlarged(tool):
    plugged = plug_enhancer(two_convolutions(divisor=32), 'ruas')
    own = sum(p.numel() for p in RUAS().parameters())
    macs = sum(p.numel() for p in RUAS().parameters() if p.ndim == 4) * 20 * 30
    expected = dict(enhancer=(own, macs), model=(PARAMETERS, by_hand(32, 32)))
    expected['together'] = (own + PARAMETERS, macs + by_hand(32, 32))
    assert tool.measure(plugged, (20, 30)) == expected
    doubled = plug_enhancer(two_convolutions(), dict(type='llv.Nearest', scale=2))
    assert tool.measure(doubled, (20, 30))['model'] == (PARAMETERS, by_hand(40, 60))


def test_an_enhancer_by_itself_and_one_that_is_trained_by_itself(tool, tmp_path):
    alone = Config.fromfile(ROOT / 'configs/_base_/enhancers/ruas.py')
    trained = Config(dict(model=dict(type='llv.EnhancementModel', enhancer=alone.enhancer)))
    figures = tool.measure(alone, (20, 30))
    assert list(figures) == ['enhancer'] and figures == tool.measure(trained, (20, 30))
    gone = Config(dict(enhancer=dict(type='llv.RUAS', weights=str(tmp_path / 'gone.pth'))))
    assert tool.measure(gone, (20, 30)) == figures  # no weights are needed to count


def convolutions_by_hooks(model, inputs):
    """Multiply-accumulates of all convolutions and linear layers, seen from the outside, on real numbers."""
    total = 0

    def count(layer, _, output):
        nonlocal total
        weights = layer.weight[0].numel()  # for one output number
        total += output.numel() * weights

    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    handles = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        model(inputs, mode='tensor')
    for handle in handles:
        handle.remove()
    return total


def test_a_detector(tool):
    pytest.importorskip('mmdet')
    cfg = Config.fromfile(ROOT / 'configs/night_scenes/ssd-small_day.py')
    figures = tool.measure(plug_enhancer(cfg, 'fixed_gain'), (64, 96))
    model = MODELS.build(cfg.model).eval()
    expected = convolutions_by_hooks(model, torch.rand(1, 3, 64, 96))
    assert figures['model'] == (sum(p.numel() for p in model.parameters()), expected)
    assert figures['enhancer'] == (0, 0)  # its gains are no parameters
    assert tool.tested_size(cfg) == (192, 192)


def test_a_segmentor(tool):
    pytest.importorskip('mmseg')
    cfg = Config(
        dict(
            default_scope='mmseg',
            model=dict(
                type='EncoderDecoder',
                data_preprocessor=dict(type='SegDataPreProcessor', size=(32, 32)),
                backbone=dict(type='ResNetV1c', depth=18, base_channels=8),
                decode_head=dict(
                    type='FCNHead', in_channels=64, in_index=3, channels=8, num_convs=1, num_classes=3
                ),
                test_cfg=dict(mode='whole'),
            ),
        )
    )  # fmt: skip
    figures = tool.measure(cfg, (32, 64))
    model = MODELS.build(cfg.model).eval()
    expected = convolutions_by_hooks(model, torch.rand(1, 3, 32, 64))
    assert figures == dict(model=(sum(p.numel() for p in model.parameters()), expected))


def test_the_size_is_that_of_the_test_pipeline(tool):
    steps = [dict(type='LoadImageFromFile'), dict(type='mmdet.Resize', scale=(300, 200))]
    dataset = dict(type='RepeatDataset', dataset=dict(pipeline=steps))
    cfg = Config(dict(test_dataloader=dict(dataset=dataset)))
    assert tool.tested_size(cfg) == (200, 300)
    with pytest.raises(ValueError, match='give `--size HxW`'):
        tool.tested_size(two_convolutions())


def test_the_tool_runs_and_tells_mistakes_in_a_sentence(call_tool, tmp_path):
    enhancer = ROOT / 'configs/_base_/enhancers/ruas.py'
    assert call_tool(TOOL, enhancer, '--size', '8x8')[0] == 0
    (tmp_path / 'empty.py').write_text('a = 1')
    for arguments, message in (
        ([enhancer], '`--size HxW`'),
        ([tmp_path / 'gone.py'], 'is not there'),
        ([tmp_path / 'empty.py', '--size', '8x8'], 'neither `model` nor `enhancer`'),
        ([enhancer, '--size', '0x8'], 'must be HEIGHTxWIDTH'),
    ):
        status, error = call_tool(TOOL, *arguments)
        assert status == 2 and message in error and 'Traceback' not in error, error
