"""The frozen normalisation against torch's in eval mode, in mm's building blocks, and where batch statistics fail."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from llv.models.layers import FrozenBN

pytest.importorskip('mmseg')
from mmcv.cnn import ConvModule, build_norm_layer  # noqa: E402
from mmengine.model import revert_sync_batchnorm  # noqa: E402
from mmengine.model.utils import convert_sync_batchnorm  # noqa: E402
from mmengine.runner import load_checkpoint  # noqa: E402
from mmseg.models.backbones import ResNet, ResNetV1c  # noqa: E402
from mmseg.models.decode_heads import DepthwiseSeparableASPPHead  # noqa: E402

FROZEN = dict(type='llv.FrozenBN')
PLAIN = dict(type='BN')


def trained_bn(channels=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    bn = nn.BatchNorm2d(channels)
    with torch.no_grad():
        bn.weight.copy_(torch.randn(channels, generator=generator))
        bn.bias.copy_(torch.randn(channels, generator=generator))
        bn.running_mean.copy_(torch.randn(channels, generator=generator))
        bn.running_var.copy_(torch.rand(channels, generator=generator) * 9)
    return bn.eval()


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 999),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7)),
)
def test_it_computes_what_batch_norm_computes_in_eval_mode(seed, shape):
    bn, frozen = trained_bn(seed=seed), FrozenBN(5)
    frozen.load_state_dict(bn.state_dict())
    x = torch.randn(shape[0], 5, *shape[1:], generator=torch.Generator().manual_seed(seed))
    for mode in (True, False):
        out = frozen.train(mode)(x)
        torch.testing.assert_close(out, bn(x), rtol=1e-6, atol=1e-6)


def test_gradients_are_those_of_batch_norm_in_eval_mode():
    bn, frozen = trained_bn(), FrozenBN(5)
    frozen.load_state_dict(bn.state_dict())
    maps = [torch.randn(2, 5, 3, 4).double().requires_grad_() for _ in range(1)] * 2
    weights = torch.randn(2, 5, 3, 4).double()
    grads = [
        torch.autograd.grad((layer.double()(x) * weights).sum(), x)[0]
        for layer, x in zip((bn, frozen), maps, strict=True)
    ]
    torch.testing.assert_close(grads[0], grads[1])


def test_it_has_the_entries_of_batch_norm_and_nothing_to_train():
    frozen = FrozenBN(5)
    assert list(frozen.parameters()) == []
    ours, theirs = set(frozen.state_dict()), set(trained_bn().state_dict())
    assert theirs - ours == {'num_batches_tracked'} and ours < theirs


def test_statistics_stay_as_they_are_in_training():
    frozen = FrozenBN(5)
    frozen.load_state_dict(trained_bn().state_dict())
    before = {name: value.clone() for name, value in frozen.state_dict().items()}
    frozen.train()(torch.randn(4, 5, 6, 6) * 10 + 3)
    for name, value in frozen.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_half_precision_stays_half_under_autocast():
    layer = nn.Sequential(nn.Conv2d(3, 5, 1), FrozenBN(5))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert layer(torch.rand(1, 3, 4, 4)).dtype == torch.bfloat16


def test_mm_builds_it_by_its_config():
    name, layer = build_norm_layer(dict(FROZEN, requires_grad=True), 7, postfix=2)
    assert name == 'bn2' and isinstance(layer, FrozenBN) and layer.eps == 1e-5
    block = ConvModule(3, 7, 1, norm_cfg=FROZEN)
    block.init_weights()
    assert set(block.state_dict()) | {'bn.num_batches_tracked'} == set(
        ConvModule(3, 7, 1, norm_cfg=PLAIN).state_dict()
    )


def test_conversions_of_synchronised_batch_norm_leave_it_alone():
    net = nn.Sequential(nn.Conv2d(3, 5, 1), FrozenBN(5), nn.BatchNorm2d(5))
    for convert in (lambda net: convert_sync_batchnorm(net, 'torch'), revert_sync_batchnorm):
        net = convert(net)
        assert type(net[1]) is FrozenBN


def test_backbone_takes_a_checkpoint_of_batch_norm(tmp_path):
    arguments = dict(depth=18, base_channels=8, stem_channels=8, out_indices=(0, 3))
    plain = ResNet(norm_cfg=PLAIN, **arguments)
    plain.eval()
    for module in plain.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.load_state_dict(trained_bn(module.num_features).state_dict())
    torch.save(dict(state_dict=plain.state_dict()), tmp_path / 'plain.pth')
    frozen = ResNet(norm_cfg=FROZEN, **arguments)
    frozen.train()
    load_checkpoint(frozen, str(tmp_path / 'plain.pth'), strict=True)
    x = torch.rand(1, 3, 32, 32)
    for a, b in zip(plain(x), frozen(x), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def head(norm):
    return DepthwiseSeparableASPPHead(
        in_channels=8, in_index=1, channels=6, c1_in_channels=4, c1_channels=4,
        dilations=(1, 2), num_classes=3, norm_cfg=norm, align_corners=False,
    ).train()  # fmt: skip


def test_pooled_branch_trains_with_one_picture_where_batch_norm_fails():
    maps = [torch.rand(1, 4, 16, 16), torch.rand(1, 8, 8, 8)]
    with pytest.raises(ValueError, match='more than 1 value per channel'):
        head(PLAIN)(maps)
    frozen = head(FROZEN)
    frozen.init_weights()
    frozen(maps).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in frozen.parameters())


def test_zero_init_residual_of_a_backbone_would_silence_its_blocks_for_good():
    # what the base configs switch off: a frozen scale of 0 lets nothing through, in any training
    scales = {}
    for zero in (True, False):
        net = ResNetV1c(
            depth=50, base_channels=4, stem_channels=4, norm_cfg=FROZEN, zero_init_residual=zero
        )
        net.init_weights()
        scales[zero] = {float(block.norm3.weight.abs().max()) for block in net.layer1}
    assert scales == {True: {0.0}, False: {1.0}}
