import numpy as np
import pytest
import torch
from torch import nn

from llv.models.enhancers.psenet import PSENet
from llv.models.losses.pseudo_target import PseudoTarget, exposure_gammas
from llv.registry import MODELS


class Indifferent(nn.Module):
    """All candidates are equal."""

    def forward(self, images):
        return torch.ones_like(images[:, 0])


@pytest.mark.parametrize('case, references', [('n1', 1), ('n3', 3)])
def test_published_targets(reference_dir, case, references):
    golden = np.load(reference_dir / 'psenet' / 'train_components.npz')
    images = torch.from_numpy(golden['batch_u8']).permute(0, 3, 1, 2).float() / 255
    net = PSENet(weights=str(reference_dir / 'psenet' / 'sice.pth'))
    with torch.no_grad():
        own = net(images).image
    uniform = torch.full((2, 2, references), float(golden[f'{case}_rand']))
    gammas = exposure_gammas(uniform, dark_draws='nested')
    np.testing.assert_allclose(gammas[0], golden[f'{case}_gammas'], rtol=1e-5)

    targets = PseudoTarget(references, dark_draws='nested')(images, own, uniform)
    y, x = golden['crop_yx'].tolist()
    crop = (..., slice(y, y + 64), slice(x, x + 64))
    same = targets.index[crop].numpy() == golden[f'{case}_index_crop']
    assert same.mean() >= 0.999
    colours = targets.image[crop].permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(
        colours[same], golden[f'{case}_pseudo_gt_crop'][same], rtol=0, atol=1e-5
    )
    means = targets.image.mean((2, 3))
    np.testing.assert_allclose(means, golden[f'{case}_pseudo_gt_mean'], rtol=0, atol=1e-4)
    shares = torch.stack(
        [(targets.index == k).float().mean((1, 2)) for k in range(2 + 2 * references)]
    )
    np.testing.assert_allclose(shares.T, golden[f'{case}_fraction'], rtol=0, atol=1e-3)
    mse = (own - targets.image).square().mean().item()
    assert mse == pytest.approx(float(golden[f'{case}_mse']), rel=1e-3)


@pytest.mark.parametrize('draws', ['stratified', 'nested'])
@pytest.mark.parametrize('references', [1, 3])
def test_draws_fill_their_ranges(draws, references):
    x = exposure_gammas(torch.rand(4000, 2, references), (-2, 3), draws).log()
    bright, dark = x[:, :references], x[:, references:]
    for k in range(references):
        low, high = 3 * k / references, 3 * (k + 1) / references
        assert bright[:, k].min() >= low - 1e-5 and bright[:, k].max() <= high + 1e-5
        assert bright[:, k].mean().item() == pytest.approx((low + high) / 2, abs=0.06)
        near, far = -2 * k / references, -2 * (k + 1) / references
        if draws == 'nested':
            near, far = 0, -2 * (references - k) / references
        assert dark[:, k].min() >= far - 1e-5 and dark[:, k].max() <= near + 1e-5
        assert dark[:, k].mean().item() == pytest.approx((near + far) / 2, abs=0.06)


def test_one_gamma_for_the_whole_picture_and_another_for_the_next():
    maker = PseudoTarget(2, combine='weighted')
    maker.quality = Indifferent()
    images = torch.rand(2, 3, 4, 4)
    uniform = torch.rand(2, 2, 2)
    found = maker(images, uniform=uniform).image
    for image, draws, target in zip(images, uniform, found, strict=True):
        x = [1.5 * draws[0, 0], 1.5 * draws[0, 1] + 1.5, -draws[1, 0], -draws[1, 1] - 1]
        exposures = [image, *(1 - (1 - image) ** torch.exp(value) for value in x)]
        torch.testing.assert_close(target, torch.stack(exposures).mean(0))


def test_each_pixel_takes_the_whole_colour_of_the_best_candidate():
    torch.manual_seed(1)
    images, own = 0.3 * torch.rand(2, 3, 16, 14), torch.rand(2, 3, 16, 14)
    uniform = torch.rand(2, 2, 1)
    maker = PseudoTarget()
    targets = maker(images, own, uniform)
    assert targets.names == ('input', 'own', 'brighter', 'darker')
    gammas = exposure_gammas(uniform)
    for n in range(2):
        candidates = [images[n], own[n], *(1 - (1 - images[n]) ** g for g in gammas[n])]
        scores = torch.stack([maker.quality(c[None])[0] for c in candidates])
        for i in range(16):
            for j in range(14):
                best = int(scores[:, i, j].argmax())
                expected = candidates[best][:, i, j]
                torch.testing.assert_close(targets.image[n, :, i, j], expected)
    statistics = targets.statistics()
    shares = [statistics[f'share_{name}'].item() for name in targets.names]
    assert sum(shares) == pytest.approx(1)
    assert shares[1] == pytest.approx((targets.index == 1).float().mean().item())
    assert statistics['score'].item() == pytest.approx(
        targets.scores.max(dim=1).values.mean().item()
    )


def test_the_first_candidate_wins_a_tie():
    images = torch.rand(1, 3, 14, 14)
    targets = PseudoTarget(references=0)(images, images.clone())
    assert (targets.index == 0).all()
    assert torch.equal(targets.image, images)


def test_weighted_targets_lie_between_the_candidates_and_follow_the_weights():
    torch.manual_seed(0)
    images = torch.rand(1, 3, 14, 14)
    quality = dict(type='llv.ExposureQuality', score='mertens')
    maker = MODELS.build(
        dict(type='llv.PseudoTarget', combine='weighted', references=0, quality=quality)
    )
    own = images**2
    found = maker(images, own).image
    weights = [maker.quality(c)[:, None].clamp_min(1e-12) for c in (images, own)]
    expected = (weights[0] * images + weights[1] * own) / (weights[0] + weights[1])
    torch.testing.assert_close(found, expected)


def test_targets_have_no_gradient_and_survive_autocast():
    images = torch.rand(2, 3, 14, 14)
    own = torch.rand(2, 3, 14, 14, requires_grad=True)
    uniform = torch.rand(2, 2, 1)
    plain = PseudoTarget()(images, own, uniform)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        cast = PseudoTarget()(images, own * 1, uniform)
    assert not plain.image.requires_grad
    assert torch.equal(cast.image, plain.image) and torch.equal(cast.scores, plain.scores)


def test_draws_repeat_with_the_seed():
    images = 0.2 * torch.rand(2, 3, 14, 14)
    results = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        results.append(PseudoTarget()(images).image)
    assert torch.equal(results[0], results[1]) and not torch.equal(results[0], results[2])


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(combine='blend'), '`combine` must be one of select, weighted'),
        (dict(dark_draws='even'), '`dark_draws` must be one of'),
        (dict(references=-1), '`references` must be at least 0'),
        (dict(log_range=(1, 3)), '`log_range` must be two numbers around 0'),
    ],
)
def test_refuses_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        PseudoTarget(**options)
