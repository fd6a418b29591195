import importlib.util
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from llv.models import EnhancementModel
from llv.models.enhancers.iat import IAT, LocalBlock
from llv.models.enhancers.options import pack_options

ROOT = Path(__file__).parents[3]


def load_plain(name):
    path = ROOT / 'tools' / 'analysis_tools' / 'plain_sequences' / f'{name}.py'
    spec = importlib.util.spec_from_file_location(f'plain_{name}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


plain = load_plain('iat')


def disturb(enhancer):
    """No tensor at its start, where many parts of the network do nothing."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in enhancer.state_dict().items():
            if not tensor.is_floating_point():
                continue
            noise = torch.randn(tensor.shape, generator=generator)
            if name.endswith('running_var'):
                tensor.add_(noise.abs())
            elif 'gamma_linear' in name or 'color_linear' in name:
                tensor.add_(0.01 * noise)
            elif 'alpha' in name or tensor.ndim == 1:
                tensor.add_(0.3 * noise)
            else:
                tensor.add_(0.1 * noise)
    return enhancer


def make(**options):
    torch.manual_seed(0)
    return disturb(IAT(**options).eval())


def test_parameters_and_entries():
    enhancer = IAT()
    state = {k: v for k, v in enhancer.state_dict().items() if k != 'options'}
    assert sum(p.numel() for p in enhancer.parameters()) == 91154
    assert sum(p.numel() for p in enhancer.local_net.parameters()) == 24454
    assert sum(p.numel() for p in enhancer.global_net.parameters()) == 66700
    assert len(state) == 161
    assert sum(v.numel() for v in state.values()) == 91348


def test_names_are_those_of_the_official_files():
    block = ['gamma_1', 'gamma_2']
    block += [f'norm{i}.{part}' for i in (1, 2) for part in ('alpha', 'beta', 'color')]
    layers = ('pos_embed', 'conv1', 'attn', 'conv2', 'mlp.fc1', 'mlp.fc2')
    block += [f'{layer}.{kind}' for layer in layers for kind in ('weight', 'bias')]
    names = {
        f'local_net.{s}_blocks.{i}.{n}' for s in ('mul', 'add') for i in range(3) for n in block
    }
    both = ['local_net.conv1', 'local_net.mul_end.0', 'local_net.add_end.0']
    both += [f'global_net.conv_large.proj.{i}' for i in (0, 1, 3, 4)]
    both += ['global_net.gamma_linear', 'global_net.color_linear']
    generator = ('pos_embed', 'norm1', 'attn.proj', 'norm2', 'mlp.fc1', 'mlp.fc2')
    both += [f'global_net.generator.{layer}' for layer in generator]
    names |= {f'{layer}.{kind}' for layer in both for kind in ('weight', 'bias')}
    statistics = ('running_mean', 'running_var', 'num_batches_tracked')
    names |= {f'global_net.conv_large.proj.{i}.{s}' for i in (1, 4) for s in statistics}
    names |= {f'global_net.generator.attn.{n}' for n in ('q', 'k.weight', 'v.weight')}
    names |= {'global_net.gamma_base', 'global_net.color_base', 'options'}
    assert set(IAT().state_dict()) == names


def test_starts_as_the_published_network():
    state = IAT().state_dict()
    for name, value in state.items():
        last = name.rsplit('.', 1)[-1]
        if last in ('gamma_1', 'gamma_2'):
            assert (value == 1e-4).all()
        elif last in ('alpha', 'q', 'gamma_base'):
            assert (value == 1).all()
        elif last in ('color', 'color_base'):
            assert torch.equal(value, torch.eye(len(value)))
        elif last == 'beta' or name.endswith('attn.v.weight'):
            assert (value == 0).all()


@pytest.mark.parametrize('input_range', ['unit', 'signed'])
@pytest.mark.parametrize('size', [(5, 5), (7, 12), (16, 20)])
@torch.no_grad()
def test_equals_the_plain_sequence(input_range, size):
    enhancer = make(input_range=input_range)
    pictures = torch.rand(2, 3, *size)
    result = enhancer(pictures)
    expected = plain.forward(enhancer, pictures)
    assert expected.std() > 0.05
    torch.testing.assert_close(result.maps['raw'], expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(result.image, result.maps['raw'].clamp(0, 1))
    x = pictures if input_range == 'unit' else 2 * pictures - 1
    weights = enhancer.state_dict()
    expected = (*plain.local_branch(weights, x), *plain.global_branch(weights, x))
    for name, value in zip(('mul', 'add', 'gamma', 'color'), expected, strict=True):
        torch.testing.assert_close(result.maps[name], value, rtol=1e-5, atol=1e-5)


def test_gradients_equal_those_of_the_plain_sequence():
    enhancer = make()
    pictures = torch.rand(2, 3, 9, 8)
    expected = pictures.clone().requires_grad_()
    plain.forward(enhancer, expected).square().sum().backward()
    found = pictures.clone().requires_grad_()
    enhancer(found).maps['raw'].square().sum().backward()
    torch.testing.assert_close(found.grad, expected.grad, rtol=1e-3, atol=1e-4)
    assert all(p.grad is not None for p in enhancer.parameters())


@torch.no_grad()
def test_multiplications_of_convolutions_and_linear_layers():
    """The published figures, 1.431 G at 256 × 256, of the layers as they are, counted in the plain sequence."""
    enhancer = IAT().eval()
    with FlopCounterMode(display=False) as counter:
        plain.forward(enhancer, torch.rand(1, 3, 256, 256))
    counts = {str(op): n for op, n in counter.get_flop_counts()['Global'].items()}
    # `bmm` are the channel matrices and the attention, which are no layers
    layers = sum(n for op, n in counts.items() if 'bmm' not in op) / 2
    assert layers == pytest.approx(1.431e9, rel=1e-3)


@torch.no_grad()
def test_a_batch_equals_its_pictures():
    enhancer = make()
    pictures = torch.rand(3, 3, 13, 10)
    together = enhancer(pictures)
    for k in range(3):
        alone = enhancer(pictures[k : k + 1])
        for name, value in together.maps.items():
            torch.testing.assert_close(value[k], alone.maps[name][0], rtol=0, atol=1e-5)


@pytest.mark.parametrize('size', [(1, 1), (2, 9), (5, 5), (12, 11)])
@pytest.mark.parametrize('value', [0.0, 0.5, 1.0])
@pytest.mark.parametrize('gamma', [0.4, 1.0, -0.5])
def test_training_is_finite_on_extreme_pictures(size, value, gamma):
    torch.manual_seed(0)
    enhancer = IAT()
    enhancer.global_net.gamma_base.data.fill_(gamma)
    pictures = torch.full((1, 3, *size), value, requires_grad=True)
    result = enhancer(pictures)
    assert result.image.shape == pictures.shape and result.maps['raw'].isfinite().all()
    assert result.image.min() >= 0 and result.image.max() <= 1
    losses = enhancer.loss(result, pictures, torch.rand(1, 3, *size))
    assert set(losses) == {'loss_pixel'}
    losses['loss_pixel'].backward()
    assert pictures.grad.isfinite().all()
    for name, parameter in enhancer.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


@pytest.mark.parametrize('gamma', [-2.5, -3.5, -4.9, -60.0])
def test_any_negative_gamma_gives_the_published_picture_and_finite_numbers(gamma):
    enhancer = make()
    enhancer.global_net.gamma_base.data.fill_(gamma)
    pictures = torch.rand(2, 3, 6, 7) * torch.tensor([1.0, 1e-9]).view(2, 1, 1, 1)
    pictures.requires_grad_()
    result = enhancer(pictures)
    assert torch.equal(result.image, plain.forward(enhancer, pictures).clamp(0, 1))
    assert result.maps['raw'].isfinite().all()
    assert (result.maps['gamma'] < 0).all()
    (result.image.mean() + result.maps['raw'].mean()).backward()
    assert pictures.grad.isfinite().all()
    for name, parameter in enhancer.named_parameters():
        assert parameter.grad.isfinite().all(), name


@torch.no_grad()
def test_maps_of_a_reduced_picture_light_the_full_one():
    enhancer = make()
    reduced = make(estimate_scale=0.5)
    picture = torch.rand(1, 3, 16, 16).repeat_interleave(2, 2).repeat_interleave(2, 3)
    result = reduced(picture)
    small = nn.functional.interpolate(picture, (16, 16), mode='bilinear', antialias=True)
    expected = enhancer.estimate_maps(small)
    for name in ('gamma', 'color'):
        torch.testing.assert_close(result.maps[name], expected[name])
    for name in ('mul', 'add'):
        full = nn.functional.interpolate(expected[name], (32, 32), mode='bilinear')
        torch.testing.assert_close(result.maps[name], full)
    assert result.image.shape == picture.shape


@torch.no_grad()
def test_whole_steps_of_a_block_are_dropped_in_training():
    torch.manual_seed(0)
    block = LocalBlock(16, 0.5)
    block.gamma_1.fill_(1.0)
    block.gamma_2.fill_(1.0)
    x = torch.rand(64, 16, 4, 4)
    y = block(x)
    only_position = x + block.pos_embed(x)
    dropped = torch.isclose(y, only_position).flatten(1).all(dim=1)
    assert 4 <= dropped.sum() <= 32  # a quarter skips both
    rates = [[b.drop_path.p for b in blocks] for blocks in (IAT().local_net.mul_blocks,)]
    assert rates == [[0.01, 0.05, 0.10]]


def test_batch_normalisation_can_keep_its_statistics_in_training():
    for norm_eval in (False, True):
        enhancer = IAT(norm_eval=norm_eval).train()
        before = enhancer.state_dict()['global_net.conv_large.proj.1.running_mean'].clone()
        enhancer(torch.rand(2, 3, 8, 8))
        after = enhancer.state_dict()['global_net.conv_large.proj.1.running_mean']
        assert torch.equal(before, after) == norm_eval
        assert enhancer.local_net.training


def test_exposure_correction_freezes_the_base_of_gamma_alone():
    frozen = {n for n, p in IAT(exposure=True).named_parameters() if not p.requires_grad}
    assert frozen == {'global_net.gamma_base'}
    assert all(p.requires_grad for p in IAT().parameters())


def test_the_input_range_travels_with_the_weights(tmp_path):
    trained = make(input_range='signed')
    file = str(tmp_path / 'own.pth')
    torch.save(trained.state_dict(), file)
    loaded = IAT(weights=file).eval()
    picture = torch.rand(1, 3, 8, 8)
    assert loaded.input_range == 'signed'
    assert torch.equal(loaded(picture).image, trained(picture).image)
    with pytest.raises(ValueError, match="`input_range='unit'` contradicts"):
        IAT('unit', weights=file)
    with pytest.raises(ValueError, match="made with `input_range='signed'`"):
        IAT().load_state_dict(trained.state_dict())


def test_a_file_of_an_unknown_input_range_is_refused(tmp_path):
    state = IAT().state_dict() | dict(options=pack_options(dict(input_range='logarithmic')))
    torch.save(state, tmp_path / 'newer.pth')
    with pytest.raises(ValueError, match="`input_range` must be one of .* but got 'logarithmic'"):
        IAT(weights=str(tmp_path / 'newer.pth'))


def test_official_files_load_whatever_axes_of_length_one_they_have(tmp_path):
    trained = make()
    official = {k: v.clone() for k, v in trained.state_dict().items() if k != 'options'}
    for name, value in official.items():
        if name.rsplit('.', 1)[-1] in ('alpha', 'beta'):
            official[name] = value.view(1, 1, -1)
    file = str(tmp_path / 'best.pth')
    torch.save(official, file)
    loaded = IAT('signed', weights=file).state_dict()
    assert all(torch.equal(loaded[k], v) for k, v in trained.state_dict().items() if k != 'options')
    official['local_net.conv1.weight'] = torch.zeros(16, 3, 5, 5)
    torch.save(official, file)
    with pytest.raises(ValueError, match='1 have another shape .*local_net.conv1.weight'):
        IAT(weights=file)


def test_losses_against_references():
    enhancer = make()
    pictures, references = torch.rand(2, 1, 3, 8, 8).unbind()
    result = enhancer(pictures)
    difference = (result.maps['raw'] - references).abs()
    loss = enhancer.loss(result, pictures, references)['loss_pixel']
    assert loss.item() == pytest.approx(difference.mean().item())
    smooth = make(criterion='smooth_l1').loss(result, pictures, references)['loss_pixel']
    expected = torch.where(difference < 1, difference**2 / 2, difference - 0.5).mean()
    assert smooth.item() == pytest.approx(expected.item(), rel=1e-5)
    with pytest.raises(ValueError, match='learns from pairs, but got no `references`'):
        enhancer.loss(result, pictures)
    with pytest.raises(ValueError, match='must have the shape of the pictures'):
        enhancer.loss(result, pictures, references[..., :-1])


@pytest.mark.parametrize('option', ['input_range', 'criterion'])
def test_refuses_unknown_options(option):
    with pytest.raises(ValueError, match=f'`{option}` must be one of .* but got .odd'):
        IAT(**{option: 'odd'})


def test_training_by_the_recipe_lowers_the_loss():
    torch.manual_seed(0)
    cfg = Config.fromfile(ROOT / 'configs' / 'iat' / 'iat_lol-patches.py')
    model = EnhancementModel(cfg.model.enhancer)
    picture = 0.2 * torch.rand(1, 3, 16, 16)
    settings = dict(cfg.optim_wrapper.optimizer)
    assert settings.pop('type') == 'Adam'
    optimizer = torch.optim.Adam(model.parameters(), **settings)
    values = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = model.enhancer.loss(model.enhancer(picture), picture, 3 * picture)['loss_pixel']
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert values[-1] < 0.9 * values[0]
