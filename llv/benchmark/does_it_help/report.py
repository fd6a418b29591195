"""What was found, as text, as tables and as one record."""

from __future__ import annotations

import textwrap
from typing import Any

from llv.utils.markdown import markdown_table

from .bootstrap import Difference
from .choices import NONE
from .judging import HELPS, HURTS, UNDECIDED, Answer, Row

NOTHING = '–'


def report(answer: Answer, command: str) -> str:
    """Verdicts, the tables and the notes that belong to them, in Markdown."""
    parts = [
        '\n'.join(f'* {sentence}' for sentence in verdicts(answer)),
        markdown_table([_row(row, answer) for row in answer.rows]),
        _notes(answer),
    ]
    if answer.groups:
        parts += [_darkness_heading(answer), _darkness_table(answer), _darkness_notes()]
    return '\n\n'.join([*parts, f'`{command}`'])


def verdicts(answer: Answer) -> list[str]:
    """One sentence for each enhancer."""
    return [_verdict(row, answer) for row in answer.rows if row.verdict is not None]


def _verdict(row: Row, answer: Answer) -> str:
    gain = row.gains[answer.metric]
    plain = answer.baseline == NONE
    than = '' if plain else f' than `{answer.baseline}`'
    words = {
        HELPS: 'helps' if plain else f'is better{than}',
        HURTS: 'hurts' if plain else f'is worse{than}',
        UNDECIDED: f'is not distinguishable from {_plain(answer.baseline)} on {answer.pictures} pictures',
    }
    return f'`{row.name}` {words[row.verdict]}: {answer.metric} {_gain(gain)}.'


def _plain(name: str) -> str:
    return 'no enhancer' if name == NONE else f'`{name}`'


def _row(row: Row, answer: Answer) -> dict[str, str]:
    cells = {'enhancer': _title(row.name)}
    for metric, score in row.scores.items():
        cells[metric] = _number(score)
        cells[f'Δ {metric}'] = NOTHING if row.gains is None else _gain(row.gains[metric])
    cells['ms a picture'] = f'{row.milliseconds:.1f}'
    cells['verdict'] = row.verdict or NOTHING
    if answer.baseline != NONE:
        words = {HELPS: 'better', HURTS: 'worse'}
        cells['verdict'] = words.get(row.verdict, cells['verdict'])
    return cells


def _notes(answer: Answer) -> str:
    objects = '' if answer.objects is None else f' with {answer.objects} labelled objects'
    many = sum(row.verdict is not None for row in answer.rows)
    corrected = (
        f' and corrected for {many} enhancers (Holm), so one may be undecided although its interval leaves out 0'
        if many > 1
        else ''
    )
    return _wrapped(
        f'{answer.pictures} pictures{objects}. Percent. Δ: difference to {_plain(answer.baseline)}, in brackets its '
        f'95 % interval by a paired bootstrap over pictures ({answer.resamples} draws, seed {answer.seed}). Verdicts '
        f'are about {answer.metric}{corrected}. Time: median of enhancer, preprocessor and model, without loading.'
    )


def _darkness_heading(answer: Answer) -> str:
    return f'{answer.metric} by darkness of the picture (mean luminance before any enhancer, 8-bit levels):'


def _darkness_table(answer: Answer) -> str:
    rows = []
    for row in answer.rows:
        cells = {'enhancer': _title(row.name)}
        parts = zip(answer.groups, row.by_darkness, strict=True)
        for place, (group, (scores, gains)) in enumerate(parts):
            head = f'{group.low:.1f} – {group.high:.1f} ({len(group.members)} pictures)'
            # two groups may round to the same levels
            head = head if head not in cells else f'{head}, {place + 1}'
            text = _number(scores[answer.metric])
            if gains is not None:
                text += f', {_gain(gains[answer.metric])}'
            cells[head] = text
        rows.append(cells)
    return markdown_table(rows)


def _darkness_notes() -> str:
    return _wrapped(
        'Each cell: score, difference and its interval on these pictures alone, from the same draws. Groups differ in '
        'more than their light, so compare rows, not columns; nothing is corrected for the number of cells.'
    )


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 125)


def _title(name: str) -> str:
    return name if name == NONE else f'`{name}`'


def _number(figure: Difference) -> str:
    return NOTHING if figure.value is None else f'{figure.value:.1f}'


def _gain(figure: Difference) -> str:
    if figure.value is None:
        return NOTHING
    if figure.low is None:
        return f'{_signed(figure.value)} [no interval]'
    return f'{_signed(figure.value)} [{_signed(figure.low)}, {_signed(figure.high)}]'


def _signed(value: float) -> str:
    text = f'{value:+.1f}'
    return '0.0' if text in ('+0.0', '-0.0') else text.replace('-', '−')


def record(answer: Answer, about: dict[str, Any]) -> dict[str, Any]:
    """All figures for a program.

    Args:
        answer: What was found.
        about: Command, versions and the like, put first.
    """

    def figures(found: dict[str, Difference] | None) -> dict[str, Any] | None:
        if found is None:
            return None
        return {metric: dict(value=f.value, low=f.low, high=f.high) for metric, f in found.items()}

    groups = [dict(low=g.low, high=g.high, pictures=len(g.members)) for g in answer.groups]
    rows = [
        dict(
            enhancer=row.name,
            scores=figures(row.scores),
            differences=figures(row.gains),
            by_darkness=[
                dict(scores=figures(scores), differences=figures(gains))
                for scores, gains in row.by_darkness
            ],
            milliseconds=row.milliseconds,
            verdict=row.verdict,
        )
        for row in answer.rows
    ]
    return dict(
        **about,
        pictures=answer.pictures,
        objects=answer.objects,
        metric=answer.metric,
        baseline=answer.baseline,
        resamples=answer.resamples,
        seed=answer.seed,
        confidence=0.95,
        groups=groups,
        rows=rows,
    )
