"""Plugging an enhancer into real configs of mmdet and mmseg."""

import logging

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner.checkpoint import load_state_dict

from llv.apis import clear_pretrained, plug_enhancer
from llv.models.enhancers import FixedGain
from llv.registry import MODELS as OWN
from llv.utils.config import load_config
from llv.utils.environment import has_mmdet, has_mmseg

needs_mmdet = pytest.mark.skipif(not has_mmdet(), reason='mmdet or mmcv.ops is not installed')
needs_mmseg = pytest.mark.skipif(not has_mmseg(), reason='mmseg or mmcv.ops is not installed')

SSD = 'mmdet::ssd/ssd300_coco.py'
FASTER_RCNN = 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'
DEEPLAB = 'mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb2-40k_cityscapes-512x1024.py'
SORT = 'mmdet::sort/sort_faster-rcnn_r50_fpn_8xb2-4e_mot17halftrain_test-mot17halfval.py'
BYTETRACK = (
    'mmdet::bytetrack/bytetrack_yolox_x_8xb4-80e_crowdhuman-mot17halftrain_test-mot17halfval.py'
)
SEMI = 'mmdet::soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.1-coco.py'


@pytest.fixture
def log():
    """Messages that llv logs."""
    logger = MMLogger.get_current_instance()
    lines, level = [], logger.level
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(level)


def toy(**entries):
    """A config of a model that needs mmengine alone."""
    model = dict(type='Toy', data_preprocessor=dict(type='ImgDataPreprocessor', mean=[1.0] * 3))
    return Config(dict(model=model) | entries)


def reloaded(cfg, folder):
    cfg.dump(folder / 'dumped.py')
    return Config.fromfile(folder / 'dumped.py')


def build(cfg):
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        return MODELS.build(cfg.model)


def detection_batch(count, size=300):
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    generator = torch.Generator().manual_seed(0)
    samples = []
    for _ in range(count):
        sample = DetDataSample(
            metainfo=dict(
                img_shape=(size, size),
                ori_shape=(size, size),
                scale_factor=(1.0, 1.0),
                img_path='x.png',
                img_id=0,
            )
        )
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor([[20.0, 30.0, 200.0, 250.0]]), labels=torch.tensor([3])
        )
        samples.append(sample)
    inputs = [
        torch.randint(0, 60, (3, size, size), generator=generator, dtype=torch.uint8)
        for _ in range(count)
    ]
    return dict(inputs=inputs, data_samples=samples)


def test_the_config_is_copied(tmp_path):
    cfg = toy()
    before = cfg.to_dict()
    plugged = plug_enhancer(cfg, 'fixed_gain', gain=2.0, frozen=True)
    assert cfg.to_dict() == before
    assert plugged.model.data_preprocessor.to_dict() == dict(
        type='llv.EnhancedDataPreprocessor',
        enhancer=dict(type='llv.FixedGain', gain=2.0),
        base=dict(type='ImgDataPreprocessor', mean=[1.0] * 3),
        frozen=True,
    )
    again = reloaded(plugged, tmp_path)
    assert again.to_dict() == plugged.to_dict()


def test_weights_hold_in_any_folder(tmp_path, monkeypatch):
    torch.save(FixedGain(2.0).state_dict(), tmp_path / 'w.pt')
    monkeypatch.chdir(tmp_path)
    plugged = plug_enhancer(toy(), 'fixed_gain', weights='w.pt')
    assert plugged.model.data_preprocessor.enhancer.weights == str(tmp_path / 'w.pt')
    with pytest.raises(FileNotFoundError, match='v.pt'):
        plug_enhancer(toy(), 'fixed_gain', weights='v.pt')


