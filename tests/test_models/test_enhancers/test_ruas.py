import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import ExponentialMovingAverage
from mmengine.runner import load_checkpoint

from llv.models import EnhancementModel
from llv.models.enhancers.base import Enhancement
from llv.models.enhancers.ruas import RUAS, VARIANTS, rename_official
from llv.models.enhancers.scene_module import local_maximum
from llv.registry import MODELS
from llv.search import genotypes

CASES = [
    (weights, image)
    for weights in ('journal_lol', 'cvpr21_lol')
    for image in ('lol_00001', 'lol_00271', 'darkface_31')
]
FILES = dict(journal_lol='lol.pt', cvpr21_lol='cvpr21_lol.pt')


@pytest.fixture
def folder(reference_dir):
    return reference_dir / 'ruas'


def read(path):
    """A picture as the network takes it: (1, 3, H, W) RGB in [0, 1]."""
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255


def close(tensor, array, tolerance=1e-5):
    np.testing.assert_allclose(tensor.numpy(), array, rtol=0, atol=tolerance)


# ---------------------------------------------------------------- published results


@pytest.mark.parametrize('weights, image', CASES)
@torch.no_grad()
def test_published_results(folder, weights, image):
    golden = np.load(folder / f'{weights}__{image}.npz')
    version = 'RUAS_A' if weights == 'journal_lol' else 'RUAS'
    enhancer = RUAS(version, weights=str(folder / FILES[weights])).eval()
    picture = read(folder / f'{image}_input.png')
    assert list(picture.shape[2:]) == golden['image_hw'].tolist()

    result = enhancer(picture)
    out = result.maps['raw'][0]
    scene, illumination = result.maps['scene'][0], result.maps['illumination'][0]
    close(result.image[0], out.clamp(0, 1).numpy(), 0)
    denoised = not torch.equal(out, scene)
    assert denoised == bool(golden['denoised'])
    if 'noise_level' in golden:
        level = result.maps['noise_level'].item()
        assert level == pytest.approx(float(golden['noise_level']), abs=2e-4)

    y0, x0, size = golden['crop_yx_size'].tolist()
    crop = (slice(None), slice(y0, y0 + size), slice(x0, x0 + size))
    close(out[crop], golden['u_out'])
    close(scene[crop], golden['u_scene'] if denoised else golden['u_out'])
    close(illumination[crop], golden['t_scene'])
    for name, tensor in dict(u_out=out, u_scene=scene, t_scene=illumination).items():
        if f'{name}_corner_tl' in golden:
            close(tensor[:, :16, :16], golden[f'{name}_corner_tl'])
        if f'{name}_corner_br' in golden:
            close(tensor[:, -16:, -16:], golden[f'{name}_corner_br'])
        if f'{name}_mean' in golden:
            pixels = tensor.double().flatten(1)
            close(pixels.mean(1), golden[f'{name}_mean'])
            close(pixels.std(1, unbiased=False), golden[f'{name}_std'])
            close(pixels.amin(1), golden[f'{name}_min'])
            close(pixels.amax(1), golden[f'{name}_max'])

    stages = [[tensor[0] for tensor in stage] for stage in enhancer.scene.unroll(picture)]
    part = (slice(None), slice(y0, y0 + 32), slice(x0, x0 + 32))
    for k in (1, 2):
        close(stages[k - 1][0][part], golden[f'u_stage{k}_32'])
        close(stages[k - 1][1][part], golden[f't_stage{k}_32'])


@pytest.mark.parametrize('image', ['lol_00001', 'lol_00271'])
@torch.no_grad()
def test_published_losses(folder, image):
    """The noise removal is judged by its own loss, the scene module by the scene loss."""
    published = json.loads((folder / 'loss_values.json').read_text())['real_images'][image]
    enhancer = RUAS('RUAS', weights=str(folder / 'cvpr21_lol.pt'))
    picture = read(folder / f'{image}_input.png')
    losses = enhancer.loss(enhancer(picture), picture)
    expected = dict(
        loss_fidelity=0.5 * published['fidelity_mse'],
        loss_smooth=published['smooth_search_variant'],
        loss_denoise=published['denoise_loss'],
    )
    assert {k: v.item() for k, v in losses.items()} == pytest.approx(expected, rel=1e-4)


