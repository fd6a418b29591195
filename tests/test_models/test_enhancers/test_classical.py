"""What every method without training, and SCI, holds for any picture."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llv.models.enhancers.clahe import CLAHE
from llv.models.enhancers.gamma import Gamma
from llv.models.enhancers.histogram_equalization import CHANNELS, HistogramEqualization
from llv.models.enhancers.iagcwd import IAGCWD
from llv.models.enhancers.sci import SCI

ENHANCERS = dict(
    Gamma=Gamma,
    SCI=SCI,
    **{f'HE {c}': lambda c=c: HistogramEqualization(c) for c in CHANNELS},
    **{f'CLAHE {c}': lambda c=c: CLAHE(grid=(3, 4), channel=c) for c in CHANNELS},
    **{f'IAGCWD {c}': lambda c=c: IAGCWD(c) for c in CHANNELS},
)


@pytest.fixture(params=ENHANCERS, scope='module')
def enhancer(request):
    torch.manual_seed(0)
    return ENHANCERS[request.param]().eval()


@settings(deadline=None, max_examples=12)
@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    seed=st.integers(0, 999),
    kind=st.sampled_from(['random', 'dark', 'black', 'white', 'grey', 'extremes', 'tiny']),
)
def test_any_picture_of_any_size_stays_a_picture(enhancer, size, seed, kind):
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(seed))
    images = dict(
        random=images,
        dark=images * 0.1,
        black=images * 0,
        white=images * 0 + 1,
        grey=images[:, :1].expand(-1, 3, -1, -1).clone(),
        extremes=images.round(),
        tiny=images * 1e-40,
    )[kind]
    before = images.clone()
    with torch.no_grad():
        image = enhancer(images).image
        alone = torch.cat([enhancer(one[None]).image for one in images])
    assert image.shape == images.shape and image.dtype == torch.float32
    assert torch.isfinite(image).all() and image.min() >= 0 and image.max() <= 1
    torch.testing.assert_close(image, alone, rtol=0, atol=1e-5)
    assert torch.equal(images, before)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_point_types_are_lit_in_float32(enhancer, dtype):
    images = (torch.randint(0, 256, (1, 3, 9, 9)) / 255).to(dtype)
    with torch.no_grad():
        assert torch.equal(enhancer(images).image, enhancer(images.float()).image)


def test_pictures_in_another_memory_layout_are_lit_alike(enhancer):
    images = torch.rand(2, 3, 9, 11)
    with torch.no_grad():
        image = enhancer(images).image
        other = enhancer(images.to(memory_format=torch.channels_last)).image
    torch.testing.assert_close(image, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize('kind', ['Gamma', 'SCI'])
@pytest.mark.parametrize('value', [0.0, 0.5, 1.0])
def test_gradients_are_finite_on_flat_pictures(kind, value):
    images = torch.full((1, 3, 6, 6), value, requires_grad=True)
    ENHANCERS[kind]().eval()(images).image.sum().backward()
    assert torch.isfinite(images.grad).all()


@pytest.mark.parametrize('kind', [HistogramEqualization, CLAHE, IAGCWD])
def test_lookup_tables_pass_no_gradient(kind):
    images = torch.rand(1, 3, 6, 6, requires_grad=True)
    assert not kind()(images).image.requires_grad
