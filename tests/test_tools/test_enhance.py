"""tools/enhance.py on real files, good and bad."""

import os
import pickle
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from llv.models.enhancers import RUAS, FixedGain
from llv.utils.pictures import read_picture, write_picture

REPOSITORY = Path(__file__).parents[2]
TOOL = REPOSITORY / 'tools' / 'enhance.py'


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


def picture(height=8, width=6, seed=0):
    return np.random.default_rng(seed).integers(0, 100, (height, width, 3), np.uint8)


def save(path, array=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture() if array is None else array).save(path, **options)
    return path


def truncated(path):
    save(path, picture(64, 64))
    path.write_bytes(path.read_bytes()[:-200])
    return path


def tree(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob('*') if p.is_file())


GAIN = ('--enhancer', 'fixed_gain', '--options', 'gain=2.0')


def test_without_an_enhancer_the_weights_that_come_with_llv_are_used(run, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError('no network in tests')

    monkeypatch.setattr('urllib.request.urlopen', refuse)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    save(tmp_path / 'a.png', picture(40, 30))
    code, stdout, stderr = run(tmp_path / 'a.png', '--out', tmp_path / 'out')
    assert code == 0 and '1 picture written' in stdout, stderr
    assert read_picture(tmp_path / 'out' / 'a.png').mean() > 1.3 * picture(40, 30).mean()


def test_every_kind_of_picture(run, tmp_path):
    source, out = tmp_path / 'in', tmp_path / 'out'
    grey = picture()[..., 0]
    save(source / 'grey.png', grey)
    save(source / 'rgba.png', np.dstack([picture(), grey]))
    save(source / 'dot.png', picture(1, 1))
    save(source / 'deep.png', (grey.astype(np.uint16) * 257))
    exif = Image.Exif()
    exif[0x0112] = 8
    save(source / 'turned/photo.png', exif=exif)
    code, stdout, stderr = run(source, '-r', *GAIN, '--out', out)
    assert (code, 'skipped:' in stderr) == (0, False)
    assert '5 pictures written' in stdout and 'MiB' in stdout and ' s,' in stdout
    assert tree(out) == tree(source)
    for name, wanted in {
        'grey.png': np.dstack([grey] * 3),
        'rgba.png': picture(),
        'dot.png': picture(1, 1),
        'deep.png': np.dstack([grey] * 3),
        'turned/photo.png': np.rot90(picture()),
    }.items():
        lit = np.asarray(Image.open(out / name))
        np.testing.assert_array_equal(lit, wanted * 2, err_msg=name)


def test_a_run_goes_on_past_bad_pictures(run, tmp_path):
    good = save(tmp_path / 'in/good.png')
    bad = truncated(tmp_path / 'in/bad.jpg')
    (tmp_path / 'in/empty.png').touch()
    (tmp_path / 'in/text.png').write_text('nothing')
    (tmp_path / 'hollow').mkdir()
    given = (tmp_path / 'in', tmp_path / 'gone.png', tmp_path / '*.xyz', tmp_path / 'hollow')
    code, stdout, stderr = run(*given, *GAIN, '--out', tmp_path / 'out')
    assert code == 1
    assert '1 picture written' in stdout and '6 skipped' in stdout
    lines = [line for line in stderr.splitlines() if line.startswith('skipped:')]
    assert len(lines) == 6
    for path, reason in {
        bad: 'truncated or damaged',
        tmp_path / 'in/empty.png': 'empty file',
        tmp_path / 'in/text.png': 'no picture',
        tmp_path / 'gone.png': 'is not there',
        tmp_path / '*.xyz': 'nothing matches',
        tmp_path / 'hollow': 'holds no picture',
    }.items():
        assert sum(f'`{path}`' in line and reason in line for line in lines) == 1, (path, lines)
    assert tree(tmp_path / 'out') == [good.name]


def test_side_by_side_and_suffix(run, tmp_path):
    save(tmp_path / 'a.png')
    args = ('--side-by-side', '--suffix', '_lit', '--out', tmp_path)
    assert run(tmp_path / 'a.png', *GAIN, *args)[0] == 0
    both = read_picture(tmp_path / 'a_lit.png')
    np.testing.assert_array_equal(both, np.concatenate([picture(), picture() * 2], axis=1))
    np.testing.assert_array_equal(read_picture(tmp_path / 'a.png'), picture())


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f'touch {self.path}',))


