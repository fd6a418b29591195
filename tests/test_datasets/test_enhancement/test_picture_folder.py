"""Folders of pictures, and the way from there into an enhancer."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger

from llv.datasets.enhancement import PictureFolder
from llv.registry import DATASETS


def write(folder, names, seed=0, size=(9, 12)):
    rng = np.random.default_rng(seed)
    written = {}
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        written[name] = rng.integers(0, 256, (*size, 3), dtype=np.uint8)  # RGB
        cv2.imwrite(str(path), written[name][..., ::-1])
    return written


def build(root, **prefix):
    pipeline = [dict(type='llv.LoadPicture')]
    if 'reference' in prefix:
        pipeline.append(dict(type='llv.LoadReference'))
    pipeline += [
        dict(type='llv.RandomCrop', size=(4, 20)),
        dict(type='llv.PackEnhancementInputs'),
    ]
    return DATASETS.build(
        dict(type='llv.PictureFolder', data_root=str(root), data_prefix=prefix, pipeline=pipeline)
    )


def test_pairs_are_cut_alike(tmp_path):
    dark = write(tmp_path / 'dark', ['b/1.png', 'a.PNG'])
    for name, picture in dark.items():
        path = tmp_path / 'day' / name.replace('.PNG', '.bmp')
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), 255 - picture[..., ::-1])
    dataset = build(tmp_path, img='dark', reference='day')
    assert len(dataset) == 2
    tops = set()
    for _ in range(12):
        item = dataset[1]
        assert item['inputs'].shape == (3, 4, 12)
        reference = item['data_samples'].reference.data
        assert torch.equal(reference, 255 - item['inputs'].flip(0))
        whole = torch.from_numpy(dark['b/1.png']).permute(2, 0, 1)
        tops |= {t for t in range(6) if torch.equal(whole[:, t : t + 4], item['inputs'].flip(0))}
    assert len(tops) > 1


def test_unpaired_pictures_have_no_reference(tmp_path):
    write(tmp_path, ['1.png', '2.jpg'])
    dataset = build(tmp_path, img='')
    assert [d['img_path'][-5:] for d in dataset.load_data_list()] == ['1.png', '2.jpg']
    assert 'reference' not in dataset[0]['data_samples']


def test_mistakes_are_named(tmp_path):
    (tmp_path / 'empty').mkdir()
    write(tmp_path / 'dark', ['1.png', '2.png', '3.png'])
    write(tmp_path / 'day', ['2.png'])
    write(tmp_path / 'twice', ['1.png', '1.bmp'])
    with pytest.raises(FileNotFoundError, match='gone'):
        build(tmp_path, img='gone')
    with pytest.raises(ValueError, match='empty.*no picture'):
        build(tmp_path, img='empty')
    with pytest.raises(ValueError, match='2 of 3 .*`1`, `3`'):
        build(tmp_path, img='dark', reference='day')
    with pytest.raises(ValueError, match='one name'):
        build(tmp_path, img='twice')


def test_partners_of_other_sizes_and_lost_references_are_named(tmp_path):
    write(tmp_path / 'dark', ['1.png'])
    write(tmp_path / 'day', ['1.png'], size=(9, 13))
    with pytest.raises(ValueError, match='1.png.*size'):
        build(tmp_path, img='dark', reference='day')[0]
    dataset = build(tmp_path, img='dark', reference='day')
    (tmp_path / 'day' / '1.png').write_bytes(b'no picture')
    with pytest.raises(ValueError, match='1.png'):
        dataset[0]


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
def test_truncated_pictures_are_refused_by_name(tmp_path, suffix):
    write(tmp_path, [f'1{suffix}'], size=(64, 64))
    path = tmp_path / f'1{suffix}'
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=f'1{suffix}'):
        build(tmp_path, img='')[0]


def test_sixteen_bits_are_read_at_full_range(tmp_path):
    levels = np.arange(20 * 9, dtype=np.uint16).reshape(9, 20) * 257
    cv2.imwrite(str(tmp_path / '1.png'), np.stack([levels] * 3, -1))
    picture = build(tmp_path, img='')[0]['inputs']
    assert picture.dtype == torch.uint8
    assert torch.equal(picture[0, 0], picture[1, 0])
    assert set(np.unique(picture)) <= set(range(180))
    assert int(picture.max()) - int(picture.min()) >= 60


def test_missing_partners_are_named_in_both_directions_with_what_looks_alike(tmp_path):
    write(tmp_path / 'dark', [f'{n:03d}.png' for n in range(14)] + ['garden_gate.png'])
    write(tmp_path / 'day', ['garden_gaet.PNG', 'x.bmp'])
    with pytest.raises(ValueError) as error:
        build(tmp_path, img='dark', reference='day')
    said = str(error.value)
    assert '15 of 15 pictures' in said and '`009` and 5 more' in said and '`010`' not in said
    assert 'references without a picture: `garden_gaet`, `x`' in said
    write(tmp_path / 'day', [f'{n:03d}.png' for n in range(14)])
    with pytest.raises(ValueError, match='perhaps `garden_gate` and `garden_gaet` belong together'):
        build(tmp_path, img='dark', reference='day')


def test_another_number_of_pictures_than_expected_is_a_warning(tmp_path, capsys):
    MMLogger._instance_dict.clear()
    write(tmp_path, ['1.png', '2.jpg'])
    PictureFolder(str(tmp_path), expected=2)
    assert 'instead of' not in ''.join(capsys.readouterr())
    PictureFolder(str(tmp_path), expected=2002)
    assert '2 pictures instead of 2002' in ''.join(capsys.readouterr())


def test_references_may_be_left_out(tmp_path):
    write(tmp_path / 'dark', ['1.png'])
    prefix = dict(img='dark', reference='gone')
    assert 'reference_path' not in PictureFolder(str(tmp_path), prefix, paired=False)[0]
