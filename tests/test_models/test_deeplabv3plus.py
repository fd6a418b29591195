"""DeepLabv3+ of the base configs: mmseg's network, mmseg's checkpoints, trainable with one picture a step."""

import logging
from copy import deepcopy
from functools import cache
from pathlib import Path
from urllib.parse import urlparse

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DefaultScope
from mmengine.runner import Runner, load_checkpoint
from mmengine.structures import PixelData
from torch import nn

from llv.apis import clear_pretrained, plug_enhancer
from llv.models.layers import FrozenBN
from llv.registry import DATASETS, MODELS
from llv.utils.checkpoint import use_weights_only_loading
from llv.utils.config import load_config

pytest.importorskip('mmseg')
from mmengine.runner import checkpoint as loaders  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402

CONFIGS = Path(__file__).parents[2] / 'configs'
UPSTREAM = 'mmseg::deeplabv3plus/deeplabv3plus_r{}-d8_4xb2-40k_cityscapes-512x1024.py'
DEPTHS = (50, 101)


@pytest.fixture
def weights_only(monkeypatch):
    """llv's way of reading checkpoints, for one test."""
    for name in ('load_from_local', 'load_from_http', '_safe_torch_load'):
        if hasattr(loaders, name):
            monkeypatch.setattr(loaders, name, getattr(loaders, name))
    schemes = dict(loaders.CheckpointLoader._schemes)
    use_weights_only_loading()
    yield
    loaders.CheckpointLoader._schemes.clear()
    loaders.CheckpointLoader._schemes.update(schemes)


@cache
def read(depth, folder='acdc', stem='acdc-night'):
    cfg = Config.fromfile(CONFIGS / folder / f'deeplabv3plus_r{depth}_{stem}.py')
    clear_pretrained(cfg)
    return cfg


def build(cfg, device='cpu'):
    with DefaultScope.overwrite_default_scope('mmseg'), torch.device(device):
        return MODELS.build(deepcopy(cfg.model))


def upstream(depth, device='cpu'):
    cfg = load_config(UPSTREAM.format(depth))
    clear_pretrained(cfg)
    return build(cfg, device)


