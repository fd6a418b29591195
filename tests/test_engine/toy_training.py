"""A run of seconds with everything that can make one differ from the next: random transforms and dropout."""

import os
import random
import signal
import textwrap

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS
from torch import nn


@DATASETS.register_module()
class ToyPictures(BaseDataset):
    """Ten noise pictures of 12 × 10 pixels."""

    def load_data_list(self):
        return [dict(number=number) for number in range(10)]

    def prepare_data(self, idx):
        number = self.get_data_info(idx)['number']
        img = np.random.default_rng(number).integers(0, 255, (12, 10, 3), dtype=np.uint8)
        return self.pipeline(dict(img=img, img_shape=(12, 10), number=number))


@TRANSFORMS.register_module()
class ToyPhotometric:
    """Gain, offset and noise, each from another library's generator."""

    def __call__(self, results):
        img = results['img'].astype(np.float32) * random.uniform(0.5, 1.5)
        img += np.random.uniform(-20, 20)
        img += torch.randn(img.shape).numpy()
        return dict(inputs=torch.from_numpy(img.transpose(2, 0, 1) / 255).float())


@TRANSFORMS.register_module()
class ToyPath:
    """Names a file to load."""

    def __init__(self, path):
        self.path = path

    def __call__(self, results):
        return {**results, 'img_path': self.path}


@MODELS.register_module()
class ToyModel(BaseModel):
    """An enhancer of one layer and a head behind dropout and batch normalisation."""

    def __init__(self, weights=None, data_preprocessor=None):
        super().__init__(data_preprocessor)
        self.enhancer = nn.Conv2d(3, 3, 1)
        self.head = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.3), nn.Conv2d(3, 1, 3))
        self.weights = weights
        if weights is not None:
            state = torch.load(weights, weights_only=True)['state_dict']
            self.enhancer.load_state_dict(state)

    def forward(self, inputs, mode='tensor'):
        result = [self.head(self.enhancer(picture[None])) for picture in inputs]
        if mode == 'loss':
            return dict(loss=sum(x.square().mean() + x.mean() for x in result))
        return [x.mean() for x in result]


@METRICS.register_module()
class ToyMetric(BaseMetric):
    """The mean prediction."""

    def process(self, data_batch, data_samples):
        self.results += [float(sample) for sample in data_samples]

    def compute_metrics(self, results):
        return dict(mean=float(np.mean(results)))


@HOOKS.register_module()
class KillHook(Hook):
    """Kills the process, as a power cut would, before an iteration."""

    def __init__(self, iteration):
        self.iteration = iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration:
            os.kill(os.getpid(), signal.SIGKILL)


@HOOKS.register_module()
class SaveRankHook(Hook):
    """Writes the weights of every rank at the end."""

    def after_train(self, runner):
        model = getattr(runner.model, 'module', runner.model)
        file = f'{runner.work_dir}/rank{runner.rank}.pth'
        torch.save(dict(state_dict=model.state_dict(), wrapper=type(runner.model).__name__), file)


def config(by_epoch=True, workers=2, extra=''):
    """The text of a config: six epochs, or 30 iterations, of batches of two."""
    loop = 'max_epochs=6' if by_epoch else 'max_iters=30'
    sampler = 'DefaultSampler' if by_epoch else 'InfiniteSampler'
    interval = 1 if by_epoch else 4
    return textwrap.dedent(f"""
    default_scope = 'mmengine'
    custom_imports = dict(imports=['toy_training'])
    model = dict(type='ToyModel', data_preprocessor=dict(type='BaseDataPreprocessor'))
    pipeline = [
        dict(type='mmcv.RandomResize', scale=(10, 12), ratio_range=(0.8, 1.5)),
        dict(type='mmcv.RandomFlip', prob=0.5),
        dict(type='ToyPhotometric'),
    ]
    train_dataloader = dict(
        batch_size=2, num_workers={workers}, persistent_workers={workers > 0},
        sampler=dict(type='{sampler}', shuffle=True),
        dataset=dict(type='ToyPictures', pipeline=pipeline))
    train_cfg = dict(by_epoch={by_epoch}, {loop})
    optim_wrapper = dict(optimizer=dict(type='AdamW', lr=0.01))
    param_scheduler = [dict(type='LinearLR', by_epoch=False, start_factor=0.1, end=20)]
    default_hooks = dict(
        checkpoint=dict(type='CheckpointHook', by_epoch={by_epoch}, interval={interval}),
        logger=dict(type='LoggerHook', interval=1))
    test_cfg = dict()
    test_dataloader = dict(
        batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(type='ToyPictures', test_mode=True, pipeline=[dict(type='ToyPhotometric')]))
    test_evaluator = dict(type='ToyMetric')
    """) + textwrap.dedent(extra)


# what puts the toy behind an enhancer
LIT = """
model.update(data_preprocessor=dict(
    type='llv.EnhancedDataPreprocessor', enhancer=dict(type='llv.RUAS'),
    base=dict(type='BaseDataPreprocessor')))
"""


def weights(checkpoint):
    """The tensors of a checkpoint of a toy run."""
    from llv.utils.checkpoint import load_state_dict

    return load_state_dict(checkpoint)


def equal(first, second):
    """Whether two checkpoints hold the same tensors, bit by bit."""
    first, second = weights(first), weights(second)
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def write(folder, name='toy', **settings):
    """A config file; single-process unless told otherwise."""
    file = folder / f'{name}.py'
    file.write_text(config(**{'workers': 0, **settings}))
    return file


class Evil:
    """Leaves a trace when it is unpickled without restriction."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return open, (str(self.trace), 'w')
