import json
import shutil
import threading
from pathlib import Path

import pytest
import torch
import toy_search
import toy_training as toy
from mmengine.config import Config

from llv.engine.runner import train
from llv.engine.settings import RunOptions
from llv.engine.upstream import claimed, run_upstreams, upstream_digests
from llv.search.spaces import LOW_LEVEL
from llv.utils.checkpoint import load_checkpoint
from llv.utils.config import load_config

SHORT = 'train_cfg.update(max_epochs=1)\nvisualizer = dict(type="Visualizer", name="visualizer", '
SHORT += 'vis_backends=[dict(type="LocalVisBackend")])\n'


@pytest.fixture
def configs(tmp_path):
    """Three configs, each building on the one before: first ← second ← main."""
    into_second = "upstream = [dict(config='{{ fileDirname }}/first.py', into='model.weights')]"
    into_main = "upstream = [dict(config='{{ fileDirname }}/second.py', into='model.weights')]"
    for name, extra in dict(first='', second=into_second, main=into_main).items():
        (tmp_path / f'{name}.py').write_text(toy.config(workers=0, extra=SHORT + extra))
    return tmp_path


def main_config(configs, work_dir='run', **options):
    cfg = load_config(configs / 'main.py', options)
    cfg.work_dir = str(configs / work_dir)
    return cfg


def folders(*parents):
    """Folders of upstream runs by the name of their config."""
    found = {}
    for parent in parents:
        for record in Path(parent).rglob('result.json'):
            found[record.parent.name.split('_')[1]] = record.parent
    return found


def state(folder):
    """What tells that nothing was written again."""
    return {str(f): f.stat().st_mtime_ns for f in sorted(folder.rglob('*')) if f.is_file()}


def test_chain_trains_and_is_used_again(configs):
    runner = train(main_config(configs), RunOptions())
    upstream = configs / 'run' / 'upstream'
    found = folders(upstream)
    assert set(found) == {'first', 'second'}
    assert found['second'].parent == upstream
    assert found['first'].parent == found['second'] / 'upstream'
    assert found['second'].name.startswith('0_second_')
    record = json.loads((found['second'] / 'result.json').read_text())
    assert record['file'] == 'result.pth' and record['config'].startswith(found['second'].name[-8:])

    # the file holds the enhancer alone, and the next run starts from it
    for name, start in dict(first='second', second='main').items():
        result = torch.load(found[name] / 'result.pth', weights_only=True)['state_dict']
        trained = toy.weights(found[name] / 'epoch_1.pth')
        assert set(result) == {'weight', 'bias'}
        assert all(torch.equal(v, trained[f'enhancer.{k}']) for k, v in result.items())
        folder = found['second'] if start == 'second' else configs / 'run'
        dumped = Config.fromfile(folder / f'{start}.py')
        assert dumped.model.weights == str(found[name] / 'result.pth')
        assert 'upstream' not in dumped
    assert runner.model.weights == str(found['second'] / 'result.pth')
    # curves of the main run are with the main run, though the visualizers share their name
    curves = list((configs / 'run').glob('*/vis_data/scalars.json'))
    assert len(curves) == 1 and len(curves[0].read_text().splitlines()) == 5

    before = state(upstream)
    again = train(main_config(configs), RunOptions())
    assert state(upstream) == before
    first, second = runner.model.state_dict(), again.model.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)

    # a changed result is an error, a lost one is made again from the last checkpoint
    result = found['second'] / 'result.pth'
    expected = toy.weights(result)
    result.write_bytes(result.read_bytes() + b'x')
    with pytest.raises(ValueError, match='delete the folder'):
        run_upstreams(main_config(configs), RunOptions())
    result.unlink()
    cfg = run_upstreams(main_config(configs), RunOptions())
    assert cfg.model.weights == str(result)
    assert all(torch.equal(v, expected[k]) for k, v in toy.weights(result).items())


