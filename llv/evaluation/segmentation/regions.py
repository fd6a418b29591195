"""Parts of a picture: how bright it is around a pixel, and how near a label changes."""

from __future__ import annotations

import cv2
import numpy as np

LEVELS = 256
_BLUE, _GREEN, _RED = 0.114, 0.587, 0.299  # Rec. 601, on the coded values


def local_brightness(picture: np.ndarray, window: float, channel_order: str = 'bgr') -> np.ndarray:
    """Mean luma around each pixel.

    The mean is over the part of a square window that lies inside the picture; Rec. 601, of the values as they are
    (gamma-coded).

    Args:
        picture: (3, H, W) uint8, or float in 0..255 (clamped).
        window: Side as a share of the shorter side of the picture; the largest odd number of pixels in it, at least 1.
        channel_order: ``'bgr'`` or ``'rgb'``.

    Returns:
        (H, W) float32 in 0..255.
    """
    weights = (_BLUE, _GREEN, _RED) if channel_order == 'bgr' else (_RED, _GREEN, _BLUE)
    luma = np.zeros(picture.shape[1:], np.float32)
    for plane, weight in zip(picture, weights, strict=True):
        plane = plane.astype(np.float32)
        if picture.dtype != np.uint8:
            np.clip(plane, 0, 255, out=plane)
        cv2.scaleAdd(plane, weight, luma, luma)
    reach = int((window * min(luma.shape) - 1) / 2 + 1e-6)  # 1 / 3 of 9 pixels is 3
    if reach < 1:
        return luma
    sums = cv2.boxFilter(
        luma, -1, (2 * reach + 1,) * 2, normalize=False, borderType=cv2.BORDER_CONSTANT
    )
    rows, columns = (_inside(size, reach) for size in luma.shape)
    sums /= rows[:, None]
    sums /= columns
    return sums


def _inside(size: int, reach: int) -> np.ndarray:
    """How many of the 2·reach + 1 places around each of `size` places in a row are among them."""
    places = np.arange(size)
    first, last = np.maximum(places - reach, 0), np.minimum(places + reach, size - 1)
    return (last - first + 1).astype(np.float32)


def boundary_band(label: np.ndarray, reach: int, ignore_index: int = 255) -> np.ndarray:
    """Where the label changes at most `reach` pixels away.

    A straight edge has a band of `reach` pixels on each of its sides; around corners the distance is the larger one of
    row and column. Between an ignored and another pixel nothing changes.

    Args:
        label: (H, W) integers.
        reach: At least 1.
        ignore_index: The value without a label.

    Returns:
        (H, W) uint8, 1 in the band.
    """
    band = np.zeros(label.shape, np.uint8)
    labelled = label != ignore_index
    for here, there in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        change = label[here] != label[there]
        change &= labelled[here]
        change &= labelled[there]
        band[here] |= change
        band[there] |= change
    if reach > 1:
        band = cv2.dilate(band, np.ones((2 * reach - 1,) * 2, np.uint8))
    return band


def equal_groups(counts: np.ndarray, groups: int) -> list[int]:
    """Cut levels into consecutive groups of as equal pixel numbers as the levels allow.

    A level is never divided. Of all ways to cut, the one with the least sum of squared group sizes is taken, so where
    one level holds most of the pixels, the others still make up the other groups. No group is empty: with fewer
    levels in use than `groups`, each is a group.

    Args:
        counts: (L,) pixels of each level, some of them above 0.
        groups: At least 1.

    Returns:
        The last used level of each group, ascending.
    """
    used = np.flatnonzero(counts)
    ends = np.concatenate([[0.0], np.cumsum(counts[used]) / counts.sum()])
    # squares[i, j]: of one group of the used levels i..j-1
    squares = np.where(ends > ends[:, None], (ends - ends[:, None]) ** 2, np.inf)
    cost, cuts = squares[0], []
    for _ in range(min(groups, len(used)) - 1):
        total = cost[:, None] + squares
        cuts.append(total.argmin(axis=0))
        cost = total.min(axis=0)
    last = [len(used)]
    for best in reversed(cuts):
        last.append(int(best[last[-1]]))
    return [int(used[end - 1]) for end in reversed(last)]
