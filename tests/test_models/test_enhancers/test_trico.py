"""TriCo as a whole: its size, its arithmetic, its results."""

import copy
import pickle
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from llv.models.enhancers.base import Enhancement
from llv.models.enhancers.build import build_enhancer
from llv.models.enhancers.options import pack_options, unpack_options
from llv.models.enhancers.trico.attention import TransposedAttention
from llv.models.enhancers.trico.prior import SemanticPrior
from llv.models.enhancers.trico.trico import TriCo
from llv.registry import MODELS
from llv.utils.complexity import count_macs

ROOT = Path(__file__).parents[3]
SMALL = dict(
    width=8, illumination_width=4, blocks=(1, 1, 1, 1), heads=(1, 2, 2, 4), ffn_expansion=1.5
)
CHANNELS = (2, 3, 4, 5)


class TinyPrior(SemanticPrior):
    """Four maps at strides 2, 4, 8 and 8, with batch normalisation to be kept from learning."""

    def __init__(self, long_side=None):
        torch.manual_seed(5)
        parts = [nn.Conv2d(3, 2, 2, 2), nn.Conv2d(2, 3, 2, 2), nn.Conv2d(3, 4, 2, 2)]
        self.built = None
        encoder = _Maps(*parts, nn.Sequential(nn.Conv2d(4, 5, 1), nn.BatchNorm2d(5)))
        super().__init__(encoder, CHANNELS, dict(type='llv.TinyPrior'), long_side=long_side)


class _Maps(nn.Sequential):
    def forward(self, x):
        maps = []
        for part in self:
            x = part(x)
            maps.append(x)
        return maps


@pytest.fixture(scope='module', autouse=True)
def registered():
    MODELS.register_module(module=TinyPrior)
    yield
    MODELS.module_dict.pop('TinyPrior')


def small(scale=2, seed=0, **options):
    """A narrow TriCo whose layers all do something."""
    torch.manual_seed(seed)
    enhancer = TriCo(scale, **{**SMALL, **options})
    with torch.no_grad():
        for parameter in enhancer.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return enhancer.eval()


