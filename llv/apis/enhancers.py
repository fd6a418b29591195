"""From a name, a config or a config file to a ready enhancer."""

from __future__ import annotations

import copy
import difflib
import inspect
import logging
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from numbers import Integral, Real
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import torch
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.registry import Registry

import llv.models.enhancers  # noqa: F401  (registers llv's own)
from llv.models.enhancers import published
from llv.models.enhancers.base import BaseEnhancer
from llv.models.enhancers.build import build_enhancer, check_options
from llv.registry import MODELS
from llv.utils.config import load_config
from llv.utils.imports import defines_class, import_file, use_working_folder

_CONFIG_SUFFIXES = ('.py', '.json', '.yaml', '.yml')
# what an option may be where its annotation says so
_SIMPLE = {float: Real, int: Integral, bool: bool, str: str, NoneType: NoneType}


def init_enhancer(
    enhancer: str | os.PathLike | dict,
    weights: str | os.PathLike | None = None,
    device: str | torch.device = 'cpu',
    **options: Any,
) -> BaseEnhancer:
    """Build an enhancer, ready to use: in eval mode, on its device, with its weights.

    Example:
        >>> import torch
        >>> module = init_enhancer('fixed_gain', gain=4.0)
        >>> module(torch.full((1, 3, 2, 2), 0.1)).image.max()
        tensor(0.4000)

    Args:
        enhancer: Name in any case, with or without underscores and scope (``'ruas'``,
            ``'fixed_gain'``, ``'llv.RUAS'``), of any registered enhancer; name of published weights
            (``'psenet-sice'``), which stands for their enhancer with them; a Python file that
            defines and registers an enhancer, or its import path (``'my_folder.my_file.MyClass'``,
            from the working folder or installed); a config dict; or a config file (path or
            ``package::…``) with a top-level ``enhancer``, or with a model that holds one.
        weights: Name of published weights, fetched into the user cache where they are not there
            yet, or a weight file: the official one, or any checkpoint of llv that holds this
            enhancer. Replaces what the config says.
        device: Where to put it.
        options: Arguments of the enhancer, beside or instead of those of the config.

    Returns:
        The module; ``module(images).image`` lights (N, 3, H, W) float RGB in [0, 1].

    Raises:
        ValueError: Nobody registered such an enhancer, it takes no such option, the weights belong
            to another network or are damaged, or there is no such device.
        FileNotFoundError: The weight file or the config is not there, or published weights cannot
            be fetched.
    """
    cfg = enhancer_config(enhancer, weights, **options)
    if cfg.get('weights') is not None:
        _check_weights(cfg['weights'])
    # the class itself, so that the registry needs not import mmdet and mmseg to find the name
    module = build_enhancer({**cfg, 'type': registered_enhancers()[cfg['type']]})
    if cfg.get('weights') is None and any(p.requires_grad for p in module.parameters()):
        print_log(
            f'`{type(module).__name__}` starts untrained, because no `weights` are given.',
            logger='current',
            level=logging.WARNING,
        )
    return _move(module, device).eval()


def enhancer_config(
    enhancer: str | os.PathLike | dict, weights: str | os.PathLike | None = None, **options: Any
) -> dict:
    """The config dict of an enhancer, with its full registered name as ``type``.

    Args:
        enhancer, weights, options: As for :func:`init_enhancer`.

    Returns:
        A new dict; ``weights``, where a file is given here, as an absolute path, so that the
        config holds in any folder.

    Raises:
        ValueError, FileNotFoundError: As :func:`init_enhancer`; weights are not opened.
    """
    if isinstance(enhancer, dict):
        cfg = _plain(enhancer)
    elif isinstance(enhancer, (str, os.PathLike)):
        name = os.fspath(enhancer)
        if defines_class(name):
            cfg = dict(type=_from_file(name))
        elif '::' in name or name.endswith(_CONFIG_SUFFIXES):
            cfg = _from_config(name)
        elif (row := published.find(name)) is not None:
            cfg = dict(type=f'llv.{row.enhancer}', weights=row.name)
        else:
            cfg = dict(type=name)
    else:
        raise TypeError(
            '`enhancer` must be a name, a config or a config file, but got '
            f'{type(enhancer).__name__}.'
        )
    if 'type' not in cfg:
        raise ValueError(
            "The config of the enhancer has no `type`; write one, such as `type='llv.RUAS'`."
        )
    cfg['type'] = _resolve(cfg['type'], cfg.get('_scope_'))
    cfg.update(options)
    if weights is not None:
        _check_weights(weights)
        path = Path(weights).expanduser()
        cfg['weights'] = str(path.resolve()) if path.is_file() else published.find(weights).name
    kind = registered_enhancers()[cfg['type']]
    check_options(kind, cfg)
    _check_values(kind, cfg)
    return cfg


