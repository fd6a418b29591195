"""ℓ_t + λ·ℓ_s, in one process against the closed form and in two against one."""

import copy
import socket

import pytest
import torch
from ddp_workers import (
    BASE,
    FakeRunner,
    build_model,
    rank_batch,
    train_twice,
    train_under_ddp,
)
from mmengine.optim import build_optim_wrapper
from toys import LearnedGain, MeanModel

from llv.engine.hooks.enhancer_loss_hook import EnhancerLossHook


def closed_form(data, w, weight, p=1.0):
    """Gradient at w of p·255·mean(w·y) over the padded batch plus weight · mean over pictures of mean((w·y − ½)²)."""
    pictures = [picture.double() / 255 for picture in data['inputs']]
    largest = max(y.shape[-2] for y in pictures) * max(y.shape[-1] for y in pictures) * 3
    task = sum((255 * p * y * (w * y < 1 + 1e-9)).sum() for y in pictures) / (
        largest * len(pictures)
    )
    scene = sum((2 * (w * y - 0.5) * y).mean() for y in pictures) / len(pictures)
    return task + weight * scene


def step(model, data):
    optimizer = build_optim_wrapper(model, dict(optimizer=dict(type='SGD', lr=0.0)))
    optimizer.zero_grad = lambda **_: None
    return model.train_step(data, optimizer)


@pytest.mark.parametrize('weight', [0.0, 0.25, 3.0])
def test_gradient_is_the_sum_of_both_losses(weight):
    model = build_model()
    EnhancerLossHook(weight).before_train(FakeRunner(model))
    data = rank_batch(0)
    log = step(model, data)
    gradient = model.data_preprocessor.enhancer.w.grad
    expected = closed_form(data, 1.5, weight)
    torch.testing.assert_close(gradient.double().item(), expected.item(), rtol=1e-5, atol=1e-6)
    assert ('enhancer_loss_level' in log) == (weight > 0)
    total = log['loss_task'] + log.get('enhancer_loss_level', 0)
    torch.testing.assert_close(log['loss'], total)


def test_validation_and_the_end_of_training_add_nothing():
    model = build_model()
    hook, runner = EnhancerLossHook(1.0), FakeRunner(model)
    hook.before_train(runner)
    model.val_step(rank_batch(0))
    assert model.data_preprocessor.pop_held() == []
    hook.after_train(runner)
    assert 'enhancer_loss_level' not in step(model, rank_batch(0))
    assert model.data_preprocessor.pop_held() == []


def test_the_hooked_model_can_be_copied_after_a_step():
    model = build_model()
    EnhancerLossHook(1.0).before_train(FakeRunner(model))
    step(model, rank_batch(0))
    model.data_preprocessor(rank_batch(0), True)  # held, not popped
    twin = copy.deepcopy(model)
    assert 'enhancer_loss_level' in step(twin, rank_batch(0))


def test_two_processes_agree_with_one(tmp_path):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    enhancers = (None, 'RUAS_S', 'RUAS', 'RUAS_A')  # None: the toy with a closed form
    cases = [(enhancer, weight) for enhancer in enhancers for weight in (None, 0.5)]
    torch.multiprocessing.spawn(train_under_ddp, (2, port, str(tmp_path), cases), nprocs=2)
    ranks = [torch.load(tmp_path / f'{rank}.pt', weights_only=True) for rank in range(2)]
    for first, second, (enhancer, weight) in zip(*ranks, cases, strict=True):
        expected = alone(enhancer, weight)
        assert first['gradients'].keys() == expected.keys()
        for name, gradient in first['gradients'].items():
            assert torch.equal(gradient, second['gradients'][name]), (enhancer, weight, name)
            torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-5)
        scene_losses = [name for name in first['log'] if name.startswith('enhancer_loss_')]
        assert bool(scene_losses) == (weight is not None)
        if enhancer is None:
            batches = [rank_batch(rank) for rank in range(2)]
            torch.testing.assert_close(
                first['gradients']['data_preprocessor.enhancer.w'].double().item(),
                sum(closed_form(batch, 1.5, weight or 0.0) for batch in batches).item() / 2,
                rtol=1e-5,
                atol=1e-6,
            )


def alone(enhancer, weight):
    """The mean over both batches of the gradients of one process."""
    total = {}
    for rank in range(2):
        model = build_model(enhancer)
        if weight is not None:
            EnhancerLossHook(weight).before_train(FakeRunner(model))
        train_twice(model, rank_batch(rank, enhancer))
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                total[name] = total.get(name, 0) + parameter.grad / 2
    return total


def test_models_without_a_trainable_enhancer_are_refused():
    with pytest.raises(ValueError, match='EnhancedDataPreprocessor'):
        EnhancerLossHook().before_train(FakeRunner(MeanModel(BASE)))
    frozen = dict(
        type='llv.EnhancedDataPreprocessor', enhancer=LearnedGain(), base=BASE, frozen=True
    )
    with pytest.raises(ValueError, match='frozen'):
        EnhancerLossHook().before_train(FakeRunner(MeanModel(frozen)))
    with pytest.raises(ValueError, match='loss_weight'):
        EnhancerLossHook(-1)
