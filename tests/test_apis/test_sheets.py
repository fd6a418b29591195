"""Comparison sheets, against pictures laid out by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from llv.apis.sheets import (
    PANEL,
    Panel,
    comparison_sheet,
    draw_sheet,
    find_reference,
    init_enhancers,
)
from llv.utils.pictures import PictureError

COLOURS = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0), (0, 200, 200)]


def flat(colour, height=60, width=90):
    return np.full((height, width, 3), colour, np.uint8)


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def picture(height=20, width=30, seed=0):
    return np.random.default_rng(seed).integers(0, 100, (height, width, 3), np.uint8)


def places(sheet, colour):
    """Rows and columns of the pixels of a colour."""
    return np.nonzero((sheet == colour).all(axis=2))


@pytest.mark.parametrize(
    ('number', 'layout'), [(1, [1]), (2, [2]), (4, [4]), (5, [3, 2]), (9, [3, 3, 3])]
)
def test_every_picture_is_there_once_in_rows_of_at_most_four(number, layout):
    colours = [(20 * i, 255 - 20 * i, 77) for i in range(number)]
    sheet = draw_sheet([Panel(flat(c), [str(i)]) for i, c in enumerate(colours)])
    middles = []
    for colour in colours:
        rows, columns = places(sheet, colour)
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1, len(rows)) == (60, 90, 60 * 90)
        middles.append((rows.mean(), columns.mean()))
    assert middles == sorted(middles)  # in the order of reading
    assert [
        len([m for m in middles if m[0] == row]) for row in sorted({m[0] for m in middles})
    ] == (layout)


def test_names_stand_under_their_own_pictures():
    lines = [['a'], ['name', 'PSNR 12.00 dB'], ['a/very/long/name/of/a/file/that/never/fits.py']]
    sheet = draw_sheet([Panel(flat(c), text) for c, text in zip(COLOURS, lines, strict=False)])
    for colour, text in zip(COLOURS, lines, strict=False):
        rows, columns = places(sheet, colour)
        below = sheet[rows.max() + 1 :, columns.min() : columns.max() + 1]
        ink = (below < 128).all(axis=2).any(axis=1)
        # each line is a run of rows with ink; letters without gaps between their parts
        runs = int(ink[0]) + int((ink[1:] & ~ink[:-1]).sum())
        assert runs == len(text)
        gap = sheet[:, columns.max() + 6 : columns.max() + 10]
        assert (gap == 255).all()


def test_a_sheet_shows_the_input_the_results_and_the_psnr_to_the_reference(tmp_path):
    dark, bright = picture(), np.minimum(3 * picture().astype(int), 255).astype(np.uint8)
    source, partner = save(tmp_path / 'a.png', dark), save(tmp_path / 'gt/a.png', bright)
    double = tmp_path / 'double.py'
    double.write_text("enhancer = dict(type='llv.FixedGain', gain=2.0)")
    modules = init_enhancers(['identity', str(double)])
    assert list(modules) == ['identity', 'double']
    lit = 2 * dark

    def psnr(x):
        return f'PSNR {10 * math.log10(255**2 / np.mean((x.astype(float) - bright) ** 2)):.2f} dB'

    def large(x):  # 640 // 30 times
        return x.repeat(21, 0).repeat(21, 1)

    wanted = [
        Panel(large(dark), ['input', psnr(dark)]),
        Panel(large(dark), ['identity', psnr(dark)]),
        Panel(large(lit), ['double', psnr(lit)]),
        Panel(large(bright), ['reference']),
    ]
    found = comparison_sheet(modules, source, partner)
    np.testing.assert_array_equal(found, draw_sheet(wanted))
    without = [Panel(p.picture, p.lines[:1]) for p in wanted[:3]]
    np.testing.assert_array_equal(comparison_sheet(modules, source), draw_sheet(without))


def test_large_pictures_and_enlarged_results_are_shown_in_one_readable_size(tmp_path):
    source = save(tmp_path / 'a.png', flat(COLOURS[0], 800, 1280))
    sheet = comparison_sheet(init_enhancers(['enlarge']), source)
    rows, columns = places(sheet, COLOURS[0])
    assert np.ptp(rows) + 1 == 400 and len(rows) == 2 * 400 * PANEL


def test_names_that_files_share_are_written_in_full_and_untrained_ones_are_told(tmp_path):
    for folder in ('x', 'y'):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / 'e.py').write_text("enhancer = dict(type='llv.Identity')")
    names = [str(tmp_path / 'x/e.py'), str(tmp_path / 'y/e.py'), 'sci', 'sci', 'ruas-night-scenes']
    assert list(init_enhancers(names)) == [*names[:2], 'sci (untrained)', 'ruas-night-scenes']


def test_references_are_found_by_name_with_any_suffix(tmp_path):
    save(tmp_path / 'deep/a.jpg', picture())
    (tmp_path / 'deep/a.txt').touch()
    assert find_reference(tmp_path, Path('deep/a.png')) == tmp_path / 'deep/a.jpg'
    same = save(tmp_path / 'deep/a.png', picture())
    assert find_reference(tmp_path, Path('deep/a.png')) == same
    for name, words in (('deep/a.tif', 'several'), ('deep/b.png', 'no'), ('gone/a.png', 'no')):
        with pytest.raises(PictureError, match=f'There is {words} references? of `{name}`'):
            find_reference(tmp_path, Path(name))


def test_a_reference_of_another_size_is_refused(tmp_path):
    source, other = save(tmp_path / 'a.png', picture()), save(tmp_path / 'b.png', picture(9, 9))
    with pytest.raises(PictureError, match='has 9×9 pixels.* with 30×20; give the partner'):
        comparison_sheet(init_enhancers(['identity']), source, other)