def registered_enhancers() -> dict[str, type[BaseEnhancer]]:
    """All enhancers that are registered now, by full name (``'llv.RUAS'``), llv's own first.

    One that registered itself with llv from outside goes by its import path (``'my_file.MyClass'``): that name alone
    finds it in a process that has not imported it yet, such as one that reads a dumped config.
    """
    found: dict[str, type[BaseEnhancer]] = {}
    registries: list[Registry] = [MODELS, MODELS.root]
    while registries:
        registry = registries.pop(0)
        registries.extend(registry.children.values())
        for name, kind in registry.module_dict.items():
            if inspect.isclass(kind) and issubclass(kind, BaseEnhancer):
                full = f'{registry.scope}.{name}'
                if registry in (MODELS, MODELS.root) and _is_outside(kind):
                    full = f'{kind.__module__}.{kind.__qualname__}'
                found.setdefault(full, kind)
    return found


def _is_outside(kind: type) -> bool:
    """Whether a class can be imported from a module that is not llv's."""
    module = kind.__module__
    if module == '__main__' or module.partition('.')[0] == 'llv':
        return False
    return getattr(sys.modules.get(module), kind.__qualname__, None) is kind


def _from_file(name: str) -> str:
    """The full name of the one enhancer in a Python file."""
    try:
        module = import_file(name)
    except KeyError as error:  # mmengine's, with the name and the other class
        if 'already registered' in str(error):
            raise ValueError(
                f'`{name}` cannot be imported: {error.args[0]}; give your class another name.'
            ) from error
        raise
    found = [
        full for full, kind in registered_enhancers().items() if kind.__module__ == module.__name__
    ]
    if not found:
        raise ValueError(
            f'`{name}` registers no enhancer; write `@MODELS.register_module()` (of `llv.registry`) above a class '
            'that inherits `llv.models.enhancers.BaseEnhancer`.'
        )
    if len(found) > 1:
        raise ValueError(
            f'`{name}` holds several enhancers; name one of them: '
            + ', '.join(f'`{full}`' for full in found)
            + '.'
        )
    return found[0]


def _resolve(name: str | type, scope: str | None = None) -> str:
    """The full registered name for what a user wrote."""
    if not isinstance(name, str):  # a class, as configs written in pure Python hold
        return _resolve(f'{name.__module__}.{name.__name__}')
    if scope and '.' not in name:
        name = f'{scope}.{name}'
    scope, _, plain = name.rpartition('.')
    if scope:
        _import_registry(scope)
    enhancers = registered_enhancers()
    by_path = {f'{kind.__module__}.{kind.__name__}': full for full, kind in enhancers.items()}
    if name in by_path:
        return by_path[name]
    matches = [
        full
        for full, kind in enhancers.items()
        if _bare(full.rpartition('.')[2]) == _bare(plain)
        and (not scope or _is_in(full, kind, scope))
    ]
    exact = [full for full in matches if full.rpartition('.')[2] == plain]
    own = [full for full in matches if full.startswith('llv.')]
    for choice in (matches, exact, own):
        if len(choice) == 1:
            return choice[0]
    shown = {
        _bare(full.rpartition('.')[2]): full.removeprefix('llv.') for full in reversed(enhancers)
    }
    if matches:
        raise ValueError(
            f'`{name}` may be {" or ".join(f"`{m}`" for m in matches)}; write it in full.'
        )
    nearest = difflib.get_close_matches(_bare(plain), shown, n=1, cutoff=0.4)
    meant = published.closest(plain) or (shown[nearest[0]] if nearest else None)
    hint = f'; did you mean `{meant}`?' if meant else '.'
    raise ValueError(
        f'`{name}` is no registered enhancer{hint} There are {", ".join(sorted(shown.values()))}; one of your own goes '
        'by the Python file that defines it.'
    )


