import pytest
import torch
import torch.nn.functional as F

from llv.models.enhancers.drbn import DRBN
from llv.models.losses.ssim import ssim


@pytest.fixture(scope='module', params=[False, True], ids=['DRBN', 'DRBN-ENC'])
def enhancer(request):
    torch.manual_seed(0)
    return DRBN(exposure_normalization=request.param).eval()


@pytest.mark.parametrize('size', [(1, 1), (3, 9), (8, 10), (13, 16)])
@torch.no_grad()
def test_other_sizes_are_padded_by_replication_and_cropped_back(enhancer, size):
    picture = torch.rand(1, 3, *size)
    height, width = size
    padded = F.pad(picture, (0, -width % 4, 0, -height % 4), mode='replicate')
    maps, whole = enhancer(picture).maps, enhancer(padded).maps
    for scale, name in ((1, 'raw'), (2, 'half'), (4, 'quarter')):
        expected = picture[..., ::scale, ::scale].shape
        assert maps[name].shape == expected
        assert torch.equal(maps[name], whole[name][..., : expected[2], : expected[3]])


def test_the_loss_compares_three_sizes_with_every_second_and_fourth_pixel(enhancer):
    picture, reference = torch.rand(2, 2, 3, 11, 14).unbind()
    result = enhancer(picture)
    losses = enhancer.loss(result, picture, reference)
    expected = (
        ssim(result.maps['raw'], reference)
        + ssim(result.maps['half'], reference[..., [0, 2, 4, 6, 8, 10], :][..., ::2])
        + ssim(result.maps['quarter'], reference[..., [0, 4, 8], :][..., [0, 4, 8, 12]])
    )
    assert {k: v.item() for k, v in losses.items()} == pytest.approx(
        dict(loss_ssim=-expected.item())
    )


def test_every_parameter_is_trained(enhancer):
    enhancer.zero_grad()
    picture, reference = torch.rand(2, 1, 3, 16, 16).unbind()
    enhancer.loss(enhancer(picture), picture, reference)['loss_ssim'].backward()
    assert [name for name, p in enhancer.named_parameters() if not p.grad.any()] == []


def test_features_are_kept_in_training_only(enhancer):
    picture = torch.rand(1, 3, 9, 10)
    try:
        maps = enhancer.train()(picture).maps
    finally:
        enhancer.eval()
    if enhancer.exposure_normalization:
        assert maps['normalized'].shape == maps['compensated'].shape == (1, 16, 9, 10)
    else:
        assert set(maps) == {'raw', 'half', 'quarter'}
    assert set(enhancer(picture).maps) == {'raw', 'half', 'quarter'}


def test_it_learns_to_light_a_pair():
    torch.manual_seed(0)
    enhancer = DRBN()
    reference = F.interpolate(torch.rand(1, 3, 4, 4), size=16, mode='bicubic').clamp(0, 1)
    picture = 0.2 * reference
    optimizer = torch.optim.Adam(enhancer.parameters(), lr=2e-3, betas=(0.9, 0.99))
    values = []
    for _ in range(10):
        loss = enhancer.loss(enhancer(picture), picture, reference)['loss_ssim']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert values[-1] < values[0] - 0.2
