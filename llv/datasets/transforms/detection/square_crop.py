"""The crop that S3FD is trained with (Zhang et al., ICCV 2017, section 3.4)."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.structures.bbox import autocast_box_type

from llv.datasets.transforms.pairs import change_both
from llv.registry import TRANSFORMS

from .windows import Window, keep_faces, look_through, refuse_maps, shown_faces

_TRIES = 50


@TRANSFORMS.register_module()
class FaceSquareCrop(BaseTransform):
    """Cut a square out of a picture: one of five, of which one is the largest square that fits and four
    have a random side.

    Faces whose centre is inside are kept, clipped to the square. A square without a face is drawn
    again (ours; the paper does not say), 50 times, after which the largest square is put over a
    random face. Pictures without a face that counts give any square. No square leaves the picture,
    so nothing is ever filled. ``img_shape`` and a ``reference`` follow.

    Args:
        side_range: Least and greatest side of the four smaller squares, relative to the picture's
            shorter side.

    Raises:
        ValueError: The range is empty or leaves (0, 1].
    """

    def __init__(self, side_range: tuple[float, float] = (0.3, 1.0)) -> None:
        if len(side_range) != 2 or not 0 < side_range[0] <= side_range[1] <= 1:
            raise ValueError(f'`side_range` is (low, high) within (0, 1], but got {side_range}.')
        self.side_range = tuple(side_range)

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Crop; ``img``, ``img_shape``, boxes, labels and ignore flags change together.

        Raises:
            ValueError: There are masks or a label map, which would stay behind.
        """
        refuse_maps(results, self)
        faces = shown_faces(results)
        shape = results['img'].shape[:2]
        centres = (faces[:, :2] + faces[:, 2:]) / 2
        # a centre outside the picture (boxes need not be clipped) is in no square
        centres = centres[((centres > 0) & (centres < shape[::-1])).all(1)]
        window = self._window(centres, shape)
        keep_faces(results, window)
        return change_both(results, lambda picture: look_through(picture, window, 'black'))

    def _window(self, centres: np.ndarray, shape: tuple[int, int]) -> Window:
        height, width = shape
        for _ in range(_TRIES):
            share = 1.0 if np.random.randint(5) == 0 else np.random.uniform(*self.side_range)
            side = max(1, int(share * min(shape)))
            left = np.random.randint(width - side + 1)
            top = np.random.randint(height - side + 1)
            window = (left, top, left + side, top + side)
            inside = (centres > window[:2]) & (centres < window[2:])
            if not len(centres) or inside.all(1).any():
                return window
        side = min(shape)
        x, y = centres[np.random.randint(len(centres))]
        left = _start_around(x, side, width)
        top = _start_around(y, side, height)
        return left, top, left + side, top + side

    def __repr__(self) -> str:
        return f'{type(self).__name__}(side_range={self.side_range})'


def _start_around(point: float, side: int, length: int) -> int:
    """A random start in 0..length - side such that start < point < start + side."""
    low = max(0, int(np.floor(point - side)) + 1)
    high = min(length - side, int(np.ceil(point)) - 1)
    return int(np.random.randint(low, high + 1))
