"""What the study says, as parts of a page and as one record."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from llv.benchmark.relation.power import detectable
from llv.benchmark.relation.report import NOTHING, interval, signed
from llv.utils.markdown import markdown_table

from .scores import Scores, against_others, metric, of_loss

Baselines = Mapping[str, Mapping[str, float]]

_SHOWN = (('psnr', 'PSNR (dB)', 2), ('ssim', 'SSIM', 4), ('rmse', 'RMSE', 4))


def parts(scores: Scores, baselines: Baselines | None = None) -> dict[str, str]:
    """Text of each part of the page by the name of its marks (`tri-level-…`).

    Args:
        scores: Of the study.
        baselines: What :func:`llv.benchmark.tri_level.best_gain.measure_best_gains` gives.
    """
    return {
        'tri-level-results': results_text(scores, baselines or {}),
        'tri-level-lacking': lacking_text(scores),
        'tri-level-pairs': pairs_text(scores),
        'tri-level-exposures': exposures_text(scores, baselines or {}),
        'tri-level-decoys': decoys_text(scores),
        'tri-level-hyper': hyper_text(scores),
        'tri-level-costs': costs_text(scores),
        'tri-level-convergence': NOTHING,
        'tri-level-features': NOTHING,
    }


def results_text(scores: Scores, baselines: Baselines) -> str:
    """Means of all arms without decoy and of the baselines, and what each arm gains over equal weights."""
    rows = []
    for arm in (*scores.arms(), *scores.cascades()):
        row = {'arm': arm}
        row |= {title: interval(scores.mean(arm, metric(n)), d) for n, title, d in _SHOWN}
        rows.append(row | {'seeds': str(len(scores.records(arm)))})
    if not rows:
        return NOTHING
    for name, figures in baselines.items():
        row = {'arm': name} | {title: f'{figures[n]:.{d}f}' for n, title, d in _SHOWN}
        rows.append(row | {'seeds': '–'})
    return '\n\n'.join([markdown_table(rows), *_gains(scores, scores.study.plain)])


def _gains(scores: Scores, decoy: str) -> list[str]:
    base = scores.study.baseline
    others = scores.cascades() if decoy == scores.study.plain else []
    rows = [
        row
        for arm in (*scores.arms(decoy), *others)
        if arm != base and (row := _difference(scores, arm, base, decoy)) is not None
    ]
    return [f'**Gain over {base}**', markdown_table(rows)] if rows else []


def _difference(
    scores: Scores, arm: str, against: str, decoy: str, name: str = ''
) -> dict[str, str] | None:
    found = {n: scores.difference(arm, against, metric(n), decoy) for n, _, _ in _SHOWN}
    if found['psnr'] is None:
        return None
    row = {'arm': name or arm}
    row |= {title: signed(found[n], digits) for n, title, digits in _SHOWN}
    least = detectable(found['psnr'])
    row['detectable PSNR'] = '–' if least is None else f'{least:.2f}'
    return row | {'seeds': str(found['psnr'].count)}


def lacking_text(scores: Scores) -> str:
    """The whole minus each arm that lacks something of it, without decoy."""
    whole = scores.study.whole
    rows = [
        row
        for arm in scores.arms()
        if arm.startswith('without ')
        and (row := _difference(scores, whole, arm, scores.study.plain, arm)) is not None
    ]
    return f'**{whole} minus each**\n\n{markdown_table(rows)}' if rows else NOTHING


def pairs_text(scores: Scores) -> str:
    """The differences that the study asks for besides, without decoy."""
    rows = [
        row
        for first, second in scores.study.pairs
        if (row := _difference(scores, first, second, scores.study.plain, f'{first} − {second}'))
        is not None
    ]
    return markdown_table(rows) if rows else NOTHING


def exposures_text(scores: Scores, baselines: Baselines) -> str:
    """PSNR by the exposure of the dark picture."""
    every = (*scores.arms(), *scores.cascades())
    names = {name for arm in every for r in scores.records(arm).values() for name in r['metrics']}
    stops = sorted(
        (name.removeprefix('psnr_') for name in names if name.startswith('psnr_-')),
        key=float,
        reverse=True,
    )
    rows = []
    for arm in every:
        rows.append(
            {'arm': arm}
            | {f'{ev} EV': interval(scores.mean(arm, metric(f'psnr_{ev}')), 2) for ev in stops}
        )
    for name, figures in baselines.items():
        rows.append({'arm': name} | {f'{ev} EV': f'{figures[f"psnr_{ev}"]:.2f}' for ev in stops})
    return markdown_table(rows) if stops else NOTHING


def decoys_text(scores: Scores) -> str:
    """Whether the decoy's weight falls, what is left of its pull, and what it costs."""
    study = scores.study
    share = of_loss('decoy', 'share')
    blocks = []
    for decoy in study.decoys:
        arms = scores.arms(decoy)
        if decoy == study.plain or not arms:
            continue
        rows = []
        for arm in arms:
            row = {
                'arm': arm,
                'ς of the decoy': _told(scores, arm, of_loss('decoy', 'hyper'), decoy),
            }
            row['weight / others'] = _told(scores, arm, against_others('decoy'), decoy)
            row['share of the gradient'] = _told(scores, arm, share, decoy)
            row[f'− that of {study.baseline}'] = (
                '–'
                if arm == study.baseline
                else signed(scores.difference(arm, study.baseline, share, decoy), 2)
            )
            row['share of the sum'] = _told(scores, arm, of_loss('decoy', 'share_of_value'), decoy)
            row['PSNR with − without decoy'] = signed(
                scores.cost_of_decoy(arm, decoy, metric('psnr')), 2
            )
            rows.append(row)
        blocks += [f'### Decoy {decoy}', markdown_table(rows), *_gains(scores, decoy)]
    return '\n\n'.join(blocks) or NOTHING


