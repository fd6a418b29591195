import torch
import toy_search
from torch import nn

from llv.engine.loops.search_cost import LevelCost
from llv.engine.loops.search_levels import Level, divide
from llv.engine.loops.search_result import forward_of, measurable
from llv.search.derivation import derived_complexity


class OnePixel(toy_search.ToySupernet):
    """Batch normalisation of one value a channel, as behind the pooling of a segmentor."""

    def __init__(self):
        super().__init__()
        self.pooled = nn.BatchNorm2d(3)

    def forward(self, inputs, mode='tensor'):
        mean = self.pooled(torch.stack(list(inputs)).mean(dim=(2, 3), keepdim=True))
        return super().forward(inputs + mean, mode)


class OnePicture:
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return dict(inputs=torch.zeros(3, 12, 10))


def test_models_that_train_on_several_pictures_are_measured_on_one():
    model = OnePixel().train()
    measured = measurable(model)
    found = derived_complexity(measured, (12, 10), forward=forward_of(measured))
    assert found['parameters'] < sum(p.numel() for p in model.parameters())
    assert all(module.training for module in model.modules())


def test_cost_is_a_share_of_the_largest_choice():
    model = toy_search.ToySupernet()
    cost = LevelCost(model, OnePicture())
    scene, task = divide(model, 'scene', 'rest', 1.0, 'cooperative')
    for level, edge in ((scene, model.scene), (task, model.task)):
        alpha = edge.architecture.arch_alpha
        taps = torch.tensor([0.0, 1, 9, 9, 1, 9, 9])  # SC, 1-C, 3-C, 3-2-DC and the residual ones
        wanted = (alpha.softmax(dim=1) * taps).sum() / 9
        torch.testing.assert_close(cost(level), wanted)
        assert torch.autograd.grad(cost(level), alpha)[0][0, 2] > 0
    assert cost(Level('task', [], task.omega, ('task',), dict(task=1.0))) == 0
