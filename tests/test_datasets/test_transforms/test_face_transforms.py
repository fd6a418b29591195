"""Face augmentation: pictures, boxes, labels and flags move together, and as published."""

import random

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip('mmdet')
from mmdet.datasets.transforms import PackDetInputs  # noqa: E402
from mmdet.structures.bbox import HorizontalBoxes  # noqa: E402

from llv.datasets.transforms.detection.anchor_sampling import (  # noqa: E402
    _INTERPOLATIONS,
    DataAnchorSampling,
    _shows_some,
)
from llv.datasets.transforms.detection.expand import FaceExpand  # noqa: E402
from llv.datasets.transforms.detection.square_crop import FaceSquareCrop  # noqa: E402
from llv.datasets.transforms.detection.windows import look_through  # noqa: E402
from llv.registry import TRANSFORMS  # noqa: E402

SMALL = dict(size=96, anchors=(8, 16, 32, 64))
COLOURS = np.array([(250, 10, 10), (10, 250, 10), (10, 10, 250), (240, 240, 10)], np.uint8)
BOXES = [(20, 15, 34, 33), (60, 40, 110, 100), (90, 10, 100, 22), (5, 80, 20, 104)]


def scene(boxes=BOXES, size=(120, 150), ignored=()):
    """Faces as rectangles of one colour each; the label says which."""
    picture = np.full((*size, 3), 60, np.uint8)
    for (x1, y1, x2, y2), colour in zip(boxes, COLOURS, strict=False):
        picture[y1:y2, x1:x2] = colour
    return dict(
        img=picture,
        img_shape=size,
        gt_bboxes=HorizontalBoxes(np.array(boxes, np.float32).reshape(-1, 4)),
        gt_bboxes_labels=np.arange(len(boxes)),
        gt_ignore_flags=np.isin(np.arange(len(boxes)), ignored),
    )


def seed(number):
    np.random.seed(number)
    random.seed(number)


TRANSFORM_CASES = [
    dict(type='llv.DataAnchorSampling', fill='mean', **SMALL),
    dict(type='llv.DataAnchorSampling', fill='reflect', **SMALL),
    dict(type='llv.FaceSquareCrop'),
    dict(type='llv.FaceExpand', fill='black', prob=1.0),
    dict(type='llv.FaceExpand', fill='reflect', prob=1.0),
]


@pytest.mark.parametrize('case', TRANSFORM_CASES, ids=lambda c: c['type'][4:] + c.get('fill', ''))
@settings(max_examples=30, deadline=None)
@given(number=st.integers(0, 10**6))
def test_boxes_labels_and_flags_stay_with_their_faces(case, number):
    seed(number)
    results = TRANSFORMS.build(case)(scene(ignored=[2]))
    height, width = results['img'].shape[:2]
    assert results['img_shape'] == (height, width)
    boxes, labels = results['gt_bboxes'].numpy(), results['gt_bboxes_labels']
    assert len(boxes) == len(labels) == len(results['gt_ignore_flags']) >= 1
    assert list(results['gt_ignore_flags']) == [label == 2 for label in labels]
    for (x1, y1, x2, y2), label in zip(boxes, labels, strict=True):
        assert 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
        # away from the blurred rim, the box holds its face's colour
        left, top, right, bottom = np.ceil([x1 + 1, y1 + 1, x2 - 1, y2 - 1]).astype(int)
        inner = results['img'][top:bottom, left:right].astype(int)
        if inner.size:
            off = np.abs(inner - COLOURS[label]).max(-1)
            assert np.median(off) < 40


def test_the_same_seed_gives_the_same_and_arrays_do_as_boxes_do():
    for case in TRANSFORM_CASES:
        transform = TRANSFORMS.build(case)
        outcomes = []
        for as_array in (False, True):
            results = scene()
            if as_array:
                results['gt_bboxes'] = results['gt_bboxes'].numpy()
            seed(5)
            results = transform(results)
            boxes = results['gt_bboxes']
            outcomes.append((results['img'], boxes if as_array else boxes.numpy()))
        assert all(np.array_equal(a, b) for a, b in zip(*outcomes, strict=True))


# --- data-anchor-sampling ------------------------------------------------------------------------


def sides_after(box, count=300, **kwargs):
    transform = DataAnchorSampling(**kwargs)
    sides = []
    for number in range(count):
        seed(number)
        boxes = transform(scene([box], (400, 400)))['gt_bboxes'].numpy()[0]
        sides.append(np.sqrt(np.prod(boxes[2:] - boxes[:2])))
    return np.array(sides)