def test_a_top_level_preprocessor_moves_into_the_model(log):
    preprocessor = dict(type='ImgDataPreprocessor', std=[2.0] * 3)
    cfg = Config(dict(model=dict(type='Toy'), data_preprocessor=preprocessor))
    plugged = plug_enhancer(cfg, 'identity')
    assert 'data_preprocessor' not in plugged
    assert plugged.model.data_preprocessor.base == preprocessor
    # where both are there the model's own counts, as it does for the Runner
    plugged = plug_enhancer(toy(data_preprocessor=preprocessor), 'identity')
    assert 'data_preprocessor' not in plugged
    assert plugged.model.data_preprocessor.base.mean == [1.0] * 3
    assert [line for line in log if 'differs' in line]


@pytest.mark.parametrize(
    ('cfg', 'words'),
    [
        (Config(dict(a=1)), 'has no `model`'),
        (Config(dict(model=dict(type='Toy'))), '`Toy` has no `data_preprocessor`'),
        (
            Config(dict(model=dict(type='Toy', data_preprocessor=dict(mean=[0])))),
            '`Toy` has no `data_preprocessor`',
        ),
        (plug_enhancer(toy(), 'identity'), '`Toy` already has an enhancer'),
        (
            Config(
                dict(
                    model=dict(
                        type='llv.EnhancementModel',
                        data_preprocessor=dict(type='llv.PictureDataPreprocessor'),
                    )
                )
            ),
            'set `model.enhancer`',
        ),
    ],
)
def test_refused(cfg, words):
    with pytest.raises(ValueError, match=words) as error:
        plug_enhancer(cfg, 'identity')
    assert '\n' not in str(error.value)


def test_the_type_that_classifiers_leave_out_is_written_down():
    """As mmpretrain's configs, whose classes need not be installed for this."""
    base = type('BaseClassifier', (), {})
    OWN.register_module(module=type('MyClassifier', (base,), {}), name='MyClassifier')
    try:
        cfg = Config(dict(model=dict(type='llv.MyClassifier'), data_preprocessor=dict(mean=[3.0])))
        plugged = plug_enhancer(cfg, 'identity')
        expected = dict(type='mmpretrain.ClsDataPreprocessor', mean=[3.0])
        assert plugged.model.data_preprocessor.base.to_dict() == expected
        cfg.pop('data_preprocessor')
        base = plug_enhancer(cfg, 'identity').model.data_preprocessor.base
        assert base.to_dict() == dict(type='mmpretrain.ClsDataPreprocessor')
    finally:
        OWN.module_dict.pop('MyClassifier')


def test_self_supervised_models_are_refused():
    base = type('BaseSelfSupervisor', (), {})
    OWN.register_module(module=type('MyMoCo', (base,), {}), name='MyMoCo')
    try:
        cfg = toy()
        cfg.model.type = 'llv.MyMoCo'
        with pytest.raises(ValueError, match='`MyMoCo` learns from several views') as error:
            plug_enhancer(cfg, 'identity')
        assert '\n' not in str(error.value)
    finally:
        OWN.module_dict.pop('MyMoCo')


def rates(cfg, enhancer):
    """Learning rates, in units of the optimizer's, of the heads of a model and of the enhancer in front of it."""
    plugged = plug_enhancer(cfg, enhancer)
    model = torch.nn.Module()
    model.head = torch.nn.Linear(1, 1)
    model.data_preprocessor = MODELS.build(plugged.model.data_preprocessor)
    groups = build_optim_wrapper(model, plugged.optim_wrapper).optimizer.param_groups
    by_parameter = {p: group['lr'] for group in groups for p in group['params']}
    names = {p: name for name, p in model.named_parameters()}
    heads = {names[p]: rate for p, rate in by_parameter.items() if 'head.' in names[p]}
    own = {rate for name, rate in heads.items() if name.startswith('head.')}
    others = {rate for name, rate in heads.items() if not name.startswith('head.')}
    return own, others


