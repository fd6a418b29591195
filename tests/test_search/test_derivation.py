"""The network that α stands for, and the costs of candidates."""

import pytest
import torch
from torch import nn

from llv.models.enhancers.noise_modules import NoiseRemoval
from llv.models.enhancers.scene_module import SceneModule
from llv.search.architecture import Architecture
from llv.search.derivation import candidate_costs, derived_complexity, discretized, expected_cost
from llv.search.genotype_file import read_genotype
from llv.search.searchable import searchable_modules
from llv.search.spaces import CELL_EDGES, LOW_LEVEL
from llv.utils.complexity import count_macs, count_parameters


class Both(nn.Module):
    """Scene module and noise removal, fixed or searched."""

    def __init__(self, scene=None, noise=None):
        super().__init__()
        self.scene, self.noise = SceneModule(scene), NoiseRemoval(noise)

    def forward(self, images):
        u, _ = self.scene(images)
        return u - self.noise(u)


def decide(module, name, margin=9.0):
    genotype = read_genotype(name, module.genotype_module, LOW_LEVEL, CELL_EDGES)
    alpha = module.architecture.arch_alpha.data
    for row, candidate in enumerate(genotype.values()):
        alpha[row, LOW_LEVEL.candidates.index(candidate)] = margin


@pytest.fixture
def supernet():
    torch.manual_seed(0)
    model = Both()
    decide(model.scene, 'ruas-scene')
    decide(model.noise, 'ruas-noise-cvpr')
    return model


def test_the_derived_network_has_the_published_size(supernet):
    found = derived_complexity(supernet, (24, 40))
    # 3 438 parameters, 93 of them biases that cost no multiplication
    published = Both('ruas-scene', 'ruas-noise-cvpr')
    assert found['parameters'] == 3438 == count_parameters(published)
    assert found['macs'] == count_macs(published, (24, 40))


def test_a_discretized_model_is_the_derived_one_with_the_weights_of_the_supernet(supernet):
    images = torch.rand(1, 3, 9, 12)
    derived = Both('ruas-scene', 'ruas-noise-cvpr')
    with discretized(supernet), torch.no_grad():
        assert not searchable_modules(supernet)
        assert supernet.scene.derive() == derived.scene.derive()
        derived.load_state_dict(supernet.state_dict(), strict=True)
        assert torch.equal(supernet(images), derived(images))


@pytest.mark.parametrize('fails', [False, True])
def test_afterwards_all_is_as_it_was(supernet, fails):
    images = torch.rand(1, 3, 9, 12)
    before, result = supernet.state_dict(), supernet(images)
    modules = list(supernet.modules())
    try:
        with discretized(supernet):
            if fails:
                raise KeyError
    except KeyError:
        pass
    assert list(supernet.modules()) == modules
    after = supernet.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert torch.equal(supernet(images), result)
    assert list(searchable_modules(supernet)) == ['scene', 'noise']


def test_costs_of_candidates_in_closed_form(supernet):
    costs = candidate_costs(supernet, (10, 14), batch_size=2)
    pixels = 2 * 10 * 14
    for place, channels in dict(scene=3, noise=6).items():
        # three cells share each row
        taps = torch.tensor([0, 1, 9, 9, 1, 9, 9])
        expected = (3 * pixels * channels**2 * taps).float().expand(7, 7)
        assert torch.equal(costs[place], expected)


def test_costs_of_the_chosen_and_of_what_is_fixed_make_the_whole(supernet):
    costs = candidate_costs(supernet, (10, 14))
    for module in searchable_modules(supernet).values():
        decide(module, 'ruas-scene' if module is supernet.scene else 'ruas-noise-cvpr', 100.0)
    chosen = sum(
        expected_cost(module.architecture, costs[place]).item()
        for place, module in searchable_modules(supernet).items()
    )
    fused = 3 * 12 * 3 + 3 * 24 * 6 + 2 * 9 * 3 * 6
    assert derived_complexity(supernet, (10, 14))['macs'] == chosen + fused * 10 * 14


def test_costs_through_a_function_that_looks_at_values(supernet):
    """The pass without data fails half way; what it saw until then does not count."""

    def forward(images):
        u, _ = supernet.scene(images)
        return supernet.noise(u) if u.mean().item() > 0 else u

    found = candidate_costs(supernet, (6, 6), forward=forward)
    wanted = candidate_costs(supernet, (6, 6))
    assert all(torch.equal(found[place], wanted[place]) for place in wanted)
    assert not any(module._forward_hooks for module in supernet.modules())


def test_the_expected_cost_and_its_gradient_in_closed_form():
    torch.manual_seed(0)
    architecture = Architecture(LOW_LEVEL, ['a', 'b', 'c']).double()
    architecture.arch_alpha.data.normal_()
    costs = torch.rand(3, 7, dtype=torch.float64)
    value = expected_cost(architecture, costs)
    (gradient,) = torch.autograd.grad(value, architecture.arch_alpha)
    weights = architecture.arch_alpha.detach().exp()
    weights = weights / weights.sum(dim=1, keepdim=True)
    mean = (weights * costs).sum(dim=1, keepdim=True)
    torch.testing.assert_close(value.detach(), mean.sum())
    torch.testing.assert_close(gradient, weights * (costs - mean))


def test_costs_of_another_shape_are_refused():
    with pytest.raises(
        ValueError, match=r'`costs` must have the shape of α, \(1, 7\), but got \(7,\)'
    ):
        expected_cost(Architecture(LOW_LEVEL, ['a']), torch.zeros(7))
