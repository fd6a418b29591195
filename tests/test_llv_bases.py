"""A config outside llv that builds on `llv::…` gives the datasets and the model that it gives inside."""

import json
import textwrap

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner

from llv import registry
from llv.utils.config import load_config

SIZE = 64


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Three pictures with one box and one label map each, in the folders of night scenes."""
    root = tmp_path_factory.mktemp('night')
    rng = np.random.default_rng(0)
    for folder in ('img', 'label', 'day'):
        (root / folder).mkdir()
    images = []
    for i in range(3):
        picture = rng.integers(0, 60, (SIZE, SIZE, 3), dtype=np.uint8)
        cv2.imwrite(str(root / 'img' / f'{i}.png'), picture)
        cv2.imwrite(str(root / 'day' / f'{i}.png'), picture * 4)
        cv2.imwrite(str(root / 'label' / f'{i}.png'), np.full((SIZE, SIZE), i, np.uint8))
        images.append(dict(id=i, file_name=f'{i}.png', height=SIZE, width=SIZE))
    boxes = [
        dict(id=i, image_id=i, category_id=1, bbox=[8, 8, 30, 20], area=600, iscrowd=0)
        for i in range(3)
    ]
    names = ('disc', 'square', 'triangle', 'cross', 'ring')
    categories = [dict(id=k + 1, name=name) for k, name in enumerate(names)]
    text = json.dumps(dict(images=images, annotations=boxes, categories=categories))
    (root / 'boxes.json').write_text(text)
    return root


def written(folder, text):
    """A config in a folder of its own, far from llv's."""
    file = folder / 'mine.py'
    file.write_text(textwrap.dedent(text))
    return file


def built(file, folder, **dataset):
    """The Runner of a config, and the first sample of its training set."""
    cfg = Config.fromfile(file)
    cfg.work_dir = str(folder / 'work')
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False, batch_size=2)
    cfg.train_dataloader.dataset.update(dataset)
    # what is tested and logged is built from the same marks
    for part in ('val', 'test'):
        cfg.pop(f'{part}_dataloader', None)
        cfg.pop(f'{part}_evaluator', None)
        cfg.pop(f'{part}_cfg', None)
    runner = Runner.from_cfg(cfg)
    dataset = runner.build_dataloader(cfg.train_dataloader).dataset
    return runner, dataset


def test_a_detector_of_llv_as_base(data, tmp_path):
    pytest.importorskip('mmdet')
    file = written(
        tmp_path,
        """
        _base_ = 'llv::night_scenes/ssd-small_night_ruas_hierarchical.py'
        train_dataloader = dict(dataset=dict(pipeline={{_base_.train_pipeline}}))
        """,
    )
    runner, dataset = built(
        file,
        tmp_path,
        data_root=str(data),
        ann_file='boxes.json',
        data_prefix=dict(img='img/'),
        indices=None,
    )
    assert type(dataset).__module__ == 'mmdet.datasets.coco'
    # mmdet's own loader of labels, not that of mmcv, which has the same name
    loaders = {type(step).__name__: type(step).__module__ for step in dataset.pipeline.transforms}
    assert loaders['LoadAnnotations'].startswith('mmdet.')
    assert loaders['Resize'].startswith('mmdet.')
    sample = dataset[0]['data_samples']
    assert sample.gt_instances.bboxes.tensor.shape == (1, 4)
    assert type(runner.visualizer).__name__ == 'DetLocalVisualizer'
    wrapper = runner.model.data_preprocessor
    assert type(wrapper.enhancer).__module__.startswith('llv.')
    assert type(wrapper.base).__module__.startswith('mmdet.')
    assert type(runner.model.bbox_head).__module__.startswith('llv.')
    hooks = {type(hook).__name__ for hook in runner.hooks}
    assert 'DetVisualizationHook' in hooks


def test_a_segmentor_of_llv_as_base(data, tmp_path):
    pytest.importorskip('mmseg')
    file = written(
        tmp_path,
        """
        _base_ = 'llv::night_scenes/segmentation/night.py'
        """,
    )
    runner, dataset = built(
        file,
        tmp_path,
        data_root=str(data),
        data_prefix=dict(img_path='img', seg_map_path='label'),
    )
    steps = {type(step).__name__: type(step).__module__ for step in dataset.pipeline.transforms}
    assert steps['LoadAnnotations'].startswith('mmseg.')
    # llv has a transform of this name too, which crops pictures without label maps
    assert steps['RandomCrop'].startswith('mmseg.')
    assert dataset[1]['data_samples'].gt_sem_seg.data.unique().tolist() == [1]
    assert type(runner.visualizer).__name__ == 'SegLocalVisualizer'
    assert type(runner.model).__name__ == 'EncoderDecoder'


