"""tools/enhance.py on videos and for comparison sheets."""

import re
import runpy
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TOOL = Path(__file__).parents[2] / 'tools' / 'enhance.py'
GAIN = ('--enhancer', 'fixed_gain', '--options', 'gain=2.0')


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the tool in this process: exit status, standard output, standard error."""
    monkeypatch.delenv('LLV_DEBUG', raising=False)

    def call(*args):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        with pytest.raises(SystemExit) as leaving:
            runpy.run_path(str(TOOL), run_name='__main__')
        captured = capsys.readouterr()
        return leaving.value.code, captured.out, captured.err

    return call


def picture(height=16, width=24, seed=0):
    coarse = np.random.default_rng(seed).integers(5, 100, (height // 8, width // 8))
    return np.kron(coarse, np.ones((8, 8)))[..., None].repeat(3, 2).astype(np.uint8)


def save(path, array=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture() if array is None else array).save(path)
    return path


def film(path, pictures):
    """A video without loss of the given pictures, ten a second."""
    av = pytest.importorskip('av')
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('ffv1' if path.suffix == '.mkv' else 'mpeg4', rate=10)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = 'bgr0' if path.suffix == '.mkv' else 'yuv420p'
        for number, array in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(array, 'rgb24').reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def frames(path):
    av = pytest.importorskip('av')
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)]


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob('*') if p.is_file())


def test_videos_are_lit_beside_pictures(run, tmp_path):
    scenes = [picture(seed=i) for i in range(6)]
    film(tmp_path / 'in/a.mkv', scenes)
    film(tmp_path / 'in/deep/b.avi', scenes)
    save(tmp_path / 'in/c.png')
    code, stdout, stderr = run(tmp_path / 'in', '-r', *GAIN, '--crf', 1, '--out', tmp_path / 'out')
    assert (code, 'skipped:' in stderr) == (0, False), stderr
    assert '1 picture and 2 videos written' in stdout
    assert names(tmp_path / 'out') == ['a.mkv', 'c.png', 'deep/b.mp4']
    found = frames(tmp_path / 'out/a.mkv')
    assert len(found) == 6 and '/6 [' in stderr  # the bar knows how many there are
    for scene, lit in zip(scenes, found, strict=True):
        assert np.abs(2 * scene[4::8, 4::8].astype(int) - lit[4::8, 4::8]).max() <= 4
    assert len(frames(tmp_path / 'out/deep/b.mp4')) == 6


def test_a_video_side_by_side(run, tmp_path):
    film(tmp_path / 'a.mkv', [picture()] * 2)
    args = ('--side-by-side', '--tile', 16, '--crf', 1, '--out', tmp_path / 'out')
    assert run(tmp_path / 'a.mkv', *GAIN, *args)[0] == 0
    both = frames(tmp_path / 'out/a.mkv')[1]
    wanted = np.concatenate([picture(), 2 * picture()], axis=1)
    assert np.abs(wanted.astype(int) - both)[4::8, 4::8].max() <= 4


def test_smoothing_steadies_a_flickering_video_and_0_leaves_it_as_it_is(run, tmp_path):
    dark = picture(48, 64)
    flicker = [(dark * factor).astype(np.uint8) for factor in (1, 0.9, 1, 0.9, 1, 0.9, 1, 0.9)]
    source = film(tmp_path / 'a.mkv', flicker)
    changes = {}
    for name, args in {
        'plain': (),
        'zero': ('--temporal-smoothing', 0),
        'steady': ('--temporal-smoothing', 2),
    }.items():
        code, _, stderr = run(source, *args, '--out', tmp_path / name)
        assert code == 0, stderr
        means = [frame.mean() for frame in frames(tmp_path / name / 'a.mkv')]
        changes[name] = np.abs(np.diff(means)).mean()
    assert changes['steady'] < 0.4 * changes['plain']
    assert changes['zero'] == changes['plain'] > 1


def test_damaged_and_unreadable_videos_are_named_and_the_others_go_on(run, tmp_path, monkeypatch):
    good = film(tmp_path / 'in/good.mkv', [picture(seed=i) for i in range(9)])
    torn = film(tmp_path / 'in/torn.mkv', [picture(80, 80, seed=i) for i in range(30)])
    torn.write_bytes(torn.read_bytes()[: torn.stat().st_size // 2])
    (tmp_path / 'in/text.mov').write_text('no video')
    (tmp_path / 'in/IMG.HEIC').write_bytes(b'....ftypheic')
    monkeypatch.setitem(sys.modules, 'pillow_heif', None)
    code, stdout, stderr = run(tmp_path / 'in', *GAIN, '--out', tmp_path / 'out')
    assert code == 1
    assert '2 videos written' in stdout and '2 skipped, 1 damaged' in stdout
    lines = [line for line in stderr.splitlines() if re.match('skipped:|damaged:', line)]
    for start, path, words in (
        ('damaged', torn, 'what could be decoded is written'),
        ('skipped', tmp_path / 'in/text.mov', 'is no video'),
        ('skipped', tmp_path / 'in/IMG.HEIC', 'pip install pillow-heif'),
    ):
        found = [line for line in lines if f'`{path}`' in line]
        assert len(found) == 1 and found[0].startswith(start) and words in found[0]
    assert names(tmp_path / 'out') == [good.name, torn.name]
    monkeypatch.setitem(sys.modules, 'av', None)
    code, stdout, stderr = run(good, *GAIN, '--out', tmp_path / 'none')
    assert code == 1 and 'skipped:' in stderr and 'pip install av' in stderr


@pytest.mark.parametrize(
    ('args', 'words'),
    [
        (('{m}', '--enhancer', 'clahe', '--temporal-smoothing', '1'), '`CLAHE` predicts no maps'),
        (('{m}', '--temporal-smoothing', '-1'), 'must be a number from 0'),
        (('{m}', '--temporal-smoothing', '1', '--tile', '64'), 'leave `--tile` out'),
        (('{p}', '--tile', '64'), '`PSENet` looks at the whole.*estimate_scale=0.25'),
        (('{p}', '--enhancer', 'gamma', '--tile', '1'), 'at least 2 pixels'),
        (('{m}', '--crf', '60'), 'must be from 0 to 51'),
        (('{m}', '{m}/../a.mp4'), 'would both be written'),
        (('{p}', '--compare', 'clahe', '--tile', '64'), '`--tile` does not go with `--compare`'),
        (('{p}', '--compare', 'clahe', '--options', 'a=1'), '`--options` does not go'),
        (('{p}', '--references', '{p}'), '`--references` needs `--compare`'),
        (('{p}', '--compare', 'clahe', '--references', '{p}/x'), 'folder of references .* not th'),
        (('{p}', '--compare', 'clahee'), '`clahee` is no registered enhancer'),
    ],
)
def test_wrong_arguments_are_refused_before_the_work(run, tmp_path, args, words):
    (tmp_path / 'x.avi').touch()
    (tmp_path / 'deep').mkdir()
    (tmp_path / 'deep/x.mp4').touch()
    save(tmp_path / 'p.png')
    places = dict(m=tmp_path / 'x.avi', p=tmp_path / 'p.png')
    given = [arg.format(**places) for arg in args]
    given = [str(tmp_path / 'deep/x.mp4') if arg.endswith('/a.mp4') else arg for arg in given]
    code, _, stderr = run(*given, '--out', tmp_path / 'out')
    assert code == 2 and re.search(words, stderr.strip().splitlines()[-1]), stderr
    assert not (tmp_path / 'out').exists()


def test_sheets_of_a_folder_with_references(run, tmp_path):
    dark = picture()
    save(tmp_path / 'in/a.png', dark)
    save(tmp_path / 'in/deep/b.jpg', dark)
    save(tmp_path / 'in/c.png', dark)
    (tmp_path / 'in/film.mp4').touch()
    save(tmp_path / 'day/a.png', 2 * dark)
    save(tmp_path / 'day/deep/b.png', 2 * dark)
    args = ('-r', '--compare', 'mean_match', '--compare', 'clahe', 'gamma')
    code, stdout, stderr = run(tmp_path / 'in', *args, '--out', tmp_path / 'plain')
    assert code == 0 and '3 sheets written' in stdout, stderr
    assert names(tmp_path / 'plain') == ['a_compared.png', 'c_compared.png', 'deep/b_compared.jpg']
    code, stdout, stderr = run(
        tmp_path / 'in', *args, '--references', tmp_path / 'day', '--out', tmp_path / 'out'
    )
    assert code == 1 and '2 sheets written' in stdout and '1 skipped' in stdout
    assert 'There is no reference of `c.png`' in stderr
    plain, full = (Image.open(tmp_path / n / 'a_compared.png') for n in ('plain', 'out'))
    # input and three results; with the reference it is five, in two rows
    assert plain.width > plain.height and full.height > plain.height
    code, _, stderr = run(tmp_path / 'in/film.mp4', '--compare', 'clahe', '--out', tmp_path / 'out')
    assert code == 1 and 'film.mp4` is a video; sheets compare pictures' in stderr