def settle(model, seed=0):
    """Statistics as training would leave them: neither 0 nor 1, and signals that neither vanish nor explode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                for value, low, high in (
                    (module.weight, 0.3, 0.7), (module.bias, -0.2, 0.2),
                    (module.running_mean, -0.2, 0.2), (module.running_var, 0.5, 1.5),
                ):  # fmt: skip
                    value.uniform_(low, high, generator=generator)
                module.num_batches_tracked.fill_(40_000)
    return model


def published(model, path):
    """A file as the model index has them."""
    meta = dict(mmseg_version='0.5', CLASSES=['road'] * 19, PALETTE=[[128, 64, 128]] * 19)
    torch.save(dict(meta=meta, state_dict=model.state_dict()), path)


@pytest.mark.parametrize('depth', DEPTHS)
def test_published_checkpoint_lacks_nothing_but_the_enhancer(depth, tmp_path, weights_only, caplog):
    theirs = settle(upstream(depth)).eval()
    published(theirs, tmp_path / 'cityscapes.pth')
    cfg = plug_enhancer(read(depth), dict(type='llv.RUAS'))
    ours = build(cfg).eval()
    checkpoint = loaders.CheckpointLoader.load_checkpoint(str(tmp_path / 'cityscapes.pth'), 'cpu')
    report = ours.load_state_dict(checkpoint['state_dict'], strict=False)
    assert report.unexpected_keys == []
    names = ours.data_preprocessor.enhancer.state_dict()
    assert set(report.missing_keys) == {f'data_preprocessor.enhancer.{name}' for name in names}
    # mmengine's own way, which the runner takes
    logger = logging.getLogger('loading')
    load_checkpoint(ours, str(tmp_path / 'cityscapes.pth'), strict=False, logger=logger)
    assert 'missing keys' in caplog.text and 'unexpected' not in caplog.text
    x = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, found = theirs(x), ours(x)
    assert expected.std() > 1e-3 and torch.isfinite(expected).all()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_runner_starts_from_it_through_load_from(tmp_path, weights_only):
    theirs = settle(upstream(50))
    published(theirs, tmp_path / 'cityscapes.pth')
    cfg = plug_enhancer(read(50), dict(type='llv.MeanMatch'))
    cfg.load_from, cfg.work_dir = str(tmp_path / 'cityscapes.pth'), str(tmp_path / 'runs')
    runner = Runner.from_cfg(cfg)  # with its hooks, visualizer and schedule; data are read later
    runner.load_or_resume()
    state = runner.model.state_dict()
    for name, value in theirs.state_dict().items():
        if not name.endswith('num_batches_tracked'):
            assert torch.equal(state[name], value), name


# parts of the head and the parameters measured in mmseg's network
HEAD = dict(
    image_pool=1_049_600, aspp_modules=4_265_984, bottleneck=11_797_504, c1_bottleneck=12_384,
    sep_bottleneck=562_704, conv_seg=9_747,
)  # fmt: skip


def size(module):
    """Parameters, with the scales and shifts that are frozen."""
    frozen = [m for m in module.modules() if isinstance(m, FrozenBN)]
    return sum(p.numel() for p in module.parameters()) + sum(2 * m.weight.numel() for m in frozen)


@pytest.mark.parametrize('depth', DEPTHS)
def test_network_has_the_parameters_of_the_published_one(depth):
    model = build(read(depth), 'meta')
    sizes = {name: size(getattr(model.decode_head, name)) for name in HEAD}
    assert sizes == HEAD and size(model.decode_head) == sum(HEAD.values()) == 17_697_923
    theirs = upstream(depth, 'meta')
    assert size(model) == sum(p.numel() for p in theirs.parameters())
    norms = [m for m in theirs.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert len(norms) == sum(isinstance(m, FrozenBN) for m in model.modules())
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())
    assert model.decode_head.num_classes == model.auxiliary_head.num_classes == 19
    assert model.test_cfg['mode'] == 'whole'


def test_options_of_the_base_config_bring_synchronised_statistics_back():
    parts = ('backbone', 'decode_head', 'auxiliary_head')
    cfg = deepcopy(read(50))
    cfg.merge_from_dict({f'model.{part}.norm_cfg.type': 'SyncBN' for part in parts})
    model, theirs = build(cfg, 'meta'), upstream(50, 'meta')
    assert model.state_dict().keys() == theirs.state_dict().keys()
    assert all(p.requires_grad for p in model.parameters())


def test_one_picture_a_step_trains_behind_an_enhancer_with_distorted_light():
    # where batch statistics fail; the enhancer learns from the task
    cfg = plug_enhancer(read(50), dict(type='llv.RUAS'))
    cfg.model.data_preprocessor.base.size = (64, 64)
    cfg.model.data_preprocessor.distortion = dict(type='llv.PhotoMetricDistortion')
    torch.manual_seed(0)
    model = build(cfg)
    model.load_state_dict(settle(upstream(50)).state_dict(), strict=False)
    model.train()
    sample = SegDataSample(metainfo=dict(img_shape=(64, 64), ori_shape=(64, 64)))
    sample.gt_sem_seg = PixelData(data=torch.randint(0, 19, (1, 64, 64)))
    picture = torch.randint(0, 60, (3, 64, 64), dtype=torch.uint8)
    before = {name: value.clone() for name, value in model.named_buffers() if '.bn' in name}
    data = model.data_preprocessor(dict(inputs=[picture], data_samples=[sample]), True)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    loss.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
    enhancer = list(model.data_preprocessor.enhancer.parameters())
    assert sum(float(p.grad.abs().sum()) for p in enhancer) > 0
    for name, value in model.named_buffers():
        if name in before:
            assert torch.equal(value, before[name]), name
    with pytest.raises(ValueError, match='more than 1 value per channel'):
        revert_sync_batchnorm(upstream(50)).train()(**data, mode='loss')


FINE_TUNED = [
    (depth, folder, stem)
    for folder, stem in (
        ('acdc', 'acdc-night'), ('acdc', 'acdc-night-ruas'), ('acdc', 'acdc'), ('night_city', 'night-city'),
    )
    for depth in DEPTHS
] + [(50, 'cityscapes_dark', 'cityscapes-dark')]  # fmt: skip


@pytest.mark.parametrize('depth, folder, stem', FINE_TUNED)
def test_config_starts_from_the_file_of_the_model_index(depth, folder, stem):
    import mmseg
    import yaml

    index = Path(mmseg.__file__).parent / '.mim/configs/deeplabv3plus/metafile.yaml'
    if not index.is_file():
        pytest.skip('mmseg was installed without its model index')
    models = {entry['Name']: entry for entry in yaml.safe_load(index.read_text())['Models']}
    address = models[Path(UPSTREAM.format(depth)).stem]['Weights']
    cfg = Config.fromfile(CONFIGS / folder / f'deeplabv3plus_r{depth}_{stem}.py')
    assert cfg.load_from == f'checkpoints/{address.rpartition("/")[2]}'
    # each stack has a host of its own for the same files
    assert urlparse(address).path in (CONFIGS / 'acdc' / 'README.md').read_text()
    assert cfg.model.pretrained is None and cfg.model.backbone.depth == depth
    assert cfg.default_scope == 'mmseg' and cfg.randomness.seed == 0
    assert cfg.auto_scale_lr.base_batch_size == cfg.train_dataloader.batch_size
    # what the top of a config holds is put in the place of the model's own by some programs
    assert dict(cfg.data_preprocessor, _scope_='') == dict(cfg.model.data_preprocessor, _scope_='')
    assert tuple(cfg.data_preprocessor.size) == tuple(cfg.crop_size) == (512, 1024)


def test_ruas_configs_train_as_its_paper_says():
    for depth in DEPTHS:
        cfg = read(depth, 'acdc', 'acdc-night-ruas')
        optimizer = cfg.optim_wrapper.optimizer
        assert (optimizer.lr, optimizer.weight_decay, optimizer.betas) == (3e-4, 5e-4, (0.5, 0.999))
        assert cfg.train_dataloader.batch_size == 1
        assert cfg.train_cfg.max_iters == 30 * 400


def test_schedule_falls_to_its_end_rate_at_the_last_step():
    cfg = read(50)
    (fall,) = cfg.param_scheduler
    assert fall.end == cfg.train_cfg.max_iters == 40_000
    assert cfg.optim_wrapper.optimizer.lr == 1e-3 and fall.eta_min == 1e-5
    theirs = load_config(UPSTREAM.format(50))
    assert theirs.optim_wrapper.optimizer.lr == 10 * cfg.optim_wrapper.optimizer.lr
    assert theirs.param_scheduler[0].eta_min == 10 * fall.eta_min
    assert theirs.param_scheduler[0].power == fall.power


@pytest.mark.parametrize(
    'path', ['dark_zurich/deeplabv3plus_r50_dark-zurich.py', 'nighttime_driving/deeplabv3plus_r50_nighttime-driving.py']
)  # fmt: skip
def test_sets_without_training_pictures_are_tested_only(path):
    cfg = Config.fromfile(CONFIGS / path)
    training = ('train_cfg', 'train_dataloader', 'optim_wrapper')
    validation = ('val_cfg', 'val_dataloader', 'val_evaluator')
    assert all(cfg.get(key) is None for key in training + validation)
    assert cfg.test_dataloader.dataset.test_mode and cfg.test_cfg.type == 'TestLoop'
    assert cfg.load_from is None and cfg.default_scope == 'mmseg'


@pytest.mark.parametrize('stem', ['ruas-scene_acdc-night', 'psenet_acdc-night'])
def test_recipe_of_an_enhancer_sees_the_night_pictures_for_training_alone(stem, tmp_path):
    names = [
        'rgb_anon/night/train/GOPR0351/GOPR0351_frame_000001_rgb_anon.png',
        'rgb_anon/night/train/GP010376/GP010376_frame_000002_rgb_anon.png',
        'rgb_anon/night/train_ref/GOPR0351/GOPR0351_frame_000001_rgb_ref_anon.png',
        'rgb_anon/night/val/GOPR0356/GOPR0356_frame_000003_rgb_anon.png',
        'rgb_anon/fog/train/GOPR0475/GOPR0475_frame_000004_rgb_anon.png',
        'gt/night/train/GOPR0351/GOPR0351_frame_000001_gt_labelTrainIds.png',
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.full((340, 350, 3), 9, np.uint8))
    cfg = Config.fromfile(CONFIGS / 'acdc' / f'{stem}.py')
    dataset = DATASETS.build(dict(cfg.train_dataloader.dataset, data_root=f'{tmp_path}/'))
    paths = [dataset.get_data_info(index)['img_path'] for index in range(len(dataset))]
    assert paths == [str(tmp_path / name) for name in names[:2]]
    assert dataset[0]['inputs'].shape == ((3, 320, 320) if 'ruas' in stem else (3, 256, 256))