def test_an_enhancer_of_llv_as_base(data, tmp_path):
    file = written(
        tmp_path,
        """
        _base_ = 'llv::zero_dce/zero-dce_night-scenes.py'
        """,
    )
    runner, dataset = built(
        file, tmp_path, data_root=str(data), data_prefix=dict(img='img', reference='day')
    )
    assert type(runner.model.enhancer).__name__ == 'ZeroDCE'
    assert type(dataset).__name__ == 'PictureFolder'
    assert dataset[0]['inputs'].shape[0] == 3


def test_parts_of_llv_as_bases(data, tmp_path):
    """`llv::_base_/…` beside a model of mmdet: what a user writes who has a detector already."""
    pytest.importorskip('mmdet')
    file = written(
        tmp_path,
        """
        _base_ = [
            'mmdet::_base_/models/ssd300.py',
            'llv::_base_/datasets/night_scenes_night.py',
            'llv::_base_/schedules/small_detector.py',
            'llv::_base_/small_detector_runtime.py',
            'llv::_base_/enhancers/zero_dce.py',
            'llv::_base_/strategies/end_to_end.py',
        ]
        model = dict(
            backbone=dict(init_cfg=None),
            bbox_head=dict(num_classes=5),
            data_preprocessor=dict(
                _delete_=True,
                type='llv.EnhancedDataPreprocessor',
                enhancer={{_base_.enhancer}},
                frozen={{_base_.frozen}},
                base={{_base_.model.data_preprocessor}},
            ),
        )
        """,
    )
    runner, dataset = built(
        file, tmp_path, data_root=str(data), ann_file='boxes.json', data_prefix=dict(img='img/')
    )
    assert dataset[0]['data_samples'].gt_instances.bboxes.tensor.shape == (1, 4)
    assert type(runner.model.data_preprocessor.enhancer).__name__ == 'ZeroDCE'
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    assert type(runner.optim_wrapper.optimizer).__name__ == 'AdamW'
    assert runner.build_param_scheduler(runner.param_schedulers)


def test_plain_names_under_a_mark_are_those_of_the_default_scope():
    pytest.importorskip('mmdet')
    import mmdet.registry
    from mmcv.transforms import LoadAnnotations as OfMmcv

    marked = dict(type='LoadAnnotations', _scope_='llv')
    # as a Runner sets it
    with DefaultScope.overwrite_default_scope('mmdet'):
        built = mmdet.registry.TRANSFORMS.build(dict(marked, with_bbox=True))
        assert type(built).__module__.startswith('mmdet.')
        with DefaultScope.overwrite_default_scope('llv'):
            # with the scope written, the two packages keep what has the same name apart
            crops = [
                mmdet.registry.TRANSFORMS.get(f'{scope}.RandomCrop') for scope in ('llv', 'mmdet')
            ]
            assert [crop.__module__.partition('.')[0] for crop in crops] == ['llv', 'mmdet']
    # a default scope `llv` that was set on purpose is no mark: nothing of mmdet comes in
    scopes = DefaultScope._instance_dict
    kept = dict(scopes)
    try:
        DefaultScope.get_instance('a detector before', scope_name='mmdet')
        DefaultScope.get_instance('an enhancer now', scope_name='llv')
        assert registry.TRANSFORMS.get('LoadAnnotations') is OfMmcv
        assert registry.TRANSFORMS.get('RandomCrop').__module__.startswith('llv.')
    finally:
        scopes.clear()
        scopes.update(kept)


@pytest.mark.parametrize(
    'name',
    [
        'psenet/psenet_sice.py',
        'psenet/psenet-x0.5_sice.py',  # a dot in the name
        'night_scenes/segmentation/night.py',
        '_base_/datasets/exdark.py',
    ],
)
def test_the_hub_and_the_tools_read_the_same_config(name):
    assert get_config(f'llv::{name}').to_dict() == load_config(f'llv::{name}').to_dict()


def test_a_default_scope_without_a_package_harms_nobody():
    with DefaultScope.overwrite_default_scope('nowhere'):
        built = MODELS.build(dict(type='Identity', _scope_='llv'))
    assert type(built).__module__.startswith('llv.')
