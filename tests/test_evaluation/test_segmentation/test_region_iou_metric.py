import math
import pickle

import cv2
import numpy as np
import pytest
import torch
from test_evaluation.test_segmentation.label_maps import (
    CLASSES,
    confusion,
    evaluate,
    ious,
    random_maps,
    sample,
    slow_band,
)

mmseg_structures = pytest.importorskip('mmseg.structures')
from mmengine.dataset import pseudo_collate  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402

from llv.evaluation.segmentation import PerClassIoUMetric, RegionIoUMetric  # noqa: E402
from llv.models.data_preprocessors import EnhancedDataPreprocessor  # noqa: E402
from llv.models.enhancers import BaseEnhancer, Enhancement  # noqa: E402

SIZE = (13, 17)


def pictures(seed, count, size=SIZE):
    rng = np.random.default_rng(seed)
    # large patches, so that a mean over a window differs from place to place
    return [
        np.kron(rng.integers(0, 120, (3, 3, 4)), np.ones((1, 5, 5), int))[
            :, : size[0], : size[1]
        ].astype(np.uint8)
        for _ in range(count)
    ]


def batch(*inputs, **meta):
    samples = []
    for picture in inputs:
        samples.append(
            mmseg_structures.SegDataSample(metainfo=dict(img_shape=picture.shape[1:], **meta))
        )
    return dict(inputs=[torch.as_tensor(picture) for picture in inputs], data_samples=samples)