def test_folder_follows_the_settings_and_not_the_place(configs):
    def names(work_dir, amp=False, **entry):
        cfg = main_config(configs, work_dir)
        cfg.upstream[0].update(config=str(configs / 'first.py'), **entry)
        cfg.upstream_dir = str(configs / 'shared')
        value = run_upstreams(cfg, RunOptions(amp=amp)).model.weights
        return Path(value).parent.name

    plain = names('a')
    before = state(configs / 'shared' / plain)
    assert names('b') == plain
    assert names('a', cfg_options={'work_dir': 'elsewhere'}) == plain
    assert state(configs / 'shared' / plain) == before
    others = {
        names('a', cfg_options={'optim_wrapper.optimizer.lr': 0.02}),
        names('a', amp=True),
        names('a', prefix='head.'),
    }
    assert len(others) == 3 and plain not in others


def test_interrupted_upstream_goes_on(configs, run_tool):
    text = toy.config(workers=0)
    (configs / 'first.py').write_text(text)
    cfg = main_config(configs, 'a')
    cfg.upstream[0].config = str(configs / 'first.py')
    whole = Path(run_upstreams(cfg, RunOptions()).model.weights)
    # as a run leaves it that is killed after its third epoch
    cut = configs / 'b' / 'upstream' / whole.parent.name
    shutil.copytree(whole.parent, cut)
    for file in [*cut.glob('epoch_[456].pth'), cut / 'result.pth', cut / 'result.json']:
        file.unlink()
    (cut / 'last_checkpoint').write_text(str(cut / 'epoch_3.pth'))
    kept = (cut / 'epoch_3.pth').stat().st_mtime_ns
    cfg.work_dir = str(configs / 'b')
    resumed = Path(run_upstreams(cfg, RunOptions()).model.weights)
    assert resumed.parent == cut
    assert toy.equal(resumed, whole)
    assert (cut / 'epoch_3.pth').stat().st_mtime_ns == kept
    assert load_checkpoint(cut / 'epoch_4.pth')['meta']['epoch'] == 4


def test_shared_folder_stands_elsewhere_in_another_list(configs):
    cfg = main_config(configs, 'a')
    first = dict(config=str(configs / 'first.py'), into='model.weights')
    other = dict(first, prefix='', into='load_from')
    options = RunOptions(upstream_dir=str(configs / 'shared'))
    cfg.upstream = [first, other]
    done = run_upstreams(cfg, options)
    before = state(configs / 'shared')
    cfg.upstream = [other]
    again = run_upstreams(cfg, options)
    assert again.load_from == done.load_from and Path(done.load_from).parent.name[0] == '1'
    assert state(configs / 'shared') == before
    # all tensors, under their names
    assert (
        toy.weights(done.load_from).keys()
        == toy.weights(Path(done.load_from).with_name('epoch_1.pth')).keys()
    )


def test_genotype_is_put_where_it_belongs(configs):
    (configs / 'first.py').write_text(toy_search.config(iters=2))
    cfg = main_config(configs)
    into = ['model.scene_genotype', 'model.task.genotype']
    cfg.model.task = dict()
    cfg.upstream = [dict(config=str(configs / 'first.py'), take='genotype', into=into)]
    model = run_upstreams(cfg, RunOptions()).model
    assert model.scene_genotype == model.task.genotype
    parts = model.scene_genotype['parts']
    assert set(parts) == {'scene', 'task'} and parts['task']['module'] == 'toy_edge'
    assert parts['scene']['edges']['a'] in LOW_LEVEL.candidates
    # with the size of what was derived
    assert model.scene_genotype['macs'] > 0 and model.scene_genotype['search']['iterations'] == 2
    # taken from the file the second time
    assert run_upstreams(cfg, RunOptions()).model == model
    toy_search.ToySupernet(parts['scene'], parts['task'])

    plain = dict(config=str(configs / 'plain.py'), take='genotype', into='model.task.genotype')
    (configs / 'plain.py').write_text(toy.config(workers=0, extra=SHORT))
    cfg.upstream = [plain]
    with pytest.raises(ValueError, match='`.*plain.py` has no searchable module'):
        run_upstreams(cfg, RunOptions())
    cfg.upstream = [dict(plain, into=[])]
    with pytest.raises(ValueError, match=r'`upstream\[0\].into` is empty'):
        run_upstreams(cfg, RunOptions())


