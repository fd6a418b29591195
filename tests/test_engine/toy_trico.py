"""A training in three levels of seconds: a stand-in with an illumination and a refinement, and pairs of two sizes."""

import textwrap

import numpy as np
import torch
import torch.nn.functional as F
import toy_training  # noqa: F401 - registers hooks
from mmengine.registry import DATASETS
from mmengine.structures import BaseDataElement, PixelData
from torch import nn
from torch.utils.data import Dataset

from llv.models.enhancers import BaseEnhancer, Enhancement
from llv.models.losses import TriCoLoss
from llv.registry import MODELS


@MODELS.register_module()
class ToyTriCo(BaseEnhancer):
    """x / u(x), twice as large, through two layers with batch normalisation and dropout between."""

    scale = 2

    def __init__(self, scene_loss=None, with_illumination=True):
        super().__init__()
        self.regulator = nn.Conv2d(3, 3, 3, padding=1) if with_illumination else None
        self.refiner = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Dropout(0.1), nn.Tanh(),
            nn.Conv2d(6, 3, 3, padding=1),
        )  # fmt: skip
        self.scene_loss = MODELS.build(dict(scene_loss or {}, type='llv.TriCoLoss'))

    def enhance(self, images):
        reflectance = images
        if self.regulator is not None:
            alpha = torch.sigmoid(self.regulator(images) + 2)
            reflectance = images / (alpha * images + 1 - alpha).clamp_min(1e-4)
        grown = F.interpolate(reflectance, scale_factor=2, mode='bilinear')
        raw = grown + 0.1 * self.refiner(grown)
        return Enhancement(raw.clamp(0, 1), dict(raw=raw, reflectance=reflectance))

    def illumination_parameters(self):
        return [] if self.regulator is None else list(self.regulator.parameters())

    def refinement_parameters(self):
        return list(self.refiner.parameters())


@DATASETS.register_module()
class ToyPairs(Dataset):
    """Noise in the dark, 8 × 7 pixels, and in the light, twice as large, moved up and down at random."""

    def __init__(self, indices):
        self.indices = list(indices)

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, index):
        light = np.random.default_rng(self.indices[index]).integers(0, 256, (3, 16, 14))
        light = np.roll(light, np.random.randint(16), 1).astype(np.uint8)
        dark = torch.from_numpy(light[:, ::2, ::2] // 6)
        sample = BaseDataElement(reference=PixelData(data=torch.from_numpy(light)))
        return dict(inputs=dark, data_samples=sample)


class SmoothLoss(TriCoLoss):
    """Two losses without kinks, for derivatives to be compared."""

    def __init__(self, **options):
        super().__init__(leave_out=('p', 'ssim', 'tv'), **options)

    def values(self, enhancement, images, references):
        reflectance, raw = enhancement.maps['reflectance'], enhancement.maps['raw']
        return dict(
            srl=(reflectance.mean(dim=(-2, -1)) - 0.7).square().expm1().sum(),
            c=(raw - references).square().mean(),
        )


def config(extra='', iters=12, workers=0, scene_loss=None, **loop):
    """The text of a config; `loop` are arguments of the loop."""
    loop = dict(dict(s1_iters=6), **loop)
    persistent = workers > 0
    data = (
        f'batch_size=2, num_workers={workers}, persistent_workers={persistent}, '
        "sampler=dict(type='DefaultSampler', shuffle=True)"
    )
    return textwrap.dedent(f"""
    default_scope = 'mmengine'
    custom_imports = dict(imports=['toy_trico'])
    model = dict(
        type='llv.EnhancementModel', enhancer=dict(type='llv.ToyTriCo', scene_loss={scene_loss!r}),
        data_preprocessor=dict(type='llv.PictureDataPreprocessor', channel_order='rgb'))
    train_dataloader = dict({data}, dataset=dict(type='ToyPairs', indices=range(10)))
    upper_dataloader = dict({data}, dataset=dict(type='ToyPairs', indices=range(10, 12)))
    train_cfg = dict(
        type='llv.PhasedGradientResponseLoop', max_iters={iters}, upper_dataloader=upper_dataloader,
        hyper_optimizer=dict(type='Adam', lr=0.01), **{loop!r})
    optim_wrapper = dict(
        type='OptimWrapper', optimizer=dict(type='Adam', lr=2e-3), clip_grad=dict(max_norm=0.5))
    param_scheduler = [
        dict(type='CosineRestartLR', by_epoch=False, begin=6, end=99, periods=[4, 20],
             restart_weights=[0.5, 0.5], eta_min=1e-5)]
    default_hooks = dict(
        checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=4),
        logger=dict(type='LoggerHook', interval=1))
    log_processor = dict(by_epoch=False, window_size=1)
    """) + textwrap.dedent(extra)


def killed(iteration):
    """The part of a config that ends the process before an iteration."""
    return f"custom_hooks = [dict(type='KillHook', iteration={iteration})]\n"
