"""tools/dataset_converters/flatten_segmentation.py."""

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip('mmcv.ops')
pytest.importorskip('mmseg')
from test_tools import segmentation_sets as sets  # noqa: E402

from llv.registry import DATASETS  # noqa: E402
from llv.utils.errors import friendly_errors  # noqa: E402

TOOL = Path(__file__).parents[2] / 'tools' / 'dataset_converters' / 'flatten_segmentation.py'
NIGHT = ['--subsets', 'night/train', 'night/val']


@pytest.fixture
def flatten(monkeypatch, capsys):
    """Runs the tool in this process; returns its exit status, stdout and stderr."""

    def call(*arguments):
        spec = importlib.util.spec_from_file_location('flatten_segmentation', TOOL)
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


def files(root):
    """Every file below a folder."""
    return sorted(str(path.relative_to(root)) for path in root.rglob('*') if not path.is_dir())


FLAT = [
    *(f'{{labels}}/train/GOPR000{n // 2}_frame_00000{n}_gt_labelTrainIds.png' for n in range(3)),
    *(f'{{labels}}/val/GOPR0000_frame_00000{n}_gt_labelTrainIds.png' for n in range(2)),
    *(f'rgb/train/GOPR000{n // 2}_frame_00000{n}_rgb_anon.png' for n in range(3)),
    *(f'rgb/val/GOPR0000_frame_00000{n}_rgb_anon.png' for n in range(2)),
]


@pytest.mark.parametrize('how', ['link', 'copy'])
def test_nested_folders_are_put_flat_as_links_or_copies(tmp_path, flatten, how):
    root = sets.acdc(tmp_path / 'ACDC')
    out = tmp_path / 'flat'
    status, said, _ = flatten('acdc', root, out, '--pictures', how, *NIGHT)
    assert (status, said) == (0, f'{out}: 5 pictures, 5 label maps\n')
    assert files(out) == sorted(name.format(labels='labels') for name in FLAT)
    for file in out.rglob('*.png'):
        assert file.is_symlink() == (how == 'link')
        original = next(root.rglob(f'*/{file.parent.name}/*/{file.name}'))
        assert file.read_bytes() == original.read_bytes()


def test_the_folder_of_labels_may_be_named_as_iat_does(tmp_path, flatten):
    root = sets.acdc(tmp_path / 'ACDC')
    name = 'new_gt_labelTrainIds'
    assert flatten('acdc', root, tmp_path / 'flat', '--label-folder', name, *NIGHT)[0] == 0
    assert files(tmp_path / 'flat') == sorted(path.format(labels=name) for path in FLAT)


def test_flat_folders_are_read_by_the_reader_of_cityscapes(tmp_path, flatten):
    flatten('acdc', sets.acdc(tmp_path / 'ACDC'), tmp_path / 'flat', *NIGHT)
    dataset = DATASETS.build(
        dict(
            type='llv.CityscapesDataset',
            data_root=str(tmp_path / 'flat'),
            data_prefix=dict(img_path='rgb/train', seg_map_path='labels/train'),
            img_suffix='_rgb_anon.png',
            seg_map_suffix='_gt_labelTrainIds.png',
        )
    )
    assert len(dataset) == 3


@pytest.mark.parametrize('how', ['link', 'copy'])
def test_a_second_run_changes_nothing_and_another_file_is_never_replaced(tmp_path, flatten, how):
    root = sets.acdc(tmp_path / 'ACDC')
    out = tmp_path / 'flat'
    arguments = ['acdc', root, out, '--pictures', how, *NIGHT]
    flatten(*arguments)
    times = [path.lstat().st_mtime_ns for path in sorted(out.rglob('*'))]
    assert flatten(*arguments)[0] == 0
    assert [path.lstat().st_mtime_ns for path in sorted(out.rglob('*'))] == times
    other = out / 'rgb' / 'val' / 'GOPR0000_frame_000001_rgb_anon.png'
    other.unlink()
    other.write_bytes(b'mine')
    status, _, err = flatten(*arguments)
    assert status == 2 and other.read_bytes() == b'mine'
    assert f'`{other}`' in err and 'choose another output folder, or empty it' in err


def test_files_of_one_name_are_told_before_anything_is_written(tmp_path, flatten):
    root = sets.acdc(tmp_path / 'ACDC', [('night', 'train', 1), ('fog', 'train', 1)])
    status, _, err = flatten('acdc', root, tmp_path / 'flat')
    assert status == 2 and 'have one name' in err and '`--subsets`' in err
    assert '/night/train/' in err and '/fog/train/' in err and not (tmp_path / 'flat').exists()


def test_what_has_no_partner_is_named_and_left_out(tmp_path, flatten):
    root = sets.acdc(tmp_path / 'ACDC')
    lost = root / 'gt/night/train/GOPR0000/GOPR0000_frame_000000_gt_labelTrainIds.png'
    lost.unlink()
    alone = root / 'rgb_anon/night/val/GOPR0000/GOPR0000_frame_000001_rgb_anon.png'
    alone.unlink()
    status, said, _ = flatten('acdc', root, tmp_path / 'flat', *NIGHT)
    assert status == 1 and '3 pictures, 3 label maps' in said
    assert 'night/train/GOPR0000/GOPR0000_frame_000000_rgb_anon.png\n' in said
    assert 'night/val/GOPR0000/GOPR0000_frame_000001_gt_labelTrainIds.png\n' in said
    assert len(files(tmp_path / 'flat')) == 6


def test_parts_without_labels_give_pictures_alone(tmp_path, flatten):
    root = sets.cityscapes(tmp_path / 'c')
    assert 'flat: 3 pictures, 3 label maps' in flatten('cityscapes', root, tmp_path / 'flat')[1]
    status, said, _ = flatten('cityscapes', root, tmp_path / 'test', '--subsets', 'test')
    assert (status, said) == (0, f'{tmp_path}/test: 1 pictures, 0 label maps\n')
    assert files(tmp_path / 'test') == ['rgb/test/ulm_000000_000019_leftImg8bit.png']


def test_references_that_end_as_pictures_do_are_left_out(tmp_path, flatten):
    root = sets.dark_zurich(tmp_path / 'd')
    sets.picture(root / 'rgb_anon/val/night/GOPR0356/x_ref_rgb_anon.png')
    status, said, _ = flatten('dark_zurich', root, tmp_path / 'flat')
    assert (status, said) == (0, f'{tmp_path}/flat: 2 pictures, 2 label maps\n')


def test_wrong_arguments_are_told_in_one_sentence(tmp_path, flatten):
    status, _, err = flatten('acdc', tmp_path, tmp_path / 'x', '--subsets', 'nihgt/train')
    assert status == 2 and '`--subsets` nihgt/train: `acdc` has `fog/train`' in err
    status, _, err = flatten('acdc', tmp_path, tmp_path / 'x', *NIGHT)
    assert status == 2 and f'No picture below `{tmp_path}/rgb_anon/night/train`' in err
    assert 'unpack the archive of pictures' in err
