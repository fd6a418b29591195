import hashlib
import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import Config

from llv.models.enhancers.build import build_enhancer
from llv.models.enhancers.psenet import PSENet
from llv.utils.checkpoint import load_state_dict

ROOT = Path(__file__).parents[3]
PICTURES = dict(
    sice_dicm_38='psenet/dicm_38.jpg',
    sice_lol_00001='ruas/lol_00001_input.png',
    sice_lol_00091='erl/lol_00091_input.png',
    sice_lol_00271='ruas/lol_00271_input.png',
)
HASHES = dict(
    sice_dicm_38='926ce2136b329e9395d0b5f1ebe10d088c8daba3848e94abf6179e7c72ff7057',
    sice_lol_00001='6bd64eff7c3b92730a7b5d2f09d5f751b2312d37134af5a0163db8ba03a37056',
    sice_lol_00091='5d1c13417144f6ef6cc375490608c60156c1c4353697e77420f013f324ba04d0',
    sice_lol_00271='bd1a52e3b349f3e83818949e103a45fffeeef5cb0c94eeadeaf2b81cf942c142',
)


def plain():
    """The arithmetic as published, in which nothing of the library is used."""
    path = ROOT / 'tools/analysis_tools/plain_sequences/psenet.py'
    spec = importlib.util.spec_from_file_location('plain_psenet', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def official(reference_dir):
    return str(reference_dir / 'psenet' / 'sice.pth')


def random_net(**options):
    """From the initialisation, with exponents far from 1."""
    torch.manual_seed(0)
    net = PSENet(**options)
    with torch.no_grad():
        net.head.project.weight.mul_(20)
    return net.eval()


# ---------------------------------------------------------------- published results


@pytest.mark.parametrize('name', PICTURES)
@torch.no_grad()
def test_published_results(reference_dir, official, name):
    golden = np.load(reference_dir / 'psenet' / f'{name}.npz')
    picture = cv2.imread(str(reference_dir / PICTURES[name]))[..., ::-1]
    if hashlib.sha256(picture.tobytes()).hexdigest() != HASHES[name]:
        pytest.skip(f'another decoder than that of the golden values read {PICTURES[name]}')
    images = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
    assert list(images.shape[2:]) == golden['hw'].tolist()
    result = PSENet(weights=official).eval()(images)
    y, x = golden['crop_yx'].tolist()
    found = dict(output=result.image[0], gamma=result.maps['gamma'][0])
    for key, tolerance in dict(output=1e-5, gamma=1e-4).items():
        crop = found[key][:, y : y + 96, x : x + 96].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(crop, golden[f'{key}_crop'], rtol=0, atol=tolerance)
        pixels = found[key].double().flatten(1)
        np.testing.assert_allclose(pixels.mean(1), golden[f'{key}_mean'], rtol=0, atol=tolerance)
        np.testing.assert_allclose(
            pixels.std(1, unbiased=False), golden[f'{key}_std'], rtol=0, atol=tolerance
        )


def test_published_size():
    assert sum(p.numel() for p in PSENet().parameters()) == 15251
    sizes = dict(
        stem=189,
        down1=736,
        enc1=1048,
        down2=2864,
        mid1=3632,
        mid2=2848,
        dec1=2848,
        dec2=723,
        head=363,
    )
    net = PSENet()
    assert {
        name: sum(p.numel() for p in getattr(net, name).parameters()) for name in sizes
    } == sizes


@pytest.mark.parametrize('width, count', [(0.5, 5023), (2.0, 52987)])
def test_width_leaves_the_first_and_the_last_block(width, count):
    net, usual = PSENet(width=width), PSENet()
    assert sum(p.numel() for p in net.parameters()) == count
    for block in ('stem', 'head'):
        ours, theirs = getattr(net, block).state_dict(), getattr(usual, block).state_dict()
        assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}
    assert net.enc1.project.out_channels == round(16 * width)


# ---------------------------------------------------------------- a second implementation


