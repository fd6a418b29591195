"""Small batch-correlation modules and what trains under them, also for gloo processes, which import by name."""

import logging
import os

import numpy as np
import torch
from ddp_workers import BASE, FakeRunner
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, HOOKS
from mmengine.structures import BaseDataElement, PixelData
from toys import MeanModel

from llv.engine.hooks.enhancer_loss_hook import EnhancerLossHook
from llv.engine.model_wrappers import DistributedDataParallel
from llv.engine.runner import train
from llv.engine.settings import RunOptions
from llv.models import EnhancementModel
from llv.models.regularizers import BatchCorrelationModule

OPTIONS = dict(channels=2, grid=4, heads=2)
HOSTS = dict(
    drbn=dict(type='llv.DRBN'),
    drbn_enc=dict(type='llv.DRBN', exposure_normalization=True),
    sid_enc=dict(type='llv.SID', exposure_normalization=True),
    eclnet=dict(type='llv.ECLNet'),
    fecnet=dict(type='llv.FECNet'),
)


def write_module(folder, seed=0, name='module', **options):
    """A checkpoint of a small module as it is drawn, in the layout of `BatchCorrelationModel`; its path."""
    torch.manual_seed(seed)
    module = BatchCorrelationModule(**{**OPTIONS, **options})
    file = folder / f'{name}.pth'
    torch.save(dict(state_dict={f'module.{k}': v for k, v in module.state_dict().items()}), file)
    return str(file)


def listening():
    """For a fixture: the warnings of mmengine's current logger, as a list that grows."""
    logger, told = MMLogger.get_current_instance(), []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: told.append(record.getMessage())
    logger.addHandler(handler)
    yield told
    logger.removeHandler(handler)


def relation(file, **options):
    """The config of the regulariser."""
    return dict(type='llv.SampleRelationLoss', weights=file, **options)


def pairs(sizes, seed=0):
    """A batch as the loader gives it: dark pictures and their references, uint8."""
    generator = torch.Generator().manual_seed(seed)
    inputs, samples = [], []
    for size in sizes:
        bright = torch.randint(60, 256, (3, *size), generator=generator).byte()
        inputs.append((bright // 3).flip(0))
        sample = BaseDataElement()
        sample.set_field(PixelData(data=bright), 'reference', dtype=PixelData)
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


def gradients(model, batch, steps=2):
    """Gradients and log of the last of some training steps that move nothing (DDP notices in the second what the
    first left out)."""
    optimizer = build_optim_wrapper(model, dict(optimizer=dict(type='SGD', lr=0.0)))
    optimizer.zero_grad = lambda **_: None
    for _ in range(steps):
        model.zero_grad()
        log = model.train_step(batch, optimizer)
    inner = model.module if isinstance(model, DistributedDataParallel) else model
    return {n: p.grad.clone() for n, p in inner.named_parameters() if p.requires_grad}, log


def build(kind, file):
    """An enhancer alone, or a model behind one whose hook has the regulariser."""
    torch.manual_seed(0)
    if kind == 'alone':
        return EnhancementModel(
            dict(type='llv.LearnedGain'), regularizer=relation(file, loss_weight=2.0)
        )
    enhancer = dict(type='llv.LearnedGain')
    return MeanModel(dict(type='llv.EnhancedDataPreprocessor', enhancer=enhancer, base=BASE))


def rank_sizes(rank):
    """Rank 0 has two pictures of one size and one by itself, rank 1 only such that stand by themselves."""
    return [(8, 9), (8, 9), (7, 8)] if rank == 0 else [(8, 9), (7, 8), (9, 9)]


def step_of(kind, file, rank, wrapped=False):
    """The gradients of a rank's batch."""
    model = build(kind, file)
    if wrapped:
        model = DistributedDataParallel(model, broadcast_buffers=False)
    if kind == 'behind':
        hook = EnhancerLossHook(0.5, relation(file, loss_weight=2.0))
        hook.before_train(FakeRunner(model))
    return gradients(model, pairs(rank_sizes(rank), rank))


def train_under_ddp(rank, world, port, folder, file):
    """Both kinds under DDP; saves the gradients."""
    os.environ.update(
        MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE=str(world)
    )
    torch.distributed.init_process_group('gloo', rank=rank, world_size=world)
    try:
        found = {kind: step_of(kind, file, rank, True)[0] for kind in ('alone', 'behind')}
        torch.save(found, f'{folder}/{rank}.pt')
    finally:
        torch.distributed.destroy_process_group()


@DATASETS.register_module()
class SmallPairs(BaseDataset):
    """Eight dark pictures of 16 × 12 pixels with references; in `bright` only the latter, as pictures."""

    def __init__(self, bright=False, **kwargs):
        self.bright = bright
        super().__init__(**kwargs)

    def load_data_list(self):
        return [dict(number=number) for number in range(8)]

    def prepare_data(self, idx):
        number = self.get_data_info(idx)['number']
        values = np.random.default_rng(number).random((3, 4, 3)).repeat(4, 1).repeat(4, 2)
        bright = torch.from_numpy((60 + 190 * values).astype(np.uint8))
        sample = BaseDataElement()
        sample.set_field(PixelData(data=bright), 'reference', dtype=PixelData)
        picture = bright if self.bright else bright // (2 + number % 3)
        return dict(inputs=picture.flip(0), data_samples=sample)


class Cut(Exception):
    """Ends a run as a power cut would, for all that the files show."""


@HOOKS.register_module()
class CutRelationRun(Hook):
    """Raises before an iteration."""

    def __init__(self, iteration):
        self.iteration = iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration:
            raise Cut


def config(model, bright=False, epochs=3, extra=''):
    """Epochs of two iterations with four pictures each."""
    return Config.fromstring(
        f"""
default_scope = 'mmengine'
model = {model!r}
train_dataloader = dict(
    batch_size=4, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='SmallPairs', bright={bright}))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs={epochs})
optim_wrapper = dict(optimizer=dict(type='Adam', lr=1e-3, betas=(0.9, 0.99)))
default_hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1))
custom_hooks = []
{extra}
""",
        '.py',
    )


def run(folder, model, resume=None, amp=False, **settings):
    """Train a model config; the runner."""
    cfg = config(model, **settings)
    cfg.work_dir = str(folder)
    return train(cfg, RunOptions(amp=amp), resume)
