"""An enhancer that enlarges moves no figure of a segmentor, in training and in testing; a wrong rescale does.

The enhancers repeat pixels and the segmentor looks at one pixel, so what comes out is known to the pixel. The sizes in
which a picture is resized on its way are those for which bilinear resizing of the logits is exact at every scale.
"""

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData, PixelData

pytest.importorskip('mmseg')
pytest.importorskip('mmcv.ops')
pytest.importorskip('mmdet')
from colour_segmentor import colour_segmentor, labelled_picture, miou  # noqa: E402
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead  # noqa: E402
from mmdet.structures import DetDataSample  # noqa: E402
from mmseg.datasets.transforms import LoadAnnotations, PackSegInputs  # noqa: E402,F401
from mmseg.models.segmentors import SegTTAModel  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402

from llv.models import EnhancedDataPreprocessor  # noqa: E402
from llv.models.data_preprocessors import enhanced_data_preprocessor as module  # noqa: E402
from llv.models.data_preprocessors.rescale import rescale_sample  # noqa: E402
from llv.registry import MODELS, TRANSFORMS  # noqa: E402

SCALES = (2, 4)


@pytest.fixture(autouse=True)
def scope():
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


def build(scale, inference=None, **base):
    return MODELS.build(ConfigDict(colour_segmentor(scale, inference, **base))).eval()


# ---------------------------------------------------------------- training

TRAINING = {
    'one size, padded to a size': (dict(size=(40, 48)), [(33, 41), (33, 41)]),
    'sizes that differ, padded to a size': (dict(size=(40, 48)), [(33, 41), (40, 17), (1, 48)]),
    'sizes that differ, padded to a divisor': (dict(size_divisor=16), [(33, 41), (20, 47)]),
    'no padding': (dict(size_divisor=1), [(33, 41), (33, 41)]),
}


def training_batch(sizes):
    rng = np.random.default_rng(3)
    inputs, samples = [], []
    for height, width in sizes:
        picture, label = labelled_picture(rng, height, width)
        inputs.append(torch.from_numpy(picture).permute(2, 0, 1))
        sample = SegDataSample(metainfo=dict(img_shape=(height, width), ori_shape=(7, 9)))
        sample.gt_sem_seg = PixelData(data=torch.from_numpy(label[None].astype(np.int64)))
        sample.gt_edge_map = PixelData(data=(sample.gt_sem_seg.data == 2).long())
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)


def grown_base(base, scale):
    """The padding of an enlarged picture is as much larger."""
    return {
        name: tuple(scale * v for v in value) if isinstance(value, tuple) else scale * value
        for name, value in base.items()
    }


def train_once(scale, base, sizes):
    model = build(scale, **grown_base(base, scale or 1))
    data = model.data_preprocessor(training_batch(sizes), training=True)
    samples = data['data_samples']
    maps = {
        name: torch.stack([sample.get(name).data for sample in samples])
        for name in ('gt_sem_seg', 'gt_edge_map')
    }
    predictions = model(**data, mode='tensor').argmax(1)
    return dict(
        size=data['inputs'].shape[-2:],
        shapes=[(tuple(s.img_shape), tuple(s.pad_shape), tuple(s.ori_shape)) for s in samples],
        miou=lambda: miou(predictions, maps['gt_sem_seg']),
        losses={k: v.item() for k, v in model(**data, mode='loss').items()},
        **maps,
    )


def check_training(scale, case):
    base, sizes = TRAINING[case]
    plain, grown = train_once(0, base, sizes), train_once(scale, base, sizes)
    assert tuple(grown['size']) == tuple(scale * side for side in plain['size'])
    # first of all, since mmseg's head fits the logits to labels of any size without a word
    assert grown['losses'] == pytest.approx(plain['losses'], rel=1e-5)
    for name in ('gt_sem_seg', 'gt_edge_map'):
        ones = torch.ones(1, 1, scale, scale, dtype=torch.long)
        assert torch.equal(grown[name], torch.kron(plain[name], ones)), name
    assert 40 < plain['miou']() < 90
    assert grown['miou']() == plain['miou']()
    for small, large in zip(plain['shapes'], grown['shapes'], strict=True):
        assert large[:2] == tuple(tuple(scale * side for side in shape) for shape in small[:2])
        assert large[2] == small[2] == (7, 9)


@pytest.mark.parametrize('scale', SCALES)
@pytest.mark.parametrize('case', TRAINING)
def test_training_figures_stay_as_they_are(case, scale):
    check_training(scale, case)


