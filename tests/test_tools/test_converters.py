"""tools/model_converters/official_to_llv.py."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from llv.apis import init_enhancer
from llv.models.enhancers import published
from llv.utils.checkpoint import load_checkpoint
from llv.utils.downloads import sha256_of

TOOL = Path(__file__).parents[2] / 'tools' / 'model_converters' / 'official_to_llv.py'

# file below the reference folder, enhancer, options, name in the table
OFFICIAL = [
    ('psenet/sice.pth', 'psenet', {}, 'psenet-sice'),
    ('zerodce/Epoch99.pth', 'zero_dce', {}, 'zero-dce-sice'),
    ('ruas/lol.pt', 'ruas', dict(version='RUAS_A'), 'ruas-lol'),
    ('ruas/cvpr21_lol.pt', 'ruas', dict(version='RUAS'), 'ruas-cvpr-lol'),
    ('erl/fecnet_sice_0_bestavg.pth', 'fecnet', {}, 'fecnet-sice'),
]


@pytest.fixture
def run(monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location('tool_official_to_llv', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv('LLV_DEBUG', raising=False)

    def call(*arguments):
        monkeypatch.setattr(sys, 'argv', ['official_to_llv.py', *map(str, arguments)])
        status = 0
        try:
            module.main()
        except SystemExit as leaving:
            status = leaving.code
        return status, *capsys.readouterr()

    return call


@pytest.mark.parametrize('named', [True, False])
@pytest.mark.parametrize('file, enhancer, options, name', OFFICIAL)
@torch.no_grad()
def test_the_checkpoint_is_the_official_network(
    reference_dir, run, tmp_path, file, enhancer, options, name, named
):
    official, out = reference_dir / file, tmp_path / 'new' / 'llv.pth'
    arguments = ['--enhancer', enhancer] if named else []
    if options:
        arguments += ['--options', *(f'{key}={value}' for key, value in options.items())]
    status, stdout, _ = run(official, '--out', out, *arguments)
    assert status == 0 and name in stdout
    picture = 0.2 * torch.rand(1, 3, 24, 28, generator=torch.Generator().manual_seed(0))
    wanted = init_enhancer(enhancer, str(official), **options)(picture).image
    # the options travel inside
    part = dict(version=options['version']) if 'version' in options else {}
    assert torch.equal(init_enhancer(enhancer, str(out), **part)(picture).image, wanted)

    checkpoint = load_checkpoint(out)
    row = published.PUBLISHED[name]
    assert checkpoint['meta']['sha256'] == sha256_of(official)
    assert checkpoint['meta']['licence'] == row.licence
    assert checkpoint['meta']['repository'] == row.repository
    assert all(key.startswith('enhancer.') for key in checkpoint['state_dict'])


def test_a_file_that_the_table_does_not_know_says_so(run, tmp_path):
    mine, out = tmp_path / 'mine.pth', tmp_path / 'out.pth'
    torch.save(init_enhancer('ruas').state_dict(), mine)
    status, _, err = run(mine, '--out', out)
    assert status == 2 and 'name its network with `--enhancer`' in err
    assert run(mine, '--out', out, '--enhancer', 'ruas')[0] == 0
    assert load_checkpoint(out)['meta']['licence'] == 'unknown'


def test_the_weights_of_another_network_are_refused(run, tmp_path):
    other, out = tmp_path / 'other.pth', tmp_path / 'out.pth'
    torch.save(dict(layer=torch.zeros(3)), other)
    status, _, err = run(other, '--out', out, '--enhancer', 'ruas')
    assert status == 2 and 'holds the weights of another network' in err
    assert len(err.strip().splitlines()) == 1
    assert not out.exists()


@pytest.mark.parametrize(
    'official, sentence', [('gone.pth', 'is not there'), ('mine.pth', 'is the official file')]
)
def test_mistakes_about_files_are_told(run, tmp_path, official, sentence):
    torch.save(init_enhancer('ruas').state_dict(), tmp_path / 'mine.pth')
    before = sha256_of(tmp_path / 'mine.pth')
    arguments = ('--out', tmp_path / 'mine.pth', '--enhancer', 'ruas')
    status, _, err = run(tmp_path / official, *arguments)
    assert status == 2 and sentence in err
    assert sha256_of(tmp_path / 'mine.pth') == before