def test_evaluation_behind_an_upstream(configs):
    cfg = main_config(configs)
    cfg.train_cfg = None
    first = str(configs / 'first.py')
    cfg.upstream = [dict(config=first, into='load_from', prefix='')]
    runner = train(cfg, RunOptions())
    trained = toy.weights(next((configs / 'run').rglob('epoch_1.pth')))
    assert all(torch.equal(v, trained[k]) for k, v in runner.model.state_dict().items())
    assert list((configs / 'run').glob('*/*.json'))  # the metrics
    cfg.upstream = []
    with pytest.raises(ValueError, match='`load_from`'):
        train(cfg, RunOptions())


@pytest.mark.parametrize(
    ('entry', 'message'),
    [
        (dict(config=None), r'`upstream\[0\].config` is not set'),
        (dict(config='nowhere.py'), '`nowhere.py` is not there'),
        (dict(into='model.backbone.weights'), 'the config has no `backbone`'),
        (dict(into='model.hooks.3'), 'the config has no `hooks`'),
        (dict(take='weights'), r'`upstream\[0\].take`'),
        (dict(into=['model.a', 'model.b']), 'must be one place for `take='),
        (dict(form='x'), 'unknown key `form`'),
        (dict(cfg_options={'upstream.4.config': 'x'}), 'do not fit'),
        (dict(cfg_options=dict(train_cfg=None)), 'trains nothing'),
    ],
)
def test_wrong_entries(configs, entry, message):
    cfg = main_config(configs)
    cfg.upstream[0].update(entry)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        run_upstreams(cfg, RunOptions())
    assert '\n' not in str(error.value)
    assert not (configs / 'run').exists()  # nothing was trained


def test_wrong_prefix_names_those_that_are_there(configs):
    cfg = main_config(configs)
    cfg.upstream[0].update(config=str(configs / 'first.py'), prefix='neck.')
    with pytest.raises(ValueError, match=r'`enhancer\.`, `head\.`'):
        run_upstreams(cfg, RunOptions())


def test_cycles_are_refused(configs):
    entry = "upstream = [dict(config='{{ fileDirname }}/main.py', into='model.weights')]"
    (configs / 'first.py').write_text(toy.config(workers=0, extra=SHORT + entry))
    with pytest.raises(ValueError, match='main.py → second.py → first.py → main.py'):
        run_upstreams(main_config(configs), RunOptions())
    # seen from inside, with another main run in front
    cfg = main_config(configs, **{'optim_wrapper.optimizer.lr': 0.5})
    with pytest.raises(ValueError, match='cycle'):
        run_upstreams(cfg, RunOptions())
    assert not list(configs.rglob('*.pth'))


def test_a_folder_isclaimed_by_one_run_at_a_time(tmp_path):
    order = []

    def second():
        with claimed(tmp_path / 'shared'):
            order.append('second')

    with claimed(tmp_path / 'shared'):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        order.append('first')
    thread.join(10)
    assert order == ['first', 'second']


def test_digests_stand_for_what_a_run_builds_on_without_running_it(tmp_path):
    (tmp_path / 'light.py').write_text("train_cfg = dict(max_iters=3)\nmodel = dict(type='Toy')\n")

    def digests(**link):
        cfg = Config(
            dict(
                model=dict(weights=None),
                upstream=[dict(config=str(tmp_path / 'light.py'), into='model.weights', **link)],
            )
        )
        return upstream_digests(cfg, RunOptions())

    assert digests() == digests()
    assert digests() != digests(cfg_options={'train_cfg.max_iters': 4})
    assert not list(tmp_path.glob('upstream*'))
