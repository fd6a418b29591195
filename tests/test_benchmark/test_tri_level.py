"""The study of training in three levels: its file, what its trainings share, what is measured, and its report."""

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from llv.benchmark.tri_level.best_gain import (
    CORRECTIONS,
    best_gain,
    enlarged,
    gain_in_linear_light,
    gain_in_srgb,
    measure_best_gains,
)
from llv.benchmark.tri_level.cells import Hosts, compose, compose_cascade, plan_cell, run_cell
from llv.benchmark.tri_level.passes import forward_passes, stretch
from llv.benchmark.tri_level.pictures import mean_log, modulated, write_figure
from llv.benchmark.tri_level.pulls import held_pictures, pulls
from llv.benchmark.tri_level.report import parts, summary
from llv.benchmark.tri_level.scores import Scores, against_others, metric, of_loss
from llv.benchmark.tri_level.start import (
    Start,
    digest,
    digest_of_start,
    first_weights,
    network,
    share,
)
from llv.benchmark.tri_level.study_file import Point, read_study
from llv.datasets.night_scenes import CoupledNightScenes, write_coupled_night_scenes
from llv.engine.loops import PhasedGradientResponseLoop
from llv.engine.settings import RunOptions
from llv.models.enhancers import BaseEnhancer, Enhancement
from llv.models.enhancers.trico import TriCo
from llv.models.losses import TriCoLoss
from llv.registry import MODELS
from llv.utils.markdown import around_markers
from llv.visualization.hyper_variables import plot_hyper_variables

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'configs' / 'night_scenes' / 'tri_level'
PAGE = ROOT / 'docs' / 'tri_level.md'
LOSSES = ('srl', 'c', 'ssim', 'tv')
TINY = dict(scale=2, width=4, illumination_width=2, blocks=(1, 1, 1, 1), heads=(1, 1, 1, 1))


@pytest.fixture(scope='module')
def study():
    return read_study(FOLDER / 'study.yml')


def made_up(study):
    """A record for every training: seeds differ by 10 dB; PGR gains and turns the decoy down to a quarter."""
    records = []
    for point in study.points():
        learns = not point.arm.startswith('equal')
        lost = 0.0 if point.decoy == 'none' else 1.0 if learns else 3.0
        psnr = 10.0 * point.seed + 20 - lost + (0.5 + 0.02 * point.seed if learns else 0)
        figures = dict(psnr=psnr, ssim=0.5, rmse=0.1, **{'psnr_-2.5': 3.0, 'psnr_-3.0': 1.0})
        record = dict(cell=point.key, metrics=figures, iterations=3, passes=9, parameters=1000)
        records.append(record)
        if point.arm in study.cascades:
            continue
        record |= dict(start=dict(weights=f'w{point.seed}', batch='b'), cpu_seconds=2.0)
        names = LOSSES + (() if point.decoy == 'none' else ('decoy',))
        record['losses'] = {}
        for name in names:
            hyper = 4.0 if learns and name == 'decoy' else 1.0
            record['losses'][name] = dict(
                hyper=hyper, weight=1 / (2 * hyper), share=0.2 / hyper, share_of_value=0.1
            )
    return records


def test_the_file_of_the_study_names_all_trainings(study):
    points = study.points()
    assert len(points) == len(set(points)) == 5 * (3 * 14 + 1)
    # whole repeats first, and within them what has no decoy
    assert [p.seed for p in points] == sorted(p.seed for p in points)
    assert {p.decoy for p in points[:15]} == {'none'} and points[14].arm in study.cascades
    assert study.plain == 'none' and study.decoys['4'] == dict(magnitude=4.0)


def test_the_page_has_a_place_for_every_part(study):
    for name in parts(Scores(study, [])):
        before, after = around_markers(PAGE, name)
        assert before and after


def test_a_part_of_the_study_keeps_the_baseline_and_no_decoy(study):
    part = study.restricted([3, 1], ['PGR content', 'PSENet ⇒ ×2'], ['4'])
    assert part.chosen == ['equal weights', 'PGR content'] and list(part.cascades)
    assert list(part.decoys) == ['none', '4'] and part.seeds == [3, 1]
    assert list(study.restricted(decoys=[]).decoys) == ['none']
    assert not study.restricted(arms=['PGR content']).cascades
    with pytest.raises(ValueError, match='has no arm `PGRR`; it has equal weights'):
        study.restricted(arms=['PGRR'])


