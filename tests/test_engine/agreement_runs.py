"""Runs with a :class:`GradientAgreementHook` that tests repeat without it, also in several gloo processes."""

import os
import random

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.registry import DATASETS, HOOKS, MODELS
from mmengine.structures import BaseDataElement, PixelData
from torch import nn

from llv.engine.runner import train
from llv.engine.settings import RunOptions
from llv.models.enhancers import BaseEnhancer, Enhancement

SIZE = (14, 13)  # what PSENet's targets need
DRAWS = []


class Cut(Exception):
    """Ends a run as a power cut would, for all that the files show."""


@HOOKS.register_module()
class CutBefore(Hook):
    """Raises before an iteration."""

    def __init__(self, iteration):
        self.iteration = iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration:
            raise Cut


@HOOKS.register_module()
class NoteDraws(Hook):
    """Notes in `DRAWS` what all generators would draw after every step, and the gradients that wait for the next."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        draws = random.random(), np.random.rand(), torch.rand(()).item()
        kept = [p.grad.tolist() for p in runner.model.parameters() if p.grad is not None]
        DRAWS.append((draws, kept))


@DATASETS.register_module()
class Exposed(BaseDataset):
    """Noise pictures around `level` in some channels (RGB; less in green, blue), references around `aim`, or none."""

    def __init__(self, level, aim=0.5, count=5, channels=(0, 1, 2), paired=True, seed=0):
        self.options = (level, aim, count, channels, paired, seed)
        super().__init__()

    def load_data_list(self):
        return [dict(number=number) for number in range(self.options[2])]

    def prepare_data(self, idx):
        level, aim, _, channels, paired, seed = self.options
        draw = np.random.default_rng([seed, int(255 * level), self.get_data_info(idx)['number']])
        picture, reference = np.zeros((2, 3, *SIZE))
        for channel in channels:
            picture[channel] = level * (1 - 0.2 * channel) * draw.uniform(0.7, 1.3, SIZE)
            reference[channel] = aim * draw.uniform(0.9, 1.1, SIZE)
        sample = BaseDataElement()
        if paired is True or (paired == 'half' and self.get_data_info(idx)['number'] % 2):
            reference = torch.from_numpy((255 * reference).clip(0, 255).astype(np.uint8))
            sample.set_field(PixelData(data=reference), 'reference', dtype=PixelData)
        picture = torch.from_numpy((255 * picture).clip(0, 255).astype(np.uint8))
        return dict(inputs=picture.flip(0), data_samples=sample)  # BGR, as loaders have it


@DATASETS.register_module()
class Turned(Exposed):
    """The same with a random shift of each sample, picture and reference alike."""

    def prepare_data(self, idx):
        packed = super().prepare_data(idx)
        shift = int(np.random.randint(SIZE[0]))
        reference = packed['data_samples'].reference
        reference.data = reference.data.roll(shift, 1)
        return dict(packed, inputs=packed['inputs'].roll(shift, 1))


@MODELS.register_module()
class ChannelGain(BaseEnhancer):
    """u = w_c · y_c, trained by the mean squared error against references: a gradient in closed form."""

    def __init__(self, weights=None, value=1.0):
        super().__init__(weights)
        self.w = nn.Parameter(torch.full((3,), float(value)))
        self.load_weights()

    def enhance(self, images):
        raw = images * self.w.view(3, 1, 1)
        return Enhancement(raw.clamp(0, 1), dict(raw=raw))

    def loss(self, enhancement, images, references=None):
        if references is None:
            raise ValueError('`ChannelGain` needs `references`; load them.')
        return dict(loss_level=(enhancement.maps['raw'] - references).square().mean())


@MODELS.register_module()
class Restless(BaseEnhancer):
    """All that a pass could disturb: running statistics, dropout, and random numbers in the loss."""

    def __init__(self, weights=None):
        super().__init__(weights)
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.3))
        self.head = nn.Conv2d(4, 3, 1)
        self.load_weights()

    def enhance(self, images):
        raw = self.head(self.stem(images))
        return Enhancement(raw.clamp(0, 1), dict(raw=raw))

    def loss(self, enhancement, images, references=None):
        noise = torch.rand(()) * np.random.rand()
        return dict(loss_level=(enhancement.maps['raw'] - references * noise).square().mean())


def under(**options):
    return dict(type='Exposed', level=0.1, **options)


def over(**options):
    return dict(type='Exposed', level=0.9, **options)


def hook(**options):
    return dict(
        type='llv.GradientAgreementHook',
        **{**dict(under=under(), over=over(), interval=2, batches=2, batch_size=2), **options},
    )


def config(model, hooks=(), **changes):
    """Six iterations on dark and bright pictures in batches of two, a checkpoint after every second one."""
    pictures = dict(type='ConcatDataset', datasets=[under(seed=3, count=4), over(seed=3, count=4)])
    cfg = Config(
        dict(
            default_scope='mmengine',
            model=model,
            train_dataloader=dict(
                batch_size=2,
                num_workers=0,
                sampler=dict(type='InfiniteSampler', shuffle=True),
                dataset=pictures,
            ),
            train_cfg=dict(type='IterBasedTrainLoop', max_iters=6),
            optim_wrapper=dict(
                optimizer=dict(type='Adam', lr=1e-2), accumulative_counts=2, type='OptimWrapper'
            ),
            default_hooks=dict(
                checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2),
                logger=dict(type='LoggerHook', interval=1),
            ),
            log_processor=dict(by_epoch=False),
            custom_hooks=list(hooks),
            visualizer=dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]),
            log_level='ERROR',
        )
    )
    cfg.merge_from_dict(changes)
    return cfg


def run(folder, model, hooks=(), resume=None, launcher='none', amp=False, **changes):
    cfg = config(model, hooks, **changes)
    cfg.work_dir = str(folder)
    return train(cfg, RunOptions(launcher=launcher, amp=amp), resume)


def train_under_ddp(rank, world, port, folder):
    """A run with the hook and one without; saves the weights of both and the gradients that are left."""
    os.environ.update(
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(world),
    )
    torch.set_num_threads(1)
    model = dict(type='llv.EnhancementModel', enhancer=dict(type='Restless'))
    try:
        results = {}
        for name, hooks in (('plain', []), ('measured', [hook()])):
            runner = run(f'{folder}/{name}', model, hooks, launcher='pytorch')
            results[name] = runner.model.module.state_dict()
        torch.save(results, f'{folder}/{rank}.pt')
    finally:
        torch.distributed.destroy_process_group()
