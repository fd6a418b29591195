"""A search of seconds: a scene edge and a task edge, with dropout and batch normalisation between them."""

import textwrap

import search_golden
import torch
import toy_training  # noqa: F401 - registers data and hooks
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, HOOKS, MODELS
from torch import nn
from torch.utils.data import Dataset

from llv.models.enhancement_model import EnhancementModel
from llv.search.operations import build_operation
from llv.search.searchable import Searchable
from llv.search.spaces import LOW_LEVEL


class ToyEdge(Searchable, nn.Module):
    """One edge of the low-level space."""

    genotype_module = 'toy_edge'

    def __init__(self, genotype=None, edge='a'):
        super().__init__()
        self.settle_genotype(genotype, LOW_LEVEL, (edge,))
        self.layer = self.build_edge(edge, lambda name: build_operation(name, 3))

    def forward(self, x):
        return self.layer(x)


@MODELS.register_module()
class ToySupernet(BaseModel):
    """A scene edge that smooths and lights, and a task edge that regresses the mean of the picture."""

    def __init__(self, scene_genotype=None, task_genotype=None, edge='a', data_preprocessor=None):
        super().__init__(data_preprocessor)
        self.scene = ToyEdge(scene_genotype, edge)
        self.norm = nn.BatchNorm2d(3)
        self.drop = nn.Dropout(0.3)
        self.task = ToyEdge(task_genotype)
        self.head = nn.Conv2d(3, 1, 3)

    def forward(self, inputs, mode='tensor'):
        x = torch.stack(list(inputs))
        lit = self.scene(x).sigmoid()
        found = self.head(torch.tanh(self.task(self.drop(self.norm(lit)))))
        if mode != 'loss':
            return found
        return dict(
            loss_scene=(lit - x.clamp_min(0.01).sqrt()).square().mean(),
            loss_task=(found.mean(dim=(1, 2, 3)) - x.mean(dim=(1, 2, 3))).square().mean(),
        )

    def init_weights(self):
        """None: α and weights are those of the constructor."""


@MODELS.register_module()
class OddSupernet(ToySupernet):
    """Has a weight that only the second process uses."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.odd = nn.Parameter(torch.ones(2))

    def forward(self, inputs, mode='tensor'):
        found = super().forward(inputs, mode)
        if mode == 'loss' and get_rank() == 1:
            found['loss_task'] = found['loss_task'] + self.odd.square().sum()
        return found


@MODELS.register_module()
class PairedSupernet(ToySupernet):
    """Runs on nothing without its samples, as detectors of two stages do."""

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'tensor':
            raise AttributeError("'NoneType' object has no attribute 'metainfo'")
        return super().forward(inputs, mode)


@MODELS.register_module()
class PlantedSupernet(BaseModel):
    """Candidates with frozen weights, one of which is the teacher; only α learns."""

    def __init__(self, teacher, data_preprocessor=None):
        super().__init__(data_preprocessor)
        self.edge = ToyEdge()
        self.teacher = LOW_LEVEL.candidates.index(teacher)
        self.edge.layer.candidates.requires_grad_(False)

    def forward(self, inputs, mode='tensor'):
        x = torch.stack(list(inputs)) - 0.5
        found = self.edge(x)
        if mode != 'loss':
            return found
        wanted = self.edge.layer.candidates[self.teacher](x)
        return dict(loss=(found - wanted).square().mean())

    def init_weights(self):
        """None."""


@MODELS.register_module()
class GoldenSupernet(EnhancementModel):
    """RUAS's supernet with the weights of the reference."""

    def __init__(self):
        super().__init__(dict(type='llv.RUAS'))
        self.enhancer = search_golden.supernet().enhancer


SEEN = []  # what the hook below notes


@HOOKS.register_module()
class WatchHook(Hook):
    """Notes the type of the numbers in each pass."""

    def before_train(self, runner):
        SEEN.clear()
        runner.model.head.register_forward_hook(lambda module, x, result: SEEN.append(result.dtype))


@DATASETS.register_module()
class GoldenPicture(Dataset):
    """The one picture of a stream of the reference."""

    def __init__(self, formula):
        self.batch = search_golden.batch(*formula)

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return dict(inputs=self.batch['inputs'][0])


@DATASETS.register_module()
class NoPictures(Dataset):
    """An empty split."""

    def __len__(self):
        return 0

    def __getitem__(self, index):
        raise IndexError


def config(extra='', iters=12, workers=0, **search):
    """The text of a config of a search with two levels; `search` are arguments of the loop."""
    persistent = workers > 0
    search = dict(dict(scene='scene', scene_losses='scene', task_interval=3), **search)
    return textwrap.dedent(f"""
    default_scope = 'mmengine'
    custom_imports = dict(imports=['toy_search'])
    model = dict(type='ToySupernet', data_preprocessor=dict(type='BaseDataPreprocessor'))
    train_dataloader = dict(
        batch_size=2, num_workers={workers}, persistent_workers={persistent},
        sampler=dict(type='DefaultSampler', shuffle=True),
        dataset=dict(type='ToyPictures', pipeline=[dict(type='ToyPhotometric')], indices=5))
    valid_dataloader = dict(
        batch_size=2, num_workers={workers}, persistent_workers={persistent},
        sampler=dict(type='DefaultSampler', shuffle=True),
        dataset=dict(type='ToyPictures', pipeline=[dict(type='ToyPhotometric')], indices=-5))
    train_cfg = dict(
        type='llv.CooperativeSearchLoop', max_iters={iters}, valid_dataloader=valid_dataloader,
        arch_optimizer=dict(type='Adam', lr=0.01), **{search!r})
    optim_wrapper = dict(
        type='OptimWrapper', optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=1e-3))
    param_scheduler = [dict(type='LinearLR', by_epoch=False, start_factor=0.5, end=8)]
    default_hooks = dict(
        checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=4),
        logger=dict(type='LoggerHook', interval=4))
    log_processor = dict(by_epoch=False)
    """) + textwrap.dedent(extra)
