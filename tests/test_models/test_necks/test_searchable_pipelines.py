"""Scene and searched necks in a whole detector: mmdet's RetinaNet trains, with genotypes and as supernets."""

from copy import deepcopy
from functools import cache

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from mmengine.runner.checkpoint import load_state_dict
from mmengine.structures import InstanceData

pytest.importorskip('mmdet')
from mmdet.structures import DetDataSample  # noqa: E402

from llv.apis import clear_pretrained  # noqa: E402
from llv.registry import MODELS  # noqa: E402
from llv.search.searchable import (  # noqa: E402
    arch_parameters,
    derive_genotype,
    searchable_modules,
    weight_parameters,
)
from llv.utils.config import load_config  # noqa: E402

RETINANET = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
# of the maps that the FPN takes and gives
TAKES, GIVES = [8, 16, 32, 64], 8
GENOTYPE = ['conv_3x3', 'dilconv_3x3_6', 'conv_7x7', 'dilconv_5x5', 'conv_1x1']
SSD_NECK = dict(
    type='llv.SearchableSSDNeck',
    in_channels=(32, 64),
    out_channels=(32, 64, 16, 16),
    level_strides=(2, 2),
    level_paddings=(1, 1),
)
SSD_HEAD = dict(
    type='llv.SearchableSSDHead', num_classes=80, in_channels=(32, 64, 16, 16),
    anchor_generator=dict(
        type='SSDAnchorGenerator', scale_major=False, input_size=64, strides=[16, 32, 64, 128], ratios=[[2]] * 4,
        min_sizes=[8, 16, 32, 48], max_sizes=[16, 32, 48, 64],
    ),
)  # fmt: skip


@cache
def retinanet():
    """The published config with a narrow ResNet-18, BN trained from scratch."""
    cfg = load_config(RETINANET)
    clear_pretrained(cfg)
    small = dict(
        backbone=dict(depth=18, base_channels=8, frozen_stages=-1, norm_eval=False),
        neck=dict(in_channels=TAKES, out_channels=GIVES),
        bbox_head=dict(in_channels=GIVES, feat_channels=8, stacked_convs=1),
    )
    cfg.merge_from_dict(dict(model=small))
    return cfg


def build(neck=None, **changes):
    """RetinaNet with ``neck(its FPN)`` in the place of the FPN."""
    cfg = deepcopy(retinanet())
    if neck is not None:
        cfg.model.neck = neck(cfg.model.neck)
    cfg.merge_from_dict(dict(model=changes))
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
    model.init_weights()
    return model.train()


def batch():
    torch.manual_seed(1)
    sample = DetDataSample(
        metainfo=dict(img_shape=(64, 64), ori_shape=(64, 64), scale_factor=(1.0, 1.0))
    )
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[8.0, 8, 40, 40], [30, 20, 60, 60]]), labels=torch.tensor([0, 5])
    )
    inputs = [torch.randint(0, 60, (3, 64, 64), dtype=torch.uint8) for _ in range(2)]
    return dict(inputs=inputs, data_samples=[sample.clone() for _ in inputs])


def scene(genotype):
    return lambda neck: dict(
        type='llv.SceneNeck',
        in_channels=TAKES,
        neck=neck,
        genotype=genotype,
        levels=(1, 2, 3),
        width=4,
    )


def behind(genotype):
    return lambda neck: dict(type='llv.SearchableNeck', neck=neck, genotype=genotype)


def both(scene_genotype, genotype):
    return lambda neck: scene(scene_genotype)(behind(genotype)(neck))


NECKS = {
    'scene module, fixed': (scene('ruas-scene'), []),
    'scene module, supernet': (scene(None), ['neck']),
    'behind the pyramid, fixed': (behind(GENOTYPE), []),
    'behind the pyramid, supernet': (behind(None), ['neck']),
    'both, supernets': (both(None, None), ['neck', 'neck.neck']),
}


def train(model, steps=2):
    """So many iterations of the training tool; asserts that they are sound and returns what has moved."""
    before = {name: value.clone() for name, value in model.named_parameters()}
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 1e-2))
    grads = set()
    for name, parameter in model.named_parameters():
        parameter.register_hook(lambda grad, name=name: grads.add(name))
    for _ in range(steps):
        losses = model.train_step(batch(), wrapper)
        assert losses['loss'] > 0 and all(value.isfinite().all() for value in losses.values())
    assert grads == set(before)  # as DDP needs it
    assert all(p.isfinite().all() for p in model.parameters())
    return {
        name for name, value in model.named_parameters() if not torch.equal(value, before[name])
    }


@pytest.mark.parametrize('name', NECKS)
def test_retinanet_trains_two_iterations_and_predicts(name):
    neck, searched = NECKS[name]
    model = build(neck)
    assert list(searchable_modules(model)) == searched
    assert len(arch_parameters(model)) == len(searched)
    alphas = {name for name, _ in model.named_parameters() if 'arch_' in name}
    moved = train(model)
    assert alphas <= moved and any('fpn_convs' in name for name in moved)
    everything = len(arch_parameters(model)) + len(weight_parameters(model))
    assert everything == len(list(model.parameters()))
    with torch.no_grad():
        assert 'pred_instances' in model.eval().test_step(batch())[0]


def test_what_a_search_derives_builds_both_necks():
    found = derive_genotype(build(both(None, None)))
    assert list(found['parts']) == ['neck', 'neck.neck']
    model = build(both(found, found))
    assert not searchable_modules(model)
    assert found['parts']['neck.neck'] == model.neck.neck.derive()
    assert found['parts']['neck'] == model.neck.derive()


@pytest.mark.parametrize('neck', [scene(None), behind(GENOTYPE), both('ruas-scene', None)])
def test_checkpoint_of_the_plain_detector_lacks_nothing_but_what_was_added(neck, capsys):
    theirs, ours = build(), build(neck)
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    load_state_dict(ours, theirs.state_dict(), strict=False)
    out = capsys.readouterr().out
    assert 'unexpected' not in out and 'size mismatch' not in out
    added = ('scenes', 'layers', 'architecture')
    after = ours.state_dict()
    taken = {name: value for name, value in after.items() if not set(name.split('.')) & set(added)}
    for value, theirs_value in zip(taken.values(), theirs.state_dict().values(), strict=True):
        assert torch.equal(value, theirs_value)
    kept = before.keys() - taken.keys()
    assert kept and all(torch.equal(after[name], before[name]) for name in kept)


@pytest.mark.parametrize('searched', [False, True])
def test_ssd_with_searched_neck_and_head_trains_two_iterations(searched):
    ssd = load_config('mmdet::ssd/ssd300_coco.py').model
    cfg = deepcopy(retinanet())
    cfg.model.type = 'SingleStageDetector'
    cfg.model.neck = dict(SSD_NECK, genotype=None if searched else GENOTYPE[:4])
    cfg.model.bbox_head = dict(
        SSD_HEAD,
        genotype=None if searched else (GENOTYPE * 2)[:8],
        bbox_coder=ssd.bbox_head.bbox_coder,
    )
    cfg.model.train_cfg, cfg.model.test_cfg = ssd.train_cfg, ssd.test_cfg
    cfg.model.backbone.out_indices = (2, 3)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
    model.init_weights()
    model.train()
    moved = train(model)
    assert list(searchable_modules(model)) == (['neck', 'bbox_head'] if searched else [])
    assert (
        {'neck.architecture.arch_alpha', 'bbox_head.architecture.arch_alpha'} <= moved
    ) is searched
    with torch.no_grad():
        assert 'pred_instances' in model.eval().test_step(batch())[0]
