"""The table of published weights: names, recognition, cache, options."""

import dataclasses
import shutil

import pytest
import torch

from llv.apis import init_enhancer, registered_enhancers
from llv.models.enhancers import published
from llv.models.enhancers.published import PUBLISHED, fetch, find, recognise
from llv.models.enhancers.ruas import RUAS

FILES = {
    'ruas-lol': 'ruas/lol.pt',
    'ruas-cvpr-lol': 'ruas/cvpr21_lol.pt',
    'psenet-sice': 'psenet/sice.pth',
    'zero-dce-sice': 'zerodce/Epoch99.pth',
    'fecnet-sice': 'erl/fecnet_sice_0_bestavg.pth',
    'eclnet-sice': 'erl/eclnet_sice_0_bestavg.pth',
}


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty user cache, and no network."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))

    def refuse(*args, **kwargs):
        raise OSError('no network in tests')

    monkeypatch.setattr('urllib.request.urlopen', refuse)
    return tmp_path / 'cache' / 'llv' / 'weights'


@pytest.mark.parametrize('row', PUBLISHED.values(), ids=list(PUBLISHED))
def test_rows_name_registered_enhancers_and_carry_what_a_user_must_know(row):
    assert f'llv.{row.enhancer}' in registered_enhancers()
    assert row.licence and row.trained_on and row.repository
    assert row.input_range in ('[0, 1]', '[-1, 1]') and row.colour_order == 'RGB'
    assert len(row.sha256) in (0, 16, 64)
    assert row.is_packaged or row.url.startswith('https://github.com/')


@pytest.mark.parametrize('name', FILES)
def test_official_files_are_recognised_wherever_they_lie(reference_dir, tmp_path, name):
    path = tmp_path / 'whatever.bin'
    shutil.copy(reference_dir / FILES[name], path)
    assert recognise(path) is PUBLISHED[name]
    row = PUBLISHED[name]
    enhancer = init_enhancer(row.enhancer, weights=path)
    for option, value in row.options.items():
        assert enhancer._options[option] == value


@pytest.mark.parametrize('name', FILES)
def test_a_name_takes_the_file_from_the_cache(reference_dir, cache, name):
    row = PUBLISHED[name]
    cache.mkdir(parents=True)
    shutil.copy(reference_dir / FILES[name], row.file)
    by_name = init_enhancer(name)
    by_file = init_enhancer(row.enhancer, weights=reference_dir / FILES[name])
    assert type(by_name).__name__ == row.enhancer
    for key, tensor in by_file.state_dict().items():
        assert torch.equal(by_name.state_dict()[key], tensor)


def test_offline_with_an_empty_cache_one_sentence_says_what_to_do(cache):
    row = PUBLISHED['psenet-sice']
    with pytest.raises(FileNotFoundError) as error:
        init_enhancer('psenet-sice')
    text = str(error.value)
    for part in ('psenet-sice', row.path, row.url, str(row.file), 'no network'):
        assert part in text
    assert '\n' not in text


def test_a_file_without_a_known_digest_is_not_fetched():
    with pytest.raises(FileNotFoundError, match='no sha256 is known'):
        fetch(PUBLISHED['psenet-msec'])


def test_another_file_in_the_cache_is_refused(cache):
    cache.mkdir(parents=True)
    PUBLISHED['ruas-lol'].file.write_bytes(b'something else')
    with pytest.raises(ValueError, match='is not the published file of `ruas-lol`'):
        init_enhancer('ruas-lol')


def test_what_is_fetched_is_kept(reference_dir, monkeypatch, cache):
    data = (reference_dir / FILES['ruas-lol']).open('rb')
    asked = []

    def answer(url, timeout):
        asked.append(url)
        return data

    monkeypatch.setattr('urllib.request.urlopen', answer)
    for _ in range(2):
        assert isinstance(init_enhancer('ruas-lol'), RUAS)
    assert asked == [PUBLISHED['ruas-lol'].url]


def test_names_are_forgiving_and_typing_errors_get_a_hint():
    assert find('PSENet_SICE') is PUBLISHED['psenet-sice']
    assert find('psenet') is None
    with pytest.raises(ValueError, match='did you mean `ruas-lol`'):
        init_enhancer('ruas-lo')
    with pytest.raises(FileNotFoundError, match='write the published `ruas-lol`'):
        init_enhancer('ruas', weights='ruas-lo')


def test_weights_of_another_enhancer_are_told_by_name(reference_dir):
    with pytest.raises(ValueError, match='`psenet-sice` of `PSENet`, not of `RUAS`'):
        RUAS(weights='psenet-sice')
    with pytest.raises(ValueError, match='`psenet-sice` of `PSENet`, not of `RUAS`'):
        RUAS(weights=reference_dir / FILES['psenet-sice'])


def test_a_trained_model_outlives_weights_that_cannot_be_fetched():
    enhancer = RUAS(weights='ruas-lol')
    picture = torch.rand(1, 3, 8, 8)
    with pytest.raises(FileNotFoundError, match='ruas-lol.*could not be fetched'):
        enhancer(picture)
    trained = RUAS()
    enhancer.load_state_dict(trained.state_dict())
    assert torch.equal(enhancer(picture).image, trained(picture).image)


def test_weights_that_come_with_llv_are_the_ones_of_the_table():
    packaged = [row for row in PUBLISHED.values() if row.is_packaged]
    for row in packaged:
        assert row.file.stat().st_size < 300_000
        assert fetch(row) == row.file
        assert len(row.sha256) == 64
        init_enhancer(row.name)
        wrong = dataclasses.replace(row, sha256='0' * 64)
        with pytest.raises(ValueError, match='is not the published file'):
            published.fetch(wrong)