def hashed(shape, n, scale):
    """The formula of the artificial weights: hash of the flat index and the key's position."""
    with np.errstate(over='ignore'):
        h = (np.arange(np.prod(shape), dtype=np.uint64) + 1000003 * n).astype(np.uint32)
        h *= np.uint32(2654435761)
        h ^= h >> np.uint32(15)
        h *= np.uint32(2246822519)
        h ^= h >> np.uint32(13)
        h *= np.uint32(3266489917)
        h ^= h >> np.uint32(16)
    return (scale * (h / 2**31 - 1)).astype(np.float32).reshape(shape)


@pytest.fixture
def detection_file(tmp_path):
    """The scene module of the official detection network with the artificial weights."""
    shapes = {}
    for k in range(3):
        for edge in ('c1_r.op', 'c2_d.op', 'c2_r.op', 'c3_d.op', 'c3_r.op', 'c4.op', 'c5'):
            inputs, size = (12 if edge == 'c5' else 3), (3 if edge == 'c4.op' else 1)
            name = f'enhance_net.iems.{k}.cell.{edge}'
            shapes |= {f'{name}.weight': (3, inputs, size, size), f'{name}.bias': (3,)}
    weights = {}
    for n, name in enumerate(sorted(shapes), start=65):  # after 65 tensors of the detector
        scale = 0.05 if name.endswith('bias') else (6 / np.prod(shapes[name][1:])) ** 0.5
        weights[name] = torch.from_numpy(hashed(shapes[name], n, scale))
    weights['detection_net.vgg.0.bias'] = torch.zeros(64)
    torch.save(weights, tmp_path / 'detection.pt')
    return str(tmp_path / 'detection.pt')


@torch.no_grad()
def test_published_detection_variant(folder, detection_file):
    golden = np.load(folder / 'detection_formula.npz')
    enhancer = RUAS(weights=detection_file)
    assert enhancer.variant == 'detection'
    assert sum(p.numel() for p in enhancer.parameters()) == 549
    k, i, j = np.ogrid[:3, :128, :160]
    picture = torch.from_numpy(0.4 * ((i * 7 + j * 13 + k * 29) % 97) / 96)[None].float()
    stages = list(enhancer.scene.unroll(picture))
    close(stages[0][1][0, :, :32, :32], golden['t_stage1'])
    result = enhancer(picture)
    close(result.maps['illumination'][0, :, :32, :32], golden['t_stage3'])
    close(result.image[0], golden['u_stage3'])


# ---------------------------------------------------------------- weight files and options


@pytest.mark.parametrize(
    'options, count',
    [
        (dict(), 1161),
        (dict(variant='cvpr'), 1161),
        (dict(variant='detection'), 549),
        (dict(version='RUAS', variant='cvpr'), 3438),
        (dict(version='RUAS'), 7146),
        (dict(version='RUAS_A'), 36653),
    ],
)
def test_parameter_counts(options, count):
    assert sum(p.numel() for p in RUAS(**options).parameters()) == count


@pytest.mark.parametrize(
    'file, version, variant, t_min, count',
    [
        ('lol.pt', 'RUAS_S', 'journal', 1e-4, 1161),
        ('lol.pt', 'RUAS', 'journal', 1e-4, 7146),
        ('lol.pt', 'RUAS_A', 'journal', 1e-4, 36653),
        ('cvpr21_lol.pt', 'RUAS_S', 'cvpr', 1e-3, 1161),
        ('cvpr21_lol.pt', 'RUAS', 'cvpr', 1e-3, 3438),
    ],
)
def test_official_files_settle_the_options(folder, file, version, variant, t_min, count):
    enhancer = RUAS(version, weights=str(folder / file))
    assert enhancer.variant == variant
    assert enhancer.scene.t_min.item() == pytest.approx(t_min)
    assert sum(p.numel() for p in enhancer.parameters()) == count
    same = RUAS(version, variant=variant, t_min=t_min, weights=str(folder / file))
    for name, tensor in enhancer.state_dict().items():
        assert torch.equal(tensor, same.state_dict()[name])


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(variant='journal'), "`variant='journal'` contradicts .* made with 'cvpr'"),
        (dict(t_min=1e-4), '`t_min=0.0001` contradicts .* made with 0.001'),
        (dict(warm_start='update'), "`warm_start='update'` contradicts"),
        (dict(scene_genotype=['conv_1x1'] * 7), '`scene_genotype=.*contradicts'),
        (dict(noise_genotype=VARIANTS['journal'].noise_genotype), '`noise_genotype=.*contradicts'),
        (dict(version='RUAS_A'), '10 tensors are missing'),
        (dict(stages=2), '`stages=2` contradicts .* made with 3'),
    ],
)
def test_options_that_contradict_an_official_file(folder, options, message):
    with pytest.raises(ValueError, match=message) as error:
        RUAS(weights=str(folder / 'cvpr21_lol.pt'), **options)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('version', ['RUAS_S', 'RUAS', 'RUAS_A'])
