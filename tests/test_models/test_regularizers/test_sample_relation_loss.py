"""The relation loss: its value, who gets gradients, and what it reads from where."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from relations import OPTIONS, listening, write_module

from llv.models.regularizers.batch_correlation_model import BatchCorrelationModel
from llv.models.regularizers.batch_correlation_module import BatchCorrelationModule
from llv.models.regularizers.sample_relation_loss import SampleRelationLoss

warnings_told = pytest.fixture(listening)


@pytest.fixture
def file(tmp_path):
    return write_module(tmp_path)


def pictures(seed=0, count=3, size=(16, 18)):
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(seed))


def original():
    """The module that `file` holds."""
    torch.manual_seed(0)
    return BatchCorrelationModule(**OPTIONS).eval()


def test_is_the_mean_distance_of_the_relations_of_both_batches(file):
    x, y, module = pictures(0), pictures(1), original()
    expected = (module.relate(x) - module.relate(y)).abs().mean()
    found = SampleRelationLoss(weights=file)(x, y)
    assert found.keys() == {'loss_relation'}
    torch.testing.assert_close(found['loss_relation'], 0.1 * expected)
    weighted = SampleRelationLoss(weights=file, loss_weight=3.0)(x, y)['loss_relation']
    torch.testing.assert_close(weighted, 3 * expected)
    # in one pass of both, results would attend to references
    joint = module.relate(torch.cat([x, y]))
    assert not torch.allclose((joint[:3] - joint[3:]).abs().mean(), expected, rtol=1e-3)


@settings(max_examples=8, deadline=None)
@given(st.integers(2, 5), st.integers(16, 33), st.integers(16, 33))
def test_equal_batches_have_no_loss_and_no_gradient(tmp_path_factory, count, height, width):
    loss = SampleRelationLoss(weights=write_module(tmp_path_factory.mktemp('module')))
    x = pictures(0, count, (height, width)).requires_grad_()
    value = loss(x, x.detach().clone())['loss_relation']
    value.backward()
    assert value == 0 and (x.grad == 0).all()


def test_only_the_results_get_gradients(file):
    loss = SampleRelationLoss(weights=file)
    x, y = pictures(0).requires_grad_(), pictures(1).requires_grad_()
    loss(x, y)['loss_relation'].backward()
    assert x.grad.abs().sum() > 0 and y.grad is None
    assert not any(p.requires_grad or p.grad is not None for p in loss.module.parameters())


def test_the_gradient_of_a_result_depends_on_the_others(file):
    loss, y = SampleRelationLoss(weights=file), pictures(1)
    gradients = []
    for last in (pictures(0)[2], pictures(5)[2]):
        x = torch.cat([pictures(0)[:2], last[None]]).requires_grad_()
        loss(x, y)['loss_relation'].backward()
        gradients.append(x.grad[0])
    assert (gradients[0] - gradients[1]).abs().max() > 1e-6


def test_another_order_of_both_batches_changes_nothing(file):
    loss, order = SampleRelationLoss(weights=file), [2, 0, 1]
    x, y = pictures(0), pictures(1)
    torch.testing.assert_close(
        loss(x[order], y[order])['loss_relation'], loss(x, y)['loss_relation']
    )


@pytest.mark.parametrize('level', [0.0, 0.5, 1.0])
def test_is_finite_for_constant_pictures(file, level):
    x = torch.full((2, 3, 16, 16), level, requires_grad=True)
    value = SampleRelationLoss(weights=file)(x, torch.zeros_like(x) + 0.3)['loss_relation']
    value.backward()
    assert value.isfinite() and x.grad.isfinite().all()


def test_a_batch_of_one_gives_zero_with_a_graph_and_one_warning(file, warnings_told):
    loss = SampleRelationLoss(weights=file)
    for _ in range(3):
        x = pictures(0, 1).requires_grad_()
        value = loss(x, pictures(1, 1))['loss_relation']
        value.backward()
        assert value == 0 and (x.grad == 0).all()
    assert len(warnings_told) == 1 and '`SampleRelationLoss` is 0 for it' in warnings_told[0]


def test_runs_in_float32_under_autocast_and_for_half_precision(file):
    loss, x, y = SampleRelationLoss(weights=file), pictures(0), pictures(1)
    expected = loss(x, y)['loss_relation']
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(loss(x, y)['loss_relation'], expected)
    half = loss(x.bfloat16().requires_grad_(), y.bfloat16())['loss_relation']
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, expected, rtol=0.05, atol=1e-4)


def test_dropout_of_the_training_is_off(tmp_path):
    file = write_module(tmp_path)
    loss = SampleRelationLoss({**OPTIONS, 'dropout': 0.5}, file)
    x, y = pictures(0), pictures(1)
    assert torch.equal(loss(x, y)['loss_relation'], loss(x, y)['loss_relation'])


def test_holds_encoder_and_transformer_alone(file):
    module = SampleRelationLoss(weights=file).module
    assert {name.split('.')[0] for name in module.state_dict()} == {
        'options',
        'encoder',
        'transformer',
    }


def test_a_random_transformer_is_that_of_its_seed_behind_the_trained_encoder(file, tmp_path):
    torch.manual_seed(9)
    state = torch.get_rng_state()
    first = SampleRelationLoss(weights=file, transformer='random', seed=4).module
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    again = SampleRelationLoss(weights=file, transformer='random', seed=4).module
    other = SampleRelationLoss(weights=file, transformer='random', seed=5).module
    x = pictures()
    assert torch.equal(first.relate(x), again.relate(x))
    assert not torch.equal(first.relate(x), other.relate(x))
    for module in (first, other):
        assert torch.equal(module.encode(x), original().encode(x))
        assert not torch.equal(module.relate(x), original().relate(x))


def test_a_random_transformer_needs_no_second_stage_but_a_trained_one_does(tmp_path):
    model, file = BatchCorrelationModel(OPTIONS), tmp_path / 'first.pth'
    torch.save(dict(state_dict=model.state_dict()), file)
    loss = SampleRelationLoss(weights=str(file), transformer='random')
    assert torch.equal(loss.module.encode(pictures()), model.module.encode(pictures()))
    with pytest.raises(ValueError, match='holds no trained transformer'):
        SampleRelationLoss(weights=str(file))(pictures(0), pictures(1))


def test_reads_the_result_of_an_upstream_run_too(file, tmp_path):
    state = torch.load(file, weights_only=True)['state_dict']
    bare = tmp_path / 'result.pth'
    torch.save(dict(state_dict={k.removeprefix('module.'): v for k, v in state.items()}), bare)
    x = pictures()
    found = SampleRelationLoss(weights=str(bare)).module.relate(x)
    assert torch.equal(found, original().relate(x))


def test_copies_share_it(file):
    loss = SampleRelationLoss(weights=file)
    assert copy.deepcopy([loss])[0] is loss


def test_wrong_options_are_told(file):
    with pytest.raises(ValueError, match='`transformer` must be one of trained, random'):
        SampleRelationLoss(transformer='none')
    with pytest.raises(ValueError, match='`loss_weight` must be at least 0'):
        SampleRelationLoss(loss_weight=-1)


def test_wrong_weights_are_told_at_the_first_call(file, tmp_path):
    x, y = pictures(0), pictures(1)
    with pytest.raises(ValueError, match='has no `weights`'):
        SampleRelationLoss()(x, y)
    with pytest.raises(FileNotFoundError, match='gone.pth'):
        SampleRelationLoss(weights='gone.pth')(x, y)
    with pytest.raises(ValueError, match='trained with `channels=2`, but `module` asks for 8'):
        SampleRelationLoss(dict(channels=8), file)(x, y)
    same_shapes = write_module(tmp_path, name='self', attention='self')
    with pytest.raises(ValueError, match="with `attention='self'`, but `module` asks for 'batch'"):
        SampleRelationLoss(OPTIONS, same_shapes)(x, y)


def test_batches_that_do_not_fit_are_told(file):
    loss = SampleRelationLoss(weights=file)
    with pytest.raises(ValueError, match='`references`'):
        loss(pictures(0), pictures(1, 2))
    with pytest.raises(ValueError, match=r'\(B, 3, H, W\)'):
        loss(pictures(0)[0], pictures(1)[0])
