"""tools/check_dataset.py on detection sets."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip('mmcv.ops')
pytest.importorskip('mmdet')
from test_tools.test_check_dataset import run  # noqa: E402, F401

from llv.datasets.detection.checks import PARTS, Part, check_part  # noqa: E402

DATA = Path(__file__).parents[1] / 'test_datasets' / 'test_detection'
faces = SimpleNamespace(**runpy.run_path(str(DATA / 'face_data.py')))
exdark = SimpleNamespace(**runpy.run_path(str(DATA / 'data.py')))


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))


@pytest.fixture
def check(run):  # noqa: F811
    def call(*arguments):
        status, out, error = run('check_dataset', *arguments)
        return status, out.splitlines(), error

    return call


def test_a_folder_of_the_expected_size_has_no_problem(tmp_path):
    root = faces.write_numbers(tmp_path / 'd', range(1, 4))
    for part, problems in [
        (Part('all', {}, 3, 3), []),
        (Part('all', {}, 3, None), []),
        (Part('all', {}, 4, 5), ['3 pictures instead of 4', '3 boxes instead of 5']),
    ]:
        found = check_part('darkface', part, root)
        assert (found.problems, found.repairs, len(found.files)) == (problems, [], 3)
        assert check_part('darkface', part, root, official=False).problems == []


def test_the_official_numbers_are_the_published_ones():
    assert {name: sum(part.pictures for part in parts) for name, parts in PARTS.items()} == dict(
        darkface=6000, exdark=7363, fddb=2845, wider_face=32203
    )
    boxes = {name: [part.boxes for part in parts] for name, parts in PARTS.items()}
    assert sum(boxes['exdark']) == 23710 and boxes['fddb'] == [5171]
    assert boxes['wider_face'] == [159424, 39708, 0] and boxes['darkface'] == [None]


def test_a_sound_set_is_told_complete(tmp_path, check):
    root = faces.write_numbers(tmp_path / 'd', range(1, 4))
    status, lines, _ = check('darkface', root)
    assert (status, lines[1]) == (1, '  3 pictures instead of 6000')
    assert check('darkface', root, '--own', '--decode')[:2] == (
        0,
        ['all: 3 pictures, 3 boxes, 0 pictures without boxes', 'complete'],
    )


def test_the_output_of_a_detector_is_not_taken_for_labels(tmp_path, check):
    text = b'34\n' + b'1 1 3 3\n' * 34
    cases = {'1': ('1.png', '1.txt', text), '2': ('2.png', '2.txt', b'0\n')}
    root = faces.write_dark_face(tmp_path / 'd', cases)
    status, lines, _ = check('darkface', root)
    assert status == 1 and '17.0 boxes per picture: these are the output of a detector' in lines[2]
    assert check('darkface', root, '--own')[0] == 0
    (root / 'label' / '1.txt').write_bytes(text.replace(b'1 1 3 3\n', b'', 2))
    assert 'boxes per picture' not in ''.join(check('darkface', root)[1])


def test_everything_found_is_listed_with_file_and_line(tmp_path, check):
    root = faces.write_dark_face(tmp_path / 'd')
    (root / 'image' / '1.png').write_bytes(b'no picture')
    status, lines, _ = check('darkface', root, '--own')
    label = root / 'label'
    assert status == 1 and lines[0].startswith('all: 9 pictures, ')
    assert sorted(lines[1:-1]) == sorted(
        [
            '  skipped: 1.png: with an unreadable picture',
            f'  count missing: {label}/3.txt: no number of faces in the first line; 0 read',
            f'  count missing: {label}/9.txt: no number of faces in the first line; 1 read',
            f'  count mismatch: {label}/5.txt:1: the first line says 5, 2 faces follow',
            f'  count mismatch: {label}/6.txt:1: the first line says 1, 2 faces follow',
            f'  dropped: {label}/7.txt:2: (10, 10, 10, 20) has no area',
            f'  dropped: {label}/7.txt:3: (20, 20, 12, 30) has no area',
            f'  clipped: {label}/7.txt:4: (-4, -5, 70, 60) reaches beyond the picture of 64x48',
            f'  dropped: {label}/10.txt:2: (70, 5, 80, 10) lies outside of the picture of 64x48',
        ]
    )
    assert lines[-1] == '9 problems found'


def test_ten_of_each_kind_are_listed_or_all(tmp_path, check):
    text = '13\n' + '5 5 5 9\n' * 13
    root = faces.write_dark_face(tmp_path / 'd', {'1': ('1.png', '1.txt', text.encode())})
    status, lines, _ = check('darkface', root, '--own')
    assert status == 1 and len(lines) == 13 and lines[-1] == '13 problems found'
    assert lines[-2] == '  dropped: 3 more (`--all` names them)'
    assert len(check('darkface', root, '--own', '--all')[1]) == 15


def test_damaged_pictures_are_found_by_decoding(tmp_path, check):
    root = faces.write_dark_face(tmp_path / 'd', {'1': ('1.png', '1.txt', b'0\n')})
    path = root / 'image' / '1.png'
    path.write_bytes(path.read_bytes()[:-300])
    assert check('darkface', root, '--own')[0] == 0
    status, lines, _ = check('darkface', root, '--own', '--decode')
    assert status == 1 and str(path) in lines[1]


def test_the_parts_of_exdark_are_compared_and_a_superfluous_file_is_told_once(tmp_path, check):
    root = exdark.write_exdark(tmp_path / 'e')
    extra = root / 'images' / 'Dog' / '2015_00099.png'
    extra.write_bytes((root / 'images' / 'Dog' / '2015_00006.png').read_bytes())
    status, lines, _ = check('exdark', root)
    text = '\n'.join(lines)
    for words in ('3 pictures instead of 3000', '2 pictures instead of 1800', 'of 2563'):
        assert words in text
    for words in ('boxes instead of 10381', 'boxes instead of 6212', 'boxes instead of 7117'):
        assert words in text
    assert status == 1 and text.count('2015_00099.png') == 1 and 'clipped: ' in text
    status, lines, _ = check('exdark', root, '--subsets', 'val')
    assert [line for line in lines if line[0] != ' '][0].startswith('val: 2 pictures')


@pytest.mark.parametrize(
    'name, write, words',
    [
        (
            'wider_face',
            faces.write_wider_face,
            ['3 pictures instead of 12880', '5 boxes instead of 159424', 'gt.txt:11: ', 'val:\n'],
        ),
        ('fddb', faces.write_fddb, ['2 pictures instead of 2845', '3 boxes instead of 5171']),
    ],
)
def test_face_sets_are_compared(tmp_path, check, name, write, words):
    status, lines, _ = check(name, write(tmp_path / 'set'))
    text = '\n'.join(lines)
    assert status == 1 and all(word in text for word in words)


def test_of_ones_own_data_the_parts_that_are_there_are_checked(tmp_path, check):
    root = faces.write_wider_face(tmp_path / 'w')
    status, lines, _ = check('wider_face', root, '--own')
    assert status == 1 and lines[0].startswith('train: ') and 'val:' not in lines
    assert 'test:' in check('wider_face', root, '--own', '--subsets', 'test')[1]
    dog = exdark.picture('2015_00006.png', 9, lines=[exdark.box('Dog', 1, 1, 9, 9)])
    status, lines, _ = check('exdark', exdark.write_exdark(tmp_path / 'e', [dog]), '--own')
    assert (status, lines[0]) == (0, 'all: 1 pictures, 1 boxes, 0 pictures without boxes')


@pytest.mark.parametrize(
    'arguments, words',
    [
        (['darkface', '--check-sizes'], '`--check-sizes` compares partners'),
        (['lol_v1', '--own'], 'not for `lol_v1`'),
    ],
)
def test_options_of_the_other_kind_of_sets_are_refused(tmp_path, check, arguments, words):
    status, _, error = check(arguments[0], tmp_path, *arguments[1:])
    assert status == 2 and words in error


@pytest.mark.parametrize('name', ['darkface', 'exdark', 'fddb', 'wider_face'])
def test_a_folder_without_the_set_is_told_in_sentences(tmp_path, check, name):
    status, lines, error = check(name, tmp_path)
    assert status == 1 and 'was not found in' in lines[1] and 'Traceback' not in error
    status, _, error = check(name, tmp_path, '--subsets', 'trian')
    assert status == 2 and '`--subsets` trian' in error and f'`{name}` has `' in error
