"""Data-anchor-sampling of PyramidBox (Tang et al., ECCV 2018, section 3.4) and DSFD (Li et al., CVPR 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.structures.bbox import autocast_box_type

from llv.datasets.transforms.pairs import change_both
from llv.registry import TRANSFORMS

from .windows import (
    Window,
    checked_fill,
    checked_probability,
    keep_faces,
    look_through,
    refuse_maps,
    shown_faces,
)

_INTERPOLATIONS = (
    cv2.INTER_LINEAR,
    cv2.INTER_CUBIC,
    cv2.INTER_AREA,
    cv2.INTER_NEAREST,
    cv2.INTER_LANCZOS4,
)
_TRIES = 50
_MIN_IOU = 0.7


@TRANSFORMS.register_module()
class DataAnchorSampling(BaseTransform):
    """Bring a random face to the size of a random anchor and cut a square window around it.

    As DSFD's release does: of a random face with the side s (square root of its area), i is the index
    of the anchor nearest to s; the target is one of the anchors 0 to i + 1, all equally likely, so
    faces mostly shrink; the picture is resized by target / s times 2 ** u, u uniform in (-1, 1), with
    a random one of five interpolations. Of 50 random windows that contain the face (or lie inside
    it, where it is larger; where the picture is not larger than the window, the window covers the
    picture), one is taken among those that show some face as a whole or share more than 0.7 of a
    face's area (IoU). Faces whose centre is inside are kept and clipped.

    The release resizes the whole picture; here an enlarged picture exists within the window only,
    the same pixels up to the interpolation's rounding (``INTER_AREA`` enlarges as the linear one), in
    a fraction of time and memory. Where no window qualifies, the picture stays as it was. Pictures
    without a face that counts (none, or ignored ones only) give a random window at a random 2 ** u.

    Published use: PyramidBox and the community's DSFD take it for half of the pictures, DSFD's paper
    for 2/5, and an SSD crop for the others: put both into mmcv's ``RandomChoice``.

    What lies outside the picture is filled: see :mod:`~llv.datasets.transforms.detection.windows`;
    ``'black'`` is recommended where an enhancer is in the loop. ``img_shape`` and a ``reference`` follow.

    Args:
        size: Side of the window in pixels.
        anchors: Sides of the anchors in pixels, from small to large.
        fill: ``'mean'``, ``'black'`` or ``'reflect'``.
        prob: Probability of sampling; other pictures stay as they are.
        min_side: Faces with a side below so many pixels after resizing are dropped: 6 in the
            community's version, 0 in the release.
        max_pixels: A picture is enlarged to no more than so many pixels.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        size: int = 640,
        anchors: Sequence[float] = (16, 32, 64, 128, 256, 512),
        fill: str = 'mean',
        prob: float = 1.0,
        min_side: float = 0,
        max_pixels: int = 12000**2,
    ) -> None:
        if size < 1:
            raise ValueError(f'`size` is at least 1 pixel, but got {size}.')
        if not len(anchors) or min(anchors) <= 0 or list(anchors) != sorted(anchors):
            raise ValueError(f'`anchors` are sides from small to large, but got {anchors}.')
        if min_side < 0:
            raise ValueError(f'`min_side` is 0 or more, but got {min_side}.')
        if max_pixels < 1:
            raise ValueError(f'`max_pixels` is at least 1, but got {max_pixels}.')
        self.size = int(size)
        self.anchors = np.array(anchors, float)
        self.fill = checked_fill(fill)
        self.prob = checked_probability(prob)
        self.min_side = min_side
        self.max_pixels = max_pixels

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Sample; ``img``, ``img_shape``, boxes, labels and ignore flags change together.

        Raises:
            ValueError: There are masks or a label map, which would stay behind.
        """
        if np.random.random_sample() >= self.prob:
            return results
        refuse_maps(results, self)
        faces = shown_faces(results)
        chosen = faces[np.random.randint(len(faces))] if len(faces) else None
        ratio = self._ratio(chosen, results['img'].shape[:2])
        window = self._window(chosen, faces * ratio, ratio, results['img'].shape[:2])
        if window is None:
            return results
        interpolation = _INTERPOLATIONS[np.random.randint(len(_INTERPOLATIONS))]
        keep_faces(results, window, ratio, self.min_side)
        return change_both(
            results, lambda picture: self._cut(picture, ratio, window, interpolation)
        )

    def _ratio(self, face: np.ndarray | None, shape: tuple[int, int]) -> float:
        ratio = 2 ** np.random.uniform(-1, 1)
        if face is not None:
            side = max(np.sqrt((face[2] - face[0]) * (face[3] - face[1])), 1e-3)
            nearest = int(np.abs(self.anchors - side).argmin())
            last = min(nearest + 1, len(self.anchors) - 1)
            ratio *= self.anchors[np.random.randint(last + 1)] / side
        largest = np.sqrt(self.max_pixels / (shape[0] * shape[1]))
        return float(np.clip(ratio, 1 / min(shape), max(largest, 1 / min(shape))))

    def _window(
        self, chosen: np.ndarray | None, faces: np.ndarray, ratio: float, shape: tuple[int, int]
    ) -> Window | None:
        """A window in the resized picture, None where no candidate is one."""
        height, width = (_scaled(side, ratio) for side in shape)
        x1, y1, x2, y2 = 0, 0, width, height
        if chosen is not None and self.size < max(height, width):
            x1, y1, x2, y2 = chosen * ratio
        # contains the span from x1 to x2, or lies inside it where it is the longer one
        left = np.floor(np.random.uniform(*sorted((x2 - self.size, x1)), _TRIES))
        top = np.floor(np.random.uniform(*sorted((y2 - self.size, y1)), _TRIES))
        windows = np.stack([left, top, left + self.size, top + self.size], 1)
        good = (left < width) & (top < height) & (windows[:, 2] > 0) & (windows[:, 3] > 0)
        if chosen is not None:
            good &= _shows_some(windows, faces)
        candidates = windows[good].astype(int)
        if not len(candidates):
            return None
        return tuple(candidates[np.random.randint(len(candidates))].tolist())

    def _cut(
        self, picture: np.ndarray, ratio: float, window: Window, interpolation: int
    ) -> np.ndarray:
        if ratio <= 1:
            small = cv2.resize(picture, None, fx=ratio, fy=ratio, interpolation=interpolation)
            return look_through(small, window, self.fill)
        height, width = (_scaled(side, ratio) for side in picture.shape[:2])
        left, top, right, bottom = window
        x, y = max(left, 0), max(top, 0)
        seen = min(right, width) - x, min(bottom, height) - y
        # pixel i of the enlarged picture is centred at (i + 0.5) / ratio - 0.5 of the original
        back = np.array(
            [
                [1 / ratio, 0, (x + 0.5) / ratio - 0.5],
                [0, 1 / ratio, (y + 0.5) / ratio - 0.5],
            ]
        )
        if interpolation == cv2.INTER_AREA:
            interpolation = cv2.INTER_LINEAR
        enlarged = cv2.warpAffine(
            picture,
            back,
            seen,
            flags=interpolation | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        moved = (left - x, top - y, right - x, bottom - y)
        return look_through(enlarged, moved, self.fill)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(size={self.size}, anchors={self.anchors.tolist()}, '
            f'fill={self.fill!r}, prob={self.prob}, min_side={self.min_side}, '
            f'max_pixels={self.max_pixels})'
        )


def _scaled(side: int, ratio: float) -> int:
    """A side of the resized picture, rounded as OpenCV rounds."""
    return max(1, round(side * ratio))


def _shows_some(windows: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Whether each of (m, 4) windows contains one of (n, 4) faces or has IoU > 0.7 with one, bool (m,)."""
    windows = windows[:, None]
    inside = (faces[:, :2] >= windows[..., :2]) & (faces[:, 2:] <= windows[..., 2:])
    low = np.maximum(faces[:, :2], windows[..., :2])
    high = np.minimum(faces[:, 2:], windows[..., 2:])
    shared = np.prod(np.clip(high - low, 0, None), 2)
    area = np.prod(faces[:, 2:] - faces[:, :2], 1)
    union = area + np.prod(windows[..., 2:] - windows[..., :2], 2) - shared
    return (inside.all(2) | (shared > _MIN_IOU * union)).any(1)
