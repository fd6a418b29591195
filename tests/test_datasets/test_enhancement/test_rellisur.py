"""RELLISUR: which reference a dark picture has, how dark it is, who trains on which level."""

import hashlib
import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from test_datasets.test_enhancement import trees
from test_datasets.test_enhancement.test_base_configs import FOLDER, moved

from llv.datasets.enhancement.rellisur import RELLISURDataset, upper_scenes
from llv.registry import DATASETS

STOPS = ('-2.5', '-3.0', '-3.5', '-4.0', '-4.5')


def build(root, **arguments):
    # serializing collects all garbage of the process, a quarter of a second
    return RELLISURDataset(str(root), **dict(serialize_data=False) | arguments)


def records(root, **arguments):
    return build(root, **arguments).load_data_list()


def scenes_of(found):
    return {record['scene'] for record in found}


@pytest.fixture
def warnings(monkeypatch):
    """What data sets warn of."""
    said = []
    monkeypatch.setattr(
        'llv.datasets.enhancement.picture_set.print_log',
        lambda message, logger, level: said.append(message) if level == logging.WARNING else None,
    )
    return said


def test_a_dark_picture_has_the_reference_of_its_scene_and_its_stops(tmp_path, warnings):
    trees.rellisur(
        tmp_path, Train={'00018': STOPS, '00736': ('-3.5', '-5.0')}, Test={'00900': ('-4', '-4.25')}
    )
    for scale in (1, 2, 4):
        found = {
            Path(r['img_path']).name: (r['reference_path'], r['scene'], r['ev'])
            for r in records(tmp_path, scale=scale)
        }
        target = tmp_path / f'Train/NLHR/X{scale}'
        assert len(found) == 7
        assert found['00018-4.5.png'] == (str(target / '00018.png'), '00018', -4.5)
        assert found['00736-5.0.png'] == (str(target / '00736.png'), '00736', -5.0)
    assert [r['ev'] for r in records(tmp_path, subset='test')] == [-4.25, -4.0]
    record = records(tmp_path, subset='test', paired=False)[0]
    assert record.keys() == {'img_path', 'exposure', 'ev', 'scene', 'dataset'}
    assert (record['exposure'], record['dataset']) == ('under', 'rellisur')


def test_numbers_other_than_the_published_ones_are_warned_of(tmp_path, warnings):
    trees.rellisur(tmp_path, Train={f'{n:05d}': STOPS[:2] for n in range(12)}, Val={'1': STOPS})
    for arguments, expected in (
        ({}, ['12 train scenes instead of 722', '24 train pictures instead of 3610']),
        (dict(subset='val'), ['1 val scenes instead of 43', '5 val pictures instead of 215']),
        (
            dict(part='upper'),
            ['2 train scenes in the upper part instead of 120', '4 train pictures', 'of 600'],
        ),
        (
            dict(part='lower'),
            ['10 train scenes in the lower part instead of 602', '20 train pictures', 'of 3010'],
        ),
    ):
        warnings.clear()
        build(tmp_path, **arguments)
        said = ' | '.join(warnings)
        assert len(warnings) == 2 and all(part in said for part in expected), said


def test_complete_numbers_are_not_warned_of(tmp_path, warnings, monkeypatch):
    trees.rellisur(
        tmp_path, (1, 1), (1,), Train={f'{n:05d}': STOPS for n in range(13)}, Val={'00099': STOPS}
    )
    monkeypatch.setattr(
        'llv.datasets.enhancement.rellisur._SUBSETS', {'train': ('Train', 13), 'val': ('Val', 1)}
    )
    for arguments in (dict(), dict(part='upper'), dict(part='lower'), dict(subset='val')):
        build(tmp_path, scale=1, **arguments)
    assert warnings == []


def test_the_levels_share_no_scene_and_all_exposures_of_a_scene_stay_together(tmp_path, warnings):
    trees.rellisur(tmp_path, (1, 1), (1,), Train={f'{n:05d}': STOPS for n in range(18)})
    for seed in (0, 1):
        upper = records(tmp_path, scale=1, part='upper', seed=seed)
        lower = records(tmp_path, scale=1, part='lower', seed=seed)
        assert len(upper) == 3 * 5 and len(lower) == 15 * 5
        assert not scenes_of(upper) & scenes_of(lower)
        assert {r['reference_path'] for r in upper}.isdisjoint(r['reference_path'] for r in lower)
        every = {r['img_path'] for r in records(tmp_path, scale=1)}
        assert {r['img_path'] for r in upper + lower} == every
    assert scenes_of(upper) != scenes_of(records(tmp_path, scale=1, part='upper'))
    # references of the other level are none that no picture has
    assert not any('that no picture has' in said for said in warnings)


