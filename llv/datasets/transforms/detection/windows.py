"""What transforms that look at a picture through a window share.

A window is ``(left, top, right, bottom)`` in whole pixels of the picture, right and bottom exclusive,
and may reach beyond the picture. What lies outside is filled:

* ``'mean'``: BGR (104, 117, 123), as the published face detectors were trained. With 0.41 to 0.48 of
  full scale it is brighter than nearly everything in a dark picture;
* ``'black'``: recommended where an enhancer stands in front of the detector, because a fill is part
  of the picture it sees, and black stays black under any illumination map;
* ``'reflect'``: the visible part mirrored at its edges, which keeps the statistics of the picture,
  but shows faces a second time without a box.
"""

from __future__ import annotations

import cv2
import numpy as np

MEAN_BGR = (104, 117, 123)
FILLS = ('mean', 'black', 'reflect')

Window = tuple[int, int, int, int]


def checked_fill(fill: str) -> str:
    """The fill, if it is one.

    Raises:
        ValueError: It is none of ``FILLS``.
    """
    if fill not in FILLS:
        raise ValueError(f'`fill` is {", ".join(map(repr, FILLS))}, but got {fill!r}.')
    return fill


def checked_probability(prob: float) -> float:
    """The probability, if it is one.

    Raises:
        ValueError: It is not from 0 to 1.
    """
    if not 0 <= prob <= 1:
        raise ValueError(f'`prob` is a probability from 0 to 1, but got {prob}.')
    return prob


def refuse_maps(results: dict, transform: object) -> None:
    """Refuse what these transforms do not move along: masks and label maps.

    Raises:
        ValueError: There is one.
    """
    for key in ('gt_masks', 'gt_seg_map'):
        if results.get(key) is not None:
            raise ValueError(
                f'`{type(transform).__name__}` moves boxes only, but there is `{key}`; load boxes '
                'alone, or crop with a transform of mmdet.'
            )


def look_through(picture: np.ndarray, window: Window, fill: str) -> np.ndarray:
    """The window's content, filled where it leaves the picture.

    Args:
        picture: (H, W) or (H, W, 3) in BGR, 0..255.
        window: Where to look; it shares at least one pixel with the picture.
        fill: One of ``FILLS``.

    Returns:
        (bottom - top, right - left[, 3]) of the picture's type.
    """
    left, top, right, bottom = window
    height, width = picture.shape[:2]
    seen = picture[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    margins = max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0)
    if not any(margins):
        return np.ascontiguousarray(seen)
    if fill == 'reflect':
        return cv2.copyMakeBorder(seen, *margins, cv2.BORDER_REFLECT)
    value = MEAN_BGR if fill == 'mean' else (0, 0, 0)
    return cv2.copyMakeBorder(seen, *margins, cv2.BORDER_CONSTANT, value=value)


def shown_faces(results: dict) -> np.ndarray:
    """Corners of the faces that are not to be ignored, float64 (n, 4), x1 y1 x2 y2."""
    boxes = results.get('gt_bboxes')
    if boxes is None:
        return np.zeros((0, 4))
    corners = boxes.numpy().astype(np.float64).reshape(-1, 4)
    ignored = results.get('gt_ignore_flags')
    return corners if ignored is None else corners[~np.asarray(ignored, bool)]


def keep_faces(results: dict, window: Window, scale: float = 1.0, min_side: float = 0) -> None:
    """Move ``gt_bboxes`` into the window; labels and ignore flags follow.

    Boxes whose centre is not inside the window go, the others are clipped to it.

    Args:
        results: With ``gt_bboxes`` as a box type of mmdet, or without boxes.
        window: In the coordinates of the scaled picture.
        scale: What boxes are multiplied with first.
        min_side: Boxes with a side below so many pixels, before clipping, go too.
    """
    if results.get('gt_bboxes') is None:
        return
    left, top, right, bottom = window
    boxes = results['gt_bboxes'].clone()
    boxes.rescale_((scale, scale))
    x, y = boxes.centers.numpy().T
    kept = (x > left) & (x < right) & (y > top) & (y < bottom)
    kept &= (boxes.widths.numpy() >= min_side) & (boxes.heights.numpy() >= min_side)
    boxes = boxes[kept]
    boxes.translate_((-left, -top))
    boxes.clip_((bottom - top, right - left))
    results['gt_bboxes'] = boxes
    for key in ('gt_bboxes_labels', 'gt_ignore_flags'):
        if results.get(key) is not None:
            results[key] = results[key][kept]
