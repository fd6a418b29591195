import pytest
import torch

from llv.models.losses import total_variation
from llv.registry import MODELS


@pytest.mark.parametrize('squared', [False, True])
def test_equals_the_loop_over_pixels(squared):
    images = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).double()
    power = 2 if squared else 1
    wanted = 0.0
    for channel in range(3):
        across = [
            abs(x[channel, i, j + 1] - x[channel, i, j]) ** power
            for x in images for i in range(4) for j in range(4)
        ]  # fmt: skip
        down = [
            abs(x[channel, i + 1, j] - x[channel, i, j]) ** power
            for x in images for i in range(3) for j in range(5)
        ]  # fmt: skip
        wanted += sum(across) / len(across) + sum(down) / len(down)
    assert total_variation(images, squared).item() == pytest.approx(wanted.item(), abs=1e-12)


def test_a_ramp_has_its_slope_times_the_channels():
    ramp = (torch.arange(6) * 0.1).expand(1, 3, 4, 6)
    assert total_variation(ramp).item() == pytest.approx(0.3, abs=1e-6)
    loss = MODELS.build(dict(type='llv.TotalVariationLoss', squared=True, loss_weight=2.0))
    assert loss(ramp).item() == pytest.approx(2 * 0.03, abs=1e-6)


def test_a_row_and_a_pixel_have_directions_that_count_as_zero():
    assert total_variation(torch.rand(1, 3, 1, 1)).item() == 0
    row = torch.tensor([0.0, 1.0]).expand(1, 3, 1, 2)
    assert total_variation(row).item() == 3