def hyper_text(scores: Scores) -> str:
    """ς at the end, of every arm that has other than ones somewhere."""
    study = scores.study
    blocks = []
    for decoy in study.decoys:
        rows = []
        for arm in scores.arms(decoy):
            values = {name: of_loss(name, 'hyper') for name in scores.losses()}
            found = [v for f in values.values() for v in scores.values(arm, f, decoy).values()]
            if all(abs(value - 1) < 1e-9 for value in found):
                continue
            row = {name: _told(scores, arm, figure, decoy) for name, figure in values.items()}
            if decoy == study.plain:
                row.pop('decoy', None)
            rows.append({'arm': arm, **row})
        if rows:
            blocks += [f'**Decoy {decoy}**', markdown_table(rows)]
    return '\n\n'.join(blocks) or NOTHING


def costs_text(scores: Scores) -> str:
    """Iterations, passes, parameters and processor time of each arm, the time of trainings without interruption."""
    rows = []
    for arm in scores.arms():
        records = list(scores.records(arm).values())
        seconds = list(scores.values(arm, lambda record: record['cpu_seconds']).values())
        rows.append(
            {
                'arm': arm,
                'iterations': str(records[0]['iterations']),
                'passes': str(records[0]['passes']),
                'parameters': f'{records[0]["parameters"]:,}',
                'processor (s)': f'{statistics.fmean(seconds):.0f}' if seconds else '–',
            }
        )
    for name in scores.cascades():
        parameters = next(iter(scores.records(name).values()))['parameters']
        row = {'iterations': '–', 'passes': '–', 'parameters': f'{parameters:,}'}
        rows.append({'arm': name, **row, 'processor (s)': '–'})
    return markdown_table(rows) if rows else NOTHING


def _told(scores: Scores, arm: str, figure: Any, decoy: str) -> str:
    """Mean and, of several seeds, the least and the largest."""
    values = list(scores.values(arm, figure, decoy).values())
    if not values:
        return '–'
    text = f'{statistics.fmean(values):.2f}'
    return text if len(values) == 1 else f'{text} ({min(values):.2f} … {max(values):.2f})'


def summary(
    scores: Scores, records: Sequence[Mapping[str, Any]], baselines: Baselines
) -> dict[str, Any]:
    """Everything for a JSON file: means, paired differences and all records."""
    study = scores.study
    means, differences = [], []
    for decoy in study.decoys:
        for arm in (*scores.arms(decoy), *(scores.cascades() if decoy == study.plain else ())):
            for name, _, _ in _SHOWN:
                found = scores.mean(arm, metric(name), decoy)
                if found is not None:
                    means.append(dict(arm=arm, decoy=decoy, metric=name, **vars(found)))
                paired = scores.difference(arm, study.baseline, metric(name), decoy)
                if arm != study.baseline and paired is not None:
                    place = dict(arm=arm, decoy=decoy, baseline=study.baseline, metric=name)
                    differences.append({**place, 'detectable': detectable(paired), **vars(paired)})
    return dict(
        title=study.title,
        means=means,
        differences=differences,
        best_gains={name: dict(figures) for name, figures in baselines.items()},
        records=list(records),
    )