@pytest.mark.parametrize(
    'change, words',
    [
        (dict(host=None), 'has no `host`'),
        (dict(host='gone.py'), 'The config `gone.py` of'),
        (dict(sedes=[1]), 'unknown key `sedes`'),
        (dict(seeds=[-1]), 'must be numbers from 0'),
        (dict(baseline='x'), '`baseline` of .* must be one of its arms'),
        (dict(features='x'), '`features` of .* must be one of its arms'),
        (dict(decoys={'a': {'magnitude': 1}}), 'must have one null, for no decoy, but has 0'),
        (dict(decoys={'a': None, 'b': None}), 'but has 2'),
        (dict(decoys={'a': None, 'b': {'size': 1}}), 'unknown key `size`'),
        (
            dict(arms={'equal weights': {'passes_of': 'x'}}),
            '`passes_of` of the arm `equal weights`',
        ),
        (dict(arms={'equal weights': {'option': {}}}), 'unknown key `option`'),
        (dict(convergence=[['equal weights']]), 'must hold pairs of an arm and a decoy'),
        (dict(convergence=[['equal weights', '9']]), 'is not in the study'),
        (dict(pairs=[['equal weights', '9']]), '`pairs` of .* is not in the study'),
        (dict(cascades={'equal weights': 'cascade.py'}), 'is an arm and a cascade'),
    ],
)
def test_a_wrong_study_is_told(tmp_path, change, words):
    content = dict(
        host=str(FOLDER / 'trico.py'),
        data='x',
        baseline='equal weights',
        arms={'equal weights': {}},
    )
    cascades = change.get('cascades', {})
    change = change | dict(cascades={k: str(FOLDER / v) for k, v in cascades.items()})
    file = tmp_path / 'study.yml'
    file.write_text(yaml.safe_dump(content | change))
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        read_study(file)


def flat(node, place=''):
    """Leaves of a config by dotted place."""
    if isinstance(node, dict):
        return {
            k: v for key, value in node.items() for k, v in flat(value, f'{place}.{key}').items()
        }
    return {place: node}


def test_arms_differ_in_what_they_say_alone(study):
    hosts = Hosts(study)
    whole = flat(compose(study, Point('PGR printed', 'none', 7), hosts).to_dict())
    assert whole['.randomness.seed'] == 7
    roots = {v for k, v in whole.items() if k.endswith('.dataset.data_root')}
    assert roots == {study.data}
    for arm, content in study.arms.items():
        for decoy, options in study.decoys.items():
            other = flat(compose(study, Point(arm, decoy, 7), hosts).to_dict())
            changed = {k for k in whole | other if whole.get(k) != other.get(k)}
            said = {f'.{key}' for key in content.options}
            if options is not None:
                said.add('.model.enhancer.scene_loss.decoy.magnitude')
            if content.passes_of is not None:
                said |= {'.train_cfg.max_iters', '.train_cfg.val_interval', '.train_cfg.s1_iters'}
                said.add('.param_scheduler')
            assert changed == said, arm


def test_a_longer_training_has_the_passes_of_three_levels(study):
    loop = compose(study, Point('PGR printed', 'none', 0)).train_cfg
    first, second = loop.s1_iters, loop.max_iters - loop.s1_iters
    longer = compose(study, Point('equal weights, passes of PGR', 'none', 0))
    assert abs(3 * longer.train_cfg.max_iters - (11 * first + 15 * second)) < 3
    # its schedule is as long as it is
    (scheduler,) = longer.param_scheduler
    assert scheduler.end == longer.train_cfg.max_iters
    assert sum(scheduler.periods) >= scheduler.end - scheduler.begin
    enlarging = compose_cascade(study, Point('PSENet ⇒ ×2', 'none', 0)).upstream[1]
    assert enlarging['cfg_options']['train_dataloader.dataset.data_root'] == study.data


@pytest.mark.parametrize(
    'options, passes',
    [
        (dict(), 4 * 11 + 6 * 15),
        (dict(coupled=False), 4 * 4 + 6 * 6),
        (dict(coupled_every=3), (2 * 11 + 2 * 4) + (2 * 15 + 4 * 6)),
        (dict(use_s1=False), 10 * 15),
        (dict(use_s2=False), 4 * 11 + 6 * 3),
        (dict(use_s1=False, use_s2=False), 10 * 3),
    ],
)
def test_passes_are_those_of_the_algorithm(options, passes):
    assert forward_passes(dict(max_iters=10, s1_iters=4, **options)) == passes