@pytest.mark.parametrize('file', ['ruas/denoise.pt', 'zerodce/Epoch99.pth'])
def test_refuses_other_networks(reference_dir, version, file):
    with pytest.raises(ValueError, match='(another network than this|not of) `RUAS`'):
        RUAS(version, weights=str(reference_dir / file))


def test_the_bare_noise_removal_loads_into_the_denoiser(folder):
    weights = torch.load(folder / 'denoise.pt', map_location='cpu', weights_only=True)
    renamed = {k.removeprefix('denoiser.'): v for k, v in rename_official(weights).items()}
    denoiser = RUAS('RUAS', variant='cvpr').denoiser
    denoiser.load_state_dict(renamed, strict=True)
    assert torch.equal(denoiser.head.weight, weights['activate.0.weight'])
    assert torch.equal(denoiser.cells[2].refine[2].conv.bias, weights['nrms.2.c3_r.op.bias'])


@pytest.mark.parametrize('prefix', ['', 'enhancer.', 'data_preprocessor.enhancer.'])
def test_checkpoints_of_llv_bring_their_t_min(tmp_path, prefix):
    trained = RUAS('RUAS', variant='cvpr', t_min=0.02)
    path = str(tmp_path / 'epoch_1.pth')
    state_dict = {prefix + name: value for name, value in trained.state_dict().items()}
    torch.save(dict(state_dict=state_dict), path)
    picture = torch.rand(1, 3, 8, 8)
    for version in ('RUAS', 'RUAS_S'):
        enhancer = RUAS(version, weights=path)
        assert enhancer.variant == 'cvpr'
        assert enhancer.scene.t_min.item() == pytest.approx(0.02)
        assert torch.equal(enhancer(picture).maps['illumination'], trained.scene(picture)[1])
    assert torch.equal(RUAS('RUAS', weights=path)(picture).image, trained(picture).image)
    assert RUAS(t_min=0.02, weights=path).scene.t_min.item() == pytest.approx(0.02)
    with pytest.raises(ValueError, match='`t_min=0.001` contradicts'):
        RUAS(t_min=1e-3, weights=path)


# as the detection cell, with an ordinary 1×1 convolution in place of a residual one
SEARCHED = VARIANTS['detection'].scene_genotype
SEARCHED = (*SEARCHED[:2], 'conv_1x1', *SEARCHED[3:])


@pytest.mark.parametrize(
    'options',
    [
        dict(warm_start='update'),
        dict(variant='detection', warm_start='rectified', t_min=0.01),
        dict(scene_genotype=SEARCHED),
        dict(version='RUAS', variant='cvpr', noise_genotype=['resconv_1x1'] * 7),
        dict(version='RUAS_A', warm_start='update'),
    ],
)
def test_checkpoints_of_llv_bring_all_their_options(tmp_path, options):
    """Weights alone do not tell them: the shapes are those of another network."""
    torch.manual_seed(0)
    trained = RUAS(**options).eval()
    path = str(tmp_path / 'trained.pth')
    torch.save(trained.state_dict(), path)
    version = options.get('version', 'RUAS_S')
    picture = 0.2 * torch.rand(1, 3, 9, 9)
    with torch.no_grad():
        for enhancer in (RUAS(version, weights=path), RUAS(weights=path, **options)):
            assert enhancer.variant == trained.variant
            assert torch.equal(enhancer.eval()(picture).image, trained(picture).image)
        scene = RUAS(weights=path).eval()
        assert torch.equal(scene(picture).image, trained.scene(picture)[0])
        torch.save(scene.state_dict(), path)
        assert torch.equal(RUAS(weights=path)(picture).image, scene(picture).image)


