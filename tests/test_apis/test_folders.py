"""Which pictures are meant, and where results go."""

import os
from pathlib import Path

import pytest

from llv.apis.folders import check_writable, collect_pictures, plan_targets


def make(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def names(found):
    return sorted(str(name) for name in found.values())


def test_folders_and_their_folders(tmp_path):
    make(tmp_path, 'a.png', 'B.JPG', 'notes.txt', 'deep/c.png', 'deep/er/d.webp')
    out = tmp_path / 'lit'
    assert names(collect_pictures([str(tmp_path)], False, out)[0]) == ['B.JPG', 'a.png']
    found, absent = collect_pictures([str(tmp_path)], True, out)
    assert names(found) == ['B.JPG', 'a.png', 'deep/c.png', 'deep/er/d.webp']
    assert absent == []


def test_results_of_an_earlier_run_are_no_input(tmp_path):
    make(tmp_path, 'a.png', 'lit/a.png', 'lit/deep/a.png')
    assert names(collect_pictures([str(tmp_path)], True, tmp_path / 'lit')[0]) == ['a.png']


def test_links_in_a_circle(tmp_path):
    make(tmp_path, 'deep/a.png')
    (tmp_path / 'deep/up').symlink_to(tmp_path)
    assert names(collect_pictures([str(tmp_path)], True, tmp_path / 'o')[0]) == ['deep/a.png']


def test_globs_keep_what_follows_their_fixed_part(tmp_path, monkeypatch):
    make(tmp_path, 'x/1/a.png', 'x/2/a.png', 'x/2/b.jpg', 'x/2/deep/c.png')
    monkeypatch.chdir(tmp_path)
    assert names(collect_pictures(['x/*/*.png'], False, Path('o'))[0]) == ['1/a.png', '2/a.png']
    found = collect_pictures(['x/**/*.png'], False, Path('o'))[0]
    assert names(found) == ['1/a.png', '2/a.png', '2/deep/c.png']


def test_a_file_whose_name_looks_like_a_glob(tmp_path):
    make(tmp_path, 'a[1].png')
    assert names(collect_pictures([str(tmp_path / 'a[1].png')], False, tmp_path)[0]) == ['a[1].png']


def test_a_file_counts_once(tmp_path):
    make(tmp_path, 'a.png')
    given = [str(tmp_path / 'a.png'), str(tmp_path), str(tmp_path / '*.png')]
    assert names(collect_pictures(given, False, tmp_path / 'o')[0]) == ['a.png']


def test_what_yields_nothing(tmp_path):
    (tmp_path / 'empty').mkdir()
    make(tmp_path, 'nested/deep/a.png')
    with pytest.raises(ValueError, match='`.*empty` holds no picture'):
        collect_pictures([str(tmp_path / 'empty')], True, tmp_path / 'o')
    with pytest.raises(ValueError, match='try `--recursive`'):
        collect_pictures([str(tmp_path / 'nested')], False, tmp_path / 'o')
    with pytest.raises(ValueError, match=r'nothing matches `.*\.xyz`'):
        collect_pictures([str(tmp_path / '*.xyz')], False, tmp_path / 'o')
    with pytest.raises(ValueError, match='gone.png` is not there'):
        collect_pictures([str(tmp_path / 'gone.png')], False, tmp_path / 'o')
    # beside others these are no reason to stop
    given = [str(tmp_path / name) for name in ('empty', '*.xyz', 'gone.png', 'nested/deep')]
    found, absent = collect_pictures(given, False, tmp_path / 'o')
    assert names(found) == ['a.png', 'gone.png']
    assert len(absent) == 2


def test_targets_keep_names_and_formats(tmp_path):
    found = {
        tmp_path / name: Path(name) for name in ('a.png', 'd/B.JPG', 'c.gif', 'e', 'f.tar.bmp')
    }
    targets = plan_targets(found, Path('out'), '_lit')
    assert [str(t) for t in targets.values()] == [
        'out/a_lit.png',
        'out/d/B_lit.JPG',
        'out/c_lit.png',
        'out/e_lit.png',
        'out/f.tar_lit.bmp',
    ]


def test_two_pictures_never_share_a_result(tmp_path):
    make(tmp_path, 'x/a.png', 'y/a.png', 'z/a.gif', 'z/a.png')
    for given in (['x', 'y'], ['z']):
        found, _ = collect_pictures([str(tmp_path / g) for g in given], False, tmp_path / 'o')
        with pytest.raises(ValueError, match='would both be written to'):
            plan_targets(found, tmp_path / 'o', '')


@pytest.mark.parametrize('link', [None, os.symlink, os.link])
def test_an_input_is_never_replaced(tmp_path, link):
    make(tmp_path, 'in/a.png')
    out = tmp_path / 'in'
    if link is not None:
        out = tmp_path / 'out'
        out.mkdir()
        link(tmp_path / 'in/a.png', out / 'a.png')
    found, _ = collect_pictures([str(tmp_path / 'in/a.png')], False, out)
    with pytest.raises(ValueError, match='is one of the inputs and would be replaced'):
        plan_targets(found, out, '')
    assert plan_targets(found, out, '_lit')


def test_check_writable(tmp_path):
    check_writable(tmp_path / 'new/folder')
    assert list((tmp_path / 'new/folder').iterdir()) == []
    (tmp_path / 'file').touch()
    with pytest.raises(ValueError, match='Nothing can be written to .*--out'):
        check_writable(tmp_path / 'file/folder')
