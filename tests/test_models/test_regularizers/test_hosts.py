"""Those who train an enhancer take a regulariser without becoming other models."""

import copy
import socket

import pytest
import torch
from ddp_workers import FakeRunner
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import build_optim_wrapper
from relations import (
    HOSTS,
    Cut,
    build,
    gradients,
    pairs,
    relation,
    run,
    step_of,
    train_under_ddp,
    write_module,
)
from torch import nn

from llv.engine.hooks.enhancer_loss_hook import EnhancerLossHook
from llv.engine.optim_wrappers import Bfloat16OptimWrapper
from llv.models import EnhancementModel, PseudoTargetModel
from llv.models.regularizers.attachment import judged
from llv.models.regularizers.sample_relation_loss import SampleRelationLoss
from llv.registry import MODELS

BOTH = [(16, 20), (16, 20)]


@pytest.fixture(scope='module')
def file(tmp_path_factory):
    return write_module(tmp_path_factory.mktemp('module'))


def host(name, regularizer=None, cls=EnhancementModel, **options):
    torch.manual_seed(0)
    enhancer = HOSTS.get(name, dict(type=f'llv.{name}'))
    return cls(copy.deepcopy(enhancer), regularizer=regularizer, **options)


def stepped_over(model, batch):
    """The parameters that the optimizer holds after a training step."""
    wrapper = build_optim_wrapper(model, dict(optimizer=dict(type='Adam', lr=1e-3)))
    model.train_step(batch, wrapper)
    return {p for group in wrapper.param_groups for p in group['params']}


@pytest.mark.parametrize('name', HOSTS)
def test_a_host_is_the_same_model_with_a_regulariser(name, file):
    plain, regularised = host(name), host(name, relation(file))
    for view in (nn.Module.state_dict, lambda m: dict(m.named_parameters())):
        ours, theirs = view(regularised), view(plain)
        assert list(ours) == list(theirs)
        assert all(torch.equal(ours[n], theirs[n]) for n in ours)
    assert [n for n, _ in regularised.named_modules()] == [n for n, _ in plain.named_modules()]
    assert [n for n, _ in regularised.named_buffers()] == [n for n, _ in plain.named_buffers()]
    assert repr(regularised) == repr(plain)
    batch = pairs(BOTH)
    images = [x.flip(0).float() / 255 for x in batch['inputs']]
    graphs = [operations(m.eval()(images)[0].grad_fn) for m in (plain, regularised)]
    assert graphs[0] == graphs[1] and len(graphs[0]) > 20
    # the optimizer steps over the host's parameters alone, before and after the module is read
    for _ in range(2):
        stepped = stepped_over(regularised.train(), copy.deepcopy(batch))
        assert stepped == set(regularised.parameters())
    frozen = regularised.regularizer.loss.module
    assert all(p.grad is None and not p.requires_grad for p in frozen.parameters())
    assert list(regularised.state_dict()) == list(plain.state_dict())


def operations(node):
    """Names of the operations of a graph, each node once."""
    seen, todo, names = set(), [node], []
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            names.append(type(node).__name__)
            todo += [parent for parent, _ in node.next_functions]
    return names


@pytest.mark.parametrize('name', HOSTS)
def test_gradients_are_those_of_both_losses(name, file):
    batch, key = pairs(BOTH), relation(file, loss_weight=5.0)
    regularised = host(name, key)
    torch.manual_seed(1)
    found, log = gradients(regularised, copy.deepcopy(batch), steps=1)
    plain = host(name)
    torch.manual_seed(1)
    own, own_log = gradients(plain, copy.deepcopy(batch), steps=1)
    for entry, value in own_log.items():
        if entry != 'loss':
            torch.testing.assert_close(log[entry], value)
    images = torch.stack(batch['inputs']).flip(1).float() / 255
    references = torch.stack([s.reference.data for s in batch['data_samples']]).float() / 255
    plain = host(name)
    enhancement = plain.enhancer(images)
    # DRBN and SID are trained on what they return, the others on the clamped picture
    result = enhancement.image if name in ('eclnet', 'fecnet') else enhancement.maps['raw']
    term = SampleRelationLoss(weights=file, loss_weight=5.0)(result, references)['loss_relation']
    term.backward()
    torch.testing.assert_close(log['loss_relation'], term.detach())
    total, moved = 0.0, 0.0
    for entry, parameter in plain.named_parameters():
        if parameter.requires_grad:
            extra = 0 if parameter.grad is None else parameter.grad
            difference = found[entry] - (own[entry] + extra)
            total += found[entry].norm().item()
            moved += difference.norm().item()
    assert moved < 1e-4 * total


