"""Changes of size that keep a picture and its reference together; mmcv's ``Resize`` leaves references alone."""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from llv.registry import TRANSFORMS

from .pairs import change_both

_INTERPOLATIONS = dict(bilinear=cv2.INTER_LINEAR, area=cv2.INTER_AREA)


def _resize(picture: np.ndarray, height: int, width: int, interpolation: str) -> np.ndarray:
    if picture.shape[:2] == (height, width):
        return picture
    return cv2.resize(picture, (width, height), interpolation=_INTERPOLATIONS[interpolation])


def _known(interpolation: str) -> str:
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(
            f"`interpolation` must be 'bilinear' or 'area', but got {interpolation!r}."
        )
    return interpolation


@TRANSFORMS.register_module()
class ResizePair(BaseTransform):
    """Bring ``img`` and ``reference`` to one size; the aspect ratio is not kept.

    With (256, 256) this is how PSENet trains: OpenCV's bilinear interpolation on 8 bits, no antialiasing.

    Args:
        size: (height, width) in pixels.
        interpolation: ``'bilinear'`` or ``'area'`` (the mean of the pixels that become one).

    Raises:
        ValueError: A reference has another size than its picture, or an argument is out of range.
    """

    def __init__(self, size: tuple[int, int], interpolation: str = 'bilinear') -> None:
        self.size = tuple(size)
        if len(self.size) != 2 or min(self.size) < 1:
            raise ValueError(f'`size` is (height, width), both at least 1, but got {size}.')
        self.interpolation = _known(interpolation)

    def transform(self, results: dict) -> dict:
        """Resize; ``img_shape`` follows."""
        return change_both(results, lambda p: _resize(p, *self.size, self.interpolation))


@TRANSFORMS.register_module()
class ScaleSide(BaseTransform):
    """Multiply the sides of ``img`` and ``reference``, rounded to pixels, at least 1.

    PSENet measures SICE at a factor of 0.25; how its authors resized is not stated, the mean over areas is our choice,
    because bilinear interpolation would leave three of four pixels out.

    Args:
        factor: What to multiply with.
        interpolation: ``'area'`` or ``'bilinear'``.

    Raises:
        ValueError: A reference has another size than its picture, or an argument is out of range.
    """

    def __init__(self, factor: float, interpolation: str = 'area') -> None:
        if factor <= 0:
            raise ValueError(f'`factor` must be above 0, but got {factor}.')
        self.factor = factor
        self.interpolation = _known(interpolation)

    def transform(self, results: dict) -> dict:
        """Resize; ``img_shape`` follows."""
        height, width = (max(1, round(side * self.factor)) for side in results['img'].shape[:2])
        return change_both(results, lambda p: _resize(p, height, width, self.interpolation))


@TRANSFORMS.register_module()
class EnlargeToMultiple(BaseTransform):
    """Enlarge the sides of ``img`` and ``reference`` to the next multiple, bilinearly.

    The loader of FECNet and ECLNet does so with 4 in training and in testing, and measures on the enlarged pair. It
    resizes floating point pictures: with ``LoadPicture(to_float32=True)`` a picture is not rounded here either; its
    reference is rounded to 8 bits.

    Args:
        divisor: What the sides are multiples of afterwards.

    Raises:
        ValueError: A reference has another size than its picture, or the divisor is below 1.
    """

    def __init__(self, divisor: int = 4) -> None:
        if divisor < 1:
            raise ValueError(f'`divisor` must be at least 1, but got {divisor}.')
        self.divisor = divisor

    def transform(self, results: dict) -> dict:
        """Resize; ``img_shape`` follows."""
        height, width = (
            -(-side // self.divisor) * self.divisor for side in results['img'].shape[:2]
        )
        return change_both(results, lambda p: _resize(p, height, width, 'bilinear'))
