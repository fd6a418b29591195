"""The checker of data sets, and the converter of SICE."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_datasets.test_enhancement import trees

from llv.utils.errors import friendly_errors

TOOLS = Path(__file__).parents[2] / 'tools'


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a tool in this process; returns its exit status, stdout and stderr."""

    def call(name, *arguments):
        spec = importlib.util.spec_from_file_location(Path(name).stem, TOOLS / f'{name}.py')
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, Path(name).stem, module)
        spec.loader.exec_module(module)
        monkeypatch.setattr(sys, 'argv', [f'{name}.py', *map(str, arguments)])
        capsys.readouterr()
        status = 0
        try:
            with friendly_errors():
                status = module.main() or 0
        except SystemExit as error:
            status = error.code
        out, err = capsys.readouterr()
        return status, out, err

    return call


def pairs(root):
    for half in ('train', 'val'):
        for name in ('1.png', '2.PNG'):
            for light in ('night', 'day'):
                trees.picture(root / half / light / name)
    return root


def test_a_complete_set_is_told_complete(tmp_path, run):
    status, out, _ = run(
        'check_dataset', 'night_scenes_pairs', pairs(tmp_path), '--check-sizes', '--decode'
    )
    assert (status, out.splitlines()) == (0, ['train: 2 pairs', 'val: 2 pairs', 'complete'])


def test_everything_missing_is_named(tmp_path, run):
    trees.lol_v1(tmp_path, train=range(2, 30), test=(1, 22))
    (tmp_path / 'eval15' / 'high' / '22.png').rename(tmp_path / 'eval15' / 'high' / '0022.png')
    status, out, _ = run('check_dataset', 'lol_v1', tmp_path)
    assert status == 1
    assert '28 train pictures instead of 485' in out and '2 test pictures instead of 15' in out
    test = out[out.index('test: 1 pairs') :]
    assert 'eval15/high: 22\n' in test and 'eval15/low: 0022\n' in test
    assert 'perhaps partners: `22` and `0022`' in test
    # all thirteen, not the first ten
    absent = [line for line in test.splitlines() if line.startswith('  not in')]
    assert [int(line.split(': ')[1]) for line in absent] == [
        23, 55, 79, 111, 146, 179, 493, 547, 665, 669, 748, 778, 780,
    ]  # fmt: skip
    assert out.splitlines()[-1].endswith('problems found')


def test_references_of_rellisur_are_as_many_times_larger_as_their_folder_says(tmp_path, run):
    stops = ('-2.5', '-5.0')
    trees.rellisur(tmp_path, Train={'1': stops}, Val={'2': stops}, Test={'3': stops, '4': stops})
    status, out, _ = run('check_dataset', 'rellisur', tmp_path, '--check-sizes', '--decode')
    titles = [f'{subset}, X{scale}' for subset in ('train', 'val', 'test') for scale in (1, 2, 4)]
    lines = out.splitlines()
    assert [line for line in lines if line[0] != ' '][:9] == [
        f'{title}: {4 if "test" in title else 2} pairs' for title in titles
    ]
    assert all('instead of' in line for line in lines if line[0] == ' ') and status == 1
    trees.picture(tmp_path / 'Test/NLHR/X2/3.png', (12, 17))
    (tmp_path / 'Test/NLHR/X4/4.png').unlink()
    out = run('check_dataset', 'rellisur', tmp_path, '--check-sizes', '--subsets', *titles[6:])[1]
    odd = [line for line in out.splitlines() if 'sizes differ' in line]
    assert len(odd) == 2 and all('not by 2' in line and '17x12' in line for line in odd)
    assert [line[-5:] for line in out.splitlines() if 'no reference' in line] == ['4-2.5', '4-5.0']