def test_rules_for_layers_of_the_model_do_not_reach_the_enhancer():
    rules = dict(head=dict(lr_mult=10.0))
    optimizer = dict(type='SGD', lr=1.0, weight_decay=0.1)
    cfg = toy(optim_wrapper=dict(optimizer=optimizer, paramwise_cfg=dict(custom_keys=rules)))
    cfg.model.data_preprocessor = dict(type='ImgDataPreprocessor')
    assert rates(cfg, 'psenet') == ({10.0}, {1.0})
    # a rule that is there for the enhancer stays
    cfg.optim_wrapper.paramwise_cfg.custom_keys['data_preprocessor.enhancer'] = dict(lr_mult=0.5)
    assert rates(cfg, 'psenet') == ({10.0}, {0.5})
    assert 'enhancer' not in plug_enhancer(cfg, 'psenet').optim_wrapper.paramwise_cfg.custom_keys
    # nothing is written where there are no rules
    cfg.optim_wrapper.pop('paramwise_cfg')
    assert plug_enhancer(cfg, 'psenet').optim_wrapper == cfg.optim_wrapper


def test_unknown_enhancers_are_refused():
    with pytest.raises(ValueError, match='did you mean `RUAS`'):
        plug_enhancer(toy(), 'rusa')


@needs_mmdet
@pytest.mark.parametrize(
    ('name', 'words'),
    [
        (SORT, '`DeepSORT` works on videos.*tools/enhance.py'),
        (BYTETRACK, '`ByteTrack` works on videos.*tools/enhance.py'),
        (SEMI, '`SoftTeacher` has a preprocessor of several branches.*tools/enhance.py'),
    ],
)
def test_real_configs_that_are_refused(name, words):
    with pytest.raises(ValueError, match=words):
        plug_enhancer(load_config(name), 'identity')


@needs_mmdet
def test_subclasses_of_a_tracker_are_refused_too():
    from mmdet.models.mot import DeepSORT

    OWN.register_module(module=type('MyTracker', (DeepSORT,), {}), name='MyTracker')
    try:
        cfg = toy(default_scope='mmdet')
        cfg.model.type = 'llv.MyTracker'
        with pytest.raises(ValueError, match='`MyTracker` works on videos'):
            plug_enhancer(cfg, 'identity')
    finally:
        OWN.module_dict.pop('MyTracker')


@needs_mmdet
@pytest.mark.parametrize('through_base', [False, True])
def test_ssd_trains_and_predicts(tmp_path, log, through_base):
    from mmengine.optim import OptimWrapper

    from llv.models.dense_heads import SSDHead

    if through_base:
        (tmp_path / 'c.py').write_text(f"_base_ = '{SSD}'\n")
        cfg = load_config(tmp_path / 'c.py')
        assert cfg.model['_scope_'] == 'mmdet'
    else:
        cfg = load_config(SSD)
    plugged = plug_enhancer(cfg, 'ruas')
    assert [line for line in log if 'SSDHead' in line and 'llv.SSDHead' in line]
    assert clear_pretrained(plugged) == 1
    model = build(reloaded(plugged, tmp_path))
    assert type(model.bbox_head) is SSDHead
    assert type(model.data_preprocessor.base).__name__ == 'DetDataPreprocessor'
    if through_base:
        return

    # mmdet's `L2Norm` allocates its scale without a value; only `init_weights` gives it one
    model.init_weights()
    grads = {}
    for name, parameter in model.data_preprocessor.enhancer.named_parameters():
        parameter.register_hook(lambda grad, name=name: grads.__setitem__(name, grad.clone()))
    optimizer = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1e-6))
    losses = model.train_step(detection_batch(1), optimizer)
    assert all(torch.isfinite(value).all() for value in losses.values())
    assert all(torch.isfinite(grad).all() for grad in grads.values())
    assert any(grad.abs().sum() > 0 for grad in grads.values())

    with torch.no_grad():
        predictions = model.eval().test_step(detection_batch(1))
    assert 'pred_instances' in predictions[0]

    # a plain detector's checkpoint: nothing but the enhancer is missing
    plain = load_config(SSD)
    clear_pretrained(plain)
    state = build(plain).state_dict()
    missing = [name for name in model.state_dict() if name not in state]
    assert missing and all(m.startswith('data_preprocessor.enhancer.') for m in missing)
    log.clear()
    load_state_dict(model, state, strict=False)
    assert not [line for line in log if 'unexpected' in line or 'size mismatch' in line]
    torch.testing.assert_close(
        model.backbone.features[0].weight, state['backbone.features.0.weight']
    )


