"""Functions that tests run in several gloo processes; here because spawned processes import them by name."""

import os

import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from toys import MeanModel

from llv.engine.hooks.enhancer_loss_hook import EnhancerLossHook

BASE = dict(type='mmengine.ImgDataPreprocessor', mean=[0.0] * 3, std=[1.0] * 3)


class FakeRunner:
    """What a hook needs of a runner before training: the model."""

    def __init__(self, model):
        self.model = model


def build_model():
    return MeanModel(
        dict(type='llv.EnhancedDataPreprocessor', enhancer=dict(type='llv.LearnedGain'), base=BASE)
    )


def rank_batch(rank):
    generator = torch.Generator().manual_seed(rank)
    sizes = [(6, 8), (5, 5), (6, 8)]
    return dict(
        inputs=[torch.randint(0, 256, (3, *s), generator=generator).to(torch.uint8) for s in sizes]
    )


def one_step(rank, world, port, folder, loss_weights):
    """One DDP training step for each weight (None: no hook); saves its gradients and its log of losses."""
    os.environ.update(
        MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE=str(world)
    )
    torch.distributed.init_process_group('gloo', rank=rank, world_size=world)
    try:
        results = []
        for weight in loss_weights:
            model = MMDistributedDataParallel(module=build_model(), broadcast_buffers=False)
            if weight is not None:
                EnhancerLossHook(weight).before_train(FakeRunner(model))
            optimizer = build_optim_wrapper(model, dict(optimizer=dict(type='SGD', lr=0.0)))
            optimizer.zero_grad = lambda **_: None  # keep the gradients to look at
            log = model.train_step(rank_batch(rank), optimizer)
            gradients = {n: p.grad.clone() for n, p in model.module.named_parameters()}
            results.append(dict(gradients=gradients, log=log))
        torch.save(results, f'{folder}/{rank}.pt')
    finally:
        torch.distributed.destroy_process_group()
