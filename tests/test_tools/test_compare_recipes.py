"""tools/analysis_tools/compare_recipes.py: trains arms, keeps them, and tells mistakes before it trains."""

import json
import runpy
from pathlib import Path

import pytest

from llv.datasets.night_scenes import write_night_scenes

TOOL = 'analysis_tools/compare_recipes'
CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
ARM = dict(name='PSENet', config=str(CONFIGS / 'psenet' / 'psenet_night-scenes.py'))
SHORT = (
    '--cfg-options', 'train_cfg.max_iters=2', 'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False', 'train_dataloader.batch_size=1',
)  # fmt: skip


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp('scenes')
    write_night_scenes(root, splits=dict(train=2, val=1), size=(64, 64), workers=1)
    return root


@pytest.fixture
def compare(tmp_path, scenes, call_tool):
    def call(content, *arguments):
        file = tmp_path / 'arms.json'
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        folder = ('--data', scenes, '--work-dir', tmp_path / 'work')
        return call_tool(TOOL, file, *folder, *arguments)

    return call


def test_arms_are_trained_measured_and_kept(tmp_path, compare):
    wide = dict(ARM, name='wide', options={'model.enhancer.width': 2.0}, seeds=[0, 1])
    page, figures = tmp_path / 'page.md', tmp_path / 'new' / 'figures.json'
    page.write_text('before <!-- begin t --> old <!-- end t --> after')
    given = ({'t': [ARM, wide]}, '--write', page, '--json', figures, *SHORT)
    status, error = compare(*given)
    assert status == 0, error
    text = page.read_text()
    assert text.startswith('before ') and text.endswith(' after') and 'old' not in text
    report = json.loads(figures.read_text())
    assert len(report['controls']) == 4 and report['pictures'] == 1
    plain, twice = report['tables']['t']
    assert (plain['seeds'], twice['seeds']) == (1, 2)
    assert (plain['iterations'], plain['parameters']) == (2, 15251)
    assert twice['parameters'] == 52987 and twice['psnr_spread'] > 0
    best = max(row['psnr'] for row in report['controls'][1:3])
    assert f'{plain["psnr"] - best:+.2f}' in text

    # the second time nothing is trained
    records = {f: f.stat().st_mtime_ns for f in (tmp_path / 'work').rglob('result.json')}
    assert len(records) == 3
    status, error = compare(*given)
    assert status == 0, error
    assert {f: f.stat().st_mtime_ns for f in (tmp_path / 'work').rglob('result.json')} == records
    assert json.loads(figures.read_text())['tables'] == report['tables']


def test_what_an_arm_builds_on_has_its_pictures_and_its_seed_to_the_last_run():
    options = runpy.run_path(f'{CONFIGS.parent}/tools/{TOOL}.py')['upstream_options']
    own = {'train_dataloader.dataset.data_root': 'here/', 'randomness.seed': 4}
    found = options(str(CONFIGS / 'ruas' / 'ruas-a_night-scenes.py'), 'here/', 4)
    assert found == {**own, 'upstream.0.cfg_options': {**own, 'upstream.0.cfg_options': own}}
    # α is judged by pictures of the same folder
    judge = {'train_cfg.valid_dataloader.dataset.data_root': 'here/'}
    search = str(CONFIGS / 'night_scenes' / 'search' / 'ruas.py')
    assert options(search, 'here/', 4) == {**own, **judge}


def test_an_arm_is_another_one_where_what_it_builds_on_changed(tmp_path):
    tool = runpy.run_path(str(CONFIGS.parent / 'tools' / f'{TOOL}.py'))
    first = tmp_path / 'first.py'
    first.write_text(Path(ARM['config']).read_text().replace("'../", f"'{CONFIGS}/"))
    arm = tmp_path / 'second.py'
    arm.write_text(
        f"_base_ = '{first}'\nupstream = [dict(config='{first}', into='model.enhancer.weights')]\n"
    )
    cfg = tool['load_config'](str(arm))
    before = tool['chain_digests'](cfg, 0)
    assert before == tool['chain_digests'](cfg, 0) != tool['chain_digests'](cfg, 1)
    assert tool['chain_digests'](tool['load_config'](str(first)), 0) == []
    first.write_text(first.read_text() + '\ntrain_cfg = dict(max_iters=7)\n')
    assert tool['chain_digests'](cfg, 0) != before


@pytest.mark.parametrize(
    'content, words',
    [
        ('{', 'is no JSON file'),
        ('[]', 'must hold an object of table names and lists of arms'),
        ({'t': {}}, 'must hold an object of table names and lists of arms'),
        ({'t': ['x']}, 'an arm of `t` in '),
        ({'t': [dict(name='x')]}, 'has no `name` or no `config`'),
        ({'t': [dict(ARM, opions={})]}, 'takes no `opions`'),
        ({'t': [dict(ARM, seeds=3)]}, 'must be a list of whole numbers, but got 3'),
        ({'t': [dict(ARM, seeds=[])]}, 'must be a list of whole numbers, but got []'),
        ({'t': [dict(ARM, options=[1])]}, '`options` of an arm'),
        ({'t': [dict(ARM, options={'model.type.x': 1})]}, 'do not fit the config'),
        ({'t': [ARM, dict(ARM, config='gone.py')]}, 'gone.py` is not there'),
        ({'t': [dict(ARM, config='llv::ssd/ssd300_exdark.py')]}, 'trains no enhancer'),
    ],
)
def test_a_wrong_arms_file_is_told_before_training(tmp_path, compare, content, words):
    status, error = compare(content)
    last = error.strip().splitlines()[-1]
    assert status == 2 and last.startswith('error: ') and words in last
    assert not (tmp_path / 'work').exists()


def test_wrong_arguments_are_told_before_training(tmp_path, compare, call_tool):
    good, page = {'t': [ARM]}, tmp_path / 'page.md'
    for arguments, words in (
        (['--tables', 'u'], 'has no table `u`; it has t'),
        (['--write', page], f'The page `{page}` is not there'),
        (['--max-pictures', '0'], 'must be a whole number from 1'),
        (['--protocol', 'x'], "invalid choice: 'x'"),
        (['--cfg-options', 'x'], '`--cfg-options x` has no `=`'),
        (['--data', tmp_path], 'holds no picture; write them with tools/make_night_scenes.py'),
    ):
        status, error = compare(good, *arguments)
        assert status == 2 and words in error, arguments
    page.write_text('no marks')
    status, error = compare(good, '--write', page)
    assert status == 2 and '`<!-- begin t -->`' in error
    status, error = call_tool(TOOL, tmp_path / 'gone.json')
    assert status == 2 and 'gone.json` is not there' in error
    assert not (tmp_path / 'work').exists()
