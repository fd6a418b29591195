"""Every config loads, builds, and says what its strategy promises."""

import json
from copy import deepcopy
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.evaluator import Evaluator
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from llv.apis import clear_pretrained
from llv.apis.strategies import STRATEGIES as ALL_STRATEGIES
from llv.benchmark.cells import compose
from llv.benchmark.matrix_file import read_matrix
from llv.engine.runner import use_tta
from llv.models.enhancers.build import build_enhancer
from llv.registry import DATASETS, MODELS
from llv.utils.complexity import count_parameters

pytest.importorskip('mmdet')
from mmdet.structures import DetDataSample  # noqa: E402

ROOT = Path(__file__).parents[1] / 'configs'
CONFIGS = sorted(p for p in ROOT.glob('*/*.py') if p.parent.name != '_base_')
STUDIES = sorted(ROOT.glob('night_scenes/*/*.py'))
DETECTORS = ('dark_face', 'fddb', 'ssd', 'wider_face')
SEGMENTORS = ('acdc', 'cityscapes_dark', 'dark_zurich', 'night_city', 'nighttime_driving')
# networks as published are large: they are built without memory for their weights
LARGE = (*DETECTORS, *SEGMENTORS, 'erl')
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
    for path in sorted(ROOT.glob('**/recipes.json'))
    for arms in json.loads(path.read_text()).values()
    for arm in arms
]


def name(path):
    return f'{path.parent.name}/{path.stem}'


@cache
def read(path):
    return Config.fromfile(path)


def build(cfg, device='cpu'):
    with (
        DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'llv')),
        torch.device(device),
    ):
        return MODELS.build(cfg.model)


@pytest.mark.parametrize('path', CONFIGS + STUDIES, ids=name)
def test_config_builds_its_model(path):
    cfg = deepcopy(read(path))
    clear_pretrained(cfg)
    model = build(cfg, 'meta' if path.parent.name in LARGE else 'cpu')
    assert sum(p.numel() for p in model.parameters()) > 0
    assert cfg.randomness.seed == 0


@pytest.mark.parametrize('path', CONFIGS + STUDIES, ids=name)
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
        assert entry['Name'].endswith(config.stem) and entry['In Collection'] in collections
        parameters = entry['Metadata'].get('Parameters')
        if parameters is not None:  # those that light a picture
            model = build(read(config))
            only_trained = [
                getattr(model.enhancer, part, None) for part in ('calibrator', 'scene_loss')
            ]
            unused = sum(count_parameters(part) for part in only_trained if part is not None)
            assert parameters == count_parameters(model.enhancer) - unused
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


DETECTION = [p for p in CONFIGS + STUDIES if p.parent.name in (*DETECTORS, 'faces')]


@pytest.mark.parametrize('path', DETECTION, ids=name)
def test_detection_config_builds_its_datasets_and_metrics(path):
    cfg = deepcopy(read(path))
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        for part in ('train', 'val', 'test'):
            if cfg.get(f'{part}_dataloader') is not None:  # the pipelines too, but no file is read
                DATASETS.build(dict(cfg[f'{part}_dataloader'].dataset, lazy_init=True))
            if cfg.get(f'{part}_evaluator') is not None:
                assert Evaluator(cfg[f'{part}_evaluator']).metrics
    if cfg.get('tta_model') is not None:
        clear_pretrained(cfg)
        use_tta(cfg)
        with DefaultScope.overwrite_default_scope(cfg.default_scope), torch.device('meta'):
            DATASETS.build(dict(cfg.test_dataloader.dataset, lazy_init=True))
            assert type(MODELS.build(cfg.model)).__name__ == 'FaceTTAModel'


SEGMENTATION = [p for p in CONFIGS + STUDIES if p.parent.name in (*SEGMENTORS, 'segmentation')]


@pytest.mark.parametrize('path', SEGMENTATION, ids=name)
def test_segmentation_config_builds_its_datasets_and_metrics(path):
    pytest.importorskip('mmseg')
    cfg = deepcopy(read(path))
    if cfg.default_scope != 'mmseg':
        return  # of an enhancer
    cfg.model.pretrained = None
    with DefaultScope.overwrite_default_scope('mmseg'), torch.device('meta'):
        for part in ('train', 'val', 'test'):
            if cfg.get(f'{part}_dataloader') is not None:  # the pipelines too, but no file is read
                DATASETS.build(dict(cfg[f'{part}_dataloader'].dataset, lazy_init=True))
            if cfg.get(f'{part}_evaluator') is not None:
                assert Evaluator(cfg[f'{part}_evaluator']).metrics
        head = cfg.model.decode_head
        searched = '_search' in path.stem
        assert head.type == ('llv.SearchableASPPHead' if searched else 'DepthwiseSeparableASPPHead')
        assert head.num_classes == (6 if path.parent.name == 'segmentation' else 19)
        if cfg.get('tta_pipeline') is not None:
            use_tta(cfg)
            DATASETS.build(dict(cfg.test_dataloader.dataset, lazy_init=True))
            assert type(MODELS.build(cfg.model)).__name__ == 'SegTTAModel'


