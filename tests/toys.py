"""Tiny enhancers and models that several tests share."""

import torch
from mmengine.model import BaseModel
from torch import nn

from llv.models.enhancers import BaseEnhancer, Enhancement
from llv.registry import MODELS


@MODELS.register_module()
class Invert(BaseEnhancer):
    """u = 1 − y."""

    def enhance(self, images):
        return Enhancement(1 - images)


@MODELS.register_module()
class Nearest(BaseEnhancer):
    """Every pixel becomes a square of s × s."""

    def __init__(self, scale=2):
        super().__init__()
        self.scale = scale

    def enhance(self, images):
        grown = images.repeat_interleave(self.scale, -1).repeat_interleave(self.scale, -2)
        return Enhancement(grown)


@MODELS.register_module()
class LearnedGain(BaseEnhancer):
    """u = clip(w · y): one parameter, a dropout to tell train from eval, and a loss with a known gradient."""

    def __init__(self, weights=None, value=1.5):
        super().__init__(weights)
        self.w = nn.Parameter(torch.tensor([float(value)]))
        self.dropout = nn.Dropout(0.5)
        self.load_weights()

    def enhance(self, images):
        raw = images * self.w
        return Enhancement(raw.clamp(0, 1), dict(raw=raw))

    def loss(self, enhancement, images, references=None):
        target = 0.5 if references is None else references
        return dict(loss_level=(enhancement.maps['raw'] - target).square().mean())


@MODELS.register_module()
class MeanModel(BaseModel):
    """A model whose task loss is the mean of what its preprocessor hands over, times a parameter."""

    def __init__(self, data_preprocessor=None):
        super().__init__(data_preprocessor)
        self.p = nn.Parameter(torch.ones(1))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        value = self.p * inputs.mean()
        return dict(loss_task=value) if mode == 'loss' else [value.detach()]
