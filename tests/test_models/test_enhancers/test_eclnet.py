import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import Config

from llv.models.enhancers.eclnet import DifferenceKernel, ECLNet
from llv.registry import MODELS

ROOT = Path(__file__).parents[3]
WEIGHTS = 'eclnet_sice_0_bestavg.pth'


@pytest.fixture
def folder(reference_dir):
    return reference_dir / 'erl'


def plain_sequence():
    path = ROOT / 'tools' / 'analysis_tools' / 'plain_sequences' / 'eclnet.py'
    spec = importlib.util.spec_from_file_location('plain_eclnet', path)
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
    """(H, W, C) arrays of the result and of the feature."""
    return [t[0].permute(1, 2, 0).numpy() for t in (result.image, result.maps['feature'])]


def close(a, b, tolerance=1e-5):
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


# ---------------------------------------------------------------- published results


@pytest.mark.parametrize('name', ['00001', '00091', '00271'])
@torch.no_grad()
def test_published_results(folder, name):
    golden = np.load(folder / f'eclnet_sice_{name}.npz')
    out, feature = arrays(ECLNet(weights=str(folder / WEIGHTS)).eval()(read(folder, name)))
    close(out[152:248, 252:348], golden['out_crop'])
    for key, array in (('out', out), ('feat', feature)):
        close(array.mean((0, 1), dtype=np.float64), golden[f'{key}_mean'])
        close(array.std((0, 1), dtype=np.float64), golden[f'{key}_std'])


@torch.no_grad()
def test_published_results_on_the_synthetic_picture(folder):
    golden = np.load(folder / 'eclnet_sice_synthetic.npz')
    picture = torch.from_numpy(golden['input']).permute(2, 0, 1)[None]
    out, feature = arrays(ECLNet(weights=str(folder / WEIGHTS)).eval()(picture))
    close(out, golden['out'])
    close(feature, golden['feat'])


def random_enhancer(seed=0):
    torch.manual_seed(seed)
    enhancer = ECLNet().eval()
    for block in enhancer.blocks:
        torch.nn.init.normal_(block.branch.cdc.mix)
        torch.nn.init.normal_(block.norm.weight)
        torch.nn.init.normal_(block.norm.bias)
    return enhancer


@pytest.mark.parametrize('size', [(2, 2), (1, 5), (13, 18)])
def test_equals_the_plain_sequence(size):
    enhancer = random_enhancer()
    images = torch.rand(2, 3, *size)
    result = enhancer(images)
    image, feature = plain_sequence().result_and_feature(
        enhancer, images if size[0] > 1 else images.expand(-1, -1, 2, -1)
    )
    crop = (..., slice(size[0]), slice(size[1]))
    torch.testing.assert_close(result.image, image[crop], rtol=0, atol=1e-5)
    torch.testing.assert_close(result.maps['feature'], feature[crop], rtol=0, atol=1e-5)


def test_gradients_are_those_of_the_plain_sequence():
    enhancer = random_enhancer()

    class Attached:
        def state_dict(self):
            return dict(enhancer.named_parameters())

    picture = torch.rand(1, 3, 9, 8)
    names, parameters = zip(*enhancer.named_parameters(), strict=True)
    ours = torch.autograd.grad(enhancer(picture).image.square().sum(), parameters)
    theirs = plain_sequence().forward(Attached(), picture).square().sum()
    for name, a, b in zip(names, ours, torch.autograd.grad(theirs, parameters), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4 * b.abs().max().item(), msg=name)


def test_the_difference_kernel_tap_by_tap():
    torch.manual_seed(0)
    module = DifferenceKernel(2)
    module.mix.data.fill_(0.4)
    share = 1 / (1 + np.exp(-0.4))
    kernel = np.zeros((2, 2, 3, 3))
    for o in range(2):
        kernel[o, o, 1, 1] += 1
        for i in range(2):
            cross, diagonal = module.cross[o, i, 0].tolist(), module.diag[o, i, 0].tolist()
            for (y, x), tap in zip([(0, 1), (1, 0), (1, 1), (1, 2), (2, 1)], cross, strict=True):
                kernel[o, i, y, x] += share * tap
            for (y, x), tap in zip([(0, 0), (0, 2), (1, 1), (2, 0), (2, 2)], diagonal, strict=True):
                kernel[o, i, y, x] += (1 - share) * tap
            kernel[o, i, 1, 1] -= 0.8 * (share * sum(cross) + (1 - share) * sum(diagonal))
    close(module().detach().numpy(), kernel, 1e-6)