@settings(max_examples=15, deadline=None)
@given(
    scale=st.integers(2, 4),
    sizes=st.lists(st.tuples(st.integers(1, 24), st.integers(1, 24)), min_size=1, max_size=3),
    divisor=st.sampled_from([1, 3, 8]),
)
def test_every_label_pixel_lies_on_its_picture_pixel(scale, sizes, divisor):
    plain = train_once(0, dict(size_divisor=divisor), sizes)
    grown = train_once(scale, dict(size_divisor=divisor), sizes)
    for name in ('gt_sem_seg', 'gt_edge_map'):
        for i, (height, width) in enumerate(sizes):
            rows, columns = np.mgrid[: scale * height, : scale * width] // scale
            assert torch.equal(
                grown[name][i, 0, : scale * height, : scale * width],
                plain[name][i, 0][rows, columns],
            )


# ---------------------------------------------------------------- testing

HEIGHT, WIDTH = 33, 41
LOAD = [dict(type='LoadImageFromFile')]
PACK = [dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
ENLARGED = dict(type='Resize', scale_factor=3.0, interpolation='bilinear')
TESTING = {
    'as it is': dict(),
    'padded to a size': dict(pad=dict(size=(48, 64))),
    'padded to a divisor': dict(pad=dict(size_divisor=32)),
    'enlarged by the pipeline': dict(steps=[ENLARGED]),
    'enlarged and padded': dict(steps=[ENLARGED], pad=dict(size_divisor=32)),
    'mirrored': dict(steps=[dict(type='RandomFlip', prob=1.0)]),
    'upside down': dict(steps=[dict(type='RandomFlip', prob=1.0, direction='vertical')]),
}
MODES = ('whole', 'slide')


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Two odd-sized pictures with labels, and two of blocks, by their block's side."""
    root = tmp_path_factory.mktemp('scale')
    rng = np.random.default_rng(5)
    made = {}
    for block, size in ((1, (HEIGHT, WIDTH)), *((s, (12 * s, 20 * s)) for s in SCALES)):
        made[block] = []
        for i in range(2):
            picture, label = labelled_picture(rng, *size, block)
            paths = [str(root / f'{block}_{i}_{kind}.png') for kind in ('picture', 'label')]
            cv2.imwrite(paths[0], picture)
            cv2.imwrite(paths[1], label)
            made[block].append(paths)
    return made


def load(pairs, steps):
    pipeline = [TRANSFORMS.build(step) for step in steps]
    items = []
    for picture, label in pairs:
        results = dict(img_path=picture, seg_map_path=label, seg_fields=[], reduce_zero_label=False)
        for transform in pipeline:
            results = transform(results)
        items.append(results)
    return pseudo_collate(items)


def window(mode, scale):
    if mode == 'whole':
        return dict(mode='whole')
    return dict(mode='slide', crop_size=(16 * scale, 20 * scale), stride=(9 * scale, 13 * scale))


def answers(model, data):
    """Predictions and labels, (H, W) each in the original size."""
    with torch.no_grad():
        samples = model.test_step(data)
    pairs = [(s.pred_sem_seg.data.squeeze(), s.gt_sem_seg.data.squeeze()) for s in samples]
    for predicted, label in pairs:
        assert predicted.shape == label.shape
    return [p for p, _ in pairs], [t for _, t in pairs]


def assert_same_answers(plain, grown):
    for a, b in zip(plain[1], grown[1], strict=True):
        assert torch.equal(a, b)
    assert 40 < miou(*plain) < 90
    assert miou(*grown) == miou(*plain)
    for a, b in zip(plain[0], grown[0], strict=True):
        assert torch.equal(a, b)


def check_testing(scale, files, case, mode):
    steps = LOAD + TESTING[case].get('steps', []) + PACK
    pad = TESTING[case].get('pad')
    found = []
    for s in (0, scale):
        grown = pad and grown_base(pad, s or 1)
        model = build(s, window(mode, s or 1), test_cfg=grown)
        found.append(answers(model, load(files[1], steps)))
    assert_same_answers(*found)


@pytest.mark.parametrize('scale', SCALES)
@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('case', TESTING)
def test_predictions_stay_as_they_are(files, case, mode, scale):
    check_testing(scale, files, case, mode)


DETAILS = {
    'by size': dict(),
    'by a pipeline that writes `pad_shape`': dict(
        steps=[dict(type='ResizeToMultiple', size_divisor=4)]
    ),
    'padded': dict(pad=dict(size_divisor=16)),
}


def check_details(scale, files, case, mode):
    """Halve pictures of 2 × 2 blocks and let the enhancer double them: not a pixel is lost."""
    halve = dict(type='Resize', scale_factor=1 / scale, interpolation='nearest')
    pad = DETAILS[case].get('pad')
    whole = answers(build(0, window(mode, scale)), load(files[scale], LOAD + PACK))
    model = build(scale, window(mode, scale), test_cfg=pad)
    steps = [*LOAD, halve, *DETAILS[case].get('steps', []), *PACK]
    assert_same_answers(whole, answers(model, load(files[scale], steps)))


@pytest.mark.parametrize('scale', SCALES)
@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('case', DETAILS)
def test_the_details_that_an_enhancer_adds_reach_the_prediction(files, case, mode, scale):
    check_details(scale, files, case, mode)


def check_views(scale, files, mode):
    views = dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale_factor=float(r), keep_ratio=True) for r in (1, 2, 3)],
            [
                dict(type='RandomFlip', prob=0.0),
                dict(type='RandomFlip', prob=1.0, direction='horizontal'),
                dict(type='RandomFlip', prob=1.0, direction='vertical'),
            ],
            [dict(type='LoadAnnotations')],
            [dict(type='PackSegInputs')],
        ],
    )
    found = []
    for s in (0, scale):
        data = load(files[1], [*LOAD, views])
        assert len(data['inputs']) == 9
        found.append(answers(SegTTAModel(build(s, window(mode, s or 1))), data))
    assert_same_answers(*found)


