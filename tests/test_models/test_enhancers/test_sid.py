import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from llv.models.enhancers.base import Enhancement
from llv.models.enhancers.sid import SID


@pytest.fixture(scope='module')
def enhancer():
    torch.manual_seed(0)
    return SID(exposure_normalization=True).eval()


@pytest.mark.parametrize('size', [(16, 16), (17, 31), (33, 47)])
@torch.no_grad()
def test_from_16_pixels_on_nothing_is_padded(enhancer, size):
    picture = torch.rand(1, 3, *size)
    assert torch.equal(enhancer(picture).image, enhancer.enhance(picture).image)


@torch.no_grad()
def test_smaller_pictures_are_padded_to_16(enhancer):
    picture = torch.rand(1, 3, 5, 40)
    padded = F.pad(picture, (0, 0, 0, 11), mode='replicate')
    assert torch.equal(enhancer(picture).image, enhancer(padded).image[..., :5, :])


def test_the_published_loss_value(reference_dir, enhancer):
    folder = reference_dir / 'erl'
    pair = np.load(folder / 'eclnet_sice_synthetic.npz')
    prediction, target = (
        torch.from_numpy(pair[name]).permute(2, 0, 1)[None] for name in ('out', 'input')
    )
    losses = enhancer.loss(Enhancement(prediction, dict(raw=prediction)), target, target)
    expected = json.loads((folder / 'loss_values.json').read_text())['mse']
    assert {k: v.item() for k, v in losses.items()} == pytest.approx(
        dict(loss_mse=expected), rel=1e-6
    )


def test_the_loss_sees_the_result_before_the_clamp(enhancer):
    raw = torch.full((1, 3, 16, 16), 3.0)
    reference = torch.ones(1, 3, 16, 16)
    losses = enhancer.loss(Enhancement(raw.clamp(0, 1), dict(raw=raw)), reference, reference)
    assert losses['loss_mse'].item() == 4


@pytest.mark.parametrize('enc', [False, True])
def test_every_parameter_is_trained(enc):
    torch.manual_seed(0)
    enhancer = SID(exposure_normalization=enc)
    picture, reference = torch.rand(2, 1, 3, 32, 32).unbind()
    enhancer.loss(enhancer(picture), picture, reference)['loss_mse'].backward()
    assert [name for name, p in enhancer.named_parameters() if p.grad is None] == []
