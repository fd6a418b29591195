"""LOL, FiveK, SICE and MSEC: who is whose partner, who trains, and what is said when something is missing."""

import json
import logging
from pathlib import Path

import pytest
from mmengine.logging import MMLogger
from test_datasets.test_enhancement import trees

from llv.datasets.enhancement.msec import MSEC_LEAKED
from llv.datasets.splits import fivek_numbers, seeded_order, sice_numbers
from llv.registry import DATASETS


def build(kind, root, **arguments):
    # serializing collects all garbage of the process, a quarter of a second
    arguments = dict(serialize_data=False) | arguments
    return DATASETS.build(dict(type=f'llv.{kind}', data_root=str(root), **arguments))


def pairs(dataset):
    """(picture, reference), each as `folder/name`."""
    ends = lambda path: '/'.join(Path(path).parts[-2:])  # noqa: E731
    return [
        (ends(record['img_path']), ends(record['reference_path']))
        for record in dataset.load_data_list()
    ]


@pytest.fixture
def warnings(monkeypatch):
    """What data sets warn of."""
    said = []
    monkeypatch.setattr(
        'llv.datasets.enhancement.picture_set.print_log',
        lambda message, logger, level: said.append(message) if level == logging.WARNING else None,
    )
    return said


def test_lol_has_equal_names_in_version_1_and_other_prefixes_in_version_2(tmp_path, warnings):
    trees.lol_v1(tmp_path / 'v1')
    trees.lol_v2(tmp_path / 'v2')
    train = build('LOLDataset', tmp_path / 'v1')
    assert sorted(pairs(train)) == [(f'low/{n}.png', f'high/{n}.png') for n in (2, 5, 789, 9, 91)]
    assert {(r['exposure'], r['dataset']) for r in train.load_data_list()} == {('under', 'lol_v1')}
    assert len(build('LOLDataset', tmp_path / 'v1', subset='all')) == 7
    real = build('LOLDataset', tmp_path / 'v2', version='v2-real', subset='test')
    assert pairs(real) == [(f'Low/low0000{n}.png', f'Normal/normal0000{n}.png') for n in (1, 2, 3)]


def test_lol_repeats_the_three_pairs_that_the_authors_list_names_twice(tmp_path, warnings):
    trees.lol_v1(tmp_path)
    names = [picture for picture, _ in pairs(build('LOLDataset', tmp_path, unique=False))]
    twice = {name for name in names if names.count(name) == 2}
    assert len(names) == 8 and twice == {'low/9.png', 'low/91.png', 'low/789.png'}
    with pytest.raises(ValueError, match='`unique=False`'):
        build('LOLDataset', tmp_path, subset='test', unique=False)


def test_incomplete_sets_are_told_with_numbers_and_names(tmp_path, warnings):
    trees.lol_v1(tmp_path, test=(1, 22, 3000))
    trees.picture(tmp_path / 'eval15' / 'high' / '55.png')
    build('LOLDataset', tmp_path, subset='test')
    said = ' | '.join(warnings)
    assert '3 test pictures instead of 15: results are not comparable' in said
    assert '13 pictures of the published list are not in' in said and 'and 3 more' in said
    assert 'references in' in said and 'that no picture has: `55`' in said


def test_folders_may_differ_in_case_and_junk_of_archives_is_left_out(tmp_path, warnings):
    trees.lol_v1(tmp_path)
    (tmp_path / 'our485').rename(tmp_path / 'Our485')
    (tmp_path / 'Our485' / 'low' / '._2.png').write_bytes(b'resource fork')
    (tmp_path / 'Our485' / 'low' / 'Thumbs.db').write_bytes(b'')
    assert len(build('LOLDataset', tmp_path)) == 5


def test_a_set_that_is_not_there_is_told_with_its_layout_and_home(tmp_path):
    with pytest.raises(FileNotFoundError, match='`our485/low`.*RetinexNet'):
        build('LOLDataset', tmp_path)
    with pytest.raises(FileNotFoundError, match='`low`.*fivek'):
        build('FiveKDataset', tmp_path)
    with pytest.raises(FileNotFoundError, match='sice_to_exposures'):
        build('SICEDataset', tmp_path)
    with pytest.raises(FileNotFoundError, match='`Dataset_Part2`'):
        build('SICESequenceDataset', tmp_path)
    with pytest.raises(FileNotFoundError, match='INPUT_IMAGES'):
        build('MSECDataset', tmp_path)


