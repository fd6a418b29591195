"""Registries of llv: children of mmengine's, scope ``llv``.

``type='llv.RUAS'`` resolves from any default scope (mmdet, mmseg, mmengine, …) without ``custom_imports``,
because mmengine imports ``<scope>.registry`` when it meets an unknown scope, and each registry imports its
locations at the first look-up.

Everything of llv is written with its scope (``llv.X``) in configs; plain names such as ``LoadImageFromFile`` belong to
the ``default_scope`` of the config. mmengine marks what comes from ``_base_ = 'llv::…'`` with the scope ``llv``, nested
names included; plain names under such a mark are looked up where the config means them, in its default scope.

Locations come in two kinds. Enhancers, losses, hooks and the rest of the core are always imported. Parts that
build on mmdet or mmseg are imported only where that package and mmcv's compiled operators are there; asking for
one of their types without them raises an :class:`ImportError` that names what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import mmengine.registry as root
from mmengine.registry import DefaultScope
from mmengine.registry import Registry as _Registry

from .utils.environment import has_mmdet, has_mmseg, missing_for

_AVAILABLE = dict(mmdet=has_mmdet, mmseg=has_mmseg)


class Registry(_Registry):
    """A child registry whose locations may depend on mmdet or mmseg.

    Args:
        name: Name of the registry, that of its parent.
        parent: The registry of mmengine it belongs to.
        locations: Modules that need neither mmdet nor mmseg.
        mmdet: Modules that need mmdet and mmcv's operators.
        mmseg: Modules that need mmseg and mmcv's operators.
    """

    def __init__(
        self,
        name: str,
        parent: _Registry,
        locations: Sequence[str] = (),
        mmdet: Sequence[str] = (),
        mmseg: Sequence[str] = (),
    ) -> None:
        super().__init__(name, parent=parent, scope='llv', locations=list(locations))
        self._task_locations = dict(mmdet=mmdet, mmseg=mmseg)

    def import_from_location(self) -> None:
        """Import the locations whose packages are installed, once."""
        if not self._imported:
            for package, modules in self._task_locations.items():
                if modules and _AVAILABLE[package]():
                    self._locations.extend(modules)
            # without any, mmengine would call `register_all_modules`, which comes back here
            self._imported = not self._locations
        super().import_from_location()

    def get(self, key: str) -> Any:
        """The registered object, or None.

        Raises:
            ImportError: The type is not there and parts of llv were left out because mmdet or mmseg is missing.
        """
        found = super().get(key)
        if found is None and key.split('.')[0] not in _AVAILABLE:
            for package, modules in self._task_locations.items():
                if modules and not _AVAILABLE[package]():
                    raise ImportError(
                        f'`llv.{key}` is not among the {self.name} types that need no {package}. {missing_for(package)}'
                    )
        return found

    def _search_child(self, scope: str) -> _Registry | None:
        # mmengine asks here which registry plain names of a scope belong to; `llv.X` is found without asking
        found = super()._search_child(scope)
        meant = _scope_under_mark() if found is self else None
        if meant is None:
            return found
        try:
            import_module(f'{meant}.registry')
        except ImportError:  # a scope without a package of its name, or one that is not installed
            pass
        registry = self._get_root_registry()._search_child(meant)
        return self if registry is None else registry


def _scope_under_mark() -> str | None:
    """The default scope that a mark ``_scope_='llv'`` covers while its owner is built; None where there is no mark."""
    scopes = list(DefaultScope._instance_dict.items())
    marks = 0
    # mmengine gives the scope of a mark such a name; that of a Runner has another
    while scopes and scopes[-1][0].startswith('overwrite-') and scopes[-1][1].scope_name == 'llv':
        scopes.pop()
        marks += 1
    if not marks or not scopes or scopes[-1][1].scope_name == 'llv':
        return None
    return scopes[-1][1].scope_name


LOOPS = Registry('loop', root.LOOPS, ['llv.engine'])
HOOKS = Registry('hook', root.HOOKS, ['llv.engine'])
DATASETS = Registry(
    'dataset',
    root.DATASETS,
    ['llv.datasets.enhancement'],
    mmdet=['llv.datasets.detection'],
    mmseg=['llv.datasets.segmentation'],
)
DATA_SAMPLERS = Registry('data sampler', root.DATA_SAMPLERS, ['llv.engine'])
TRANSFORMS = Registry(
    'transform',
    root.TRANSFORMS,
    ['llv.datasets.transforms'],
    mmdet=['llv.datasets.transforms.detection'],
    mmseg=['llv.datasets.transforms.segmentation'],
)
MODELS = Registry(
    'model',
    root.MODELS,
    ['llv.models'],
    mmdet=[
        'llv.models.backbones',
        'llv.models.necks',
        'llv.models.dense_heads',
        'llv.models.detectors',
        'llv.models.test_time_augs',
    ],
    mmseg=['llv.models.necks', 'llv.models.decode_heads'],
)
TASK_UTILS = Registry('task util', root.TASK_UTILS, mmdet=['llv.models.task_modules'])
MODEL_WRAPPERS = Registry('model_wrapper', root.MODEL_WRAPPERS, ['llv.engine'])
OPTIM_WRAPPERS = Registry('optim_wrapper', root.OPTIM_WRAPPERS, ['llv.engine'])
METRICS = Registry(
    'metric',
    root.METRICS,
    ['llv.evaluation'],
    mmdet=['llv.evaluation.detection'],
    mmseg=['llv.evaluation.segmentation'],
)

# Nothing of llv is in these: they are there so that these parts of an `llv::` base are found in the default scope too.
EVALUATOR = Registry('evaluator', root.EVALUATOR)
LOG_PROCESSORS = Registry('log_processor', root.LOG_PROCESSORS)
OPTIMIZERS = Registry('optimizer', root.OPTIMIZERS)
OPTIM_WRAPPER_CONSTRUCTORS = Registry(
    'optimizer wrapper constructor', root.OPTIM_WRAPPER_CONSTRUCTORS
)
PARAM_SCHEDULERS = Registry('parameter scheduler', root.PARAM_SCHEDULERS)
RUNNERS = Registry('runner', root.RUNNERS)
VISBACKENDS = Registry('vis_backend', root.VISBACKENDS)
VISUALIZERS = Registry('visualizer', root.VISUALIZERS)
WEIGHT_INITIALIZERS = Registry('weight initializer', root.WEIGHT_INITIALIZERS)
