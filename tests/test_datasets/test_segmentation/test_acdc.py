"""ACDC: layout, subsets, RUAS's protocol, its configs, and what every reader refuses."""

import hashlib
import logging
import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

pytest.importorskip('mmcv.ops')
pytest.importorskip('mmseg')

from llv.datasets.segmentation import ACDCDataset  # noqa: E402
from llv.datasets.segmentation import acdc as acdc_module  # noqa: E402
from llv.registry import DATASETS  # noqa: E402
from llv.utils.label_maps import LabelMapError  # noqa: E402

CONFIGS = Path(__file__).parents[3] / 'configs' / '_base_' / 'datasets'
# by path: test folders are no packages, and another folder may have its own trees.py
trees = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name('trees.py'))))
RUAS_CLASSES = tuple(
    name for name in ACDCDataset.METAINFO['classes'] if name not in ('truck', 'bus')
)
LABELS = 'gt/night/train/GOPR0351/GOPR0351_frame_000000_gt_labelTrainIds.png'
PICTURE = 'rgb_anon/night/train/GOPR0351/GOPR0351_frame_000000_rgb_anon.png'


@pytest.fixture
def root(tmp_path):
    return trees.write_acdc(tmp_path / 'ACDC')


def read(root, subset='train', **options):
    return ACDCDataset(data_root=str(root), subset=subset, **options)


# what is read -------------------------------------------------------------------------------------


def test_pictures_of_all_records_come_with_their_own_labels_and_without_references(root):
    with trees.log_lines() as lines:
        dataset = DATASETS.build(dict(type='llv.ACDCDataset', data_root=str(root), subset='train'))
    assert trees.names(dataset) == [
        'GOPR0351_frame_000000_rgb_anon.png', 'GOPR0351_frame_000001_rgb_anon.png',
        'GP010376_frame_000000_rgb_anon.png', 'GP010376_frame_000001_rgb_anon.png',
    ]  # fmt: skip
    record = dataset.get_data_info(2)
    name = 'night/train/GP010376/GP010376_frame_000000'
    assert record['img_path'] == f'{root}/rgb_anon/{name}_rgb_anon.png'
    assert record['seg_map_path'] == f'{root}/gt/{name}_gt_labelTrainIds.png'
    assert (record['num_classes'], record['label_map'], record['seg_fields']) == (19, None, [])
    assert dataset.metainfo['classes'][16] == 'train'
    assert any('ACDC (night train): 4 pictures' in line for line in lines)
    assert not any('reference' in line for line in lines)


def test_another_number_than_the_official_one_is_warned_of_once(root):
    with trees.log_lines(logging.WARNING) as lines:
        read(root, subset=('train', 'val'))
    (line,) = lines
    assert (
        'night/train has 4 pictures instead of 400; night/val has 2 pictures instead of 106' in line
    )


def test_official_numbers_are_not_warned_of(root, monkeypatch):
    monkeypatch.setitem(acdc_module.ACDC_COUNTS['night'], 'train', 4)
    with trees.log_lines(logging.WARNING) as lines:
        read(root)
    assert not lines


def test_official_numbers_sum_to_the_published_ones():
    counts = acdc_module.ACDC_COUNTS
    assert sum(sum(subsets.values()) for subsets in counts.values()) == 4006
    assert sum(counts['night'].values()) == 1006


def test_conditions_and_subsets_are_unions(tmp_path):
    conditions = ('fog', 'night', 'rain', 'snow')
    root = trees.write_acdc(tmp_path / 'ACDC', conditions, frames=1)
    every = trees.records(read(root, subset=('train', 'val'), conditions=conditions))
    parts = [
        '/'.join(Path(record['img_path']).relative_to(root / 'rgb_anon').parts[:2])
        for record in every
    ]
    assert parts == [f'{c}/{s}' for c in conditions for s in ('train', 'train', 'val')]
    snow = trees.records(read(root, conditions='snow'))
    assert [record['img_path'] for record in snow] == [
        record['img_path'] for record in every if '/snow/train/' in record['img_path']
    ]