@pytest.mark.parametrize(
    'kind, arguments, said',
    [
        ('LOLDataset', dict(version='v3'), "`version` must be one of 'v1'"),
        ('LOLDataset', dict(subset='val'), "`subset` must be one of 'train', 'test', 'all'"),
        ('FiveKDataset', dict(protocol='c'), '`protocol`'),
        ('SICEDataset', dict(exposure='low'), '`exposure`'),
        ('SICESequenceDataset', dict(part=3), '`part` must be one of 1, 2'),
        ('MSECDataset', dict(expert='f', subset='test'), '`expert`'),
        ('MSECDataset', dict(expert='e'), "`subset='test'` only"),
    ],
)
def test_arguments_out_of_range_are_told_with_what_there_is(tmp_path, kind, arguments, said):
    with pytest.raises(ValueError, match=said):
        build(kind, tmp_path, **arguments)


def test_fivek_goes_by_number_whatever_folder_or_name_a_picture_has(tmp_path, warnings):
    flat = trees.fivek(tmp_path / 'flat', [1, 14, 20, 4999, 5000])
    assert [Path(p).stem for p, _ in pairs(build('FiveKDataset', flat))] == ['0001', '5000']
    test = pairs(build('FiveKDataset', flat, subset='test'))
    assert test[0] == ('low/0014.tif', 'high/a0014-by_C_14.jpg') and len(test) == 3
    last = pairs(build('FiveKDataset', flat, subset='test', protocol='last500'))
    assert [p for p, _ in last] == ['low/4999.tif', 'low/5000.tif']
    # the authors' folders; number 14 lies in the wrong one
    trees.fivek(tmp_path / 'halves' / 'train', [1, 14])
    trees.fivek(tmp_path / 'halves' / 'test', [20])
    assert len(build('FiveKDataset', tmp_path / 'halves', subset='test')) == 2
    assert 'test pictures instead of 500' in ' '.join(warnings)


def test_fivek_refuses_names_without_a_number_and_subsets_without_pictures(tmp_path, warnings):
    trees.fivek(tmp_path, [1])
    with pytest.raises(ValueError, match='no picture of the test subset'):
        build('FiveKDataset', tmp_path, subset='test')
    trees.picture(tmp_path / 'low' / '20051.png')
    with pytest.raises(ValueError, match='do not belong.*`20051.png`'):
        build('FiveKDataset', tmp_path)


def test_sice_pairs_both_exposures_with_the_middle_and_holds_scenes_out(tmp_path, warnings):
    held_out = sice_numbers('val')[:2]
    trees.sice(tmp_path, train=[1, 2, *held_out], test=[4])
    train = build('SICEDataset', tmp_path)
    assert pairs(train) == [
        ('low/1.JPG', 'mid/1.JPG'), ('low/2.jpg', 'mid/2.jpg'),
        ('over/1.JPG', 'mid/1.JPG'), ('over/2.jpg', 'mid/2.jpg'),
    ]  # fmt: skip
    assert [r['exposure'] for r in train.load_data_list()] == ['under'] * 2 + ['over'] * 2
    assert len(build('SICEDataset', tmp_path, subset='val')) == 4
    assert len(build('SICEDataset', tmp_path, subset='trainval')) == 8
    over = build('SICEDataset', tmp_path, subset='test', exposure='over')
    assert pairs(over) == [('over/4.jpg', 'mid/4.jpg')]
    assert 'over-exposed test pictures instead of 30' in ' '.join(warnings)


def test_sice_sequences_have_their_label_as_reference(tmp_path, warnings):
    trees.sice_raw(tmp_path, 2, {1: 4, 10: 3, 2: 1})
    dataset = build('SICESequenceDataset', tmp_path)
    assert pairs(dataset)[:4] == [
        ('1/1.jpg', 'Label/1.PNG'), ('1/2.PNG', 'Label/1.PNG'),
        ('1/3.JPG', 'Label/1.PNG'), ('1/4.jpg', 'Label/1.PNG'),
    ]  # fmt: skip
    assert pairs(dataset)[-3:][0] == ('10/1.jpg', 'Label/10.JPG')
    groups = [r['exposure'] for r in dataset.load_data_list()]
    assert groups[:4] == ['under', 'under', 'middle', 'over']
    assert any('3 sequences instead of 229' in said for said in warnings)


def test_sice_archives_nest_their_folders_differently(tmp_path, warnings):
    inner = tmp_path / 'Dataset_Part2'
    trees.sice_raw(inner, 2, {1: 3}, labels=tmp_path / 'Label')
    assert len(build('SICESequenceDataset', tmp_path)) == 3


