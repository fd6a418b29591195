"""From the config of an enhancer to the module, with the mistakes of users told in a sentence."""

from __future__ import annotations

import inspect
from typing import Any

from llv.registry import MODELS

from .base import BaseEnhancer


def build_enhancer(cfg: dict) -> BaseEnhancer:
    """Build an enhancer from its config, as ``MODELS.build`` does.

    Args:
        cfg: ``type`` (registered name or class) and the options of the enhancer.

    Raises:
        KeyError: Nobody registered such a type.
        TypeError: It is no enhancer.
        ValueError: It takes no such option, or refuses the value of one.
    """
    kind = cfg.get('type')
    if isinstance(kind, str):
        with MODELS.switch_scope_and_registry(cfg.get('_scope_')) as registry:
            kind = registry.get(kind)
        if kind is None and cfg.get('_scope_') == 'llv':
            # under the mark of an `llv::` base a plain name belongs to the default scope first
            cfg = {**cfg, 'type': f'llv.{cfg["type"]}'}
            kind = MODELS.get(cfg['type'])
    if inspect.isclass(kind):
        if not issubclass(kind, BaseEnhancer):
            raise TypeError(
                f'`enhancer` must be a BaseEnhancer, but got `{kind.__name__}`; name an enhancer as its `type`.'
            )
        check_options(kind, cfg)
    return MODELS.build(cfg)


def check_options(kind: type[BaseEnhancer], cfg: dict[str, Any]) -> None:
    """Compare the keys of a config with the arguments of its enhancer.

    Raises:
        ValueError: The enhancer takes no such option.
    """
    parameters = inspect.signature(kind).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return
    for key in cfg:
        if key not in ('type', '_scope_') and key not in parameters:
            options = ', '.join(f'`{name}`' for name in parameters)
            known = f'its options are {options}' if options else 'it takes no options'
            raise ValueError(f'`{kind.__name__}` takes no `{key}`; {known}.')
