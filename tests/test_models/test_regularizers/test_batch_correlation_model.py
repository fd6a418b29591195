"""The two stages: what they learn, what they leave alone, and how one builds on the other."""

import math

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import build_optim_wrapper
from relations import OPTIONS, Cut, listening, pairs, run, write_module

from llv.engine.optim_wrappers import Bfloat16OptimWrapper
from llv.models.losses.frequency import phase_distance
from llv.models.regularizers.batch_correlation_model import BatchCorrelationModel
from llv.models.regularizers.batch_correlation_module import BatchCorrelationModule
from llv.utils.checkpoint import load_state_dict

SIZES = [(16, 18)] * 3
warnings_told = pytest.fixture(listening)


def build(seed=0, **options):
    torch.manual_seed(seed)
    return BatchCorrelationModel({**OPTIONS, **options.pop('module', {})}, **options)


@pytest.fixture
def first(tmp_path):
    """A checkpoint of the first stage."""
    file = tmp_path / 'first.pth'
    torch.save(dict(state_dict=build(1).state_dict()), file)
    return str(file)


def train(model, steps=3, rate=1e-2, sizes=SIZES):
    wrapper = build_optim_wrapper(model, dict(optimizer=dict(type='Adam', lr=rate)))
    return [model.train_step(pairs(sizes), wrapper) for _ in range(steps)]


