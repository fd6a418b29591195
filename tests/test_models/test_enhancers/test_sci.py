"""SCI against its plain sequence of operations and a second version of its training loss."""

import importlib.util
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config

from llv.models import EnhancementModel
from llv.models.enhancers.sci import SCI, rename_official
from llv.registry import MODELS

ROOT = Path(__file__).parents[3]


def plain_sequence():
    path = ROOT / 'tools' / 'analysis_tools' / 'plain_sequences' / 'sci.py'
    spec = importlib.util.spec_from_file_location('plain_sci', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.forward


def lively(**options):
    """An SCI whose weights matter: the published initialisation is nearly zero."""
    torch.manual_seed(0)
    enhancer = SCI(**options)
    for name, value in enhancer.named_parameters():
        value.data.normal_(1 if value.ndim == 1 and 'weight' in name else 0, 0.4)
    for name, value in enhancer.named_buffers():
        if name.endswith('running_mean'):
            value.normal_(0, 0.2)
        if name.endswith('running_var'):
            value.uniform_(0.3, 2)
    return enhancer


def official(enhancer, blocks=True):
    """The state dict of the released network that has the tensors of `enhancer`."""
    names = (
        ('estimator.head.', 'enhance.in_conv.0.'),
        ('estimator.block.', 'enhance.conv.'),
        ('estimator.tail.', 'enhance.out_conv.0.'),
        ('calibrator.head.', 'calibrate.in_conv.'),
        ('calibrator.block.', 'calibrate.convs.'),
        ('calibrator.tail.', 'calibrate.out_conv.0.'),
    )
    state_dict = {}
    for name, value in enhancer.state_dict().items():
        ours, theirs = next(pair for pair in names if name.startswith(pair[0]))
        name = theirs + name.removeprefix(ours)
        state_dict[name] = value
        for block, times in (('enhance.conv.', 1), ('calibrate.convs.', 3)):
            if blocks and name.startswith(block):
                for i in range(times):
                    key = f'{block.split(".")[0]}.blocks.{i}.{name.removeprefix(block)}'
                    state_dict[key] = value
    return state_dict


@pytest.mark.parametrize('size', [(2, 2), (7, 9), (40, 33)])
@torch.no_grad()
def test_lights_as_the_plain_sequence(size):
    enhancer = lively().eval()
    images = torch.rand(2, 3, *size)
    result = enhancer(images)
    expected = plain_sequence()(enhancer, images)
    torch.testing.assert_close(result.image, expected, rtol=0, atol=1e-6)
    illumination = result.maps['illumination']
    assert illumination.min() >= 1e-4 and illumination.max() <= 1
    torch.testing.assert_close(result.image, (images / illumination).clamp(0, 1))


def test_has_the_published_number_of_parameters():
    assert sum(p.numel() for p in SCI().parameters()) == 258
    assert sum(p.numel() for p in SCI(training_stages=3).parameters()) == 258 + 5619


def second_training_loss(enhancer, images, stages):
    """Three stages in training mode, from the tensors alone."""
    w = dict(enhancer.named_parameters())

    def conv(x, name):
        return F.conv2d(x, w[f'{name}.weight'], w[f'{name}.bias'], padding=1)

    def norm(x, name):
        return F.batch_norm(x, None, None, w[f'{name}.weight'], w[f'{name}.bias'], training=True)

    inputs, total = images, 0
    for _ in range(stages):
        f = F.relu(conv(inputs, 'estimator.head'))
        f = f + F.relu(norm(conv(f, 'estimator.block.0'), 'estimator.block.1'))
        t = torch.clamp(torch.sigmoid(conv(f, 'estimator.tail')) + inputs, 1e-4, 1)
        losses = enhancer.scene_loss(t, inputs)
        total = total + losses['loss_fidelity'] + losses['loss_smooth']
        r = torch.clamp(images / t, 0, 1)
        f = F.relu(norm(conv(r, 'calibrator.head.0'), 'calibrator.head.1'))
        for _ in range(3):
            g = F.relu(norm(conv(f, 'calibrator.block.0'), 'calibrator.block.1'))
            f = f + F.relu(norm(conv(g, 'calibrator.block.3'), 'calibrator.block.4'))
        inputs = images + r - torch.sigmoid(conv(f, 'calibrator.tail'))
    return total


@pytest.mark.parametrize('stages', [2, 3])
def test_the_stages_share_their_network_and_sum_their_losses(stages):
    enhancer = lively(training_stages=stages).train()
    images = 0.4 * torch.rand(2, 3, 9, 8)
    losses = enhancer.loss(enhancer(images), images)
    assert set(losses) == {'loss_fidelity', 'loss_smooth'}
    expected = second_training_loss(enhancer, images, stages)
    torch.testing.assert_close(sum(losses.values()), expected)
    names, parameters = zip(*enhancer.named_parameters(), strict=True)
    ours = torch.autograd.grad(sum(losses.values()), parameters)
    theirs = torch.autograd.grad(expected, parameters)
    for name, a, b in zip(names, ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3, msg=name)


def test_one_stage_has_the_loss_of_the_picture_alone():
    enhancer = lively().train()
    images = torch.rand(1, 3, 8, 8)
    result = enhancer(images)
    expected = enhancer.scene_loss(result.maps['illumination'], images)
    assert enhancer.loss(result, images) == expected


def test_every_parameter_is_trained_by_its_loss():
    enhancer = lively(training_stages=3).train()
    images = torch.rand(1, 3, 8, 8)
    sum(enhancer.loss(enhancer(images), images).values()).backward()
    assert [n for n, p in enhancer.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize('blocks', [True, False])
@pytest.mark.parametrize('stages', [1, 3])
def test_official_files_load_as_they_are(tmp_path, stages, blocks):
    trained = lively(training_stages=3)
    torch.save(official(trained, blocks), tmp_path / 'medium.pt')
    enhancer = SCI(stages, weights=tmp_path / 'medium.pt')
    for name, value in enhancer.state_dict().items():
        assert torch.equal(value, trained.state_dict()[name]), name
    assert (enhancer.calibrator is None) is (stages == 1)


def test_official_files_of_the_first_stage_start_a_new_calibrator(tmp_path):
    trained = lively()
    torch.save(official(trained), tmp_path / 'easy.pt')
    enhancer = SCI(3, weights=tmp_path / 'easy.pt')
    for name, value in trained.state_dict().items():
        assert torch.equal(value, enhancer.state_dict()[name]), name
    assert enhancer.calibrator.tail.weight.std() < 0.05


@pytest.mark.parametrize(
    'change, stages',
    [
        (dict(missing='enhance.conv.1.running_var'), 1),
        (dict(missing='calibrate.convs.3.bias'), 3),
        (dict(extra='enhance.blocks.1.0.weight'), 1),
        (dict(extra='calibrate.blocks.3.0.weight'), 3),
        (dict(extra='denoise.weight'), 1),
    ],
)
def test_files_of_other_networks_are_refused(tmp_path, change, stages):
    state_dict = official(lively(training_stages=3))
    state_dict.pop(change.get('missing'), None)
    if 'extra' in change:
        state_dict[change['extra']] = torch.zeros(1)
    torch.save(state_dict, tmp_path / 'odd.pt')
    with pytest.raises(ValueError, match='another network than this `SCI`'):
        SCI(stages, weights=tmp_path / 'odd.pt')


def test_other_names_pass_through():
    state_dict = {'enhance_net.x': torch.zeros(1)}
    assert rename_official(state_dict) is state_dict


def test_a_checkpoint_of_three_stages_fills_one(tmp_path):
    model = EnhancementModel(dict(type='llv.SCI', training_stages=3))
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'iter_1.pth')
    enhancer = SCI(weights=tmp_path / 'iter_1.pth').eval()
    images = torch.rand(1, 3, 6, 6)
    with torch.no_grad():
        assert torch.equal(enhancer(images).image, model.enhancer.eval()(images).image)


def test_receptive_field_is_seven_pixels():
    enhancer = lively().eval()
    images = torch.rand(1, 3, 15, 15, requires_grad=True)
    enhancer.estimate_maps(images)['illumination'][0, :, 7, 7].sum().backward()
    touched = images.grad.abs().sum((0, 1)) > 0
    rows = touched.any(1).nonzero().flatten()
    assert (rows.min().item(), rows.max().item()) == (4, 10)
    assert enhancer.receptive_field == 7


@torch.no_grad()
def test_maps_predicted_on_a_reduced_picture_keep_the_size():
    enhancer = lively(estimate_scale=0.5).eval()
    images = torch.rand(1, 3, 13, 10)
    assert enhancer(images).maps['illumination'].shape == images.shape
    full = lively().eval()
    enhancer.estimate_scale = 1.0
    assert torch.equal(enhancer(images).image, full(images).image)


def test_the_recipe_trains_three_stages():
    cfg = Config.fromfile(ROOT / 'configs' / 'sci' / 'sci_exdark.py')
    model = MODELS.build(cfg.model)
    assert model.enhancer.training_stages == 3
    images = torch.rand(1, 3, 12, 12)
    optimizer = torch.optim.Adam(model.parameters(), lr=cfg.optim_wrapper.optimizer.lr)
    values = []
    for _ in range(30):
        total, _ = model.parse_losses(model(list(images), mode='loss'))
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        values.append(total.item())
    assert values[-1] < values[0]


def test_stages_are_checked():
    with pytest.raises(ValueError, match='`training_stages` must be at least 1, but got 0'):
        SCI(0)
