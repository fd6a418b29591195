import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import Config

from llv.models.enhancers.fecnet import FECNet, GatedProjection
from llv.models.enhancers.options import pack_options
from llv.registry import MODELS
from llv.utils.pictures import read_picture, to_tensor

ROOT = Path(__file__).parents[3]
WEIGHTS = 'fecnet_sice_0_bestavg.pth'


@pytest.fixture
def folder(reference_dir):
    return reference_dir / 'erl'


def plain_sequence():
    path = ROOT / 'tools' / 'analysis_tools' / 'plain_sequences' / 'fecnet.py'
    spec = importlib.util.spec_from_file_location('plain_fecnet', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(folder, name):
    """A picture as the network takes it: (1, 3, H, W) RGB in [0, 1]."""
    path = folder / 'lol_00091_input.png'
    if name != '00091':
        path = folder.parent / 'ruas' / f'lol_{name}_input.png'
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255


def arrays(result):
    """(H, W, C) arrays of the amplitude sub-network and of the whole network."""
    return [t[0].permute(1, 2, 0).numpy() for t in (result.maps['amplitude'], result.image)]


# ---------------------------------------------------------------- published results


@pytest.mark.parametrize('name', ['00001', '00091', '00271'])
@torch.no_grad()
def test_published_results(folder, name):
    golden = np.load(folder / f'fecnet_sice_{name}.npz')
    enhancer = FECNet(weights=str(folder / WEIGHTS)).eval()
    amplitude, out = arrays(enhancer(read(folder, name)))
    y, x, h, w = 152, 252, 96, 96
    np.testing.assert_allclose(
        amplitude[y : y + h, x : x + w], golden['amp_crop'], rtol=0, atol=1e-5
    )
    np.testing.assert_allclose(amplitude.mean((0, 1)), golden['amp_mean'], rtol=0, atol=1e-5)
    # `out` is ill-conditioned: the official code moves by 3e-3 under other arithmetic
    difference = np.abs(out[y : y + h, x : x + w] - golden['out_crop'])
    assert difference.max() <= 1e-2 and difference.mean() <= 2e-3
    np.testing.assert_allclose(out.mean((0, 1)), golden['out_mean'], rtol=0, atol=1e-4)
    np.testing.assert_allclose(out.std((0, 1)), golden['out_std'], rtol=0, atol=1e-4)


@torch.no_grad()
def test_published_results_on_the_synthetic_picture(folder):
    golden = np.load(folder / 'fecnet_sice_synthetic.npz')
    picture = torch.from_numpy(golden['input']).permute(2, 0, 1)[None]
    amplitude, out = arrays(FECNet(weights=str(folder / WEIGHTS)).eval()(picture))
    np.testing.assert_allclose(amplitude, golden['amp'], rtol=0, atol=1e-5)
    difference = np.abs(out - golden['out'])
    assert difference.max() <= 1.5e-2 and difference.mean() <= 2e-3


def random_enhancer(formula, seed=0):
    torch.manual_seed(seed)
    return FECNet(formula).eval()


@pytest.mark.parametrize('formula', ['stabilised', 'raw'])
@pytest.mark.parametrize('size', [(4, 4), (12, 20), (64, 64)])
@torch.no_grad()
def test_equals_the_plain_sequence(formula, size):
    enhancer = random_enhancer(formula)
    images = torch.rand(2, 3, *size)
    result = enhancer(images)
    amplitude, out = plain_sequence().sub_networks(enhancer, images)
    expected = out.clamp(0, 1)
    torch.testing.assert_close(result.maps['amplitude'], amplitude, rtol=0, atol=1e-5)
    torch.testing.assert_close(result.image, expected, rtol=0, atol=1e-2)
    assert (result.image - expected).abs().mean() <= 2e-3
    raw = result.maps['raw'] if formula == 'raw' else result.image
    assert (raw - out).abs().mean() <= 2e-3


def test_training_computes_what_inference_computes(folder):
    """The gradient takes another way to amplitudes and angles."""
    enhancer = FECNet(weights=str(folder / WEIGHTS))
    picture = read(folder, '00001')[..., :32, :32]
    attached = enhancer.train()(picture)
    with torch.no_grad():
        detached = enhancer.eval()(picture)
    torch.testing.assert_close(
        attached.maps['amplitude'], detached.maps['amplitude'], rtol=0, atol=1e-5
    )
    torch.testing.assert_close(attached.image, detached.image, rtol=0, atol=1e-2)


# ---------------------------------------------------------------- weight files and options


def test_official_names_are_all_mapped(folder, tmp_path):
    """Every tensor lands where one of its shape is wanted; only the unused convolution is dropped."""
    keys = json.loads((folder / 'checkpoint_keys.json').read_text())['fecnet']
    official = {name: torch.rand(shape) for name, shape in keys}
    path = tmp_path / 'official.pth'
    torch.save({f'module.{name}': tensor for name, tensor in official.items()}, path)
    enhancer = FECNet(weights=str(path))
    state = enhancer.state_dict()
    assert len(official) - 2 == len(state) - 1  # `options`
    pairs = {
        'AmplitudeNet.conv0.bias': 'amplitude.stem.bias',
        'AmplitudeNet.convout.weight': 'amplitude.to_rgb.weight',
        'AmplitudeNet.convoutfinal.weight': 'amplitude.mix_rgb.weight',
        'AmplitudeNet.downsample2.weight': 'amplitude.down2.weight',
        'AmplitudeNet.conv4.spatial_process2.block.2.weight': 'amplitude.sfi4.spatial2.2.weight',
        'PhaseNet.conv0.cat.weight': 'phase.entry.project.weight',
        'PhaseNet.conv0.process.2.bias': 'phase.entry.gate.2.bias',
        'PhaseNet.conv1.cat.weight': 'phase.sfi1.merge.weight',
        'PhaseNet.conv3.frequency_process1.process.0.bias': 'phase.sfi3.freq1.0.bias',
        'PhaseNet.conv2.spatial_frequency.weight': 'phase.sfi2.s2f.weight',
        'PhaseNet.conv2.frequency_spatial.weight': 'phase.sfi2.f2s.weight',
        'PhaseNet.combine2.convadd.weight': 'phase.modulate2.shift.weight',
        'PhaseNet.combine2.convmul.weight': 'phase.modulate2.scale.weight',
        'PhaseNet.combine1.convfuse.bias': 'phase.modulate1.fuse.bias',
        'PhaseNet.trans.weight': 'phase.guide.weight',
    }
    for theirs, ours in pairs.items():
        assert torch.equal(official[theirs], state[ours]), ours


def test_parameter_count():
    enhancer = FECNet()
    # the paper's count is 12 higher: a convolution that nothing uses
    assert sum(p.numel() for p in enhancer.parameters()) == 151977 - 12
    assert sum(p.numel() for p in enhancer.phase.parameters()) == 73910
    untrained = {name for name, p in enhancer.named_parameters() if not p.requires_grad}
    assert untrained == {'phase.guide.weight', 'phase.guide.bias'}


def test_checkpoints_bring_their_formula(tmp_path):
    trained = random_enhancer('raw')
    path = str(tmp_path / 'trained.pth')
    torch.save(trained.state_dict(), path)
    picture = torch.rand(1, 3, 8, 8)
    again = FECNet(weights=path).eval()
    assert again.formula == 'raw'
    assert torch.equal(again(picture).image, trained(picture).image)
    with pytest.raises(ValueError, match="`formula='stabilised'` contradicts .*'raw'"):
        FECNet('stabilised', weights=path)


def test_a_file_of_an_unknown_formula_is_refused(tmp_path):
    state = random_enhancer('raw').state_dict() | dict(options=pack_options(dict(formula='cooked')))
    torch.save(state, tmp_path / 'newer.pth')
    with pytest.raises(ValueError, match="`formula` must be one of .* but got 'cooked'"):
        FECNet(weights=str(tmp_path / 'newer.pth'))


def test_the_published_file_is_stabilised(folder):
    assert FECNet(weights=str(folder / WEIGHTS)).formula == 'stabilised'
    with pytest.raises(ValueError, match="`formula='raw'` contradicts"):
        FECNet('raw', weights=str(folder / WEIGHTS))


def test_a_file_of_another_network_is_refused(tmp_path):
    path = str(tmp_path / 'other.pth')
    torch.save({**FECNet().state_dict(), 'extra': torch.zeros(1)}, path)
    with pytest.raises(ValueError, match='another network'):
        FECNet(weights=path)
    with pytest.raises(ValueError, match='`formula` must be one of stabilised, raw'):
        FECNet('stable')


# ---------------------------------------------------------------- behaviour


@pytest.mark.parametrize('size', [(1, 1), (1, 7), (6, 4), (9, 13)])
@torch.no_grad()
def test_other_sizes_are_padded_by_replication_and_cropped_back(size):
    enhancer = random_enhancer('stabilised')
    picture = torch.rand(1, 3, *size)
    result = enhancer(picture)
    padded = enhancer(F.pad(picture, (0, -size[1] % 4, 0, -size[0] % 4), mode='replicate'))
    crop = (..., slice(size[0]), slice(size[1]))
    assert result.image.shape == picture.shape
    assert torch.equal(result.image, padded.image[crop])
    for name in ('raw', 'amplitude'):
        assert torch.equal(result.maps[name], padded.maps[name][crop])


@pytest.mark.parametrize('formula', ['stabilised', 'raw'])
@torch.no_grad()
def test_a_batch_equals_its_pictures(formula):
    """With random weights bins without amplitude get some, and their phases are rounding noise."""
    enhancer = random_enhancer(formula)
    pictures = torch.rand(3, 3, 16, 20) * torch.tensor([0.1, 1.0, 0.0]).view(3, 1, 1, 1)
    together = enhancer(pictures)
    for k in range(3):
        alone = enhancer(pictures[k : k + 1])
        for map_, other in (
            (together.maps['amplitude'][k], alone.maps['amplitude'][0]),
            (together.image[k], alone.image[0]),
        ):
            difference = (map_ - other).abs()
            assert difference.max() <= 1e-2 and difference.mean() <= 2e-3


def test_a_batch_of_photographs_equals_them_one_by_one(reference_dir):
    enhancer = FECNet(weights=reference_dir / 'erl' / 'fecnet_sice_0_bestavg.pth').eval()
    photographs = torch.stack(
        [
            to_tensor(read_picture(reference_dir / 'ruas' / f'lol_{k}_input.png'))[
                :, 100:196, 200:320
            ]
            for k in ('00001', '00271')
        ]
    )
    with torch.no_grad():
        together = enhancer(photographs)
        for k in range(2):
            alone = enhancer(photographs[k : k + 1])
            torch.testing.assert_close(
                together.maps['amplitude'][k], alone.maps['amplitude'][0], rtol=0, atol=1e-5
            )
            difference = (together.image[k] - alone.image[0]).abs()
            assert difference.max() <= 1e-2 and difference.mean() <= 2e-3


@settings(max_examples=12, deadline=None)
@given(
    formula=st.sampled_from(['stabilised', 'raw']),
    value=st.sampled_from([0.0, 0.5, 1.0, 1e-30, 'checks', 'noise', 'half black']),
    size=st.sampled_from([(1, 1), (5, 6), (8, 8)]),
    seed=st.integers(0, 3),
)
def test_results_and_gradients_are_finite(formula, value, size, seed):
    enhancer = random_enhancer(formula, seed).train()
    if isinstance(value, float):
        picture = torch.full((2, 3, *size), value)
    else:
        picture = torch.rand(2, 3, *size)
        if value == 'checks':
            picture = picture.round()
        elif value == 'half black':
            picture[..., : size[1] // 2] = 0
    picture.requires_grad_()
    result = enhancer(picture)
    assert result.image.isfinite().all() and result.maps['raw'].isfinite().all()
    assert result.image.min() >= 0 and result.image.max() <= 1
    losses = enhancer.loss(result, picture, torch.rand(2, 3, *size))
    assert all(loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()
    assert picture.grad.isfinite().all()
    for name, parameter in enhancer.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad.isfinite().all(), name


def test_a_constant_channel_has_a_gradient():
    """Its deviation is exactly 0, where the root has none."""
    x = torch.full((1, 6, 4, 4), 0.5, requires_grad=True)
    GatedProjection(6, 2)(x).sum().backward()
    assert x.grad.isfinite().all()


def test_gradients_are_those_of_the_plain_sequence():
    enhancer = random_enhancer('stabilised')

    class Attached:
        def state_dict(self):
            return {**enhancer.state_dict(), **dict(enhancer.named_parameters())}

    picture = torch.rand(1, 3, 8, 8)
    names, parameters = zip(
        *((n, p) for n, p in enhancer.named_parameters() if p.requires_grad), strict=True
    )
    ours = torch.autograd.grad(enhancer(picture).image.square().sum(), parameters)
    theirs = plain_sequence().forward(Attached(), picture).square().sum()
    theirs = torch.autograd.grad(theirs, parameters)
    for name, a, b in zip(names, ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3 * b.abs().max().item(), msg=name)


def test_mixed_precision_does_not_reach_it():
    enhancer = random_enhancer('stabilised')
    picture = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        outside = enhancer(picture).image
        with torch.autocast('cpu', dtype=torch.bfloat16):
            inside = enhancer(picture).image
    assert torch.equal(outside, inside)


@pytest.mark.parametrize('formula', ['stabilised', 'raw'])
def test_the_loss_judges_what_the_published_network_returns(formula):
    enhancer = random_enhancer(formula)
    enhancer.phase.to_rgb.bias.data.fill_(3.0)  # far beyond 1
    picture, reference = torch.rand(2, 1, 3, 8, 8).unbind()
    result = enhancer(picture)
    judged = result.image if formula == 'stabilised' else result.maps['raw']
    losses = enhancer.loss(result, picture, reference)
    assert losses['loss_pixel'].item() == pytest.approx((judged - reference).abs().mean().item())
    amplitude = 0.5 * (result.maps['amplitude'] - reference).abs().mean().item()
    assert losses['loss_amplitude_pixel'].item() == pytest.approx(amplitude)


def test_needs_references_to_train():
    enhancer = random_enhancer('raw')
    picture = torch.rand(1, 3, 4, 4)
    with pytest.raises(ValueError, match='trained with well-lit `references`'):
        enhancer.loss(enhancer(picture), picture)


def test_a_few_steps_bring_the_loss_down():
    torch.manual_seed(0)
    enhancer = FECNet()
    reference = torch.rand(2, 3, 16, 16)
    picture = 0.2 * reference
    optimizer = torch.optim.Adam(enhancer.parameters(), lr=2e-3)
    totals = []
    for _ in range(15):
        losses = enhancer.loss(enhancer(picture), picture, reference)
        totals.append(sum(losses.values()))
        optimizer.zero_grad()
        totals[-1].backward()
        optimizer.step()
    assert totals[-1] < 0.9 * totals[0]


@pytest.mark.parametrize(
    'name, formula, steps, milestones, batch, crop, rate',
    [
        ('sice', 'stabilised', 51200, [25600, 38400], 4, 256, 1e-4),
        ('msec', 'stabilised', 353600, [176800, 265200], 8, 384, 4e-4),
        ('lol', 'raw', 50000, [20000, 40000], 4, 384, 1.5e-4),
        ('fivek', 'stabilised', 160000, [80000, 120000], 4, 272, 1e-4),
    ],
)
def test_the_recipes_are_the_published_ones(name, formula, steps, milestones, batch, crop, rate):
    cfg = Config.fromfile(ROOT / 'configs' / 'fecnet' / f'fecnet_{name}.py')
    assert MODELS.build(cfg.model.enhancer).formula == formula
    assert cfg.train_cfg.max_iters == steps
    assert [s.milestones for s in cfg.param_scheduler] == [milestones]
    assert cfg.train_dataloader.batch_size == batch
    pipeline = {step.type: step for step in cfg.train_dataloader.dataset.pipeline}
    assert tuple(pipeline['llv.RandomCrop'].size) == (crop, crop)
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, tuple(optimizer.betas)) == ('Adam', rate, (0.9, 0.99))
