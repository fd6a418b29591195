"""The ENC module, and what DRBN and SID share: weights, options, the loss on features."""

import importlib.util
import json
import pickle
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llv.models.enhancers.drbn import DRBN
from llv.models.enhancers.exposure_normalization import ENC
from llv.models.enhancers.sid import SID

PLAIN = Path(__file__).parents[3] / 'tools' / 'analysis_tools' / 'plain_sequences'
HOSTS = [DRBN, SID]
# class, with ENC, name in the reference data, parameters, largest error
NETWORKS = [
    (DRBN, False, 'drbn', 557_668, 1e-4),
    (DRBN, True, 'drbn_enc', 612_228, 1e-4),
    (SID, True, 'sid_enc', 7_816_883, 2e-6),
]


def plain(name):
    spec = importlib.util.spec_from_file_location(f'plain_{name}', PLAIN / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(reference_dir):
    return reference_dir / 'erl'


def official(folder, name):
    """A state dict under the official names with the artificial weights of the reference data."""
    keys = json.loads((folder / 'checkpoint_keys.json').read_text())[name]
    weights = {}
    for k, (key, shape) in enumerate(keys):
        draw = np.random.RandomState(1000 + k).uniform(-1, 1, shape)
        if len(shape) > 1:
            value = draw * np.sqrt(3 / np.prod(shape[1:]))
        else:
            value = 1 + 0.1 * draw if key.endswith('weight') else 0.05 * draw
        weights[key] = torch.from_numpy(value.astype(np.float32))
    return weights


def saved(tmp_path, weights, name='weights.pth'):
    torch.save(weights, tmp_path / name)
    return str(tmp_path / name)


def chw(array):
    return torch.from_numpy(array).permute(2, 0, 1)[None]


# ---------------------------------------------------------------- published results


@pytest.mark.parametrize('cls, enc, name, parameters, tolerance', NETWORKS)
@torch.no_grad()
def test_official_networks(folder, tmp_path, cls, enc, name, parameters, tolerance):
    golden = np.load(folder / 'hosts_filled_synthetic.npz')
    enhancer = cls(weights=saved(tmp_path, official(folder, name)))
    assert enhancer.exposure_normalization is enc
    assert sum(p.numel() for p in enhancer.parameters()) == parameters

    picture = chw(golden['input'])
    maps = enhancer(picture).maps  # in training mode, which keeps the features
    parts = dict(out='raw') if cls is SID else dict(s1='raw', s2='half', s4='quarter')
    prefix = name.replace('_', '')
    for theirs, ours in parts.items():
        expected = chw(golden[f'{prefix}_{theirs}'])
        torch.testing.assert_close(maps[ours], expected, rtol=0, atol=tolerance)
    for theirs, ours in dict(inst='normalized', fuse='compensated').items() if enc else ():
        pixels = maps[ours][0].double().flatten(1).numpy()
        np.testing.assert_allclose(pixels.mean(1), golden[f'{prefix}_{theirs}_mean'], atol=1e-6)
        np.testing.assert_allclose(pixels.std(1), golden[f'{prefix}_{theirs}_std'], atol=1e-6)


@pytest.mark.parametrize('cls, enc, name, parameters, tolerance', NETWORKS)
def test_every_official_tensor_has_its_place(folder, cls, enc, name, parameters, tolerance):
    weights = official(folder, name)
    enhancer = cls(exposure_normalization=enc)
    for prefix in ('', 'module.'):
        converted = enhancer.convert_weights({prefix + k: v for k, v in weights.items()})
        assert len(converted) == len(weights)
        assert set(converted) == set(enhancer.state_dict()) - {'options'}
    own = enhancer.state_dict()
    assert set(enhancer.convert_weights(own)) == set(own)


def test_sid_without_the_module_has_the_published_size():
    assert sum(p.numel() for p in SID().parameters()) == 7_760_163


@pytest.mark.parametrize('change', ['missing', 'extra'])
def test_a_file_with_another_set_of_tensors_is_refused(folder, tmp_path, change):
    weights = official(folder, 'drbn_enc')
    if change == 'missing':
        del weights['recur3.RDBs.2.LFF.bias']
    else:
        weights['recur5.UPNet.0.bias'] = torch.zeros(3)
    with pytest.raises(ValueError, match='another network'):
        DRBN(weights=saved(tmp_path, weights))


# ---------------------------------------------------------------- options


@pytest.mark.parametrize('cls', HOSTS)
@pytest.mark.parametrize('enc', [False, True])
def test_the_file_settles_the_option(tmp_path, cls, enc):
    first = cls(exposure_normalization=enc)
    file = saved(tmp_path, first.state_dict())
    second = cls(weights=file)
    assert second.exposure_normalization is enc
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name])
    with pytest.raises(ValueError, match='`exposure_normalization='):
        cls(exposure_normalization=not enc, weights=file)


