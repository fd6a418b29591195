import json

import numpy as np
import pytest
import torch

from llv.models.losses.ruas_scene import RUASSceneLoss, neighbour_smoothness, scrambled_ycbcr


def pattern(a, b, c, m, height, width):
    """Channel k, row i, column j hold ((i·a + j·b + k·c) mod m) / (m - 1)."""
    k, i, j = np.ogrid[:3, :height, :width]
    return (((i * a + j * b + k * c) % m) / (m - 1))[None]


def plain_scramble(image):
    """The same guide with loops, for one (3, H, W) picture."""
    flat = image.reshape(-1).tolist()
    rows = ((0.257, -0.148, 0.439), (0.564, -0.291, -0.368), (0.098, 0.439, -0.071))
    offset = (16 / 255, 128 / 255, 128 / 255)
    out = []
    for n in range(0, len(flat), 3):
        for column in range(3):
            out.append(sum(flat[n + k] * rows[k][column] for k in range(3)) + offset[column])
    return np.array(out).reshape(image.shape)


def plain_scene_loss(t, y, guide='rgb', pairing='separate_means', coef=0.005):
    """Second implementation: all 24 directed neighbours, pixel by pixel, numpy float64."""
    values = []
    for ti, yi in zip(t, y, strict=True):
        g = plain_scramble(yi) if guide == 'scrambled_ycbcr' else yi
        height, width = yi.shape[1:]
        smooth = 0.0
        for dy in range(-2, 3):
            for dx in range(-2, 3):
                weights, changes = [], []
                for i in range(height):
                    for j in range(width):
                        a, b = i + dy, j + dx
                        if (dy, dx) == (0, 0) or not (0 <= a < height and 0 <= b < width):
                            continue
                        weights.append(np.exp(-coef * ((g[:, a, b] - g[:, i, j]) ** 2).sum()))
                        changes.append(np.abs(ti[:, a, b] - ti[:, i, j]).mean())
                if weights and pairing == 'per_pixel':
                    smooth += np.mean(np.array(weights) * np.array(changes))
                elif weights:
                    smooth += np.mean(weights) * np.mean(changes)
        values.append(0.5 * ((ti - yi) ** 2).mean() + smooth)
    return np.mean(values)


VARIANTS = [
    dict(),
    dict(guide='scrambled_ycbcr'),
    dict(pairing='per_pixel', coef=50.0),
    dict(guide='scrambled_ycbcr', pairing='per_pixel'),
]


@pytest.fixture
def pair(request):
    rng = np.random.default_rng(0)
    shape = (2, 3, 4, 5)  # H · W is no multiple of 3, so triples run over the ends of the planes
    return rng.uniform(0.2, 1, shape), rng.uniform(0, 1, shape)


@pytest.mark.parametrize('guide', ['rgb', 'scrambled_ycbcr'])
def test_published_values_on_patterns(reference_dir, guide):
    case = json.loads((reference_dir / 'ruas' / 'loss_values.json').read_text())['formula_case']
    y = torch.from_numpy(pattern(7, 13, 29, 97, 16, 20)).float()
    t = torch.from_numpy(0.2 + 0.6 * pattern(5, 11, 17, 89, 16, 20)).float()
    losses = RUASSceneLoss(guide=guide)(t, y)
    name = 'search_variant' if guide == 'rgb' else 'train_variant'
    assert losses['loss_fidelity'].item() == pytest.approx(0.5 * case['fidelity_mse'], rel=1e-4)
    assert losses['loss_smooth'].item() == pytest.approx(case[f'smooth_{name}'], rel=1e-4)
    # the two guides differ by 2e-3 in S, so this tolerance tells them apart
    assert sum(losses.values()).item() == pytest.approx(case[f'scene_loss_{name}'], rel=1e-4)


def test_published_value_of_the_supernet(reference_dir):
    data = np.load(reference_dir / 'ruas' / 'search_formula.npz')
    y = torch.from_numpy(pattern(11, 3, 31, 101, 16, 20)).float()
    t = torch.from_numpy(data['t_stage3_train']).reshape(1, 3, 16, 20)
    loss = sum(RUASSceneLoss()(t, y).values())
    assert loss.item() == pytest.approx(float(data['scene_loss_train']), rel=1e-4)


