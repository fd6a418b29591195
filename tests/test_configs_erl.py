"""The configs of ERL: the hosts' own recipes, a chain of three trainings, and a page that says what is there."""

import re
from collections import Counter
from copy import deepcopy
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image
from test_datasets.test_enhancement import trees
from test_datasets.test_enhancement.test_base_configs import moved

from llv.datasets.night_scenes import write_night_exposures, write_night_scenes
from llv.datasets.splits import fivek_numbers, sice_numbers
from llv.engine.runner import train
from llv.engine.settings import RunOptions
from llv.engine.upstream import upstream_digests
from llv.models.regularizers.attachment import Attachment
from llv.registry import DATASETS, MODELS
from llv.utils.config import load_config

pytest.importorskip('mmdet')
from docs_commands import (  # noqa: E402
    ROOT,
    check_command,
    commands,
    configs_off_their_page,
    title,
)

FOLDER = ROOT / 'configs' / 'erl'
PAGE = (FOLDER / 'README.md').read_text(encoding='utf-8')
HOSTS = {'drbn': 'drbn', 'drbn-enc': 'drbn', 'sid-enc': 'sid', 'eclnet': 'eclnet', 'fecnet': 'fecnet'}  # fmt: skip
SETS = ('sice', 'msec', 'task-mix', 'night-scenes')
# ground truths, one a scene, of each set
SCENES = {'sice': 512, 'msec': 3535, 'task-mix': 485 + 4500 + 512}


@cache
def read(name):
    return Config.fromfile(FOLDER / f'{name}.py')


def built(cfg, device='cpu'):
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')), torch.device(device):
        return MODELS.build(cfg.model)


REGULARISED = [
    path.stem
    for path in sorted(FOLDER.glob('*.py'))
    if 'regularizer' in Config.fromfile(path).model
]


# ---------------------------------------------------------------- recipes


def test_every_host_has_every_set_with_erl():
    wanted = {f'{host}_{data}' for host in HOSTS for data in SETS[:3]}
    assert set(REGULARISED) == wanted | {'eclnet_night-scenes', 'psenet_sice_erl'}


@pytest.mark.parametrize('data', ['sice', 'msec'])
@pytest.mark.parametrize('host', HOSTS)
def test_a_host_is_trained_by_its_own_recipe_at_batch_4(host, data):
    ours = read(f'{host}_{data}')
    own = Config.fromfile(ROOT / 'configs' / HOSTS[host] / f'{host}_{data}.py')
    assert ours.train_dataloader.batch_size == 4
    assert ours.optim_wrapper == own.optim_wrapper
    assert ours.train_dataloader.dataset == own.train_dataloader.dataset
    assert ours.test_dataloader == own.test_dataloader
    assert ours.test_evaluator == own.test_evaluator and ours.test_evaluator.protocol == 'erl'

    # steps are those of as many pictures, also where the rate drops and at which validation comes
    def pictures(cfg):
        steps = [cfg.train_cfg.max_iters, *cfg.param_scheduler[0].milestones]
        return [cfg.train_dataloader.batch_size * step for step in steps]

    assert pictures(ours) == pictures(own)
    assert ours.default_hooks.checkpoint.interval == ours.train_cfg.val_interval
    assert ours.default_hooks.checkpoint.save_best == 'quality/psnr'
    assert deepcopy(ours.model) == dict(own.model, regularizer=ours.model.regularizer)


def test_steps_of_the_hosts_whose_batch_changed():
    def steps(name):
        return (
            read(name).train_cfg.max_iters,
            *read(name).param_scheduler[0].milestones,
        )

    assert steps('fecnet_msec') == (707200, 353600, 530400)
    assert steps('sid-enc_sice') == (51200, 25600, 38400)
    assert steps('sid-enc_msec') == (300000, 150000, 225000)


@pytest.mark.parametrize('name', [f'{host}_task-mix' for host in HOSTS] + ['eclnet_night-scenes'])
def test_with_and_without_erl_differ_in_nothing_else(name):
    ours, baseline = read(name).to_dict(), read(f'{name}_baseline').to_dict()
    assert ours['model'].pop('regularizer')['type'] == 'llv.SampleRelationLoss'
    assert ours.pop('upstream') and 'upstream' not in baseline
    ours.pop('work_dir', None)
    assert ours == baseline


