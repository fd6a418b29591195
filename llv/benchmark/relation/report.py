"""What the study says, as parts of a page and as one record."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from llv.benchmark.statistics import Estimate, paired_difference
from llv.utils.markdown import markdown_table

from .power import detectable
from .scores import Scores

# what a module that relates samples by exposure should reach; one as drawn may, so it stands beside
CROSS, REACTION = 0.2, 1.0
_SHOWN = (
    ('psnr_under', 'under-exposed', 2),
    ('psnr_over', 'over-exposed', 2),
    ('psnr', 'PSNR (dB)', 2),
    ('ssim', 'SSIM', 4),
)
_RELATION = (
    ('cross', 'others / own', 2),
    ('reaction', 'exposure / content', 2),
    ('reaction_by_change', 'per pixel change', 2),
)
_STAGES = (
    ('reconstruction', 'error of stage A', 4),
    ('phase_before', 'phase before', 3),
    ('phase', 'phase after', 3),
    ('fusion_own', 'fusion, own', 3),
    ('fusion_related', 'fusion, related', 3),
)
NOTHING = 'Not run yet.'


def parts(scores: Scores) -> dict[str, str]:
    """Text of each part of the page by the name of its marks (`relation-…`)."""
    return {
        'relation-results': results_text(scores),
        'relation-curve': curve_text(scores),
        'relation-sweeps': sweeps_text(scores),
        'relation-modules': modules_text(scores),
        'relation-agreement': agreement_text(scores),
    }


def results_text(scores: Scores) -> str:
    """Means of all arms, and what each gains over the baseline and the first relation over each."""
    study = scores.study
    rows = []
    for arm in study.arms:
        count = len(scores.values(arm))
        if count:
            means = {
                title: interval(scores.mean(arm, metric), digits)
                for metric, title, digits in _SHOWN
            }
            rows.append({'arm': arm, **means, 'seeds': str(count)})
    if not rows:
        return NOTHING
    lines = [markdown_table(rows)]
    first = next((name for name, arm in study.arms.items() if arm.kind == 'relation'), None)
    gains = [(arm, study.baseline) for arm in study.arms if arm != study.baseline]
    lines += _differences(scores, f'Gain over {study.baseline}', gains)
    if first is not None:
        controls = [(first, a) for a in study.arms if a not in (first, study.baseline)]
        lines += _differences(scores, f'{first} minus each control', controls, by_other=True)
    return '\n\n'.join(lines)


def _differences(
    scores: Scores, title: str, pairs: Sequence[tuple[str, str]], by_other: bool = False
) -> list[str]:
    rows = []
    for arm, against in pairs:
        total = scores.difference(arm, against)
        if total is None:
            continue
        row = {'arm': against if by_other else arm}
        for metric, name, digits in _SHOWN:
            row[name] = signed(scores.difference(arm, against, metric), digits)
        least = detectable(total)
        row['detectable PSNR'] = '–' if least is None else f'{least:.2f}'
        row['seeds'] = str(total.count)
        rows.append(row)
    return [f'**{title}**', markdown_table(rows)] if rows else []


def curve_text(scores: Scores) -> str:
    """PSNR at each validation, and the paired gain of each arm there."""
    study = scores.study
    rows = []
    for step in scores.steps():
        row = {'step': str(step)}
        plain = scores.mean(study.baseline, step=step)
        row[study.baseline] = '–' if plain is None else f'{plain.mean:.2f}'
        for arm in study.arms:
            if arm != study.baseline:
                row[arm] = signed(scores.difference(arm, study.baseline, step=step), 2)
        rows.append(row)
    return markdown_table(rows) if rows else NOTHING


def sweeps_text(scores: Scores) -> str:
    """What the weight of the relation and the size of the batch do."""
    study = scores.study
    blocks = []
    for name, sweep in study.sweeps.items():
        rows = []
        for value in sweep.values:
            # the baseline knows no weight; its batch is that of the arm
            other = {} if name == 'alpha' else {name: value}
            plain = scores.values(study.baseline, seeds=sweep.seeds, **other)
            row = {name: f'{value:g}', study.baseline: _mean(plain.values())}
            for arm in sweep.arms:
                if arm == study.baseline:
                    continue
                values = scores.values(arm, seeds=sweep.seeds, **{name: value})
                row[arm] = _mean(values.values())
                row[f'{arm}, gain'] = signed(paired_difference(values, plain), 2)
            rows.append(row)
        if any(set(list(row.values())[1:]) != {'–'} for row in rows):
            seeds = ', '.join(map(str, sweep.seeds))
            blocks += [f'**{name}** (seeds {seeds})', markdown_table(rows)]
    return '\n\n'.join(blocks) or NOTHING


def modules_text(scores: Scores) -> str:
    """What the modules relate by, how well they were trained, and how the pooled loss was weighed."""
    study = scores.study
    relations, stages, lines = [], [], []
    for arm in study.arms:
        found = [r['module'] for r in scores.records(arm).values() if 'module' in r]
        if found:
            relations.append({'arm': arm, **_relation(found)})
        trained = [m for m in found if 'drawn' in m]
        if trained:
            stages.append(
                {'arm': arm, **{t: _range([m[k] for m in trained], d) for k, t, d in _STAGES}}
            )
        weighed = [r['balance'] for r in scores.records(arm).values() if 'balance' in r]
        if weighed:
            weights = _range([b['loss_weight'] for b in weighed], 4)
            shown = _by_step(weighed, 'relation')
            steady = _by_step(weighed, 'pooled')
            told = ', '.join(f'{step} steps {value:.2e}' for step, value in shown.items())
            lines.append(
                f'{arm}: loss weight {weights}, mean and range over {len(weighed)} seeds. Length of the gradient of '
                f'the relation after {told}; of the pooled loss with weight 1 {min(steady.values()):.2e} to '
                f'{max(steady.values()):.2e}.'
            )
    tables = [markdown_table(rows) for rows in (relations, stages) if rows]
    return '\n\n'.join([*tables, *lines]) or NOTHING


def _relation(found: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What modules of one arm relate by, beside the same as drawn."""
    drawn = [m['drawn'] for m in found if 'drawn' in m]
    row = {}
    for key, title, digits in _RELATION:
        row[title] = _range([m[key] for m in found if m[key] is not None], digits)
        row[f'{title}, as drawn'] = _range([m[key] for m in drawn if m[key] is not None], digits)
    row['both hold'] = _both_hold(found)
    row['both hold, as drawn'] = _both_hold(drawn)
    above = [(m['reaction'] or 0) > (m['drawn']['reaction'] or 0) for m in found if 'drawn' in m]
    row['more than as drawn'] = f'{sum(above)} of {len(above)}' if above else '–'
    return row


