import pytest
import torch

from llv.models.enhancers.distillation_cell import DistillationCell
from llv.search.genotypes import RUAS_SCENE


def test_wiring_in_closed_form():
    """Identity edges and a summing 1×1: D_1..D_4 are φ of x, φ(2x), φ(2φ(2x)), … times the fuse."""
    cell = DistillationCell(1, ['skip_connect'] * 7)
    with torch.no_grad():
        cell.fuse.weight.copy_(torch.tensor([1.0, 10.0, 100.0, 1000.0]).view(1, 4, 1, 1))
        cell.fuse.bias.fill_(0.5)
    positive = cell(torch.full((1, 1, 1, 1), 0.25)).item()
    # x_i doubles each time
    assert positive == pytest.approx(0.5 + 0.25 * (1 + 20 + 400 + 8000))
    # each x_i is -1 · 2 · 0.05 of the one before, and D_i = 0.05 x_{i-1}
    negative = cell(torch.full((1, 1, 1, 1), -1.0)).item()
    assert negative == pytest.approx(0.5 - 0.05 * (1 + 10 * 0.1 + 100 * 0.01 + 1000 * 0.001))


def test_edges_are_built_in_the_order_of_the_genotype():
    cell = DistillationCell(3, RUAS_SCENE)
    shapes = {name: tuple(value.shape) for name, value in cell.named_parameters()}
    assert {name: shape for name, shape in shapes.items() if name.endswith('weight')} == {
        'refine.0.conv.weight': (3, 3, 1, 1),
        'distill.1.conv.weight': (3, 3, 3, 3),
        'refine.1.conv.weight': (3, 3, 3, 3),
        'distill.2.conv.weight': (3, 3, 3, 3),
        'distill.3.conv.weight': (3, 3, 3, 3),
        'fuse.weight': (3, 12, 1, 1),
    }
    assert cell.distill[1].conv.dilation == (2, 2)


@pytest.mark.parametrize('genotype', ['conv_3x3', ['conv_3x3'] * 6])
def test_refuses_a_genotype_of_another_length(genotype):
    with pytest.raises(ValueError, match='seven names'):
        DistillationCell(3, genotype)


@pytest.mark.parametrize(
    'genotype',
    [
        ['conv_3x3'] * 7,
        ['dilconv_7x7', *['conv_1x1'] * 6],
        [
            'skip_connect',
            'conv_5x5',
            'resdilconv_3x3',
            'conv_3x3',
            'skip_connect',
            *['conv_1x1'] * 2,
        ],
        RUAS_SCENE,
    ],
)
def test_radius_is_what_the_gradient_of_one_pixel_shows(genotype):
    torch.manual_seed(0)
    cell = DistillationCell(2, genotype).double()
    images = torch.rand(1, 2, 21, 21, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(cell(images)[0, :, 10, 10].sum(), images)
    rows = gradient[0].abs().sum(dim=(0, 2)).nonzero().flatten()
    assert (rows.min().item(), rows.max().item()) == (10 - cell.radius, 10 + cell.radius)
