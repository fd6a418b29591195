"""The study of sample relationship: its file, its statistics and what it reports of made-up records."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from scipy import stats

from llv.benchmark.relation.cells import compose
from llv.benchmark.relation.figure import curve_figure, write_figure
from llv.benchmark.relation.judging import gradient_norms, held_exposures, judge_reactions
from llv.benchmark.relation.power import detectable
from llv.benchmark.relation.recorder import Recorder, digest_of, read_curve
from llv.benchmark.relation.report import parts, summary
from llv.benchmark.relation.scores import Scores
from llv.benchmark.relation.study_file import read_study
from llv.benchmark.statistics import Estimate, estimate, student_t
from llv.datasets.night_scenes import write_night_exposures
from llv.models.regularizers.pooled_l1_loss import PooledL1Loss
from llv.registry import MODELS
from llv.utils.markdown import around_markers

ROOT = Path(__file__).resolve().parents[2]
STUDY = ROOT / 'configs' / 'night_scenes' / 'relation' / 'study.yml'
PAGE = ROOT / 'docs' / 'relation.md'


@pytest.fixture(scope='module')
def study():
    return read_study(STUDY)


def made_up(study, gain=0.5):
    """A record for every training: seeds differ by 10 dB, arms but the baseline gain a little more each seed."""
    records = []
    for point in study.points():
        plus = 0.0 if point.arm.kind == 'none' else gain + 0.02 * point.seed
        figures = dict(psnr=10.0 * point.seed + plus, ssim=0.5, psnr_under=1.0, psnr_over=2.0)
        start = dict(weights=f'w{point.seed}', batch=f'b{point.seed}{point.batch}')
        record = dict(
            cell=point.key, metrics=figures, curve={'30': figures, '60': figures}, start=start
        )
        if point.arm.kind == 'relation':
            record['module'] = dict(
                cross=0.3, reaction=0.5 if point.seed else 2.0, reaction_by_change=0.7
            )
            if point.arm.transformer == 'trained':
                record['module'] |= dict(
                    drawn=dict(cross=0.4, reaction=1.5, reaction_by_change=0.6),
                    reconstruction=0.01, phase_before=1.2, phase=1.1, fusion_own=1.0, fusion_related=1.0,
                )  # fmt: skip
        if point.arm.attention == 'self':
            record['module']['reaction'] = None
        if point.arm.kind == 'pooled':
            record['balance'] = dict(
                loss_weight=2.0, iterations=[0, 30], relation=[2.0, 4.0], pooled=[1.5, 1.5]
            )
        if point.arm.name == 'none' and point.seed < 2:
            record['agreement'] = [dict(iteration=0, cosine=-0.5), dict(iteration=30, cosine=None)]
        records.append(record)
    return records


@pytest.mark.parametrize('count', [5, 10, 30])
def test_the_detectable_gain_is_found_in_four_of_five_studies(count):
    gain = detectable(Estimate(0.0, 2.0, 1.0, count))
    shift = gain / (2.0 / math.sqrt(count))
    limit = student_t(count - 1)
    power = 1 - stats.nct.cdf(limit, count - 1, shift) + stats.nct.cdf(-limit, count - 1, shift)
    assert power == pytest.approx(0.8, abs=0.01)


def test_one_pair_detects_nothing_and_power_has_its_range():
    assert detectable(estimate([1.0])) is None
    with pytest.raises(ValueError, match='`power` must be between 0.5 and 1, but got 0.5'):
        detectable(estimate([1.0, 2.0]), 0.5)


def test_the_file_of_the_study_names_ten_pairs_of_six_arms_and_its_sweeps(study):
    assert len(study.main_points()) == 60
    # whole repeats first, and what is swept after all of them
    assert study.points()[:60] == study.main_points()
    assert [point.seed for point in study.main_points()] == [k for k in range(10) for _ in range(6)]
    # four weights of one arm, two other batches of two arms; the middle ones are there already
    weights, batches = study.sweeps['alpha'], study.sweeps['batch']
    assert len(weights.values) == 5 and len(batches.values) == 3
    more = 4 * len(weights.seeds) + 2 * 2 * len(batches.seeds)
    assert len(study.points()) == 60 + more and more > 0
    assert {point.alpha for point in study.points() if point.arm.kind == 'none'} == {None}


def test_the_page_has_a_place_for_every_part(study):
    for name in parts(Scores(study, [])):
        before, after = around_markers(PAGE, name)
        assert before and after


def test_a_part_of_the_study_keeps_the_baseline_and_what_a_loss_is_weighed_by(study):
    part = study.restricted([3, 1], ['pooled L1'], ['batch'])
    assert list(part.arms) == ['none', 'ERL', 'pooled L1']
    assert part.seeds == [3, 1] and list(part.sweeps) == ['batch']
    assert part.sweeps['batch'].seeds == [1]
    assert not study.restricted(sweeps=[]).sweeps
    with pytest.raises(ValueError, match='has no arm `ERLL`; it has none, ERL'):
        study.restricted(arms=['ERLL'])
    with pytest.raises(ValueError, match='has no sweep `beta`'):
        study.restricted(sweeps=['beta'])


@pytest.mark.parametrize(
    'change, words',
    [
        (dict(host=None), 'has no `host`'),
        (dict(host='gone.py'), 'The config `gone.py` of'),
        (dict(sedes=[1]), 'unknown key `sedes`'),
        (dict(seeds=[]), '`seeds` of .* must be a list of numbers'),
        (dict(seeds=[True]), 'must be numbers from 0'),
        (dict(seeds=[-1]), 'must be numbers from 0'),
        (dict(batch=1), 'one picture relates to nothing'),
        (dict(baseline='ERL'), '`baseline` of .* must be an arm of kind `none`'),
        (dict(arms={'none': {'kind': 'nothing'}}), '`kind` of the arm `none`'),
        (dict(arms={'none': {}, 'p': {'kind': 'pooled', 'like': 'none'}}), '`like` of the arm `p`'),
        (dict(arms=[1]), '`arms` of .* must be keys with values'),
        (dict(sweeps={'gamma': {}}), 'unknown key `gamma`'),
        (dict(sweeps={'batch': dict(arms=['ERL'], values=[1], seeds=[0])}), 'at least 2'),
        (dict(sweeps={'alpha': dict(arms=['x'], values=[1], seeds=[0])}), 'must be a list of arms'),
    ],
)
def test_a_wrong_study_is_told(tmp_path, change, words):
    content = yaml.safe_load(STUDY.read_text())
    content.update({k: str(STUDY.parent / content[k]) for k in ('host', 'pretext')} | change)
    file = tmp_path / 'study.yml'
    file.write_text(yaml.safe_dump(content))
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        read_study(file)


def test_a_study_that_is_no_yaml_or_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match='The study .* is not there'):
        read_study(tmp_path / 'x.yml')
    (tmp_path / 'x.yml').write_text('{')
    with pytest.raises(ValueError, match='is no YAML file'):
        read_study(tmp_path / 'x.yml')


def test_arms_differ_in_their_regulariser_alone_and_share_the_first_stage(study):
    plain = compose(study, study.point('none', 7)).to_dict()
    firsts, seconds = set(), set()
    for arm in study.arms.values():
        cfg = compose(study, study.point(arm.name, 7)).to_dict()
        links = cfg.pop('upstream', [])
        cfg['model'].pop('regularizer', None)
        assert cfg == plain
        if arm.kind != 'relation':
            continue
        (link,) = links
        options = dict(link['cfg_options'])
        assert options['randomness.seed'] == 7
        if arm.transformer == 'random':
            assert Path(link['config']).name == 'bcm-reconstruction.py'
            firsts.add(json.dumps(options))
        else:
            firsts.add(json.dumps(options.pop('upstream.0.cfg_options')))
            seconds.add(json.dumps(options))
    assert len(firsts) == 1 and len(seconds) == 3
    swept = compose(study, study.point('ERL', 7, alpha=0.3, batch=8))
    assert swept.model.regularizer.loss_weight == 0.3
    assert swept.train_dataloader.batch_size == 8
    assert swept.upstream[0]['cfg_options']['train_dataloader.batch_size'] == 8


def test_gradients_are_compared_where_the_study_says(study):
    def hooks(*point, **other):
        return [
            h['type'] for h in compose(study, study.point(*point, **other)).get('custom_hooks', [])
        ]

    assert hooks('none', 2) == hooks('ERL', 0) == ['llv.GradientAgreementHook']
    assert hooks('ERL', 3) == hooks('L1 pretext', 0) == hooks('ERL', 0, batch=2) == []


def test_a_host_that_has_a_regulariser_already_is_told(study):
    with pytest.raises(ValueError, match='`host` of .* must be an `llv.EnhancementModel` without'):
        options = {'model.regularizer': dict(type='llv.PooledL1Loss')}
        compose(replace(study, options=options), study.point('none', 0))


def test_paired_differences_are_sure_where_means_are_not(study):
    scores = Scores(study, made_up(study))
    found = scores.difference('ERL', 'none')
    assert found.mean == pytest.approx(0.5 + 0.02 * 4.5) and found.count == 10
    assert found.half_width < 0.1 < 10 < scores.mean('ERL').half_width
    # by hand: standard deviation of 0, 2 … 18 hundredths
    spread = 0.02 * math.sqrt(sum((k - 4.5) ** 2 for k in range(10)) / 9)
    assert found.spread == pytest.approx(spread)


def cells(text):
    """The first table of a text: cells by the name of the row."""
    rows = (line.split('|')[1:-1] for line in text.split('\n\n')[0].splitlines()[2:])
    return {name.strip(): [cell.strip() for cell in rest] for name, *rest in rows}


def test_the_report_tells_every_part_and_marks_what_is_sure(study):
    scores = Scores(study, made_up(study))
    text = parts(scores)
    assert '**+0.59 ± 0.04**' in text['relation-results']
    assert '**ERL minus each control**' in text['relation-results']
    lines = text['relation-results'].splitlines()
    assert any(line.startswith('| L1 pretext') and '+0.00 ± 0.00' in line for line in lines)
    assert text['relation-curve'].splitlines()[2].startswith('| 30 ')
    seeds = ', '.join(str(seed) for seed in study.sweeps['batch'].seeds)
    assert '| 0.3 ' in text['relation-sweeps']
    assert f'**batch** (seeds {seeds})' in text['relation-sweeps']
    relations = cells(text['relation-modules'])
    assert relations['ERL'] == [
        '0.30 (0.30 … 0.30)', '0.40 (0.40 … 0.40)', '0.65 (0.50 … 2.00)', '1.50 (1.50 … 1.50)',
        '0.70 (0.70 … 0.70)', '0.60 (0.60 … 0.60)', '1 of 10', '10 of 10', '1 of 10',
    ]  # fmt: skip
    assert relations['random transformer'][-3:] == ['1 of 10', '–', '–']
    assert relations['attention to itself'][2] == '–'  # nothing moves it
    assert relations['attention to itself'][-3:] == ['0 of 10', '10 of 10', '0 of 10']
    assert '0 steps 2.00e+00, 30 steps 4.00e+00' in text['relation-modules']
    assert '| 0    | -0.50 (-0.50 … -0.50) |' in text['relation-agreement']
    assert '30' not in text['relation-agreement']  # its cosine was no number
    found = summary(scores, made_up(study))
    assert json.loads(json.dumps(found, allow_nan=False))['differences'][2]['count'] == 10


def test_an_empty_and_a_half_done_study_are_reported(study):
    assert set(parts(Scores(study, [])).values()) == {'Not run yet.'}
    half = [r for r in made_up(study) if r['cell']['seed'] < 2 and r['cell']['arm'] != 'L1 pretext']
    text = parts(Scores(study, half))['relation-results']
    assert 'L1 pretext' not in text and '| 2     |' in text


def test_trainings_that_did_not_start_alike_are_not_compared(study):
    records = made_up(study)
    records[1]['start'] = dict(records[1]['start'], weights='other')
    with pytest.raises(ValueError, match='`ERL` and `none` of seed 0 did not start'):
        Scores(study, records)


def test_the_figure_is_the_same_for_the_same_records(study, tmp_path):
    scores = Scores(study, made_up(study))
    figure = curve_figure(scores)
    left, right = figure.axes
    assert len(left.lines) == 6 and len(right.lines) == 6  # the line at zero among them
    assert right.lines[0].get_ydata() == pytest.approx([0.59, 0.59])
    for name in ('a', 'b'):
        write_figure(curve_figure(scores), tmp_path / 'new' / f'{name}.svg')
    a, b = ((tmp_path / 'new' / f'{name}.svg').read_bytes() for name in 'ab')
    assert a == b and b'attention to itself' in a


class Told:
    """T of a sample: what a function makes of the others."""

    def __init__(self, function):
        self.function = function

    def relate(self, images):
        told = torch.stack([self.function(image) for image in images])
        return told.sum(0) - told


def test_exposures_and_scenes_are_exchanged_for_what_they_are():
    # five scenes whose pictures are their number, lit by a half, one and one and a half
    numbers = torch.tensor([0.0, 0.1, 0.3, 0.6, 0.4])
    lights = torch.tensor([0.1, 0.3, 0.4])
    exposures = (numbers[None] + lights[:, None])[..., None, None, None].expand(3, 5, 3, 4, 4)
    found = judge_reactions(Told(lambda image: image.mean()[None]), exposures, 2)
    # what one picture tells the only other one: the mean of |difference of lights| over ordered pairs
    assert found.exposure == pytest.approx((0.2 + 0.1 + 0.3) * 2 / 6, rel=1e-5)
    # two batches: scenes 0 … 3, each for the second next and the second last of the ring of five
    rings = [
        abs(numbers[(j + shift) % 5] - numbers[j]).item() for j in range(4) for shift in (2, -2)
    ]
    assert found.content == pytest.approx(sum(rings) / 8, rel=1e-5)
    assert found.ratio_by_change == pytest.approx(1, rel=1e-5)
    with pytest.raises(ValueError, match='5 scenes are too few .* write at least 6'):
        judge_reactions(Told(lambda image: image.mean()[None]), exposures, 3)


def test_the_gradient_of_a_pooled_loss_has_its_closed_form(study, tmp_path):
    cfg = compose(study, study.point('none', 0))
    torch.manual_seed(0)
    points = []
    for step in range(2):
        points.append(tmp_path / f'point_{step}.pth')
        torch.save(MODELS.build(cfg.model.enhancer).state_dict(), points[-1])
    batches = [(torch.rand(2, 3, 32, 32), torch.ones(2, 3, 32, 32))]
    generator = torch.get_rng_state()
    norms = gradient_norms(cfg, points, dict(p=PooledL1Loss(16, 3.0)), batches)
    # every pixel pulls by ± 1 / number of numbers
    assert norms['p'] == pytest.approx([3.0 / math.sqrt(2 * 3 * 32 * 32)] * 2, rel=1e-5)
    assert torch.equal(generator, torch.get_rng_state())


def test_exposures_of_a_scene_share_their_crop_and_scenes_must_be_whole(study, tmp_path):
    scenes = dict(train=1, val=1, test=3)
    write_night_exposures(tmp_path, scenes, (48, 64), layout='sice', workers=1, progress=False)
    options = {
        'train_dataloader.dataset.data_root': str(tmp_path),
        'train_dataloader.dataset.pipeline.2.size': [32, 32],
    }
    cfg = compose(replace(study, options=options), study.point('none', 0))
    found = held_exposures(cfg, 'test')
    assert found.shape == (3, 3, 3, 32, 32)
    under, middle, over = found.mean((2, 3, 4))
    assert (under < middle).all() and (middle < over).all()
    flat = found.mean(2).flatten(2)
    for k in range(3):  # structure is that of the same crop
        alike = torch.corrcoef(torch.stack([flat[0, k], flat[1, k], flat[2, k]]))
        assert alike.min() > 0.4
    assert torch.equal(found, held_exposures(cfg, 'test'))
    file = next((tmp_path / 'test' / 'over').iterdir())
    file.rename(file.with_name('9999.png'))
    (tmp_path / 'test' / 'mid' / file.name).rename(tmp_path / 'test' / 'mid' / '9999.png')
    (tmp_path / 'test' / 'low' / file.name).unlink()
    with pytest.raises(ValueError, match='must have one under- and one over-exposed picture'):
        held_exposures(cfg, 'test')


def test_a_recorder_keeps_its_curve_over_an_interruption(tmp_path):
    class Runner:
        iter = 0
        model = torch.nn.ModuleDict(dict(enhancer=torch.nn.Linear(2, 1)))

    runner = Runner()
    first = Recorder(tmp_path, points=True)
    first.before_train(runner)
    runner.iter = 30
    first.after_val_epoch(runner, {'quality/psnr': 3.0, 'quality/ssim': float('nan')})
    second = Recorder(tmp_path)  # after the interruption
    second.before_train(runner)
    runner.iter = 60
    second.after_val_epoch(runner, {'quality/psnr': 4.0})
    assert read_curve(tmp_path) == {30: dict(psnr=3.0, ssim=None), 60: dict(psnr=4.0)}
    assert sorted(p.name for p in tmp_path.glob('point_*')) == ['point_0.pth', 'point_30.pth']
    digest = digest_of(runner.model)
    with torch.no_grad():
        runner.model['enhancer'].bias += 1e-3
    assert digest_of(runner.model) != digest
