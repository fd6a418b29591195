"""Flicker: the network of Lantern, searched among candidates of its own."""

import torch.nn.functional as F
from torch import nn

from demo.new_enhancer.lantern import exposure_loss, light
from llv.models.enhancers import BaseEnhancer, Enhancement
from llv.registry import MODELS
from llv.search import Searchable, SearchSpace


class Gate(nn.Module):
    """Channels multiplied by numbers made of their means over the whole picture."""

    def __init__(self, width):
        super().__init__()
        self.gate = nn.Conv2d(width, width, 1)

    def forward(self, x):
        return x * self.gate(x.mean(dim=(-2, -1), keepdim=True)).sigmoid()


CANDIDATES = dict(
    conv_3x3=lambda width: nn.Conv2d(width, width, 3, padding=1),
    separable_5x5=lambda width: nn.Sequential(
        nn.Conv2d(width, width, 5, padding=2, groups=width), nn.Conv2d(width, width, 1)
    ),
    blur_9x9=lambda width: nn.AvgPool2d(9, stride=1, padding=4, count_include_pad=False),
    gate=Gate,
)
SPACE = SearchSpace('flicker', version=1, candidates=tuple(CANDIDATES))


@MODELS.register_module()
class Flicker(Searchable, BaseEnhancer):
    """u = (1 + a) y / (1 + a y); `genotype=None` holds all candidates of each edge, a genotype the chosen ones."""

    genotype_module = 'flicker'

    def __init__(self, genotype=None, width: int = 8, edges: int = 3, weights: str | None = None):
        super().__init__(weights)
        names = [f'edge_{index}' for index in range(edges)]
        self.settle_genotype(genotype, SPACE, names)
        self.first, self.last = nn.Conv2d(3, width, 1), nn.Conv2d(width, 1, 1)
        build = [self.build_edge(name, lambda kind: CANDIDATES[kind](width)) for name in names]
        self.edges = nn.ModuleList(build)
        self.load_weights()

    def enhance(self, images):
        x = self.first(images)
        for edge in self.edges:
            x = x + edge(x.relu())
        strength = F.softplus(self.last(x.relu()))
        return Enhancement(light(images, strength), dict(strength=strength))

    def loss(self, enhancement, images, references=None):
        return exposure_loss(enhancement.image, enhancement.maps['strength'])
