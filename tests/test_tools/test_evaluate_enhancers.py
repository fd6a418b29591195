"""tools/analysis_tools/evaluate_enhancers.py on real files."""

import json
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'analysis_tools' / 'evaluate_enhancers.py'


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


@pytest.fixture
def report(run, tmp_path):
    """Run the tool and read its JSON: rows by the text of the enhancer."""

    def call(*args, status=0):
        code, _, err = run(*args, '--json', tmp_path / 'report.json')
        assert code == status, err
        rows = json.loads((tmp_path / 'report.json').read_text())['enhancers']
        return {row['enhancer']: row for row in rows}

    return call


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, np.uint8)).save(path)
    return path


def make_pairs(folder, count, seed=0, size=(9, 11)):
    """Pairs of noise, in folders `dark` and `bright`; returns them as (H, W, 3) floats in [0, 1]."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(count):
        dark, bright = (rng.integers(0, top, (*size, 3), np.uint8) for top in (90, 256))
        save(folder / 'dark' / f'{i:02}.png', dark)
        save(folder / 'bright' / f'{i:02}.png', bright)
        found.append((dark / 255, bright / 255))
    return found


def folders(folder):
    return ('--pairs', folder / 'dark', folder / 'bright')


def scores(lit, target):
    return dict(
        psnr=pytest.approx(peak_signal_noise_ratio(target, lit, data_range=1.0), abs=1e-4),
        ssim=pytest.approx(
            structural_similarity(lit, target, data_range=1.0, channel_axis=2), abs=1e-5
        ),
    )


def gain_of(pairs):
    return np.mean([b.mean((0, 1)) for _, b in pairs], 0) / np.mean(
        [d.mean((0, 1)) for d, _ in pairs], 0
    )


def test_the_table_holds_the_means_the_protocol_and_the_command(run, tmp_path):
    pairs = make_pairs(tmp_path, 3)
    args = (*folders(tmp_path), '--enhancers', 'identity', 'fixed_gain@gain=[2.0,1.0,3.0]')
    code, out, _ = run(*args, '--out', tmp_path / 'new' / 'table.md')
    assert code == 0
    assert (tmp_path / 'new' / 'table.md').read_text() == out.rstrip('\n') + '\n'
    for title, gain in (('identity', 1), ('fixed_gain@gain=[2.0,1.0,3.0]', [2, 1, 3])):
        row = re.search(rf'^\| `{re.escape(title)}` \| (\S+) \| (\S+) \| 3 \|$', out, re.M)
        lit = [(np.clip(d * gain, 0, 1), b) for d, b in pairs]
        psnr = np.mean([peak_signal_noise_ratio(b, u, data_range=1.0) for u, b in lit])
        ssim = np.mean(
            [structural_similarity(u, b, data_range=1.0, channel_axis=2) for u, b in lit]
        )
        assert float(row[1]) == pytest.approx(psnr, abs=6e-4)
        assert float(row[2]) == pytest.approx(ssim, abs=6e-5)
    assert '| enhancer | PSNR (dB) ↑ | SSIM ↑ | pairs |' in out
    assert 'Protocol: skimage (float, not rounded; ' in out and 'uniform 7 × 7, sample' in out
    assert '`python tools/analysis_tools/evaluate_enhancers.py --pairs ' in out


def test_the_same_run_writes_the_same_bytes(run, tmp_path):
    make_pairs(tmp_path, 2)
    args = (*folders(tmp_path), '--enhancers', 'mean_match', '--json', tmp_path / 'r.json')
    run(*args)
    first = (tmp_path / 'r.json').read_bytes()
    run(*args)
    assert (tmp_path / 'r.json').read_bytes() == first
    written = json.loads(first)
    assert written['protocol']['name'] == 'skimage' and written['versions']['torch']


@pytest.mark.parametrize('count', [3, 12])
def test_a_control_is_never_fitted_on_the_pair_it_lights(report, tmp_path, count):
    pairs = make_pairs(tmp_path, count)
    row = report(*folders(tmp_path), '--enhancers', 'fixed_gain:fit')['fixed_gain:fit']
    assert list(row['pairs']) == [f'{i:02}.png' for i in range(count)]
    for i, (dark, bright) in enumerate(pairs):
        others = [pair for j, pair in enumerate(pairs) if j % 10 != i % 10]
        lit = np.clip(dark * gain_of(others), 0, 1)
        assert row['pairs'][f'{i:02}.png'] == scores(lit, bright)


def test_controls_are_fitted_on_the_pairs_that_are_named(report, tmp_path):
    pairs = make_pairs(tmp_path / 'test', 2)
    other = make_pairs(tmp_path / 'train', 3, seed=1)
    fit = ('--fit', tmp_path / 'train' / 'dark', tmp_path / 'train' / 'bright')
    row = report(*folders(tmp_path / 'test'), *fit, '--enhancers', 'fixed_gain:fit')
    row = row['fixed_gain:fit']
    assert row['fitted']['gain'] == pytest.approx(gain_of(other), rel=1e-5)
    for i, (dark, bright) in enumerate(pairs):
        lit = np.clip(dark * gain_of(other), 0, 1)
        assert row['pairs'][f'{i:02}.png'] == scores(lit, bright)


def test_the_gamma_control_finds_the_gamma(report, tmp_path):
    rng = np.random.default_rng(0)
    for i in range(3):
        bright = rng.integers(0, 256, (9, 11, 3))
        save(tmp_path / 'bright' / f'{i}.png', bright)
        save(tmp_path / 'dark' / f'{i}.png', np.rint(255 * (bright / 255) ** 2))
    rows = report(*folders(tmp_path), '--enhancers', 'identity', 'gamma:fit')
    assert rows['gamma:fit']['means']['psnr'] > rows['identity']['means']['psnr'] + 15


def test_single_pairs_may_be_named_and_have_one_name(report, tmp_path):
    pairs = make_pairs(tmp_path / 'a', 1) + make_pairs(tmp_path / 'b', 1, seed=1)
    named = []
    for folder in ('a', 'b'):
        named += ['--pair', tmp_path / folder / 'dark/00.png', tmp_path / folder / 'bright/00.png']
    row = report(*named, '--enhancers', 'identity', '--protocol', 'erl')['identity']
    assert row['n'] == 2
    assert list(row['pairs']) == [str(tmp_path / folder / 'dark/00.png') for folder in ('a', 'b')]
    wanted = np.mean([peak_signal_noise_ratio(b, d, data_range=1.0) for d, b in pairs])
    assert row['means']['psnr'] == pytest.approx(wanted, abs=1e-9)


def test_a_weight_file_that_is_gone_has_a_row_that_says_so(run, tmp_path):
    make_pairs(tmp_path, 1)
    args = (*folders(tmp_path), '--enhancers', 'ruas:gone.pt', 'identity')
    code, out, err = run(*args, '--json', tmp_path / 'r.json')
    assert code == 1
    assert '| `ruas:gone.pt` | file not there | – | 0 |' in out
    assert 'not measured: `ruas:gone.pt`: The weight file `gone.pt` is not there' in err
    assert re.search(r'^\| `identity` \| [\d.]+ \| -?[\d.]+ \| 1 \|$', out, re.M)
    missing, present = json.loads((tmp_path / 'r.json').read_text())['enhancers']
    assert (missing['n'], present['n']) == (0, 1)
    assert run(*args, '--allow-missing')[0] == 0


def test_equal_pairs_are_left_out_of_the_mean_psnr_and_told(run, tmp_path):
    pairs = make_pairs(tmp_path, 2)
    save(tmp_path / 'bright' / '00.png', np.rint(pairs[0][0] * 255))
    args = (*folders(tmp_path), '--enhancers', 'identity', '--json', tmp_path / 'r.json')
    code, out, _ = run(*args)
    assert code == 0
    assert '`identity`: pairs of equal pictures, left out of the mean PSNR: 1.' in out

    def refuse(constant):
        raise AssertionError(constant)

    row = json.loads((tmp_path / 'r.json').read_text(), parse_constant=refuse)['enhancers'][0]
    assert row['pairs']['00.png']['psnr'] == 'inf'
    assert row['means']['psnr'] == pytest.approx(row['pairs']['01.png']['psnr'])


def make_rellisur(root, scale, scenes=('00018', '00736')):
    """The test half of RELLISUR, tiny; returns (dark, bright) by the dark picture's name, floats in [0, 1]."""
    rng, found = np.random.default_rng(0), {}
    for scene, stops in zip(scenes, (('-2.5', '-3.0', '-10.0'), ('-3.0', '-4.5')), strict=True):
        bright = rng.integers(0, 256, (9 * scale, 11 * scale, 3), np.uint8)
        save(root / 'Test' / 'NLHR' / f'X{scale}' / f'{scene}.png', bright)
        for stop in stops:
            dark = rng.integers(0, 20, (9, 11, 3), np.uint8)
            save(root / 'Test' / 'LLLR' / f'{scene}{stop}.png', dark)
            found[f'{scene}{stop}.png'] = dark / 255, bright / 255
    return found


