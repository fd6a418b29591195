"""Registries of llv: children of mmengine's, scope ``llv``.

``type='llv.RUAS'`` resolves from any default scope (mmdet, mmseg, mmengine, …) without ``custom_imports``,
because mmengine imports ``<scope>.registry`` when it meets an unknown scope, and each registry imports its
locations at the first look-up.

Locations come in two kinds. Enhancers, losses, hooks and the rest of the core are always imported. Parts that
build on mmdet or mmseg are imported only where that package and mmcv's compiled operators are there; asking for
one of their types without them raises an :class:`ImportError` that names what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mmengine.registry as root
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