def test_what_is_judged_is_what_the_host_is_trained_on():
    images = torch.rand(2, 3, 16, 16)
    for name, options in (('drbn', {}), ('sid_enc', {}), ('fecnet', dict(formula='raw'))):
        enhancer = MODELS.build({**HOSTS[name], **options})
        enhancement = enhancer(images)
        assert judged(enhancer, enhancement) is enhancement.maps['raw']
    for kind in (HOSTS['eclnet'], HOSTS['fecnet'], dict(type='llv.RUAS')):
        enhancer = MODELS.build(dict(kind))
        enhancement = enhancer(images)
        assert judged(enhancer, enhancement) is enhancement.image


def test_ruas_takes_it_with_pairs_and_refuses_unpaired_pictures(file):
    model = host('RUAS', relation(file, loss_weight=2.0))
    batch = pairs(BOTH)
    _, log = gradients(model, copy.deepcopy(batch), 1)
    assert log['loss_relation'] > 0
    with pytest.raises(ValueError, match='`regularizer` compares results with well-lit `refer'):
        gradients(model, dict(inputs=batch['inputs']), 1)


def test_psenet_is_regularised_towards_its_pseudo_targets(file):
    batch = dict(inputs=pairs(BOTH)['inputs'])  # no references
    model = host('PSENet', relation(file), PseudoTargetModel, lag=0)
    torch.manual_seed(2)
    _, log = gradients(model, copy.deepcopy(batch), 1)
    plain = host('PSENet', None, PseudoTargetModel, lag=0)
    images = torch.stack(batch['inputs']).flip(1).float() / 255
    torch.manual_seed(2)
    pair, _ = plain._make_target(images, None)
    term = SampleRelationLoss(weights=file)(plain.enhancer(images).image, pair.target)
    torch.testing.assert_close(log['loss_relation'], term['loss_relation'].detach())
    assert log['loss_relation'] > 0


def test_the_detectors_hook_adds_it_beside_the_scene_loss(file):
    batch = pairs([(8, 9)] * 2)
    terms = {}
    for weight in (0.0, 0.5, 1.0):
        model = build('behind', file)
        EnhancerLossHook(weight, relation(file, loss_weight=2.0)).before_train(FakeRunner(model))
        found, log = gradients(model, copy.deepcopy(batch), 1)
        terms[weight] = found['data_preprocessor.enhancer.w'].item(), log
        assert ('enhancer_loss_level' in log) == (weight > 0)
    values = [log['enhancer_loss_relation'] for _, log in terms.values()]
    assert values[0] > 0 and values[0] == values[1] == values[2]  # λ does not scale it
    images = torch.stack(batch['inputs']).flip(1).float() / 255
    references = torch.stack([s.reference.data for s in batch['data_samples']]).float() / 255
    w = torch.tensor(1.5, requires_grad=True)
    term = SampleRelationLoss(weights=file, loss_weight=2.0)((images * w).clamp(0, 1), references)
    term['loss_relation'].backward()
    torch.testing.assert_close(values[0], term['loss_relation'].detach())
    task = 255 * images.mean()
    assert terms[0.0][0] == pytest.approx((task + w.grad).item(), rel=1e-4)
    with pytest.raises(ValueError, match='load them with `llv.LoadReference`'):
        gradients(model, dict(inputs=batch['inputs']), 1)