def test_enlarging_enhancers_are_measured_on_rellisur_by_exposure(run, tmp_path):
    pairs = make_rellisur(tmp_path, 2)
    stages = "{'type':'llv.FixedGain','gain':7.23},{'type':'llv.Enlarge','mode':'nearest'}"
    lit_twice = f'cascade@stages=[{stages}]'
    args = ('--rellisur', tmp_path, '--enhancers', 'enlarge@mode=nearest', lit_twice)
    args += ('--protocol', 'trico', '--metrics', 'psnr', 'rmse', '--json', tmp_path / 'r.json')
    code, out, err = run(*args)
    assert code == 0, err
    rows = json.loads((tmp_path / 'r.json').read_text())['enhancers']
    for row, gain in zip(rows, (1, 7.23), strict=True):
        errors = {}
        for name, (dark, bright) in pairs.items():
            lit = np.rint(np.clip(dark * gain, 0, 1) * 255) / 255
            lit = lit.repeat(2, 0).repeat(2, 1)
            errors[name] = np.sqrt(np.mean((lit - bright) ** 2))
        assert {name: figures['rmse'] for name, figures in row['pairs'].items()} == {
            name: pytest.approx(error, abs=1e-6) for name, error in errors.items()
        }
        assert list(row['exposures']) == ['-10.0', '-4.5', '-3.0', '-2.5']
        for stop, members in row['exposures'].items():
            those = [error for name, error in errors.items() if name.endswith(f'{stop}.png')]
            assert members['n'] == len(those)
            assert members['means']['rmse'] == pytest.approx(np.mean(those), abs=1e-6)
            assert members['means']['psnr'] == pytest.approx(
                np.mean([-20 * np.log10(error) for error in those]), abs=1e-4
            )
            shown = (
                rf'^\| `{re.escape(row["enhancer"])}` \| {stop} \| \S+ \| (\S+) \| {len(those)} \|$'
            )
            assert float(re.search(shown, out, re.M)[1]) == pytest.approx(np.mean(those), abs=6e-5)
    assert '| enhancer | EV | PSNR (dB) ↑ | RMSE ↓ | pairs |' in out