def copied(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def moved(model, before):
    """Children of the module of which a tensor changed."""
    after = model.state_dict()
    return {n.split('.')[1] for n in before if not torch.equal(before[n], after[n])}


def test_the_first_stage_learns_to_reproduce_without_a_transformer():
    model = build()
    names = {name.split('.')[1] for name in model.state_dict()}
    assert names == {'options', 'encoder', 'decoder'}
    before = copied(model)
    images = torch.stack(pairs(SIZES)['inputs']).flip(1) / 255
    expected = (model.module.reconstruct(images) - images).abs().mean().item()
    logs = train(model, 40)
    assert logs[0]['loss_pixel'].item() == pytest.approx(expected)
    assert logs[-1]['loss_pixel'] < expected / 2
    assert moved(model, before) == {'encoder', 'decoder'}


@pytest.mark.parametrize('train_fusion', [True, False])
@pytest.mark.parametrize('pretext', ['phase', 'pixel'])
def test_the_second_stage_leaves_encoder_and_decoder_bit_identical(first, pretext, train_fusion):
    model = build(2, stage='pretext', pretext=pretext, train_fusion=train_fusion, weights=first)
    before, source = copied(model), load_state_dict(first)
    assert all(torch.equal(before[n], source[n]) for n in source)
    logs = train(model)
    assert moved(model, before) == {'transformer'} | ({'fusion'} if train_fusion else set())
    assert not any(p.grad is not None for p in model.module.encoder.parameters())
    assert f'loss_{pretext}' in logs[0]


def test_losses_are_those_of_the_results(first):
    images = torch.stack(pairs(SIZES)['inputs']).flip(1) / 255
    expected = dict(
        wrapped=lambda result: phase_distance(result, images, wrap=True),
        plain=lambda result: phase_distance(result, images, wrap=False),
        pixel=lambda result: (result - images).abs().mean(),
    )
    options = dict(wrapped={}, plain=dict(wrap=False), pixel=dict(pretext='pixel'))
    for name, loss in expected.items():
        model = build(2, stage='pretext', weights=first, **options[name])
        (value,) = (v for k, v in model(list(images), mode='loss').items() if 'loss' in k)
        torch.testing.assert_close(value, loss(model.module(images)), msg=name)


def test_the_loss_is_the_mean_over_pictures_of_mixed_sizes(first):
    model = build(2, stage='pretext', weights=first)
    x = [torch.rand(3, 16, 16), torch.rand(3, 17, 20), torch.rand(3, 16, 16)]
    two, one = torch.stack([x[0], x[2]]), x[1][None]
    parts = [phase_distance(model.module(images), images, wrap=True) for images in (two, one)]
    torch.testing.assert_close(model(x, mode='loss')['loss_phase'], (2 * parts[0] + parts[1]) / 3)
    made = model(x)
    torch.testing.assert_close(made[1], model.module(one)[0])
    torch.testing.assert_close(made[2], model.module(two)[1])
    samples = model(x, mode='predict')
    torch.testing.assert_close(samples[2].pred_image.data, made[2].clamp(0, 1))


def test_logs_show_how_much_the_fusion_takes_of_each_half(first):
    model = build(2, stage='pretext', weights=first)
    log = train(model, 1, rate=0.0)[0]
    # the mean of two halves of two channels
    assert log['fusion_own'].item() == log['fusion_related'].item() == pytest.approx(2**-0.5)
    assert log['loss'] == log['loss_phase']
    with torch.no_grad():
        model.module.fusion.weight[:, 2:] = 0
    assert train(model, 1)[0]['fusion_related'] == 0


def test_the_plain_phase_loss_prefers_zero_phases_and_the_wrapped_one_does_not():
    """Closed forms: |a - b| of uniform angles is 2π/3 on average, |a| and all wrapped differences are π/2."""
    torch.manual_seed(0)
    x, y = torch.randn(2, 8, 3, 32, 32)
    zero = torch.zeros_like(x)
    zero[..., 0, 0] = 1  # all phases are 0
    assert phase_distance(x, y, wrap=False).item() == pytest.approx(2 * math.pi / 3, rel=0.02)
    assert phase_distance(zero, y, wrap=False).item() == pytest.approx(math.pi / 2, rel=0.02)
    for result in (x, zero):
        assert phase_distance(result, y, wrap=True).item() == pytest.approx(math.pi / 2, rel=0.02)


def squares(seed, count=4, size=32):
    """Smooth colours under squares of black and white."""
    generator = torch.Generator().manual_seed(seed)
    smooth = torch.rand(count, 3, 6, 6, generator=generator)
    smooth = F.interpolate(smooth, (size, size), mode='bilinear')
    coins = torch.rand(count, 3, size // 4, size // 4, generator=generator) > 0.5
    return 0.7 * smooth + 0.3 * F.interpolate(coins.float(), (size, size))


def test_small_runs_go_where_those_of_the_prototype_went(tmp_path):
    """Pre-norm keeps the frozen decoder in its range, where post-norm does not. At a small rate the wrapped distance
    falls; at a large one the plain loss falls while the wrapped distance rises: all phases go to zero."""
    options = dict(channels=4, grid=8, heads=4)

    def steps(model, count, rate):
        parameters = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(parameters, rate)
        for k in range(count):
            losses = model(list(squares(k)), mode='loss')
            optimizer.zero_grad()
            sum(v for name, v in losses.items() if 'loss' in name).backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()

    first, file = build(module=options), tmp_path / 'first.pth'
    steps(first, 200, 3e-3)
    torch.save(dict(state_dict=first.state_dict()), file)
    x = squares(999)

    def second(norm_first=True, wrap=True):
        module = dict(options, norm_first=norm_first)
        return build(1, module=module, stage='pretext', weights=str(file), wrap=wrap)

    def measures(model):
        with torch.no_grad():
            result = torch.stack(model(list(x)))
        error = (result - x).abs().mean().item()
        return error, *(phase_distance(result, x, wrap).item() for wrap in (False, True))

    error, plain, wrapped = measures(second())
    assert error < 0.67 * measures(second(norm_first=False))[0]
    model = second()
    steps(model, 120, 1e-4)
    assert measures(model)[2] < wrapped - 0.015
    model = second(wrap=False)
    steps(model, 60, 1e-3)
    assert measures(model)[1] < plain - 0.1 and measures(model)[2] > wrapped + 0.03


def test_losses_and_gradients_are_finite_for_constant_pictures(first):
    for level in (0.0, 0.5, 1.0):
        model = build(2, stage='pretext', weights=first)
        losses = model([torch.full((3, 16, 16), level)] * 2, mode='loss')
        losses['loss_phase'].backward()
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        assert losses['loss_phase'].isfinite() and all(g.isfinite().all() for g in grads)


def test_autocast_changes_nothing(first):
    batch = pairs(SIZES)
    for stage, options in (('reconstruction', {}), ('pretext', dict(weights=first))):
        logs = []
        for kind in (None, Bfloat16OptimWrapper):
            model = build(2, stage=stage, **options)
            wrapper = build_optim_wrapper(model, dict(optimizer=dict(type='SGD', lr=0.1)))
            wrapper = wrapper if kind is None else kind(wrapper.optimizer)
            logs += [model.train_step(batch, wrapper)['loss'] for _ in range(2)]
        assert logs[:2] == logs[2:]


def test_a_cut_run_goes_on_to_the_weights_of_a_whole_one(tmp_path):
    """mmengine cuts the name of the child off when it resumes, as if it were that of a wrapper."""
    chain = dict(type='llv.BatchCorrelationModel', module=OPTIONS)
    run(tmp_path / 'first', chain, bright=True, epochs=1)
    first = str(tmp_path / 'first' / 'epoch_1.pth')
    second = dict(chain, stage='pretext', weights=first)
    whole = run(tmp_path / 'whole', second, bright=True).model.state_dict()
    cut = "custom_hooks += [dict(type='CutRelationRun', iteration=3)]"
    with pytest.raises(Cut):
        run(tmp_path / 'cut', second, bright=True, extra=cut)
    resumed = run(tmp_path / 'cut', second, 'auto', bright=True).model.state_dict()
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())
    saved = load_state_dict(tmp_path / 'cut' / 'epoch_3.pth')
    assert all(torch.equal(saved[name], tensor) for name, tensor in whole.items())
    assert saved.keys() == whole.keys() and all(n.startswith('module.') for n in saved)


def test_the_second_stage_without_the_first_is_refused_until_a_checkpoint_fills_it(first, tmp_path):
    for weights, sentence in ((None, '`weights` is not set'), ('gone.pth', '`gone.pth` is not')):
        model = build(2, stage='pretext', weights=weights)
        with pytest.raises(ValueError, match=sentence):
            train(model, 1)
        model.load_state_dict(build(4, stage='pretext', weights=first).state_dict())
        train(model, 1)


def test_weights_of_another_module_are_refused(first, tmp_path):
    with pytest.raises(ValueError, match='trained with `channels=2`, but `module` asks for 4'):
        build(module=dict(channels=4), stage='pretext', weights=first)
    # what the first stage does not have may differ
    build(module=dict(attention='self', grid=2), stage='pretext', weights=first)
    odd = tmp_path / 'odd.pth'
    torch.save(dict(state_dict={'conv.weight': torch.zeros(1)}), odd)
    with pytest.raises(ValueError, match='holds no batch-correlation module'):
        build(stage='pretext', weights=str(odd))
    state = {k: v for k, v in BatchCorrelationModule(3, 2, 2).state_dict().items()}
    del state['options']
    torch.save(dict(state_dict=state), odd)
    with pytest.raises(ValueError, match='of another width'):
        build(stage='pretext', weights=str(odd))


def test_options_come_from_the_weights_where_none_are_given(tmp_path):
    file = write_module(tmp_path, channels=3, heads=4, attention='self')
    model = BatchCorrelationModel(stage='pretext', weights=file)
    assert model.module.settled['channels'] == 3 and model.module.attention == 'self'


def test_a_picture_without_others_of_its_size_is_told_once(first, warnings_told):
    model = build(2, stage='pretext', weights=first)
    for _ in range(2):
        model([torch.rand(3, 16, 16), torch.rand(3, 16, 17)], mode='loss')
    assert len(warnings_told) == 1 and 'no other of its size' in warnings_told[0]


@pytest.mark.parametrize(
    'options, sentence',
    [
        (dict(stage='both'), "`stage` must be one of reconstruction, pretext, but got 'both'"),
        (dict(pretext='none'), "`pretext` must be one of phase, pixel, but got 'none'"),
        (dict(weights='a.pth'), '`weights` are those of the first stage'),
    ],
)
def test_refuses_wrong_options(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        build(**options)


def test_refuses_unknown_modes():
    with pytest.raises(ValueError, match="`mode` must be 'loss', 'predict' or 'tensor'"):
        build()([torch.rand(3, 16, 16)], mode='train')
