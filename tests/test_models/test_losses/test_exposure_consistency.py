import json

import cv2
import numpy as np
import pytest
import torch

from llv.models.losses.exposure_consistency import ECLNetLoss, soft_square
from llv.registry import MODELS


def test_published_value(reference_dir):
    folder = reference_dir / 'erl'
    published = json.loads((folder / 'loss_values.json').read_text())
    golden = np.load(folder / 'eclnet_sice_synthetic.npz')
    x, y = (torch.from_numpy(golden[k]).permute(2, 0, 1)[None] for k in ('out', 'input'))
    losses = ECLNetLoss(consistency_weight=0)(x, y)
    assert set(losses) == {'loss_pixel', 'loss_ssim'}
    assert losses['loss_pixel'].item() == pytest.approx(published['l1'], rel=1e-4)
    total = sum(losses.values()).item()
    assert total == pytest.approx(published['eclnet_total_without_consistency'], rel=1e-4)


def test_consistency_is_the_mean_difference_and_moves_both_features():
    x, y = torch.rand(2, 1, 3, 6, 6).unbind()
    f, g = torch.rand(2, 1, 8, 6, 6).unbind()
    f.requires_grad_(), g.requires_grad_()
    loss = MODELS.build(dict(type='llv.ECLNetLoss', consistency_weight=0.5))
    consistency = loss(x, y, f, g)['loss_consistency']
    assert consistency.item() == pytest.approx(0.5 * (f - g).abs().mean().item())
    consistency.backward()
    assert f.grad.abs().min() > 0 and g.grad.abs().min() > 0


@pytest.mark.parametrize('size', [(384, 384), (150, 200), (125, 126)])
def test_the_square_lies_where_the_authors_draw_it(size):
    """Blurred here by opencv, which knows nothing of profiles."""
    starts = []
    for seed in range(30):
        torch.manual_seed(seed)
        square = soft_square(*size)
        # a half is the edge between the last pixel outside and the first inside
        rows, columns = (np.flatnonzero(square.amax(d) > 0.5) for d in (1, 0))
        assert len(rows) == len(columns) == 100
        mask = np.zeros(size)
        mask[rows[0] : rows[0] + 100, columns[0] : columns[0] + 100] = 1
        expected = cv2.GaussianBlur(mask, (51, 51), 3, borderType=cv2.BORDER_CONSTANT)
        np.testing.assert_allclose(square, expected, atol=1e-5)
        starts.append((rows[0], columns[0]))
    for axis in (0, 1):
        found = [start[axis] for start in starts]
        assert min(found) >= 10 and max(found) <= size[axis] - 115
        if size[axis] == 384:
            assert min(found) < 40 and max(found) > 240
    if size[0] == 125:
        assert {start[0] for start in starts} == {10}


@pytest.mark.parametrize('size', [(1, 1), (2, 9), (60, 400), (124, 124)])
def test_small_pictures_have_a_smaller_square(size):
    square = soft_square(*size)
    assert square.shape == size
    assert 0 < square.max() <= 1 + 1e-6 and square.min() >= 0
    side = max(1, min(size) * 100 // 384)
    assert square.sum() <= side**2 * (1 + 1e-5)


def test_the_whole_batch_is_mixed_by_one_square_and_one_share():
    images, references = torch.zeros(3, 3, 140, 160), torch.ones(3, 3, 140, 160)
    shares = set()
    for seed in range(40):
        torch.manual_seed(seed)
        mixed = ECLNetLoss().mix(images, references)
        assert torch.equal(mixed, mixed[:1, :1].expand_as(mixed))
        shares.add(round(mixed.max().item(), 4))
    assert shares <= {round(0.1 + 0.02 * k, 4) for k in range(20)} and len(shares) > 10


def test_mixing_by_its_definition():
    images, references = torch.rand(2, 2, 3, 140, 150).unbind()
    torch.manual_seed(3)
    mixed = ECLNetLoss().mix(images, references)
    torch.manual_seed(3)
    share = ECLNetLoss().mix(torch.zeros(1, 1, 140, 150), torch.ones(1, 1, 140, 150))
    alpha = share.max().item()
    mask = share / alpha
    expected = mask * ((1 - alpha) * images + alpha * references) + (1 - mask) * images
    torch.testing.assert_close(mixed, expected)


def test_a_seed_settles_the_square():
    results = []
    for _ in range(2):
        torch.manual_seed(5)
        results.append(ECLNetLoss().mix(torch.zeros(1, 3, 130, 130), torch.ones(1, 3, 130, 130)))
    assert torch.equal(*results)


def test_errors():
    x = torch.rand(1, 3, 4, 4)
    with pytest.raises(ValueError, match='`mixed_feature` are needed'):
        ECLNetLoss()(x, x)
    with pytest.raises(ValueError, match='must have the shape of `references`'):
        ECLNetLoss()(x, torch.rand(1, 3, 4, 5))