def test_enhancers_of_another_scale_than_the_references_are_refused_first(run, tmp_path):
    make_rellisur(tmp_path, 4)
    four = ('--rellisur', tmp_path, '--scale', 4, '--subset', 'test')
    for enhancer, scale in (('enlarge', 2), ('mean_match', 1), ('gamma:fit', 1)):
        code, out, err = run(*four, '--enhancers', 'enlarge@scale=4', enhancer)
        assert (code, out.count('| `enlarge')) == (2, 0)
        assert f'`{enhancer}` enlarges by {scale}, but the references of `--scale 4` by 4' in err
    code, _, err = run('--rellisur', tmp_path, '--scale', 2, '--enhancers', 'enlarge')
    assert code == 2 and 'RELLISUR was not found' in err and 'Traceback' not in err
    save(tmp_path / 'Test' / 'NLHR' / 'X4' / '00736.png', np.zeros((36, 40, 3)))
    code, _, err = run(*four, '--enhancers', 'enlarge@scale=4')
    assert code == 2 and 'which does not fit `scale=4`' in err


def test_scorers_of_the_user_have_columns(run, tmp_path, monkeypatch):
    pairs = make_pairs(tmp_path, 2)
    (tmp_path / 'scores_of_mine.py').write_text('def top(picture):\n    return picture.max()\n')
    monkeypatch.syspath_prepend(tmp_path)
    args = (*folders(tmp_path), '--enhancers', 'identity', '--json', tmp_path / 'r.json')
    code, out, err = run(*args, '--scorer', 'top=scores_of_mine:top', '--scorer', 'mean=numpy:mean')
    assert code == 0, err
    top, mean = (np.mean([f(dark) * 255 for dark, _ in pairs]) for f in (np.max, np.mean))
    assert '| enhancer | PSNR (dB) ↑ | SSIM ↑ | top | mean | pairs |' in out
    shown = re.search(r'^\| `identity` \| \S+ \| \S+ \| (\S+) \| (\S+) \| 2 \|$', out, re.M)
    assert float(shown[1]) == pytest.approx(top) and float(shown[2]) == pytest.approx(
        mean, abs=6e-5
    )
    report = json.loads((tmp_path / 'r.json').read_text())
    assert report['scorers'] == {'top': 'scores_of_mine:top', 'mean': 'numpy:mean'}


