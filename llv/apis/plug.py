"""Put an enhancer in front of any mm model without editing its config."""

from __future__ import annotations

import copy
import inspect
import logging
import os
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log

from llv.registry import MODELS

from .enhancers import enhancer_config

_LIGHT_FIRST = 'write lit pictures with `tools/enhance.py` and use those'

# classes, by name because mmdet is optional, whose inputs or whose way of reading their
# preprocessor leave an enhancer no place
_REFUSED = {
    'EnhancedDataPreprocessor': (
        'already has an enhancer; change `model.data_preprocessor.enhancer` of the config instead'
    ),
    'EnhancementModel': 'trains an enhancer by itself; set `model.enhancer` of the config instead',
    'MultiBranchDataPreprocessor': (
        'has a preprocessor of several branches (semi-supervised training); plug the enhancer '
        f'into a supervised config of the same detector, or {_LIGHT_FIRST}'
    ),
    'BaseSelfSupervisor': (
        'learns from several views of a picture (self-supervised training), which an enhancer would '
        f'light one by one; plug the enhancer into the model trained from it, or {_LIGHT_FIRST}'
    ),
    'TrackDataPreprocessor': (
        'works on videos, and trackers read the config of their own preprocessor, so an enhancer '
        f'has no place in it; {_LIGHT_FIRST}'
    ),
}
_REFUSED['SemiBaseDetector'] = _REFUSED['MultiBranchDataPreprocessor']
_REFUSED['BaseMOTModel'] = _REFUSED['TrackDataPreprocessor']

# what models of mmpretrain, by a base class of theirs, build where `data_preprocessor` has no type
_IMPLIED = {
    'BaseClassifier': 'mmpretrain.ClsDataPreprocessor',
    'BaseRetriever': 'mmpretrain.ClsDataPreprocessor',
}


def plug_enhancer(
    cfg: Config,
    enhancer: str | os.PathLike | dict,
    weights: str | os.PathLike | None = None,
    frozen: bool = False,
    **options: Any,
) -> Config:
    """Wrap the model's data preprocessor so that an enhancer lights every picture first.

    The model keeps its parameter names: its checkpoints load as they are, with only
    ``data_preprocessor.enhancer.*`` missing. A top-level ``data_preprocessor`` moves into
    ``model``, since TTA and mmengine's hub would put it in the place of the enhancer. The type that
    classifiers and retrievers of mmpretrain leave out is written down. Rules of the optimizer for
    layers of the model (``custom_keys``) do not reach layers of the enhancer that bear the same
    names: it gets a rule of its own. mmdet's ``SSDHead``, which cannot predict, becomes
    ``llv.SSDHead``.

    Example:
        >>> from mmengine.config import Config
        >>> base = dict(type='ImgDataPreprocessor')
        >>> cfg = Config(dict(model=dict(type='Toy', data_preprocessor=base)))
        >>> plug_enhancer(cfg, 'fixed_gain', gain=4.0).model.data_preprocessor.enhancer
        {'type': 'llv.FixedGain', 'gain': 4.0}

    Args:
        cfg: Config of a model, ours or that of any mm package; it is not changed.
        enhancer: Name, config dict or config file of the enhancer, as for
            :func:`llv.apis.init_enhancer`.
        weights: Weight file of the enhancer.
        frozen: Keep the enhancer as it is while the model trains.
        options: Arguments of the enhancer.

    Returns:
        A new config.

    Raises:
        ValueError: The enhancer is unknown, or the model has no place for it: no data preprocessor,
            an enhancer already, several branches, or a tracker.
        FileNotFoundError: The weight file is not there.
    """
    enhancer = enhancer_config(enhancer, weights, **options)
    plugged = copy.deepcopy(cfg)
    model = plugged.get('model')
    if not isinstance(model, dict):
        raise ValueError(
            'The config has no `model` to put an enhancer in front of; give the config of a model.'
        )
    moved = plugged.pop('data_preprocessor', None)
    if moved is not None:
        if model.get('data_preprocessor') is None:
            model['data_preprocessor'] = moved
        elif _without_scope(model['data_preprocessor']) != _without_scope(moved):
            print_log(
                'The top-level `data_preprocessor` differs from `model.data_preprocessor` and is '
                'dropped; the model uses its own.',
                logger='current',
                level=logging.WARNING,
            )
    scope = model.get('_scope_') or plugged.get('default_scope')
    base = _with_implied_type(model, scope)
    if not isinstance(base, dict) or 'type' not in base:
        raise ValueError(
            f'`{_name(model.get("type"))}` has no `data_preprocessor` to put an enhancer in front '
            'of; give its config one, such as `model.data_preprocessor = '
            "dict(type='mmdet.DetDataPreprocessor')`."
        )
    _refuse(model, base, scope)
    if scope and isinstance(base['type'], str):
        # the names inside, also nested ones, resolve as they did in the model, whatever the wrapper
        # around them
        base.setdefault('_scope_', scope)
    model['data_preprocessor'] = ConfigDict(
        type='llv.EnhancedDataPreprocessor', enhancer=enhancer, base=base, frozen=frozen
    )
    if not frozen:
        _keep_rules_of_layers_away(plugged)
    replaced = sum(_repair_ssd_head(part, part_scope) for part, part_scope in _dicts(model, scope))
    if replaced:
        print_log(
            f"Replaced {replaced} `SSDHead` of mmdet by `llv.SSDHead`: mmdet's fails at every "
            'prediction.',
            logger='current',
        )
    return plugged


