"""Runs of PSENet's progressive training that tests repeat by other means, also in several gloo processes."""

import os
from types import SimpleNamespace

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, HOOKS

from llv.engine.hooks.pseudo_target_hook import PseudoTargetHook
from llv.engine.hooks.train_loss_plateau_hook import TrainLossPlateauHook
from llv.engine.model_wrappers import DistributedDataParallel
from llv.engine.runner import train
from llv.engine.settings import RunOptions
from llv.models.enhancers.psenet import PSENet
from llv.models.pseudo_target_model import PseudoTargetModel

ADAM = dict(type='Adam', lr=1e-2, betas=(0.9, 0.99))
assert PSENet and PseudoTargetHook and TrainLossPlateauHook  # registered


class Cut(Exception):
    """Ends a run as a power cut would, for all that the files show."""


@HOOKS.register_module()
class CutHook(Hook):
    """Raises before an iteration."""

    def __init__(self, iteration):
        self.iteration = iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration:
            raise Cut


@DATASETS.register_module()
class DarkPictures(BaseDataset):
    """Sixteen dark noise pictures of 16 × 14 pixels."""

    def load_data_list(self):
        return [dict(number=number) for number in range(16)]

    def prepare_data(self, idx):
        number = self.get_data_info(idx)['number']
        picture = np.random.default_rng(number).integers(0, 60, (3, 16, 14), dtype=np.uint8)
        return dict(inputs=torch.from_numpy(picture))


def batch(step, rank=0, count=3):
    """Pictures of two sizes."""
    generator = torch.Generator().manual_seed(10 * step + rank)
    sizes = [(14, 15), (16, 13), (14, 15)][:count]
    return [torch.randint(0, 80, (3, *size), generator=generator).byte() for size in sizes]


def build(**options):
    torch.manual_seed(5)
    return PseudoTargetModel(dict(type='llv.PSENet'), **options)


def runner_of(model, optim_wrapper=None, iteration=0):
    """What the hook needs of a runner."""
    return SimpleNamespace(
        model=model,
        optim_wrapper=optim_wrapper or build_optim_wrapper(model, dict(optimizer=ADAM)),
        iter=iteration,
        message_hub=SimpleNamespace(runtime_info={}),
    )


def steps(runner, count, rank=0, hook=None):
    """Some training steps of a model, wrapped or not, around the hook; the logs."""
    hook = hook or PseudoTargetHook()
    hook.before_train(runner)
    logs = []
    for step in range(count):
        torch.manual_seed(100 * step + rank)
        hook.before_train_iter(runner, step)
        logs.append(runner.model.train_step(dict(inputs=batch(step, rank)), runner.optim_wrapper))
        hook.after_train_iter(runner, step)
    return logs


def config(extra=''):
    """Four epochs of four (one process) or two (two) iterations."""
    cfg = Config.fromstring(
        """
default_scope = 'mmengine'
model = dict(type='llv.PseudoTargetModel', enhancer=dict(type='llv.PSENet'))
train_dataloader = dict(
    batch_size=4, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='DarkPictures'))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=4)
optim_wrapper = dict(optimizer=dict(type='Adam', lr=1e-2, betas=(0.9, 0.99)))
default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2))
custom_hooks = [dict(type='llv.PseudoTargetHook')]
"""
        + extra,
        '.py',
    )
    return cfg


def run(folder, resume=None, extra='', launcher='none', amp=False):
    cfg = config(extra)
    cfg.work_dir = str(folder)
    return train(cfg, RunOptions(launcher=launcher, amp=amp), resume)


def enter(rank, world, port):
    os.environ.update(
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(world),
    )


def train_under_ddp(rank, world, port, folder, count):
    """In several processes: a whole run, one that is cut and resumed, and :func:`steps`; saves the weights of each."""
    enter(rank, world, port)
    short = '\ntrain_cfg.update(max_epochs=3)\n'
    cut = "custom_hooks += [dict(type='CutHook', iteration=3)]"
    try:
        result = dict(whole=run(f'{folder}/whole', None, short, 'pytorch'))
        try:
            run(f'{folder}/cut', None, short + cut, 'pytorch')
        except Cut:
            result['resumed'] = run(f'{folder}/cut', 'auto', short, 'pytorch')
        model = DistributedDataParallel(build(), broadcast_buffers=False)
        steps(runner_of(model), count, rank)
        result = {name: runner.model.module.state_dict() for name, runner in result.items()}
        torch.save(dict(steps=model.module.state_dict(), **result), f'{folder}/{rank}.pt')
    finally:
        torch.distributed.destroy_process_group()