def dark(*size, seed=1):
    return 0.2 * torch.rand(*size, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------- size


class Stub(SemanticPrior):
    """Features that were computed before, so that nothing of a prior is counted."""

    def __init__(self, channels, strides):
        super().__init__(nn.Identity(), channels, dict(type='none'))
        self.strides = strides

    def forward(self, images):
        height, width = images.shape[-2:]
        return [
            images.new_zeros(len(images), c, height // s, width // s)
            for c, s in zip(self.out_channels, self.strides, strict=True)
        ]


SAM = (64, 128, 160, 320), (4, 8, 16, 16)
RESNET = (64, 128, 256, 512), (4, 8, 16, 32)


def published(monkeypatch, semantics=None, device='meta', **options):
    """The published size, on the meta device by default."""
    with torch.device(device):
        if semantics is not None:
            stub = Stub(*semantics)
            monkeypatch.setattr('llv.models.enhancers.trico.trico.build_prior', lambda _: stub)
            options['prior'] = 'none'
        return TriCo(**options).eval()


def count(module):
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


@torch.no_grad()
def conv_macs(enhancer):
    total = 0

    def add(module, _, output):
        nonlocal total
        total += output.numel() * module.weight[0].numel()

    handles = [m.register_forward_hook(add) for m in enhancer.modules() if isinstance(m, nn.Conv2d)]
    result = enhancer.enhance(torch.zeros(1, 3, 128, 128, device='meta'))
    for handle in handles:
        handle.remove()
    side = 128 * enhancer.scale
    assert result.image.shape == (1, 3, side, side)
    return total


@pytest.mark.parametrize(
    'scale, parameters, macs',
    [(1, 1427076, 9688594432), (2, 1435176, 20774139904), (4, 1480204, 31293454336)],
)
def test_parameters_and_macs_of_each_scale(monkeypatch, scale, parameters, macs):
    enhancer = published(monkeypatch, SAM, scale=scale)
    assert count(enhancer) == parameters
    assert conv_macs(enhancer) == macs
    if scale == 2:  # Table 2 of the paper
        assert abs(parameters / 1.424e6 - 1) < 0.02 and abs(macs / 20.774e9 - 1) < 0.02


@pytest.mark.parametrize(
    'semantics, options, parameters, giga',
    [
        (None, {}, 1391912, 20.766),
        (RESNET, {}, 1453608, 20.774),
        (None, dict(use_ihem=False), 949866, 18.379),
    ],
)
def test_parameters_and_macs_of_the_variants(monkeypatch, semantics, options, parameters, giga):
    enhancer = published(monkeypatch, semantics, scale=2, **options)
    assert count(enhancer) == parameters
    assert conv_macs(enhancer) / 1e9 == pytest.approx(giga, abs=5e-4)


@pytest.mark.parametrize(
    'semantics, options, giga',
    [
        (SAM, dict(scale=1), 10.286),
        (SAM, dict(scale=2), 21.476),
        (SAM, dict(scale=4), 32.415),
        (None, dict(use_ihem=False), 18.775),
    ],
)
def test_macs_with_attention_and_reassembly_as_the_tools_count_them(
    monkeypatch, semantics, options, giga
):
    enhancer = published(monkeypatch, semantics, 'cpu', **options)
    assert count_macs(enhancer, (128, 128)) / 1e9 == pytest.approx(giga, rel=0.01)


def test_shapes_inside_the_modulators(monkeypatch, tmp_path):
    """What comes in on each level and the matrices of attention, for a picture of 128 pixels and MobileSAM."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))  # without its weights
    with torch.device('meta'):
        enhancer = TriCo(prior=dict(type='sam', allow_random_init=True)).eval()
    inputs, matrices = {}, {}
    weights = TransposedAttention.weights

    def watched(self, query, key):
        matrices[self] = weights(self, query, key)
        return matrices[self]

    monkeypatch.setattr(TransposedAttention, 'weights', watched)
    for level in enhancer.refiner.modulators:
        level.register_forward_pre_hook(inputs.__setitem__)
    enhancer.enhance(torch.zeros(1, 3, 128, 128, device='meta'))
    wanted = [  # heads, sides of the features, channels and sides of what the prior sees
        (1, 128, 64, 32),
        (2, 64, 128, 16),
        (4, 32, 160, 8),
        (8, 16, 320, 8),
    ]
    for level, (heads, side, channels, seen) in zip(
        enhancer.refiner.modulators, wanted, strict=True
    ):
        features, semantic, illumination = inputs[level]
        assert features.shape == (1, 64, side, side)
        assert semantic.shape == (1, channels, seen, seen)
        assert illumination.shape == (1, 32, side, side)
        for part in (level.semantic, level.illumination):
            assert matrices[part.attention].shape == (1, heads, 64 // heads, 64 // heads)


def test_parameters_of_the_parts(monkeypatch):
    enhancer = published(monkeypatch, SAM, scale=2)
    refiner = enhancer.refiner
    assert count(enhancer.regulator) == 165123
    assert [count(level) for level in refiner.encoder] == [54069, 54070, 108144, 216304]
    assert [count(level) for level in refiner.modulators] == [114666, 118764, 120816, 131064]
    names = ('stem', 'down', 'up', 'fuse', 'refinement')
    parts = {name: count(getattr(refiner, name)) for name in names}
    assert parts == dict(stem=1792, down=27648, up=12480, fuse=24768, refinement=54069)
    assert count(refiner.head[0]) == 8100
    assert count(refiner.head) + count(refiner.to_rgb) == 231399


def test_the_two_groups_are_all_parameters_and_share_none():
    enhancer = small(prior=dict(type='llv.TinyPrior'))
    illumination = list(enhancer.illumination_parameters())
    refinement = list(enhancer.refinement_parameters())
    groups = [id(p) for p in illumination + refinement]
    assert len(set(groups)) == len(groups)
    assert set(groups) == {id(p) for p in enhancer.parameters()}
    assert count(enhancer.regulator) == sum(p.numel() for p in illumination)


# ---------------------------------------------------------------- arithmetic


def plain(enhancer, x, semantic):
    """The network once more, from the formulas, with nothing of the library but its tensors.

    Args:
        x: (1, 3, H, W), sides multiples of eight.
        semantic: Function from v to four feature maps, or None.

    Returns:
        y, v, u and α.
    """
    state = dict(enhancer.named_parameters())
    heads, scale = SMALL['heads'], enhancer.scale

    def conv(name, t, groups=1):
        weight = state[f'{name}.weight']
        padding = weight.shape[-1] // 2
        return F.conv2d(t, weight, state.get(f'{name}.bias'), padding=padding, groups=groups)

    def lrelu(t):
        return torch.where(t > 0, t, 0.2 * t)

    def up(t, factor=2):
        return F.interpolate(t, scale_factor=factor, mode='bilinear', align_corners=False)

    def unit(name, t):
        skip = conv(f'{name}.skip', t) if f'{name}.skip.weight' in state else t
        return skip + lrelu(conv(f'{name}.conv2', lrelu(conv(f'{name}.conv1', t))))

    def norm(name, t):
        mean, var = t.mean(1, keepdim=True), t.var(1, keepdim=True, unbiased=False)
        weight, bias = (state[f'{name}.{k}'].view(1, -1, 1, 1) for k in ('weight', 'bias'))
        return (t - mean) / (var + 1e-5).sqrt() * weight + bias

    def attend(name, r, source, n):
        c, size = r.shape[1], r.shape[-2:]
        q = conv(f'{name}.query_filter', conv(f'{name}.query', source), c)
        kv = conv(f'{name}.key_value_filter', conv(f'{name}.key_value', r), 2 * c)
        q, k, v = (t.reshape(n, c // n, -1) for t in (q, kv[:, :c], kv[:, c:]))
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        logits = state[f'{name}.multiplier'] * torch.einsum('nip,njp->nij', q, k)
        weights = logits.exp() / logits.exp().sum(-1, keepdim=True)
        out = torch.einsum('nij,njp->nip', weights, v).reshape(1, c, *size)
        return conv(f'{name}.output', out)

    def feed(name, t):
        t = conv(f'{name}.expand', t)
        a, b = conv(f'{name}.depthwise', t, t.shape[1]).chunk(2, 1)
        return conv(f'{name}.project', 0.5 * a * (1 + torch.erf(a / 2**0.5)) * b)

    def block(name, r, n):
        normed = norm(f'{name}.norm_attention', r)
        r = r + attend(f'{name}.attention', normed, normed, n)
        return r + feed(f'{name}.feed_forward', norm(f'{name}.norm_feed_forward', r))

    def induced(name, r, source, n):
        source = norm(f'{name}.norm_source', source)
        r = r + attend(f'{name}.attention', norm(f'{name}.norm_features', r), source, n)
        return r + feed(f'{name}.feed_forward', norm(f'{name}.norm_feed_forward', r))

    def double(name, f):
        product = 1
        for branch in (f'{name}.branch1', f'{name}.branch2'):
            t = conv(f'{branch}.0', f)
            product = product * conv(f'{branch}.1', t, t.shape[1])
        kernels = F.pixel_shuffle(conv(f'{name}.logits', product), 2).softmax(1)
        h, w = f.shape[-2:]
        near = F.unfold(F.pad(f, (2, 2, 2, 2), mode='replicate'), 5)
        near = near.view(f.shape[1], 25, h, w).repeat_interleave(2, 2).repeat_interleave(2, 3)
        return (near * kernels).sum(1)[None]

    e = lrelu(conv('regulator.stem', x))
    skips = []
    for k in range(4):
        e = unit(f'regulator.encoder.{k}', F.max_pool2d(e, 2) if k else e)
        skips.append(e)
    feats = [None, None, None, e]
    for k in (2, 1, 0):
        feats[k] = unit(f'regulator.decoder.{k}', torch.cat([up(feats[k + 1]), skips[k]], 1))
    alpha = 1 / (1 + torch.exp(-conv('regulator.head', feats[0])))
    u = alpha * x + (1 - alpha)
    v = x / u.clamp_min(1e-4)

    maps = None if semantic is None else semantic(v)
    r = conv('refiner.stem', v)
    skips = []
    for k in range(4):
        if k:
            r = F.pixel_unshuffle(conv(f'refiner.down.{k - 1}', r), 2)
        for j in range(SMALL['blocks'][k]):
            r = block(f'refiner.encoder.{k}.{j}', r, heads[k])
        skips.append(r)
    for k in (3, 2, 1, 0):
        if k < 3:
            r = conv(f'refiner.fuse.{k}', torch.cat([up(conv(f'refiner.up.{k}', r)), skips[k]], 1))
        name = f'refiner.modulators.{k}'
        source = r
        if maps is not None:
            source = conv(f'{name}.semantic.project', maps[k])
            source = F.interpolate(source, r.shape[-2:], mode='bilinear', align_corners=False)
        r = induced(f'{name}.semantic', r, source, heads[k])
        r = induced(
            f'{name}.illumination', r, conv(f'{name}.illumination.project', feats[k]), heads[k]
        )
    r = block('refiner.refinement', r, 1)
    first = 0
    if scale > 1:
        r, first = double('refiner.head.0', r), 1
    for k in range(first, first + 3):
        r = unit(f'refiner.head.{k}', r)
    if scale > 2:
        r = lrelu(conv('refiner.head.5', double('refiner.head.4', r)))
    return conv('refiner.to_rgb', r) + up(v, scale), v, u, alpha


@pytest.mark.parametrize('prior', ['none', 'llv.TinyPrior'])
@pytest.mark.parametrize('scale', [1, 2, 4])
@torch.no_grad()
def test_equals_the_formulas(scale, prior):
    enhancer = small(scale, prior=prior)
    x = dark(1, 3, 24, 16)
    found = enhancer(x).maps
    for name, value in zip(
        ('raw', 'reflectance', 'illumination', 'alpha'),
        plain(enhancer, x, enhancer.prior),
        strict=True,
    ):
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=2e-5, msg=name)


@torch.no_grad()
def test_starts_from_the_enlarged_reflectance():
    torch.manual_seed(0)
    enhancer = TriCo(2, **SMALL).eval()
    result = enhancer(dark(1, 3, 16, 16))
    enlarged = F.interpolate(result.maps['reflectance'], scale_factor=2, mode='bilinear')
    assert 0 < (result.maps['raw'] - enlarged).abs().max() < 0.2
    assert abs(enhancer(torch.zeros(1, 3, 16, 16)).maps['alpha'].mean() - 0.88) < 0.1
    alone = TriCo(2, **SMALL, use_global_residual=False).eval()
    alone.load_state_dict({**enhancer.state_dict(), 'options': alone.options})
    difference = result.maps['raw'] - alone(dark(1, 3, 16, 16)).maps['raw']
    torch.testing.assert_close(difference, enlarged, rtol=0, atol=1e-6)


# ---------------------------------------------------------------- pictures of any size


@pytest.mark.parametrize('scale', [1, 2, 4])
@pytest.mark.parametrize('size', [(37, 53), (8, 8), (1, 1), (3, 9), (20, 5), (16, 7)])
@torch.no_grad()
def test_any_size_comes_out_enlarged_and_a_batch_equals_its_pictures(scale, size):
    enhancer = small(scale, prior='llv.TinyPrior')
    pictures = dark(2, 3, *size)
    pictures[1] *= 4
    together = enhancer(pictures)
    assert together.image.shape == (2, 3, scale * size[0], scale * size[1])
    assert torch.equal(together.image, together.maps['raw'].clamp(0, 1))
    for k in range(2):
        alone = enhancer(pictures[k : k + 1])
        for name, value in alone.maps.items():
            torch.testing.assert_close(together.maps[name][k], value[0], rtol=0, atol=1e-5)
            if name != 'raw':
                assert value.shape == (1, 3, *size)


@pytest.mark.parametrize(
    'size, replicated', [((37, 53), 0), ((5, 16), 0), ((15, 3), (0, 2)), ((1, 4), (4, 1))]
)
@torch.no_grad()
def test_the_rim_is_reflected_behind_five_pixels_at_least(size, replicated):
    enhancer = small(2)
    picture = padded = dark(1, 3, *size)
    if replicated:
        below, right = replicated
        padded = F.pad(padded, (0, right, 0, below), mode='replicate')
    rim = (0, -padded.shape[-1] % 8, 0, -padded.shape[-2] % 8)
    whole = enhancer(F.pad(padded, rim, mode='reflect')).image
    assert torch.equal(enhancer(picture).image, whole[..., : 2 * size[0], : 2 * size[1]])


def test_the_pictures_of_rellisur_are_doubled():
    with torch.device('meta'):
        enhancer = TriCo(2, **SMALL).eval()
    result = enhancer.enhance(torch.zeros(1, 3, 625, 625, device='meta'))
    assert result.image.shape == (1, 3, 1250, 1250)
    assert result.maps['raw'].untyped_storage().nbytes() == 4 * 3 * (2 * 632) ** 2


# ---------------------------------------------------------------- memory


class Peak(TorchDispatchMode):
    """Largest sum of the bytes of all tensors alive that were made inside."""

    def __enter__(self):
        self.alive, self.peak = {}, 0
        return super().__enter__()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                self.alive.setdefault(storage._cdata, (StorageWeakRef(storage), storage.nbytes()))
        self.alive = {k: v for k, v in self.alive.items() if not v[0].expired()}
        self.peak = max(self.peak, sum(size for _, size in self.alive.values()))
        return result


@pytest.mark.parametrize('scale, inference, training', [(1, 4.5, 52), (2, 4.9, 64), (4, 17.5, 83)])
def test_memory_for_each_pixel(monkeypatch, scale, inference, training):
    """kB of a picture's own pixel; the values were measured with a plain form of the network."""
    monkeypatch.setattr('llv.models.enhancers.trico.reassembly._BYTES_CPU', 2**16)
    enhancer = TriCo(scale).eval()
    picture = dark(1, 3, 48, 48)
    with torch.no_grad(), Peak() as mode:
        enhancer(picture)
    assert mode.peak / 48**2 <= 1000 * inference

    saved = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage
        return tensor

    own = {p.untyped_storage().data_ptr() for p in enhancer.parameters()}
    picture = picture[..., :32, :32].contiguous()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        attached = enhancer(picture)
    bytes_ = sum(s.nbytes() for pointer, s in saved.items() if pointer not in own)
    assert bytes_ / 32**2 <= 1000 * training
    assert attached.image.requires_grad


# ---------------------------------------------------------------- learning


@pytest.mark.parametrize('scale', [1, 2, 4])
@pytest.mark.parametrize(
    'options',
    [
        dict(prior='llv.TinyPrior'),
        dict(use_ihem=False),
        dict(use_lii=False),
        dict(prior='llv.TinyPrior', use_lii=False),
    ],
    ids=str,
)
def test_every_parameter_has_a_gradient_from_the_start(scale, options):
    torch.manual_seed(0)
    enhancer = TriCo(scale, **SMALL, **options, scene_loss=dict(type='llv.TriCoLoss')).train()
    picture, references = dark(2, 3, 32, 24), 4 * dark(2, 3, scale * 32, scale * 24, seed=2)
    sum(enhancer.loss(enhancer(picture), picture, references).values()).backward()
    for name, parameter in enhancer.named_parameters():
        if name.startswith('scene_loss.hyper.'):  # which its own loop moves, by closed forms
            assert parameter.grad is None
        else:
            assert parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_the_reflectance_passes_gradients_to_the_regulator():
    enhancer = small(use_ihem=False)
    (gradient,) = torch.autograd.grad(
        enhancer(dark(1, 3, 16, 16)).maps['raw'].sum(), [enhancer.regulator.head.bias]
    )
    assert gradient.abs().min() > 0


def test_steps_bring_the_loss_down():
    enhancer = small(2, scene_loss=dict(type='llv.TriCoLoss')).train()
    target = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    target = F.interpolate(target, scale_factor=2, mode='bilinear')
    picture = 0.1 * F.avg_pool2d(target, 2)
    optimizer = torch.optim.Adam((p for p in enhancer.parameters() if p.requires_grad), lr=3e-3)
    totals = []
    for _ in range(12):
        losses = enhancer.loss(enhancer(picture), picture, target)
        assert all(name.startswith('loss') for name in losses)
        totals.append(sum(losses.values()))
        optimizer.zero_grad()
        totals[-1].backward()
        optimizer.step()
    assert totals[-1] < 0.9 * totals[0]


def test_without_a_loss_says_so():
    enhancer = small()
    picture = dark(1, 3, 8, 8)
    with pytest.raises(TypeError, match='no scene loss; give it one by `scene_loss=dict'):
        enhancer.loss(enhancer(picture), picture)


# ---------------------------------------------------------------- the prior beside the network


def test_the_prior_is_frozen_and_in_no_checkpoint():
    enhancer = small(prior=dict(type='llv.TinyPrior')).train()
    with_none = small(prior='none')
    assert not any('prior' in name for name, _ in enhancer.named_modules())
    extra = set(enhancer.state_dict()) - set(with_none.state_dict())
    assert len(extra) == 8 and all('semantic.project' in name for name in extra)
    before = copy.deepcopy(enhancer.prior.state_dict())
    enhancer.prior.train()
    enhancer(dark(1, 3, 16, 16)).image.sum().backward()
    for name, value in enhancer.prior.state_dict().items():
        assert torch.equal(value, before[name])
    assert not any(module.training for module in enhancer.prior.modules())
    assert all(not p.requires_grad and p.grad is None for p in enhancer.prior.parameters())


def test_gradients_pass_the_prior_only_where_asked_for():
    gradients = []
    for detach in (True, False):
        enhancer = small(prior='llv.TinyPrior', detach_prior=detach)
        enhancer(dark(1, 3, 16, 16)).image.square().mean().backward()
        gradients.append(enhancer.regulator.head.weight.grad)
        assert all(p.grad is None for p in enhancer.prior.parameters())
    assert not torch.allclose(*gradients)


@torch.no_grad()
def test_the_prior_goes_where_the_network_goes():
    enhancer = small(prior='llv.TinyPrior')
    picture = dark(1, 3, 9, 12)
    expected = enhancer(picture).image
    for twin in (copy.deepcopy(enhancer), pickle.loads(pickle.dumps(enhancer))):
        assert twin.prior is not enhancer.prior
        assert torch.equal(twin(picture).image, expected)
    enhancer.half()  # casts what is around an enhancer, not the enhancer
    assert {t.dtype for t in enhancer.prior.encoder.parameters()} == {torch.float32}
    enhancer.to('meta')
    assert all(t.is_meta for t in (*enhancer.prior.parameters(), *enhancer.prior.buffers()))


@torch.no_grad()
def test_without_modulators_the_prior_is_not_run():
    enhancer = small(prior='llv.TinyPrior', use_ihem=False)
    enhancer.prior.missing = 'gone'
    enhancer(dark(1, 3, 8, 8))


# ---------------------------------------------------------------- options and weights


@pytest.mark.parametrize(
    'options, sentence',
    [
        (dict(scale=3), '`scale` must be 1, 2 or 4, .* but got 3'),
        (dict(width=10), '`width` must be a multiple of 4'),
        (dict(width=8, heads=(1, 2, 3, 4)), r'multiple of 4 and of all `heads` \(1, 2, 3, 4\)'),
        (dict(blocks=(1, 2)), '`blocks` must be four positive integers'),
        (dict(illumination_width=0), '`illumination_width` must be a positive integer'),
        (dict(ffn_expansion=0), '`ffn_expansion` must give'),
        (dict(upsampling_rank=0), '`upsampling_rank` must be a positive integer'),
        (dict(upsampling_kernel=4), '`upsampling_kernel` must be odd, .* but got 4'),
        (dict(prior='clip'), "`prior` must be 'sam', 'torchvision' or 'none'"),
        (dict(prior=dict(weights='x')), "`prior` must be 'sam', 'torchvision' or 'none'"),
        (dict(prior=dict(type='llv.TriCoLoss')), "`prior` must be 'sam', 'torchvision' or 'none'"),
    ],
    ids=str,
)
def test_wrong_options_are_told_in_a_sentence(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        TriCo(**{**SMALL, **options})


@torch.no_grad()
def test_a_checkpoint_brings_its_network_and_its_prior(tmp_path):
    options = dict(prior=dict(type='llv.TinyPrior', long_side=24), use_global_residual=False)
    trained = small(4, scene_loss=dict(type='llv.TriCoLoss'), **options)
    torch.save(dict(state_dict=trained.state_dict()), tmp_path / 'trained.pth')
    picture = dark(1, 3, 9, 8)
    for loss in (None, dict(type='llv.TriCoLoss', leave_out=['tv'])):
        again = TriCo(weights=str(tmp_path / 'trained.pth'), scene_loss=loss).eval()
        assert again.scale == 4 and again.prior.long_side == 24
        assert torch.equal(again(picture).image, trained(picture).image)
    with pytest.raises(ValueError, match='`scale=2` contradicts'):
        TriCo(2, weights=str(tmp_path / 'trained.pth'))
    with pytest.raises(ValueError, match='`prior=.*none.* contradicts'):
        TriCo(prior='none', weights=str(tmp_path / 'trained.pth'))


@torch.no_grad()
def test_a_checkpoint_brings_its_upsampling(tmp_path):
    trained = small(4, upsampling_rank=6, upsampling_kernel=3)
    assert trained.refiner.head[0].logits.weight.shape == (4 * 3**2, 6, 1, 1)
    assert trained.refiner.head[4].branch1[0].weight.shape == (6, 8, 1, 1)
    torch.save(trained.state_dict(), tmp_path / 'trained.pth')
    again = TriCo(weights=str(tmp_path / 'trained.pth')).eval()
    picture = dark(1, 3, 9, 8)
    assert torch.equal(again(picture).image, trained(picture).image)
    with pytest.raises(ValueError, match='`upsampling_rank=32` contradicts'):
        TriCo(upsampling_rank=32, weights=str(tmp_path / 'trained.pth'))


def test_a_checkpoint_from_before_the_upsampling_had_options_is_read(tmp_path):
    state = small(2).state_dict()
    old = unpack_options(state['options'], 'it')
    assert old.pop('upsampling_rank') == 32 and old.pop('upsampling_kernel') == 5
    torch.save({**state, 'options': pack_options(old)}, tmp_path / 'old.pth')
    again = TriCo(weights=str(tmp_path / 'old.pth'))
    assert all(torch.equal(value, state[name]) for name, value in again.state_dict().items())
    small(2, seed=1).load_state_dict({**state, 'options': pack_options(old)})


def test_the_gain_at_the_start_is_an_option_and_no_part_of_the_weights():
    assert TriCo(2, **SMALL).regulator.head.bias.tolist() == [2.0] * 3
    brighter = TriCo(2, **SMALL, illumination_bias=4.0)
    assert brighter.regulator.head.bias.tolist() == [4.0] * 3
    brighter.load_state_dict(small(2).state_dict())
    assert 'illumination_bias' not in unpack_options(brighter.options, 'it')


def test_base_config_lights_at_the_size_of_the_picture():
    cfg = Config.fromfile(ROOT / 'configs/_base_/enhancers/trico.py')
    enhancer = build_enhancer(cfg.enhancer)
    assert enhancer.scale == 1 and enhancer.prior is None
    assert isinstance(enhancer, TriCo)


@torch.no_grad()
def test_mixed_precision_does_not_reach_it():
    enhancer = small(prior='llv.TinyPrior')
    picture = dark(1, 3, 8, 8)
    outside = enhancer(picture)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        inside = enhancer(picture)
        lit = enhancer.regulator(picture.bfloat16())
    assert isinstance(inside, Enhancement) and torch.equal(inside.image, outside.image)
    assert {t.dtype for t in (*lit[:3], *lit.features)} == {torch.float32}
