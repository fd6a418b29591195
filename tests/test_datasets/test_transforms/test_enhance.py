"""EnhanceImage in pipelines, against the preprocessor that does the same on line."""

import pickle

import numpy as np
import pytest
import torch
import toys  # noqa: F401  (registers `llv.Nearest`)
from mmcv.transforms import Compose
from mmengine.registry import DefaultScope

from llv.datasets.transforms.enhance import EnhanceImage
from llv.models.enhancers.precomputed import Precomputed  # noqa: F401  (registers it)
from llv.registry import MODELS, TRANSFORMS
from llv.utils.pictures import write_picture


def picture(seed=0, size=(24, 30), high=80):
    return np.random.default_rng(seed).integers(0, high, (*size, 3)).astype(np.uint8)


GAIN = dict(type='llv.FixedGain', gain=[2.0, 3.3, 4.1])


def test_channels_are_lit_in_their_order():
    results = EnhanceImage(dict(type='llv.FixedGain', gain=[2, 3, 4]))(dict(img=picture()))
    expected = np.clip(picture().astype(int) * [4, 3, 2], 0, 255)  # BGR
    assert results['img'].dtype == np.uint8 and results['img'].flags['C_CONTIGUOUS']
    assert (results['img'] == expected).all()


def test_the_input_is_left_alone_and_the_result_the_same_each_time():
    transform = EnhanceImage(dict(type='llv.MeanMatch'))
    array = picture()
    first = transform(dict(img=array))['img']
    assert (array == picture()).all()
    assert (transform(dict(img=array))['img'] == first).all()
    again = pickle.loads(pickle.dumps(transform))  # as a spawned worker receives it
    assert (again(dict(img=array))['img'] == first).all()


def test_enhancers_are_neither_trained_nor_in_training_mode():
    transform = EnhanceImage(dict(type='llv.LearnedGain'))  # has a dropout
    assert not transform.enhancer.training
    assert not any(p.requires_grad for p in transform.enhancer.parameters())


@pytest.fixture
def file(tmp_path):
    write_picture(tmp_path / 'dark' / 'a.png', picture(1)[..., ::-1])
    return str(tmp_path / 'dark' / 'a.png')


def detection_pipeline(*between):
    pytest.importorskip('mmdet')
    with DefaultScope.overwrite_default_scope('mmdet'):
        return Compose(
            [
                TRANSFORMS.build(cfg)
                for cfg in (
                    dict(type='LoadImageFromFile'),
                    *between,
                    dict(type='mmdet.LoadAnnotations', with_bbox=True),
                    dict(type='mmdet.PackDetInputs', meta_keys=('img_shape', 'ori_shape')),
                )
            ]
        )


def record(path):
    box = dict(bbox=[2, 3, 20, 21], bbox_label=1, ignore_flag=0)
    return dict(img_path=path, img_id=0, instances=[box])


def test_a_detection_pipeline_agrees_with_the_preprocessor(file):
    off_line = detection_pipeline(dict(type='llv.EnhanceImage', enhancer=GAIN))(record(file))
    plain = detection_pipeline()(record(file))
    preprocessor = MODELS.build(
        dict(
            type='llv.EnhancedDataPreprocessor',
            enhancer=GAIN,
            base=dict(type='mmdet.DetDataPreprocessor'),
        )
    )
    on_line = preprocessor(dict(inputs=[plain['inputs']], data_samples=[plain['data_samples']]))
    difference = off_line['inputs'].float() - on_line['inputs'][0]
    assert difference.abs().max() <= 0.5 + 1e-3
    assert off_line['inputs'].float().mean() > 2 * plain['inputs'].float().mean()

    sample, expected = off_line['data_samples'], plain['data_samples']
    assert sample.img_shape == expected.img_shape == (24, 30)
    assert sample.ori_shape == expected.ori_shape == (24, 30)
    assert torch.equal(sample.gt_instances.bboxes.tensor, expected.gt_instances.bboxes.tensor)


def precomputed(tmp_path):
    enhancer = dict(
        type='llv.Precomputed', originals=str(tmp_path / 'dark'), folder=str(tmp_path / 'lit')
    )
    return dict(type='llv.EnhanceImage', enhancer=enhancer)


def test_precomputed_pictures_replace_the_loaded_ones(file, tmp_path):
    write_picture(tmp_path / 'lit' / 'a.png', picture(2)[..., ::-1])
    sample = detection_pipeline(precomputed(tmp_path))(record(file))
    assert (sample['inputs'].permute(1, 2, 0).numpy() == picture(2)).all()
    # without a path the content tells which one it is
    transform = TRANSFORMS.build(precomputed(tmp_path))
    assert (transform(dict(img=picture(1)))['img'] == picture(2)).all()


def test_precomputed_pictures_of_another_size_are_refused(file, tmp_path):
    write_picture(tmp_path / 'lit' / 'a.png', picture(2, (24, 29)))
    transform = TRANSFORMS.build(precomputed(tmp_path))
    with pytest.raises(ValueError, match=r'has size \(24, 29\) but `img` \(24, 30\)'):
        transform(dict(img=picture(1), img_path=file))


def test_enhancers_that_enlarge_are_refused():
    with pytest.raises(ValueError, match='`Nearest` enlarges pictures 2 times'):
        EnhanceImage(dict(type='llv.Nearest'))


@pytest.mark.parametrize(
    'img, error, message',
    [
        (picture().astype(np.float32), TypeError, '8-bit pictures, but `img` holds float32'),
        (picture()[..., 0], ValueError, 'colour pictures'),
        (picture()[..., :2], ValueError, 'colour pictures'),
    ],
)
def test_other_arrays_are_refused(img, error, message):
    with pytest.raises(error, match=message):
        EnhanceImage(GAIN)(dict(img=img))


def test_devices_are_checked():
    with pytest.raises(ValueError, match="`device` must be like 'cpu'"):
        EnhanceImage(GAIN, device='gpu')
    absent = EnhanceImage(GAIN, device='cuda:77')
    with pytest.raises(ValueError, match="cannot use `device='cuda:77'` here"):
        absent(dict(img=picture()))
