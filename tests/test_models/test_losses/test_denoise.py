import json

import numpy as np
import pytest
import torch

from llv.models.losses.denoise import DenoiseLoss, squared_total_variation
from llv.registry import MODELS


def pattern(a, b, c, m):
    k, i, j = np.ogrid[:3, :16, :20]
    return torch.from_numpy((((i * a + j * b + k * c) % m) / (m - 1))[None]).float()


def test_published_values(reference_dir):
    case = json.loads((reference_dir / 'ruas' / 'loss_values.json').read_text())['formula_case']
    t, y = 0.2 + 0.6 * pattern(5, 11, 17, 89), pattern(7, 13, 29, 97)
    assert squared_total_variation(t).item() == pytest.approx(case['tv_of_t'], rel=1e-4)
    value = DenoiseLoss()(t, y).item()
    assert value == pytest.approx(case['denoise_loss_out_t_target_x'], rel=1e-4)


def test_published_value_of_the_supernet(reference_dir):
    data = np.load(reference_dir / 'ruas' / 'search_formula.npz')
    denoised, scene = (
        torch.from_numpy(data[name]).reshape(1, 3, 16, 20)
        for name in ('u_out_train', 'u_stage3_train')
    )
    value = DenoiseLoss()(denoised, scene).item()
    assert value == pytest.approx(float(data['task_loss_train']), rel=1e-4)


def test_parts_in_closed_form():
    """A ramp of slope 0.1 along the rows and 0.2 along the columns, 0.5 beside the noisy one."""
    i, j = torch.arange(5.0)[:, None], torch.arange(7.0)
    denoised = (0.1 * i + 0.2 * j).expand(2, 3, 5, 7)
    value = DenoiseLoss(fidelity_weight=3.0, tv_weight=2.0)(denoised, denoised + 0.5)
    assert value.item() == pytest.approx(3 * 0.25 + 2 * 2 * (0.01 + 0.04), rel=1e-5)


def test_gradcheck():
    denoised, noisy = torch.rand(2, 2, 3, 3, 4, dtype=torch.float64).unbind()
    loss = DenoiseLoss(fidelity_weight=0.3)
    inputs = (denoised.requires_grad_(), noisy.requires_grad_())
    assert torch.autograd.gradcheck(loss, inputs)


@pytest.mark.parametrize('size, expected', [((1, 1), 0.0), ((1, 3), 0.5), ((2, 1), 0.5)])
def test_small_pictures(size, expected):
    images = (torch.arange(size[0] * size[1]) * 0.5).view(1, 1, *size)
    assert squared_total_variation(images).item() == pytest.approx(expected)


def test_builds_from_a_config():
    assert isinstance(MODELS.build(dict(type='llv.DenoiseLoss')), DenoiseLoss)