@pytest.mark.parametrize('name', REGULARISED)
def test_the_folder_of_a_run_is_not_that_of_the_host_without_erl(name):
    taken = [path for path in ROOT.glob('configs/*/*.py') if path.stem == name]
    # who inherits from a config inherits a `work_dir` that it has, so only these have one
    wanted = f'work_dirs/erl/{name}' if len(taken) > 1 else None
    assert read(name).get('work_dir') == wanted


@pytest.mark.parametrize('data', SCENES)
@pytest.mark.parametrize('stage, rate', [('bcm-reconstruction', 1e-3), ('bcm', 1e-5)])
def test_a_stage_of_the_module_is_100_epochs_of_whole_batches(stage, rate, data):
    cfg = read(f'{stage}_{data}')
    steps = 100 * (SCENES[data] // 4)
    loader = cfg.train_dataloader
    assert (loader.batch_size, loader.drop_last) == (4, True)
    assert cfg.train_cfg.max_iters == steps
    assert list(cfg.param_scheduler[0].milestones) == [steps // 2, 3 * steps // 4]
    assert cfg.param_scheduler[0].gamma == 0.5
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, tuple(optimizer.betas)) == ('Adam', rate, (0.9, 0.99))
    clipped = cfg.optim_wrapper.get('clip_grad')
    assert clipped == (None if stage == 'bcm-reconstruction' else dict(max_norm=1.0))


def test_the_module_has_the_published_paths_in_our_size():
    first = built(read('bcm-reconstruction_sice'), 'meta')
    second = built(read('bcm_sice'), 'meta')
    assert sum(p.numel() for p in first.parameters()) == 1392 + 1387
    trained = sum(p.numel() for p in second.parameters() if p.requires_grad)
    assert trained == 25186304 + 136  # transformer and fusion
    assert (second.stage, second.pretext, second.wrap) == ('pretext', 'phase', True)


# ---------------------------------------------------------------- the chain


@pytest.mark.parametrize('name', REGULARISED)
def test_a_host_builds_on_both_stages_of_its_own_set(name):
    data = name.split('_')[1]
    host = read(name)
    (link,) = host.upstream
    assert (link.into, link.prefix) == ('model.regularizer.weights', 'module.')
    assert Path(link.config).resolve() == FOLDER / f'bcm_{data}.py'
    assert host.model.regularizer.loss_weight == 0.1
    (link,) = read(f'bcm_{data}').upstream
    assert (link.into, link.prefix) == ('model.weights', 'module.')
    assert Path(link.config).resolve() == FOLDER / f'bcm-reconstruction_{data}.py'
    assert 'upstream' not in read(f'bcm-reconstruction_{data}')


def test_hosts_of_a_set_share_their_module():
    digests = {tuple(upstream_digests(read(f'{host}_sice'), RunOptions())) for host in HOSTS}
    assert len(digests) == 1


TINY = dict(channels=2, grid=4)


def test_the_chain_trains_a_host_that_stays_an_enhancer(tmp_path):
    scenes = dict(train=5, val=1, test=1)
    write_night_exposures(tmp_path / 'data', scenes, (96, 96), layout='sice', progress=False)
    loader = dict(num_workers=0, persistent_workers=False)

    def options(steps, **others):
        chosen = {'train_cfg.max_iters': steps, **others}
        chosen.update({f'train_dataloader.{key}': value for key, value in loader.items()})
        return chosen

    root = dict([('train_dataloader.dataset.data_root', str(tmp_path / 'data'))])
    module = {f'model.module.{key}': value for key, value in TINY.items()}
    stages = options(2, **root, **module)
    own = options(2, **root, **{'train_cfg.val_interval': 99})
    cfg = load_config(FOLDER / 'eclnet_night-scenes.py', own)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    cfg.upstream[0].cfg_options = {**stages, 'upstream.0.cfg_options': stages}
    cfg.work_dir = str(tmp_path / 'run')
    runner = train(cfg, RunOptions())

    plain = built(read('eclnet_night-scenes_baseline'))
    assert runner.model.state_dict().keys() == plain.state_dict().keys()
    assert runner.message_hub.get_scalar('train/loss_relation').current() > 0
    regularizer = runner.model.regularizer
    assert isinstance(regularizer, Attachment)
    (second,) = (tmp_path / 'run' / 'upstream').glob('0_bcm_night-scenes_*/result.pth')
    (first,) = second.parent.glob('upstream/0_bcm-reconstruction_night-scenes_*/result.pth')
    files = [torch.load(path, weights_only=True)['state_dict'] for path in (first, second)]
    for name, tensor in regularizer.loss.module.state_dict().items():
        assert torch.equal(tensor, files[1][name])
        if name.startswith('encoder'):
            assert torch.equal(tensor, files[0][name])


# ---------------------------------------------------------------- data


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """All sets at once, as `data/` would hold them."""
    root = tmp_path_factory.mktemp('data')
    trees.lol_v1(root / 'LOL')
    trees.fivek(root / 'FiveK', [1, 2, *fivek_numbers('fecnet', 'test')[:2]])
    trees.sice(root / 'SICE_exposures', sice_numbers('trainval')[:3], sice_numbers('test')[:2])
    trees.msec(root / 'MSEC', train=('a0001-x_y', 'a0003-z'))
    return root


REFERENCES = {
    'sice': ['SICE_exposures/train/mid'],
    'msec': ['MSEC/training/GT_IMAGES'],
    'task-mix': ['LOL/our485/high', 'FiveK/high', 'SICE_exposures/train/mid'],
}


@pytest.mark.parametrize('name', REFERENCES)
def test_the_module_sees_each_reference_of_the_training_once(name, data):
    cfg = deepcopy(read(f'bcm_{name}'))
    moved(cfg._cfg_dict, data)
    with DefaultScope.overwrite_default_scope('llv'):
        module = DATASETS.build(cfg.train_dataloader.dataset)
    seen = Counter(module.get_data_info(i)['img_path'] for i in range(len(module)))
    wanted = {str(path) for folder in REFERENCES[name] for path in (data / folder).iterdir()}
    tested = fivek_numbers('fecnet', 'test')
    tested = {p for p in wanted if any(f'/a{n:04d}-by' in p for n in tested)}
    assert len(tested) == (2 if name == 'task-mix' else 0)
    assert seen == Counter(wanted - tested)
    item = module[0]
    assert item['inputs'].shape[0] == 3 and 'reference' not in item['data_samples']


@pytest.mark.parametrize('path', sorted(FOLDER.glob('*.py')), ids=lambda path: path.stem)
def test_data_that_are_not_there_are_named_in_one_sentence(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg = read(path.stem)
    with pytest.raises(FileNotFoundError) as error:
        with DefaultScope.overwrite_default_scope('llv'):
            DATASETS.build(cfg.train_dataloader.dataset)
    message = str(error.value)
    assert re.search(r'`data/\w+', message) and 'data_root' in message
    assert message.endswith('.') and message.count('. ') == 0 and '\n' not in message


def test_a_run_without_its_data_ends_before_the_first_step_with_that_sentence(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    cfg = load_config(FOLDER / 'eclnet_sice.py')
    with pytest.raises(FileNotFoundError, match='data/SICE_exposures/train/mid` is not there'):
        train(cfg, RunOptions())


# ---------------------------------------------------------------- the page


@pytest.mark.parametrize('command', [tuple(c) for c in commands(PAGE)], ids=title)
def test_command_of_the_page_parses(command, monkeypatch):
    cfg = check_command(list(command), monkeypatch)
    if cfg is not None and Path(command[1]).name == 'train.py':
        upstream_digests(cfg, RunOptions())  # the whole chain takes the options
        built(cfg, 'meta')


def test_the_page_links_every_config():
    assert configs_off_their_page(FOLDER) == []


def test_an_ablation_changes_what_it_says_and_nothing_before_it(monkeypatch):
    rows = dict(
        re.findall(r'^\| ([^|]+) \| `(python tools/train\.py [^`]*)` \|$', PAGE, flags=re.M)
    )
    assert len(rows) == 7
    usual = upstream_digests(read('eclnet_sice'), RunOptions())
    first = upstream_digests(read('bcm_sice'), RunOptions())
    found = {}
    for row, command in rows.items():
        cfg = check_command(command.split(), monkeypatch)
        found[row] = upstream_digests(cfg, RunOptions())
        (link,) = cfg.upstream
        stage = load_config(link.config, link.get('cfg_options'))
        if stage.model.stage == 'pretext':  # encoder and decoder stay those of the usual run
            assert upstream_digests(stage, RunOptions()) == first
    assert found.pop('α') == usual
    assert all(digests != usual for digests in found.values())
    assert len({tuple(digests) for digests in found.values()}) == 6


@pytest.fixture
def examples(tmp_path):
    """The examples of the page as files of the folder."""
    for folder in (ROOT / 'configs').iterdir():
        if folder.is_dir() and folder != FOLDER:
            (tmp_path / folder.name).symlink_to(folder)
    (tmp_path / 'erl').mkdir()
    for path in FOLDER.glob('*.py'):
        (tmp_path / 'erl' / path.name).symlink_to(path)
    written = []
    for index, text in enumerate(re.findall(r'```python\n(.*?)```', PAGE, flags=re.S)):
        written.append(tmp_path / 'erl' / f'example{index}.py')
        written[-1].write_text(text)
    return [load_config(path) for path in written]


def test_the_examples_build_and_plan_their_chains(examples):
    ruas, detector = examples
    assert type(built(ruas).enhancer).__name__ == 'RUAS'
    assert isinstance(built(ruas).regularizer, Attachment)
    assert 'mmdet' == detector.default_scope and built(detector, 'meta')
    with DefaultScope.overwrite_default_scope('mmdet'):
        from llv.registry import HOOKS

        hook = HOOKS.build(deepcopy(detector.custom_hooks[0]))
    assert isinstance(hook.regularizer, Attachment)
    assert len(upstream_digests(ruas, RunOptions())) == 1
    # the module is that of the other runs on night scenes
    assert upstream_digests(detector, RunOptions())[1:] == upstream_digests(ruas, RunOptions())


def test_ruas_takes_the_regulariser_on_pairs(examples, tmp_path):
    ruas, _ = examples
    for part in ('night', 'day'):
        for index in range(4):
            trees.picture(tmp_path / 'pairs' / 'train' / part / f'{index}.png', (24, 24))
    with DefaultScope.overwrite_default_scope('llv'):
        pairs = DATASETS.build(
            dict(ruas.train_dataloader.dataset, data_root=str(tmp_path / 'pairs'))
        )
    module = MODELS.build(dict(type='llv.BatchCorrelationModule', **TINY))
    torch.save(dict(state_dict=module.state_dict()), tmp_path / 'module.pth')
    cfg = deepcopy(ruas)
    cfg.model.regularizer.weights = str(tmp_path / 'module.pth')
    model = built(cfg)
    batch = dict(inputs=[], data_samples=[])
    for index in range(cfg.train_dataloader.batch_size):
        item = pairs[index]
        for key, values in batch.items():
            values.append(item[key])
    losses = model(**model.data_preprocessor(batch, True), mode='loss')
    losses['loss_relation'].backward()
    assert len(losses) > 1 and losses['loss_relation'] > 0
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_the_detector_trains_with_the_regulariser_on_the_references_of_its_pictures(
    examples, tmp_path
):
    _, detector = examples
    root = tmp_path / 'scenes'
    write_night_scenes(root, dict(train=2), (96, 96), progress=False)
    for file in (root / 'train' / 'day').iterdir():  # nights that are a quarter of their day
        dark = np.asarray(Image.open(file)) // 4
        Image.fromarray(dark).save(root / 'train' / 'night' / file.name)
    module = MODELS.build(dict(type='llv.BatchCorrelationModule', **TINY))
    torch.save(dict(state_dict=module.state_dict()), tmp_path / 'module.pth')
    cfg = deepcopy(detector)
    cfg.upstream = []
    cfg.merge_from_dict(
        {
            'custom_hooks.0.regularizer.weights': str(tmp_path / 'module.pth'),
            'train_dataloader.batch_size': 2,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'train_dataloader.dataset.data_root': str(root),
            'train_cfg.max_iters': 2,
            'train_cfg.val_interval': 99,
        }
    )
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    cfg.work_dir = str(tmp_path / 'run')
    runner = train(cfg, RunOptions())
    logged = runner.message_hub.get_scalar('train/enhancer_loss_relation')
    assert len(logged.data[0]) == 2 and logged.current() > 0
    told = [
        runner.message_hub.get_scalar(f'train/{name}').current()
        for name in ('loss_cls', 'loss_bbox')
    ]
    assert all(value > 0 for value in told)
    # what the hook compares with is the day of the same place
    data = next(iter(runner.train_dataloader))
    for picture, sample in zip(data['inputs'], data['data_samples'], strict=True):
        night, day = picture.flip(0).float(), sample.reference.data.float()
        assert (4 * night + 1.5 - day).abs().max() <= 4.5  # rounding in the file and in resizing


# ---------------------------------------------------------------- published figures


def table(header):
    """The rows of the table of the page whose first line begins so: name to cells of figures."""
    lines = PAGE.split(f'\n| {header}')[1].splitlines()[2:]
    rows = {}
    for line in lines:
        if not line.startswith('|'):
            break
        first, *cells = [cell.strip() for cell in line.split('|')[1:-1]]
        rows[first] = cells
    return rows


def figures(cell):
    return [float(value) for value in cell.split(' / ')]


def off(printed, mean, digits):
    """Whether a printed mean can be no rounding of one of unrounded figures (half a unit from each side)."""
    return abs(printed - mean) > 10**-digits + 1e-9


def test_averages_follow_from_the_groups_but_for_the_slips_that_are_named():
    found = set()
    for method, cells in table('method | MSEC under').items():
        assert cells.pop() == 'not run'
        for name, (under, over, both), share in (
            ('MSEC', cells[:3], 0.4),
            ('SICE', cells[3:], 0.5),
        ):
            groups = zip(*map(figures, (under, over, both)), strict=True)
            for (low, high, printed), kind, digits in zip(groups, ('PSNR', 'SSIM'), (2, 4), strict=True):  # fmt: skip
                mean = share * low + (1 - share) * high
                if off(printed, mean, digits):
                    found.add((method, name, kind, printed, mean))
    named = table('printed | follows')
    assert len(found) == 4
    for method, name, kind, printed, mean in found:
        shown = f'{printed:.4f}'[1:] if kind == 'SSIM' else f'{printed:.2f}'
        (follows,) = named[f'{method}, {name}, {kind} {shown}']
        assert float(follows) == pytest.approx(mean, abs=6e-5 if kind == 'SSIM' else 6e-3)


def test_averages_of_the_task_mix_are_plain_means():
    rounded = set()
    for method, cells in table('method | LOL').items():
        assert cells.pop() == 'not run'
        *sets, average = map(figures, cells)
        for k, digits in ((0, 2), (1, 3)):
            mean = sum(figure[k] for figure in sets) / 3
            assert not off(average[k], mean, digits)
            if abs(average[k] - mean) > 0.5 * 10**-digits + 1e-9:
                rounded.add(f'{method}, task mix, SSIM {average[k]:.3f}'.replace(' 0.', ' .'))
    assert rounded == {name for name in table('printed | follows') if 'task mix' in name}


def test_gains_that_the_page_quotes_follow_from_its_table():
    rows = table('method | MSEC under')
    text = ' '.join(PAGE.split())
    for column, quoted in (
        (2, '0.21, 0.32, 0.13 and 0.03 dB on MSEC'),
        (5, '0.36, 0.29, 0.16 and 0.26 dB on SICE'),
    ):
        pairs = [(rows[h], rows[f'{h} + ERL']) for h in ('DRBN', 'DRBN-ENC', 'ECLNet', 'FECNet')]
        gains = [figures(b[column])[0] - figures(a[column])[0] for a, b in pairs]
        assert [float(x) for x in re.findall(r'\d\.\d\d', quoted)] == pytest.approx(gains, abs=1e-9)
        assert quoted in text
    falls = [figures(b[5])[1] < figures(a[5])[1] for a, b in pairs]
    assert sum(falls) == 3 and 'the SSIM of SICE falls for three of the four' in text


@pytest.mark.parametrize('host', ['DRBN', 'DRBN-ENC', 'SID', 'SID-ENC', 'ECLNet', 'FECNet'])
def test_the_page_of_a_host_quotes_the_same_figures(host):
    folder = {'DRBN-ENC': 'drbn', 'SID-ENC': 'sid'}.get(host, host.lower())
    text = (ROOT / 'configs' / folder / 'README.md').read_text(encoding='utf-8')
    row = table('method | MSEC under')[host]
    assert row[2] in text and row[5] in text
    if f'{host} + ERL' in table('method | MSEC under'):
        gained = figures(table('method | MSEC under')[f'{host} + ERL'][5])[0]
        assert f'{figures(row[5])[0]:.2f} to {gained:.2f} dB' in ' '.join(text.split())


def test_table_2_ends_with_the_rows_of_table_1():
    ablation, rows = table('training | PSNR / SSIM'), table('method | MSEC under')
    assert ablation['without ERL'][0] == rows['ECLNet'][5]
    assert ablation['pretext with phase'][0] == rows['ECLNet + ERL'][5]
