"""Every enhancer in front of an unedited mmdet detector and mmseg segmentor: two training steps that reach it."""

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData, PixelData

from llv.apis import clear_pretrained, plug_enhancer, registered_enhancers
from llv.registry import MODELS
from llv.utils.config import load_config

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')
from mmdet.structures import DetDataSample  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402

CONFIGS = dict(
    ssd300='mmdet::ssd/ssd300_coco.py',
    deeplabv3plus='mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb2-40k_cityscapes-512x1024.py',
)
# `Precomputed` knows the pictures of a folder only, and a `Cascade` is nothing without its stages
NAMES = sorted(
    name
    for name, kind in registered_enhancers().items()
    if name.startswith('llv.')
    and kind.__module__.startswith('llv.models')
    and name not in ('llv.Precomputed', 'llv.Cascade')
)

# narrow where the published width would cost minutes here
OPTIONS = {'llv.TriCo': dict(width=16, illumination_width=8)}


def batch(task, scale):
    """Two pictures with a box or a label map, so large that the model behind the enhancer sees 300 or 32 pixels."""
    torch.manual_seed(0)
    side = (300 if task == 'ssd300' else 32) // scale
    pictures = [torch.randint(0, 80, (3, side, side), dtype=torch.uint8) for _ in range(2)]
    samples = []
    for _ in pictures:
        if task == 'ssd300':
            sample = DetDataSample(
                metainfo=dict(img_shape=(side, side), ori_shape=(side, side), scale_factor=(1, 1))
            )
            sample.gt_instances = InstanceData(
                bboxes=torch.tensor([[30.0, 40.0, 200.0, 220.0]]) / scale, labels=torch.tensor([3])
            )
        else:
            sample = SegDataSample(metainfo=dict(img_shape=(side, side), ori_shape=(side, side)))
            sample.gt_sem_seg = PixelData(data=torch.randint(0, 19, (1, side, side)))
        samples.append(sample)
    return dict(inputs=pictures, data_samples=samples)


@pytest.fixture(scope='module', params=CONFIGS)
def task(request):
    """A detector or segmentor that is built once; each enhancer is put in front of it."""
    cfg = load_config(CONFIGS[request.param])
    clear_pretrained(cfg)
    if request.param == 'deeplabv3plus':
        cfg.model.data_preprocessor.size = (32, 32)
    plugged = plug_enhancer(cfg, 'identity')
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(plugged.model)
        # mmdet's `L2Norm` allocates its scale without a value; only `init_weights` gives it one
        model.init_weights()
    # gradients pass through the backbone to the enhancer; those of its own weights only cost time
    model.backbone.requires_grad_(False)
    return request.param, cfg, model


@pytest.mark.parametrize('name', NAMES)
def test_two_training_steps_move_the_enhancer(task, name):
    kind, cfg, model = task
    plugged: Config = plug_enhancer(cfg, name, **OPTIONS.get(name, {}))
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model.data_preprocessor = MODELS.build(plugged.model.data_preprocessor)
    enhancer = model.data_preprocessor.enhancer
    before = {n: p.detach().clone() for n, p in enhancer.named_parameters()}
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = OptimWrapper(torch.optim.SGD(trained, lr=1e-3))
    data = batch(kind, enhancer.scale)
    for _ in range(2):
        losses = model.train_step(data, optimizer)
        assert torch.isfinite(losses['loss'])
    trained = [(n, p) for n, p in enhancer.named_parameters() if p.requires_grad]
    for n, p in trained:
        assert p.grad is None or torch.isfinite(p.grad).all(), n
        assert torch.isfinite(p).all(), n
    moved = [n for n, p in trained if not torch.equal(p, before[n])]
    assert moved or not trained