@needs_mmdet
def test_a_two_stage_detector(tmp_path):
    plugged = plug_enhancer(load_config(FASTER_RCNN), 'fixed_gain', gain=3.0)
    clear_pretrained(plugged)
    preprocessor = MODELS.build(reloaded(plugged, tmp_path).model.data_preprocessor)
    batch = preprocessor(detection_batch(1, 40))
    image = detection_batch(1, 40)['inputs'][0].float().mul(3).clamp(max=255).flip(0)
    mean = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
    std = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)
    assert batch['inputs'].shape == (1, 3, 64, 64)
    torch.testing.assert_close(
        batch['inputs'][0, :, :40, :40], (image - mean) / std, atol=1e-4, rtol=0
    )


@needs_mmdet
def test_a_config_with_both_preprocessors():
    cfg = load_config('mmdet::ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py')
    assert 'data_preprocessor' in cfg
    plugged = plug_enhancer(cfg, 'identity')
    assert 'data_preprocessor' not in plugged
    assert plugged.model.bbox_head.type == 'llv.SSDHead'


@needs_mmdet
def test_a_config_in_pure_python(tmp_path):
    (tmp_path / 'c.py').write_text(
        'from mmdet.models import DetDataPreprocessor, SingleStageDetector\n'
        'from mmdet.models.dense_heads import SSDHead\n'
        'model = dict(type=SingleStageDetector, data_preprocessor=dict(type=DetDataPreprocessor),\n'
        '             bbox_head=dict(type=SSDHead))\n'
    )
    plugged = reloaded(plug_enhancer(load_config(tmp_path / 'c.py'), 'identity'), tmp_path)
    assert plugged.model.bbox_head.type == 'llv.SSDHead'
    preprocessor = MODELS.build(plugged.model.data_preprocessor)
    assert type(preprocessor.base).__name__ == 'DetDataPreprocessor'


@needs_mmseg
def test_a_segmentor(tmp_path):
    cfg = load_config(DEEPLAB)
    assert 'data_preprocessor' in cfg and 'data_preprocessor' in cfg.model
    plugged = plug_enhancer(cfg, 'ruas')
    assert 'data_preprocessor' not in plugged
    assert clear_pretrained(plugged) == 1
    assert plugged.model.pretrained is None
    model = build(reloaded(plugged, tmp_path))
    assert type(model.data_preprocessor.base).__name__ == 'SegDataPreProcessor'


def test_clear_pretrained_finds_everything_nested():
    cfg = Config(
        dict(
            load_from='kept.pth',
            model=dict(
                pretrained='torchvision://resnet50',
                init_cfg=dict(type='Pretrained', checkpoint='a.pth'),
                branches=[
                    dict(init_cfg=[dict(type='Kaiming'), dict(type='Pretrained', checkpoint='b')]),
                    dict(deeper=(dict(init_cfg=[dict(type='mmengine.Pretrained')]),)),
                    dict(pretrained=True),
                    dict(pretrained=None, init_cfg=dict(type='Xavier')),
                ],
            ),
        )
    )
    assert clear_pretrained(cfg) == 5
    assert cfg.load_from == 'kept.pth'
    assert cfg.model.to_dict() == dict(
        pretrained=None,
        init_cfg=None,
        branches=[
            dict(init_cfg=[dict(type='Kaiming')]),
            dict(deeper=(dict(init_cfg=None),)),
            dict(pretrained=False),
            dict(pretrained=None, init_cfg=dict(type='Xavier')),
        ],
    )
    assert clear_pretrained(cfg) == 0
