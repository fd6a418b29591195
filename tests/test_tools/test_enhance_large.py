"""Tiles that change nothing, and what is said where pictures are too large."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llv.apis import enhance, init_enhancer
from llv.apis.inference import light
from llv.apis.large import OutOfMemory, check_tile, remedy
from llv.models.enhancers import CLAHE, RUAS, SCI, FixedGain, Gamma, PSENet, TriCo, ZeroDCE


def wild(module, size=0.4):
    """Random weights so large that a pixel more or less at a border is seen, and so small that nothing saturates."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, size)
    return module.eval()


@pytest.fixture(scope='module')
def finite():
    torch.manual_seed(0)
    stages = [dict(type='llv.SCI'), dict(type='llv.Enlarge'), dict(type='llv.SCI')]
    modules = [
        init_enhancer('ruas-night-scenes'),
        wild(RUAS(version='RUAS_S')),
        wild(RUAS(version='RUAS')),
        wild(SCI()),
        wild(ZeroDCE(), 0.1),
        init_enhancer('enlarge', scale=2),
        wild(init_enhancer('cascade', stages=stages)),
        Gamma(0.5),
    ]
    assert all(module.receptive_field for module in modules)
    return modules


@given(
    size=st.tuples(st.integers(40, 90), st.integers(40, 90)),
    more=st.integers(4, 40),
    seed=st.integers(0, 999),
)
@settings(max_examples=3, deadline=None)
def test_tiles_give_what_the_whole_picture_gives(finite, size, more, seed):
    images = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(seed))
    for module in finite:
        tile = max(2 * (module.receptive_field + 1), 8) + more
        whole, tiled = light(module, images), light(module, images, tile)
        assert float((whole - tiled).abs().max()) <= 1e-5, (type(module).__name__, tile)


def test_tiles_are_all_an_enhancer_sees():
    class Watch(FixedGain):
        def enhance(self, images):
            self.largest = max(getattr(self, 'largest', 0), images.shape[2] * images.shape[3])
            return super().enhance(images)

    module = Watch(2.0)
    light(module, torch.rand(1, 3, 200, 300), 50)
    assert module.largest == 2500


@pytest.mark.parametrize(
    ('module', 'words'),
    [
        (lambda: PSENet(), '`PSENet` looks at the whole.* `--options estimate_scale=0.25`'),
        (lambda: TriCo(prior='none'), '`TriCo` looks at the whole .* `--options tile=256`'),
        (lambda: CLAHE(), '`CLAHE` looks at the whole.*leave `--tile` out'),
        (lambda: PSENet(estimate_scale=0.2), '`PSENet` .*leave `--tile` out'),
        (lambda: SCI(estimate_scale=0.5), '`SCI` .* `--options estimate_scale=0.25`'),
    ],
)
def test_tiles_that_would_change_the_result_are_refused(module, words):
    with pytest.raises(ValueError, match=words):
        check_tile(module(), 512)


def test_tiles_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match='at least 14 pixels.* `SCI`.* depend on 7 .* got 13'):
        check_tile(SCI(), 13)
    check_tile(SCI(), 14)


def hungry(kind, **options):
    """An enhancer that asks for more memory than any machine has."""

    class Hungry(kind):
        def enhance(self, images):
            return torch.empty(2**50)

        maps_at = enhance

    return Hungry(**options)


@pytest.mark.parametrize(
    ('kind', 'options', 'words'),
    [
        (FixedGain, {}, 'light it in tiles by `--tile 1024`'),
        (SCI, {}, 'light it in tiles by `--tile 1024`'),
        (PSENet, {}, 'use `--options estimate_scale=0.25`'),
        (PSENet, dict(estimate_scale=0.25), 'shrink it, or use another `--device`'),
        (CLAHE, {}, 'shrink it, or use another `--device`'),
    ],
)
def test_where_memory_ends_the_remedy_fits_the_enhancer(kind, options, words):
    with pytest.raises(OutOfMemory, match=words) as caught:
        enhance(hungry(kind, **options), torch.zeros(8, 8, 3, dtype=torch.uint8).numpy())
    assert 'one tensor of 4194304.0 GiB' in str(caught.value)


def test_other_errors_stay_what_they_are():
    class Broken(FixedGain):
        def enhance(self, images):
            raise RuntimeError('of another kind')

    with pytest.raises(RuntimeError, match='of another kind'):
        light(Broken(), torch.rand(1, 3, 4, 4))


def test_the_remedies_go_on_from_what_is_used_already():
    assert '--tile 256' in remedy(FixedGain(), 512)
    assert 'tile=256' in remedy(TriCo(prior='none'))
    assert 'shrink' in remedy(TriCo(prior='none', tile=256))