@pytest.mark.parametrize('mode', MODES)
def test_views_at_test_time_are_put_together_as_before(files, mode):
    check_views(2, files, mode)


def check_padding(files):
    """mmseg cuts ``img_padding_size`` (left, right, top, bottom) off the prediction."""
    expected = answers(build(0), load(files[1], LOAD + PACK))[0]
    data = load(files[1], LOAD + PACK)
    data['inputs'] = [F.pad(picture, (1, 3, 2, 5)) for picture in data['inputs']]
    for sample in data['data_samples']:
        shape = (HEIGHT + 7, WIDTH + 4)
        sample.set_metainfo(dict(img_shape=shape, pad_shape=shape, img_padding_size=(1, 3, 2, 5)))
    for prediction, label in zip(answers(build(2), data)[0], expected, strict=True):
        assert torch.equal(prediction, label)


def test_a_batch_equals_its_pictures(files):
    model = build(2, window('slide', 2))
    together = answers(model, load(files[1], LOAD + PACK))[0]
    for pair, prediction in zip(files[1], together, strict=True):
        assert torch.equal(answers(model, load([pair], LOAD + PACK))[0][0], prediction)


def test_pictures_without_labels_are_answered(files):
    """As an inferencer does it: no annotations, and in the end no data samples."""
    expected = answers(build(0), load(files[1], LOAD + PACK))[0]
    data = load(files[1], [*LOAD, dict(type='PackSegInputs')])
    model = build(2)
    with torch.no_grad():
        for sample, label in zip(model.test_step(data), expected, strict=True):
            assert torch.equal(sample.pred_sem_seg.data[0], label)
        alone = model.test_step(dict(inputs=data['inputs']))
    assert alone[0].pred_sem_seg.shape == (2 * HEIGHT, 2 * WIDTH)


# ---------------------------------------------------------------- boxes


class BoxHead(BaseDenseHead):
    """mmdet's way from a network's coordinates to those of the picture."""

    def loss_by_feat(self, **kwargs):
        raise NotImplementedError

    def answer(self, boxes, meta):
        results = InstanceData(bboxes=boxes)
        return self._bbox_post_process(results, ConfigDict(), True, False, meta).bboxes


def check_boxes(scale, training):
    """One bright box: where it is, where the label says it is, and where the prediction ends."""
    picture = torch.zeros(3, 20, 30, dtype=torch.uint8)
    picture[:, 5:11, 7:20] = 255  # resized by (2, 1) on the way
    sample = DetDataSample(
        metainfo=dict(img_shape=(20, 30), ori_shape=(20, 15), scale_factor=(2.0, 1.0))
    )
    box = torch.tensor([[7.0, 5.0, 20.0, 11.0]])
    sample.gt_instances = InstanceData(bboxes=box if training else box / torch.tensor([2, 1, 2, 1]))
    base = dict(type='mmdet.DetDataPreprocessor', pad_size_divisor=32)
    enhancer = dict(type='llv.Nearest', scale=scale)
    pre = MODELS.build(dict(type='llv.EnhancedDataPreprocessor', enhancer=enhancer, base=base))
    data = pre(dict(inputs=[picture], data_samples=[sample]), training)
    rows, columns = torch.nonzero(data['inputs'][0, 0] > 0).T
    found = torch.tensor([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]]).float()
    (sample,) = data['data_samples']
    assert sample.img_shape == (20 * scale, 30 * scale)
    predicted = BoxHead().answer(found.clone(), sample.metainfo)
    assert predicted.tolist() == [[3.5, 5, 10, 11]]
    label = sample.gt_instances.bboxes
    assert torch.equal(label, found if training else predicted)