# ---------------------------------------------------------------- weight files


def test_parameter_count():
    enhancer = ECLNet()
    assert sum(p.numel() for p in enhancer.parameters()) == 22450
    assert sum(p.numel() for p in enhancer.blocks[0].parameters()) == 3977
    assert sum(p.numel() for p in enhancer.refine.parameters()) == 2013
    assert all(block.branch.cdc.mix.item() == 0 for block in enhancer.blocks)


def test_official_names_are_all_mapped_and_the_mixing_number_is_limited(folder, tmp_path):
    keys = json.loads((folder / 'checkpoint_keys.json').read_text())['eclnet']
    official = {name: torch.rand(shape) for name, shape in keys}
    for block, value in ((1, 5.08e31), (3, -torch.inf)):
        official[f'dualprocess.conv{block}.prcessblock.cdc.HP_branch'] = torch.tensor([value])
    path = tmp_path / 'official.pth'
    torch.save({f'module.{name}': tensor for name, tensor in official.items()}, path)
    enhancer = ECLNet(weights=str(path))
    state = enhancer.state_dict()
    assert len(state) == len(official)
    assert state['blocks.0.branch.cdc.mix'].item() == 50
    assert state['blocks.2.branch.cdc.mix'].item() == -50
    pairs = {
        'extract.weight': 'stem.weight',
        'dualprocess.conv2.fuse1.weight': 'blocks.1.fuse_pos.weight',
        'dualprocess.conv2.fuse2.weight': 'blocks.1.fuse_neg.weight',
        'dualprocess.conv4.prcessblock.fuse.bias': 'blocks.3.branch.merge.bias',
        'dualprocess.conv4.prcessblock.conv.2.bias': 'blocks.3.branch.conv.2.bias',
        'dualprocess.conv5.prcessblock.cdc.HP_branch': 'blocks.4.branch.cdc.mix',
        'dualprocess.conv5.prcessblock.cdc.h_conv.conv.weight': 'blocks.4.branch.cdc.cross',
        'dualprocess.conv5.prcessblock.cdc.d_conv.conv.weight': 'blocks.4.branch.cdc.diag',
        'dualprocess.conv5.norm.weight': 'blocks.4.norm.weight',
        'dualprocess.cat.bias': 'aggregate.bias',
        'dualprocess.refine.conv_in.bias': 'refine.entry.bias',
        'dualprocess.refine.process.0.process.2.weight': 'refine.body.2.weight',
        'dualprocess.refine.process.0.conv_du.2.weight': 'refine.gate.2.weight',
        'dualprocess.refine.conv_last.weight': 'refine.exit.weight',
    }
    for theirs, ours in pairs.items():
        assert torch.equal(official[theirs], state[ours]), ours
    assert enhancer(torch.rand(1, 3, 6, 6)).image.isfinite().all()


def test_reads_its_own_checkpoints_and_refuses_others(tmp_path):
    trained = random_enhancer()
    path = str(tmp_path / 'trained.pth')
    torch.save(trained.state_dict(), path)
    picture = torch.rand(1, 3, 6, 6)
    assert torch.equal(ECLNet(weights=path).eval()(picture).image, trained(picture).image)
    torch.save({**trained.state_dict(), 'extra': torch.zeros(1)}, path)
    with pytest.raises(ValueError, match='another network'):
        ECLNet(weights=path)


# ---------------------------------------------------------------- behaviour


@torch.no_grad()
def test_a_batch_equals_its_pictures():
    enhancer = random_enhancer()
    pictures = torch.rand(3, 3, 13, 17) * torch.tensor([0.1, 1.0, 0.0]).view(3, 1, 1, 1)
    together = enhancer(pictures)
    for k in range(3):
        alone = enhancer(pictures[k : k + 1])
        torch.testing.assert_close(together.image[k], alone.image[0], rtol=0, atol=1e-5)
        for name, tensor in together.maps.items():
            torch.testing.assert_close(tensor[k], alone.maps[name][0], rtol=0, atol=1e-5)