@pytest.mark.parametrize(
    'made, asked',
    [
        (dict(warm_start='update'), dict(warm_start='rectified')),
        (dict(scene_genotype=SEARCHED), dict(scene_genotype=VARIANTS['detection'].scene_genotype)),
        (dict(variant='cvpr'), dict(variant='journal')),
    ],
)
def test_options_that_contradict_a_checkpoint_of_llv(tmp_path, made, asked):
    path = str(tmp_path / 'trained.pth')
    torch.save(RUAS(**made).state_dict(), path)
    name = next(iter(asked))
    with pytest.raises(
        ValueError, match=f'`{name}=.* contradicts .*trained.pth.* made with'
    ) as error:
        RUAS(weights=path, **asked)
    assert '\n' not in str(error.value)


def test_a_model_refuses_a_checkpoint_of_other_options(tmp_path):
    """torch's and mmengine's loaders, which would copy tensors of equal shapes without a word."""
    model, other = (
        EnhancementModel(dict(type='llv.RUAS', warm_start=name)) for name in ('update', 'rectified')
    )
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'iter_1.pth')
    message = "made with `warm_start='update'`, but this `RUAS` has 'rectified'"
    with pytest.raises(ValueError, match=message):
        other.load_state_dict(model.state_dict())
    with pytest.raises(ValueError, match=message):
        load_checkpoint(other, str(tmp_path / 'iter_1.pth'))
    twin = EnhancementModel(dict(type='llv.RUAS', warm_start='update'))
    load_checkpoint(twin, str(tmp_path / 'iter_1.pth'), strict=True)
    picture = torch.rand(3, 6, 6)
    assert torch.equal(twin([picture])[0], model([picture])[0])
    twin.load_state_dict(model.state_dict(), strict=True)


@pytest.mark.parametrize('update_buffers', [True, False])
def test_an_average_of_weights_keeps_the_options(update_buffers):
    enhancer = RUAS('RUAS', warm_start='update', t_min=0.3)
    average = ExponentialMovingAverage(enhancer, momentum=0.1, update_buffers=update_buffers)
    for _ in range(3):
        average.update_parameters(enhancer)
    enhancer.load_state_dict(average.module.state_dict(), strict=True)
    assert torch.equal(average.module.options, enhancer.options)
    assert average.module.scene.t_min.item() == pytest.approx(0.3)


@pytest.mark.parametrize(
    'options, message',
    [
        (torch.zeros(3), 'holds no readable `options`'),
        (torch.tensor(list(b'{"warm'), dtype=torch.uint8), 'holds no readable `options`'),
        (torch.tensor(list(b'[1]'), dtype=torch.uint8), 'holds no readable `options`'),
        (
            torch.tensor(list(b'{"warm_start": "cold"}'), dtype=torch.uint8),
            "made with `warm_start='cold'`, which this version of llv does not know",
        ),
        (
            torch.tensor(list(b'{"warm_start": ["cold"]}'), dtype=torch.uint8),
            'which this version of llv does not know',
        ),
    ],
)
def test_options_that_cannot_be_read(tmp_path, options, message):
    path = str(tmp_path / 'odd.pth')
    torch.save({**RUAS().state_dict(), 'options': options}, path)
    with pytest.raises(ValueError, match=f'odd.pth.*{message}'):
        RUAS(weights=path)
    with pytest.raises(ValueError, match='The checkpoint (holds no readable|was made with)'):
        RUAS().load_state_dict(torch.load(path, weights_only=True))


def test_reading_a_file_draws_no_random_numbers_beyond_the_layers(tmp_path):
    path = str(tmp_path / 'own.pth')
    torch.save(RUAS('RUAS').state_dict(), path)
    torch.manual_seed(0)
    RUAS('RUAS')
    expected = torch.rand(1)
    torch.manual_seed(0)
    RUAS('RUAS', weights=path)
    assert torch.equal(torch.rand(1), expected)


