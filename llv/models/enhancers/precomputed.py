"""Pictures that were enhanced elsewhere, in place of an enhancer."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from llv.registry import MODELS
from llv.utils.pictures import READABLE_SUFFIXES, read_picture, to_tensor, to_uint8

from .base import BaseEnhancer, Enhancement

_SHOWN = 10


@MODELS.register_module()
class Precomputed(BaseEnhancer):
    """Hand out the files of a folder of enhanced pictures, made by any program.

    Put it into the pipeline, right after loading: ``dict(type='llv.EnhanceImage',
    enhancer=dict(type='llv.Precomputed', …))``. There the picture is found by the name of its file.
    As an enhancer it sees tensors only and finds the picture by its content, for which it reads all
    originals once, at the first call; so pictures must reach it as they are in the files, before any
    resize, crop or flip.

    Files are partners if they have the same path below their folders, or, where the enhanced ones
    are of another format, the same path without extension. No gradient passes.

    Args:
        originals: Folder of the pictures that were enhanced, searched recursively.
        folder: Folder of the enhanced pictures, of the same sizes; may hold others too.

    Raises:
        FileNotFoundError: A folder is not there, or pictures have no partner (named).
        ValueError: There is no picture, or names are ambiguous.
    """

    def __init__(self, originals: str | os.PathLike, folder: str | os.PathLike) -> None:
        super().__init__()
        self.originals = Path(originals).expanduser()
        self.folder = Path(folder).expanduser()
        self._partners = _pair(self.originals, self.folder)
        self._by_content: dict[bytes, Path] | None = None

    def read_partner(self, path: str | os.PathLike) -> np.ndarray:
        """The enhanced picture of an original, by the path of the original.

        Returns:
            (H, W, 3) uint8 RGB.

        Raises:
            FileNotFoundError: The path is none of the originals.
            PictureError: The enhanced picture is damaged.
        """
        place = Path(os.path.relpath(Path(path).expanduser().resolve(), self.originals.resolve()))
        if place not in self._partners:
            raise FileNotFoundError(
                f'`{path}` is none of the originals in `{self.originals}`; give the folder that holds '
                'it as `originals`.'
            )
        return to_uint8(self._read(place))

    @torch.no_grad()
    def enhance(self, images: Tensor) -> Enhancement:
        """(N, 3, H, W) in [0, 1] in, the enhanced files of the same shape out.

        Raises:
            ValueError: A picture is none of the originals, or its enhanced file has another size.
        """
        lit = []
        for image in images:
            picture = self._read(self._find(to_uint8(image)))
            if picture.shape != image.shape:
                raise ValueError(
                    f'An enhanced picture in `{self.folder}` has size {tuple(picture.shape[1:])} but '
                    f'its original {tuple(image.shape[1:])}; enhance without a change of size.'
                )
            lit.append(picture.to(images.device))
        return Enhancement(torch.stack(lit))

    def _read(self, place: Path) -> Tensor:
        return to_tensor(read_picture(self._partners[place]))

    def _find(self, picture: np.ndarray) -> Path:
        """Which original has these pixels."""
        key = _digest(picture)
        if self._by_content is None:
            self._by_content = self._index(read_picture)
        if key not in self._by_content:
            # decoders of JPEG files may differ by a level; this is the one of mm's loaders
            self._by_content = {**self._index(_read_with_opencv), **self._by_content}
        if key not in self._by_content:
            raise ValueError(
                f'A picture of size {picture.shape[:2]} is none of the originals in '
                f'`{self.originals}`; put `llv.EnhanceImage` with this enhancer right after loading, '
                'before the pipeline changes the picture.'
            )
        return self._by_content[key]

    def _index(self, read: Callable[[Path], np.ndarray]) -> dict[bytes, Path]:
        return {_digest(_eight_bits(read(self.originals / p))): p for p in self._partners}


def _pair(originals: Path, folder: Path) -> dict[Path, Path]:
    """Path below `originals` -> enhanced file."""
    places, candidates = _pictures(originals), _pictures(folder)
    by_stem, same_stem = defaultdict(list), defaultdict(list)
    for place in candidates:
        by_stem[place.with_suffix('')].append(place)
    for place in places:
        same_stem[place.with_suffix('')].append(place)
    partners, missing = {}, []
    for place in places:
        stem = place.with_suffix('')
        if place in candidates:
            partners[place] = folder / place
        elif len(by_stem[stem]) == 1 == len(same_stem[stem]):
            partners[place] = folder / by_stem[stem][0]
        elif by_stem[stem]:
            raise ValueError(
                f'Several files are named `{stem.as_posix()}` in `{originals}` or `{folder}`; give '
                'enhanced pictures the full names of their originals.'
            )
        else:
            missing.append(place.as_posix())
    if missing:
        shown = ', '.join(f'`{name}`' for name in missing[:_SHOWN])
        more = ' and more' if len(missing) > _SHOWN else ''
        raise FileNotFoundError(
            f'{len(missing)} of {len(places)} pictures in `{originals}` have no enhanced partner in '
            f'`{folder}` ({shown}{more}); enhance them or remove the originals.'
        )
    return partners


def _pictures(folder: Path) -> dict[Path, None]:
    """The pictures below a folder, as paths relative to it, in order."""
    if not folder.is_dir():
        raise FileNotFoundError(f'The picture folder `{folder}` is not there; check the path.')
    found = sorted(p for p in folder.rglob('*') if p.suffix.lower() in READABLE_SUFFIXES)
    if not found:
        raise ValueError(f'`{folder}` holds no picture; check the path.')
    return {path.relative_to(folder): None for path in found}


def _read_with_opencv(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    return read_picture(path) if picture is None else picture[..., ::-1]


def _eight_bits(picture: np.ndarray) -> np.ndarray:
    """What a loader of 8-bit pictures makes of (H, W, 3) uint8 or uint16."""
    if picture.dtype == np.uint8:
        return picture
    return (picture / np.float32(257)).round().astype(np.uint8)


def _digest(picture: np.ndarray) -> bytes:
    """sha256 of the size and the pixels of (H, W, 3) uint8 RGB."""
    digest = hashlib.sha256(repr(picture.shape).encode())
    digest.update(np.ascontiguousarray(picture).data)
    return digest.digest()
