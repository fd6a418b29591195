import json

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from llv.evaluation import functional
from llv.models.losses.ssim import SSIMLoss, ssim
from llv.registry import MODELS


def naive_ssim(x, y):
    """Every window by itself, in float64, from the definition."""
    axis = np.arange(11) - 5
    window = np.exp(-(axis[:, None] ** 2 + axis[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for a, b in zip(x.double().numpy(), y.double().numpy(), strict=True):
        a, b = (np.pad(v, ((0, 0), (5, 5), (5, 5))) for v in (a, b))
        for c in range(a.shape[0]):
            for i in range(a.shape[1] - 10):
                for j in range(a.shape[2] - 10):
                    p, q = a[c, i : i + 11, j : j + 11], b[c, i : i + 11, j : j + 11]
                    mp, mq = (window * p).sum(), (window * q).sum()
                    vp = (window * (p - mp) ** 2).sum()
                    vq = (window * (q - mq) ** 2).sum()
                    cov = (window * (p - mp) * (q - mq)).sum()
                    top = (2 * mp * mq + 1e-4) * (2 * cov + 9e-4)
                    values.append(top / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4)))
    return np.mean(values)


@pytest.mark.parametrize('size', [(1, 1), (3, 8), (13, 12)])
def test_equals_the_definition_window_by_window(size):
    x, y = torch.rand(2, 2, 3, *size, generator=torch.Generator().manual_seed(0)).unbind()
    assert ssim(x, y).item() == pytest.approx(naive_ssim(x, y), abs=2e-6)


def test_agrees_with_scikit_image_where_zeros_surround_the_picture():
    """On a black frame of ten pixels the windows that skimage leaves out see only black, SSIM 1."""
    rng = np.random.default_rng(0)
    x, y = (np.pad(rng.random((16, 20)), 10) for _ in range(2))
    _, full = structural_similarity(
        x,
        y,
        gaussian_weights=True,
        sigma=1.5,
        truncate=3.5,
        use_sample_covariance=False,
        data_range=1.0,
        full=True,
    )
    x, y = (torch.from_numpy(v)[None, None] for v in (x, y))
    assert ssim(x, y).item() == pytest.approx(full.mean(), abs=1e-9)


def test_published_value(reference_dir):
    folder = reference_dir / 'erl'
    published = json.loads((folder / 'loss_values.json').read_text())
    golden = np.load(folder / 'eclnet_sice_synthetic.npz')
    x, y = (torch.from_numpy(golden[k]).permute(2, 0, 1)[None] for k in ('out', 'input'))
    assert SSIMLoss()(x, y).item() == pytest.approx(published['ssim_loss'], rel=1e-4)
    # DRBN: three scales, the target every second and fourth pixel
    total = sum(SSIMLoss()(x[..., ::k, ::k], y[..., ::k, ::k]) for k in (1, 2, 4))
    assert total.item() == pytest.approx(published['drbn_total']['value'], rel=1e-4)


def test_is_one_for_equal_pictures_and_symmetric():
    x, y = torch.rand(2, 2, 3, 9, 14).unbind()
    assert ssim(x, x).item() == pytest.approx(1, abs=1e-6)
    assert ssim(x, y).item() == pytest.approx(ssim(y, x).item(), abs=1e-6)
    loss = MODELS.build(dict(type='llv.SSIMLoss', loss_weight=0.1))
    assert loss(x, x).item() == pytest.approx(-0.1, abs=1e-6)


@pytest.mark.parametrize('value', [0.0, 0.5, 1.0])
def test_gradient_is_finite_for_constant_pictures(value):
    x = torch.full((1, 3, 6, 7), value, requires_grad=True)
    ssim(x, torch.full((1, 3, 6, 7), 1 - value)).backward()
    assert x.grad.isfinite().all()


def test_half_precision_does_not_reach_it():
    x, y = (0.5 + 0.01 * torch.rand(2, 1, 3, 8, 8)).unbind()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        inside = ssim(x, y)
    assert inside.dtype == torch.float32 and torch.equal(inside, ssim(x, y))


def test_gradient():
    x, y = torch.rand(2, 1, 2, 4, 5, dtype=torch.float64).unbind()
    assert torch.autograd.gradcheck(ssim, (x.requires_grad_(), y.requires_grad_()))


def test_refuses_unequal_shapes():
    with pytest.raises(ValueError, match='must be batches .* of one shape'):
        ssim(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 5))


def test_windows_inside_are_those_of_the_metric():
    x, y = torch.rand(2, 2, 3, 14, 12, generator=torch.Generator().manual_seed(0)).unbind()
    wanted = functional.ssim(x, y, window='gaussian', covariance='population').mean()
    assert ssim(x, y, border='inside').item() == pytest.approx(wanted.item(), abs=2e-6)
    with pytest.raises(ValueError, match='leave SSIM out'):
        ssim(x[..., :10], y[..., :10], border='inside')
    with pytest.raises(ValueError, match='`border` must be one of black, inside'):
        ssim(x, y, border='wrapped')