@settings(max_examples=20, deadline=None)
@given(numbers=st.sets(st.integers(0, 99999), min_size=2, max_size=60), seed=st.integers(0, 9))
def test_the_division_is_the_first_sixth_by_sha256(numbers, seed):
    scenes = [f'{n:05d}' for n in numbers]
    order = sorted(scenes, key=lambda s: hashlib.sha256(f'{seed}:{s}'.encode()).hexdigest())
    assert upper_scenes(iter(scenes), seed) == set(order[: max(len(order) // 6, 1)])


def test_the_published_number_of_scenes_gives_120_and_602():
    assert len(upper_scenes(f'{n:05d}' for n in range(722))) == 120


def test_a_reference_of_another_size_is_told_with_both_files_and_the_remedy(tmp_path, warnings):
    trees.rellisur(tmp_path, Train={'00001': STOPS, '00002': STOPS})
    odd = trees.picture(tmp_path / 'Train/NLHR/X2/00002.png', (12, 17))
    with pytest.raises(ValueError, match=r'00002.png` is 17x12 and `.*00002-.*9x6.*`scale=2`') as e:
        build(tmp_path)
    assert '. ' not in str(e.value)  # one sentence
    odd.unlink()
    (tmp_path / 'Train/NLHR/X4').rename(tmp_path / 'Train/NLHR/X2_')
    (tmp_path / 'Train/NLHR/X2').rename(tmp_path / 'Train/NLHR/X4')
    (tmp_path / 'Train/NLHR/X2_').rename(tmp_path / 'Train/NLHR/X2')
    with pytest.raises(ValueError, match='is 36x24 .* choose another `scale`'):
        build(tmp_path)
    build(tmp_path, paired=False)


def test_what_is_missing_or_foreign_is_named(tmp_path, warnings):
    with pytest.raises(FileNotFoundError, match='`Train/LLLR`.*zenodo.5234969'):
        build(tmp_path)
    trees.rellisur(tmp_path, scales=(1, 2), Train={'00001': STOPS, '00002': STOPS})
    with pytest.raises(FileNotFoundError, match='`Train/NLHR/X4`'):
        build(tmp_path, scale=4)
    (tmp_path / 'Train/NLHR/X1/00002.png').unlink()
    with pytest.raises(ValueError, match='5 of 10 pictures in .* have no reference'):
        build(tmp_path, scale=1)
    trees.picture(tmp_path / 'Train/NLHR/X2/00777.png', (12, 18))
    build(tmp_path)
    assert any('that no picture has: `00777`' in said for said in warnings)
    trees.picture(tmp_path / 'Train/LLLR/00003.png')
    with pytest.raises(ValueError, match='do not belong.*`00003.png`'):
        build(tmp_path)


@pytest.mark.parametrize(
    'arguments, said',
    [
        (dict(subset='eval'), "`subset` must be one of 'train', 'val', 'test'"),
        (dict(scale=3), '`scale` must be one of 1, 2, 4, but got 3'),
        (dict(part='middle'), "`part` must be one of 'upper', 'lower'"),
        (dict(part='upper', subset='val'), "`part='upper'` divides the training scenes"),
    ],
)
def test_arguments_out_of_range_are_told_with_what_there_is(tmp_path, arguments, said):
    with pytest.raises(ValueError, match=said):
        build(tmp_path, **arguments)


def test_one_scene_cannot_be_divided(tmp_path, warnings):
    trees.rellisur(tmp_path, Train={'00001': STOPS})
    with pytest.raises(ValueError, match='`part` divides scenes, but there is one'):
        build(tmp_path, part='lower')


@pytest.mark.parametrize('scale, crop', [(1, 128), (2, 128), (4, 64)])
def test_the_base_configs_give_registered_crops_and_whole_test_pictures(
    tmp_path, warnings, scale, crop
):
    train = {f'{n:05d}': ('-2.5', '-5.0') for n in range(6)}
    root = tmp_path / 'RELLISUR-Dataset'
    trees.rellisur(
        root, (130, 134), (scale,), Train=train, Val={'8': STOPS[:1]}, Test={'9': STOPS[:1]}
    )
    cfg = Config.fromfile(FOLDER / f'rellisur_x{scale}.py')
    moved(cfg._cfg_dict, tmp_path)
    with DefaultScope.overwrite_default_scope('llv'):
        lower = DATASETS.build(cfg.train_dataloader.dataset)
        upper = DATASETS.build(cfg.upper_dataloader.dataset)
        tests = [
            DATASETS.build(cfg[name].dataset) for name in ('val_dataloader', 'test_dataloader')
        ]
    assert (len(lower), len(upper)) == (10, 2)
    batch = pseudo_collate([lower[0], lower[9], upper[0], upper[1]])
    for picture, sample in zip(batch['inputs'], batch['data_samples'], strict=True):
        assert picture.shape == (3, crop, crop)
        assert sample.reference.data.shape == (3, scale * crop, scale * crop)
    for dataset in tests:
        item = dataset[0]
        assert item['inputs'].shape == (3, 130, 134)
        assert item['data_samples'].reference.data.shape == (3, scale * 130, scale * 134)
        assert item['data_samples'].ev == -2.5


def test_exposures_are_measured_apart(tmp_path, warnings):
    root = tmp_path / 'RELLISUR-Dataset'
    trees.rellisur(root, (16, 20), (1,), Test={'00001': ('-2.5', '-5.0'), '00002': ('-2.5',)})
    cfg = Config.fromfile(FOLDER / 'rellisur_x1.py')
    moved(cfg._cfg_dict, tmp_path)
    runner = Runner(
        model=dict(type='llv.EnhancementModel', enhancer=dict(type='llv.Identity')),
        work_dir=str(tmp_path / 'work'),
        test_dataloader=dict(cfg.test_dataloader, num_workers=0, persistent_workers=False),
        test_evaluator=cfg.test_evaluator,
        test_cfg=dict(),
        default_scope='llv',
        experiment_name='rellisur',
    )
    figures = runner.test()
    for name in ('psnr', 'ssim', 'rmse'):
        some, one = figures[f'quality/{name}_-2.5'], figures[f'quality/{name}_-5.0']
        assert some != one and figures[f'quality/{name}'] == pytest.approx((2 * some + one) / 3)
