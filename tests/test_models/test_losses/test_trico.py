import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llv.evaluation import functional
from llv.models.enhancers import Enhancement
from llv.models.losses import TriCoLoss, self_regularized_luminance, total_variation
from llv.registry import MODELS

PUBLISHED = dict(srl=2.177, c=0.473, ssim=0.901, tv=0.195)  # `p`, 0.181, needs VGG


@pytest.fixture
def batch():
    """A result outside of [0, 1] at places, its reflectance, dark pictures and references."""
    generator = torch.Generator().manual_seed(0)
    raw = torch.rand(2, 3, 14, 18, generator=generator).double() * 1.4 - 0.2
    maps = dict(raw=raw, reflectance=torch.rand(2, 3, 7, 9, generator=generator).double())
    references = torch.rand(2, 3, 14, 18, generator=generator).double()
    return Enhancement(raw.clamp(0, 1), maps), torch.zeros(2, 3, 7, 9), references


def test_values_are_the_five_definitions(batch):
    enhancement, images, references = batch
    raw = enhancement.maps['raw']
    values = MODELS.build(dict(type='llv.TriCoLoss')).values(enhancement, images, references)
    similarity = functional.ssim(
        raw, references, window='gaussian', covariance='population', edges='inside'
    )
    wanted = dict(
        srl=self_regularized_luminance(enhancement.maps['reflectance']),
        c=(raw - references).abs().mean(),
        ssim=1 - similarity.mean(),
        tv=total_variation(raw),
    )
    assert list(values) == list(wanted)
    for name, value in wanted.items():
        assert values[name].item() == pytest.approx(value.item(), abs=1e-9), name