@pytest.mark.parametrize('width', [None, 0.5])
@settings(max_examples=12, deadline=None)
@given(height=st.integers(5, 40), width_px=st.integers(5, 40), count=st.integers(1, 3))
def test_agrees_with_the_plain_sequence_at_any_size(width, height, width_px, count):
    net = random_net(width=width)
    images = torch.rand(count, 3, height, width_px)
    with torch.no_grad():
        expected = plain().forward(net, images)
        torch.testing.assert_close(net(images).image, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(net(images).image.detach(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize('bytes_a_strip', [1, 2000, 40000])
@pytest.mark.parametrize('size', [(33, 20), (34, 21), (35, 8)])
@torch.no_grad()
def test_strips_do_not_show(monkeypatch, bytes_a_strip, size):
    net = random_net()
    images = torch.rand(2, 3, *size)
    expected = plain().forward(net, images)
    monkeypatch.setattr('llv.models.enhancers.psenet._STRIP_BYTES', bytes_a_strip)
    torch.testing.assert_close(net(images).image, expected, rtol=0, atol=1e-5)


def test_gradients_are_those_of_the_plain_sequence():
    net = random_net().requires_grad_()
    images = torch.rand(2, 3, 19, 14)
    names, parameters = zip(*net.named_parameters(), strict=True)
    ours = torch.autograd.grad(net(images).image.square().sum(), parameters)
    # the state dict holds detached tensors
    net.state_dict = lambda: dict(net.named_parameters())
    theirs = torch.autograd.grad(plain().forward(net, images).square().sum(), parameters)
    for name, a, b in zip(names, ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4, msg=name)


# ---------------------------------------------------------------- weights


def test_the_official_file_fills_every_tensor(official):
    net = PSENet(weights=official)
    theirs = load_state_dict(official)
    assert len(theirs) == 62
    assert torch.equal(net.stem.squeeze.weight, theirs['model.first_conv.conv.3.fc.0.weight'])
    assert torch.equal(net.head.excite.bias, theirs['model.last_conv.conv.3.fc.2.bias'])
    assert torch.equal(net.mid2.depthwise.weight, theirs['model.conv6.conv.2.weight'])


def test_the_official_file_has_the_published_width(official):
    with pytest.raises(ValueError, match='`width=0.5` contradicts'):
        PSENet(width=0.5, weights=official)


def test_checkpoints_bring_their_width(tmp_path):
    net = random_net(width=0.5)
    path = str(tmp_path / 'half.pth')
    torch.save(dict(state_dict={f'enhancer.{k}': v for k, v in net.state_dict().items()}), path)
    same = PSENet(weights=path).eval()
    images = torch.rand(1, 3, 9, 9)
    with torch.no_grad():
        assert torch.equal(same(images).image, net(images).image)
    with pytest.raises(ValueError, match='`width=1.0` contradicts'):
        PSENet(width=1.0, weights=path)
    with pytest.raises(ValueError, match='made with `width=0.5`'):
        PSENet().load_state_dict(net.state_dict())


@pytest.mark.parametrize('width', [0, -1.0, float('nan'), float('inf')])
def test_refuses_widths_without_channels(width):
    with pytest.raises(ValueError, match='`width` must be a positive number'):
        PSENet(width=width)


def test_refuses_another_network(reference_dir):
    with pytest.raises(ValueError, match='ZeroDCE'):
        PSENet(weights=str(reference_dir / 'zerodce' / 'Epoch99.pth'))


def test_the_config_builds_it():
    cfg = Config.fromfile(ROOT / 'configs/_base_/enhancers/psenet.py')
    assert isinstance(build_enhancer(cfg.enhancer), PSENet)


# ---------------------------------------------------------------- behaviour


def test_starts_near_the_identity():
    images = torch.rand(2, 3, 32, 32)
    for seed in range(4):
        torch.manual_seed(seed)
        with torch.no_grad():
            result = PSENet()(images)
        assert (result.maps['gamma'] - 1).abs().mean() < 0.3
        assert (result.image - images).abs().mean() < 0.06


@torch.no_grad()
def test_black_and_white_are_fixed_points_and_gamma_brightens():
    net = random_net()
    for value in (0.0, 1.0):
        flat = torch.full((1, 3, 12, 12), value)
        torch.testing.assert_close(net(flat).image, flat, rtol=0, atol=1e-6)
    images = 0.1 + 0.8 * torch.rand(1, 3, 12, 12)
    result = net(images)
    assert ((result.image > images) == (result.maps['gamma'] > 1)).all()


@torch.no_grad()
def test_a_batch_equals_its_pictures():
    net = random_net()
    images = torch.rand(3, 3, 21, 17)
    together = net(images).image
    alone = torch.cat([net(images[i : i + 1]).image for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize('size', [(1, 1), (1, 7), (4, 4), (5, 5)])
@torch.no_grad()
def test_any_size(size):
    images = torch.rand(1, 3, *size)
    result = random_net()(images)
    assert result.image.shape == result.maps['gamma'].shape == images.shape
    assert result.image.isfinite().all()


@pytest.mark.parametrize('scale', [0.2, 0.5])
@torch.no_grad()
def test_reduced_estimates_are_applied_at_full_size(scale):
    net, full = random_net(estimate_scale=scale), random_net()
    images = torch.rand(1, 3, 40, 30)
    result = net(images)
    assert result.maps['gamma'].shape == images.shape
    small = torch.nn.functional.interpolate(
        images, (round(40 * scale), round(30 * scale)), mode='bilinear', antialias=True
    )
    gamma = torch.nn.functional.interpolate(
        full(small).maps['gamma'], (40, 30), mode='bilinear', align_corners=False
    )
    torch.testing.assert_close(result.image, 1 - (1 - images) ** gamma, rtol=0, atol=1e-5)


@pytest.mark.parametrize('value', [0.0, 1.0, 0.5, None])
def test_gradients_stay_finite(value):
    net = random_net()
    images = torch.rand(2, 3, 14, 14) if value is None else torch.full((2, 3, 14, 14), value)
    images.requires_grad_()
    result = net(images)
    (result.image.sum() + sum(net.loss(result, images).values())).backward()
    assert images.grad.isfinite().all()
    for name, parameter in net.named_parameters():
        assert parameter.grad.isfinite().all(), name


def test_white_pixels_have_no_gradient_with_respect_to_the_picture():
    net = random_net()
    images = torch.rand(1, 3, 8, 8)
    images[0, :, 3, 4] = 1
    images.requires_grad_()
    gamma = torch.full_like(images, 0.5)
    net.apply_maps(images, dict(gamma=gamma)).image.sum().backward()
    assert (images.grad[0, :, 3, 4] == 0).all()
    others = images.grad.flatten() != 0
    expected = 0.5 * (1 - images.detach()) ** -0.5
    torch.testing.assert_close(images.grad.flatten()[others], expected.flatten()[others])
    assert others.sum() == images.numel() - 3


@torch.no_grad()
def test_values_above_one_count_as_white():
    net = random_net()
    images = torch.rand(1, 3, 8, 8)
    images[0, 0, 0, 0] = 1.5
    result = net.apply_maps(images, dict(gamma=torch.full_like(images, 0.3))).image
    assert result[0, 0, 0, 0] == 1


# ---------------------------------------------------------------- its own loss


def test_published_loss(reference_dir, official):
    golden = np.load(reference_dir / 'psenet' / 'train_components.npz')
    images = torch.from_numpy(golden['batch_u8']).permute(0, 3, 1, 2).float() / 255
    net = PSENet(weights=official)
    result = net(images)
    uniform = torch.full((2, 2, 1), float(golden['n1_rand']))
    target = net.pseudo_target(images, result.image, uniform).image
    losses = net.loss(result, images, target)
    assert losses['loss_pixel'].item() == pytest.approx(float(golden['n1_mse']), rel=1e-4)
    assert losses['loss_smooth'].item() == pytest.approx(5 * float(golden['tv']), rel=1e-4)
    np.testing.assert_allclose(
        result.maps['gamma'].detach().mean((2, 3)), golden['gamma_mean'], atol=1e-4
    )
    np.testing.assert_allclose(result.image.detach().mean((2, 3)), golden['output_mean'], atol=1e-5)


def test_without_references_the_loss_makes_targets_of_the_same_step():
    net = random_net()
    images = torch.rand(2, 3, 20, 20)
    torch.manual_seed(3)
    losses = net.loss(net(images), images)
    torch.manual_seed(3)
    result = net(images)
    target = net.pseudo_target(images, result.image).image
    expected = net.loss(result, images, target)
    assert not target.requires_grad
    assert {k: v.item() for k, v in losses.items()} == {k: v.item() for k, v in expected.items()}
    wins = net.pseudo_target(images, result.image).statistics()['share_own']
    assert 0 < wins < 1
