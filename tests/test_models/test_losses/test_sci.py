"""The loss of SCI against one written with NumPy, neighbour by neighbour."""

import numpy as np
import pytest
import torch

from llv.models.losses.sci import SCISceneLoss

NEIGHBOURS = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if (dy, dx) != (0, 0)]
MATRIX = np.array([[0.257, -0.148, 0.439], [0.564, -0.291, -0.368], [0.098, 0.439, -0.071]])
OFFSET = np.array([16, 128, 128]) / 255


def plain(illumination, inputs, sigma, guide):
    """mean (t - v)² and the sum over 24 neighbours of the mean weighted difference, of a batch."""
    if guide == 'scrambled_ycbcr':
        guide = (inputs.reshape(-1, 3) @ MATRIX + OFFSET).reshape(inputs.shape)
    else:
        guide = inputs
    height, width = inputs.shape[2:]
    smooth = 0
    for dy, dx in NEIGHBOURS:
        values = []
        for picture in range(len(inputs)):
            for y in range(height):
                for x in range(width):
                    if 0 <= y + dy < height and 0 <= x + dx < width:
                        g = guide[picture, :, y + dy, x + dx] - guide[picture, :, y, x]
                        t = (
                            illumination[picture, :, y + dy, x + dx]
                            - illumination[picture, :, y, x]
                        )
                        weight = np.exp(-(g**2).sum() / (2 * sigma**2))
                        values.append(weight * np.abs(t).sum())
        smooth += np.mean(values)
    return ((illumination - inputs) ** 2).mean(), smooth


@pytest.mark.parametrize(
    'options, sigma, guide',
    [
        (dict(), 10, 'scrambled_ycbcr'),
        (dict(coef=50), 0.1, 'scrambled_ycbcr'),
        (dict(guide='rgb', coef=50), 0.1, 'rgb'),
    ],
)
def test_both_parts_equal_the_plain_version(options, sigma, guide):
    rng = np.random.default_rng(0)
    illumination, inputs = rng.random((2, 2, 3, 5, 6))
    fidelity, smooth = plain(illumination, inputs, sigma, guide)
    losses = SCISceneLoss(**options)(torch.from_numpy(illumination), torch.from_numpy(inputs))
    assert losses['loss_fidelity'].item() == pytest.approx(1.5 * fidelity, rel=1e-6)
    assert losses['loss_smooth'].item() == pytest.approx(smooth, rel=1e-6)


def test_weights_scale_the_parts():
    illumination, inputs = torch.rand(2, 1, 3, 6, 6)
    one = SCISceneLoss(fidelity_weight=1)(illumination, inputs)
    other = SCISceneLoss(fidelity_weight=3, smooth_weight=0.5)(illumination, inputs)
    torch.testing.assert_close(other['loss_fidelity'], 3 * one['loss_fidelity'])
    torch.testing.assert_close(other['loss_smooth'], 0.5 * one['loss_smooth'])


def test_gradients_are_finite_on_flat_pictures():
    illumination = torch.full((1, 3, 4, 4), 0.5, requires_grad=True)
    sum(SCISceneLoss()(illumination, torch.zeros(1, 3, 4, 4)).values()).backward()
    assert torch.isfinite(illumination.grad).all()


def test_mistakes_are_told():
    with pytest.raises(ValueError, match='`guide` must be one of rgb, scrambled_ycbcr'):
        SCISceneLoss(guide='hsv')
    with pytest.raises(ValueError, match='must have the shape of `inputs`'):
        SCISceneLoss()(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 5))