def bad_weights(kind, path, trace):
    if kind == 'another network':
        torch.save(RUAS().state_dict(), path)
    elif kind == 'corrupted':
        torch.save(FixedGain().state_dict(), path)
        path.write_bytes(path.read_bytes()[:-300])
    elif kind == 'garbage':
        path.write_bytes(b'garbage' * 99)
    elif kind == 'empty':
        path.touch()
    elif kind == 'malicious':
        torch.save(dict(state_dict=Bomb(trace)), path)
    elif kind == 'malicious pickle':
        path.write_bytes(pickle.dumps(Bomb(trace)))


@pytest.mark.parametrize(
    ('kind', 'words'),
    [
        ('another network', 'another network'),
        ('corrupted', 'damaged'),
        ('garbage', 'damaged'),
        ('empty', 'damaged'),
        ('malicious', 'is refused'),
        ('malicious pickle', ''),
        ('missing', 'is not there'),
    ],
)
def test_bad_weight_files(run, tmp_path, kind, words):
    save(tmp_path / 'a.png')
    weights, trace = tmp_path / 'w.pt', tmp_path / 'executed'
    bad_weights(kind, weights, trace)
    args = ('--enhancer', 'fixed_gain', '--weights', weights, '--out', tmp_path / 'out')
    code, stdout, stderr = run(tmp_path / 'a.png', *args)
    assert code == 2
    sentence = stderr.splitlines()[-1]
    assert sentence.startswith('error: ') and f'`{weights}`' in sentence and words in sentence
    assert 'Traceback' not in stderr
    assert not trace.exists()
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    ('args', 'words'),
    [
        (('{a}', '--enhancer', 'raus', '--out', '{o}'), '`raus` is no registered.*mean `RUAS`'),
        (('{a}', '--enhancer', '{t}/no.py', '--out', '{o}'), 'no.py` is not there'),
        (('{a}', '--enhancer', 'identity', '--out', '{t}'), 'would be replaced'),
        (('{t}/empty', '--enhancer', 'identity', '--out', '{o}'), 'holds no picture'),
        (('{t}/*.gif', '--enhancer', 'identity', '--out', '{o}'), 'nothing matches'),
        (
            ('{a}', '--enhancer', 'identity', '--out', '{o}', '--device', 'cuda:77'),
            '`cuda:77` is not available',
        ),
        (('{a}', '--enhancer', 'identity', '--options', 'x=1', '--out', '{o}'), 'takes no `x`'),
        (('{a}', '--enhancer', 'psenet-sic', '--out', '{o}'), 'did you mean `psenet-sice`'),
    ],
)
@pytest.mark.filterwarnings('ignore')
def test_wrong_arguments_are_one_sentence(run, tmp_path, args, words):
    save(tmp_path / 'a.png')
    (tmp_path / 'empty').mkdir()
    places = dict(a=tmp_path / 'a.png', o=tmp_path / 'out', t=tmp_path)
    code, stdout, stderr = run(*(arg.format(**places) for arg in args))
    assert code == 2
    assert len(stderr.strip().splitlines()) == 1
    assert re.search(words, stderr), stderr


def test_a_file_is_no_place_for_pictures(run, tmp_path):
    save(tmp_path / 'a.png')
    place = str(tmp_path / 'a.png')
    code, stdout, stderr = run(place, '--enhancer', 'identity', '--out', place)
    assert code == 2 and 'is a file: name a folder' in stderr.splitlines()[-1]


def test_official_weights_on_a_real_photograph_without_mm_packages(reference_dir, tmp_path):
    """In a process of its own that cannot import mmcv, mmdet or mmseg."""
    (tmp_path / 'sitecustomize.py').write_text(
        'import sys\nfor name in ("mmcv", "mmdet", "mmseg"):\n    sys.modules[name] = None\n'
    )
    folder = reference_dir / 'ruas'
    golden = np.load(folder / 'journal_lol__darkface_31.npz')
    # as its script reads it: without the colour profile that this file has
    write_picture(
        tmp_path / 'darkface_31_input.png', read_picture(folder / 'darkface_31_input.png')
    )
    command = [sys.executable, TOOL, 'darkface_31_input.png', '--enhancer', 'ruas']
    command += ['--weights', folder / 'lol.pt', '--out', tmp_path / 'out']
    paths = os.pathsep.join([str(tmp_path), str(REPOSITORY)])
    done = subprocess.run(
        list(map(str, command)),
        env=os.environ | dict(PYTHONPATH=paths),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lit = read_picture(tmp_path / 'out/darkface_31_input.png')
    y, x, size = golden['crop_yx_size']
    crop = lit[y : y + size, x : x + size].transpose(2, 0, 1)
    assert np.abs(crop - golden['u_out'].clip(0, 1) * 255).max() <= 0.5 + 255e-5
