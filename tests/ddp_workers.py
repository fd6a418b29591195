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


def build_model(enhancer=None):
    """The toy behind :class:`LearnedGain` or behind a version of RUAS whose noise level is a third of the red mean."""
    enhancer = (
        dict(type='llv.LearnedGain')
        if enhancer is None
        else dict(type='llv.RUAS', version=enhancer)
    )
    torch.manual_seed(0)
    model = MeanModel(dict(type='llv.EnhancedDataPreprocessor', enhancer=enhancer, base=BASE))
    estimator = getattr(model.data_preprocessor.enhancer, 'noise_estimator', None)
    if estimator is not None:
        with torch.no_grad():
            for conv in estimator.convs:
                conv.weight.zero_()
                conv.bias.zero_()
                conv.weight[0, 0, 1, 1] = 1
    return model


def rank_batch(rank, enhancer=None):
    """Three pictures of two sizes; for RUAS those of rank 1 and one of rank 0 are too dark for the noise removal."""
    generator = torch.Generator().manual_seed(rank)
    sizes = [(6, 8), (5, 5), (6, 8)]
    pictures = [torch.randint(0, 256, (3, *s), generator=generator).to(torch.uint8) for s in sizes]
    if enhancer is not None:
        pictures = [p // 64 if rank or k == 2 else p // 2 for k, p in enumerate(pictures)]
    return dict(inputs=pictures)


def train_twice(model, batch):
    """Two training steps, because DDP notices only in the second what the first left out; the log of the last."""
    optimizer = build_optim_wrapper(model, dict(optimizer=dict(type='SGD', lr=0.0)))
    optimizer.zero_grad = lambda **_: None  # keep the gradients to look at
    for _ in range(2):
        model.zero_grad()
        log = model.train_step(batch, optimizer)
    return log


def train_under_ddp(rank, world, port, folder, cases):
    """Train each (enhancer, loss weight or None: no hook) under DDP; saves the gradients and the log of losses."""
    os.environ.update(
        MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE=str(world)
    )
    torch.distributed.init_process_group('gloo', rank=rank, world_size=world)
    try:
        results = []
        for enhancer, weight in cases:
            model = MMDistributedDataParallel(module=build_model(enhancer), broadcast_buffers=False)
            if weight is not None:
                EnhancerLossHook(weight).before_train(FakeRunner(model))
            log = train_twice(model, rank_batch(rank, enhancer))
            gradients = {
                n: p.grad.clone() for n, p in model.module.named_parameters() if p.requires_grad
            }
            results.append(dict(gradients=gradients, log=log))
        torch.save(results, f'{folder}/{rank}.pt')
    finally:
        torch.distributed.destroy_process_group()
