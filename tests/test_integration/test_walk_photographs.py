"""The way of a person with a folder of night photographs, by the commands of docs/enhance.md."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from docs_commands import ROOT, commands
from PIL import Image

from llv.apis import enhance, init_enhancer
from llv.utils.pictures import read_picture, write_picture

try:
    import av
except ImportError:
    av = None

PAGE = commands((ROOT / 'docs' / 'enhance.md').read_text(encoding='utf-8'))


def night(height, width, seed, deepest=40):
    """A dark street: soft light from above, a lamp, noise."""
    rng = np.random.default_rng(seed)
    sky = np.linspace(deepest, deepest / 4, height)[:, None, None] * np.array([0.8, 0.9, 1])
    street = np.broadcast_to(sky, (height, width, 3)).copy()
    street[height // 3 :: height // 3, width // 2 :: width // 4] *= 3
    return np.clip(street + rng.normal(0, 1, street.shape), 0, 255)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """What a telephone and a camera left behind."""
    root = tmp_path_factory.mktemp('photographs')
    dark = root / 'night'
    (dark / 'harbour').mkdir(parents=True)
    church = night(300, 1600, 0).astype(np.uint8)  # a panorama, wider than a tile
    Image.fromarray(church).save(dark / 'church.jpg', quality=95)
    Image.fromarray(night(40, 60, 1).astype(np.uint8)).save(dark / 'harbour' / 'boats.png')
    deep = (night(40, 60, 2)[..., 0] * 257).astype(np.uint16)
    Image.fromarray(deep).save(dark / 'deep.png')
    Image.fromarray(night(64, 64, 3).astype(np.uint8)).save(dark / 'torn.jpg')
    (dark / 'torn.jpg').write_bytes((dark / 'torn.jpg').read_bytes()[:-300])
    (dark / 'IMG_2.dng').write_bytes(b'II*\0' + bytes(40))
    (dark / 'notes.txt').write_text('where it was')
    if av is not None:
        film(dark / 'walk.mp4')
    day = root / 'day'
    day.mkdir()
    for name in ('church', 'deep', 'torn'):
        Image.fromarray(np.minimum(4.0 * church, 255).astype(np.uint8)).save(day / f'{name}.png')
    (root / 'gamma.py').write_text("enhancer = dict(type='llv.Gamma', gamma=0.5)")
    return root


def film(path):
    """Eight frames, every other one a little brighter."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=12, options={'crf': '8'})
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
        for number in range(8):
            picture = night(48, 64, 4, deepest=36 + 3 * (number % 2))
            frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8), 'rgb24')
            frame.pts, frame.time_base = number, Fraction(1, 12)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def follow(folder, *words):
    """Run the one command of the page that has all these words."""
    (command,) = [c for c in PAGE if c[1] == 'tools/enhance.py' and set(words) <= set(c)]
    done = subprocess.run(
        [sys.executable, str(ROOT / command[1]), *command[2:]],
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
    )
    assert 'Traceback' not in done.stderr, done.stderr
    return done


def frames(path):
    with av.open(str(path)) as container:
        return [(f.time, f.to_ndarray(format='rgb24')) for f in container.decode(video=0)]


def files(place):
    return sorted(str(p.relative_to(place)) for p in Path(place).rglob('*') if p.is_file())


def test_a_folder_of_all_kinds_is_lit_and_what_is_not_is_named(folder):
    before = {name: (folder / 'night' / name).read_bytes() for name in files(folder / 'night')}
    done = follow(folder, 'night', '--recursive', 'lit')
    lit = folder / 'lit'
    assert done.returncode == 1
    pictures = ['church.jpg', 'deep.png', 'harbour/boats.png']
    assert files(lit) == [*pictures, *(['walk.mp4'] if av else [])]
    for name in pictures:
        dark = read_picture(folder / 'night' / name)
        level = dark.mean() / (257 if dark.dtype == np.uint16 else 1)
        assert read_picture(lit / name).mean() > 1.5 * level
    lines = [line for line in done.stderr.splitlines() if line.startswith('skipped:')]
    assert len(lines) == 2
    assert any('`night/IMG_2.dng` cannot be read' in line for line in lines)
    assert any('`night/torn.jpg` is truncated or damaged' in line for line in lines)
    written = '3 pictures and 1 video' if av else '3 pictures'
    assert f'{written} written to lit, 2 skipped, in ' in done.stdout
    after = {name: (folder / 'night' / name).read_bytes() for name in files(folder / 'night')}
    assert after == before
    if av:
        source, result = frames(folder / 'night/walk.mp4'), frames(lit / 'walk.mp4')
        assert [t for t, _ in result] == pytest.approx([t for t, _ in source], abs=1e-3)
        assert all(b.mean() > 1.5 * a.mean() for (_, a), (_, b) in zip(source, result, strict=True))


def test_a_large_picture_by_two_enhancers_each_with_its_way_to_save_memory(folder, tmp_path):
    dark = folder / 'night/church.jpg'
    done = follow(folder, 'night/church.jpg', 'ruas-night-scenes', '--tile')
    assert done.returncode == 0, done.stderr
    # the page says that tiles change nothing
    write_picture(tmp_path / 'whole.jpg', enhance(init_enhancer('ruas-night-scenes'), dark))
    tiled, whole = read_picture(folder / 'lit/church.jpg'), read_picture(tmp_path / 'whole.jpg')
    assert tiled.shape == whole.shape == (300, 1600, 3)  # and a tile has 1024 pixels
    assert np.abs(tiled.astype(int) - whole).mean() < 0.01
    done = follow(folder, 'night/church.jpg', '--options', 'estimate_scale=0.25')
    assert done.returncode == 0, done.stderr
    reduced = read_picture(folder / 'lit/church.jpg')
    assert reduced.mean() > 1.5 * read_picture(dark).mean()
    # and that a reduced map changes the result a little
    full = enhance(init_enhancer('psenet-night-scenes'), dark)
    assert 0.2 < np.abs(reduced.astype(int) - full).mean() < 12


def test_sheets_compare_enhancers_with_references(folder):
    done = follow(folder, 'night', '--compare', '--references', 'day')
    assert done.returncode == 1  # of the torn picture, and the reference of another size
    assert files(folder / 'sheets') == ['church_compared.jpg']
    sheet = read_picture(folder / 'sheets/church_compared.jpg')
    assert sheet.shape[1] > 4 * 560 and (sheet[:10] > 240).all()  # four panels, on white paper
    assert '`day/deep.png` has 1600×300 pixels' in done.stderr and '1 sheet written' in done.stdout


@pytest.mark.skipif(av is None, reason='PyAV is not installed')
def test_a_video_without_flicker(folder):
    done = follow(folder, 'night/walk.mp4', '--temporal-smoothing')
    assert done.returncode == 0, done.stderr
    dark, lit = frames(folder / 'night/walk.mp4'), frames(folder / 'lit/walk.mp4')
    change = [
        np.abs(np.diff([f.mean() for _, f in x])).mean() / x[0][1].mean() for x in (dark, lit)
    ]
    assert change[1] < 0.5 * change[0]