def test_sizes_and_damage_are_found_when_asked_for(tmp_path, run):
    pairs(tmp_path)
    trees.picture(tmp_path / 'train' / 'day' / '1.png', size=(6, 10))
    path = tmp_path / 'val' / 'night' / '2.PNG'
    path.write_bytes(path.read_bytes()[:60])
    (tmp_path / 'val' / 'night' / '1.png').write_bytes(b'no picture')
    assert run('check_dataset', 'night_scenes_pairs', tmp_path)[0] == 0
    status, out, _ = run('check_dataset', 'night_scenes_pairs', tmp_path, '--check-sizes')
    assert status == 1 and '2 problems found' in out and 'val/night/1.png` is no picture' in out
    status, out, _ = run(
        'check_dataset', 'night_scenes_pairs', tmp_path, '--check-sizes', '--decode'
    )
    assert status == 1 and '3 problems found' in out
    assert 'train/night/1.png is 9x6' in out and 'train/day/1.png 10x6' in out
    assert 'val/night/2.PNG` is' in out


def test_partners_turned_by_exif_are_of_one_size_when_shown(tmp_path, run):
    pairs(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / 'train' / 'day' / '1.png'
    Image.fromarray(np.zeros((9, 6, 3), np.uint8)).save(path, exif=exif)
    assert run('check_dataset', 'night_scenes_pairs', tmp_path, '--check-sizes')[0] == 0


def test_absent_subsets_are_told_and_the_others_checked(tmp_path, run):
    trees.msec(tmp_path, experts='e')
    status, out, _ = run('check_dataset', 'msec', tmp_path)
    assert status == 1 and '`testing/expert_a_testing_set`' in out
    assert 'test, expert E: 5 pairs' in out
    status, out, err = run('check_dataset', 'msec', tmp_path, '--subsets', 'trian')
    assert status == 2 and '`train`' in err


@pytest.mark.parametrize('name', ['fivek', 'fivek_ruas', 'sice', 'sice_part1', 'lol_v2_synthetic'])
def test_a_folder_without_the_set_is_told_in_sentences(tmp_path, run, name):
    status, out, err = run('check_dataset', name, tmp_path)
    assert status == 1 and str(tmp_path) in out and 'Traceback' not in err


def grey(path):
    return int(np.asarray(Image.open(path)).mean().round())


def test_exposures_of_sice_are_the_second_the_middle_and_the_second_last(tmp_path, run):
    source = tmp_path / 'raw'
    # scenes 1, 3, 5 train by the authors' list, 4 tests; 182 is on neither list
    trees.sice_raw(source, 1, {1: 7, 3: 6, 4: 5, 5: 4, 182: 7})
    out = tmp_path / 'out'
    status, said, _ = run('dataset_converters/sice_to_exposures', source, out, '--parts', 1)
    assert status == 0 and '2 scenes in train, 1 in test' in said
    assert 'too few exposures: `5`' in said and 'no list of the authors' in said and '`182`' in said

    def levels(half, scene):
        return [
            grey(next((out / half / folder).glob(f'{scene}.*')))
            for folder in ('low', 'mid', 'over')
        ]

    assert levels('train', 1) == [20, 40, 60]
    assert levels('train', 3) == [20, 40, 50]
    assert levels('test', 4) == [20, 30, 40]
    checked = run('check_dataset', 'sice', out)[1]
    assert 'trainval: 4 pairs' in checked and 'no reference' not in checked


def test_sice_may_be_shrunk_and_numbered_otherwise(tmp_path, run):
    source = tmp_path / 'raw'
    trees.sice_raw(source, 2, {1: 5}, size=(20, 40))
    arguments = ['--parts', 2, '--long-side', 10, '--first-of-part2', 362]
    status, said, _ = run(
        'dataset_converters/sice_to_exposures', source, tmp_path / 'out', *arguments
    )
    assert status == 0 and '1 scenes in train' in said
    shrunk = tmp_path / 'out' / 'train' / 'over' / '362.png'
    assert Image.open(shrunk).size == (10, 5) and grey(shrunk) == 40
    written = shrunk.stat().st_mtime_ns
    run('dataset_converters/sice_to_exposures', source, tmp_path / 'out', *arguments)
    assert shrunk.stat().st_mtime_ns == written
