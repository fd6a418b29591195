"""Pictures that do not fit into memory: tiles where they change nothing, and else what helps."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from llv.models.enhancers import MapBasedEnhancer
from llv.models.enhancers.tiles import enhance_in_tiles


class OutOfMemory(MemoryError):
    """A picture did not fit; the message continues a sentence that begins with its name, and ends with the remedy."""


def check_tile(module: nn.Module, tile: int) -> None:
    """Refuse tiles that would change the result.

    Raises:
        ValueError: A pixel of the result depends on the whole picture, or the tile is too small.
    """
    name = type(module).__name__
    field = getattr(module, 'receptive_field', None)
    if field is None:
        other = _own_remedy(module)
        raise ValueError(
            f'`{name}` looks at the whole picture, so tiles would change the result everywhere; '
            + (f'use {other} instead of `--tile`.' if other else 'leave `--tile` out.')
        )
    least = max(2 * _overlap(field), module.minimum_size, 1)
    if tile < least:
        raise ValueError(
            f'A `--tile` must have at least {least} pixels a side for `{name}`, whose pixels depend on {field} pixels '
            f'a side, but got {tile}.'
        )


def light_in_tiles(module: nn.Module, images: Tensor, tile: int) -> Tensor:
    """Light pictures tile by tile; the same as in one piece, but for the order of sums.

    Args:
        module: An enhancer of a finite ``receptive_field``.
        images: (N, 3, H, W) RGB in [0, 1].
        tile: Side of the tiles in pixels.

    Returns:
        (N, 3, s·H, s·W) RGB in [0, 1].

    Raises:
        ValueError: See :func:`check_tile`.
    """
    check_tile(module, tile)
    field = module.receptive_field
    parts = enhance_in_tiles(
        lambda shown: dict(image=module(shown).image),
        images,
        tile=tile,
        overlap=_overlap(field),
        reach=field // 2,
    )
    return parts['image']


@contextmanager
def memory_advice(module: nn.Module, tile: int | None = None) -> Iterator[None]:
    """Turn an error of memory inside into one that says what helps this enhancer.

    Args:
        module: The enhancer.
        tile: That is used already.

    Raises:
        OutOfMemory: The picture did not fit.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out_of_memory(error):
            raise
        raise OutOfMemory(f'needs {_wanted(error)}; {remedy(module, tile)}.') from error


def remedy(module: nn.Module, tile: int | None = None) -> str:
    """What to do where a picture is too large for this enhancer, as the end of a sentence."""
    field = getattr(module, 'receptive_field', None)
    if field is not None:
        side = 1024 if tile is None else tile // 2
        if side >= max(2 * _overlap(field), module.minimum_size):
            return f'light it in tiles by `--tile {side}`, which changes nothing in the result'
    other = _own_remedy(module)
    return f'use {other}' if other else 'shrink it, or use another `--device`'


def ran_out_of_memory(error: Exception) -> bool:
    """Also for the CPU, where torch raises a bare RuntimeError."""
    kinds = (torch.cuda.OutOfMemoryError, MemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in str(error)


def _overlap(field: int) -> int:
    return 2 * (field // 2) + 1


def _own_remedy(module: nn.Module) -> str | None:
    """The option of the enhancer that saves memory, where it is not used yet."""
    if 'tile' in inspect.signature(type(module)).parameters:
        side = getattr(module, 'tile', None)
        if side is None:
            return '`--options tile=256`, which changes the result a little'
    elif isinstance(module, MapBasedEnhancer) and module.estimate_scale > 0.25:
        return '`--options estimate_scale=0.25`, which changes the result a little (docs/estimate_scale.md)'
    return None


def _wanted(error: Exception) -> str:
    """How much was asked for, where the error says so."""
    text = str(error)
    found = re.search(r'tried to allocate (\d+) bytes', text)
    if found:
        return f'more memory than there is (one tensor of {int(found[1]) / 2**30:.1f} GiB)'
    found = re.search(r'Tried to allocate ([\d.]+ [KMG]iB)', text)
    return f'more memory than there is{f" (one tensor of {found[1]})" if found else ""}'