@pytest.mark.parametrize('path', DETECTION, ids=name)
def test_pipelines_of_a_detection_config_take_a_picture(path, tmp_path):
    cfg = read(path)
    if cfg.default_scope != 'mmdet':
        return  # of an enhancer
    picture = np.random.default_rng(0).integers(0, 60, (90, 120, 3), np.uint8)
    cv2.imwrite(str(tmp_path / 'a.png'), picture)
    face = dict(bbox=[20, 30, 50, 70], bbox_label=0, ignore_flag=0)
    record = dict(
        img_id=0, img_path=str(tmp_path / 'a.png'), instances=[face], height=90, width=120,
        name='a', ellipses=[[20, 15, 0, 35, 50]],
    )  # fmt: skip
    loaders = {part: cfg.get(f'{part}_dataloader') for part in ('train', 'val', 'test')}
    pipelines = {part: loader.dataset.pipeline for part, loader in loaders.items() if loader}
    if cfg.get('tta_pipeline'):
        pipelines['views'] = cfg.tta_pipeline
    for part, steps in pipelines.items():
        with DefaultScope.overwrite_default_scope('mmdet'):
            packed = Compose(steps)(deepcopy(record))['data_samples']
        views = packed if part == 'views' else [packed]
        if part == 'train':
            assert views[0].img_shape in ((640, 640), (512, 512), (300, 300), (96, 96))
            continue
        for view in views:  # boxes stay in the coordinates of the file, mirrored or not
            assert view.gt_instances.bboxes.numpy().tolist() == [[20, 30, 50, 70]]
            assert view.ori_shape == (90, 120)
        shapes = [(view.img_shape, view.get('flip', False)) for view in views]
        assert len(set(shapes)) == len(shapes)  # no view twice


@pytest.mark.parametrize(
    'path', sorted(ROOT.glob('dark_face/*_darkface.py')) + sorted(ROOT.glob('wider_face/*.py')), ids=name
)  # fmt: skip
def test_face_detector_is_trained_as_published(path):
    # batch, learning rate, where it drops and where it stops, in thousand steps; the share of data-anchor-sampling
    published = dict(
        s3fd=(32, 1e-3, [80, 100], 120, None),
        pyramidbox=(16, 1e-3, [80, 100], 120, 0.5),
        dsfd_r152=(16, 1e-3, [40, 50], 60, 0.4),
        dsfd_paper=(16, 1e-3, [40, 50], 60, 0.4),
        dsfd_vgg=(16, 5e-4, [80, 100, 120], 150, 0.5),
        **dict.fromkeys(
            ('ruas-detector', 'ruas-detector-plain'), (16, 5e-4, [80, 100, 120], 150, 0.5)
        ),
    )
    stem = path.stem.removesuffix('_darkface').removesuffix('_widerface')
    if stem not in published:
        assert stem in ('psenet', 'ruas-scene')  # enhancers
        return
    cfg = read(path)
    batch, rate, steps, stop, share = published[stem]
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.momentum, optimizer.weight_decay) == ('SGD', 0.9, 5e-4)
    assert cfg.train_dataloader.batch_size == cfg.auto_scale_lr.base_batch_size == batch
    assert optimizer.lr == rate and cfg.train_cfg.max_iters == 1000 * stop
    assert list(cfg.param_scheduler[0].milestones) == [1000 * step for step in steps]
    pipeline = {step.type: step for step in cfg.train_dataloader.dataset.pipeline}
    assert tuple(pipeline['Resize'].scale) == (640, 640)
    crops = pipeline.get('RandomChoice')
    assert (None if crops is None else crops.prob[0]) == share
    assert ('llv.FaceSquareCrop' in pipeline) == (crops is None)
    # an enhancer may stand in front: nothing bright surrounds a picture, and the config itself has none
    assert "'mean'" not in str(cfg.train_dataloader.dataset.pipeline)
    assert 'llv.EnhancedDataPreprocessor' not in str(cfg.model)


MATRICES = sorted(
    path
    for path in [*ROOT.glob('**/matrix*.yml'), *ROOT.glob('night_scenes/search/*.yml')]
    if path.name != 'metafile.yml'
)
FITTED = {'gain': (dict(type='llv.FixedGain', gain=2.0), {}), 'mean': (dict(type='llv.MeanMatch'), {}),
          'statistics': (None, {'model.data_preprocessor.mean': [1, 2, 3]})}  # fmt: skip


@pytest.mark.parametrize('path', MATRICES, ids=name)
def test_every_arm_of_a_matrix_is_a_config(path):
    matrix = read_matrix(path)
    # without the pictures that controls are fitted to
    fits = {
        arm.enhancer.name: FITTED[arm.enhancer.fit['kind']]
        for arm in matrix.arms
        if arm.enhancer.fit
    }
    for point in matrix.points():
        if point.seed == matrix.seeds[0]:
            cfg = compose(matrix, point, fits)
            with_enhancer = point.arm.strategy != 'detector_only'
            if point.arm.config is not None:
                with_enhancer = point.arm.enhancer.name != 'none'
            assert ('enhancer' in cfg.model.data_preprocessor) == with_enhancer
            for link in cfg.upstream:
                assert Path(link.config).is_file()
            if any(
                axis.draw for axis in matrix.axes
            ):  # numbers of pictures, not of those with objects
                filters = cfg.train_dataloader.dataset.get('filter_cfg') or {}
                assert not filters.get('filter_empty_gt')
    if path.parent.name in ('acdc', 'dark_face', 'ssd'):
        assert {arm.strategy for arm in matrix.arms} == set(ALL_STRATEGIES)
