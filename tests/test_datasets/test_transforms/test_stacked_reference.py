"""A reference moves with its picture and boxes through mmdet's own transforms."""

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip('mmdet')
from ddp_workers import FakeRunner, build_model  # noqa: E402
from mmdet.structures.bbox import HorizontalBoxes  # noqa: E402
from mmengine.dataset import BaseDataset, Compose, ConcatDataset, RepeatDataset  # noqa: E402

from llv.datasets.transforms.stacked_reference import check_stacked  # noqa: E402
from llv.engine.hooks.enhancer_loss_hook import EnhancerLossHook  # noqa: E402
from llv.engine.seeded_sampler import seeded  # noqa: E402
from llv.registry import TRANSFORMS  # noqa: E402

PACK = dict(type='llv.PackWithReference', pack=dict(type='mmdet.PackDetInputs'))
STACK = dict(type='llv.StackReference')
SIZE = (72, 96)
BOX = (24, 30, 60, 54)  # x and y of two corners
MOVES = [
    dict(type='mmdet.MinIoURandomCrop', min_ious=(), min_crop_size=0.5),
    dict(type='mmdet.Resize', scale=(192, 144), keep_ratio=False),
    dict(type='mmdet.RandomFlip', prob=0.75, direction=['horizontal', 'vertical', 'diagonal']),
    dict(type='mmdet.RandomCrop', crop_size=(100, 100), allow_negative_crop=True),
]