@settings(max_examples=12, deadline=None)
@given(
    value=st.sampled_from([0.0, 0.5, 1.0, 1e-30, None]),
    size=st.sampled_from([(1, 1), (1, 4), (2, 2), (9, 7)]),
    seed=st.integers(0, 3),
)
def test_results_and_gradients_are_finite(value, size, seed):
    enhancer = random_enhancer(seed).train()
    picture = torch.rand(2, 3, *size) if value is None else torch.full((2, 3, *size), value)
    picture.requires_grad_()
    result = enhancer(picture)
    assert result.image.shape == picture.shape
    assert result.image.min() >= 0 and result.image.max() <= 1
    assert torch.equal(result.image, result.maps['raw'].clamp(0, 1))
    losses = enhancer.loss(result, picture, torch.rand(2, 3, *size))
    assert all(loss.isfinite() for loss in losses.values())
    sum(losses.values()).backward()
    assert picture.grad.isfinite().all()
    for name, parameter in enhancer.named_parameters():
        assert parameter.grad.isfinite().all(), name


def test_consistency_compares_with_the_feature_of_the_mixed_picture():
    enhancer = random_enhancer()
    picture, reference = torch.rand(2, 2, 3, 20, 24).unbind()
    result = enhancer(picture)
    torch.manual_seed(7)
    losses = enhancer.loss(result, picture, reference)
    torch.manual_seed(7)
    mixed = enhancer.scene_loss.mix(picture, reference)
    assert not torch.equal(mixed, picture)
    features = [plain_sequence().result_and_feature(enhancer, x)[1] for x in (picture, mixed)]
    expected = 0.02 * (features[0] - features[1]).abs().mean().item()
    assert losses['loss_consistency'].item() == pytest.approx(expected, rel=1e-3)
    assert losses['loss_pixel'].item() == pytest.approx(
        (result.image - reference).abs().mean().item()
    )


def test_without_consistency_the_network_runs_once():
    enhancer = ECLNet(scene_loss=dict(type='llv.ECLNetLoss', consistency_weight=0))
    picture, reference = torch.rand(2, 1, 3, 8, 8).unbind()
    result = enhancer(picture)
    runs = []
    enhancer.register_forward_hook(lambda *args: runs.append(1))
    assert set(enhancer.loss(result, picture, reference)) == {'loss_pixel', 'loss_ssim'}
    assert not runs


def test_needs_references_to_train():
    enhancer = random_enhancer()
    picture = torch.rand(1, 3, 4, 4)
    with pytest.raises(ValueError, match='trained with well-lit `references`'):
        enhancer.loss(enhancer(picture), picture)


def test_a_few_steps_bring_the_loss_down():
    torch.manual_seed(0)
    enhancer = ECLNet()
    reference = torch.rand(2, 3, 16, 16)
    picture = 0.2 * reference
    optimizer = torch.optim.Adam(enhancer.parameters(), lr=3e-3)
    totals = []
    for _ in range(25):
        losses = enhancer.loss(enhancer(picture), picture, reference)
        totals.append(sum(losses.values()))
        optimizer.zero_grad()
        totals[-1].backward()
        optimizer.step()
    assert totals[-1] < 0.8 * totals[0]


@pytest.mark.parametrize(
    'name, steps, milestones', [('sice', 64000, [38400, 51200]), ('msec', 150000, [50000, 100000])]
)
def test_the_recipes_are_the_published_ones(name, steps, milestones):
    cfg = Config.fromfile(ROOT / 'configs' / 'eclnet' / f'eclnet_{name}.py')
    assert isinstance(MODELS.build(cfg.model.enhancer), ECLNet)
    assert cfg.train_cfg.max_iters == steps
    assert [s.milestones for s in cfg.param_scheduler] == [milestones]
    assert cfg.train_dataloader.batch_size == 4
    pipeline = {step.type: step for step in cfg.train_dataloader.dataset.pipeline}
    assert tuple(pipeline['llv.RandomCrop'].size) == (384, 384)
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, tuple(optimizer.betas)) == ('Adam', 1e-4, (0.9, 0.99))