def test_passes_that_nobody_knows_beforehand_are_told():
    with pytest.raises(ValueError, match='`train_cfg.s1_tolerance` ends the first stage'):
        forward_passes(dict(max_iters=10, s1_tolerance=0.1))


def test_schedules_are_stretched_with_the_training(study):
    cfg = compose(study, Point('PGR printed', 'none', 0))
    cfg.merge_from_dict({'train_cfg.max_iters': 30, 'train_cfg.s1_iters': 10})
    cfg.param_scheduler[0].update(begin=10, end=30, periods=[5, 15])
    stretch(cfg, 41)
    assert cfg.train_cfg.max_iters == cfg.train_cfg.val_interval == 41
    assert cfg.train_cfg.s1_iters == cfg.param_scheduler[0].begin == 14
    assert cfg.param_scheduler[0].end == 41 and cfg.param_scheduler[0].periods == [7, 21]


def test_networks_start_alike_wherever_they_have_the_same_layers(study):
    cfg = compose(study, Point('PGR printed', 'none', 0))
    state = torch.get_rng_state()
    weights = first_weights(cfg, 5)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(v, weights[k]) for k, v in first_weights(cfg, 5).items())
    assert not torch.equal(
        weights['refiner.stem.weight'], first_weights(cfg, 6)['refiner.stem.weight']
    )
    loss = dict(decoy=dict(magnitude=4.0), leave_out=('tv',))
    for options, shared in (
        (dict(use_ihem=False), 1.0),
        (dict(use_lii=False, ffn_expansion=3.4375), 0.4),
    ):
        arm = MODELS.build(
            cfg.model.enhancer | options | dict(scene_loss=loss | dict(type='llv.TriCoLoss'))
        )
        before = network(arm)
        before = {k: v.clone() for k, v in before.items()}
        taken = share(arm, weights)
        after = network(arm)
        same = [k for k, v in after.items() if k in weights and torch.equal(v, weights[k])]
        assert taken == len(same) and len(same) / len(after) >= shared
        assert all(torch.equal(after[k], before[k]) for k in after if k not in same)


def start_of(enhancer, weights, folder):
    """What is recorded of the start of a training."""
    hook = Start(folder, weights)
    runner = SimpleNamespace(iter=0, model=SimpleNamespace(enhancer=enhancer))
    hook.before_train(runner)
    sample = SimpleNamespace(reference=SimpleNamespace(data=torch.ones(3, 4, 4)))
    hook.before_train_iter(runner, 0, dict(inputs=[torch.zeros(3, 2, 2)], data_samples=[sample]))
    return json.loads((folder / 'start.json').read_text())


def test_all_arms_of_a_seed_are_told_to_start_alike(study, tmp_path):
    hosts = Hosts(study)
    weights = first_weights(hosts({}), 5)
    told = set()
    for arm in study.arms:
        torch.manual_seed(len(told))
        enhancer = MODELS.build(compose(study, Point(arm, '4', 5), hosts).model.enhancer)
        told.add(json.dumps(start_of(enhancer, weights, tmp_path)))
    (start,) = told
    # which is what records hold that were written of the given weights alone
    assert json.loads(start)['weights'] == digest(weights)


def test_a_network_that_does_not_hold_the_weights_is_no_twin(study, tmp_path, monkeypatch):
    hosts = Hosts(study)
    weights = first_weights(hosts({}), 0)
    lacking, own = (
        MODELS.build(compose(study, Point(arm, 'none', 0), hosts).model.enhancer)
        for arm in ('without IHEM', 'equal weights, without LII')
    )
    for enhancer in (lacking, own):
        share(enhancer, weights)
        assert digest_of_start(enhancer, weights) == digest(weights)
        with torch.no_grad():
            enhancer.refiner.up[0].bias[3] += 1e-6
        assert digest_of_start(enhancer, weights) != digest(weights)
        share(enhancer, weights)
    with torch.no_grad():  # a layer of another size is no layer of the others
        own.refiner.refinement.feed_forward.project.weight.zero_()
    assert digest_of_start(own, weights) == digest(weights)

    records = made_up(study)
    places = {(r['cell']['arm'], r['cell']['decoy']): r for r in records if not r['cell']['seed']}
    first, second = places['equal weights', 'none'], places['without IHEM', 'none']
    for record in records:
        if record['cell']['seed'] == 0 and 'start' in record:
            record['start'] = start_of(lacking, weights, tmp_path)
    assert Scores(study, records).difference('without IHEM', 'equal weights', metric('psnr'))
    monkeypatch.setattr('llv.benchmark.tri_level.start.share', lambda *_: 0)
    with torch.no_grad():
        lacking.refiner.up[0].bias[3] += 1e-6
    second['start'] = start_of(lacking, weights, tmp_path)
    assert first['start']['batch'] == second['start']['batch']
    with pytest.raises(ValueError, match='of seed 0 did not start from the same weights'):
        Scores(study, records)


