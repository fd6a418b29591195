"""The configs of TriCo train at the published settings, and their page says what is there."""

import math
import re
from copy import deepcopy
from functools import cache

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.optim.scheduler.lr_scheduler import CosineRestartLR
from mmengine.registry import DefaultScope

from llv.models.losses import TriCoLoss
from llv.models.losses.perceptual import vgg19_convolutions
from llv.registry import MODELS
from llv.utils.config import load_config

pytest.importorskip('mmdet')
from docs_commands import (  # noqa: E402
    ROOT,
    check_command,
    commands,
    configs_off_their_page,
    title,
)

FOLDER = ROOT / 'configs' / 'trico'
README = (FOLDER / 'README.md').read_text(encoding='utf-8')
PAGE = (ROOT / 'docs' / 'trico.md').read_text(encoding='utf-8')
ABLATIONS = README.split('## Ablations')[1].split('\n## ')[0]


@cache
def read(name):
    return Config.fromfile(FOLDER / f'{name}.py')


def built(cfg, device='meta'):
    with DefaultScope.overwrite_default_scope('llv'), torch.device(device):
        return MODELS.build(deepcopy(cfg.model)).enhancer


# ---------------------------------------------------------------- the published training


@pytest.mark.parametrize('scale, crop', [(1, 128), (2, 128), (4, 64)])
def test_rellisur_is_trained_as_published(scale, crop):
    cfg = read(f'trico_rellisur-x{scale}')
    loop = cfg.train_cfg
    assert loop.type == 'llv.PhasedGradientResponseLoop'
    assert (loop.max_iters, loop.s1_iters) == (150_000, 15_000)
    # what the loop does by itself is as published: both stages, coupled in every iteration, judged by Φ
    published = {'type', 'max_iters', 's1_iters', 'hyper_optimizer', 'val_interval'}
    assert set(loop) == published | {'upper_dataloader'}
    for optimizer, rate in ((loop.hyper_optimizer, 1e-4), (cfg.optim_wrapper.optimizer, 2e-4)):
        assert optimizer == dict(type='Adam', lr=rate, betas=(0.9, 0.999))
    assert cfg.optim_wrapper.type == 'OptimWrapper'
    assert cfg.optim_wrapper.clip_grad == dict(max_norm=0.01)
    lower, upper = cfg.train_dataloader, loop.upper_dataloader
    assert (lower.batch_size, upper.batch_size) == (8, 8)
    assert (lower.dataset.part, upper.dataset.part) == ('lower', 'upper')
    for loader in (lower, upper, cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.type == 'llv.RELLISURDataset' and loader.dataset.scale == scale
    for loader in (lower, upper):
        cuts = [step for step in loader.dataset.pipeline if 'Crop' in step.type]
        assert [(cut['size'], cut['scale']) for cut in cuts] == [(crop, scale)]
        assert loader.dataset.pipeline[3].type == 'llv.CoupledFlips'
    assert cfg.test_evaluator.protocol == 'trico'
    enhancer = cfg.model.enhancer
    assert (enhancer.scale, enhancer.prior.type) == (scale, 'sam')
    # nothing of the network or of the loss is changed
    assert set(enhancer) == {'type', 'scale', 'prior', 'scene_loss'}
    assert set(enhancer.scene_loss) == {'type', 'perceptual'}
    assert set(enhancer.scene_loss.perceptual) == {'weights'}


def rates(cfg, iterations, every=1):
    """The rate of ω in each of some iterations, counts divided by `every`."""
    optimizer = OptimWrapper(torch.optim.Adam([torch.zeros(1)], cfg.optim_wrapper.optimizer.lr))
    (scheduler,) = cfg.param_scheduler
    options = {k: v for k, v in scheduler.items() if k != 'type'}
    for name in ('begin', 'end'):
        options[name] //= every
    options['periods'] = [period // every for period in options['periods']]
    scheduler = CosineRestartLR(optimizer, **options)
    found = []
    for _ in range(iterations):
        found.append(optimizer.get_lr()['lr'][0])
        optimizer.step()
        scheduler.step()
    return found


def test_the_rate_is_constant_in_the_first_stage_and_restarts_in_the_second():
    found = rates(read('trico_rellisur-x2'), 152, every=1000)
    for iteration, rate in enumerate(found[:150]):
        if iteration < 15:
            assert rate == 2e-4
            continue
        begin, period = (15, 31) if iteration < 46 else (46, 104)
        wave = (1 + math.cos(math.pi * (iteration - begin) / period)) / 2
        assert rate == pytest.approx(1e-6 + (1e-4 - 1e-6) * wave, rel=1e-6)
    assert found[15] == found[46] == 1e-4
    assert found[150] == found[151] < 1.1e-6  # past the end nothing fails


@pytest.mark.parametrize('name', ['trico_rellisur-x2', 'trico_rellisur-x4', 'trico_night-coupled'])
def test_the_schedule_ends_with_the_training(name):
    cfg = read(name)
    (scheduler,) = cfg.param_scheduler
    assert scheduler.begin == cfg.train_cfg.s1_iters
    assert scheduler.end == cfg.train_cfg.max_iters == scheduler.begin + sum(scheduler.periods)


def test_the_small_config_is_the_published_training_at_another_pace():
    small, whole = read('trico_night-coupled'), read('trico_rellisur-x2')
    paths = [cfg.train_cfg.hyper_optimizer.lr * cfg.train_cfg.s1_iters for cfg in (small, whole)]
    assert paths[0] == pytest.approx(paths[1])  # how far ς can go
    shares = [cfg.param_scheduler[0].periods for cfg in (small, whole)]
    assert shares[0][0] / shares[0][1] == pytest.approx(shares[1][0] / shares[1][1], rel=0.01)
    for cfg in (small, whole):
        assert cfg.optim_wrapper.optimizer.lr / 200 == pytest.approx(cfg.param_scheduler[0].eta_min)
    assert small.train_cfg.upper_dataloader.dataset.part == 'upper'
    enhancer = built(small, 'cpu')
    assert enhancer.prior is None and list(enhancer.scene_loss.hyper) == ['srl', 'c', 'ssim', 'tv']


@pytest.mark.parametrize('name', ['dark-zurich', 'dark-face', 'cityscapes-dark'])
def test_what_is_tested_elsewhere_is_the_network_of_rellisur(name):
    cfg, trained = read(f'trico_{name}-x2'), read('trico_rellisur-x2')
    enhancer = dict(trained.model.enhancer)
    enhancer.pop('scene_loss')
    assert cfg.model.enhancer == enhancer
    assert cfg.train_cfg is None and cfg.get('train_dataloader') is None


# ---------------------------------------------------------------- options


@pytest.fixture(scope='module')
def vgg(tmp_path_factory):
    """A file with the layout of torchvision's VGG19, all numbers of a layer alike."""
    state = {}
    for index, before, behind in vgg19_convolutions():
        state[f'features.{index}.weight'] = torch.zeros(1).expand(behind, before, 3, 3)
        state[f'features.{index}.bias'] = torch.zeros(behind)
    file = tmp_path_factory.mktemp('vgg') / 'vgg19.pth'
    torch.save(state, file)
    return str(file)


OPTIONS = re.findall(r'--cfg-options ([^`]*)`', ABLATIONS)
PARAMETERS = {
    'use_ihem=False': 949_866,
    'prior=none': 1_391_912,
    'prior.type=torchvision': 1_453_608,
}


@pytest.mark.parametrize('options', OPTIONS, ids=lambda text: text[:60])
def test_every_ablation_changes_the_config_and_builds(options, vgg, monkeypatch):
    command = ['python', 'tools/train.py', 'configs/trico/trico_rellisur-x2.py', '--cfg-options']
    cfg = check_command([*command, *options.split()], monkeypatch)
    whole = read('trico_rellisur-x2')
    assert (cfg.model, cfg.train_cfg, cfg.optim_wrapper) != (
        whole.model,
        whole.train_cfg,
        whole.optim_wrapper,
    )
    if cfg.model.enhancer.scene_loss.get('perceptual'):
        cfg.model.enhancer.scene_loss.perceptual.weights = vgg
    enhancer = built(cfg)
    for option, parameters in PARAMETERS.items():
        if option in options:
            groups = (enhancer.illumination_parameters(), enhancer.refinement_parameters())
            assert sum(p.numel() for group in groups for p in group) == parameters
    loss = enhancer.scene_loss
    assert isinstance(loss, TriCoLoss)
    assert list(loss.hyper) == [
        name for name in ('srl', 'c', 'p', 'ssim', 'tv') if name not in loss_left_out(options)
    ]
    if 'preset' in options:
        assert (loss.weight_power, loss.perceptual.factor, loss.dissimilar) == (2, 1.0, False)


def loss_left_out(options):
    found = re.search(r'leave_out=\[(\w+)\]', options)
    return [found[1]] if found else []


def test_table_3_and_the_losses_have_their_switches():
    switches = ('use_s1=False', 'use_s2=False', 'use_ihem=False', 'use_lii=False', 'leave_out=',
                'coupled=False', 'upper_objective=content', 'preset=ultrais')  # fmt: skip
    assert all(any(switch in options for options in OPTIONS) for switch in switches)


def test_without_s1_the_second_stage_has_the_whole_schedule():
    (options,) = [options for options in OPTIONS if 'use_s1' in options]
    parsed = dict(pair.split('=') for pair in options.split())
    parsed['param_scheduler.0.periods'] = [46000, 104000]
    parsed['param_scheduler.0.begin'] = int(parsed['param_scheduler.0.begin'])
    cfg = load_config(FOLDER / 'trico_rellisur-x2.py', parsed)
    found = rates(cfg, 150, every=1000)
    assert found[0] == found[46] == 1e-4 and max(found) == 1e-4


@pytest.mark.parametrize('name', ['trico_rellisur-x2', 'trico_rellisur-x4'])
def test_the_file_of_vgg19_may_lie_anywhere(name, vgg):
    key = 'model.enhancer.scene_loss.perceptual.weights'
    loss = built(load_config(FOLDER / f'{name}.py', {key: vgg}), 'cpu').scene_loss
    picture = torch.rand(1, 3, 16, 16)
    assert loss.perceptual.missing is None and loss.perceptual(picture, picture) == 0


# ---------------------------------------------------------------- pages


COMMANDS = sorted({tuple(command) for page in (README, PAGE) for command in commands(page)})


@pytest.mark.parametrize('command', COMMANDS, ids=title)
def test_command_of_a_page_parses_and_names_what_is_there(command, monkeypatch):
    check_command(command, monkeypatch)


def test_the_readme_lists_every_config_with_its_parameters():
    assert configs_off_their_page(FOLDER) == []
    rows = re.findall(r'^\| \[`(\w+[\w-]*).py`\].* \| ([\d ]+) \|$', README, flags=re.MULTILINE)
    assert len(rows) == len(list(FOLDER.glob('*.py')))
    for name, parameters in rows:
        enhancer = built(read(name))
        groups = (enhancer.illumination_parameters(), enhancer.refinement_parameters())
        counted = sum(p.numel() for group in groups for p in group)
        assert counted == int(parameters.replace(' ', ''))


def table(header):
    """The rows of the table of the README whose first line begins so: name to cells."""
    rows = {}
    for line in README.split(f'\n| {header}')[1].splitlines()[2:]:
        if not line.startswith('|'):
            break
        first, *cells = [cell.strip() for cell in line.split('|')[1:-1]]
        rows[first] = cells
    return rows


def test_gains_that_the_page_quotes_follow_from_table_1():
    rows = {name: cells[0].split(' / ') for name, cells in table('method | ×2').items()}
    ours = [float(figure) for figure in rows.pop('TriCo')]
    assert len(rows) == 13
    text = ' '.join(README.split())
    names = ('PSNR', 'SSIM', 'LPIPS', 'RMSE', 'FSIM')
    quoted = dict(re.findall(r'([\d.]+) % in (\w+)', text.split('Gains of')[1].split(';')[0])[::1])
    quoted = {name: float(gain) for gain, name in quoted.items()}
    assert quoted.keys() == set(names)
    for place, name in enumerate(names):
        others = [float(figures[place]) for figures in rows.values()]
        best = min(others) if name in ('LPIPS', 'RMSE') else max(others)
        assert abs(ours[place] / best - 1) * 100 == pytest.approx(quoted[name], abs=0.1)
    lpips = 0.385 / ours[2] - 1
    assert 100 * lpips == pytest.approx(26.6, abs=0.05) and '26.6 %' in text


def test_the_corrected_figure_fits_its_psnr_and_table_3_its_quoted_differences():
    # the root of the mean square is no more than the mean of the roots
    assert 10 ** (-21.056 / 20) == pytest.approx(0.0886, abs=5e-5)
    assert table('method | ×2')['TriCo'][1].split(' / ')[3] == '0.096'
    rows = {name: cells[0].split(' / ') for name, cells in table('training | PSNR').items()}
    whole = [float(figure) for figure in rows['TriCo']]
    lost = {
        name: tuple(round(float(a) - b, 3) for a, b in zip(figures, whole, strict=True))
        for name, figures in rows.items()
    }
    assert lost['without S1'] == (-0.459, -0.017)
    assert lost['without S2'] == (-0.213, -0.009)
    assert lost['without IHEM'] == (-0.497, -0.018)


def test_nothing_is_claimed_that_was_not_run():
    tables = ('method | ×2', 'method | parameters', 'training | PSNR')
    last = [cells[-1] for header in tables for cells in table(header).values()]
    assert len(last) == 22 and all('not run' in cell for cell in last)


def test_the_losses_that_the_published_weights_imply_are_those_of_the_page():
    # at rest L = 4ς³ / (1 + ς²), or 2ς⁴ / (1 + ς²) with squared weights
    published = (0.473, 2.177, 0.181, 0.901, 0.195)
    first = [4 * h**3 / (1 + h**2) for h in published]
    second = [2 * h**4 / (1 + h**2) for h in published]
    assert first[1] == pytest.approx(7.19, abs=5e-3)
    assert second == pytest.approx([0.082, 7.8, 0.0021, 0.73, 0.0028], rel=0.02)
    assert '(0.082, 7.8, 0.0021, 0.73, 0.0028)' in PAGE