def _is_in(full: str, kind: type, scope: str) -> bool:
    """Whether an enhancer of this full name may be written with this scope."""
    if scope.lower() == 'llv' and MODELS.module_dict.get(kind.__name__) is kind:
        return True
    return full.rpartition('.')[0].lower() == scope.lower()


def _bare(name: str) -> str:
    return ''.join(character for character in name.lower() if character.isalnum())


def _import_registry(scope: str) -> None:
    """Let another package or module register its enhancers, as mmengine does when it meets its scope or path."""
    if scope.lower() == 'llv' or not all(part.isidentifier() for part in scope.split('.')):
        return
    use_working_folder()
    try:
        spec = find_spec(scope)
    except (ImportError, ValueError, AttributeError):
        spec = None
    if spec is not None and spec.submodule_search_locations is None:
        import_module(scope)  # a file, whose errors are for its author to see
        return
    try:
        import_module(f'{scope}.registry')
        registry = MODELS.root.children.get(scope)
        if registry is not None:
            registry.import_from_location()
    except ImportError:  # then its enhancers are unknown, which is said
        return


def _from_config(name: str) -> dict:
    config = load_config(name)
    model = config.get('model') or {}
    preprocessor = model.get('data_preprocessor') or {}
    for found in (config.get('enhancer'), model.get('enhancer'), preprocessor.get('enhancer')):
        if isinstance(found, dict):
            return _plain(found)
    raise ValueError(
        f'The config `{name}` holds no enhancer; give one with a top-level '
        '`enhancer = dict(type=…)`, or with `model.enhancer` or '
        '`model.data_preprocessor.enhancer`.'
    )


def _plain(cfg: dict) -> dict:
    return cfg.to_dict() if isinstance(cfg, (Config, ConfigDict)) else copy.deepcopy(dict(cfg))


def _check_weights(weights: str | os.PathLike) -> None:
    if Path(weights).expanduser().is_file():
        return
    row = published.find(os.fspath(weights))
    if row is not None:
        published.fetch(row)
        return
    near = published.closest(os.fspath(weights))
    hint = f' or write the published `{near}`' if near else ''
    raise FileNotFoundError(f'The weight file `{weights}` is not there; check the path{hint}.')


def _check_values(kind: type[BaseEnhancer], cfg: dict[str, Any]) -> None:
    """Refuse options that are missing, and those of another type where numbers, texts or booleans are wanted."""
    parameters = inspect.signature(kind).parameters.values()
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    missing = [f'`{p.name}`' for p in named if p.default is p.empty and p.name not in cfg]
    if missing:
        raise ValueError(f'`{kind.__name__}` needs {" and ".join(missing)}; give them as options.')
    try:
        hints = get_type_hints(kind.__init__)
    except NameError:  # of somebody else's enhancer
        return
    for key, value in cfg.items():
        wanted = get_args(hints.get(key)) or (hints.get(key),)
        if key in ('type', 'weights') or not set(wanted) <= _SIMPLE.keys():
            continue
        # True is a number for Python
        fits = bool in wanted if isinstance(value, bool) else isinstance(value, _kinds(wanted))
        if not fits:
            names = ' or '.join(t.__name__ for t in wanted).replace('NoneType', 'None')
            raise ValueError(f'`{key}` of `{kind.__name__}` must be {names}, but got {value!r}.')


def _kinds(wanted: tuple[type, ...]) -> tuple[type, ...]:
    return tuple(_SIMPLE[t] for t in wanted)


def _move(module: BaseEnhancer, device: str | torch.device) -> BaseEnhancer:
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, ImportError) as error:
        raise ValueError(
            f'The device `{device}` is not available on this machine; choose another one, such as '
            '`cpu`.'
        ) from error
    return module.to(device)
