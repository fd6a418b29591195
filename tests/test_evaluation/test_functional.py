import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from llv.evaluation.functional import psnr, rmse, ssim

SKIMAGE = dict(
    uniform=dict(win_size=7),
    gaussian=dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False),
)
OURS = dict(uniform={}, gaussian=dict(window='gaussian', covariance='population'))


def pair(height, width, seed=0, channels=3, count=1):
    """A smooth picture and a noisy version of it, float64."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(count, channels, height, width, generator=generator, dtype=torch.float64)
    noise = torch.rand(x.shape, generator=generator, dtype=torch.float64)
    x = x.cumsum(-1) / torch.arange(1, width + 1)
    return x, (x + 0.2 * (noise - 0.4)).clamp(0, 1)


def hwc(tensor):
    return tensor[0].permute(1, 2, 0).numpy()


def window_by_window(x, y, side, sigma, sample, data_range):
    """SSIM of (H, W) arrays from the definition."""
    axis = np.arange(side) - side // 2
    weights = np.ones((side, side))
    if sigma:
        weights = np.exp(-(axis[:, None] ** 2 + axis[None] ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    scale = side**2 / (side**2 - 1) if sample else 1
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    values = []
    for i in range(x.shape[0] - side + 1):
        for j in range(x.shape[1] - side + 1):
            p, q = x[i : i + side, j : j + side], y[i : i + side, j : j + side]
            mp, mq = (weights * p).sum(), (weights * q).sum()
            vp = scale * (weights * (p - mp) ** 2).sum()
            vq = scale * (weights * (q - mq) ** 2).sum()
            cov = scale * (weights * (p - mp) * (q - mq)).sum()
            top = (2 * mp * mq + c1) * (2 * cov + c2)
            values.append(top / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return np.mean(values)


@pytest.mark.parametrize('sample', [True, False])
@pytest.mark.parametrize(('window', 'side', 'sigma'), [('uniform', 7, None), ('gaussian', 11, 1.5)])
def test_ssim_is_the_definition_window_by_window(window, side, sigma, sample):
    x, y = (255 * v for v in pair(13, 16, channels=1))
    ours = ssim(x, y, window, 'sample' if sample else 'population', data_range=255)
    wanted = window_by_window(x[0, 0].numpy(), y[0, 0].numpy(), side, sigma, sample, 255)
    assert ours.item() == pytest.approx(wanted, abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(
    size=st.tuples(st.integers(11, 40), st.integers(11, 40)),
    seed=st.integers(0, 1000),
    window=st.sampled_from(['uniform', 'gaussian']),
    scale=st.sampled_from([1.0, 255.0]),
)
def test_psnr_and_ssim_are_those_of_scikit_image(size, seed, window, scale):
    x, y = (scale * v for v in pair(*size, seed=seed))
    wanted = structural_similarity(
        hwc(x), hwc(y), data_range=scale, channel_axis=2, **SKIMAGE[window]
    )
    assert ssim(x, y, data_range=scale, **OURS[window]).item() == pytest.approx(wanted, abs=1e-9)
    wanted = peak_signal_noise_ratio(hwc(x), hwc(y), data_range=scale)
    assert psnr(x, y, data_range=scale).item() == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize('size', [(30, 41), (383, 400), (385, 390), (420, 641)])
def test_the_pooled_ssim_is_that_of_piq(size):
    piq = pytest.importorskip('piq')
    x, y = pair(*size)
    ours = ssim(x, y, 'gaussian', 'population', downsample=True)
    assert ours.item() == pytest.approx(piq.ssim(x, y).item(), abs=1e-9)
    # piq adds 1e-8 to the mean squared error
    assert psnr(x, y).item() == pytest.approx(piq.psnr(x, y).item(), abs=1e-4)


def test_the_ssim_with_reflected_edges_and_psnr_are_those_of_torchmetrics():
    torchmetrics = pytest.importorskip('torchmetrics.functional.image')
    x, y = pair(33, 40, count=2)
    wanted = torchmetrics.structural_similarity_index_measure(
        x, y, data_range=1.0, reduction='none'
    )
    ours = ssim(x, y, **OURS['gaussian'], edges='reflect')
    torch.testing.assert_close(ours, wanted, atol=1e-9, rtol=0)
    wanted = torchmetrics.peak_signal_noise_ratio(
        x, y, data_range=1.0, dim=(1, 2, 3), reduction='none'
    )
    torch.testing.assert_close(psnr(x, y), wanted, atol=1e-5, rtol=0)


def test_a_constant_error_has_a_closed_form():
    x = torch.full((1, 3, 8, 9), 0.25)
    assert rmse(x, x + 0.5).item() == 0.5
    assert psnr(x, x + 0.5).item() == pytest.approx(20 * np.log10(2), abs=1e-12)
    # flat pictures have means only
    wanted = (2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4)
    assert ssim(x, x + 0.5).item() == pytest.approx(wanted, abs=1e-12)


def test_equal_pictures_have_ssim_one_and_infinite_psnr():
    x, _ = pair(16, 16)
    assert (ssim(x, x).item(), rmse(x, x).item()) == (pytest.approx(1, abs=1e-12), 0)
    assert psnr(x, x).item() == float('inf')


def test_a_batch_is_its_pictures_one_by_one():
    x, y = pair(20, 18, count=3)
    for metric in (psnr, rmse, ssim):
        alone = torch.cat([metric(a[None], b[None]) for a, b in zip(x, y, strict=True)])
        torch.testing.assert_close(metric(x, y), alone, atol=1e-12, rtol=0)


def test_pictures_that_cannot_be_compared_are_told():
    x, y = pair(6, 20)
    with pytest.raises(ValueError, match=r'window of 7 × 7 pixels has no place .* 20 × 6'):
        ssim(x, y)
    for metric in (psnr, rmse, ssim):
        with pytest.raises(ValueError, match='must be batches .* of one shape'):
            metric(x, y[..., 1:])