@pytest.mark.parametrize('options', VARIANTS)
def test_value_and_gradient_against_a_plain_implementation(pair, options):
    t, y = pair
    tensor = torch.from_numpy(t).requires_grad_()
    loss = sum(RUASSceneLoss(**options)(tensor, torch.from_numpy(y)).values())
    assert loss.item() == pytest.approx(plain_scene_loss(t, y, **options), rel=1e-10)
    loss.backward()
    gradient = np.zeros_like(t)
    step = 1e-6
    for index in np.ndindex(t.shape):
        values = []
        for sign in (1, -1):
            moved = t.copy()
            moved[index] += sign * step
            picture = (slice(index[0], index[0] + 1),)  # the loss of a batch is a mean of pictures
            values.append(plain_scene_loss(moved[picture], y[picture], **options) / len(t))
        gradient[index] = (values[0] - values[1]) / (2 * step)
    np.testing.assert_allclose(tensor.grad.numpy(), gradient, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize('options', VARIANTS)
def test_gradcheck(pair, options):
    t, y = (torch.from_numpy(array[:1]).requires_grad_() for array in pair)
    loss = RUASSceneLoss(**options)
    assert torch.autograd.gradcheck(lambda t, y: sum(loss(t, y).values()), (t, y))


@pytest.mark.parametrize('size', [(1, 1), (1, 5), (2, 1), (2, 2), (3, 1)])
@pytest.mark.parametrize('options', VARIANTS)
def test_small_pictures(size, options):
    rng = np.random.default_rng(1)
    t, y = rng.uniform(0.2, 1, (2, 3, *size)), rng.uniform(0, 1, (2, 3, *size))
    tensor = torch.from_numpy(t).requires_grad_()
    loss = sum(RUASSceneLoss(rtv_weight=0.0, **options)(tensor, torch.from_numpy(y)).values())
    assert loss.item() == pytest.approx(plain_scene_loss(t, y, **options), rel=1e-10)
    loss.backward()
    assert tensor.grad.isfinite().all()


def test_a_constant_illumination_is_smooth_at_any_coef():
    t = torch.full((1, 3, 6, 6), 0.3)
    assert neighbour_smoothness(t, torch.rand(1, 3, 6, 6), coef=50.0).item() == 0


def test_edges_of_the_guide_free_the_illumination_only_with_the_repaired_options():
    step = torch.zeros(1, 3, 8, 8)
    step[..., 4:] = 1
    published = neighbour_smoothness(step, step) / neighbour_smoothness(step, 0 * step)
    repaired = neighbour_smoothness(step, step, 50.0, 'per_pixel')
    assert published > 0.98
    assert repaired < 1e-6


def test_weights_scale_the_parts():
    t, y = torch.rand(2, 1, 3, 9, 9)
    plain = RUASSceneLoss(rtv_weight=1.0)(t, y)
    weighted = RUASSceneLoss(fidelity_weight=1.0, smooth_weight=3.0, rtv_weight=2.0)(t, y)
    ratios = {name: (weighted[name] / plain[name]).item() for name in plain}
    assert ratios == pytest.approx(dict(loss_fidelity=2, loss_smooth=3, loss_rtv=2), rel=1e-5)


def test_scramble_takes_each_picture_by_itself():
    images = torch.rand(3, 3, 5, 7)
    together = scrambled_ycbcr(images)
    for image, guide in zip(images, together, strict=True):
        np.testing.assert_allclose(guide.numpy(), plain_scramble(image.numpy()), atol=1e-6)


def test_refuses_unknown_options_and_other_shapes():
    with pytest.raises(ValueError, match='`guide` must be one of rgb'):
        RUASSceneLoss(guide='grey')
    with pytest.raises(ValueError, match='`pairing` must be one of separate_means'):
        RUASSceneLoss(pairing='none')
    with pytest.raises(ValueError, match='must have the shape of `images`'):
        RUASSceneLoss()(torch.rand(1, 1, 4, 4), torch.rand(1, 3, 4, 4))
