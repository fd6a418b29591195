"""The contract of the preprocessor, against the unwrapped base, closed forms and mmengine's own machinery."""

import copy
import pickle

import numpy as np
import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.structures import InstanceData, PixelData
from toys import Invert, LearnedGain, Nearest  # noqa: F401

from llv.models import EnhancedDataPreprocessor
from llv.registry import MODELS

mmdet = pytest.importorskip('mmdet')
mmseg = pytest.importorskip('mmseg')
from mmdet.structures import DetDataSample  # noqa: E402
from mmdet.structures.bbox import HorizontalBoxes  # noqa: E402
from mmdet.structures.mask import BitmapMasks  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402

NORMALISE = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])
DET = dict(type='mmdet.DetDataPreprocessor', pad_size_divisor=32, **NORMALISE)
SEG = dict(type='mmseg.SegDataPreProcessor', size=(64, 64), pad_val=7, seg_pad_val=255, **NORMALISE)
SIZES = dict(same=[(40, 50)] * 3, mixed=[(40, 50), (33, 64), (40, 50)])


def pictures(sizes, dtype, seed=0):
    rng = np.random.default_rng(seed)
    low, high = (-34, 357) if dtype == 'wild' else (0, 255)
    made = [torch.from_numpy(rng.uniform(low, high, (3, *size))) for size in sizes]
    return [p.round().to(torch.uint8) if dtype == 'uint8' else p.float() for p in made]


def det_samples(sizes):
    samples = []
    for height, width in sizes:
        sample = DetDataSample(
            metainfo=dict(
                img_shape=(height, width), ori_shape=(height, width), scale_factor=(1.0, 0.5)
            )
        )
        boxes = torch.tensor([[1.0, 2.0, 11.0, 12.0]])
        sample.gt_instances = InstanceData(
            bboxes=HorizontalBoxes(boxes), labels=torch.zeros(1, dtype=torch.long)
        )
        sample.ignored_instances = InstanceData(bboxes=HorizontalBoxes(boxes[:0]))
        samples.append(sample)
    return samples


def seg_samples(sizes):
    samples = []
    for height, width in sizes:
        sample = SegDataSample(metainfo=dict(img_shape=(height, width), ori_shape=(height, width)))
        grid = torch.arange(height * width).reshape(1, height, width) % 19
        sample.gt_sem_seg = PixelData(data=grid)
        samples.append(sample)
    return samples


def batch(task, layout, dtype, stacked):
    sizes = SIZES[layout]
    inputs = pictures(sizes, dtype)
    samples = det_samples(sizes) if task == 'det' else seg_samples(sizes)
    return dict(inputs=torch.stack(inputs) if stacked else inputs, data_samples=samples)


# mmseg tests pictures of one size only
BATCHES = [
    (task, layout, stacked, training)
    for task in ('det', 'seg')
    for layout, stacked in (('same', False), ('same', True), ('mixed', False))
    for training in (True, False)
    if training or (task, layout) != ('seg', 'mixed')
]


@pytest.mark.parametrize('order', [dict(bgr_to_rgb=True), dict(rgb_to_bgr=True), {}])
@pytest.mark.parametrize('dtype', ['uint8', 'float', 'wild'])
@pytest.mark.parametrize('task,layout,stacked,training', BATCHES)
def test_identity_is_bit_equal_to_the_base(task, layout, stacked, training, dtype, order):
    base = dict(DET if task == 'det' else SEG, **order)
    plain = MODELS.build(base)
    wrapped = EnhancedDataPreprocessor(dict(type='llv.Identity'), base)
    expected = plain(batch(task, layout, dtype, stacked), training)
    got = wrapped(batch(task, layout, dtype, stacked), training)
    assert torch.equal(expected['inputs'], got['inputs'])
    for a, b in zip(expected['data_samples'], got['data_samples'], strict=True):
        assert a.metainfo == b.metainfo
        if task == 'det':
            boxes = [s.gt_instances.bboxes for s in (a, b)]
            boxes = [box if isinstance(box, torch.Tensor) else box.tensor for box in boxes]
            assert torch.equal(*boxes) and torch.equal(a.gt_instances.labels, b.gt_instances.labels)
        else:
            assert torch.equal(a.gt_sem_seg.data, b.gt_sem_seg.data)