def test_without_a_regulator_the_network_has_the_same_size(study):
    sizes = []
    for arm in ('PGR printed', 'equal weights, without LII'):
        cfg = compose(study, Point(arm, 'none', 0))
        sizes.append(
            sum(p.numel() for p in MODELS.build(cfg.model.enhancer).parameters() if p.requires_grad)
        )
    assert abs(sizes[1] / sizes[0] - 1) < 0.005


class Brightness(BaseEnhancer):
    """One number everywhere, twice as large."""

    scale = 2

    def __init__(self, **options):
        super().__init__()
        self.level = nn.Parameter(torch.tensor(0.9))
        self.scene_loss = TriCoLoss(leave_out=('srl', 'ssim', 'tv'), **options)

    def enhance(self, images):
        raw = self.level.expand(len(images), 3, *(2 * side for side in images.shape[-2:]))
        return Enhancement(raw, dict(raw=raw, reflectance=images))


def test_a_decoy_pulls_as_many_times_as_its_magnitude_says():
    enhancer = Brightness(decoy=dict(magnitude=3.0), hyper_init=dict(decoy=2.0))
    references = torch.rand(2, 3, 8, 8) * 0.5  # darker than the result, blurred or not
    found = pulls(enhancer, torch.rand(2, 3, 4, 4), references)
    # the slope of mean |y − z| is 1 where y is above
    assert found['c']['gradient'] == pytest.approx(1, rel=1e-5)
    assert found['decoy']['gradient'] == pytest.approx(3, rel=1e-5)
    assert found['c']['weight'] == 0.5 and found['decoy']['weight'] == 0.25
    assert found['decoy']['share'] == pytest.approx(0.75 / (0.75 + 0.5), rel=1e-5)
    assert found['c']['value'] == pytest.approx(0.9 - references.mean().item(), rel=1e-4)
    parts_of_sum = [0.5 * found['c']['value'], 0.25 * found['decoy']['value']]
    assert found['c']['share_of_value'] == pytest.approx(parts_of_sum[0] / sum(parts_of_sum))
    assert enhancer.level.grad is None


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp('scenes')
    write_coupled_night_scenes(
        root, dict(train=3, val=1, test=1), (16, 16), workers=1, progress=False
    )
    return root