def test_an_official_file_contradicts_the_other_option(folder, tmp_path):
    file = saved(tmp_path, official(folder, 'drbn'))
    with pytest.raises(ValueError, match='`exposure_normalization=True` contradicts'):
        DRBN(exposure_normalization=True, weights=file)


# ---------------------------------------------------------------- the module


@pytest.mark.parametrize('channels, parameters', [((6, 16), 14_520), ((3, 32), 57_616)])
@torch.no_grad()
def test_the_module_equals_the_plain_sequence(channels, parameters):
    torch.manual_seed(0)
    module = ENC(*channels)
    assert sum(p.numel() for p in module.parameters()) == parameters
    images = torch.rand(2, channels[0], 9, 7)
    weights = {f'x.{name}': tensor for name, tensor in module.state_dict().items()}
    for ours, theirs in zip(module(images), plain('sid').enc(weights, 'x.', images), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@torch.no_grad()
def test_normalised_features_forget_exposure():
    torch.manual_seed(0)
    module = ENC(3, 8)
    picture = torch.rand(1, 3, 16, 16)
    (dark, n_dark), (lit, n_lit) = module(0.5 * picture), module(picture)
    torch.testing.assert_close(n_dark, n_lit, rtol=0, atol=1e-2)
    assert (dark - lit).abs().max() > 0.02


@pytest.mark.parametrize('value', [0.0, 0.5, 1.0])
@pytest.mark.parametrize('cls', HOSTS)
def test_constant_pictures_have_finite_gradients(cls, value):
    torch.manual_seed(0)
    enhancer = cls(exposure_normalization=True)
    picture = torch.full((1, 3, 16, 16), value, requires_grad=True)
    enhancer(picture).maps['raw'].square().mean().backward()
    assert torch.isfinite(picture.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in enhancer.parameters())


def test_an_exactly_constant_channel_has_a_finite_gradient():
    """The square root of the deviation has none at 0; zero weights make every channel constant."""
    module = ENC(3, 4)
    for parameter in module.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.ones_(module.project.weight)
    torch.nn.init.ones_(module.attn[0].weight)
    torch.nn.init.ones_(module.attn[2].weight)
    picture = torch.zeros(1, 3, 5, 5, requires_grad=True)
    module(picture)[0].square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters())


# ---------------------------------------------------------------- the hosts


@pytest.mark.parametrize('cls', HOSTS)
@pytest.mark.parametrize('enc', [False, True])
@torch.no_grad()
def test_hosts_equal_their_plain_sequences(cls, enc):
    torch.manual_seed(0)
    enhancer = cls(exposure_normalization=enc).eval()
    pictures = torch.rand(2, 3, 20, 36)
    ours = enhancer(pictures)
    theirs = plain(cls.__name__.lower()).forward(enhancer, pictures)
    torch.testing.assert_close(ours.maps['raw'], theirs, rtol=0, atol=1e-5)
    assert torch.equal(ours.image, ours.maps['raw'].clamp(0, 1))


@pytest.mark.parametrize('cls', HOSTS)
@pytest.mark.parametrize('enc', [False, True])
@torch.no_grad()
def test_a_batch_equals_its_pictures(cls, enc):
    torch.manual_seed(0)
    enhancer = cls(exposure_normalization=enc).eval()
    pictures = torch.rand(3, 3, 18, 21) * torch.tensor([1.0, 0.01, 0.3]).view(3, 1, 1, 1)
    together = enhancer(pictures)
    assert 'normalized' not in together.maps
    for k in range(3):
        alone = enhancer(pictures[k : k + 1])
        for name, tensor in together.maps.items():
            torch.testing.assert_close(tensor[k], alone.maps[name][0], rtol=0, atol=1e-5)