@pytest.mark.parametrize('order', ['bgr', 'rgb'])
def test_enhancer_sees_rgb_in_0_1_and_the_base_its_own_format(order):
    seen = []

    class Spy(Invert):
        def enhance(self, images):
            seen.append(images)
            return super().enhance(images)

    flag = dict(bgr_to_rgb=True) if order == 'bgr' else dict(rgb_to_bgr=True)
    base = dict(type='mmdet.DetDataPreprocessor', mean=[0] * 3, std=[1] * 3, **flag)
    picture = pictures([(5, 7)], 'wild')[0]
    out = EnhancedDataPreprocessor(Spy(), base)(dict(inputs=[picture]))['inputs'][0]
    rgb = (picture.flip(0) if order == 'bgr' else picture).clamp(0, 255) / 255
    torch.testing.assert_close(seen[0][0], rgb, rtol=0, atol=0)
    # `bgr_to_rgb` ends in RGB, `rgb_to_bgr` in BGR
    expected = (1 - rgb) * 255 if order == 'bgr' else (1 - rgb).flip(0) * 255
    torch.testing.assert_close(out, expected)


def test_padding_never_reaches_the_enhancer_and_keeps_its_value():
    base = MODELS.build(DET)
    wrapped = EnhancedDataPreprocessor(Invert(), DET)
    data = batch('det', 'mixed', 'uint8', False)
    inverted = dict(data, inputs=[255 - p.float() for p in data['inputs']])
    expected = base(inverted)['inputs']
    got = wrapped(data)['inputs']
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-4)
    assert got[0, :, 40:].abs().max() == 0


@pytest.mark.parametrize('training', [True, False])
def test_a_batch_of_mixed_sizes_equals_its_pictures(training):
    wrapped = EnhancedDataPreprocessor(dict(type='llv.MeanMatch'), DET).train(training)
    inputs = pictures(SIZES['mixed'], 'uint8')
    together = wrapped(dict(inputs=inputs), training)['inputs']
    for i, picture in enumerate(inputs):
        alone = wrapped(dict(inputs=[picture]), training)['inputs'][0]
        height, width = picture.shape[-2:]
        torch.testing.assert_close(together[i, :, :height, :width], alone[:, :height, :width])


@pytest.mark.parametrize('training', [True, False])
def test_detection_labels_follow_a_scale_of_two(training):
    wrapped = EnhancedDataPreprocessor(dict(type='llv.Nearest'), DET)
    samples = det_samples([(40, 50)])
    samples[0].gt_instances.masks = BitmapMasks(np.eye(40, 50, dtype=np.uint8)[None], 40, 50)
    before = copy.deepcopy(samples)
    out = wrapped(dict(inputs=pictures([(40, 50)], 'uint8'), data_samples=samples), training)
    assert out['inputs'].shape == (1, 3, 96, 128)
    sample = out['data_samples'][0]
    assert sample.img_shape == (80, 100)
    assert sample.pad_shape == (96, 128)
    assert sample.batch_input_shape == (96, 128)
    assert sample.scale_factor == (2.0, 1.0)
    assert sample.ori_shape == (40, 50)
    factor = 2 if training else 1
    box = sample.gt_instances.bboxes
    box = box if isinstance(box, torch.Tensor) else box.tensor
    assert box.tolist() == [[v * factor for v in (1, 2, 11, 12)]]
    masks = sample.gt_instances.masks.masks[0]
    kernel = np.ones((factor, factor), dtype=np.uint8)
    grown = np.kron(np.eye(40, 50, dtype=np.uint8), kernel)
    assert np.array_equal(masks[: grown.shape[0], : grown.shape[1]], grown)
    # the samples that were given are not touched: they may be used again
    assert samples[0].metainfo == before[0].metainfo
    assert torch.equal(samples[0].gt_instances.bboxes.tensor, before[0].gt_instances.bboxes.tensor)