def test_groups_of_one_picture_give_the_zero_term(file, tmp_path):
    batch = pairs([(16, 20), (16, 20), (17, 18)])
    log = gradients(host('eclnet', relation(file)), copy.deepcopy(batch), 1)[1]
    two = {name: values[:2] for name, values in batch.items()}
    alone = gradients(host('eclnet', relation(file)), two, 1)[1]
    torch.testing.assert_close(log['loss_relation'], alone['loss_relation'] * 2 / 3)


def test_bfloat16_training_keeps_the_relation_in_float32(file):
    logs = []
    for kind in (None, Bfloat16OptimWrapper):
        model = host('eclnet', relation(file))
        wrapper = build_optim_wrapper(model, dict(optimizer=dict(type='SGD', lr=0.0)))
        wrapper = wrapper if kind is None else kind(wrapper.optimizer)
        logs.append(model.train_step(pairs(BOTH), wrapper)['loss_relation'])
    assert torch.equal(*logs)


def test_copies_share_the_regulariser_and_average_the_host_alone(file):
    model = host('eclnet', relation(file))
    gradients(model, pairs(BOTH), 1)
    average = ExponentialMovingAverage(model)
    average.update_parameters(model)
    assert average.module.regularizer is model.regularizer
    assert len(average.state_dict()) == len(model.state_dict()) + 1  # and the number of steps
    gradients(copy.deepcopy(model), pairs(BOTH), 1)


def test_two_processes_agree_with_one(file, tmp_path):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(train_under_ddp, (2, port, str(tmp_path), file), nprocs=2)
    ranks = [torch.load(tmp_path / f'{rank}.pt', weights_only=True) for rank in range(2)]
    for kind in ('alone', 'behind'):
        own = [step_of(kind, file, rank) for rank in range(2)]
        term = 'loss_relation' if kind == 'alone' else 'enhancer_loss_relation'
        # relations are those inside a process: rank 1 has pictures of different sizes only
        assert own[0][1][term] > 0 and own[1][1][term] == 0
        for name in own[0][0]:
            mean = (own[0][0][name] + own[1][0][name]) / 2
            for rank in ranks:
                torch.testing.assert_close(rank[kind][name], mean, rtol=1e-5, atol=1e-6)


def test_a_cut_run_goes_on_to_the_weights_of_a_whole_one(file, tmp_path):
    model = dict(type='llv.EnhancementModel', enhancer=HOSTS['eclnet'], regularizer=relation(file))
    whole = run(tmp_path / 'whole', model).model.state_dict()
    with pytest.raises(Cut):
        run(
            tmp_path / 'cut',
            model,
            extra="custom_hooks += [dict(type='CutRelationRun', iteration=3)]",
        )
    resumed = run(tmp_path / 'cut', model, 'auto').model.state_dict()
    assert all(torch.equal(whole[name], tensor) for name, tensor in resumed.items())
    without = run(tmp_path / 'without', {**model, 'regularizer': None}).model.state_dict()
    assert any(not torch.equal(whole[name], tensor) for name, tensor in without.items())
    weightless = {**model, 'regularizer': relation(file, loss_weight=0.0)}
    zero = run(tmp_path / 'zero', weightless).model.state_dict()
    assert all(torch.equal(without[name], tensor) for name, tensor in zero.items())


def test_testing_needs_no_weights_of_the_regulariser():
    model = host('eclnet', relation(None)).eval()
    assert 'pred_image' in model.test_step(pairs(BOTH))[0]
    with pytest.raises(ValueError, match='has no `weights`'):
        gradients(model.train(), pairs(BOTH), 1)


def test_regularisers_that_would_be_trained_by_nobody_are_refused():
    @MODELS.register_module(name='TrainableJudge', force=True)
    class TrainableJudge(nn.Conv2d):
        pass

    cfg = dict(type='TrainableJudge', in_channels=3, out_channels=3, kernel_size=1)
    with pytest.raises(ValueError, match='`regularizer` must be frozen'):
        host('eclnet', cfg)