def test_faces_take_the_sizes_of_the_anchors_up_to_the_next_one():
    # 40 pixels lie nearest to 32, so the target is 16, 32 or 64, times 2 ** u
    logs = np.log2(sides_after((100, 120, 140, 160), size=200, anchors=(16, 32, 64, 128)))
    assert 3 <= logs.min() < 3.3 and 6.7 < logs.max() <= 7
    # log2 of the target (4, 5 or 6: variance 2/3) plus u (variance 1/3)
    assert logs.mean() == pytest.approx(5, abs=4 / np.sqrt(300))
    assert logs.var() == pytest.approx(1, abs=0.25)


def test_the_largest_anchor_has_no_next_one():
    logs = np.log2(sides_after((50, 50, 350, 350), size=300, anchors=(16, 32)))
    assert 3 <= logs.min() and 5.5 < logs.max() <= 6
    assert logs.mean() == pytest.approx(4.5, abs=0.2)


def test_enlarging_stops_at_the_limit_of_pixels():
    transform = DataAnchorSampling(size=640, max_pixels=500 * 600, anchors=(512,))
    for number in range(20):
        seed(number)
        results = transform(scene([(100, 100, 110, 112)], (200, 300)))
        x1, y1, x2, y2 = results['gt_bboxes'].numpy()[0]
        factor = np.sqrt(500 * 600 / (200 * 300))
        assert (x2 - x1) / 10 == pytest.approx(factor, rel=1e-4)
        assert (y2 - y1) / 12 == pytest.approx(factor, rel=1e-4)


@pytest.mark.parametrize('interpolation', _INTERPOLATIONS)
@pytest.mark.parametrize('ratio', [0.4, 1.0, 2.37, 5.1])
def test_the_window_is_a_part_of_the_resized_picture(ratio, interpolation):
    picture = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8), (0, 0), 3
    )
    whole = cv2.resize(picture, None, fx=ratio, fy=ratio, interpolation=interpolation)
    height, width = whole.shape[:2]
    window = (int(0.6 * width) - 64, int(0.5 * height) - 40)
    window = (*window, window[0] + 64, window[1] + 64)
    part = DataAnchorSampling(64, fill='black')._cut(picture, ratio, window, interpolation)
    expected = np.zeros((64, 64, 3), int)
    for row in range(64):  # pixel by pixel, so that no slicing is shared
        for column in range(64):
            y, x = row + window[1], column + window[0]
            if 0 <= y < height and 0 <= x < width:
                expected[row, column] = whole[y, x]
    gap = np.abs(part.astype(int) - expected)
    # neighbours differ by up to 12 levels: a shift by half a pixel would show
    if ratio > 1 and interpolation in (cv2.INTER_AREA, cv2.INTER_NEAREST):
        # OpenCV enlarges "areas" nearly like nearest pixels, and ours is the linear one; nearest
        # neighbours may tip over at a boundary between two pixels
        assert gap.mean() < 1.0
    else:
        assert gap.max() <= 2 and gap.mean() < 0.3


coordinates = st.floats(-50, 100)
corners = st.tuples(coordinates, coordinates, st.floats(1, 80), st.floats(1, 80)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@settings(max_examples=50, deadline=None)
@given(windows=st.lists(corners, min_size=1, max_size=4), faces=st.lists(corners, max_size=4))
def test_candidates_hold_a_face_or_overlap_one_by_more_than_seven_tenths(windows, faces):
    def shows(window, face):
        if all(face[i] >= window[i] for i in (0, 1)) and all(face[i] <= window[i] for i in (2, 3)):
            return True
        wide = max(0, min(window[2], face[2]) - max(window[0], face[0]))
        high = max(0, min(window[3], face[3]) - max(window[1], face[1]))
        areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (window, face)]
        return wide * high > 0.7 * (sum(areas) - wide * high)

    expected = [any(shows(window, face) for face in faces) for window in windows]
    found = _shows_some(np.array(windows), np.array(faces).reshape(-1, 4))
    assert found.tolist() == expected


def test_windows_hold_the_face_or_lie_inside_a_larger_one():
    transform = DataAnchorSampling(64)
    for number in range(40):
        seed(number)
        face = np.array([100.0, 120, 140, 150])
        left, top, right, bottom = transform._window(face, face[None], 1.0, (300, 400))
        assert left <= 100 and top <= 120 and right >= 140 and bottom >= 150
        # a face of 200 x 120 pixels with a small one inside, which makes windows candidates
        large = np.array([100.0, 120, 300, 240])
        faces = np.stack([large, [190, 170, 200, 180]])
        left, top, right, bottom = transform._window(large, faces, 1.0, (300, 400))
        assert 100 <= left <= 190 and right <= 300 and 120 <= top <= 170 and bottom <= 240