def test_the_regulariser_has_its_constants():
    nothing = dict.fromkeys(('srl', 'c', 'ssim', 'tv'), torch.zeros(()))
    assert TriCoLoss().objective(nothing).item() == pytest.approx(4 * math.log(2), abs=1e-6)
    # with the fifth at 1 and at its published value
    assert 4 * math.log(2) + math.log1p(1) == pytest.approx(3.4657359, abs=1e-7)
    published = TriCoLoss(hyper_init=PUBLISHED).double().objective(nothing).item()
    assert published + math.log1p(0.181**2) == pytest.approx(2.6131221, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(
    power=st.sampled_from([1, 2]),
    hyper=st.lists(st.floats(0.05, 10), min_size=4, max_size=4),
    losses=st.lists(st.floats(0, 8), min_size=4, max_size=4),
)
def test_the_closed_form_is_the_derivative(power, hyper, losses):
    names = ('srl', 'c', 'ssim', 'tv')
    criterion = TriCoLoss(hyper_init=dict(zip(names, hyper, strict=True)), weight_power=power)
    criterion = criterion.double().requires_grad_()
    values = {
        n: torch.tensor(v, dtype=torch.float64, requires_grad=True)
        for n, v in zip(names, losses, strict=True)
    }
    found = criterion.hyper_gradient(values)
    wanted = torch.autograd.grad(
        criterion.objective(values), list(criterion.hyper.values()), create_graph=True
    )
    slopes = criterion.slopes()
    for name, gradient in zip(names, wanted, strict=True):
        torch.testing.assert_close(found[name], gradient.detach())
        mixed = torch.autograd.grad(gradient, values[name], retain_graph=True)[0]
        torch.testing.assert_close(slopes[name], mixed)
    assert not any(value.requires_grad for value in found.values())


@pytest.mark.parametrize(('power', 'at_rest'), [(1, 4 * 0.7**3 / 1.49), (2, 2 * 0.7**4 / 1.49)])
def test_hyper_variables_rest_where_they_should(power, at_rest):
    criterion = TriCoLoss(hyper_init=dict(c=0.7), weight_power=power).double()
    values = dict.fromkeys(criterion.hyper, torch.tensor(at_rest, dtype=torch.float64))
    assert criterion.hyper_gradient(values)['c'].item() == pytest.approx(0, abs=1e-6)


def test_hyper_variables_stay_inside_their_bounds():
    criterion = TriCoLoss(floor=0.1, ceiling=3)
    with torch.no_grad():
        for hyper, value in zip(criterion.hyper.values(), (-1.0, 0.5, 9.0, 3.0), strict=True):
            hyper.fill_(value)
    criterion.project()
    found = [hyper.item() for hyper in criterion.hyper.values()]
    assert found == pytest.approx([0.1, 0.5, 3, 3])


def test_hyper_variables_are_saved_and_rest_in_other_loops(batch):
    criterion = TriCoLoss(hyper_init=dict(c=0.5))
    assert set(criterion.state_dict()) == {f'hyper.{n}' for n in ('srl', 'c', 'ssim', 'tv')}
    assert not any(p.requires_grad for p in criterion.parameters())
    losses = criterion(*batch)
    values = criterion.values(*batch)
    assert list(losses) == ['loss_srl', 'loss_c', 'loss_ssim', 'loss_tv']
    assert losses['loss_c'].item() == pytest.approx(values['c'].item() + math.log1p(0.25), rel=1e-6)
    assert sum(losses.values()).item() == pytest.approx(criterion.objective(values).item())
    assert criterion.content(values) is values['c']


def test_losses_may_be_left_out_with_their_hyper_variables(batch):
    criterion = TriCoLoss(leave_out=('srl', 'tv', 'p'))
    assert list(criterion.values(*batch)) == list(criterion.hyper) == ['c', 'ssim']
    with pytest.raises(ValueError, match='take `c` out of `leave_out`'):
        TriCoLoss(leave_out=('c',)).content(dict(ssim=torch.ones(())))


def test_a_decoy_wants_the_picture_out_of_focus(batch):
    enhancement, images, references = batch
    criterion = TriCoLoss(decoy=dict(magnitude=2.0, sigma=1.0))
    assert list(criterion.hyper) == ['srl', 'c', 'ssim', 'tv', 'decoy']
    blurred = torch.zeros_like(references)
    padded = torch.nn.functional.pad(references, [3] * 4, mode='replicate')
    weights = [math.exp(-(k**2) / 2) for k in range(-3, 4)]
    for i in range(7):
        for j in range(7):
            part = padded[..., i : i + 14, j : j + 18]
            blurred += part * weights[i] * weights[j] / sum(weights) ** 2
    wanted = 2 * (enhancement.maps['raw'] - blurred).abs().mean()
    value = criterion.values(*batch)['decoy']
    assert value.item() == pytest.approx(wanted.item(), abs=1e-9)
    best = Enhancement(blurred, dict(enhancement.maps, raw=blurred))
    assert criterion.values(best, images, references)['decoy'].item() == pytest.approx(0, abs=1e-9)


def test_a_preset_has_the_conventions_of_the_sister_code(batch):
    enhancement, _, _ = batch
    ours, theirs = TriCoLoss().values(*batch), TriCoLoss(preset='ultrais').values(*batch)
    band = self_regularized_luminance(enhancement.maps['reflectance'], 'band')
    assert torch.equal(theirs['srl'], band)
    torch.testing.assert_close(theirs['ssim'], 1 - ours['ssim'])
    assert torch.equal(theirs['tv'], total_variation(enhancement.maps['raw'], squared=True))
    assert torch.equal(theirs['c'], ours['c'])
    assert TriCoLoss(preset='ultrais').weight_power == 2
    assert TriCoLoss(preset='ultrais', weight_power=1, srl_mode='printed').weight_power == 1


def test_the_perceptual_loss_takes_the_factor_of_the_conventions(tmp_path):
    from llv.models.losses.perceptual import vgg19_convolutions

    state = {}
    for index, before, behind in vgg19_convolutions():
        state[f'features.{index}.weight'] = torch.zeros(1).expand(behind, before, 3, 3)
        state[f'features.{index}.bias'] = torch.zeros(behind)
    file = str(tmp_path / 'vgg.pth')
    torch.save(state, file)
    factors = [
        TriCoLoss(dict(weights=file, **more), preset=preset).perceptual.factor
        for preset, more in ((None, {}), ('ultrais', {}), ('ultrais', dict(factor=0.5)))
    ]
    assert factors == [0.01, 1.0, 0.5]
    assert list(TriCoLoss(dict(weights=file)).hyper) == ['srl', 'c', 'p', 'ssim', 'tv']
    assert 'p' not in TriCoLoss(dict(weights=file), leave_out=['p']).hyper
    raw = torch.rand(1, 3, 16, 16)
    enhancement = Enhancement(raw, dict(raw=raw, reflectance=raw))
    values = TriCoLoss(dict(weights=file)).values(enhancement, raw, raw)
    assert values['p'].item() == 0 and list(values)[2] == 'p'


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(preset='x'), "`preset` must be None or 'ultrais'"),
        (dict(weight_power=3), '`weight_power` must be 1 or 2'),
        (dict(srl_mode='x'), '`srl_mode` must be'),
        (dict(floor=2.0, ceiling=1.0), '`floor` and `ceiling`'),
        (dict(floor=0.0), '`floor` and `ceiling`'),
        (dict(leave_out=['x']), "`leave_out` must hold names of .*'x'"),
        (dict(leave_out=['srl', 'c', 'ssim', 'tv']), 'leaves no loss'),
        (dict(hyper_init='zeros'), '`hyper_init` must be'),
        (dict(hyper_init=dict(p=1.0)), "`hyper_init` names 'p'"),
        (dict(hyper_init=dict(c=0.01)), "`hyper_init` of 'c' must lie between"),
        (dict(decoy=dict(width=1)), '`decoy` takes'),
        (dict(decoy=dict(sigma=0)), '`decoy` takes'),
    ],
)
def test_bad_options_are_one_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        TriCoLoss(**options)


def test_bad_pairs_are_one_sentence(batch):
    enhancement, images, references = batch
    with pytest.raises(ValueError, match='the pictures have none; load pairs'):
        TriCoLoss().values(enhancement, images, None)
    with pytest.raises(ValueError, match="the enhancer's `scale`"):
        TriCoLoss().values(enhancement, images, references[..., ::2])
