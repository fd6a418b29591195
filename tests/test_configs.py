"""Every config loads, builds, and says what its strategy promises."""

import json
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from llv.apis import clear_pretrained
from llv.models.enhancers.build import build_enhancer
from llv.registry import MODELS
from llv.utils.complexity import count_parameters

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


ENHANCERS = sorted((ROOT / '_base_' / 'enhancers').glob('*.py'))
METAFILES = sorted(ROOT.glob('*/metafile.yml'))
ARMS = [
    (path.parent / arm['config'], arm)
    for path in sorted(ROOT.glob('*/recipes.json'))
    for arms in json.loads(path.read_text()).values()
    for arm in arms
]


def name(path):
    return f'{path.parent.name}/{path.stem}'


@cache
def read(path):
    return Config.fromfile(path)


def build(cfg):
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'llv')):
        return MODELS.build(cfg.model)


@pytest.mark.parametrize('path', CONFIGS, ids=name)
def test_config_builds_its_model(path):
    cfg = deepcopy(read(path))
    clear_pretrained(cfg)
    model = build(cfg)
    assert sum(p.numel() for p in model.parameters()) > 0
    assert cfg.randomness.seed == 0


@pytest.mark.parametrize('path', CONFIGS, ids=name)
def test_upstream_configs_exist_and_their_targets_too(path):
    cfg = read(path)
    for link in cfg.get('upstream', []):
        assert Path(link.config).is_file()
        read(Path(link.config).resolve())


@pytest.mark.parametrize('path, arm', ARMS, ids=lambda x: x['name'] if isinstance(x, dict) else '')
def test_recipe_of_a_comparison_builds_with_its_options(path, arm):
    cfg = deepcopy(read(path.resolve()))
    before = deepcopy(cfg.to_dict())
    cfg.merge_from_dict(deepcopy(arm.get('options', {})))
    assert (cfg.to_dict() == before) is (not arm.get('options'))  # none is without effect
    model = build(cfg)
    assert sum(p.numel() for p in model.enhancer.parameters()) > 0


@pytest.mark.parametrize('path', ENHANCERS, ids=lambda path: path.stem)
def test_base_enhancer_builds(path):
    enhancer = read(path).enhancer
    if path.stem == 'precomputed':
        with pytest.raises(FileNotFoundError, match='data/night_scenes/test/night'):
            build_enhancer(enhancer)
        return
    module = build_enhancer(enhancer).eval()
    assert type(module).__name__.lower() == path.stem.replace('_', '')
    assert module(torch.rand(1, 3, 17, 18)).image.shape == (1, 3, 17, 18)


@pytest.mark.parametrize('path', METAFILES, ids=lambda path: path.parent.name)
def test_metafile_lists_every_config_of_its_folder(path):
    content = yaml.safe_load(path.read_text())
    collections = {entry['Name']: entry for entry in content['Collections']}
    for entry in collections.values():
        assert (ROOT.parent / entry['README']).is_file()
        assert (ROOT.parent / entry.get('Code', {}).get('URL', 'README.md')).is_file()
    names = [entry['Name'] for entry in content['Models']]
    assert len(set(names)) == len(names)
    for entry in content['Models']:
        config = ROOT.parent / entry['Config']
        assert entry['Name'] == config.stem and entry['In Collection'] in collections
        parameters = entry['Metadata'].get('Parameters')
        if parameters is not None:  # those that light a picture
            model = build(read(config))
            calibrator = getattr(model.enhancer, 'calibrator', None) or torch.nn.Identity()
            used = count_parameters(model.enhancer) - count_parameters(calibrator)
            assert parameters == used
    assert {ROOT.parent / entry['Config'] for entry in content['Models']} == set(
        path.parent.glob('*.py')
    )


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