def test_a_window_larger_than_the_picture_covers_it():
    transform = DataAnchorSampling(64)
    starts = set()
    for number in range(60):
        seed(number)
        face = np.array([5.0, 5, 15, 15])
        left, top, right, bottom = transform._window(face, face[None], 1.0, (30, 40))
        assert left <= 0 and top <= 0 and right >= 40 and bottom >= 30
        starts.add((left, top))
    assert len(starts) > 40


def test_without_a_candidate_the_picture_stays_as_it_was():
    # resized, the face is four times as long as the window and nothing else is there
    transform = DataAnchorSampling(size=16, anchors=(128,))
    before = scene([(20, 20, 100, 100)])
    results = transform(scene([(20, 20, 100, 100)]))
    assert np.array_equal(results['img'], before['img'])
    assert np.array_equal(results['gt_bboxes'].numpy(), before['gt_bboxes'].numpy())


@pytest.mark.parametrize('boxes, ignored', [([], []), ([(20, 20, 40, 40)], [0])])
def test_pictures_without_a_face_that_counts_give_a_window_all_the_same(boxes, ignored):
    for number in range(10):
        seed(number)
        results = DataAnchorSampling(**SMALL)(scene(boxes, ignored=ignored))
        assert results['img'].shape == (96, 96, 3)
        assert len(results['gt_bboxes']) == len(results['gt_ignore_flags']) <= len(boxes)
    del results['gt_bboxes'], results['gt_bboxes_labels'], results['gt_ignore_flags']
    assert DataAnchorSampling(**SMALL)(results)['img'].shape == (96, 96, 3)


def test_ignored_faces_are_never_the_one_that_is_sized():
    # sizes of the face that counts stay within its targets though a huge ignored one is there
    for number in range(30):
        seed(number)
        boxes = [(10, 10, 26, 26), (40, 20, 140, 118)]
        results = DataAnchorSampling(**SMALL)(scene(boxes, ignored=[1]))
        kept = results['gt_bboxes'].numpy()[results['gt_bboxes_labels'] == 0]
        side = np.sqrt(np.prod(kept[0, 2:] - kept[0, :2]))
        assert 8 / 2 <= side <= 32 * 2  # 16 lies nearest to anchor 1: targets 8, 16, 32


def test_small_faces_are_dropped_by_the_side_they_have_after_resizing():
    counts = []
    for min_side in (0, 6):
        sides = []
        for number in range(60):
            seed(number)
            boxes = DataAnchorSampling(**SMALL, min_side=min_side)(scene())['gt_bboxes'].numpy()
            # clipped boxes may be shorter than they were when they were counted
            inside = (boxes[:, :2] > 0).all(1) & (boxes[:, 2:] < 96).all(1)
            sides += (boxes[inside, 2:] - boxes[inside, :2]).min(1).tolist()
        counts.append((len(sides), min(sides)))
    assert counts[0][1] < 5 and counts[1][1] >= 6 and counts[1][0] < counts[0][0]


def test_the_probability_is_kept():
    transform = DataAnchorSampling(**SMALL, prob=0.4)
    seed(0)
    share = np.mean([transform(scene())['img'].shape == (96, 96, 3) for _ in range(300)])
    assert share == pytest.approx(0.4, abs=4 * np.sqrt(0.24 / 300))


def test_a_reference_is_cut_like_its_picture():
    for case in TRANSFORM_CASES:
        if case.get('fill') == 'mean':
            continue  # the fill is no negative of itself
        results = scene()
        results['reference'] = results['img'].copy()
        seed(3)
        results = TRANSFORMS.build(case)(results)
        assert np.array_equal(results['reference'], results['img'])


# --- what lies outside ---------------------------------------------------------------------------


def test_fills():
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    window = (-2, -1, 4, 5)
    seen = {fill: look_through(picture, window, fill) for fill in ('mean', 'black', 'reflect')}
    for fill, result in seen.items():
        assert result.shape == (6, 6, 3) and result.dtype == np.uint8
        assert np.array_equal(result[1:3, 2:5], picture), fill
    outside = np.ones((6, 6), bool)
    outside[1:3, 2:5] = False
    assert (seen['mean'][outside] == (104, 117, 123)).all()
    assert (seen['black'][outside] == 0).all()
    rows, columns = [0, 0, 1, 1, 0, 0], [1, 0, 0, 1, 2, 2]  # mirrored again and again
    assert np.array_equal(seen['reflect'], picture[rows][:, columns])
    grey = look_through(picture[..., 0].astype(np.float32), window, 'mean')
    assert grey.shape == (6, 6) and grey.dtype == np.float32


