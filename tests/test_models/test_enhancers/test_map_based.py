"""Maps predicted on a reduced picture, applied at full size."""

import pytest
import torch
from torch import nn

from llv.apis import registered_enhancers
from llv.models.enhancers import Enhancement
from llv.models.enhancers.map_based import MapBasedEnhancer


class MeanGain(MapBasedEnhancer):
    """Divides by the mean colour; keeps the sizes it was asked to predict at."""

    minimum_size = 6

    def estimate_maps(self, images):
        self.seen = images
        mean = images.mean(dim=(-2, -1), keepdim=True)
        return dict(mean=mean.expand_as(images), level=mean.mean(dim=1).flatten())

    def apply_maps(self, images, maps):
        return Enhancement((images / maps['mean'] / 2).clamp(0, 1), maps)


@pytest.mark.parametrize('size', [(40, 64), (41, 63), (9, 30), (3, 2)])
@pytest.mark.parametrize('scale', [1.0, 0.5, 0.25, 0.01])
def test_maps_are_predicted_small_and_applied_at_full_size(size, scale):
    images = torch.rand(2, 3, *size) * 0.5 + 0.25
    enhancer = MeanGain(estimate_scale=scale)
    enhancement = enhancer(images)
    for side, seen in zip(size, enhancer.seen.shape[-2:], strict=True):
        assert seen == max(round(max(side, 6) * scale), 6)
    assert enhancement.image.shape == images.shape
    assert enhancement.maps['mean'].shape == images.shape
    assert enhancement.maps['level'].shape == (2,)


def test_a_constant_picture_loses_nothing():
    images = torch.full((1, 3, 33, 47), 0.2)
    full = MeanGain()(images).image
    assert torch.allclose(MeanGain(estimate_scale=0.25)(images).image, full, atol=1e-6)


def test_scale_one_predicts_on_the_picture_itself():
    images = torch.rand(1, 3, 16, 16)
    enhancer = MeanGain()
    enhancer(images)
    assert enhancer.seen is images


@pytest.mark.parametrize('scale', [0, -1, 1.5, float('nan')])
def test_other_scales_are_refused(scale):
    with pytest.raises(ValueError, match='`estimate_scale` must be in'):
        MeanGain(estimate_scale=scale)


@pytest.mark.parametrize(
    'kind',
    [kind for kind in registered_enhancers().values() if issubclass(kind, MapBasedEnhancer)],
    ids=lambda kind: kind.__name__,
)
def test_gradients_reach_map_based_enhancers_at_a_reduced_scale(kind):
    enhancer = kind(estimate_scale=0.5)
    images = torch.rand(2, 3, 24, 20) * 0.3
    enhancement = enhancer(images)
    assert enhancement.image.shape == images.shape
    enhancement.image.sum().backward()
    trained = [p for p in enhancer.parameters() if p.requires_grad]
    if any(isinstance(m, nn.Conv2d) for m in enhancer.modules()):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in trained)
