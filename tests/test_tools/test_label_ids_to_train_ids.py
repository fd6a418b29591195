"""tools/dataset_converters/label_ids_to_train_ids.py."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from llv.utils.errors import friendly_errors

TOOL = Path(__file__).parents[2] / 'tools' / 'dataset_converters' / 'label_ids_to_train_ids.py'
# label id: train id, transcribed class by class; every other id is not trained on
TRAINED = {
    7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13, 27: 14, 28: 15,
    31: 16, 32: 17, 33: 18,
}  # fmt: skip


@pytest.fixture
def convert(monkeypatch, capsys):
    """Runs the tool in this process; returns its exit status, stdout and the last line of stderr."""

    def call(*arguments):
        spec = importlib.util.spec_from_file_location('label_ids_to_train_ids', TOOL)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setattr(sys, 'argv', [TOOL.name, *map(str, arguments)])
        monkeypatch.delenv('LLV_DEBUG', raising=False)
        capsys.readouterr()
        try:
            with friendly_errors():
                status = module.main()
        except SystemExit as error:
            status = error.code
        out, err = capsys.readouterr()
        assert 'Traceback' not in err
        return status, out, err

    return call


def write(path, ids):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(ids, np.uint8)).save(path)
    return path


def read(path):
    image = Image.open(path)
    assert image.mode == 'L'
    return np.asarray(image)


@pytest.fixture
def every_id(tmp_path):
    """A folder of three label maps, which between them have all ids, and of files that are none."""
    random = np.random.default_rng(0)
    for name in ('train/ulm/a', 'train/bonn/b', 'val/ulm/c'):
        ids = np.append(random.integers(0, 34, 45), [255, 0, 33]).reshape(6, 8)
        write(tmp_path / f'{name}_gtFine_labelIds.png', ids)
        write(tmp_path / f'{name}_gtFine_instanceIds.png', ids)
    write(tmp_path / 'all_labelIds.png', np.arange(34).reshape(2, 17))
    write(tmp_path / 'train' / '._a_gtFine_labelIds.png', [[1]])
    return tmp_path


@pytest.mark.parametrize('options', [[], ['--workers', 3]])
def test_every_pixel_is_mapped_as_the_table_says(every_id, convert, options):
    sources = [path for path in every_id.rglob('*_labelIds.png') if path.name[0] != '.']
    status, out, _ = convert(every_id, *options)
    assert (status, out) == (0, f'{every_id}: 4 written, 0 were there already, 0 refused\n')
    for source in sources:
        expected = [[TRAINED.get(value, 255) for value in row] for row in read(source).tolist()]
        target = Path(str(source).replace('labelIds', 'labelTrainIds'))
        assert read(target).tolist() == expected
    assert len(list(every_id.rglob('*Train*'))) == 4


def test_files_that_are_there_stay_unless_told_otherwise(every_id, convert):
    target = every_id / 'all_labelTrainIds.png'
    target.write_bytes(b'mine')
    assert convert(every_id)[1].endswith(': 3 written, 1 were there already, 0 refused\n')
    assert target.read_bytes() == b'mine'
    assert convert(every_id)[1].endswith(': 0 written, 4 were there already, 0 refused\n')
    status, out, _ = convert(every_id, '--overwrite')
    assert (status, out[-43:]) == (0, '4 written, 0 were there already, 0 refused\n')
    assert read(target)[0, 7] == 0


def test_files_that_cannot_be_mapped_are_named_and_the_others_converted(tmp_path, convert):
    write(tmp_path / 'a_labelIds.png', [[7, 33]])
    write(tmp_path / 'b_labelIds.png', [[7, 34, 99]])
    write(tmp_path / 'c_labelIds.png', np.zeros((2, 2, 3)))
    (tmp_path / 'd_labelIds.png').write_bytes(b'no picture')
    status, out, _ = convert(tmp_path)
    assert status == 1 and '1 written, 0 were there already, 3 refused' in out
    assert f'`{tmp_path}/b_labelIds.png` has the ids 34, 99, which are no label ids' in out
    assert f'`{tmp_path}/c_labelIds.png` is in colour (RGB)' in out
    assert f'`{tmp_path}/d_labelIds.png` is damaged or no picture: copy or unpack it again' in out
    assert [path.name for path in tmp_path.glob('*Train*')] == ['a_labelTrainIds.png']


def test_train_ids_that_are_converted_by_mistake_are_told(tmp_path, convert):
    write(tmp_path / 'a_labelIds.png', [[0, 7, 18, 255]])
    status, out, _ = convert(tmp_path)
    assert status == 1 and 'look like train ids already' in out and 'delete what was written' in out
    write(tmp_path / 'b_labelIds.png', [[26]])
    assert convert(tmp_path, '--overwrite')[0] == 0


def test_endings_may_be_others(tmp_path, convert):
    write(tmp_path / 'a.png', [[7, 26]])
    status, _, _ = convert(tmp_path, '--in-suffix', '.png', '--out-suffix', '_train.png')
    assert status == 0 and read(tmp_path / 'a_train.png').tolist() == [[0, 13]]
    # a second run does not map what the first one wrote
    _, out, _ = convert(tmp_path, '--in-suffix', '.png', '--out-suffix', '_train.png')
    assert ': 0 written, 1 were there already, 0 refused' in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.png', 'a_train.png']


@pytest.mark.parametrize(
    'arguments, words',
    [
        (['no'], 'The folder `no` is not there: check the path.'),
        (
            ['{root}'],
            '`_labelIds.png`: name the folder of label maps, or their ending with `--in-s',
        ),
        (['{root}', '--workers', '0'], '--workers: must be a whole number from 1'),
        (
            ['{root}', '--in-suffix', '_labelTrainIds.png'],
            '`--in-suffix` and `--out-suffix` are equal',
        ),
        (['{root}', '--out-suffix', '_x.jpg'], '`--out-suffix` ends in `.png`, for'),
    ],
)
def test_wrong_arguments_are_told_in_one_sentence(tmp_path, convert, arguments, words):
    arguments = [argument.format(root=tmp_path) for argument in arguments]
    status, _, err = convert(*arguments)
    assert status == 2 and words in err


def test_a_folder_that_holds_train_ids_alone_is_told_so(tmp_path, convert):
    write(tmp_path / 'a_gt_labelTrainIds.png', [[7]])
    status, _, err = convert(tmp_path)
    assert status == 2 and 'though 1 end in `_labelTrainIds.png` already' in err
