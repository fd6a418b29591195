"""Reading the YAML file of a benchmark, which :mod:`llv.benchmark.matrix` shows."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from llv.apis.strategies import STRATEGIES

from .matrix import AS_CONFIGURED, Arm, Axis, EnhancerChoice, Matrix, Model

# what a matrix may compare, a file one of them
KINDS = ('detector', 'segmentor')
# what is fitted without training, and what it gives
FITS = ('gain', 'mean', 'statistics')
_KNOWN = dict(
    matrix={
        'title', 'metric', 'scale', 'detectors', 'segmentors', 'enhancers', 'strategies', 'arms', 'axes', 'seeds',
        'pictures', 'speed', 'compare', 'options', 'upstream_options',
    },
    model={'config', 'start', 'options', 'start_options'},
    enhancer={'enhancer', 'upstream', 'scene_loss', 'options', 'upstream_options', 'fit'},
    arm={'name', 'enhancer', 'strategy', 'options', 'seeds', 'only', 'config'},
    axis={'draw', 'values'},
    fit={'kind', 'dark', 'bright'},
)  # fmt: skip


def read_matrix(path: Path, seeds: list[int] | None = None) -> Matrix:
    """Read and check a matrix.

    Args:
        path: The YAML file; the configs in it are relative to it.
        seeds: In the place of those in the file.

    Raises:
        FileNotFoundError: The file, or a config named in it, is not there.
        ValueError: Something in it is not as it should be; the sentence says where.
    """
    if not path.is_file():
        raise FileNotFoundError(f'The matrix `{path}` is not there; check the path.')
    try:
        found = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = ' '.join(str(error).split())
        raise ValueError(f'`{path}` is no YAML file ({reason}); mend it.') from error
    where = f'`{path}`'
    found = _mapping(found, 'matrix', where)
    if not found.get('metric'):
        raise ValueError(f'{where} has no `metric`; add it.')
    models = _models(found, path)
    enhancers = {
        str(name): _enhancer(str(name), content or {}, path)
        for name, content in _mapping(
            found.get('enhancers') or {'none': None}, None, f'`enhancers` of {where}'
        ).items()
    }
    axes = [
        _axis(str(name), content, path)
        for name, content in _mapping(found.get('axes') or {}, None, f'`axes` of {where}').items()
    ]
    matrix = Matrix(
        path=path,
        title=str(found.get('title', path.stem)),
        metric=str(found['metric']),
        arms=_arms(found, models, enhancers, axes, path),
        axes=axes,
        seeds=_seeds(seeds if seeds is not None else found.get('seeds', [0]), where),
        scale=float(found.get('scale', 1.0)),
        pictures=int(found.get('pictures', 0)),
        speed=bool(found.get('speed', True)),
        compare=_compare(found.get('compare'), axes, where),
        options=_mapping(found.get('options') or {}, None, f'`options` of {where}'),
        upstream_options=_mapping(
            found.get('upstream_options') or {}, None, f'`upstream_options` of {where}'
        ),
    )
    names = [arm.name for arm in matrix.arms]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'Two arms of {where} are called `{twice}`; give them different names.')
    known = {
        *names,
        *(arm.strategy for arm in matrix.arms),
        *(a.enhancer.name for a in matrix.arms),
    }
    for comparison in matrix.compare:
        if comparison['baseline'] not in known:
            raise ValueError(
                f'`compare.baseline` of {where} is `{comparison["baseline"]}`, which is no arm, strategy or enhancer; '
                'the arms are ' + ', '.join(f'`{name}`' for name in names) + '.'
            )
    return matrix


def _arms(found: dict, models: dict, enhancers: dict, axes: list[Axis], path: Path) -> list[Arm]:
    where = f'`{path}`'
    if 'arms' in found and 'strategies' in found:
        raise ValueError(f'{where} has `arms` and `strategies`; keep one of them.')
    if 'arms' in found:
        if not isinstance(found['arms'], list) or not found['arms']:
            raise ValueError(f'`arms` of {where} must be a list with an arm in it.')
        return [
            _arm(content, models, enhancers, axes, path, f'`arms[{index}]` of {where}')
            for index, content in enumerate(found['arms'])
        ]
    strategies = found.get('strategies') or ['detector_only']
    arms = []
    for model, enhancer, strategy in itertools.product(
        models.values(), enhancers.values(), strategies
    ):
        _check_strategy(strategy, where)
        # the product holds what makes sense: without an enhancer there is one strategy, with one all others,
        # and only what can be trained is trained
        fit = enhancer.fit and enhancer.fit['kind']
        bare = enhancer.enhancer is None and fit in (None, 'statistics')
        if bare != (strategy == 'detector_only'):
            continue
        if enhancer.upstream is None and strategy in ('end_to_end_scene', 'hierarchical'):
            continue
        name = ' '.join(
            part
            for part in (
                model.name if len(models) > 1 else '',
                strategy,
                '' if bare and fit is None else enhancer.name,
            )
            if part
        )
        arms.append(Arm(name, model, enhancer, strategy))
    if not arms:
        raise ValueError(f'No enhancer of {where} goes with its `strategies`; name others.')
    return arms


def _arm(
    content: Any, models: dict, enhancers: dict, axes: list[Axis], path: Path, where: str
) -> Arm:
    kind = next(iter(models.values())).kind
    content = _mapping(content, 'arm', where, {kind})
    config = content.get('config')
    if config is not None:
        config = _config(config, path)
        if 'strategy' in content:
            raise ValueError(
                f'{where} has a `config` of its own, which says how it is trained; take `strategy` out.'
            )
        if 'name' not in content:
            raise ValueError(f'{where} has a `config` of its own and no `name`; give it one.')
        # a name for the tables
        label = str(content.get('enhancer', 'none'))
        enhancers = {**enhancers, label: EnhancerChoice(label)}
    picks = {}
    for key, table, default in (
        (kind, models, next(iter(models))),
        ('enhancer', enhancers, 'none'),
    ):
        name = str(content.get(key, default))
        if name not in table:
            raise ValueError(
                f'{where} names the {key} `{name}`, which is not in `{key}s`: '
                + ', '.join(f'`{known}`' for known in table)
                + '.'
            )
        picks[key] = table[name]
    strategy = str(content.get('strategy', 'detector_only' if config is None else AS_CONFIGURED))
    if config is None:
        _check_strategy(strategy, where)
    enhancer: EnhancerChoice = picks['enhancer']
    if strategy in ('end_to_end', 'end_to_end_scene', 'hierarchical') and enhancer.enhancer is None:
        raise ValueError(f'{where} is `{strategy}`, but its enhancer `{enhancer.name}` is none.')
    if strategy == 'hierarchical' and enhancer.upstream is None:
        raise ValueError(
            f'{where} is hierarchical, but `enhancers.{enhancer.name}` has no `upstream` that trains it; name one.'
        )
    only = _mapping(content.get('only') or {}, None, f'`only` of {where}')
    known = {axis.name: axis for axis in axes}
    for name, values in only.items():
        if name not in known or not isinstance(values, list):
            raise ValueError(f'`only.{name}` of {where} must be an axis with a list of its values.')
        for value in values:
            if value not in known[name].values:
                raise ValueError(f'`only.{name}` of {where} has no value `{value}`.')
    seeds = content.get('seeds')
    return Arm(
        name=str(content.get('name') or f'{strategy} {enhancer.name}'),
        model=picks[kind],
        enhancer=enhancer,
        strategy=strategy,
        options=_mapping(content.get('options') or {}, None, f'`options` of {where}'),
        seeds=None if seeds is None else tuple(_seeds(seeds, where)),
        only=only,
        config=config,
    )


def _models(found: dict, path: Path) -> dict[str, Model]:
    """The detectors or segmentors of a matrix by name."""
    where = f'`{path}`'
    given = [kind for kind in KINDS if found.get(f'{kind}s')]
    keys = ' and '.join(f'`{kind}s`' for kind in KINDS)
    if not given:
        raise ValueError(f'{where} has none of {keys}; add one of them.')
    if len(given) > 1:
        raise ValueError(f'{where} has {keys}; keep one of them and give the other a file.')
    (kind,) = given
    models = _mapping(found[f'{kind}s'], None, f'`{kind}s` of {where}')
    return {str(name): _model(str(name), content, kind, path) for name, content in models.items()}


def _model(name: str, content: Any, kind: str, path: Path) -> Model:
    where = f'`{kind}s.{name}` of `{path}`'
    content = _mapping(content, 'model', where)
    if not content.get('config'):
        raise ValueError(f'{where} has no `config`; name one.')
    start = content.get('start')
    return Model(
        name=name,
        config=_config(content['config'], path),
        start=None if start is None else _config(start, path),
        options=_mapping(content.get('options') or {}, None, where),
        start_options=_mapping(content.get('start_options') or {}, None, where),
        kind=kind,
    )


def _enhancer(name: str, content: Any, path: Path) -> EnhancerChoice:
    where = f'`enhancers.{name}` of `{path}`'
    content = _mapping(content, 'enhancer', where)
    upstream = content.get('upstream')
    fit = content.get('fit')
    if fit is not None:
        fit = _mapping(fit, 'fit', f'`fit` of {where}')
        needs = dict(gain=('dark', 'bright'), mean=('bright',), statistics=('dark',))
        if fit.get('kind') not in FITS or any(key not in fit for key in needs[fit['kind']]):
            raise ValueError(
                f'`fit` of {where} must be `kind: gain` with `dark` and `bright`, `kind: mean` with `bright` or '
                '`kind: statistics` with `dark`, folders of pictures.'
            )
        if content.get('enhancer') is not None:
            raise ValueError(f'{where} has `fit` and `enhancer`; the fit makes the enhancer.')
    return EnhancerChoice(
        name=name,
        enhancer=content.get('enhancer'),
        upstream=None if upstream is None else _config(upstream, path),
        scene_loss=float(content.get('scene_loss', 1.0)),
        options=_mapping(content.get('options') or {}, None, where),
        upstream_options=_mapping(content.get('upstream_options') or {}, None, where),
        fit=fit,
    )


def _axis(name: str, content: Any, path: Path) -> Axis:
    where = f'`axes.{name}` of `{path}`'
    if name in ('arm', *KINDS, 'enhancer', 'strategy', 'seed'):
        raise ValueError(f'{where} has a name that every cell has already; choose another.')
    content = _mapping(content, 'axis', where)
    values = content.get('values')
    if isinstance(values, list):
        values = {value: {} for value in values}
    values = _mapping(values, None, f'`values` of {where}')
    draw = content.get('draw')
    if draw is not None and (
        not isinstance(draw, dict) or set(draw) != {'into', 'of'} or not isinstance(draw['of'], int)
    ):
        raise ValueError(f'`draw` of {where} must have `into`, a config key, and `of`, a number.')
    for value in values:
        if draw is not None and (not isinstance(value, int) or not 0 < value <= draw['of']):
            raise ValueError(
                f'`{value}` of {where} cannot be drawn from {draw["of"]}; give a number from 1 to that.'
            )
    return Axis(
        name,
        {value: _mapping(options or {}, None, where) for value, options in values.items()},
        draw,
    )


def _compare(content: Any, axes: list[Axis], where: str) -> list[dict[str, Any]]:
    comparisons = [] if content is None else content if isinstance(content, list) else [content]
    for comparison in comparisons:
        if not isinstance(comparison, dict) or 'baseline' not in comparison:
            raise ValueError(
                f'`compare` of {where} must name a `baseline`, and may name an `axis`.'
            )
        axis = comparison.get('axis')
        if axis is not None and axis not in {known.name for known in axes}:
            raise ValueError(f'`compare.axis` of {where} is `{axis}`, which is none of its `axes`.')
        also = comparison.get('also', [])
        if not isinstance(also, list) or not all(isinstance(name, str) for name in also):
            raise ValueError(
                f'`compare.also` of {where} must be a list of further metrics, but got {also!r}.'
            )
    return comparisons


def _seeds(seeds: Any, where: str) -> list[int]:
    if not isinstance(seeds, list) or not seeds or {type(seed) for seed in seeds} != {int}:
        raise ValueError(f'`seeds` of {where} must be a list of whole numbers, but got {seeds!r}.')
    return list(dict.fromkeys(seeds))


def _check_strategy(strategy: Any, where: str) -> None:
    if strategy not in STRATEGIES:
        raise ValueError(
            f'{where} has the strategy `{strategy}`; known are '
            + ', '.join(f'`{known}`' for known in STRATEGIES)
            + '.'
        )


def _mapping(content: Any, kind: str | None, where: str, more: Collection[str] = ()) -> dict:
    if not isinstance(content, Mapping):
        raise ValueError(f'{where} must be a mapping of keys to values, but got {content!r}.')
    known = {*_KNOWN[kind], *more} if kind else set(content)
    unknown = sorted(set(map(str, content)) - known) if kind else []
    if unknown:
        raise ValueError(
            f'{where} has the unknown key `{unknown[0]}`; known are '
            + ', '.join(f'`{key}`' for key in sorted(known))
            + '.'
        )
    return dict(content)


def _config(name: str, path: Path) -> str:
    """A config beside the matrix, or one of a package."""
    if '::' in str(name):
        return str(name)
    file = (path.parent / str(name)).resolve()
    if not file.is_file():
        raise FileNotFoundError(
            f'The config `{name}` of `{path}` is not there; paths are relative to that file.'
        )
    return str(file)
