"""Large pictures in tiles: the memory of one tile for a picture of any size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor


class Piece(NamedTuple):
    """A tile's place along one side of the picture, in pixels of it.

    Attributes:
        start, stop: What the tile shows.
        rise: First and last place of the blend with the tile before, the last one excluded; None for the first tile.
        fall: The same with the tile behind; None for the last tile.
    """

    start: int
    stop: int
    rise: tuple[int, int] | None
    fall: tuple[int, int] | None


def enhance_in_tiles(
    function: Callable[[Tensor], Mapping[str, Tensor]],
    images: Tensor,
    tile: int = 256,
    overlap: int = 16,
    multiple: int = 1,
    reach: int = 0,
) -> dict[str, Tensor]:
    """Compute tensors tile by tile and blend them linearly where tiles overlap.

    Every picture is worked on by itself, one tile at a time, so what is needed beside the results is the memory of one
    tile. The last tile of a row or column is moved back into the picture. A picture that is no larger than a tile goes
    through `function` as it is: batch and result are those without tiles.

    A function whose results depend on what is at most `reach` pixels away gives the same as for the whole picture.
    Where they depend on all that is seen, as behind an attention, they differ everywhere; the blend hides the seams.

    Args:
        function: From (N, 3, h, w) to named tensors, each (N, C, k·h, k·w) with a whole number k of its own.
        images: (N, 3, H, W).
        tile: Side of the tiles, two or more times `multiple`.
        overlap: Of neighbouring tiles, at most half a tile; at least, where `multiple` or the last tile make it larger.
        multiple: Tiles start at multiples of it, as the grid of a network with strides needs; the last ones are shorter
            by less than that where the picture's side is no multiple.
        reach: Pixels next to a border between tiles that are left out of the blend, less than half of `overlap`.

    Returns:
        The tensors of the whole pictures by their names, (N, C, k·H, k·W).

    Raises:
        ValueError: `tile`, `overlap` or `reach` do not fit each other, or a result is no multiple of its tile in size.
    """
    check_tiles(tile, overlap, multiple, reach)
    height, width = images.shape[-2:]
    if max(height, width) <= tile:
        return dict(function(images))
    rows, columns = (pieces(side, tile, overlap, multiple, reach) for side in (height, width))
    results: dict[str, Tensor] = {}
    for k, (row, column) in product(range(len(images)), product(rows, columns)):
        shown = images[k : k + 1, :, row.start : row.stop, column.start : column.stop]
        for name, part in function(shown).items():
            scale = _scale(name, part, shown)
            if name not in results:
                size = (len(images), part.shape[1], scale * height, scale * width)
                results[name] = part.new_zeros(size)
            down = ramp(row, scale, part)[:, None]
            along = ramp(column, scale, part)
            results[name][
                k : k + 1,
                :,
                scale * row.start : scale * row.stop,
                scale * column.start : scale * column.stop,
            ] += part * down * along
    return results


def check_tiles(tile: int, overlap: int, multiple: int = 1, reach: int = 0) -> None:
    """Refuse numbers that no tiles can be laid with; see :func:`enhance_in_tiles`.

    Raises:
        ValueError: In a sentence that names the argument.
    """
    least = 2 * multiple  # the last tile of a row may be shorter by less than `multiple`
    if not _is_whole(tile) or tile < least or tile % multiple:
        kind = 'an integer' if multiple == 1 else f'a multiple of {multiple}'
        raise ValueError(
            f'The side of a `tile` must be {kind} and at least {least}, but got {tile!r}.'
        )
    if not _is_whole(overlap) or not 0 <= overlap <= tile / 2:
        raise ValueError(
            f'The overlap of tiles must be an integer from 0 to half a tile, {tile // 2}, but got {overlap!r}.'
        )
    if reach < 0 or 2 * reach >= max(overlap, 1):
        raise ValueError(
            f'`reach` must be less than half of the overlap of {overlap}, but got {reach!r}; choose a larger overlap.'
        )


def pieces(side: int, tile: int, overlap: int, multiple: int = 1, reach: int = 0) -> list[Piece]:
    """The tiles along one side of a picture; their weights, see :func:`ramp`, add up to 1 at every pixel.

    The blend of two tiles lies at the end of the earlier one, `reach` pixels away from it, and is ``overlap − 2·reach``
    long.

    Args:
        side: Of the picture.
        tile, overlap, multiple, reach: See :func:`enhance_in_tiles`.
    """
    step = (tile - overlap) // multiple * multiple
    last = -(-max(side - tile, 0) // multiple) * multiple
    starts = [*range(0, last, step), last]
    stops = [min(start + tile, side) for start in starts]
    blends = [(stop - overlap + reach, stop - reach) for stop in stops[:-1]]
    return [
        Piece(*place) for place in zip(starts, stops, [None, *blends], [*blends, None], strict=True)
    ]


def ramp(piece: Piece, scale: int, like: Tensor) -> Tensor:
    """Weights of a tile along one side, (scale · length,) of the type and on the device of `like`.

    1 in the middle, linear in the blends, 0 between a blend and the nearer border of the tile.
    """
    places = torch.arange(scale * piece.start, scale * piece.stop, device=like.device) + 0.5
    weights = torch.ones_like(places)
    if piece.rise is not None:
        weights = _share(places, piece.rise, scale)
    if piece.fall is not None:
        # exactly the rest of what the tile behind takes
        weights = weights * (1 - _share(places, piece.fall, scale))
    return weights.to(like.dtype)


def _share(places: Tensor, blend: tuple[int, int], scale: int) -> Tensor:
    """Of the later tile: 0 before the blend, 1 behind it."""
    start, stop = (scale * place for place in blend)
    if start == stop:
        return (places > start).float()
    return ((places - start) / (stop - start)).clamp(0, 1)


def _scale(name: str, part: Tensor, shown: Tensor) -> int:
    scale = part.shape[-1] // shown.shape[-1]
    if not scale or part.shape[-2:] != tuple(scale * side for side in shown.shape[-2:]):
        raise ValueError(
            f'`{name}` has size {tuple(part.shape[-2:])} for a tile of {tuple(shown.shape[-2:])}; what works in tiles '
            'must return a multiple of what it is given.'
        )
    return scale


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