def test_a_file_that_is_gone_is_an_error_until_a_checkpoint_fills_the_module():
    enhancer = RUAS(weights='gone.pt')
    with pytest.raises(FileNotFoundError, match='`gone.pt`'):
        enhancer(torch.rand(1, 3, 4, 4))
    other = RUAS(variant='cvpr')
    enhancer.load_state_dict(other.state_dict())
    picture = torch.rand(1, 3, 4, 4)
    assert torch.equal(enhancer(picture).image, other(picture).image)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(version='RUAS_B'), '`version` must be one of RUAS_S, RUAS, RUAS_A'),
        (dict(variant='lol'), '`variant` must be one of None, journal, cvpr, detection'),
        (dict(warm_start='cold'), '`warm_start` must be one of'),
        (dict(stages=0), '`stages` must be at least 1'),
        (dict(t_min=0.0), '`t_min` must lie between 0 and 1'),
        (dict(variant='detection', version='RUAS'), 'has no noise removal'),
        (dict(scene_genotype=['conv_9x9'] * 7), 'no operation `conv_9x9`'),
    ],
)
def test_refuses_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        RUAS(**options)


def test_the_config_builds_the_scene_module():
    path = Path(__file__).parents[3] / 'configs' / '_base_' / 'enhancers' / 'ruas.py'
    enhancer = MODELS.build(Config.fromfile(path).enhancer)
    assert isinstance(enhancer, RUAS) and enhancer.version == 'RUAS_S'


# ---------------------------------------------------------------- behaviour


def test_local_maximum_looks_right_and_down_and_pads_with_zeros():
    images = torch.rand(2, 3, 4, 5)
    expected = torch.zeros_like(images)
    for i in range(4):
        for j in range(5):
            window = images[:, :, i : i + 2, j : j + 2]
            expected[:, :, i, j] = window.amax(dim=(2, 3))
    assert torch.equal(local_maximum(images), expected)


@pytest.mark.parametrize('version', ['RUAS_S', 'RUAS', 'RUAS_A'])
@pytest.mark.parametrize('size', [(1, 1), (1, 7), (2, 2), (9, 12)])
@pytest.mark.parametrize('value', [0.0, 1.0, None])
def test_extreme_pictures_stay_finite(version, size, value):
    torch.manual_seed(0)
    enhancer = RUAS(version)
    picture = torch.rand(2, 3, *size) if value is None else torch.full((2, 3, *size), value)
    picture.requires_grad_()
    result = enhancer(picture)
    assert isinstance(result, Enhancement)
    assert result.image.shape == picture.shape
    assert result.image.min() >= 0 and result.image.max() <= 1
    losses = enhancer.loss(result, picture)
    assert all(loss.isfinite() for loss in losses.values())
    (result.image.sum() + sum(losses.values())).backward()
    assert picture.grad.isfinite().all()
    for name, parameter in enhancer.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad.isfinite().all(), name
        else:
            assert name.startswith('noise_estimator.')


@pytest.mark.parametrize('variant', ['journal', 'detection'])
def test_gradient_reaches_every_stage(variant):
    """u is handed on attached, so the last illumination moves the first cell."""
    torch.manual_seed(0)
    enhancer = RUAS(variant=variant)
    picture = 0.1 * torch.rand(1, 3, 12, 12)
    enhancer(picture).maps['illumination'].sum().backward()
    for cell in enhancer.scene.stages:
        assert cell.fuse.weight.grad.abs().sum() > 0


def gate(enhancer):
    """Let the estimator return a third of the mean of the red channel."""
    with torch.no_grad():
        for conv in enhancer.noise_estimator.convs:
            conv.weight.zero_()
            conv.bias.zero_()
            conv.weight[0, 0, 1, 1] = 1
    return enhancer


@pytest.mark.parametrize('version', ['RUAS_S', 'RUAS', 'RUAS_A'])
@pytest.mark.parametrize('variant', ['journal', 'cvpr'])
@torch.no_grad()
def test_a_batch_equals_its_pictures(version, variant):
    torch.manual_seed(0)
    enhancer = RUAS(version, variant=variant).eval()
    pictures = torch.rand(4, 3, 13, 17) * torch.tensor([0.5, 0.01, 0.0, 0.3]).view(4, 1, 1, 1)
    if version == 'RUAS_A':
        levels = gate(enhancer)(pictures).maps['noise_level']
        assert (levels >= 0.035).tolist() == [True, False, False, True]
    together = enhancer(pictures)
    for k in range(4):
        alone = enhancer(pictures[k : k + 1])
        torch.testing.assert_close(together.image[k], alone.image[0], rtol=0, atol=1e-5)
        for name, tensor in together.maps.items():
            torch.testing.assert_close(tensor[k], alone.maps[name][0], rtol=0, atol=1e-5)


