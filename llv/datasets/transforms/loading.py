"""Loading pictures and their well-lit partners, so that damaged files are noticed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from mmcv.transforms import BaseTransform

from llv.registry import TRANSFORMS
from llv.utils.pictures import read_picture


def _read_bgr(path: str, to_float32: bool = False) -> np.ndarray:
    """(H, W, 3) BGR in 0..255; uint8, to which 16-bit pictures are rounded, or float32, which keeps them."""
    picture = read_picture(path)
    if picture.dtype == np.uint16:
        picture = picture / np.float32(257)
        if not to_float32:
            picture = picture.round().astype(np.uint8)
    elif to_float32:
        picture = picture.astype(np.float32)
    return np.ascontiguousarray(picture[..., ::-1])


@TRANSFORMS.register_module()
class LoadPicture(BaseTransform):
    """Read ``results['img_path']`` into ``results['img']``, (H, W, 3) uint8 BGR, like mmcv's loader.

    Unlike that one it refuses a truncated file, which OpenCV fills with grey, and reads 16-bit pictures at their full
    range. The EXIF orientation is applied.

    Args:
        to_float32: Hand over float32 in 0..255: 16-bit pictures, such as the inputs of FiveK, keep all their levels,
            and resizing rounds nothing. By default pictures are rounded to 8 bits.

    Raises:
        PictureError: The file is missing, damaged or of another kind.
    """

    def __init__(self, to_float32: bool = False) -> None:
        self.to_float32 = to_float32

    def transform(self, results: dict) -> dict:
        """Add ``img``, ``img_shape`` and ``ori_shape``."""
        results['img'] = _read_bgr(results['img_path'], self.to_float32)
        results['img_shape'] = results['ori_shape'] = results['img'].shape[:2]
        return results


@TRANSFORMS.register_module()
class LoadReference(BaseTransform):
    """Read ``results['reference_path']`` into ``results['reference']``, (H, W, 3) uint8 BGR like ``img``.

    References are 8 bits everywhere in llv; 16-bit ones are rounded.

    Args:
        replace: For data sets without references, such as those of mmdet: parts of ``img_path`` and what stands in
            their place in ``reference_path``, as ``{'train/night': 'train/day', '.jpg': '.png'}``; of several places
            the last counts.

    Raises:
        ValueError: The data set gives no ``reference_path`` and there is no `replace`, or its part is not in the path.
        PictureError: The file is missing, damaged or of another kind.
    """

    def __init__(self, replace: Mapping[str, str] | None = None) -> None:
        self.replace = dict(replace or {})

    def transform(self, results: dict) -> dict:
        """Add ``reference`` and, where `replace` gives it, ``reference_path``."""
        if self.replace:
            results['reference_path'] = self._replaced(results['img_path'])
        if 'reference_path' not in results:
            raise ValueError(
                '`LoadReference` found no `reference_path`; give the data set a reference folder, or the transform '
                '`replace`, or remove it.'
            )
        results['reference'] = _read_bgr(results['reference_path'])
        return results

    def _replaced(self, path: str) -> str:
        for old, new in self.replace.items():
            before, found, after = path.rpartition(old)
            if not found:
                raise ValueError(
                    f"`replace` of `LoadReference` has `{old}`, which is not in `{path}`; name a part of the pictures' "
                    'paths.'
                )
            path = f'{before}{new}{after}'
        return path