def coordinates(kind=np.uint8):
    """A picture, BGR, that says where its pixels were: column, row, and a bright object; and its reference."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    thing = np.zeros(SIZE)
    thing[BOX[1] : BOX[3], BOX[0] : BOX[2]] = 200
    picture = np.stack([2 * columns, 3 * rows, thing], 2)
    reference = np.stack([250 - thing, 240 - 3 * rows, 250 - 2 * columns], 2)
    return picture.astype(kind), reference.astype(np.uint8)


def record(kind=np.uint8):
    picture, reference = coordinates(kind)
    return dict(
        img=picture,
        reference=reference,
        img_shape=SIZE,
        ori_shape=SIZE,
        img_path='night/1.png',
        gt_bboxes=HorizontalBoxes(np.array([BOX], np.float32)),
        gt_bboxes_labels=np.array([3]),
        gt_ignore_flags=np.array([False]),
    )


def built(*transforms):
    return [TRANSFORMS.build(transform) for transform in transforms]


@pytest.mark.parametrize('kind', [np.uint8, np.float32])
@pytest.mark.parametrize('seed', range(8))
def test_picture_reference_and_boxes_stay_where_they_belong(seed, kind):
    with seeded(seed):
        packed = Compose(built(STACK, *MOVES, PACK))(record(kind))
    sample = packed['data_samples']
    picture, reference = packed['inputs'].float(), sample.reference.data
    assert picture.shape == reference.shape == (3, *sample.img_shape)
    assert reference.dtype == torch.uint8 and packed['inputs'].numpy().dtype == kind
    # what the reference, RGB, says of column, row and object, is what the picture, BGR, says
    told = torch.stack(
        [250 - reference[0].float(), 240 - reference[1].float(), 250.0 - reference[2]]
    )
    assert (told - picture).abs().max() <= 1.01  # both are rounded
    inside = (picture[2] > 100).nonzero()
    if len(sample.gt_instances):
        (box,) = sample.gt_instances.bboxes.tensor
        top, left = inside.min(0).values.tolist()
        bottom, right = (inside.max(0).values + 1).tolist()
        assert box.tolist() == pytest.approx([left, top, right, bottom], abs=1.6)
    assert sample.gt_instances.labels.tolist() in ([3], [])


def test_mm_moves_six_channels_as_it_moves_three():
    picture, reference = coordinates()
    for seed in range(8):
        found = []
        for img, ends in ((picture, (STACK, PACK)), (picture, ()), (reference, ())):
            transforms = built(*ends[:1], *MOVES, *(ends[1:] or [PACK['pack']]))
            with seeded(seed):
                found.append(Compose(transforms)({**record(), 'img': img}))
        both, alone, partner = found
        assert torch.equal(both['inputs'], alone['inputs'])
        assert torch.equal(both['data_samples'].reference.data, partner['inputs'].flip(0))
        boxes = [part['data_samples'].gt_instances.bboxes.tensor for part in (both, alone)]
        assert torch.equal(*boxes)
        assert both['data_samples'].metainfo == alone['data_samples'].metainfo


def test_a_reference_in_floating_point_is_rounded_into_eight_bits():
    stacked = np.full((2, 3, 6), 0.25, np.float32)
    stacked[..., 3:] = (10.6, -3.2, 300.0)  # resizing may leave the range
    packed = built(PACK)[0](dict(img=stacked))
    assert (packed['inputs'] == 0.25).all() and packed['inputs'].shape == (3, 2, 3)
    assert packed['data_samples'].reference.data[:, 0, 0].tolist() == [255, 0, 11]


def test_what_does_not_fit_is_told():
    stack, pack = built(STACK, PACK)
    lacking = record()
    del lacking['reference']
    with pytest.raises(ValueError, match='found no `reference`; put `llv.LoadReference`'):
        stack(lacking)
    with pytest.raises(ValueError, match=r'has size \(71, 96\) but its picture'):
        stack({**record(), 'reference': np.zeros((71, 96, 3), np.uint8)})
    stacked = stack(record())
    with pytest.raises(ValueError, match=r'needs a colour picture of 3 channels, .* \(72, 96, 6\)'):
        stack({**stacked, 'reference': record()['reference']})
    with pytest.raises(ValueError, match=r'`PackWithReference` needs .* has shape \(72, 96, 3\)'):
        pack(record())


class Pictures(BaseDataset):
    """A data set of one picture."""

    def load_data_list(self):
        return [record()]


@pytest.mark.parametrize(
    'between, told',
    [
        (dict(type='mmdet.PhotoMetricDistortion'), 'PhotoMetricDistortion'),
        (
            dict(type='mmdet.Invert'),
            'Invert',
        ),  # works on any channels, so would spoil references unseen
        (dict(type='mmdet.Pad', size_divisor=32), 'Pad'),
        (
            dict(type='mmcv.RandomApply', transforms=[dict(type='mmdet.YOLOXHSVRandomAug')]),
            'YOLOXHSVRandomAug',
        ),
        (
            dict(
                type='mmcv.RandomChoice', transforms=[[MOVES[2]], [dict(type='mmdet.Brightness')]]
            ),
            'Brightness',
        ),
    ],
)
def test_transforms_that_a_reference_would_not_survive_are_told_before_the_first_step(
    between, told
):
    dataset = Pictures(pipeline=[*built(STACK, *MOVES, between, PACK)], lazy_init=True)

    class Runner(FakeRunner):
        class train_dataloader:
            pass

    for outer in (dataset, RepeatDataset(dataset, 2, lazy_init=True), ConcatDataset([dataset])):
        Runner.train_dataloader.dataset = outer
        with pytest.raises(ValueError, match=f'`{told}` does not work on a picture with its ref'):
            EnhancerLossHook(0, dict(type='llv.PooledL1Loss')).before_train(Runner(build_model()))


def test_transforms_elsewhere_are_left_alone():
    distort = dict(type='mmdet.PhotoMetricDistortion')
    check_stacked(Pictures(pipeline=built(distort, STACK, *MOVES, PACK), lazy_init=True))
    check_stacked(Pictures(pipeline=built(*MOVES, distort), lazy_init=True))
    check_stacked(None)


def test_references_of_data_sets_that_know_none_are_found_by_their_paths(tmp_path):
    for part, value in (('night', 10), ('day', 200)):
        folder = tmp_path / 'night' / 'train' / part
        folder.mkdir(parents=True)
        suffix = 'png' if part == 'day' else 'bmp'
        Image.fromarray(np.full((4, 5, 3), value, np.uint8)).save(folder / f'night.{suffix}')
    path = str(tmp_path / 'night' / 'train' / 'night' / 'night.bmp')
    replace = {'train/night': 'train/day', '.bmp': '.png'}
    load = TRANSFORMS.build(dict(type='llv.LoadReference', replace=replace))
    found = load(dict(img_path=path))
    assert found['reference_path'] == str(tmp_path / 'night' / 'train' / 'day' / 'night.png')
    assert (found['reference'] == 200).all()
    with pytest.raises(ValueError, match='has `train/night`, which is not in `x.png`; name a part'):
        load(dict(img_path='x.png'))
    plain = TRANSFORMS.build(dict(type='llv.LoadReference'))
    with pytest.raises(ValueError, match='found no `reference_path`; .* `replace`, or remove it'):
        plain(dict(img_path=path))
