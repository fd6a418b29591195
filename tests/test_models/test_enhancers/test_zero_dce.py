import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from llv.models import EnhancementModel
from llv.models.enhancers.zero_dce import ZeroDCE, apply_curves
from llv.registry import MODELS

ROOT = Path(__file__).parents[3]
GOLDEN = ('lol_00001', 'lol_00091', 'lol_00271', 'dicm_38')


def load_plain(name):
    path = ROOT / 'tools' / 'analysis_tools' / 'plain_sequences' / f'{name}.py'
    spec = importlib.util.spec_from_file_location(f'plain_{name}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


plain = load_plain('zero_dce')


@pytest.fixture
def enhancer():
    """Weights that move pictures visibly, which those of the initialisation do not."""
    torch.manual_seed(0)
    network = ZeroDCE().eval()
    with torch.no_grad():
        for conv in network.convs:
            conv.weight.mul_(4)
            conv.bias.normal_(0, 0.1)
    return network


def find_picture(reference_dir, image):
    for name in (f'psenet/{image}.jpg', f'ruas/{image}_input.png', f'erl/{image}_input.png'):
        if (reference_dir / name).is_file():
            picture = cv2.cvtColor(cv2.imread(str(reference_dir / name)), cv2.COLOR_BGR2RGB)
            return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    pytest.skip(f'the picture {image} is not there')


@pytest.mark.parametrize('image', GOLDEN)
@torch.no_grad()
def test_published_results(reference_dir, image):
    folder = reference_dir / 'zerodce'
    golden = np.load(folder / f'epoch99_{image}.npz')
    picture = find_picture(reference_dir, image)
    enhancer = ZeroDCE(weights=str(folder / 'Epoch99.pth')).eval()
    result = enhancer(picture)
    assert list(picture.shape[2:]) == golden['hw'].tolist()
    curves = result.maps['curves']
    y, x = golden['crop_yx'].tolist()
    tensors = dict(output=result.image, mid=apply_curves(picture, curves, 4), curve=curves)
    for name, tensor in tensors.items():
        crop = golden[f'{name}_crop']
        part = tensor[0, :, y : y + len(crop), x : x + len(crop)].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(part, crop, rtol=0, atol=1e-5)
        pixels = tensor[0].double().flatten(1)
        for moment, value in (('mean', pixels.mean(1)), ('std', pixels.std(1, unbiased=False))):
            np.testing.assert_allclose(value, golden[f'{name}_{moment}'], rtol=0, atol=1e-5)


@pytest.mark.parametrize('image', GOLDEN)
@torch.no_grad()
def test_published_crops_follow_from_their_own_pixels(reference_dir, image):
    """Seven pixels away from its border a crop does not depend on the rest of the picture."""
    folder = reference_dir / 'zerodce'
    golden = np.load(folder / f'epoch99_{image}.npz')
    crop = torch.from_numpy(golden['input_crop_u8']).permute(2, 0, 1)[None].float() / 255
    result = ZeroDCE(weights=str(folder / 'Epoch99.pth')).eval()(crop)
    curves = result.maps['curves']
    tensors = dict(output=result.image, mid=apply_curves(crop, curves, 4), curve=curves)
    for name, tensor in tensors.items():
        expected = golden[f'{name}_crop']
        size = min(len(expected), 96 - 7)
        part = tensor[0, :, 7:size, 7:size].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(part, expected[7:size, 7:size], rtol=0, atol=1e-5)


def test_parameters():
    torch.manual_seed(0)
    enhancer = ZeroDCE()
    assert sum(p.numel() for p in enhancer.parameters()) == 79416
    assert len(enhancer.state_dict()) == 14
    weights = torch.cat([conv.weight.detach().flatten() for conv in enhancer.convs])
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)
    assert abs(weights.mean().item()) < 1e-3
    assert enhancer.convs[0].bias.abs().max() > 0.02  # the framework's, uniform up to 0.19


@pytest.mark.parametrize('size', [(1, 1), (1, 8), (5, 3), (17, 24)])
@torch.no_grad()
def test_equals_the_plain_sequence(enhancer, size):
    pictures = torch.rand(2, 3, *size)
    expected = plain.forward(enhancer, pictures)
    assert (expected - pictures).abs().max() > 0.02
    torch.testing.assert_close(enhancer(pictures).image, expected, rtol=0, atol=1e-5)


