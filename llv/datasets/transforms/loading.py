"""Loading pictures and their well-lit partners, so that damaged files are noticed."""

import numpy as np
from mmcv.transforms import BaseTransform

from llv.registry import TRANSFORMS
from llv.utils.pictures import read_picture


def _read_bgr(path: str) -> np.ndarray:
    """(H, W, 3) uint8 BGR; 16-bit pictures are rounded to 8 bits."""
    picture = read_picture(path)
    if picture.dtype == np.uint16:
        picture = (picture / np.float32(257)).round().astype(np.uint8)
    return np.ascontiguousarray(picture[..., ::-1])


@TRANSFORMS.register_module()
class LoadPicture(BaseTransform):
    """Read ``results['img_path']`` into ``results['img']``, (H, W, 3) uint8 BGR, like mmcv's loader.

    Unlike that one it refuses a truncated file, which OpenCV fills with grey, and reads 16-bit pictures at their full
    range.

    Raises:
        PictureError: The file is missing, damaged or of another kind.
    """

    def transform(self, results: dict) -> dict:
        """Add ``img``, ``img_shape`` and ``ori_shape``."""
        results['img'] = _read_bgr(results['img_path'])
        results['img_shape'] = results['ori_shape'] = results['img'].shape[:2]
        return results


@TRANSFORMS.register_module()
class LoadReference(BaseTransform):
    """Read ``results['reference_path']`` into ``results['reference']``, (H, W, 3) uint8 BGR like ``img``.

    Raises:
        ValueError: The data set gives no ``reference_path``.
        PictureError: The file is missing, damaged or of another kind.
    """

    def transform(self, results: dict) -> dict:
        """Add ``reference``."""
        if 'reference_path' not in results:
            raise ValueError(
                '`LoadReference` found no `reference_path`; give the data set a reference folder or remove the '
                'transform.'
            )
        results['reference'] = _read_bgr(results['reference_path'])
        return results
