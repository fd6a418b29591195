"""What holds for every enhancer that llv registers, in its published form and with its options."""

import copy
import inspect
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llv.apis import registered_enhancers
from llv.models import EnhancedDataPreprocessor
from llv.models.enhancers import Enhancement, FECNet, Identity, MapBasedEnhancer

OPTIONS = dict(
    CLAHE=[dict(channel=name) for name in ('value', 'luminance', 'rgb')],
    DRBN=[dict(exposure_normalization=True)],
    FECNet=[dict(formula='raw')],
    HistogramEqualization=[dict(channel=name) for name in ('luminance', 'lightness', 'rgb')],
    IAGCWD=[dict(channel=name) for name in ('luminance', 'lightness', 'rgb')],
    IAT=[dict(input_range='signed')],
    MeanMatch=[dict(per_channel=False)],
    PSENet=[dict(width=2)],
    RUAS=[
        dict(version='RUAS'),
        dict(version='RUAS', variant='cvpr'),
        dict(version='RUAS_A'),
        dict(variant='detection'),
        dict(warm_start='fixed'),
    ],
    SCI=[dict(training_stages=3)],
    SID=[dict(exposure_normalization=True)],
    TriCo=[dict(use_ihem=False), dict(use_lii=False)],
)
# of all cases of an enhancer: pictures here keep their size, and the arithmetic of a narrow network is the same
ALWAYS = dict(
    Cascade=dict(stages=[dict(type='llv.PSENet'), dict(type='llv.MeanMatch')]),
    Enlarge=dict(scale=1),
    TriCo=dict(scale=1, width=16, illumination_width=8, heads=(1, 2, 4, 8)),
)


def cases():
    """(class, options) by a name to show."""
    found = {}
    for kind in registered_enhancers().values():
        # `Precomputed` lights only the pictures of its folder
        if not kind.__module__.startswith('llv.models') or kind.__name__ == 'Precomputed':
            continue
        options = [{}, *OPTIONS.get(kind.__name__, [])]
        if issubclass(kind, MapBasedEnhancer):
            options.append(dict(estimate_scale=0.25))
        for chosen in options:
            name = '-'.join([kind.__name__, *(f'{k}={v}' for k, v in chosen.items())])
            found[name] = kind, {**ALWAYS.get(kind.__name__, {}), **chosen}
    return found


CASES = cases()


def build(name):
    """An enhancer whose layers all do something, which those of many initialisations do not."""
    torch.manual_seed(0)
    kind, options = CASES[name]
    enhancer = kind(**options)
    with torch.no_grad():
        for parameter in enhancer.parameters():
            spread = parameter.std() if parameter.numel() > 1 else 0
            parameter.add_(torch.randn_like(parameter) * (0.3 * spread if spread > 0 else 0.03))
    return enhancer.eval()


@pytest.fixture(scope='module', params=list(CASES))
def enhancer(request):
    return build(request.param)