def _both_hold(found: Sequence[dict[str, Any]]) -> str:
    passed = sum(m['cross'] >= CROSS and (m['reaction'] or 0) > REACTION for m in found)
    return f'{passed} of {len(found)}' if found else '–'


def agreement_text(scores: Scores) -> str:
    """Cosine of the gradients of both exposures over the training, mean over the seeds that were watched."""
    columns: dict[str, dict[int, list[float]]] = {}
    for arm in scores.study.arms:
        for record in scores.records(arm).values():
            for line in record.get('agreement', ()):
                if line['cosine'] is not None:
                    places = columns.setdefault(arm, {})
                    places.setdefault(line['iteration'], []).append(line['cosine'])
    steps = sorted({step for places in columns.values() for step in places})
    rows = [
        {
            'step': str(step),
            **{arm: _range(places.get(step, []), 2) for arm, places in columns.items()},
        }
        for step in steps
    ]
    return markdown_table(rows) if rows else NOTHING


def summary(scores: Scores, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Everything for a JSON file: means, paired differences and all records."""
    study = scores.study
    means, differences = [], []
    for arm in study.arms:
        for metric, _, _ in _SHOWN:
            found = scores.mean(arm, metric)
            if found is not None:
                means.append(dict(arm=arm, metric=metric, **vars(found)))
            paired = scores.difference(arm, study.baseline, metric)
            if arm != study.baseline and paired is not None:
                least = detectable(paired)
                entry = dict(arm=arm, baseline=study.baseline, metric=metric, detectable=least)
                differences.append({**entry, **vars(paired)})
    return dict(title=study.title, means=means, differences=differences, records=list(records))


def interval(found: Estimate | None, digits: int) -> str:
    """Mean ± half the width of its interval of 95 %."""
    return _told(found, digits, '')


def signed(found: Estimate | None, digits: int) -> str:
    """The same of a difference, bold where the interval excludes zero."""
    text = _told(found, digits, '+')
    sure = found is not None and found.half_width is not None and abs(found.mean) > found.half_width
    return f'**{text}**' if sure else text


def _told(found: Estimate | None, digits: int, sign: str) -> str:
    if found is None:
        return '–'
    text = f'{found.mean:{sign}.{digits}f}'
    return text if found.half_width is None else f'{text} ± {found.half_width:.{digits}f}'


def _mean(values: Any) -> str:
    values = list(values)
    return f'{statistics.fmean(values):.2f}' if values else '–'


def _range(values: Sequence[float], digits: int) -> str:
    """Mean and, of several, the least and the largest."""
    if not values:
        return '–'
    show: Callable[[float], str] = lambda value: f'{value:.{digits}f}'  # noqa: E731
    text = show(statistics.fmean(values))
    return text if len(values) == 1 else f'{text} ({show(min(values))} … {show(max(values))})'


def _by_step(weighed: Sequence[dict[str, Any]], name: str) -> dict[int, float]:
    found: dict[int, list[float]] = {}
    for entry in weighed:
        for step, value in zip(entry['iterations'], entry[name], strict=True):
            found.setdefault(step, []).append(value)
    return {step: statistics.fmean(values) for step, values in sorted(found.items())}
