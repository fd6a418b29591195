"""Pictures in, lit pictures out."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn

from llv.utils.pictures import read_photograph, to_rgb, to_tensor, to_uint8

from .large import light_in_tiles, memory_advice

Picture = str | os.PathLike | np.ndarray


def enhance(
    module: nn.Module, pictures: Picture | Iterable[Picture], tile: int | None = None
) -> np.ndarray | list[np.ndarray]:
    """Light pictures with a ready enhancer.

    They go through the enhancer one at a time in their own size, without gradients and on the
    enhancer's device; the module is used as it is, in the mode it is in (:func:`init_enhancer`
    returns it in eval mode).

    Example:
        >>> import numpy as np
        >>> from llv.apis import enhance, init_enhancer
        >>> enhance(init_enhancer('fixed_gain', gain=2.0), np.full((1, 1, 3), 20, np.uint8))
        array([[[40, 40, 40]]], dtype=uint8)

    Args:
        module: An enhancer.
        pictures: One or many paths or RGB arrays. Files: see
            :func:`llv.utils.pictures.read_photograph` (grey becomes three equal channels, alpha is
            dropped, the EXIF orientation applied, colour profiles converted to sRGB). Arrays: (H, W),
            (H, W, 3) or (H, W, 4), uint8 or uint16, RGB order. 16 bits are scaled to [0, 1] by 65535.
        tile: Side of the tiles that larger pictures are lit in, which saves memory; None for whole pictures. The result
            is the same, so only enhancers of a finite ``receptive_field`` allow it.

    Returns:
        One (s·H, s·W, 3) uint8 RGB array for one picture, a list of them for many; values are
        rounded to the nearest level (see :func:`llv.utils.pictures.to_uint8`).

    Raises:
        PictureError: A picture is missing, damaged or of another kind.
        ValueError: The enhancer returned values that are not finite, or sees the whole picture where there is a `tile`.
        OutOfMemory: A picture does not fit into memory; the message says what helps.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(
            f'`module` must be an enhancer, but got {type(module).__name__}; make one with '
            "`init_enhancer('ruas')`."
        )
    if isinstance(pictures, (str, os.PathLike)):
        return _enhance_one(module, pictures, tile)
    if isinstance(pictures, np.ndarray) and pictures.ndim != 4:
        return _enhance_one(module, pictures, tile)
    if not isinstance(pictures, Iterable) or isinstance(pictures, Tensor):
        raise TypeError(
            f'`pictures` must be a path, an array or several of them, but got {type(pictures).__name__}; call '
            'the enhancer itself on tensors.'
        )
    return [_enhance_one(module, picture, tile) for picture in pictures]


@torch.no_grad()
def light(module: nn.Module, images: Tensor, tile: int | None = None) -> Tensor:
    """Light a batch on the enhancer's device.

    Args:
        module: An enhancer.
        images: (N, 3, H, W) RGB in [0, 1], on any device.
        tile: See :func:`enhance`.

    Returns:
        (N, 3, s·H, s·W) RGB in [0, 1].

    Raises:
        ValueError, OutOfMemory: As :func:`enhance`.
    """
    with memory_advice(module, tile):
        images = to_device_of(module, images)
        lit = module(images).image if tile is None else light_in_tiles(module, images, tile)
        check_finite(module, lit)
    return lit


def to_device_of(module: nn.Module, images: Tensor) -> Tensor:
    """Where the tensors of a module are; as they are for one that has none."""
    tensor = next(chain(module.parameters(), module.buffers()), None)
    return images if tensor is None else images.to(tensor.device)


def check_finite(module: nn.Module, lit: Tensor) -> None:
    """Refuse what a broken enhancer returns.

    Raises:
        ValueError: There are values that are not finite.
    """
    if not bool(torch.isfinite(lit).all()):
        raise ValueError(
            f'`{type(module).__name__}` returned values that are not finite; its weights are '
            'damaged or its training diverged.'
        )


def _enhance_one(module: nn.Module, picture: Picture, tile: int | None) -> np.ndarray:
    array = to_rgb(picture) if isinstance(picture, np.ndarray) else read_photograph(picture)
    return to_uint8(light(module, to_tensor(array)[None], tile)[0])