def test_other_classes_are_mapped_while_labels_are_loaded(root):
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='llv.CheckLabelMap'),
    ]
    with DefaultScope.overwrite_default_scope('mmseg'):
        dataset = read(root, metainfo=dict(classes=RUAS_CLASSES), pipeline=pipeline)
    item = dataset[0]
    stored = cv2.imread(str(root / LABELS), cv2.IMREAD_UNCHANGED)
    expected = np.full_like(stored, 255)
    for new, name in enumerate(RUAS_CLASSES):
        expected[stored == ACDCDataset.METAINFO['classes'].index(name)] = new
    assert len(RUAS_CLASSES) == item['num_classes'] == 17 and (expected == 16).any()
    assert (item['gt_seg_map'] == expected).all()
    assert len(dataset.metainfo['palette']) == 17


def test_test_pictures_have_no_labels_and_none_are_loaded(root):
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='llv.CheckLabelMap'),
        dict(type='PackSegInputs'),
    ]
    with DefaultScope.overwrite_default_scope('mmseg'), trees.log_lines() as lines:
        dataset = read(root, subset='test', test_mode=True, pipeline=pipeline)
    assert 'seg_map_path' not in dataset.get_data_info(0)
    assert 'gt_sem_seg' not in dataset[0]['data_samples']
    assert any('`LoadAnnotations` is left out' in line for line in lines)
    assert any('2 pictures without labels' in line for line in lines)


def test_views_of_test_pictures_load_no_labels_either(root):
    cfg = Config.fromfile(CONFIGS / 'acdc_night.py')
    with DefaultScope.overwrite_default_scope('mmseg'), trees.log_lines() as lines:
        dataset = read(root, subset='test', test_mode=True, pipeline=cfg.tta_pipeline)
    assert sum('`LoadAnnotations` is left out' in line for line in lines) == 1
    views = dataset[0]['data_samples']
    assert len(views) == 12 and not any('gt_sem_seg' in view for view in views)


def test_lists_indices_and_lazy_reading(root):
    (root / 'mine.txt').write_text(
        '\nnight/val/GOPR0122/GOPR0122_frame_000001\r\n'
        'night/train/GP010376/GP010376_frame_000000_rgb_anon.png\n'
    )
    with trees.log_lines(logging.WARNING) as lines:
        listed = ACDCDataset(data_root=str(root), ann_file='mine.txt')
    assert trees.names(listed) == [
        'GOPR0122_frame_000001_rgb_anon.png',
        'GP010376_frame_000000_rgb_anon.png',
    ]
    assert listed.get_data_info(0)['seg_map_path'].endswith(
        'gt/night/val/GOPR0122/GOPR0122_frame_000001_gt_labelTrainIds.png'
    )
    assert not lines
    assert trees.names(read(root, indices=1)) == ['GOPR0351_frame_000000_rgb_anon.png']

    lazy = ACDCDataset(data_root=f'{root}/nowhere', subset='train', lazy_init=True)
    assert lazy.metainfo['classes'][0] == 'road'
    with pytest.raises(FileNotFoundError, match='ACDC was not found'):
        lazy.full_init()


def test_views_of_a_config_look_at_their_label_maps_too(root):
    cfg = Config.fromfile(CONFIGS / 'acdc_night.py')
    with DefaultScope.overwrite_default_scope('mmseg'):
        dataset = read(root, subset='val', test_mode=True, pipeline=cfg.tta_pipeline)
        assert len(dataset[0]['data_samples']) == 12
        trees.write_labels(Path(dataset.get_data_info(0)['seg_map_path']), ids=(3, 77))
        with pytest.raises(LabelMapError, match='77'):
            dataset[0]


# what is refused ----------------------------------------------------------------------------------


def refused(error, root, **options):
    with pytest.raises(error) as raised:
        read(root, **options)
    message = str(raised.value)
    assert message.endswith('.') and '\n' not in message
    return message


def test_a_folder_that_is_not_there_is_named_with_layout_and_source(root):
    shutil.rmtree(root / 'gt')
    message = refused(FileNotFoundError, root)
    for part in (
        f'`{root}`',
        f'`{root}/gt/night/train`',
        'gt_trainval',
        'acdc.vision.ee.ethz.ch',
        '`data_prefix`',
    ):
        assert part in message
    assert f'`{root}/rgb_anon/night/train`' not in message


