import pytest
import torch

from llv.models.losses import SelfRegularizedLuminanceLoss, self_regularized_luminance
from llv.registry import MODELS

# of a uniform picture: grey level, as printed, in bands
UNIFORM = (
    (0.0, 2.8955103785, 0.7512876361),
    (1.0, 1.1545078233, 1.1545078233),
    (0.5, 0.5758077992, 0.0),
)


@pytest.mark.parametrize(('level', 'printed', 'band'), UNIFORM)
def test_uniform_pictures_have_their_values(level, printed, band):
    picture = torch.full((2, 3, 4, 5), level, dtype=torch.float64)
    assert self_regularized_luminance(picture).item() == pytest.approx(printed, abs=1e-10)
    assert self_regularized_luminance(picture, 'band').item() == pytest.approx(band, abs=1e-10)


def test_channels_count_by_their_own_distance():
    # one channel black, the others at their target
    target = torch.tensor([0.714, 0.680, 0.631], dtype=torch.float64)
    for channel, wanted in enumerate((1.0421435173, 0.9738777322, 0.8794891290)):
        level = target.clone()
        level[channel] = 0
        picture = level.view(1, 3, 1, 1).expand(1, 3, 2, 2)
        assert self_regularized_luminance(picture).item() == pytest.approx(wanted, abs=1e-9)


def test_it_is_the_mean_of_each_picture_that_counts():
    half = torch.zeros(1, 3, 2, 2, dtype=torch.float64)
    half[..., 0] = 1  # mean 0.5, with black and white pixels
    black = torch.zeros_like(half)
    both = self_regularized_luminance(torch.cat([half, black])).item()
    assert both == pytest.approx((0.5758077992 + 2.8955103785) / 2, abs=1e-9)


def test_the_module_is_registered_and_weighted():
    loss = MODELS.build(dict(type='llv.SelfRegularizedLuminanceLoss', mode='band', loss_weight=2.0))
    picture = torch.zeros(1, 3, 2, 2, dtype=torch.float64)
    assert loss(picture).item() == pytest.approx(2 * 0.7512876361)


def test_bad_input_is_one_sentence():
    with pytest.raises(ValueError, match="`mode` must be one of printed, band, but got 'x'"):
        SelfRegularizedLuminanceLoss('x')
    with pytest.raises(ValueError, match='`mode` must'):
        self_regularized_luminance(torch.zeros(1, 3, 2, 2), 'x')
    with pytest.raises(ValueError, match='`reflectance` must be RGB'):
        self_regularized_luminance(torch.zeros(1, 1, 2, 2))
