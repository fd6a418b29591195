"""tools/analysis_tools/benchmark_enhancers.py and the plain sequence of RUAS."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from llv.apis import init_enhancer
from llv.models.enhancers.identity import Identity
from llv.models.enhancers.mean_match import MeanMatch
from llv.models.enhancers.ruas import RUAS
from llv.utils.pictures import read_picture, to_tensor

TOOLS = Path(__file__).parents[2] / 'tools' / 'analysis_tools'


def load(path):
    spec = importlib.util.spec_from_file_location(f'tool_{path.stem}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def tool():
    return load(TOOLS / 'benchmark_enhancers.py')


@pytest.fixture(autouse=True)
def same_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


FEW = ('--sizes', '12x20', '--repeats', '2')


def test_a_run_fills_table_json_and_page(tool, tmp_path, capsys):
    page, figures = tmp_path / 'page.md', tmp_path / 'new' / 'figures.json'
    page.write_text('Text\n<!-- begin benchmark -->\n<!-- end benchmark -->\n')
    chosen = ('ruas:variant=cvpr,version=RUAS', 'mean_match')
    tool.main(
        ['--enhancers', *chosen, *FEW, '--batch-sizes', '1', '2', '--estimate-scales', '1']
        + ['--against-plain', '--json', str(figures), '--write', str(page)]
    )
    rows = json.loads(figures.read_text())['rows']
    assert [(row['enhancer'], row['batch_size']) for row in rows] == [
        ('RUAS variant=cvpr version=RUAS', 1),
        ('MeanMatch', 1),
        ('RUAS variant=cvpr version=RUAS', 2),
        ('MeanMatch', 2),
    ]
    ruas, mean_match = rows[:2]
    assert ruas['parameters'] == 3438 and mean_match['parameters'] == 0
    assert ruas['plain_difference'] < 1e-5 and 'of_plain' in ruas
    assert 'plain_difference' not in mean_match
    assert rows[2]['macs'] == 2 * ruas['macs'] > 0
    assert all(row['seconds'] > 0 and row['copies'] > 0 and row['peak_memory'] > 0 for row in rows)
    shown = capsys.readouterr().out
    assert '3,438' in shown and shown.strip() in page.read_text()


def test_map_based_enhancers_have_a_row_for_each_estimate_scale(tool, tmp_path):
    figures = tmp_path / 'figures.json'
    tool.main(['--enhancers', 'zero_dce', 'identity', *FEW, '--json', str(figures)])
    rows = json.loads(figures.read_text())['rows']
    scales = [(row['enhancer'], row['estimate_scale']) for row in rows]
    assert scales == [('ZeroDCE', 1.0), ('ZeroDCE', 0.5), ('ZeroDCE', 0.25), ('Identity', 1.0)]
    assert rows[0]['macs'] == 4 * rows[1]['macs']


def test_peak_memory_is_that_of_the_tensors_held_at_once(tool):
    images = torch.zeros(1, 3, 400, 50)
    held = {
        'nothing': lambda x: x,
        'one, changed in place': lambda x: (x + 1).mul_(2),
        'two': lambda x: (x + 1) * 2,
        # what is freed on the way does not add up
        'one at a time': lambda x: [(x + k).sum() for k in range(5)],
    }
    with torch.no_grad():
        copies = {name: tool.peak_memory(run, images) / images.nbytes for name, run in held.items()}
    # scalars take a few bytes
    wanted = {'nothing': 0, 'one, changed in place': 1, 'two': 2, 'one at a time': 1}
    assert copies == pytest.approx(wanted, abs=1e-3)


def test_a_form_that_fails_is_told_and_the_others_go_on(tool):
    def broken(images):
        raise RuntimeError('no compiler\nsecond line')

    entries = [
        dict(label='A', form='compiled', enhancer=Identity(), scale=1.0, run=broken, plain=None),
        dict(
            label='B',
            form='',
            enhancer=MeanMatch(),
            scale=1.0,
            run=tool.forward_of(MeanMatch()),
            plain=None,
        ),
    ]
    args = tool.parse_args(['--repeats', '1'])
    rows = tool.measure(entries, (8, 8), 1, args)
    assert rows[0]['failed'] == 'RuntimeError: no compiler' and 'seconds' not in rows[0]
    assert rows[1]['seconds'] > 0
    text = tool.report(rows, args)
    assert '* A compiled: RuntimeError: no compiler' in text and '`B`' in text


@pytest.mark.parametrize(
    'text, name, options',
    [
        ('ruas', 'ruas', {}),
        (
            'ruas:version=RUAS_A,stages=2,t_min=1e-3',
            'ruas',
            dict(version='RUAS_A', stages=2, t_min=1e-3),
        ),
        ('llv::ruas/x.py:weights=a/b.pt', 'llv::ruas/x.py', dict(weights='a/b.pt')),
    ],
)
def test_options_are_read_behind_the_name(tool, text, name, options):
    assert tool.parse_enhancer(text) == (name, options)


@pytest.mark.parametrize(
    'arguments, sentence',
    [
        (('--sizes', '12'), 'must be HEIGHTxWIDTH'),
        (('--enhancers', 'ruas:stages'), 'must be NAME:KEY=VALUE'),
        (('--repeats', '0'), 'must be a whole number from 1'),
        (('--enhancers', 'ruas:gain=2', *FEW), '`RUAS` takes no `gain`'),
        (('--enhancers', 'no_such', *FEW), 'is no registered enhancer'),
    ],
)
def test_mistakes_are_told_in_a_sentence(tool, monkeypatch, capsys, arguments, sentence):
    monkeypatch.delenv('LLV_DEBUG', raising=False)
    with pytest.raises(SystemExit) as leaving:
        tool.main(list(arguments))
    assert leaving.value.code == 2 and sentence in capsys.readouterr().err


# ---------------------------------------------------------------- the plain sequence of RUAS


@pytest.fixture(scope='module')
def plain():
    return load(TOOLS / 'plain_sequences' / 'ruas.py')


@pytest.mark.parametrize(
    'options',
    [
        dict(),
        dict(variant='cvpr', version='RUAS'),
        dict(version='RUAS', stages=2),
        dict(variant='detection'),
        dict(version='RUAS_A'),
    ],
)
@torch.no_grad()
def test_the_plain_sequence_is_the_enhancer(plain, options):
    torch.manual_seed(0)
    enhancer = RUAS(**options).eval()
    if enhancer.noise_estimator is not None:  # let the red channel decide: noisy, not noisy
        for conv in enhancer.noise_estimator.convs:
            conv.weight.zero_()
            conv.bias.zero_()
            conv.weight[0, 0, 1, 1] = 1
    pictures = torch.rand(2, 3, 13, 17) * torch.tensor([0.5, 0.001]).view(2, 1, 1, 1)
    wanted = enhancer(pictures).image
    torch.testing.assert_close(plain.forward(enhancer, pictures), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize('weights', ['journal_lol', 'cvpr21_lol'])
@pytest.mark.parametrize('image', ['lol_00001', 'lol_00271'])
@torch.no_grad()
def test_the_plain_sequence_gives_the_published_result(reference_dir, plain, weights, image):
    folder = reference_dir / 'ruas'
    golden = np.load(folder / f'{weights}__{image}.npz')
    file = dict(journal_lol='lol.pt', cvpr21_lol='cvpr21_lol.pt')[weights]
    version = 'RUAS_A' if weights == 'journal_lol' else 'RUAS'
    enhancer = init_enhancer('ruas', str(folder / file), version=version)
    picture = to_tensor(read_picture(folder / f'{image}_input.png'))[None]
    out = plain.forward(enhancer, picture)[0]
    y, x, size = golden['crop_yx_size'].tolist()
    wanted = golden['u_out'].clip(0, 1)
    np.testing.assert_allclose(out[:, y : y + size, x : x + size], wanted, rtol=0, atol=1e-5)
