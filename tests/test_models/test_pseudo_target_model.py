"""One step of the training on pseudo targets; around it see the tests of PseudoTargetHook."""

import pytest
import torch
from mmengine.structures import BaseDataElement, PixelData

from llv.models.enhancers.psenet import PSENet
from llv.models.enhancers.zero_dce import ZeroDCE
from llv.models.losses.pseudo_target import PseudoTarget
from llv.models.losses.pseudo_target_loss import PseudoTargetLoss, log_gamma_variation
from llv.models.losses.scale_consistency import ScaleConsistencyLoss
from llv.models.pseudo_target_model import PseudoTargetModel

assert PSENet and ZeroDCE and ScaleConsistencyLoss and PseudoTargetLoss  # registered


def model(**options):
    torch.manual_seed(0)
    return PseudoTargetModel(dict(type='llv.PSENet'), **options)


def pictures(seed, count=2, size=(14, 16)):
    return list(0.3 * torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(seed)))


def expected_losses(net, images, target):
    result = net.enhancer(images)
    pixel = (result.image - target).square().mean()
    return pixel.item(), 5 * log_gamma_variation(result.maps['gamma']).item()


def values(losses):
    return losses['loss_pixel'].item(), losses['loss_smooth'].item()


def made_target(net, batch, seed, own=True):
    torch.manual_seed(seed)
    images = torch.stack(batch)
    with torch.no_grad():
        lit = net.enhancer(images).image if own else None
    return images, PseudoTarget()(images, lit).image


def test_a_step_trains_on_the_batch_before_and_its_targets():
    net = model()
    first, second = pictures(1), pictures(2)
    assert net.waits
    torch.manual_seed(7)
    losses = net(first, mode='loss')
    images, target = made_target(net, first, 7)
    assert values(losses) == pytest.approx(expected_losses(net, images, target), rel=1e-5)
    assert not net.waits
    with torch.no_grad():
        net.enhancer.head.project.bias.add_(0.3)  # the weights move between target and update
    torch.manual_seed(8)
    losses = net(second, mode='loss')
    assert values(losses) == pytest.approx(expected_losses(net, images, target), rel=1e-5)
    images, target = made_target(net, second, 8)
    assert torch.equal(net.pending[0].images, images)
    torch.testing.assert_close(net.pending[0].target, target)
    assert not net.pending[0].target.requires_grad


def test_the_first_step_reports_the_loss_of_its_own_batch():
    net = model()
    torch.manual_seed(7)
    losses = net(pictures(1), mode='loss')
    images, target = made_target(net, pictures(1), 7)
    assert values(losses) == pytest.approx(expected_losses(net, images, target), rel=1e-5)


def test_without_lag_target_and_update_belong_to_one_step():
    net = model(lag=0)
    for step in range(2):
        torch.manual_seed(step)
        losses = net(pictures(step), mode='loss')
        images, target = made_target(net, pictures(step), step)
        assert values(losses) == pytest.approx(expected_losses(net, images, target), rel=1e-5)
        assert net.pending is None and not net.waits


def test_plain_training_leaves_the_own_output_out():
    net = model(progressive=False)
    torch.manual_seed(3)
    losses = net(pictures(1), mode='loss')
    images, target = made_target(net, pictures(1), 3, own=False)
    assert values(losses) == pytest.approx(expected_losses(net, images, target), rel=1e-5)
    assert 'share_own' not in losses and net.pending is None and not net.waits


def test_pictures_of_two_sizes_are_kept_with_their_targets():
    net = model()
    mixed = [*pictures(1), *pictures(2, 1, (15, 13))]
    losses = net([mixed[0], mixed[2], mixed[1]], mode='loss')
    assert [tuple(pair.images.shape) for pair in net.pending] == [(2, 3, 14, 16), (1, 3, 15, 13)]
    kept = net.pending
    parts = [expected_losses(net, pair.images, pair.target) for pair in kept]
    mean = [(2 * a + b) / 3 for a, b in zip(*parts, strict=True)]
    assert values(losses) == pytest.approx(mean, rel=1e-5)
    # the next batch may have other sizes
    losses = net(pictures(3, 3, (13, 13)), mode='loss')
    assert values(losses) == pytest.approx(mean, rel=1e-5)


def test_logs_tell_what_won_and_how_near_the_targets_are_to_references():
    net = model()
    batch = pictures(1)
    samples = []
    for picture in batch:
        sample = BaseDataElement()
        reference = (picture * 255 * 2).clamp(0, 255).byte()
        sample.set_field(PixelData(data=reference), 'reference', dtype=PixelData)
        samples.append(sample)
    losses = net(batch, samples, mode='loss')
    shares = [losses[f'share_{name}'] for name in ('input', 'own', 'brighter', 'darker')]
    assert sum(shares).item() == pytest.approx(1)
    target = net.pending[0].target
    psnr = [
        10 * torch.log10(1 / (t - s.reference.data / 255).square().mean())
        for t, s in zip(target, samples, strict=True)
    ]
    assert losses['target_psnr'].item() == pytest.approx(sum(psnr).item() / 2, rel=1e-5)
    total, log = net.parse_losses(losses)
    assert total.item() == pytest.approx(sum(values(losses)))
    assert {'share_own', 'score', 'target_psnr'} <= set(log)
    assert 'target_psnr' not in net(batch, mode='loss')


def test_evaluation_mode_keeps_nothing():
    net = model().eval()
    net(pictures(1), mode='loss')
    assert net.pending is None
    assert len(net(pictures(1))) == 2
    assert 'pred_image' in net(pictures(1), mode='predict')[0]


def test_autocast_changes_nothing():
    results = []
    for enabled in (False, True):
        net = model()
        torch.manual_seed(1)
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=enabled):
            losses = net(pictures(1), mode='loss')
        results.append((values(losses), net.pending[0].target))
    assert results[0][0] == results[1][0]
    assert torch.equal(results[0][1], results[1][1])


def test_zero_dce_learns_from_pseudo_targets():
    torch.manual_seed(0)
    loss = dict(
        type='llv.PseudoTargetLoss', smooth_weight=2.0, map_name='curves', smoothness='plain'
    )
    net = PseudoTargetModel(dict(type='llv.ZeroDCE'), loss=loss)
    before = [p.clone() for p in net.parameters()]
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    for step in range(2):
        losses = net(pictures(step), mode='loss')
        sum(v for k, v in losses.items() if k.startswith('loss')).backward()
        optimizer.step()
    assert {k for k in losses if k.startswith('loss')} == {'loss_pixel', 'loss_smooth'}
    assert all(not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_scale_consistency_joins_the_losses():
    net = model(lag=0, scale_consistency=dict(type='llv.ScaleConsistencyLoss', loss_weight=2.0))
    losses = net(pictures(1), mode='loss')
    images = torch.stack(pictures(1))
    expected = net.scale_consistency(net.enhancer, net.enhancer(images), images)
    assert losses['loss_scale'].item() == pytest.approx(expected['loss_scale'].item(), rel=1e-5)


def test_checkpoints_hold_the_enhancer_alone():
    net = model()
    net(pictures(1), mode='loss')
    assert all(name.startswith('enhancer.') for name in net.state_dict())


def test_refuses_other_lags():
    with pytest.raises(ValueError, match='`lag` must be 0 or 1'):
        model(lag=2)