@torch.no_grad()
def test_the_gate_denoises_picture_by_picture():
    torch.manual_seed(0)
    enhancer = gate(RUAS('RUAS_A').eval())
    always = RUAS('RUAS').eval()
    always.load_state_dict(enhancer.state_dict(), strict=False)
    pictures = torch.stack([torch.rand(3, 6, 6), torch.zeros(3, 6, 6)])
    raw, scene = (enhancer(pictures).maps[name] for name in ('raw', 'scene'))
    torch.testing.assert_close(raw[0], always(pictures).maps['raw'][0])
    assert torch.equal(raw[1], scene[1])
    torch.testing.assert_close(enhancer.train()(pictures).maps['raw'], raw)
    assert not torch.equal(always(pictures).maps['raw'][1], scene[1])


@pytest.mark.parametrize('value', [0.0, 1.0])
def test_every_trained_parameter_has_a_gradient_whatever_the_gate_says(value):
    enhancer = gate(RUAS('RUAS_A'))
    result = enhancer(torch.full((2, 3, 6, 6), value))
    assert (result.maps['noise_level'] >= 0.035).tolist() == [value == 1.0] * 2
    result.maps['raw'].square().sum().backward()
    denoiser = [parameter.grad for parameter in enhancer.denoiser.parameters()]
    assert any(bool(grad.any()) for grad in denoiser) == (value == 1.0)
    assert all(parameter.grad is not None for parameter in enhancer.scene.parameters())
    assert all(parameter.grad is None for parameter in enhancer.noise_estimator.parameters())


def test_the_denoise_loss_does_not_move_the_scene_module():
    torch.manual_seed(0)
    enhancer = RUAS('RUAS')
    picture = 0.3 * torch.rand(1, 3, 9, 9)
    enhancer.loss(enhancer(picture), picture)['loss_denoise'].backward()
    assert all(p.grad is None for p in enhancer.scene.parameters())
    assert all(p.grad is not None for p in enhancer.denoiser.parameters())


def test_the_scene_loss_is_configurable():
    picture = 0.3 * torch.rand(1, 3, 9, 9)
    config = dict(type='llv.RUASSceneLoss', fidelity_weight=2.0, rtv_weight=0.1)
    enhancer = RUAS(scene_loss=config)
    result = enhancer(picture)
    losses = enhancer.loss(result, picture)
    assert set(losses) == {'loss_fidelity', 'loss_smooth', 'loss_rtv'}
    difference = result.maps['illumination'] - picture
    assert losses['loss_fidelity'].item() == pytest.approx(2 * difference.square().mean().item())


