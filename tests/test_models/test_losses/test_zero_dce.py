import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llv.models.enhancers.zero_dce import ZeroDCE
from llv.models.losses.zero_dce import (
    ColorConstancyLoss,
    ExposureControlLoss,
    IlluminationSmoothnessLoss,
    SpatialConsistencyLoss,
    ZeroDCELoss,
    tile_means,
)
from llv.registry import MODELS


def plain_smoothness(maps):
    """Sums over everything, counts without channels, in float64."""
    b, _, h, w = maps.shape
    vertical = ((maps[:, :, 1:] - maps[:, :, :-1]) ** 2).sum() / ((h - 1) * w)
    horizontal = ((maps[..., 1:] - maps[..., :-1]) ** 2).sum() / (h * (w - 1))
    return 2 * (vertical + horizontal) / b


def plain_tiles(images, size):
    h, w = images.shape[2] // size, images.shape[3] // size
    tiles = np.zeros((len(images), h, w))
    for n in range(len(images)):
        for i in range(h):
            for j in range(w):
                tile = images[n, :, i * size : (i + 1) * size, j * size : (j + 1) * size]
                tiles[n, i, j] = tile.mean()
    return tiles


def plain_consistency(enhanced, images):
    """Each neighbour by itself, the differences of the output and of the input apart."""
    a, b = plain_tiles(enhanced, 4), plain_tiles(images, 4)
    total = 0.0
    n, h, w = a.shape
    for k in range(n):
        for i in range(h):
            for j in range(w):
                for di, dj in ((0, -1), (0, 1), (-1, 0), (1, 0)):
                    inside = 0 <= i + di < h and 0 <= j + dj < w
                    there = (k, i + di, j + dj)
                    of_output = a[k, i, j] - (a[there] if inside else 0)
                    of_input = b[k, i, j] - (b[there] if inside else 0)
                    total += (of_output - of_input) ** 2
    return total / (n * h * w)


def plain_constancy(images, form):
    values = []
    for image in images:
        r, g, b = image.mean(axis=(1, 2))
        squares = [(r - g) ** 2, (r - b) ** 2, (g - b) ** 2]
        values.append(sum(squares) if form == 'paper' else np.sqrt(sum(s**2 for s in squares)))
    return np.mean(values)


def plain_exposure(images, form):
    difference = plain_tiles(images, 16) - 0.6
    return np.mean(np.abs(difference) if form == 'paper' else difference**2)


@settings(deadline=None, max_examples=15)
@given(
    n=st.integers(1, 3),
    height=st.integers(16, 37),
    width=st.integers(16, 37),
    form=st.sampled_from(('code', 'paper')),
    seed=st.integers(0, 99),
)
def test_losses_equal_a_plain_implementation(n, height, width, form, seed):
    rng = np.random.default_rng(seed)
    enhanced, images = rng.random((2, n, 3, height, width))
    enhanced[:, 0] *= 0.5  # unequal channels
    maps = rng.uniform(-1, 1, (n, 24, height, width))
    weights = dict(smooth_weight=2.0, spatial_weight=3.0, color_weight=4.0, exposure_weight=5.0)
    losses = ZeroDCELoss(form=form, **weights)(*map(torch.from_numpy, (enhanced, images, maps)))
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(
        dict(
            loss_smooth=2 * plain_smoothness(maps),
            loss_spatial=3 * plain_consistency(enhanced, images),
            loss_color=4 * plain_constancy(enhanced, form),
            loss_exposure=5 * plain_exposure(enhanced, form),
        ),
        rel=1e-6,
    )


def test_published_losses(reference_dir):
    golden = json.loads((reference_dir / 'zerodce' / 'losses.json').read_text())
    batch = np.load(reference_dir / 'psenet' / 'train_components.npz')['batch_u8']
    images = torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 255
    enhancer = ZeroDCE(weights=str(reference_dir / 'zerodce' / 'Epoch99.pth'))
    with torch.no_grad():
        result = enhancer(images)
        losses = enhancer.loss(result, images)
    found = dict(
        L_TV_unweighted=losses['loss_smooth'] / 200,
        L_spa_mean=losses['loss_spatial'],
        L_color_mean=losses['loss_color'] / 5,
        L_exp=losses['loss_exposure'] / 10,
        total_with_weights_200_1_5_10=sum(losses.values()),
    )
    for name, value in found.items():
        assert value.item() == pytest.approx(golden[name], rel=1e-5), name
    color = [ColorConstancyLoss()(image[None]).item() for image in result.image]
    assert color == pytest.approx(golden['L_color_per_image'], rel=1e-5)


@pytest.mark.parametrize('size', [(1, 1), (1, 9), (3, 2), (16, 5), (20, 33)])
@pytest.mark.parametrize('value', [0.0, 0.25, 1.0])
def test_grey_pictures_of_any_size_have_a_finite_gradient(size, value):
    images = torch.full((2, 3, *size), value)
    enhanced = images.clone().requires_grad_()
    curves = torch.zeros(2, 24, *size, requires_grad=True)
    losses = ZeroDCELoss()(enhanced, images, curves)
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert enhanced.grad.isfinite().all()
    # one pixel has no neighbour to differ from
    assert curves.grad is None if size == (1, 1) else curves.grad.isfinite().all()


def test_tiles_leave_the_rest_out_and_shrink_to_small_pictures():
    images = torch.rand(1, 3, 9, 11)
    assert tile_means(images, 4).shape == (1, 1, 2, 2)
    assert tile_means(images, 4)[0, 0, 1, 1].item() == pytest.approx(
        images[0, :, 4:8, 4:8].mean().item()
    )
    assert tile_means(images, 16).item() == pytest.approx(images.mean().item())


def test_what_each_loss_wants_costs_nothing():
    images = torch.rand(2, 3, 32, 32)
    grey = images.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1)
    assert SpatialConsistencyLoss()(images, images) == 0
    assert ExposureControlLoss()(torch.full_like(images, 0.6)) < 1e-12
    assert ColorConstancyLoss()(grey) <= 1.1e-6  # the root of epsilon
    assert IlluminationSmoothnessLoss()(torch.full((1, 24, 4, 4), 0.3)) == 0


def test_refuses_unknown_forms_and_pictures_of_another_shape():
    for kind in ('ZeroDCELoss', 'ColorConstancyLoss', 'ExposureControlLoss'):
        with pytest.raises(ValueError, match="`form` must be one of code, paper, but got 'book'"):
            MODELS.build(dict(type=f'llv.{kind}', form='book'))
    with pytest.raises(ValueError, match='must have the shape of `images`'):
        ZeroDCELoss()(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 5), torch.rand(1, 24, 4, 4))
