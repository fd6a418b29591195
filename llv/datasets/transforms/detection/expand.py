"""SSD's zoom out (Liu et al., ECCV 2016, section 3.6), with a choice of what surrounds the picture."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.structures.bbox import autocast_box_type

from llv.datasets.transforms.pairs import change_both
from llv.registry import TRANSFORMS

from .windows import checked_fill, checked_probability, keep_faces, look_through, refuse_maps


@TRANSFORMS.register_module()
class FaceExpand(BaseTransform):
    """Put a picture at a random place of a larger one, which makes its faces smaller once resized.

    mmdet's ``Expand`` with a fill by name, among them ``'reflect'``, which that one lacks. See
    :mod:`~llv.datasets.transforms.detection.windows`; ``'black'`` is recommended where an enhancer is
    in the loop. ``img_shape`` and a ``reference`` follow.

    Args:
        ratio_range: Least and greatest ratio of the larger picture's sides to the picture's.
        fill: ``'mean'``, ``'black'`` or ``'reflect'``.
        prob: Probability of expanding.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self, ratio_range: tuple[float, float] = (1, 4), fill: str = 'mean', prob: float = 0.5
    ) -> None:
        if len(ratio_range) != 2 or not 1 <= ratio_range[0] <= ratio_range[1]:
            raise ValueError(f'`ratio_range` is (low, high) from 1 up, but got {ratio_range}.')
        self.ratio_range = tuple(ratio_range)
        self.fill = checked_fill(fill)
        self.prob = checked_probability(prob)

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Expand; ``img``, ``img_shape`` and boxes change together.

        Raises:
            ValueError: There are masks or a label map, which would stay behind.
        """
        if np.random.random_sample() >= self.prob:
            return results
        refuse_maps(results, self)
        height, width = results['img'].shape[:2]
        ratio = np.random.uniform(*self.ratio_range)
        outer_height, outer_width = int(height * ratio), int(width * ratio)
        left = -np.random.randint(outer_width - width + 1)
        top = -np.random.randint(outer_height - height + 1)
        window = (left, top, left + outer_width, top + outer_height)
        keep_faces(results, window)
        return change_both(results, lambda picture: look_through(picture, window, self.fill))

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(ratio_range={self.ratio_range}, fill={self.fill!r}, '
            f'prob={self.prob})'
        )
