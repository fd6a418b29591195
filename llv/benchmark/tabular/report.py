"""What a table and the searches of its task say, as Markdown."""

from __future__ import annotations

import statistics

import numpy as np

from llv.utils.markdown import markdown_table

from .network import SPACE, all_genotypes
from .study import METHODS, Study
from .table import Table, interaction_share

_SHORT = {'conv_1x1': '1-C', 'conv_3x3': '3-C', 'dilconv_3x3': '3-2-DC'}


def report_text(table: Table, *studies: Study) -> str:
    """A section on one task; where the table or the searches lack something, it says so.

    Raises:
        ValueError: No seed of the table has all networks, or searches are of another task.
    """
    for study in studies:
        if study.task != table.task:
            raise ValueError(f'The searches are of `{study.task}`, the table is of `{table.task}`.')
    seeds = table.seeds()
    losses = table.losses()
    mean = losses.mean(axis=0)
    share, noise = interaction_share(losses)
    genotype, best = table.best()
    lines = [
        f'### {table.task}',
        f'All 81 networks with {len(seeds)} seed{"s" * (len(seeds) > 1)}. The best has '
        f'{_told(genotype)} and ℓ_t = {best:.4f}; the mean of all is {mean.mean():.4f}, the worst {mean.max():.4f}.'
        f'{_scatter(losses)} Interaction of scene and task edges is {100 * share:.1f} % of the variance between '
        'networks' + (f' (of which noise {100 * noise:.1f} %).' if len(seeds) > 1 else '.'),
        markdown_table(_grid(mean)),
    ]
    for study in studies:
        lines += [f'{_settings(study)}:', markdown_table(_regrets(table, study))]
    return '\n\n'.join(lines)


def _settings(study: Study) -> str:
    names = dict(
        iters='steps of each level', lr='rate of ω', weight_decay='its decay', arch_lr='rate of α'
    )
    told = [f'{name} {study.settings[key]}' for key, name in names.items() if key in study.settings]
    return 'Searches, ' + ', '.join(told) if told else 'Searches'


def _told(genotype: tuple[str, ...]) -> str:
    scene, task = genotype[:2], genotype[2:]
    return f'scene edges {_pair(scene)} and task edges {_pair(task)}'


def _pair(names: tuple[str, ...]) -> str:
    return ', '.join(_SHORT[name] for name in names)


def _scatter(losses: np.ndarray) -> str:
    if len(losses) < 2:
        return ''
    deviation = np.sqrt(losses.var(axis=0, ddof=1).mean() / len(losses))
    return f' The standard error of an entry is {deviation:.4f}.'


def _grid(mean: np.ndarray) -> list[dict[str, str]]:
    """Task edges down, scene edges across; of each row the least is bold."""
    pairs = [genotype[2:] for genotype in all_genotypes()[:9]]
    rows = []
    for column, task in enumerate(pairs):
        least = mean[:, column].argmin()
        cells = {
            f's: {_pair(scene)}': f'**{value:.3f}**' if index == least else f'{value:.3f}'
            for index, (scene, value) in enumerate(zip(pairs, mean[:, column], strict=True))
        }
        rows.append({'ℓ_t': f't: {_pair(task)}', **cells})
    return rows


def _regrets(table: Table, study: Study) -> list[dict[str, str]]:
    rows = []
    ranks = sorted(table.loss(genotype) for genotype in all_genotypes())
    for method in METHODS:
        found = study.genotypes(method)
        row = dict(method=method, searches=str(len(found)))
        if not found:
            rows.append(
                {**row, 'mean regret': 'missing', 'median': '', 'worst': '', 'mean rank': ''}
            )
            continue
        regrets = [table.regret(genotype) for genotype in found]
        places = [1 + ranks.index(table.loss(genotype)) for genotype in found]
        half = f' ± {_standard_error(regrets):.4f}' if len(regrets) > 1 else ''
        rows.append(
            {
                **row,
                'mean regret': f'{statistics.mean(regrets):.4f}{half}',
                'median': f'{statistics.median(regrets):.4f}',
                'worst': f'{max(regrets):.4f}',
                'mean rank': f'{statistics.mean(places):.1f} of {len(SPACE.candidates) ** 4}',
            }
        )
    return rows


def _standard_error(values: list[float]) -> float:
    return statistics.stdev(values) / len(values) ** 0.5