def test_sice_sequences_with_odd_names_or_no_label_are_refused(tmp_path, warnings):
    trees.sice_raw(tmp_path, 2, {1: 3, 2: 3})
    (tmp_path / 'Dataset_Part2' / 'Label' / '2.JPG').unlink()
    with pytest.raises(ValueError, match='3 of 6 pictures.*`2/1`, `2/2`, `2/3`'):
        build('SICESequenceDataset', tmp_path)
    trees.picture(tmp_path / 'Dataset_Part2' / '1' / '02.png')
    trees.picture(tmp_path / 'Dataset_Part2' / '1' / 'dark.png')
    with pytest.raises(ValueError, match='no numbers: `1/dark.png`; numbers that come twice: `1/'):
        build('SICESequenceDataset', tmp_path)


def test_msec_names_end_at_the_last_underscore_and_may_hold_dots(tmp_path, warnings):
    trees.msec(tmp_path)
    test = build('MSECDataset', tmp_path, subset='test')
    assert pairs(test) == [
        (f'INPUT_IMAGES/a0002-_DSC_1.b_{name}', 'expert_c_testing_set/a0002-_DSC_1.b.jpg')
        for name in ('0.jpg', 'N1.5.jpg', 'N1.JPG', 'P1.5.jpg', 'P1.JPG')
    ]
    groups = [r['exposure'] for r in test.load_data_list()]
    assert groups == ['over', 'under', 'under', 'over', 'over']
    expert_e = build('MSECDataset', tmp_path, subset='test', expert='e', exposure='under')
    assert {reference for _, reference in pairs(expert_e)} == {
        'expert_e_testing_set/a0002-_DSC_1.b.jpg'
    }
    assert '2 test pictures instead of 2362' in ' '.join(warnings)


def test_msec_leaves_the_leaked_scene_out_of_training_only(tmp_path, warnings):
    trees.msec(tmp_path, train=('a0001-x', MSEC_LEAKED), test=(MSEC_LEAKED,))
    (tmp_path / 'training' / 'INPUT_IMAGES' / 'a0001-x_P1.JPG').unlink()
    train = build('MSECDataset', tmp_path)
    assert len(train) == 4 and not any(MSEC_LEAKED in r['img_path'] for r in train)
    assert 'are not in' in warnings[0] and '`a0001-x_P1`' in warnings[0]
    assert '4 train pictures instead of 17675' in warnings[1]
    assert len(build('MSECDataset', tmp_path, subset='test')) == 5


def test_msec_without_references_reads_the_pictures_alone(tmp_path, warnings):
    trees.msec(tmp_path)
    for file in (tmp_path / 'training' / 'GT_IMAGES').iterdir():
        file.unlink()
    (tmp_path / 'training' / 'GT_IMAGES').rmdir()
    train = build('MSECDataset', tmp_path, paired=False)
    assert len(train) == 5 and 'reference_path' not in train[0]
    trees.picture(tmp_path / 'training' / 'INPUT_IMAGES' / 'a0001-x_y.jpg')
    with pytest.raises(ValueError, match='do not belong.*`a0001-x_y.jpg`'):
        build('MSECDataset', tmp_path, paired=False)


def test_the_shipped_lists_are_complete_disjoint_and_follow_their_rule():
    sizes = dict(fecnet=(4500, 500), last500=(4500, 500), ruas=(500, 100))
    for protocol, (train, test) in sizes.items():
        parts = [set(fivek_numbers(protocol, subset)) for subset in ('train', 'test')]
        assert (len(parts[0]), len(parts[1])) == (train, test) and not parts[0] & parts[1]
        assert parts[0] | parts[1] <= set(range(1, 5001))
    order = seeded_order(f'{number:04d}' for number in range(1, 5001))
    assert sorted(map(int, order[:500])) == fivek_numbers('ruas', 'train')
    assert sorted(map(int, order[500:600])) == fivek_numbers('ruas', 'test')
    parts = {subset: set(sice_numbers(subset)) for subset in ('train', 'val', 'trainval', 'test')}
    assert [len(part) for part in parts.values()] == [482, 30, 512, 30]
    assert parts['train'] | parts['val'] == parts['trainval']
    assert not parts['trainval'] & parts['test']
    first = seeded_order(map(str, sice_numbers('trainval')))[:30]
    assert set(map(int, first)) == parts['val']


def test_the_shipped_lists_are_the_authors(reference_dir):
    facts = json.loads((reference_dir / 'erl' / 'splits.json').read_text())
    assert sice_numbers('trainval') == facts['sice_train']
    assert sice_numbers('test') == facts['sice_test']
    assert fivek_numbers('fecnet', 'test') == facts['fivek_test']


def test_warnings_reach_the_log(tmp_path, capsys):
    MMLogger._instance_dict.clear()
    trees.lol_v1(tmp_path)
    build('LOLDataset', tmp_path, subset='test')
    assert 'instead of 15' in ''.join(capsys.readouterr())