def pictures(height, width):
    """Black, white, grey, noise, a dark picture of few levels, and one colour: (6, 3, H, W)."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.rand(2, 3, height, width, generator=generator)
    batch = torch.zeros(6, 3, height, width)
    batch[1] = 1
    batch[2] = 0.5
    batch[3] = noise[0]
    batch[4] = (noise[1] * 10).floor() / 255
    batch[5, 0] = 1
    return batch


def check(enhancement, images):
    """A result of the contract: float32 of the size of the pictures, in [0, 1], maps finite."""
    image = enhancement.image
    assert image.shape == images.shape and image.dtype == torch.float32
    assert image.min() >= 0 and image.max() <= 1  # false for NaN, too
    for name, value in enhancement.maps.items():
        assert value.isfinite().all(), name


def assert_alike(enhancer, results, expected):
    """Equal to 1e-5, maps relative to their largest value.

    The phases of FECNet jump by 2π on rounding errors, so its last result agrees less well.
    """
    tensors = dict(image=expected.image, **expected.maps)
    assert tensors.keys() == dict(image=None, **results.maps).keys()
    for name, value in tensors.items():
        rough = isinstance(enhancer, FECNet) and name in ('image', 'raw')
        tolerance = (2e-2 if rough else 1e-5) * max(1, value.abs().max().item())
        found = results.image if name == 'image' else results.maps[name]
        torch.testing.assert_close(found, value, rtol=0, atol=tolerance, msg=name)


@torch.no_grad()
def test_a_batch_of_unlike_pictures_equals_them_one_by_one(enhancer):
    batch = pictures(9, 14)
    together = enhancer(batch)
    for k in range(len(batch)):
        maps = {name: value[k : k + 1] for name, value in together.maps.items()}
        found = Enhancement(together.image[k : k + 1], maps)
        assert_alike(enhancer, found, enhancer(batch[k : k + 1]))


@pytest.mark.parametrize('size', [(1, 1), (1, 7), (6, 2), (17, 21)])
@torch.no_grad()
def test_any_size_is_lit_and_lit_again_alike(enhancer, size):
    batch = pictures(*size)
    given_tensor = batch.clone()
    result = enhancer(batch)
    check(result, batch)
    assert torch.equal(batch, given_tensor)
    state = torch.get_rng_state()
    again = enhancer(batch)
    assert torch.equal(torch.get_rng_state(), state)  # no hidden randomness
    assert torch.equal(again.image, result.image)


EXTREMES = [0.0, 1.0, 0.5, 1 / 255, 254 / 255, 0.04, 1e-8, 1e-38, 1e-44, 1 - 2**-24]


@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    values=st.lists(st.sampled_from(EXTREMES), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
@settings(max_examples=6, deadline=None)
@torch.no_grad()
def test_finite_pictures_stay_finite(enhancer, size, values, seed):
    generator = torch.Generator().manual_seed(seed)
    index = torch.randint(len(values), (2, 3, *size), generator=generator)
    batch = torch.tensor(values)[index]
    check(enhancer(batch), batch)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
@torch.no_grad()
def test_other_precisions_are_lit_in_float32(enhancer, dtype):
    batch = pictures(6, 5).to(dtype)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        result = enhancer(batch)
    check(result, batch)
    assert torch.equal(result.image, enhancer(batch.float()).image)


@torch.no_grad()
def test_values_outside_the_range_count_as_0_or_1(enhancer):
    batch = pictures(6, 5) * 3 - 1
    batch[0, 0, 0, 0], batch[1, 2, 3, 4] = float('inf'), -float('inf')
    given_tensor = batch.clone()
    result = enhancer(batch)
    assert torch.equal(batch, given_tensor)
    expected = enhancer(batch.clamp(0, 1))
    assert torch.equal(result.image, expected.image)
    for name, value in expected.maps.items():
        assert torch.equal(result.maps[name], value), name


def test_nan_is_refused_in_a_sentence(enhancer):
    batch = pictures(6, 5)
    batch[3, 1, 2, 3] = float('nan')
    with pytest.raises(ValueError, match='`images` holds NaN'):
        enhancer(batch)


@pytest.mark.parametrize('chosen', [slice(None), slice(0, 1), slice(2, 3)])
@pytest.mark.parametrize('training', [False, True])
def test_gradients_are_finite(enhancer, training, chosen):
    learner = copy.deepcopy(enhancer).train(training)
    batch = pictures(3, 6)[chosen].requires_grad_()
    result = learner(batch)
    check(result, batch)
    tensors = [t for t in (result.image, *result.maps.values()) if t.requires_grad]
    if not tensors:
        return  # tables of levels pass no gradient
    sum(tensor.square().mean() for tensor in tensors).backward()
    assert batch.grad is None or batch.grad.isfinite().all()
    for name, parameter in learner.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


def test_recording_gradients_changes_nothing(enhancer):
    batch = pictures(9, 14)
    with torch.no_grad():
        expected = enhancer(batch)
    found = enhancer(batch.clone().requires_grad_())
    maps = {name: value.detach() for name, value in found.maps.items()}
    assert_alike(enhancer, Enhancement(found.image.detach(), maps), expected)


@torch.no_grad()
def test_copies_and_checkpoints_light_alike(enhancer, tmp_path, request):
    name = request.node.callspec.params['enhancer']
    kind, options = CASES[name]
    batch = pictures(6, 5)
    expected = enhancer(batch).image
    twins = [copy.deepcopy(enhancer), pickle.loads(pickle.dumps(enhancer)), kind(**options)]
    twins[-1].load_state_dict(enhancer.state_dict())
    if 'weights' in inspect.signature(kind).parameters:
        torch.save(dict(state_dict=enhancer.state_dict()), tmp_path / 'own.pth')
        # what belongs to the weights comes from the file
        ours = {
            key: options[key]
            for key in ('version', 'training_stages', 'estimate_scale')
            if key in options
        }
        twins.append(kind(weights=str(tmp_path / 'own.pth'), **ours))
    for twin in twins:
        assert torch.equal(twin.eval()(batch).image, expected)


@torch.no_grad()
def test_works_inside_the_preprocessor_and_its_copies(enhancer):
    base = dict(type='mmengine.ImgDataPreprocessor', pad_size_divisor=8)
    preprocessor = EnhancedDataPreprocessor(enhancer, base).eval()
    sizes = [(9, 11), (6, 7), (9, 11)]
    inputs = [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in sizes]
    for copied in (preprocessor, pickle.loads(pickle.dumps(copy.deepcopy(preprocessor)))):
        found = copied(dict(inputs=list(inputs)))['inputs']
        assert found.shape == (3, 3, 16, 16)
        for picture, lit in zip(inputs, found, strict=True):
            height, width = picture.shape[1:]
            expected = enhancer((picture.float() / 255).flip(0)[None]).image[0].flip(0) * 255
            tolerance = 5 if isinstance(enhancer, FECNet) else 255e-5
            assert (lit[:, :height, :width] - expected).abs().max() <= tolerance
            assert not lit[:, height:].any() and not lit[:, :, width:].any()


@torch.no_grad()
def test_nothing_beyond_the_receptive_field_counts(enhancer):
    field = enhancer.receptive_field
    if field is None:  # looks at the whole picture
        return
    assert field % 2 == 1
    reach = field // 2
    side = max(field + 6, enhancer.minimum_size)
    centre = side // 2
    near = slice(centre - reach, centre + reach + 1)
    batch = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(2))
    changed = 1 - batch
    changed[..., near, near] = batch[..., near, near]
    before, after = (enhancer(x).image[..., centre, centre] for x in (batch, changed))
    torch.testing.assert_close(before, after, rtol=0, atol=1e-6)


def test_reduced_estimates_have_no_receptive_field(enhancer):
    # the grid of the reduced picture moves with the size of the whole
    if getattr(enhancer, 'estimate_scale', 1) != 1:
        assert enhancer.receptive_field is None


def test_the_very_tensor_comes_back_where_nothing_is_to_be_changed():
    batch = torch.rand(1, 3, 4, 5)
    assert Identity()(batch).image is batch
    assert torch.equal(Identity()(2 * batch).image, (2 * batch).clamp(0, 1))