def test_a_folder_without_pictures_of_the_suffix_says_what_it_holds(root):
    message = refused(FileNotFoundError, root, img_suffix='_rgb.png')
    assert '`*_rgb.png`' in message and '`img_suffix`' in message
    assert '`GOPR0351/GOPR0351_frame_000000_rgb_anon.png`' in message


def test_missing_labels_are_counted_and_named(root):
    for file in (root / 'gt/night/train/GOPR0351').iterdir():
        file.unlink()
    message = refused(FileNotFoundError, root)
    assert '2 of 4' in message and "`missing='skip'`" in message
    assert '`gt/night/train/GOPR0351/GOPR0351_frame_000001_gt_labelTrainIds.png`' in message
    with trees.log_lines(logging.WARNING) as lines:
        dataset = read(root, missing='skip')
    assert trees.names(dataset) == [
        'GP010376_frame_000000_rgb_anon.png',
        'GP010376_frame_000001_rgb_anon.png',
    ]
    assert any('they are skipped' in line and '2 of 4' in line for line in lines)


def test_nothing_left_to_skip_to_is_an_error(root):
    for file in root.glob('gt/night/train/*/*'):
        file.unlink()
    assert '4 of 4' in refused(FileNotFoundError, root, missing='skip')


def test_label_ids_beside_missing_train_ids_name_the_converter(root):
    for file in root.glob('gt/night/train/*/*'):
        file.rename(str(file).replace('labelTrainIds', 'labelIds'))
    assert 'label_ids_to_train_ids.py' in refused(FileNotFoundError, root)


@pytest.mark.parametrize('suffix', ['_gt_labelTrainIds.png', '_gt_labelColor.png'])
def test_labels_in_colour_are_refused(root, suffix):
    for file in root.glob('gt/night/train/*/*'):
        trees.write_picture(Path(str(file).replace('_gt_labelTrainIds.png', suffix)))
    message = refused(LabelMapError, root, seg_map_suffix=suffix)
    assert '4 of 4' in message and suffix in message and 'one channel' in message


def test_labels_of_another_size_are_refused(root):
    trees.write_labels(root / LABELS, size=(32, 24))
    message = refused(LabelMapError, root)
    assert '1 of 4' in message and LABELS in message and '32x24' in message and '24x32' in message


def test_a_damaged_picture_is_refused(root):
    (root / PICTURE).write_bytes(b'no picture')
    assert PICTURE in refused(LabelMapError, root)


def test_label_ids_in_the_files_of_train_ids_are_refused_before_training(root):
    for file in root.glob('gt/night/train/*/*'):
        trees.write_labels(file, ids=(7, 8, 11, 21, 23, 26, 33))
    message = refused(LabelMapError, root)
    assert 'label_ids_to_train_ids.py' in message and '`' in message and '33' in message
    # with fewer classes the stored ids are still those of all 19
    assert '33' in refused(LabelMapError, root, metainfo=dict(classes=RUAS_CLASSES))


def test_a_listed_picture_that_is_not_there_is_named(root):
    (root / 'mine.txt').write_text('night/train/GOPR0351/GOPR0351_frame_000009\n')
    with pytest.raises(FileNotFoundError, match='GOPR0351_frame_000009_rgb_anon.png.*mine.txt'):
        ACDCDataset(data_root=str(root), ann_file='mine.txt')
    with pytest.raises(FileNotFoundError, match='`ann_file`.*none.txt'):
        ACDCDataset(data_root=str(root), ann_file='none.txt')


def test_a_picture_listed_twice_is_named(root):
    name = 'night/train/GOPR0351/GOPR0351_frame_000000'
    (root / 'mine.txt').write_text(
        f'{name}\nnight/val/GOPR0122/GOPR0122_frame_000001\n{name}_rgb_anon.png\n'
    )
    with pytest.raises(
        ValueError, match=f'mine.txt` names .*more than once .`{name}`.: name each once'
    ):
        ACDCDataset(data_root=str(root), ann_file='mine.txt')