@pytest.mark.parametrize(
    ('args', 'sentence'),
    [
        (('--enhancers', 'mean_mach'), 'did you mean `MeanMatch`'),
        (('--enhancers', 'ruas:fit'), '`ruas:fit` cannot be fitted'),
        (('--enhancers', 'fixed_gain:fit'), '`fixed_gain:fit` has nothing to be fitted on'),
        (('--enhancers', 'ruas:'), '`ruas:` is not NAME'),
        (('--enhancers', 'mean_match@weights=x'), '`weights` in `mean_match@weights=x` is no'),
        (('--enhancers', 'mean_match@goal=1'), '`goal`'),
        (('--enhancers', 'psenet@width=wide'), '`width` of `PSENet` must be float'),
        (('--enhancers', 'identity', '--out', '.'), '--out: `.` is a folder: name the file'),
        (('--enhancers', 'identity', '--scorer', 'iqa'), '`iqa` is not NAME=MODULE:FUNCTION'),
        (('--enhancers', 'identity', '--scorer', 'iqa=no.such:f'), '`iqa` cannot be imported'),
        (('--enhancers', 'identity', '--scorer', 'iqa=numpy:shape'), 'returned (9, 11, 3), which'),
        (('--enhancers', 'identity', '--scale', '2'), '`--scale` and `--subset` are those of'),
        (('--enhancers', 'identity', '--rellisur', 'x'), 'give either `--rellisur` or pairs'),
        (('--enhancers', 'identity', '--metrics', 'brisque'), '`brisque` needs the support'),
    ],
)
def test_mistakes_are_told_in_a_sentence(run, tmp_path, monkeypatch, args, sentence):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))
    make_pairs(tmp_path, 1)
    named = ('--pair', tmp_path / 'dark/00.png', tmp_path / 'bright/00.png')
    if args[-1] == 'brisque':
        pytest.importorskip('piq')
    code, _, err = run(*named, *args)
    assert (code, sentence in err) == (2, True), err
    assert 'Traceback' not in err


def test_pictures_that_do_not_fit_are_named(run, tmp_path):
    make_pairs(tmp_path, 1)
    save(tmp_path / 'bright' / '00.png', np.zeros((8, 8, 3)))
    code, _, err = run(*folders(tmp_path), '--enhancers', 'identity')
    assert code == 2 and '`00.png` (3, 9, 11) and its reference (3, 8, 8)' in err
    code, _, err = run(
        '--pair', tmp_path / 'no.png', tmp_path / 'no.png', '--enhancers', 'identity'
    )
    assert code == 2 and 'no.png` is not there' in err
    code, _, err = run('--enhancers', 'identity')
    assert code == 2 and 'no pictures: give `--pairs' in err
