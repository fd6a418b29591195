"""The tables of the page on searches name what is there, and its example builds."""

import re
from functools import reduce
from operator import getitem

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')
from docs_commands import ROOT, configs_off_their_page  # noqa: E402

from llv.apis import clear_pretrained  # noqa: E402
from llv.engine.loops.search_levels import divide  # noqa: E402
from llv.registry import MODELS  # noqa: E402
from llv.search.genotype_file import make_genotype  # noqa: E402
from llv.search.searchable import Searchable, searchable_modules  # noqa: E402
from llv.search.spaces import SPACES  # noqa: E402

PAGE = ROOT / 'docs' / 'search.md'
TEXT = PAGE.read_text(encoding='utf-8')
FOLDER = ROOT / 'configs' / 'night_scenes' / 'search'
PAGES = [PAGE, ROOT / 'docs' / 'search_night_scenes.md', FOLDER / 'README.md']
SEARCHES = sorted(
    path
    for path in [*FOLDER.glob('*.py'), *ROOT.glob('configs/*/*search*.py')]
    if 'searched' not in path.stem and 'fixed' not in path.stem
)
SEARCHED = [path.with_name(path.name.replace('search_', 'searched_').replace('_search.', '_searched.'))
            for path in SEARCHES if path.parent != FOLDER]  # fmt: skip
SEARCHED += sorted(FOLDER.glob('*_searched.py'))


def built(cfg):
    clear_pretrained(cfg)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')), torch.device('meta'):
        return MODELS.build(cfg.model)


def some_genotype(module):
    """Another candidate on each edge."""
    architecture, names = module.architecture, module.search_space.candidates
    edges = {edge: names[-1 - i % len(names)] for i, edge in enumerate(architecture.edges)}
    return make_genotype(module.genotype_module, module.search_space, edges)


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.parent.name)
def test_links_lead_to_files(page):
    targets = re.findall(r'\]\((?!http)([^)#]+)\)', page.read_text(encoding='utf-8'))
    assert targets and [t for t in targets if not (page.parent / t).is_file()] == []


def test_the_readme_lists_every_config_and_the_page_every_large_one():
    assert configs_off_their_page(FOLDER) == []
    large = [path for path in (*SEARCHES, *SEARCHED) if path.parent != FOLDER]
    assert len(large) == 8
    assert [path.name for path in large if f'/{path.parent.name}/{path.name})' not in TEXT] == []


@pytest.mark.parametrize('path', SEARCHES, ids=lambda path: path.stem)
def test_every_level_of_a_search_has_something_to_search(path):
    cfg = Config.fromfile(path)
    loop = cfg.train_cfg
    task = loop.get('task', 'rest')
    levels = divide(built(cfg), None, task, loop.beta, 'cooperative')
    plain = 'plain' in path.stem  # without a scene module
    assert [level.name for level in levels] == (['task'] if plain else ['scene', 'task'])
    assert all(level.alpha and level.omega for level in levels)


@pytest.mark.parametrize('path', SEARCHES, ids=lambda path: path.stem)
def test_no_picture_trains_and_judges(path):
    cfg = Config.fromfile(path)
    train, judge = cfg.train_dataloader.dataset, cfg.train_cfg.valid_dataloader.dataset
    used = [part.indices for part in (train, judge)]
    assert {k: v for k, v in train.items() if k not in ('indices', 'filter_cfg', '_scope_')} == {
        k: v for k, v in judge.items() if k not in ('indices', 'filter_cfg', '_scope_')
    }
    if isinstance(used[0], int):
        count = {'ruas': 1500, 'ruas-search_lol': 485, 'deeplabv3plus_r50_acdc-night_search': 400}
        count = count.get(path.stem, 3000)
        used = [range(count)[:n] if n > 0 else range(count)[n:] for n in used]
    assert not set(used[0]) & set(used[1])


@pytest.mark.parametrize('path', SEARCHED, ids=lambda path: path.stem)
def test_what_was_searched_fits_the_network_that_is_trained(path):
    cfg = Config.fromfile(path)
    (link,) = [link for link in cfg.upstream if link.get('take') == 'genotype']
    search = built(Config.fromfile(link.config))
    places = {into.removeprefix('model.').rpartition('.')[0] for into in link.into}
    places = {re.sub(r'enhancer$', 'enhancer.scene', place) for place in places}
    if cfg.model.type == 'llv.EnhancementModel':
        places.add('enhancer.denoiser')
    assert set(searchable_modules(search)) == places
    found = {place: some_genotype(module) for place, module in searchable_modules(search).items()}
    genotype = dict(llv_genotype=1, parts=found)
    for into in link.into:
        *place, key = into.split('.')
        reduce(getitem, place, cfg)[key] = genotype
    derived = built(cfg)
    assert not searchable_modules(derived)
    modules = dict(derived.named_modules())
    for place, part in found.items():
        assert modules[place].derive()['edges'] == part['edges']


def test_the_example_builds_a_supernet(tmp_path):
    (example,) = re.findall(r"```python\n(_base_ = 'mmdet.*?)```", TEXT, flags=re.DOTALL)
    file = tmp_path / 'example.py'
    file.write_text(example)
    cfg = Config.fromfile(file)
    levels = divide(built(cfg), None, cfg.train_cfg.task, 1.0, 'cooperative')
    assert [level.name for level in levels] == ['scene', 'task']
    assert all(level.alpha and level.omega for level in levels)


def test_tables_name_searchable_modules_and_candidates():
    rows = re.findall(r'^\| `llv\.(\w+)`.*\| `(\w+)` \|$', TEXT, flags=re.MULTILINE)
    named = {name: module for name, module in rows if name != 'RUAS'}
    for name, module in named.items():
        assert MODELS.get(name).genotype_module == module
    folders = tuple(f'llv.models.{part}' for part in ('necks', 'dense_heads', 'decode_heads'))
    known = {c.__name__ for c in _subclasses(Searchable) if c.__module__.startswith(folders)}
    assert set(named) == known
    assert all(f'| `{space}` |' in TEXT for space in SPACES)


def _subclasses(cls):
    return {s for c in cls.__subclasses__() for s in {c, *_subclasses(c)}}
