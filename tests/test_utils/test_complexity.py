import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn

from llv.models.enhancers.iat import IAT
from llv.models.enhancers.mean_match import MeanMatch
from llv.models.enhancers.psenet import PSENet
from llv.models.enhancers.ruas import RUAS
from llv.models.enhancers.zero_dce import ZeroDCE
from llv.utils.complexity import count_macs, count_parameters

PLAIN = Path(__file__).parents[2] / 'tools' / 'analysis_tools' / 'plain_sequences'


def plain(name, enhancer):
    spec = importlib.util.spec_from_file_location(f'plain_{name}', PLAIN / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda images: module.forward(enhancer, images)


@pytest.mark.parametrize('batch', [1, 3])
def test_a_convolution_and_a_linear_layer_in_closed_form(batch):
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )
    # 11 × 17 becomes 6 × 9
    assert count_macs(net, (11, 17), batch) == batch * (8 * 3 * 9 * 6 * 9 + 8 * 5)
    assert count_parameters(net) == 8 * 3 * 9 + 8 + 8 * 5 + 5


def test_shared_parameters_count_once():
    layer = nn.Linear(3, 3)
    assert count_parameters(nn.Sequential(layer, layer)) == 12


def test_stride_one_convolutions_count_their_weights_at_every_pixel():
    enhancer = RUAS('RUAS')
    weights = sum(p.numel() for p in enhancer.parameters() if p.ndim == 4)
    assert count_macs(enhancer, (400, 600)) == weights * 400 * 600


def test_zero_dce_has_the_published_figure():
    assert count_macs(ZeroDCE(), (720, 1080)) / 1e9 == pytest.approx(61.586, abs=5e-4)
    assert count_macs(ZeroDCE(), (256, 256)) / 1e9 == pytest.approx(5.190, abs=5e-4)


def test_psenet_has_the_measured_figures():
    published = plain('psenet', PSENet().eval())
    assert count_macs(published, (720, 1080)) / 1e9 == pytest.approx(1.7706, abs=5e-5)
    assert count_macs(published, (256, 256)) / 1e9 == pytest.approx(0.1492, abs=5e-5)
    # the library expands the reflected border too
    assert count_macs(PSENet().eval(), (720, 1080)) / 1e9 == pytest.approx(1.7706, rel=0.01)


def test_iat_has_the_measured_figure_and_its_attention():
    figure = count_macs(IAT().eval(), (256, 256)) / 1e9
    assert figure == pytest.approx(1.431, rel=2e-3)


def test_what_depends_on_the_picture_is_run_with_one():
    enhancer = RUAS('RUAS_A').eval()
    always = sum(p.numel() for p in enhancer.scene.parameters() if p.ndim == 4)
    always += sum(p.numel() for p in enhancer.noise_estimator.parameters() if p.ndim == 4)
    removal = sum(p.numel() for p in enhancer.denoiser.parameters() if p.ndim == 4)
    with torch.no_grad():
        enhancer.noise_estimator.convs[-1].bias.fill_(0)
        enhancer.noise_estimator.convs[-1].weight.fill_(0)
        assert count_macs(enhancer, (20, 30)) == always * 600
        enhancer.noise_estimator.convs[-1].bias.fill_(1)
    assert count_macs(enhancer, (20, 30)) == (always + removal) * 600


def test_no_layers_are_no_multiplications():
    assert count_macs(MeanMatch(), (2000, 3000)) == 0


@pytest.mark.parametrize('size', [(0, 4), (4,), (3, 4, 5)])
def test_a_wrong_size_is_told(size):
    with pytest.raises(ValueError, match='`size` must be height and width'):
        count_macs(MeanMatch(), size)
