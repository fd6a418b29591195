"""The zoo: metafiles and their page agree with the configs, the weights and the kept results."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config

from llv.models.enhancers import published

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / 'configs'
PAGE = ROOT / 'docs' / 'zoo.md'
INDEX = yaml.safe_load((ROOT / 'model-index.yml').read_text(encoding='utf-8'))['Import']
METAFILES = {
    name: yaml.safe_load((ROOT / name).read_text(encoding='utf-8'))
    for name in INDEX
    if (ROOT / name).is_file()
}
MODELS = [model for content in METAFILES.values() for model in content['Models']]
COLLECTIONS = [entry for content in METAFILES.values() for entry in content['Collections']]
NIGHT = 'night scenes (synthetic)'


def run_tool(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', ['zoo_tables.py', *map(str, arguments)])
    runpy.run_path(str(ROOT / 'tools' / 'zoo_tables.py'), run_name='__main__')


# ------------------------------------------------------------------------------- configs and files


def test_every_config_has_one_entry_and_every_entry_its_config():
    listed = [model['Config'] for model in MODELS]
    assert len(set(listed)) == len(listed)
    there = [path for path in CONFIGS.rglob('*.py') if '_base_' not in path.parts]
    assert {str(path.relative_to(ROOT)) for path in there} == set(listed)


def test_an_entry_stands_in_the_metafile_of_its_folder():
    for name, content in METAFILES.items():
        assert {str(Path(model['Config']).parent) for model in content['Models']} == {
            str(Path(name).parent)
        }


def test_names_are_unique_since_mim_keys_the_whole_index_by_them():
    names = [model['Name'] for model in MODELS]
    assert len(set(names)) == len(names)
    for model in MODELS:
        path = Path(model['Config'])
        # the stem, behind its folder where another folder has the same
        assert model['Name'] in (path.stem, f'{path.parent.name}_{path.stem}')
        assert ',' not in model['Name'] and '/' not in model['Name']


def test_collections_have_their_pages_and_models_their_collections():
    names = [entry['Name'] for entry in COLLECTIONS]
    assert len(set(names)) == len(names)
    for entry in COLLECTIONS:
        assert (ROOT / entry['README']).is_file()
    for content in METAFILES.values():
        own = {entry['Name'] for entry in content['Collections']}
        assert {model['In Collection'] for model in content['Models']} == own


def test_the_hub_finds_a_config_through_the_index():
    from mmengine.hub import get_config

    for name in ('psenet/psenet_night-scenes.py', 'night_scenes/half_size/trico.py'):
        assert get_config(f'llv::{name}').filename.endswith(f'.mim/configs/{name}')


@pytest.fixture
def ask_mim(tmp_path):
    """Asks openmim for facts of an llv that lies as a wheel puts it; returns what it said, errors included."""
    pytest.importorskip('mim', reason='openmim is not installed')
    (tmp_path / 'llv').mkdir()
    (tmp_path / 'llv' / '.mim').symlink_to(ROOT)
    (tmp_path / 'llv-0.1.0.dist-info').mkdir()
    about = 'Metadata-Version: 2.1\nName: llv\nVersion: 0.1.0\n'
    (tmp_path / 'llv-0.1.0.dist-info' / 'METADATA').write_text(about)
    paths = os.pathsep.join([str(tmp_path), *sys.path])

    def ask(code):
        done = subprocess.run(
            [sys.executable, '-c', code],
            cwd=tmp_path,
            env={**os.environ, 'PYTHONPATH': paths},
            capture_output=True,
            text=True,
        )
        return done.stdout + done.stderr

    return ask


def test_mim_lists_every_config(ask_mim):
    said = ask_mim(
        'import json; from mim import get_model_info; '
        "print(json.dumps(list(get_model_info('llv', to_dict=True))))"
    )
    line = next(line for line in said.splitlines() if line.startswith('['))
    assert sorted(json.loads(line)) == sorted(model['Name'] for model in MODELS)


def test_mim_downloads_nothing_as_the_page_says(ask_mim):
    said = ask_mim("from mim import download; download('llv', ['psenet_night-scenes'])")
    assert 'Expected fields' in said and "but got {'weight'}" in said
    text = ' '.join(PAGE.read_text(encoding='utf-8').split())
    assert "`ValueError: Expected fields …, but got {'weight'}`" in text


# ----------------------------------------------------------------------------------------- figures


def results_of(config, data=NIGHT):
    model = next(model for model in MODELS if model['Config'] == config)
    return next(entry for entry in model['Results'] if entry['Dataset'] == data)


def test_results_of_recipes_are_the_kept_ones():
    rows = json.loads((ROOT / 'docs' / 'recipes.json').read_text(encoding='utf-8'))
    rows = {row['name']: row for row in rows['tables']['recipes']}
    arms = json.loads((CONFIGS / 'night_scenes' / 'recipes.json').read_text(encoding='utf-8'))
    for arm in arms['recipes']:
        config = (CONFIGS / 'night_scenes' / arm['config']).resolve().relative_to(ROOT)
        found, row = results_of(str(config)), rows[arm['name']]
        assert found['Metrics'] == dict(PSNR=round(row['psnr'], 2), SSIM=round(row['ssim'], 3))
        assert found['Seeds'] == row['seeds']


@pytest.mark.parametrize(
    'stem, key, data',
    [
        ('ssd-small_day', 'day', 'day scenes (synthetic)'),
        ('ssd-small_night_ruas_zero-shot', 'zero-shot_ruas', NIGHT),
        ('ssd-small_night_detector-only', 'direct', NIGHT),
        ('ssd-small_night_mean-match', 'mean-match', NIGHT),
        ('ssd-small_night_ruas_hierarchical', 'hierarchical', NIGHT),
    ],
)
def test_results_of_detectors_are_those_of_the_demo(stem, key, data):
    arms = json.loads((ROOT / 'docs' / 'demo_summary.json').read_text(encoding='utf-8'))['arms']
    arm = next(arm for arm in arms if arm['key'] == key)
    found = results_of(f'configs/night_scenes/{stem}.py', data)
    assert found['Metrics'] == pytest.approx(
        dict(mAP=100 * arm['mAP'], AP50=100 * arm['AP50']), abs=0.051
    )
    assert found['Seeds'] == len(arm['seeds'])


def test_nothing_else_claims_to_be_measured():
    measured = [model['Config'] for model in MODELS if 'Results' in model]
    assert len(measured) == 12 + 5


def test_figures_of_papers_stand_on_the_page_that_is_named():
    published_models = [model for model in MODELS if 'Published' in model]
    assert len(published_models) > 30
    for model in published_models:
        for entry in model['Published']:
            text = (ROOT / entry['Page']).read_text(encoding='utf-8').replace('0.', '.')
            for value in entry['Metrics'].values():
                shown = f'{value:g}'.replace('0.', '.')
                assert re.search(rf'(?<!\d){re.escape(shown)}0*(?!\d)', text), (
                    model['Name'],
                    value,
                )


# ----------------------------------------------------------------------------------------- weights


def test_weights_of_the_collections_are_the_table_of_published_weights():
    listed = {
        entry['Name']: entry for part in COLLECTIONS for entry in part.get('Published Weights', ())
    }
    assert set(listed) == set(published.PUBLISHED)
    for name, row in published.PUBLISHED.items():
        entry = listed[name]
        assert entry.get('SHA256', '') == row.sha256
        assert (entry['License'], entry['Training Data']) == (row.licence, row.trained_on)
        if row.is_packaged:
            assert ROOT / entry['Source'] == row.file and row.file.is_file()
        else:
            assert entry['Source'] == row.url


def test_weights_of_a_config_belong_to_its_enhancer():
    for model in MODELS:
        if 'Published Weights' in model:
            row = published.PUBLISHED[model['Published Weights']]
            enhancer = Config.fromfile(ROOT / model['Config']).model.enhancer
            assert enhancer.type == f'llv.{row.enhancer}'


def test_no_file_of_others_is_offered_to_loaders_that_do_not_verify():
    # mim and mmengine's hub download `Weights` and load what comes
    assert not any('Weights' in model for model in MODELS)


# -------------------------------------------------------------------------------------------- page


def test_the_page_is_what_the_tool_writes(monkeypatch, tmp_path):
    copy = tmp_path / 'zoo.md'
    copy.write_text(PAGE.read_text(encoding='utf-8'), encoding='utf-8')
    run_tool(monkeypatch, '--write', copy)
    assert copy.read_text(encoding='utf-8') == PAGE.read_text(encoding='utf-8')


def test_the_page_has_ours_beside_the_papers():
    lines = PAGE.read_text(encoding='utf-8').splitlines()
    line = next(line for line in lines if '[`psenet_sice`]' in line)
    assert 'SICE: not run ([PSNR 17.74, SSIM 0.704]' in line and '`psenet-sice`' in line
    line = next(line for line in lines if '[`drbn-enc_night-scenes`]' in line)
    assert '[PSNR 20.38, SSIM 0.905, 1 seed](recipes.md) (–)' in line


def test_a_metafile_that_is_gone_is_named(monkeypatch, tmp_path, capsys):
    (tmp_path / 'model-index.yml').write_text('Import: [configs/a/metafile.yml]\n')
    with pytest.raises(SystemExit) as error:
        run_tool(monkeypatch, '--index', tmp_path / 'model-index.yml')
    assert error.value.code == 2
    assert 'lists `configs/a/metafile.yml`, which is not there' in capsys.readouterr().err


def test_a_folder_without_a_place_on_the_page_is_named(monkeypatch, tmp_path, capsys):
    file = tmp_path / 'configs' / 'newcomer' / 'metafile.yml'
    file.parent.mkdir(parents=True)
    file.write_text('Collections: []\nModels: []\n')
    (tmp_path / 'model-index.yml').write_text('Import: [configs/newcomer/metafile.yml]\n')
    with pytest.raises(SystemExit):
        run_tool(monkeypatch, '--index', tmp_path / 'model-index.yml')
    assert 'add `newcomer` to `GROUPS`' in capsys.readouterr().err


def test_the_index_of_data_sets_downloads_nothing_without_asking():
    text = (ROOT / 'dataset-index.yml').read_text(encoding='utf-8')
    assert yaml.safe_load(text) == {}