def test_gradients_equal_those_of_the_plain_sequence(enhancer):
    pictures = torch.rand(2, 3, 9, 8)
    expected = pictures.clone().requires_grad_()
    plain.forward(enhancer, expected).square().sum().backward()
    found = pictures.clone().requires_grad_()
    enhancer(found).image.square().sum().backward()
    torch.testing.assert_close(found.grad, expected.grad, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('sign', [-1.0, 1.0])
def test_extreme_curves_stay_in_range_and_keep_black_and_white(sign):
    tiny = 2.0 ** -torch.arange(1.0, 40)
    values = torch.cat([torch.tensor([0.0, 1.0]), tiny, 1 - tiny, torch.rand(10000)])
    images = values.expand(1, 3, 1, -1)
    curves = torch.full((1, 24, 1, len(values)), sign)
    result = apply_curves(images, curves)
    assert result.min() >= 0 and result.max() <= 1
    assert torch.equal(result[..., :2], images[..., :2])
    brighter = result > images
    assert brighter.any() == (sign < 0)
    assert torch.equal(apply_curves(images, curves, 0), images)


@torch.no_grad()
def test_a_batch_equals_its_pictures(enhancer):
    pictures = torch.rand(3, 3, 13, 10)
    together = enhancer(pictures)
    for k in range(3):
        alone = enhancer(pictures[k : k + 1])
        torch.testing.assert_close(together.image[k], alone.image[0], rtol=0, atol=1e-5)


@torch.no_grad()
def test_receptive_field_is_fifteen_pixels(enhancer):
    assert enhancer.receptive_field == 15
    assert ZeroDCE(estimate_scale=0.5).receptive_field is None
    picture = torch.rand(1, 3, 31, 31)
    centre = enhancer.enhance(picture).maps['curves'][..., 15, 15]
    for distance, moves in ((7, True), (8, False)):
        other = picture.clone()
        other[..., 15 + distance, 15] += 5
        found = enhancer.enhance(other).maps['curves'][..., 15, 15]
        assert ((found - centre).abs().max() > 1e-7) == moves


@torch.no_grad()
def test_curves_of_a_reduced_picture_light_the_full_one(enhancer):
    reduced = ZeroDCE(estimate_scale=0.5).eval()
    reduced.load_state_dict(enhancer.state_dict())
    picture = torch.rand(1, 3, 8, 8).repeat_interleave(8, 2).repeat_interleave(8, 3)
    result = reduced(picture)
    assert result.maps['curves'].shape == (1, 24, 64, 64)
    assert torch.equal(result.image, apply_curves(picture, result.maps['curves']))
    flat = torch.full((1, 3, 64, 64), 0.3)
    centre = (..., slice(24, 40), slice(24, 40))  # no border within reach
    torch.testing.assert_close(reduced(flat).image[centre], enhancer(flat).image[centre])


@pytest.mark.parametrize('value', [0.0, 0.5, 1.0])
def test_training_has_finite_gradients_everywhere(value):
    torch.manual_seed(0)
    enhancer = ZeroDCE()
    pictures = torch.full((2, 3, 20, 17), value)
    losses = enhancer.loss(enhancer(pictures), pictures)
    assert set(losses) == {'loss_smooth', 'loss_spatial', 'loss_color', 'loss_exposure'}
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in enhancer.parameters())


def test_the_scene_loss_is_configurable():
    pictures = torch.rand(1, 3, 16, 16)
    enhancer = ZeroDCE(scene_loss=dict(type='llv.ZeroDCELoss', exposure_weight=0.0))
    assert enhancer.loss(enhancer(pictures), pictures)['loss_exposure'] == 0


@pytest.mark.parametrize('wrapped', [False, True])
def test_own_checkpoints_and_the_official_layout_load(tmp_path, enhancer, wrapped):
    own = enhancer.state_dict()
    official = {
        f'e_conv{k}.{kind}': own[f'convs.{k - 1}.{kind}']
        for k in range(1, 8)
        for kind in ('weight', 'bias')
    }
    file = tmp_path / 'weights.pth'
    torch.save({f'enhancer.{k}': v for k, v in own.items()} if wrapped else official, file)
    loaded = ZeroDCE(weights=str(file)).state_dict()
    assert all(torch.equal(own[name], loaded[name]) for name in own)
    torch.save(dict(list(official.items())[:-1]), file)
    with pytest.raises(ValueError, match='1 tensors are missing'):
        ZeroDCE(weights=str(file))


def test_training_by_the_recipe_brightens_a_dark_picture():
    torch.manual_seed(0)
    cfg = Config.fromfile(ROOT / 'configs' / 'zero_dce' / 'zero-dce_sice.py')
    model = EnhancementModel(cfg.model.enhancer)
    assert isinstance(MODELS.build(cfg.model).enhancer, ZeroDCE)
    picture = 0.2 * torch.rand(3, 32, 32)
    before = model([picture])[0].mean().item()
    settings = dict(cfg.optim_wrapper.optimizer)
    assert (settings.pop('type'), cfg.optim_wrapper.clip_grad.max_norm) == ('Adam', 0.1)
    optimizer = torch.optim.Adam(model.parameters(), **settings)
    for _ in range(30):
        optimizer.zero_grad()
        sum(model([picture], mode='loss').values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
    assert model([picture])[0].mean().item() > before + 0.01
