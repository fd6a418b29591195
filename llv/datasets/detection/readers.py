"""The readers of official annotation files by name, for tools."""

from __future__ import annotations

import inspect
import os
from typing import Any

from mmdet.datasets import BaseDetDataset

from llv.registry import DATASETS

from .errors import listing, nearest

READERS = dict(
    darkface='DarkFaceDataset',
    exdark='ExDarkDataset',
    fddb='FDDBDataset',
    wider_face='WiderFaceDataset',
)
"""Name of a dataset to its class in llv."""


def open_dataset(name: str, data_root: str | os.PathLike[str], **options: Any) -> BaseDetDataset:
    """Read a dataset with all its pictures, as for a test.

    Args:
        name: Key of :data:`READERS`.
        data_root: Its folder.
        **options: Further arguments of the class, such as ``protocol`` and ``subset``.

    Raises:
        ValueError: The class has no such argument; and what the class raises.
    """
    kind = DATASETS.get(READERS[name])
    known = {
        parameter.name
        for base in kind.__mro__[:-1]
        for parameter in inspect.signature(base.__init__).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    known -= {'self', 'data_root', 'test_mode', 'pipeline', 'lazy_init'}
    for option in options:
        if option not in known:
            raise ValueError(
                f'`{option}` is no option of `{name}`{nearest(option, sorted(known))}: '
                f'{listing(sorted(known), len(known))}.'
            )
    # no workers will share the records, and to serialise them makes Python look for garbage each time
    options.setdefault('serialize_data', False)
    return kind(data_root=str(data_root), test_mode=True, **options)
