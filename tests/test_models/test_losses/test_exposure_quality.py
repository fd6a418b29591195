import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llv.models.losses.exposure_quality import ExposureQuality, mertens_quality, psenet_quality
from llv.registry import MODELS


def plain_quality(image, level, window):
    """From the formulas, pixel by pixel, in float64; (3, H, W) in, (H, W) out."""
    reach = window // 2
    padded = np.pad(image.astype(np.float64), ((0, 0), (reach, reach), (reach, reach)), 'reflect')
    result = np.empty(image.shape[1:])
    for i in range(image.shape[1]):
        for j in range(image.shape[2]):
            pixel = image[:, i, j].astype(np.float64)
            patch = padded[:, i : i + window, j : j + window]
            saturation = (pixel.max() - pixel.min() + 1 / 255) / (pixel.max() + 1 / 255)
            result[i, j] = saturation * patch.var() / (abs(patch.mean() - level) + 1 / 255)
    return result


@pytest.mark.parametrize('level, window', [(0.5, 25), (0.4, 5), (0.6, 1)])
@pytest.mark.parametrize('size', [(13, 14), (20, 15)])
def test_agrees_with_the_formulas(level, window, size):
    images = torch.rand(2, 3, *size)
    score = psenet_quality(images, level, window)
    for image, found in zip(images.numpy(), score.numpy(), strict=True):
        expected = plain_quality(image, level, window)
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_published_scores(reference_dir):
    golden = np.load(reference_dir / 'psenet' / 'train_components.npz')
    images = torch.from_numpy(golden['batch_u8']).permute(0, 3, 1, 2).float() / 255
    y, x = golden['crop_yx'].tolist()
    candidates = {
        0: images,
        2: 1 - (1 - images) ** float(golden['n1_gammas'][0]),
        3: 1 - (1 - images) ** float(golden['n1_gammas'][1]),
    }
    for k, candidate in candidates.items():
        score = psenet_quality(candidate).numpy()
        tolerance = dict(rtol=1e-3, atol=1e-6)
        crop = score[:, y : y + 64, x : x + 64]
        np.testing.assert_allclose(crop, golden['score_crop'][:, k], **tolerance)
        np.testing.assert_allclose(score[:, :4, :4], golden['score_corner'][:, k], **tolerance)
        np.testing.assert_allclose(
            score.mean((1, 2), dtype=np.float64), golden['score_mean'][:, k], rtol=1e-3
        )


def test_a_flat_grey_patch_scores_nothing_and_a_flat_coloured_one_something():
    grey = torch.full((1, 3, 14, 14), 0.3)
    assert psenet_quality(grey).abs().max() < 1e-5
    red = torch.zeros(1, 3, 14, 14)
    red[:, 0] = 0.9
    # S = 1, C = variance of (0.9, 0, 0), E = |0.3 - 0.5| + ε
    expected = (0.81 / 3 - 0.09) / (0.2 + 1 / 255)
    torch.testing.assert_close(
        psenet_quality(red), torch.full((1, 14, 14), expected), rtol=1e-4, atol=0
    )


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 99))
def test_scores_follow_a_turned_picture(seed):
    images = torch.rand(1, 3, 15, 18, generator=torch.Generator().manual_seed(seed))
    for quality in (psenet_quality, mertens_quality):
        turned = quality(images.rot90(1, (2, 3)))
        torch.testing.assert_close(turned, quality(images).rot90(1, (1, 2)), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize('level', [0.5, 0.4])
def test_the_score_of_exposure_fusion_agrees_with_opencv_filters(level):
    image = np.random.default_rng(0).random((12, 9, 3), np.float32)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    contrast = np.abs(cv2.Laplacian(grey, cv2.CV_32F, borderType=cv2.BORDER_REPLICATE))
    exposed = np.exp(-((image - level) ** 2) / (2 * 0.2**2)).prod(2)
    expected = contrast * image.std(2) * exposed
    images = torch.from_numpy(image).permute(2, 0, 1)[None]
    quality = ExposureQuality('mertens', level)
    np.testing.assert_allclose(quality(images)[0], expected, rtol=1e-3, atol=1e-5)


def test_the_module_hands_its_options_on():
    images = torch.rand(1, 3, 16, 16)
    quality = MODELS.build(dict(type='llv.ExposureQuality', level=0.4, window=7))
    assert torch.equal(quality(images), psenet_quality(images, 0.4, 7))


def test_small_pictures_need_a_smaller_window():
    with pytest.raises(ValueError, match='12 × 40 pixels are too small for a `window` of 25'):
        psenet_quality(torch.rand(1, 3, 12, 40))
    assert psenet_quality(torch.rand(1, 3, 13, 40)).shape == (1, 13, 40)
    assert psenet_quality(torch.rand(1, 3, 2, 2), window=3).isfinite().all()


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(score='best'), '`score` must be one of psenet, mertens'),
        (dict(level=1.2), '`level` must be in'),
        (dict(window=24), '`window` must be an odd number'),
    ],
)
def test_refuses_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        ExposureQuality(**options)
