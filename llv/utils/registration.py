"""The entry through which mmengine's hub registers a package."""

from __future__ import annotations

import logging
import uuid


def register_all_modules(init_default_scope: bool = True) -> None:
    """Import everything that llv registers, as far as the packages it needs are installed.

    ``mmengine.hub.get_model('llv::…')`` calls it; elsewhere the registries import what they need by themselves.

    Args:
        init_default_scope: Also make ``llv`` the default scope of the process; another one is replaced with a warning.
    """
    # not at the top: the registries themselves need llv.utils
    from mmengine.logging import print_log
    from mmengine.registry import DefaultScope

    from llv import registry

    for member in vars(registry).values():
        if isinstance(member, registry.Registry):
            try:
                member.import_from_location()
            except ModuleNotFoundError as error:
                # said again, and by name, when one of its types is asked for
                if (error.name or '').partition('.')[0] != 'mmcv':
                    raise
    if not init_default_scope:
        return
    current = DefaultScope.get_current_instance()
    if current is not None and current.scope_name == 'llv':
        return
    if current is not None:
        print_log(
            f'The default scope `{current.scope_name}` becomes `llv`; to keep it, set `init_default_scope=False`.',
            logger='current',
            level=logging.WARNING,
        )
    # the latest one made is the current one, so its name must be new
    DefaultScope.get_instance(f'llv-{uuid.uuid4().hex}', scope_name='llv')
