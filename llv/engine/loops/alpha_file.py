"""Architecture weights in a file of their own, to start another search of the same supernet from."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import nn

from llv.search.searchable import Searchable, searchable_modules
from llv.utils.checkpoint import load_checkpoint

_KEY = 'llv_alpha'
FORMAT = 1


def save_alpha(path: str | PathLike, model: nn.Module) -> None:
    """Write α of every searchable module of a model, with what it belongs to; through a rename."""
    parts = {
        place: {**_kind(module), 'alpha': module.architecture.arch_alpha.detach().cpu().clone()}
        for place, module in searchable_modules(model).items()
    }
    path = Path(path)
    unfinished = path.with_name(f'{path.name}.{os.getpid()}.tmp')
    torch.save({_KEY: FORMAT, 'parts': parts}, unfinished)
    unfinished.replace(path)


def read_alpha(path: str | PathLike, model: nn.Module) -> dict[str, torch.Tensor]:
    """α by the place of its module, checked against the supernet; nothing is changed.

    Raises:
        FileNotFoundError: The file is not there.
        ValueError: It holds no α, or that of another supernet.
    """
    document = load_checkpoint(path)
    if not isinstance(document, dict) or document.get(_KEY) != FORMAT:
        raise ValueError(
            f'`{path}` holds no architecture weights; give the `alpha.pth` that a search wrote.'
        )
    parts, modules = document['parts'], searchable_modules(model)
    for place in sorted({*parts, *modules}):
        if place not in modules or place not in parts:
            has, lacks = ('file', 'model') if place in parts else ('model', 'file')
            raise ValueError(
                f'`{path}` is of another supernet: the {has} has a searched `{place}`, the {lacks} has none; give the '
                'file of a search of this model.'
            )
        for key, wanted in _kind(modules[place]).items():
            if parts[place][key] != wanted:
                raise ValueError(
                    f'`{path}` is of another supernet: `{place}` has `{key}={parts[place][key]!r}` there and '
                    f'{wanted!r} in the model; give the file of a search of this model.'
                )
        shape, wanted = parts[place]['alpha'].shape, modules[place].architecture.arch_alpha.shape
        if shape != wanted:  # a space that changed under its name
            raise ValueError(
                f'`{path}` is of another supernet: `{place}` has α of the shape {tuple(shape)} there and '
                f'{tuple(wanted)} in the model; give the file of a search of this model.'
            )
    return {place: parts[place]['alpha'] for place in modules}


def load_alpha(path: str | PathLike, model: nn.Module) -> None:
    """Start from the α of a file.

    Raises:
        FileNotFoundError, ValueError: As :func:`read_alpha`.
    """
    found, modules = read_alpha(path, model), searchable_modules(model)
    with torch.no_grad():
        for place, alpha in found.items():
            modules[place].architecture.arch_alpha.copy_(alpha)


def _kind(module: Searchable) -> dict[str, Any]:
    space = module.architecture.space
    return dict(
        module=module.genotype_module,
        space=space.name,
        space_version=space.version,
        edges=list(module.architecture.edges),
    )