@pytest.mark.parametrize('training', [True, False])
def test_label_maps_follow_a_scale_of_two_in_training_only(training):
    base = dict(type='mmseg.SegDataPreProcessor', size=(80, 100), **NORMALISE)
    wrapped = EnhancedDataPreprocessor(dict(type='llv.Nearest'), base)
    samples = seg_samples([(40, 50)])
    label = samples[0].gt_sem_seg.data.clone()
    out = wrapped(dict(inputs=pictures([(40, 50)], 'uint8'), data_samples=samples), training)
    sample = out['data_samples'][0]
    expected = torch.kron(label, torch.ones(1, 2, 2, dtype=torch.long)) if training else label
    assert torch.equal(sample.gt_sem_seg.data, expected)
    assert tuple(sample.img_shape) == (80, 100)
    assert out['inputs'].shape[-2:] == (80, 100)


def test_a_label_map_of_another_size_is_refused_by_name():
    wrapped = EnhancedDataPreprocessor(dict(type='llv.Nearest'), SEG)
    samples = seg_samples([(20, 50)])
    samples[0].set_metainfo(dict(img_path='night.png'))
    with pytest.raises(ValueError, match='gt_sem_seg.*night.png'):
        wrapped(dict(inputs=pictures([(40, 50)], 'uint8'), data_samples=samples), True)


def test_at_scale_one_nothing_is_written():
    wrapped = EnhancedDataPreprocessor(Invert(), dict(type='BaseDataPreprocessor'))
    samples = det_samples([(40, 50)])
    out = wrapped(dict(inputs=pictures([(40, 50)], 'uint8'), data_samples=samples), True)
    assert out['data_samples'][0].metainfo == samples[0].metainfo


def test_frozen_stays_in_eval_without_gradient_and_optimizer_state():
    model = MODELS.build(
        dict(
            type='llv.MeanModel',
            data_preprocessor=dict(
                type='llv.EnhancedDataPreprocessor',
                enhancer=dict(type='llv.LearnedGain'),
                base=DET,
                frozen=True,
            ),
        )
    )
    enhancer = model.data_preprocessor.enhancer
    before = enhancer.w.detach().clone()
    wrapper = build_optim_wrapper(model, dict(optimizer=dict(type='Adam', lr=0.1)))
    model.train()
    assert not enhancer.training and not enhancer.dropout.training
    for _ in range(2):
        model.train_step(dict(inputs=pictures([(8, 8)], 'uint8')), wrapper)
    assert enhancer.w.grad is None
    assert enhancer.w not in wrapper.optimizer.state
    assert model.p in wrapper.optimizer.state
    assert torch.equal(enhancer.w, before)
    assert not model.val_step(dict(inputs=pictures([(8, 8)], 'uint8')))[0].requires_grad


def test_trainable_enhancer_gets_the_gradient_of_the_closed_form():
    base = dict(type='mmdet.DetDataPreprocessor', mean=[0.0] * 3, std=[1.0] * 3)
    pre = EnhancedDataPreprocessor(LearnedGain(value=0.5), base)
    picture = pictures([(6, 6)], 'uint8')[0]
    pre(dict(inputs=[picture]), True)['inputs'].mean().backward()
    torch.testing.assert_close(pre.enhancer.w.grad, picture.float().mean().reshape(1))
    assert not pre(dict(inputs=[picture]), False)['inputs'].requires_grad


def test_moving_reaches_the_base():
    pre = EnhancedDataPreprocessor(LearnedGain(), DET)
    pre.to('meta')
    assert pre.device.type == 'meta' and pre.base.device.type == 'meta'
    assert pre.enhancer.w.device.type == 'meta'
    model = MODELS.build(dict(type='llv.MeanModel', data_preprocessor=pre.__class__(Invert(), DET)))
    model.to('meta')
    assert model.data_preprocessor.base.device.type == 'meta'
    pre = EnhancedDataPreprocessor(Invert(), DET)
    pre.base._device = torch.device('meta')
    assert pre.cpu().base.device.type == 'cpu'


def test_held_enhancements_are_neither_copied_nor_pickled():
    pre = EnhancedDataPreprocessor(LearnedGain(), DET)
    pre.holding = True
    pre(dict(inputs=pictures(SIZES['mixed'], 'uint8')), True)
    for twin in (copy.deepcopy(pre), pickle.loads(pickle.dumps(pre))):
        assert twin.pop_held() == []
    ExponentialMovingAverage(pre).update_parameters(pre)
    held = pre.pop_held()
    assert [len(group.images) for group in held] == [2, 1]
    assert held[0].enhancement.image.requires_grad
    assert pre.pop_held() == []
    pre(dict(inputs=pictures(SIZES['same'], 'uint8')), False)
    assert pre.pop_held() == []