def test_reference_pictures_are_left_out_of_a_wide_suffix_and_that_is_said_once(root):
    beside = root / 'rgb_anon/night/test/GP020607/GP020607_frame_000000_rgb_ref_anon.png'
    trees.write_picture(beside)
    with trees.log_lines(logging.WARNING) as lines:
        dataset = read(root, subset='test', test_mode=True, img_suffix='_anon.png')
    assert trees.names(dataset) == [
        'GP020607_frame_000000_rgb_anon.png',
        'GP020607_frame_000001_rgb_anon.png',
    ]
    assert [line for line in lines if '1 reference pictures' in line and beside.name in line]


def test_nothing_but_reference_pictures_is_an_error(root):
    shutil.move(root / 'rgb_anon/night/train_ref', root / 'rgb_anon/night/train/train_ref')
    message = refused(FileNotFoundError, root, img_suffix='_rgb_ref_anon.png')
    assert (
        '4 reference pictures' in message and '`data_prefix`' in message and 'good light' in message
    )


@pytest.mark.parametrize(
    'options, words',
    [
        (dict(subset='trian'), ['`subset`', 'nearest is `train`']),
        (dict(subset=()), ['`subset`']),
        (dict(conditions='dusk'), ['`conditions`', '`night`', '`dusk`']),
        (dict(conditions=()), ['`conditions`']),
        (dict(protocol='acdc_night_raus'), ['`protocol`', 'nearest is `acdc_night_ruas`']),
        (dict(protocol='acdc_night_ruas', subset='val'), ['`subset`', '`test`']),
        (dict(protocol='acdc_night_ruas', conditions='fog'), ['`conditions`', 'night']),
        (dict(protocol='acdc_night_ruas'), ['506', 'found 6', '`ann_file`']),
        (dict(ann_file='mine.txt'), ['`ann_file`', '`subset`']),
        (dict(subset=('val', 'test'), test_mode=True), ['`subset`', '`test`', 'no labels']),
        (dict(subset='test'), ['test_mode=True', 'labels']),
        (dict(data_prefix=dict(img_path='rgb_anon')), ['test_mode=True', '`seg_map_path`']),
        (dict(data_prefix=dict(seg_map_path='gt')), ['`img_path`']),
        (dict(subset='test', test_mode=True, data_prefix=dict(seg_map_path='gt')), ['`img_path`']),
        (dict(missing='ignore'), ['`missing`', '`ignore`']),
        (dict(backend_args=dict(backend='petrel')), ['`backend_args`', '`petrel`']),
    ],
)
def test_bad_arguments_are_named(root, options, words):
    message = refused(ValueError, root, **options)
    assert all(word in message for word in words), message


# RUAS's protocol ----------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def complete_night(tmp_path_factory):
    """506 pairs in the numbers of the official night train and val."""
    root = tmp_path_factory.mktemp('ACDC')
    trees.write_picture(root / 'picture.png')
    trees.write_labels(root / 'labels.png')
    for subset, number in dict(train=400, val=106).items():
        for index in range(number):
            record = f'GOPR{subset == "val":d}{index % 7:03d}'
            name = f'night/{subset}/{record}/{record}_frame_{index:06d}'
            for folder, source, suffix in (
                ('rgb_anon', 'picture.png', '_rgb_anon.png'),
                ('gt', 'labels.png', '_gt_labelTrainIds.png'),
            ):
                target = root / folder / f'{name}{suffix}'
                target.parent.mkdir(parents=True, exist_ok=True)
                target.hardlink_to(root / source)
    return root