@pytest.fixture(scope='module')
def networks():
    torch.manual_seed(0)
    return [cls(exposure_normalization=enc) for cls in HOSTS for enc in (False, True)]


@settings(max_examples=6, deadline=None)
@given(
    size=st.tuples(st.integers(1, 35), st.integers(1, 35)),
    levels=st.lists(st.sampled_from([0.0, 0.004, 1.0]), min_size=3, max_size=3),
    training=st.booleans(),
)
def test_any_size_and_any_picture_stay_finite(networks, size, levels, training):
    ramp = torch.linspace(0, 1, size[0] * size[1]).view(1, 1, *size)
    picture = ramp * torch.tensor(levels).view(1, 3, 1, 1)
    for enhancer in networks:
        enhancer.train(training)
        with torch.set_grad_enabled(training):
            result = enhancer(picture)
            assert result.image.shape == picture.shape
            assert all(torch.isfinite(tensor).all() for tensor in result.maps.values())
            if training:
                enhancer.zero_grad()
                losses = enhancer.loss(result, picture, picture.flip(-1))
                sum(losses.values()).backward()
                assert all(torch.isfinite(p.grad).all() for p in enhancer.parameters())


@pytest.mark.parametrize('cls', HOSTS)
def test_pairs_are_needed(cls):
    enhancer, picture = cls(), torch.rand(1, 3, 16, 16)
    result = enhancer(picture)
    with pytest.raises(ValueError, match='learns from pairs but got no `references`'):
        enhancer.loss(result, picture)
    with pytest.raises(ValueError, match='must have the shape of `images`'):
        enhancer.loss(result, picture, picture[:, :1])


# ---------------------------------------------------------------- the loss on features


@pytest.mark.parametrize('cls, size', [(DRBN, (10, 13)), (SID, (17, 21))])
def test_features_are_compared_with_those_of_the_frozen_copy(tmp_path, cls, size):
    torch.manual_seed(0)
    earlier = cls(exposure_normalization=True)
    enhancer = cls(distill=saved(tmp_path, earlier.state_dict()), exposure_normalization=True)
    picture, reference = torch.rand(2, 1, 3, *size).unbind()
    state = torch.random.get_rng_state()
    losses = enhancer.loss(enhancer(picture), picture, reference)
    assert torch.equal(state, torch.random.get_rng_state())

    x, y = enhancer(picture).maps, earlier(reference).maps
    distance = sum((x[n] - y[n]).abs().mean() for n in ('normalized', 'compensated'))
    gamma = dict(DRBN=0.1, SID=0.2)[cls.__name__]
    assert losses['loss_feature'].item() == pytest.approx(gamma * distance.item(), rel=1e-5)
    assert len(losses) == 2

    frozen = deepcopy(enhancer._teacher[0].state_dict())
    optimizer = torch.optim.Adam(enhancer.parameters(), lr=0.1)
    losses['loss_feature'].backward()
    optimizer.step()
    for name, tensor in enhancer._teacher[0].state_dict().items():
        assert torch.equal(tensor, frozen[name])
    assert set(enhancer.state_dict()) == set(earlier.state_dict())
    assert len(list(enhancer.parameters())) == len(list(earlier.parameters()))
    assert pickle.loads(pickle.dumps(enhancer)).distill == enhancer.distill


@pytest.mark.parametrize('cls', HOSTS)
def test_the_earlier_copy_may_be_wrong_in_three_ways(tmp_path, cls):
    with pytest.raises(ValueError, match='`distill` compares features'):
        cls(distill='earlier.pth')
    picture = torch.rand(1, 3, 16, 16)
    gone = cls(exposure_normalization=True, distill=str(tmp_path / 'gone.pth'))
    with pytest.raises(FileNotFoundError, match='`distill` names no weights'):
        gone.loss(gone(picture), picture, picture)
    without = saved(tmp_path, cls().state_dict())
    other = cls(exposure_normalization=True, distill=without)
    with pytest.raises(ValueError, match='exposure_normalization'):
        other.loss(other(picture), picture, picture)
