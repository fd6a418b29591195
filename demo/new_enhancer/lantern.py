"""Lantern: light every pixel by a number a ≥ 0 of its own, u = (1 + a) y / (1 + a y)."""

import torch.nn.functional as F
from torch import nn

from llv.models.enhancers import BaseEnhancer, Enhancement
from llv.registry import MODELS


def light(images, strength):
    """Dark values grow (1 + a)-fold, black and white stay, nothing leaves [0, 1]."""
    return (1 + strength) * images / (1 + strength * images)


def exposure_loss(image, strength, target=0.45):
    """No label, no reference: every neighbourhood as bright as by day, by a smooth strength."""
    level = F.adaptive_avg_pool2d(image.mean(1, keepdim=True), 8)
    smooth = sum(strength.log1p().diff(dim=d).square().mean() for d in (-1, -2))
    return dict(loss_level=(level - target).square().mean(), loss_smooth=smooth)


@MODELS.register_module()
class Lantern(BaseEnhancer):
    """u = (1 + a) y / (1 + a y), with a from `depth` convolutions of 3×3 with `width` channels between them."""

    def __init__(self, width=None, depth=None, weights=None):
        super().__init__(weights)
        # of an option that is None the weights decide, else the number here
        chosen = self.settle_options(dict(width=8, depth=3), width=width, depth=depth)
        layers, channels = [], 3
        for _ in range(chosen['depth'] - 1):
            layers += [nn.Conv2d(channels, chosen['width'], 3, padding=1), nn.ReLU()]
            channels = chosen['width']
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 1, 3, padding=1))
        self.receptive_field = 1 + 2 * chosen['depth']
        self.load_weights()  # always the last line

    def enhance(self, images):
        strength = F.softplus(self.layers(images))
        return Enhancement(light(images, strength), dict(strength=strength))

    def loss(self, enhancement, images, references=None):
        return exposure_loss(enhancement.image, enhancement.maps['strength'])