def test_ruas_protocol_divides_the_union_and_ignores_the_order_of_listing(
    complete_night, monkeypatch
):
    def stems(subset):
        dataset = read(complete_night, subset=subset, protocol='acdc_night_ruas')
        return [name.removesuffix('_rgb_anon.png') for name in trees.names(dataset)]

    train, test = stems('train'), stems('test')
    assert (len(train), len(test), len(set(train) | set(test))) == (400, 106, 506)
    # the documented rule, written out again
    everything = {
        file.name.removesuffix('_rgb_anon.png')
        for file in complete_night.glob('rgb_anon/night/*/*/*_rgb_anon.png')
    }
    order = sorted(
        everything, key=lambda stem: hashlib.sha256(f'0:{stem.lower()}'.encode()).hexdigest()
    )
    assert set(train) == set(order[:400]) and set(test) == set(order[400:])
    # both official subsets are in both
    assert {stem[4] for stem in train} == {stem[4] for stem in test} == {'0', '1'}

    from llv.datasets.segmentation import checked

    listing = checked.list_dir_or_file
    monkeypatch.setattr(
        checked, 'list_dir_or_file', lambda *a, **k: reversed(list(listing(*a, **k)))
    )
    assert stems('test') == test
    other_seed = read(complete_night, subset='test', protocol='acdc_night_ruas', seed=1)
    assert len(other_seed) == 106 and trees.names(other_seed) != [
        f'{stem}_rgb_anon.png' for stem in test
    ]


# configs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize('name', ['acdc', 'acdc_night'])
def test_training_pictures_of_the_config_are_cropped_with_their_labels(tmp_path, name):
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    conditions = cfg.train_dataloader.dataset.conditions
    root = trees.write_acdc(tmp_path / 'ACDC', conditions, frames=1)
    for seed, file in enumerate(root.glob('gt/*/train/*/*')):  # each pixel shows its id
        ids = np.random.default_rng(seed).integers(0, 19, trees.SIZE, np.uint8)
        cv2.imwrite(str(file), ids)
        picture = str(file).replace('/gt/', '/rgb_anon/').replace('gt_labelTrainIds', 'rgb_anon')
        assert Path(picture).is_file()
        cv2.imwrite(picture, np.repeat(ids[..., None], 3, axis=2))
    pipeline = cfg.train_dataloader.dataset.pipeline
    pipeline[3].update(scale=(32, 24), ratio_range=(1, 1))  # as it is: nothing is mixed
    pipeline[4].crop_size = (16, 24)
    pipeline[6].prob = 0
    np.random.seed(0)
    with DefaultScope.overwrite_default_scope('mmseg'):
        dataset = DATASETS.build(dict(cfg.train_dataloader.dataset, data_root=str(root)))
        assert len(dataset) == 2 * len(conditions)
        for item in [*dataset] * 2:
            labels = item['data_samples'].gt_sem_seg.data[0]
            assert labels.shape == (16, 24) and len(labels.unique()) > 10
            assert (item['inputs'] == labels).all()


@pytest.mark.parametrize('name', ['acdc', 'acdc_night'])
def test_training_pipeline_of_the_config_as_it_is(tmp_path, name):
    root = trees.write_acdc(tmp_path / 'ACDC', ('fog', 'night', 'rain', 'snow'), frames=1)
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    with DefaultScope.overwrite_default_scope('mmseg'):
        item = DATASETS.build(dict(cfg.train_dataloader.dataset, data_root=str(root)))[0]
        test = DATASETS.build(dict(cfg.test_dataloader.dataset, data_root=str(root)))[0]
    labels = item['data_samples'].gt_sem_seg.data
    assert item['inputs'].dtype == torch.uint8 and item['inputs'].shape[1:] == labels.shape[1:]
    assert max(labels.shape[1:]) <= 1024 and labels.shape[1] <= 512
    assert set(labels.unique().tolist()) <= {*range(19), 255}
    sample = test['data_samples']
    assert sample.gt_sem_seg.data.shape[1:] == sample.ori_shape == (24, 32)
    assert sample.img_shape == tuple(test['inputs'].shape[1:]) == (1080, 1440)


def test_ruas_config_divides_as_the_protocol(complete_night):
    cfg = Config.fromfile(CONFIGS / 'acdc_night_ruas.py')
    assert cfg.test_evaluator[0].views[0] == 'acdc_night_17'
    with DefaultScope.overwrite_default_scope('mmseg'):
        parts = [
            DATASETS.build(dict(cfg[f'{part}_dataloader'].dataset, data_root=str(complete_night)))
            for part in ('train', 'val', 'test')
        ]
    assert [len(part) for part in parts] == [400, 106, 106]
    assert not {*trees.names(parts[0])} & {*trees.names(parts[1])}
    assert all(len(part.metainfo['classes']) == 19 for part in parts)
