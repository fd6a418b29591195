"""Every config loads, builds, and says what its strategy promises."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from llv.apis import clear_pretrained
from llv.registry import MODELS

pytest.importorskip('mmdet')
from mmdet.structures import DetDataSample  # noqa: E402

ROOT = Path(__file__).parents[1] / 'configs'
CONFIGS = sorted(p for p in ROOT.glob('*/*.py') if p.parent.name != '_base_')
# strategy: (frozen, scene loss, upstream targets in the ExDark configs)
WEIGHTS = 'model.data_preprocessor.enhancer.weights'
STRATEGIES = {
    'zero-shot': (True, 0.0, ['load_from', WEIGHTS]),
    'frozen': (True, 0.0, [WEIGHTS]),
    'end-to-end': (False, 0.0, []),
    'end-to-end-scene': (False, 1.0, []),
    'hierarchical': (False, 0.0, [WEIGHTS]),
}


def name(path):
    return f'{path.parent.name}/{path.stem}'


@pytest.mark.parametrize('path', CONFIGS, ids=name)
def test_config_builds_its_model(path):
    cfg = Config.fromfile(path)
    clear_pretrained(cfg)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
    assert sum(p.numel() for p in model.parameters()) > 0
    assert cfg.randomness.seed == 0


@pytest.mark.parametrize('path', CONFIGS, ids=name)
def test_upstream_configs_exist_and_their_targets_too(path):
    cfg = Config.fromfile(path)
    for link in cfg.get('upstream', []):
        assert Path(link.config).is_file()
        Config.fromfile(link.config)


@pytest.mark.parametrize('strategy', STRATEGIES)
def test_exdark_strategies(strategy):
    cfg = Config.fromfile(ROOT / 'ruas' / f'ssd300_ruas_exdark_{strategy}.py')
    frozen, scene_loss, targets = STRATEGIES[strategy]
    wrapper = cfg.model.data_preprocessor
    assert wrapper.type == 'llv.EnhancedDataPreprocessor'
    assert wrapper.enhancer.type == 'llv.RUAS'
    assert wrapper.frozen is frozen
    assert wrapper.base.type == 'DetDataPreprocessor'
    hooks = {hook.type: hook for hook in cfg.custom_hooks}
    if scene_loss:
        assert hooks['llv.EnhancerLossHook'].loss_weight == scene_loss
    else:
        assert 'llv.EnhancerLossHook' not in hooks
    assert [link.get('into', WEIGHTS) for link in cfg.upstream] == targets
    assert (cfg.train_cfg is None) is (strategy == 'zero-shot')


def test_frozen_and_hierarchical_share_their_enhancer():
    chains = {
        strategy: Config.fromfile(ROOT / 'ruas' / f'ssd300_ruas_exdark_{strategy}.py').upstream[-1]
        for strategy in ('zero-shot', 'frozen', 'hierarchical')
    }
    assert len({str(dict(chain)) for chain in chains.values()}) == 1


def test_every_parameter_of_the_small_detector_is_trained():
    # one without a gradient would stop training in several processes
    cfg = Config.fromfile(ROOT / 'night_scenes' / 'ssd-small_night_ruas_end-to-end-scene.py')
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model)
    sample = DetDataSample(metainfo=dict(img_shape=(64, 64), ori_shape=(64, 64)))
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[5.0, 5.0, 40.0, 40.0]]), labels=torch.tensor([1])
    )
    picture = torch.randint(0, 90, (3, 64, 64), dtype=torch.uint8)
    data = model.data_preprocessor(dict(inputs=[picture] * 2, data_samples=[sample] * 2), True)
    losses, _ = model.parse_losses(model(**data, mode='loss'))
    losses.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_every_method_folder_has_its_page_and_metafile():
    for folder in sorted({path.parent for path in CONFIGS}):
        assert (folder / 'README.md').is_file(), folder.name
        if folder.name != 'night_scenes':
            assert (folder / 'metafile.yml').is_file(), folder.name
