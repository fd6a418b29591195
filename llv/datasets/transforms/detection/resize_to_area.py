"""Bring every picture to one area, whatever its shape."""

from __future__ import annotations

import math

from mmcv.transforms import BaseTransform
from mmdet.datasets.transforms import Resize

from llv.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ResizeToArea(BaseTransform):
    """Resize with the factor sqrt(area / (height * width)) in both directions, so also enlarge.

    How the detector of RUAS is tested: 1080x720 becomes 1500x1000. The sides are rounded to pixels, and
    the interpolation is OpenCV's bilinear one on 8 bits. Keys that are read and written are those of
    mmdet's ``Resize``: boxes, masks and maps follow, ``scale_factor`` leads predictions back.

    Args:
        area: Pixels of the result.

    Raises:
        ValueError: `area` is below 1.
    """

    def __init__(self, area: float = 1_500_000) -> None:
        if area < 1:
            raise ValueError(f'`area` must be at least 1 pixel, but got {area}.')
        self.area = area

    def transform(self, results: dict) -> dict:
        """Resize; ``img_shape`` and ``scale_factor`` follow."""
        height, width = results['img'].shape[:2]
        factor = math.sqrt(self.area / (height * width))
        scale = tuple(max(1, round(side * factor)) for side in (width, height))
        return Resize(scale, keep_ratio=False).transform(results)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(area={self.area})'