def slow_level(picture, place, side):
    rows, columns = (slice(max(p - side // 2, 0), p + side // 2 + 1) for p in place)
    blue, green, red = (plane[rows, columns].mean() for plane in picture.astype(float))
    return round(0.299 * red + 0.587 * green + 0.114 * blue)


@pytest.mark.parametrize('seed', [0, 1])
def test_every_figure_is_that_of_a_loop_over_pixels(seed):
    maps, inputs = random_maps(seed, pictures=4), pictures(seed, 4)
    # 3 of 13 pixels; 2 of a diagonal of 21.4
    metric = RegionIoUMetric(3, window=0.25, boundary=0.1, per_class=True)
    batches = [batch(picture) for picture in inputs]
    figures = evaluate(metric, [sample(*pair) for pair in maps], batches=batches)

    levels = [np.zeros(SIZE, int) for _ in maps]
    bands = [slow_band(label, 2) for _, label in maps]
    for index in range(len(maps)):
        for place in np.ndindex(SIZE):
            levels[index][place] = slow_level(inputs[index], place, 3)
    limits = [-1] + [int(figures[f'brightness.dark{k}']) for k in (1, 2, 3)]
    regions = {
        f'dark{k}': (lambda i, p, k=k: limits[k - 1] < levels[i][p] <= limits[k]) for k in (1, 2, 3)
    }
    regions['boundary'] = lambda i, p: bands[i][p]
    regions['interior'] = lambda i, p: not bands[i][p]
    total = confusion(maps).sum()
    for name, where in regions.items():
        matrix = confusion(maps, where=where)
        assert 0 < matrix.sum() < total
        expected = ious(matrix)
        got = {k.rsplit('.', 1)[1]: v for k, v in figures.items() if k.startswith(f'IoU.{name}.')}
        assert got == pytest.approx(expected)
        assert figures[f'mIoU.{name}'] == pytest.approx(np.mean(list(expected.values())))
        assert figures[f'pixels.{name}'] == pytest.approx(100 * matrix.sum() / total)


def test_one_group_is_the_mean_iou_and_shares_sum_to_all():
    maps, inputs = random_maps(2), pictures(2, 6)
    maps[0][1][0, :3] = 77  # neither a class nor ignored: a mistake whatever is predicted
    samples, batches = [sample(*pair) for pair in maps], [batch(p) for p in inputs]
    whole = evaluate(PerClassIoUMetric(views=dict(v=CLASSES, w=['a', 'd'])), samples)
    one = evaluate(RegionIoUMetric(quantiles=1), samples, batches=batches)
    assert one['mIoU.dark1'] == pytest.approx(whole['mIoU.v'])
    assert one['pixels.dark1'] == 100
    filtered = evaluate(RegionIoUMetric(1, classes_to_report=['a', 'd']), samples, batches=batches)
    assert filtered['mIoU.dark1'] == pytest.approx(whole['mIoU.w'])
    figures = evaluate(RegionIoUMetric(), samples, batches=batches)
    shares = [figures[f'pixels.dark{k}'] for k in (1, 2, 3, 4)]
    assert sum(shares) == pytest.approx(100) and min(shares) > 10
    assert figures['pixels.boundary'] + figures['pixels.interior'] == pytest.approx(100)
    limits = [figures[f'brightness.dark{k}'] for k in (1, 2, 3, 4)]
    assert limits == sorted(limits)


def quadrants():
    """A picture of four brightnesses, and a label that is half a and half b in each of them."""
    picture = np.zeros((3, 40, 40), np.uint8)
    for index, value in enumerate((5, 40, 90, 200)):
        row, column = divmod(index, 2)
        picture[:, 20 * row : 20 * row + 20, 20 * column : 20 * column + 20] = value
    label = np.zeros((40, 40), int)
    label[:, 10:20] = label[:, 30:] = 1
    return picture, label


def test_a_model_that_is_wrong_in_the_dark_shows_it_there_alone():
    picture, label = quadrants()
    predicted = label.copy()
    predicted[:20, :20] = 1 - predicted[:20, :20]
    metric = RegionIoUMetric(window=0.01)  # a pixel
    figures = evaluate(metric, [sample(predicted, label)], batches=[batch(picture)])
    assert [figures[f'mIoU.dark{k}'] for k in (1, 2, 3, 4)] == [0, 100, 100, 100]
    assert [figures[f'pixels.dark{k}'] for k in (1, 2, 3, 4)] == [25] * 4
    assert [figures[f'brightness.dark{k}'] for k in (1, 2, 3, 4)] == [5, 40, 90, 200]


def test_a_model_that_is_wrong_at_boundaries_shows_it_there_alone():
    picture, label = quadrants()
    predicted = label.copy()
    # 2 pixels of a diagonal of 56.6 on both sides of the edges at 10, 20 and 30
    for edge in (10, 20, 30):
        predicted[:, edge - 2 : edge + 2] = 1 - predicted[:, edge - 2 : edge + 2]
    metric = RegionIoUMetric(boundary=2 / math.hypot(40, 40))
    figures = evaluate(metric, [sample(predicted, label)], batches=[batch(picture)])
    assert figures['mIoU.boundary'] == 0 and figures['mIoU.interior'] == 100
    assert figures['pixels.boundary'] == 100 * 12 / 40


def test_fewer_levels_make_fewer_groups_and_empty_regions_are_left_out():
    label = np.zeros((8, 8), int)
    dark = np.full((3, 8, 8), 9, np.uint8)
    figures = evaluate(RegionIoUMetric(), [sample(label, label)], batches=[batch(dark)])
    assert figures == {
        'mIoU.dark1': 100, 'mIoU.interior': 100, 'pixels.dark1': 100, 'pixels.boundary': 0,
        'pixels.interior': 100, 'brightness.dark1': 9,
    }  # fmt: skip
    nothing = sample(label, np.full((8, 8), 255))
    assert evaluate(RegionIoUMetric(), [nothing], batches=[batch(dark)]) == {}


def test_results_of_two_ranks_give_the_figures_of_one_and_stay_small():
    maps, inputs = random_maps(5, pictures=5), pictures(5, 5)
    samples, batches = [sample(*pair) for pair in maps], [batch(p) for p in inputs]
    expected = evaluate(RegionIoUMetric(), samples, batches=batches)
    ranks = [RegionIoUMetric() for _ in range(2)]
    for index, rank in enumerate(ranks):
        rank.dataset_meta = dict(classes=CLASSES)
        for k in range(index, 5, 2):
            rank.process(batches[k], [samples[k]])
    merged = pickle.loads(pickle.dumps(ranks[0].results + ranks[1].results))
    assert ranks[0].compute_metrics(merged) == expected
    dense = 256 * 2 * 3 * (len(CLASSES) + 1)
    assert all(len(picture.places) < dense / 10 for picture in merged)


@pytest.mark.parametrize('direction', [None, 'horizontal', 'vertical', 'diagonal'])
@pytest.mark.parametrize('dtype', [torch.uint8, torch.float32])
def test_padding_and_flips_of_the_input_are_undone(direction, dtype):
    picture, label = quadrants()
    predicted = label.copy()
    predicted[:20, :20] = 1 - predicted[:20, :20]
    axes = dict(horizontal=(2,), vertical=(1,), diagonal=(1, 2)).get(direction, ())
    shown = np.pad(np.flip(picture, axes), ((0, 0), (0, 7), (0, 3)), constant_values=255)
    given = batch(picture, flip=direction is not None, flip_direction=direction)
    given['inputs'] = torch.as_tensor(shown.copy())[None].to(dtype)  # stacked, as by other collates
    figures = evaluate(RegionIoUMetric(), [sample(predicted, label)], batches=[given])
    straight = evaluate(RegionIoUMetric(), [sample(predicted, label)], batches=[batch(picture)])
    assert figures == straight
    assert figures['mIoU.dark1'] < figures['mIoU.dark2']


def test_a_picture_in_another_size_is_brought_to_the_label():
    picture, label = quadrants()
    predicted = label.copy()
    predicted[:20, :20] = 1 - predicted[:20, :20]
    half = batch(picture[:, ::2, ::2].copy())
    figures = evaluate(RegionIoUMetric(window=0.01), [sample(predicted, label)], batches=[half])
    # the resized picture is mixed at its inner edges only
    assert figures['mIoU.dark1'] < 5 and figures['mIoU.dark3'] == figures['mIoU.dark4'] == 100


@pytest.fixture
def views_of_a_file(tmp_path):
    """A batch of two pictures under test-time augmentation, whose first view is flipped and smaller."""
    pytest.importorskip('mmseg.datasets.transforms')
    from mmcv.transforms import TestTimeAug

    picture, label = quadrants()
    cv2.imwrite(str(tmp_path / 'a.png'), picture.transpose(1, 2, 0))
    cv2.imwrite(str(tmp_path / 'a_label.png'), label.astype(np.uint8))
    augment = TestTimeAug(
        transforms=[
            [
                dict(type='mmcv.Resize', scale_factor=0.5),
                dict(type='mmcv.Resize', scale_factor=1.0),
            ],
            [dict(type='mmcv.RandomFlip', prob=1.0), dict(type='mmcv.RandomFlip', prob=0.0)],
            [dict(type='mmseg.LoadAnnotations')],
            [dict(type='mmseg.PackSegInputs')],
        ]
    )
    record = dict(
        img=picture.transpose(1, 2, 0).copy(), img_path=str(tmp_path / 'a.png'), img_shape=(40, 40),
        ori_shape=(40, 40), seg_map_path=str(tmp_path / 'a_label.png'), reduce_zero_label=False,
        label_map=None, seg_fields=[],
    )  # fmt: skip
    return pseudo_collate([augment(dict(record)), augment(dict(record))])


def test_of_the_views_of_test_time_augmentation_the_first_counts(views_of_a_file):
    given = views_of_a_file
    assert len(given['inputs']) == 4 and given['inputs'][0][0].shape == (3, 20, 20)
    assert given['data_samples'][0][1].flip and not given['data_samples'][3][0].flip
    picture, label = quadrants()
    predicted = label.copy()
    predicted[:20, :20] = 1 - predicted[:20, :20]
    metric = RegionIoUMetric(window=0.01)
    metric.dataset_meta = dict(classes=CLASSES)
    # the merged sample is that of the last view
    merged = [dict(sample(predicted, label), flip=False, img_shape=(40, 40)) for _ in range(2)]
    metric.process(given, merged)
    half = batch(picture[:, ::2, ::2].copy())
    plain = evaluate(RegionIoUMetric(window=0.01), [merged[0]] * 2, batches=[half] * 2)
    assert metric.evaluate(2) == plain
    # in full size no group is mixed
    assert plain['mIoU.dark1'] == 0 < plain['mIoU.dark2'] < 100 == plain['mIoU.dark4']


class ThreeTimesBrighter(BaseEnhancer):
    """Three times as bright and, where asked for, twice as large."""

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def enhance(self, images):
        lit = (3 * images).clamp(0, 1)
        return Enhancement(lit.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3))


@pytest.mark.parametrize('scale', [1, 2])
def test_an_enhancer_does_not_change_which_pixels_are_dark(scale):
    picture, label = quadrants()
    preprocessor = EnhancedDataPreprocessor(
        ThreeTimesBrighter(scale), dict(type='mmseg.SegDataPreProcessor', test_cfg=dict(size_divisor=32))
    )  # fmt: skip
    given = batch(picture, ori_shape=(40, 40))
    given['data_samples'][0].gt_sem_seg = PixelData(data=torch.as_tensor(label)[None])
    before = given['inputs'][0].clone()
    out = preprocessor(given, training=False)
    assert (
        out['inputs'][0, 0, 0, 0].round() == 15 and out['inputs'].shape[-1] == (64, 96)[scale - 1]
    )
    assert torch.equal(given['inputs'][0], before)
    result = out['data_samples'][0]
    assert tuple(result.img_shape) == (40 * scale, 40 * scale)
    result.pred_sem_seg = PixelData(data=torch.as_tensor(label)[None])
    metric = RegionIoUMetric(window=0.01)
    metric.dataset_meta = dict(classes=CLASSES)
    metric.process(given, [result.to_dict()])
    figures = metric.evaluate(1)
    assert [figures[f'brightness.dark{k}'] for k in (1, 2, 3, 4)] == [5, 40, 90, 200]


def test_mistakes_are_told_in_a_sentence():
    for options, message in (
        (dict(quantiles=0), '`quantiles` must be a whole number'),
        (dict(quantiles=2.5), '`quantiles` must be a whole number'),
        (dict(window=0), '`window` is a share'),
        (dict(boundary=11), '`boundary` is a share'),
        (dict(channel_order='hsv'), '`channel_order` must be'),
        (dict(classes_to_report='x'), '`x` is no class view'),
    ):
        with pytest.raises(ValueError, match=message):
            RegionIoUMetric(**options)
    zeros = np.zeros((4, 4), int)
    one = sample(zeros, zeros)
    with pytest.raises(ValueError, match='`classes_to_report` names `x`'):
        evaluate(RegionIoUMetric(classes_to_report=['x']), [one])
    with pytest.raises(ValueError, match='the batch has no `inputs`'):
        evaluate(RegionIoUMetric(), [one])
    grey = batch(np.zeros((1, 4, 4), np.uint8))
    with pytest.raises(
        ValueError, match=r'input of `a.png` must be a colour picture .* \(1, 4, 4\)'
    ):
        evaluate(RegionIoUMetric(), [one], batches=[grey])
    with pytest.raises(ValueError, match='`a.png` has no `gt_sem_seg`'):
        evaluate(RegionIoUMetric(), [sample(zeros)], batches=[grey])