def clear_pretrained(cfg: Config) -> int:
    """Let a model start from random weights, with nothing fetched before training.

    Clears each ``init_cfg`` of type Pretrained (also among several in a list) and each
    ``pretrained`` anywhere in ``cfg.model``, in place. A ``load_from`` of the config stays.

    Args:
        cfg: Config with a ``model``.

    Returns:
        How many were cleared.
    """
    cleared = 0
    for part, _ in _dicts(cfg.get('model'), None):
        if part.get('pretrained'):
            part['pretrained'] = False if part['pretrained'] is True else None
            cleared += 1
        init = part.get('init_cfg')
        if _is_pretrained(init):
            part['init_cfg'] = None
            cleared += 1
        elif isinstance(init, (list, tuple)):
            kept = [item for item in init if not _is_pretrained(item)]
            if len(kept) < len(init):
                part['init_cfg'] = kept or None
                cleared += len(init) - len(kept)
    print_log(f'Cleared {cleared} references to pretrained weights.', logger='current')
    return cleared


def _keep_rules_of_layers_away(cfg: Config) -> None:
    """Give the enhancer a key of its own among those of the optimizer, unless one already means it.

    mmengine looks for keys inside parameter names, the longest first: 'head' of SegFormer's recipe,
    for ten times the learning rate, would find the `head` of PSENet.
    """
    rules = ((cfg.get('optim_wrapper') or {}).get('paramwise_cfg') or {}).get('custom_keys')
    if rules and not any(key in 'data_preprocessor.enhancer' for key in rules):
        rules['enhancer'] = ConfigDict()


def _with_implied_type(model: dict, scope: str | None) -> Any:
    base = model.get('data_preprocessor')
    if base is not None and (not isinstance(base, dict) or 'type' in base):
        return base
    for name in _ancestors(model.get('type'), scope):
        if name in _IMPLIED:
            return ConfigDict(base or {}, type=_IMPLIED[name])
    return base


def _refuse(model: dict, base: dict, scope: str | None) -> None:
    for part in (base, model):
        for name in _ancestors(part.get('type'), part.get('_scope_') or scope):
            if name in _REFUSED:
                raise ValueError(f'`{_name(model.get("type"))}` {_REFUSED[name]}.')


def _without_scope(cfg: dict) -> dict:
    return {key: value for key, value in cfg.items() if key != '_scope_'}


def _ancestors(kind: Any, scope: str | None) -> list[str]:
    """Names of a class and its bases; of the class alone where its package is not installed."""
    if isinstance(kind, str):
        full = kind if '.' in kind or not scope else f'{scope}.{kind}'
        try:
            found = MODELS.get(full)
        except Exception:  # whatever mmengine meets on its way; building the model will tell
            found = None
        if not inspect.isclass(found):
            return [_name(kind)]
        kind = found
    return [ancestor.__name__ for ancestor in inspect.getmro(kind)] if inspect.isclass(kind) else []


def _name(kind: Any) -> str:
    name = kind if isinstance(kind, str) else getattr(kind, '__name__', str(kind))
    return name.rpartition('.')[2]


def _dicts(node: Any, scope: str | None) -> Iterator[tuple[dict, str | None]]:
    """All dicts in a nest of dicts and lists, each with the scope its type names are read in."""
    if isinstance(node, dict):
        scope = node.get('_scope_') or scope
        yield node, scope
        for value in list(node.values()):
            yield from _dicts(value, scope)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _dicts(value, scope)


def _repair_ssd_head(part: dict, scope: str | None) -> bool:
    kind = part.get('type')
    if isinstance(kind, str):
        found = kind in ('mmdet.SSDHead', 'mmdet.models.dense_heads.ssd_head.SSDHead') or (
            kind == 'SSDHead' and scope == 'mmdet'
        )
    else:
        found = _name(kind) == 'SSDHead' and getattr(kind, '__module__', '').startswith('mmdet.')
    if found:
        part['type'] = 'llv.SSDHead'
    return found


def _is_pretrained(init: Any) -> bool:
    return isinstance(init, dict) and _name(init.get('type')) in ('Pretrained', 'PretrainedInit')