def test_bfloat16_autocast_stays_finite_and_the_enhancer_in_float32():
    pre = EnhancedDataPreprocessor(LearnedGain(), DET)
    pre.holding = True
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = pre(dict(inputs=pictures([(8, 8)], 'uint8')), True)['inputs']
    assert torch.isfinite(out).all()
    assert pre.pop_held()[0].enhancement.image.dtype == torch.float32


def test_kept_pictures_are_the_lit_ones_in_rgb():
    pre = EnhancedDataPreprocessor(Invert(), DET, keep_pictures=True)
    picture = pictures([(8, 8)], 'uint8')[0]
    out = pre(dict(inputs=[picture], data_samples=det_samples([(8, 8)])))
    assert torch.equal(out['data_samples'][0].enhanced.data, 255 - picture.flip(0))


def test_a_plain_checkpoint_lacks_only_enhancer_keys():
    build = dict(type='llv.MeanModel', data_preprocessor=DET)
    plain = MODELS.build(build).state_dict()
    wrapped = dict(
        type='llv.EnhancedDataPreprocessor', enhancer=dict(type='llv.LearnedGain'), base=DET
    )
    model = MODELS.build(dict(build, data_preprocessor=wrapped))
    result = model.load_state_dict(plain, strict=False)
    assert result.missing_keys == ['data_preprocessor.enhancer.w']
    assert result.unexpected_keys == []


@pytest.mark.parametrize(
    'inputs',
    [[torch.zeros(1, 4, 4)], [torch.zeros(4, 4)], torch.zeros(2, 3, 5, 4, 4), ['picture']],
)
def test_other_than_colour_pictures_are_refused(inputs):
    with pytest.raises(ValueError, match=r'\(3, H, W\)'):
        EnhancedDataPreprocessor(Invert(), DET)._check(inputs)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match='channel_order'):
        EnhancedDataPreprocessor(Invert(), DET, channel_order='hsv')
    with pytest.raises(ValueError, match='channel_order'):
        EnhancedDataPreprocessor(Invert(), MODELS.build(DET))
    with pytest.raises(TypeError, match='BaseEnhancer'):
        EnhancedDataPreprocessor(dict(type='mmdet.DetDataPreprocessor'), DET)
    with pytest.raises(TypeError, match='branch'):
        EnhancedDataPreprocessor(Invert(), DET)._check(dict(sup=[]))


def test_optim_wrapper_type_is_real():
    # guards the frozen test above: an unexpected wrapper would make its state check meaningless
    model = MODELS.build(dict(type='llv.MeanModel', data_preprocessor=DET))
    assert isinstance(
        build_optim_wrapper(model, dict(optimizer=dict(type='SGD', lr=1))), OptimWrapper
    )


def test_what_mixes_a_batch_goes_to_the_base():
    """mmpretrain's classifiers write their `train_cfg` beside the type of the preprocessor."""
    pad = [dict(type='mmdet.BatchFixedSizePad', size=(96, 128))]
    given = dict(batch('det', 'same', 'uint8', False))
    wrapped = EnhancedDataPreprocessor(dict(type='llv.Identity'), DET, batch_augments=pad)
    assert wrapped(given, True)['inputs'].shape == (3, 3, 96, 128)
    assert wrapped(batch('det', 'same', 'uint8', False), False)['inputs'].shape[-2:] == (64, 64)
    # what the base's own config says counts more
    own = dict(DET, batch_augments=[dict(type='mmdet.BatchFixedSizePad', size=(64, 96))])
    wrapped = EnhancedDataPreprocessor(dict(type='llv.Identity'), own, batch_augments=pad)
    assert wrapped(batch('det', 'same', 'uint8', False), True)['inputs'].shape[-2:] == (64, 96)
    # as mmpretrain's hook for recipes that change during a training takes it away
    wrapped.batch_augments = None
    assert wrapped(batch('det', 'same', 'uint8', False), True)['inputs'].shape[-2:] == (64, 64)
    assert wrapped.base.batch_augments is None
    with pytest.raises(ValueError, match='`batch_augments` needs a config as `base`'):
        EnhancedDataPreprocessor(
            dict(type='llv.Identity'), wrapped.base, channel_order='bgr', batch_augments=pad
        )