def test_a_training_that_was_interrupted_tells_no_time(study, scenes, tmp_path, monkeypatch):
    crops = ('train_dataloader.', 'train_cfg.upper_dataloader.')
    options = {f'model.enhancer.{k}': v for k, v in TINY.items()}
    options |= {f'{loader}dataset.pipeline.2.size': 16 for loader in crops}
    options |= {f'{loader}batch_size': 2 for loader in crops}
    options |= {'train_cfg.max_iters': 3, 'train_cfg.val_interval': 3, 'train_cfg.s1_iters': 1}
    options |= {'param_scheduler.0.begin': 1, 'param_scheduler.0.end': 3}
    options |= {'param_scheduler.0.periods': [1, 1], 'default_hooks.checkpoint.interval': 1}
    tiny = replace(study, data=str(scenes), options=options)
    cells = [
        plan_cell(tiny, Point('PGR printed', 'none', k), tmp_path, RunOptions()) for k in (0, 1)
    ]
    run_iter = PhasedGradientResponseLoop.run_iter

    def interrupted(self):
        if self.iter == 2:
            raise KeyboardInterrupt
        run_iter(self)

    with monkeypatch.context() as patch:
        patch.setattr(PhasedGradientResponseLoop, 'run_iter', interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_cell(cells[0], RunOptions())
    assert cells[0].record() is None
    resumed, whole = (run_cell(cell, RunOptions()) for cell in cells)
    assert resumed['cpu_seconds'] is None and whole['cpu_seconds'] > 0
    assert resumed['iterations'] == whole['iterations'] == 3
    # without it in the mean
    text = parts(Scores(tiny, [resumed, whole | dict(cpu_seconds=7.0)]))['tri-level-costs']
    assert rows(text)['PGR printed'][-1] == '7'
    text = parts(Scores(tiny, [resumed]))['tri-level-costs']
    assert rows(text)['PGR printed'][-1] == '–'


@pytest.fixture
def small(study, scenes):
    return compose(replace(study, data=str(scenes)), Point('PGR printed', 'none', 0))


def test_pulls_are_measured_on_scenes_that_nobody_trains_or_tests_on(small, scenes):
    images, references = held_pictures(small, 3)
    scene = CoupledNightScenes((16, 16), 0, 'val')[0]
    assert images.shape == (3, 3, 16, 16)
    for image, stops in zip(images, (-2.5, -3.0, -3.5), strict=True):
        assert np.array_equal((image.permute(1, 2, 0) * 255).round().numpy(), scene.dark[stops])
    expected = torch.from_numpy(scene.targets[2].copy()).permute(2, 0, 1) / 255
    torch.testing.assert_close(references[0], expected)


def test_the_best_gain_is_the_best_of_a_fine_grid():
    scene = CoupledNightScenes((24, 24), 0, 'test')[0]
    dark, target = scene.dark[-3.5] / 255, scene.targets[2] / 255
    for correct in (gain_in_srgb, gain_in_linear_light):
        every = [
            np.square(enlarged(correct(dark, k), 2) - target).mean()
            for k in np.geomspace(1, 64, 200)
        ]
        found = np.square(best_gain(dark, target, correct) - target).mean()
        assert found <= min(every) * 1.001


def test_a_picture_that_is_only_dim_is_restored():
    day = CoupledNightScenes((24, 24), 0)[0].targets[1] / 255
    dim = gain_in_linear_light(day, 2**-3.5)
    assert np.abs(best_gain(dim, day, gain_in_linear_light) - day).max() < 0.01


def test_best_gains_are_measured_on_the_test_pictures_by_exposure(small):
    found = measure_best_gains(small)
    assert list(found) == list(CORRECTIONS)
    for figures in found.values():
        by_ev = [figures[f'psnr_{ev}'] for ev in (-2.5, -3.0, -3.5, -4.0, -4.5)]
        assert figures['psnr'] == pytest.approx(sum(by_ev) / 5) and by_ev[0] > by_ev[-1]
        assert figures['psnr'] == pytest.approx(-20 * math.log10(figures['rmse']), abs=2)


def rows(text, number=0):
    """A table of a text: cells by the name of the row."""
    table = [block for block in text.split('\n\n') if block.startswith('|')][number]
    found = (line.split('|')[1:-1] for line in table.splitlines()[2:])
    return {name.strip(): [cell.strip() for cell in rest] for name, *rest in found}


def test_the_report_tells_gains_and_whether_the_decoy_was_turned_down(study):
    records = made_up(study)
    scores = Scores(study, records)
    gains = {'best gain, then bicubic': {**records[0]['metrics']}}
    text = parts(scores, gains)
    means, over = rows(text['tri-level-results']), rows(text['tri-level-results'], 1)
    assert means['best gain, then bicubic'] == ['20.00', '0.5000', '0.1000', '–']
    assert means['PSENet ⇒ ×2'][-1] == '5' and 'equal weights' not in over
    assert (
        over['PGR printed'][0] == '**+0.54 ± 0.04**'
        and over['PSENet ⇒ ×2'][0] == '**+0.54 ± 0.04**'
    )
    assert over['equal weights, without LII'][0] == '+0.00 ± 0.00'
    lacking = rows(text['tri-level-lacking'])
    assert set(lacking) == {n for n in study.arms if n.startswith('without')}
    assert lacking['without S1'][0] == '+0.00 ± 0.00'
    pairs = rows(text['tri-level-pairs'])
    assert list(pairs) == [f'{first} − {second}' for first, second in study.pairs]
    assert pairs['PGR printed − equal weights, passes of PGR'][0] == '**+0.54 ± 0.04**'
    assert pairs['equal weights, without srl − PSENet ⇒ ×2'][0] == '**-0.54 ± 0.04**'
    # brightest first, by number and not by name
    assert '| -2.5 EV' in text['tri-level-exposures'].splitlines()[0]
    assert text['tri-level-exposures'].splitlines()[0].rstrip(' |').endswith('-3.0 EV')
    decoy = rows(text['tri-level-decoys'], 2)  # its gains are the second table
    assert decoy['PGR printed'][:3] == [
        '4.00 (4.00 … 4.00)',
        '0.25 (0.25 … 0.25)',
        '0.05 (0.05 … 0.05)',
    ]
    assert decoy['PGR printed'][3] == '**-0.15 ± 0.00**' and decoy['equal weights'][3] == '–'
    assert (
        decoy['PGR printed'][-1] == '**-1.00 ± 0.00**'
        and decoy['equal weights'][-1] == '**-3.00 ± 0.00**'
    )
    hyper = text['tri-level-hyper']
    assert '**Decoy none**' not in hyper and '**Decoy 4**' in hyper and 'equal weights' not in hyper
    assert rows(text['tri-level-costs'])['PGR printed'] == ['3', '9', '1,000', '2']
    found = json.loads(json.dumps(summary(scores, records, gains), allow_nan=False))
    assert len(found['records']) == len(study.points()) and found['best_gains']
    told = [d for d in found['differences'] if d['arm'] == 'PGR printed' and d['metric'] == 'psnr']
    assert [d['decoy'] for d in told] == ['none', '0.5', '4'] and told[2]['mean'] == pytest.approx(
        2.54
    )


def test_figures_of_losses_are_read_where_there_are_any(study):
    scores = Scores(study, made_up(study))
    assert scores.values('PGR printed', of_loss('decoy', 'hyper')) == {}
    assert scores.mean('PGR printed', of_loss('decoy', 'hyper'), '4').mean == 4
    assert set(scores.values('PGR printed', against_others('decoy'), '4').values()) == {0.25}
    assert scores.values('PGR printed', against_others('decoy')) == {}
    assert scores.cost_of_decoy('equal weights', '4', metric('psnr')).mean == pytest.approx(-3)
    assert scores.losses() == [*LOSSES, 'decoy']


def test_an_empty_and_a_half_done_study_are_reported(study):
    assert set(parts(Scores(study, [])).values()) == {'Not run yet.'}
    half = [
        r for r in made_up(study) if r['cell']['seed'] == 0 and r['cell']['arm'] != 'PGR printed'
    ]
    text = parts(Scores(study, half))
    assert '| 20.50' in text['tri-level-results'] and text['tri-level-lacking'] == 'Not run yet.'


def test_trainings_that_did_not_start_alike_are_not_compared(study):
    records = made_up(study)
    records[2]['start'] = dict(records[2]['start'], batch='other')
    with pytest.raises(ValueError, match='`uncoupled` and `equal weights` of seed 0 did not start'):
        Scores(study, records)


def test_logs_of_several_seeds_are_averaged_where_all_have_a_step():
    logs = [
        [dict(step=5, loss=1.0, stage=1), dict(step=10, loss=2.0, stage=2, upper_loss=1.0)],
        [dict(step=5, loss=3.0, stage=1, note='x'), dict(step=10, loss=6.0, stage=2)],
        [
            dict(step=5, loss=2.0, stage=1),
            dict(step=10, loss=1.0, stage=2),
            dict(step=15, loss=9.0),
        ],
    ]
    assert mean_log(logs) == [
        dict(step=5, loss=2.0, stage=1), dict(step=10, loss=3.0, stage=2)
    ]  # fmt: skip


class Doubling(nn.Module):
    def forward(self, x, semantic, illumination):
        return -2 * x


def test_features_are_shown_as_the_modulators_get_and_give_them():
    enhancer = TriCo(**TINY)
    enhancer.refiner.modulators = nn.ModuleList(Doubling() for _ in range(4))
    before, after, result = modulated(enhancer, torch.rand(1, 3, 16, 24))
    assert [tuple(m.shape) for m in before] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    for level in range(4):
        torch.testing.assert_close(after[level], 2 * before[level])
    assert result.shape == (1, 3, 32, 48)
    assert not any(m._forward_hooks for m in enhancer.refiner.modulators)


def test_the_convergence_figure_is_the_same_for_the_same_records(tmp_path):
    log = [{'step': k, 'loss': 3 - k, 'stage': 1, 'hyper/c': 1 - 0.1 * k} for k in range(3)]
    for name in ('a', 'b'):
        write_figure(plot_hyper_variables(log, 'PGR'), tmp_path / 'new' / f'{name}.svg')
    a, b = ((tmp_path / 'new' / f'{name}.svg').read_bytes() for name in 'ab')
    assert a == b and b'content' in a
