"""From a published weight file, or a checkpoint of a training run, to one that holds the enhancer alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from llv.models.enhancers import published
from llv.utils.downloads import sha256_of
from llv.version import __version__

from .enhancers import init_enhancer


def convert_official(
    official: Path,
    out: Path,
    enhancer: str | None = None,
    licence: str | None = None,
    **options: Any,
) -> dict[str, str]:
    """Write the checkpoint.

    Args:
        official: The published file.
        out: File to write; its folder is made.
        enhancer: Name of the enhancer; None asks the table of published weights.
        licence: Of the file, where the table does not know it.
        options: Arguments of the enhancer.

    Returns:
        The ``meta`` of the checkpoint.

    Raises:
        FileNotFoundError: `official` is not there.
        ValueError: Nobody knows whose file it is, it belongs to another network, or it would be overwritten.
    """
    if not official.is_file():
        raise FileNotFoundError(f'The weight file `{official}` is not there; check the path.')
    if out.exists() and out.samefile(official):
        raise ValueError(f'`--out` is the official file `{official}` itself; choose another name.')
    row = published.recognise(official)
    if enhancer is None:
        if row is None:
            raise ValueError(
                f'`{official}` is in no row of the table of published weights; name its network with `--enhancer`.'
            )
        enhancer = row.enhancer
    module = init_enhancer(enhancer, official, **options)
    meta = dict(
        enhancer=type(module).__name__,
        source=official.name,
        sha256=sha256_of(official),
        licence=row.licence if row is not None else licence or 'unknown',
        llv=__version__,
    )
    if row is not None:
        meta.update(name=row.name, repository=row.repository, trained_on=row.trained_on)
    state_dict = {f'enhancer.{name}': value for name, value in module.state_dict().items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.save(dict(meta=meta, state_dict=state_dict), out)
    return meta