@pytest.mark.parametrize('scale', SCALES)
@pytest.mark.parametrize('training', [True, False])
def test_boxes_return_to_the_coordinates_of_the_picture(training, scale):
    check_boxes(scale, training)


# ---------------------------------------------------------------- odd sizes inside an enhancer


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('enhancer', ['DRBN', 'FECNet'])
def test_enhancers_that_halve_odd_sizes_keep_picture_and_label_together(enhancer, training):
    base = dict(type='mmseg.SegDataPreProcessor', size_divisor=1)
    pre = EnhancedDataPreprocessor(dict(type=f'llv.{enhancer}'), base)
    data = pre(training_batch([(21, 35)]), training)
    sample = data['data_samples'][0]
    assert data['inputs'].shape[-2:] == (21, 35) == tuple(sample.img_shape)
    assert torch.equal(
        sample.gt_sem_seg.data, training_batch([(21, 35)])['data_samples'][0].gt_sem_seg.data
    )


# ---------------------------------------------------------------- what these checks catch


def labels_never_grown(sample, scale, size, training):
    return rescale_sample(sample, scale, size, False)


def labels_always_grown(sample, scale, size, training):
    return rescale_sample(sample, scale, size, True)


def keeping(*names):
    def wrong(sample, scale, size, training):
        meta = sample.metainfo
        sample = rescale_sample(sample, scale, size, training)
        sample.set_metainfo({name: meta[name] for name in names if name in meta})
        return sample

    return wrong


def original_size_grown(sample, scale, size, training):
    sample = rescale_sample(sample, scale, size, training)
    sample.set_metainfo(dict(ori_shape=tuple(scale * side for side in sample.ori_shape)))
    return sample


def relabelled(change):
    def wrong(sample, scale, size, training):
        grown = rescale_sample(sample, scale, size, training)
        if training and 'gt_sem_seg' in sample:
            data = change(sample.gt_sem_seg.data, grown.gt_sem_seg.data)
            grown.gt_sem_seg = PixelData(data=data)
        return grown

    return wrong


def smooth(label, grown):
    wide = F.interpolate(label[None].float(), size=grown.shape[-2:], mode='bilinear')
    return wide[0].round().long()


CHECKS = dict(
    training=lambda files: check_training(2, 'one size, padded to a size'),
    training_unpadded=lambda files: check_training(2, 'no padding'),
    whole=lambda files: check_testing(2, files, 'as it is', 'whole'),
    slide=lambda files: check_testing(2, files, 'as it is', 'slide'),
    views=lambda files: check_views(2, files, 'whole'),
    padding=check_padding,
    details=lambda files: check_details(2, files, 'by size', 'whole'),
    padded_details=lambda files: check_details(
        2, files, 'by a pipeline that writes `pad_shape`', 'whole'
    ),
    boxes=lambda files: check_boxes(2, False),
    training_boxes=lambda files: check_boxes(2, True),
)
# mmseg reads no `scale_factor`, and `img_shape` only where nothing was padded and no window slides
WRONG = {
    'labels that stay small in training': (
        labels_never_grown,
        {'training', 'training_unpadded', 'training_boxes'},
    ),
    'labels that grow in testing too': (
        labels_always_grown,
        {'whole', 'slide', 'views', 'padding', 'details', 'padded_details', 'boxes'},
    ),
    'the size of the picture before': (
        keeping('img_shape'),
        {'details', 'boxes', 'training_boxes'},
    ),
    'the padded size before': (keeping('pad_shape'), {'padding', 'padded_details'}),
    'the padding before': (keeping('img_padding_size'), {'padding'}),
    'the scale factor before': (keeping('scale_factor'), {'boxes', 'training_boxes'}),
    'another original size': (
        original_size_grown,
        {'training', 'training_unpadded', 'whole', 'slide', 'views', 'padding', 'details'}
        | {'padded_details'},
    ),
    'smoothed labels': (relabelled(smooth), {'training', 'training_unpadded'}),
    'labels one pixel to the right': (
        relabelled(lambda _, grown: grown.roll(1, -1)),
        {'training', 'training_unpadded'},
    ),
    'labels one pixel down': (
        relabelled(lambda _, grown: grown.roll(1, -2)),
        {'training', 'training_unpadded'},
    ),
}


@pytest.mark.parametrize('name', CHECKS)
def test_the_right_rescale_passes_the_checks(files, name):
    CHECKS[name](files)


@pytest.mark.parametrize('name', WRONG)
def test_a_wrong_rescale_is_caught(files, monkeypatch, name):
    wrong, catching = WRONG[name]
    monkeypatch.setattr(module, 'rescale_sample', wrong)
    caught = set()
    for check_name, check in CHECKS.items():
        try:
            check(files)
        except (AssertionError, IndexError, ValueError):
            caught.add(check_name)
    assert caught == catching