# --- square crop ---------------------------------------------------------------------------------


def test_one_square_in_five_is_the_largest_and_the_others_are_drawn_from_the_range():
    crop, sides = FaceSquareCrop((0.3, 0.9)), []
    for number in range(400):
        seed(number)
        # a face that fills the picture is in every square as far as its centre is
        results = crop(scene([], (120, 150)))
        height, width = results['img'].shape[:2]
        assert height == width
        sides.append(height)
    sides = np.array(sides)
    assert np.mean(sides == 120) == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / 400))
    others = sides[sides < 120] / 120
    assert others.min() >= 0.29 and others.max() <= 0.9
    assert others.mean() == pytest.approx(0.6, abs=0.04)


def test_squares_hold_the_centre_of_a_face_wherever_it_is():
    corner = [(0, 0, 3, 3)]
    for number in range(40):
        seed(number)
        results = FaceSquareCrop()(scene(corner, (60, 400)))
        assert len(results['gt_bboxes']) == 1
        assert results['img'].shape[0] == results['img'].shape[1]
    # only outside: any square
    assert len(FaceSquareCrop()(scene([(-9, 2, -1, 8)]))['gt_bboxes']) == 0


# --- expand --------------------------------------------------------------------------------------


def test_expanding_moves_boxes_with_the_picture_and_drops_none():
    ratios = []
    for number in range(100):
        seed(number)
        results = FaceExpand((1.5, 3), 'black', 1.0)(scene())
        ratios.append(results['img'].shape[0] / 120)
        assert results['img'].shape[1] == pytest.approx(150 * ratios[-1], abs=2)
        shift = results['gt_bboxes'].numpy() - np.array(BOXES)
        assert (shift == shift[0, [0, 1, 0, 1]]).all() and len(shift) == 4
        x, y = shift[0, :2].astype(int)
        assert np.array_equal(results['img'][y : y + 120, x : x + 150], scene()['img'])
        assert results['img'].sum() == scene()['img'].sum()
    assert min(ratios) >= 1.49 and max(ratios) <= 3
    assert np.mean(ratios) == pytest.approx(2.25, abs=0.2)


# --- errors and pipelines ------------------------------------------------------------------------


@pytest.mark.parametrize(
    'build, match',
    [
        (lambda: DataAnchorSampling(fill='white'), "`fill` is 'mean', 'black', 'reflect'"),
        (lambda: DataAnchorSampling(anchors=(32, 16)), '`anchors` are sides from small to large'),
        (lambda: DataAnchorSampling(anchors=()), '`anchors` are sides'),
        (lambda: DataAnchorSampling(prob=1.2), '`prob` is a probability'),
        (lambda: DataAnchorSampling(size=0), '`size` is at least 1'),
        (lambda: DataAnchorSampling(min_side=-1), '`min_side` is 0 or more'),
        (lambda: DataAnchorSampling(max_pixels=0), '`max_pixels` is at least 1'),
        (lambda: FaceSquareCrop((0, 1)), '`side_range`'),
        (lambda: FaceExpand((0.5, 2)), '`ratio_range`'),
        (lambda: FaceExpand(fill='grey'), '`fill`'),
        (lambda: FaceExpand(prob=-1), '`prob`'),
    ],
)
def test_bad_arguments_are_refused(build, match):
    with pytest.raises(ValueError, match=match):
        build()


@pytest.mark.parametrize('transform', [DataAnchorSampling(), FaceSquareCrop(), FaceExpand(prob=1)])
def test_masks_and_label_maps_are_refused(transform):
    with pytest.raises(ValueError, match=f'`{type(transform).__name__}` moves boxes only.*seg_map'):
        transform(scene() | dict(gt_seg_map=np.zeros((120, 150), np.uint8)))


def test_packed_samples_tell_ignored_faces_apart():
    pack = PackDetInputs(meta_keys=('img_shape',))
    for number in range(10):
        seed(number)
        results = DataAnchorSampling(**SMALL)(scene(ignored=[1]))
        ignored = list(results['gt_ignore_flags'])
        sample = pack(results)['data_samples']
        assert sample.img_shape == (96, 96)
        assert len(sample.ignored_instances) == sum(ignored)
        assert len(sample.gt_instances) == len(ignored) - sum(ignored)