@pytest.fixture
def built_in_double():
    """Casting an enhancer does not change it, so it is built in float64."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def sensitivity(enhancer, size, rng):
    """Which pixels of the input move the centre of the output, over random weights and pictures."""
    centre = size // 2
    touched = torch.zeros(size, size, dtype=torch.bool)
    for _ in range(6):
        for parameter in enhancer.parameters():
            parameter.data.normal_(0, 0.5, generator=rng)
        picture = torch.rand(1, 3, size, size, dtype=torch.float64, generator=rng) * 0.1
        picture.requires_grad_()
        result = enhancer.enhance(picture)
        out = result.maps.get('raw', result.image)[0, :, centre, centre]
        (gradient,) = torch.autograd.grad(out.sum(), picture)
        touched |= gradient[0].abs().sum(0) > 0
    return touched


@pytest.mark.parametrize(
    'options, before, behind',
    [
        # per cell of the scene module 2 (detection 1) to each side; each local maximum 1 behind
        (dict(), 6, 9),
        (dict(warm_start='update'), 6, 7),
        (dict(variant='detection'), 3, 4),
        (dict(version='RUAS', variant='cvpr'), 6 + 8, 9 + 8),
        (dict(version='RUAS', variant='journal'), 6 + 11, 9 + 11),
    ],
)
def test_receptive_field(built_in_double, options, before, behind):
    """Every row and column inside is needed, nothing outside is."""
    torch.manual_seed(0)
    enhancer = RUAS(**options)
    assert enhancer.receptive_field == 2 * behind + 1
    size = 2 * behind + 9
    touched = sensitivity(enhancer, size, torch.Generator().manual_seed(0))
    centre = size // 2
    for axis in (0, 1):
        where = touched.any(dim=1 - axis).nonzero().flatten()
        assert centre - where.min().item() == before
        assert where.max().item() - centre == behind

    inside = torch.zeros(size, size, dtype=torch.bool)
    inside[centre - behind : centre + behind + 1, centre - behind : centre + behind + 1] = True
    picture, other = torch.rand(2, 1, 3, size, size, dtype=torch.float64).unbind()
    with torch.no_grad():
        results = [
            enhancer.enhance(x).image for x in (picture, torch.where(inside, picture, other))
        ]
    assert torch.equal(*(result[..., centre, centre] for result in results))


def test_the_gate_sees_the_whole_picture():
    assert RUAS('RUAS_A').receptive_field is None


# ------------------------------------------------- stages, warm starts, uniform cells, parts


@pytest.mark.parametrize('stages', [1, 2, 5])
@pytest.mark.parametrize('warm_start', ['rectified', 'update', 'fixed'])
def test_the_result_is_that_of_the_last_stage_of_the_unrolling(stages, warm_start):
    enhancer = RUAS(stages=stages, warm_start=warm_start).eval()
    images = torch.rand(2, 3, 9, 11) * 0.4
    *_, (u, t) = enhancer.scene.unroll(images)
    enhancement = enhancer(images)
    assert torch.equal(enhancement.image, u)
    assert torch.equal(enhancement.maps['illumination'], t)


def test_a_fixed_warm_start_is_that_of_the_first_stage():
    enhancer = RUAS(warm_start='fixed').eval()
    images = torch.rand(1, 3, 8, 8) * 0.3
    t = enhancer.scene.stages[2](local_maximum(images)).sigmoid().clamp(1e-4, 1)
    assert torch.allclose(enhancer(images).maps['illumination'], t, atol=1e-6)
    trained = {n.split('.')[2] for n, p in enhancer.named_parameters() if p.requires_grad}
    assert trained == {'2'}


@pytest.mark.parametrize('name', genotypes.UNIFORM)
def test_uniform_cells_have_the_size_of_their_operation(name):
    enhancer = RUAS(scene_genotype=genotypes.UNIFORM[name])
    kernel = 1 if name.startswith('1') else 9
    # seven 3 → 3 convolutions with bias and the 12 → 3 fusion in each of three stages
    expected = 3 * (7 * (9 * kernel + 3) + 12 * 3 + 3)
    assert sum(p.numel() for p in enhancer.parameters()) == expected


def test_a_checkpoint_of_llv_builds_what_it_was_made_with(tmp_path):
    made = RUAS(stages=2, warm_start='update', scene_genotype=genotypes.UNIFORM['1-RC'])
    torch.save({f'enhancer.{k}': v for k, v in made.state_dict().items()}, tmp_path / 'own.pth')
    again = RUAS(weights=tmp_path / 'own.pth')
    images = torch.rand(1, 3, 7, 7)
    assert torch.equal(again(images).image, made(images).image)


@pytest.mark.parametrize('part, name', [('estimation', 'noise_estimator'), ('removal', 'denoiser')])
def test_one_part_is_trained_at_a_time_and_learns(part, name):
    torch.manual_seed(0)
    enhancer = RUAS('RUAS_A', train_part=part)
    assert {n.split('.')[0] for n, p in enhancer.named_parameters() if p.requires_grad} == {name}
    optimizer = torch.optim.Adam([p for p in enhancer.parameters() if p.requires_grad], lr=1e-2)
    clean = torch.linspace(0.2, 0.8, 24).expand(4, 3, 24, 24)
    values = []
    for _ in range(100):
        losses = enhancer.loss(enhancer(clean), clean)
        value = sum(losses.values())
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert sum(values[-10:]) < 0.8 * sum(values[:10])


def test_parts_that_a_version_lacks_are_refused():
    with pytest.raises(ValueError, match='`train_part` must be one of None, scene'):
        RUAS('RUAS_S', train_part='removal')


def test_the_illumination_of_published_weights_survives_a_quarter_of_the_size(folder):
    images = read(folder / 'lol_00001_input.png')
    path = str(folder / 'lol.pt')
    exact = RUAS(weights=path).eval()(images).image
    cheap = RUAS(weights=path, estimate_scale=0.25).eval()(images).image
    assert -10 * torch.log10((exact - cheap).square().mean()) > 60
