"""Pictures as the page shows them: shrunk, maps in colours, boxes drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from torch import Tensor

from llv.visualization.maps import choose_map, map_picture

from .detection import Found

# long side of what is sent to the browser; the file to download keeps its size
DISPLAY_SIDE = 1280
_FONT = cv2.FONT_HERSHEY_SIMPLEX
# evenly spread hues of one lightness, RGB; a class keeps its colour in both pictures
_COLOURS = (
    (255, 176, 59),
    (94, 201, 255),
    (168, 224, 99),
    (255, 138, 160),
    (202, 167, 255),
    (92, 224, 196),
)


def fit(picture: np.ndarray, side: int = DISPLAY_SIDE) -> np.ndarray:
    """Shrink a picture so that neither side exceeds `side`; smaller ones are returned as they are.

    Args:
        picture: (H, W, 3) RGB, uint8 or uint16.
        side: In pixels.

    Returns:
        (h, w, 3) RGB uint8.
    """
    if picture.dtype == np.uint16:
        picture = np.rint(picture / 257).astype(np.uint8)
    height, width = picture.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return picture
    size = (max(round(width * factor), 1), max(round(height * factor), 1))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def map_pictures(
    maps: Mapping[str, Tensor], side: int = DISPLAY_SIDE
) -> list[tuple[np.ndarray, str]]:
    """The maps of one picture that can be looked at, see :func:`llv.visualization.maps.map_picture`.

    Left out are ``raw``, the result before the clamp, and what has no place in the picture or another number of
    channels than one or three.

    Args:
        maps: ``Enhancement.maps`` of a batch of one.
        side: Longest side of the results in pixels.

    Returns:
        (h, w, 3) RGB uint8 and a caption that names the least and the greatest value, for each.
    """
    shown = []
    for name, value in maps.items():
        if name == 'raw' or choose_map({name: value}, [name]) is None:
            continue
        values = value[0].detach().float().permute(1, 2, 0).cpu().numpy()
        picture, low, high = map_picture(values)
        shown.append((fit(picture, side), f'{name}, {low:.3g} to {high:.3g}'))
    return shown


def draw_boxes(
    picture: np.ndarray, found: Sequence[Found], scale: float = 1, side: int = DISPLAY_SIDE
) -> np.ndarray:
    """Draw detections.

    Args:
        picture: (H, W, 3) RGB uint8; it is not changed.
        found: Their corners in pixels of the picture before it was enlarged by `scale`.
        scale: Size of `picture` over that of the picture the corners belong to.
        side: Longest side of the result; lines and letters are as thick in large pictures as in small ones.

    Returns:
        (h, w, 3) RGB uint8.
    """
    canvas = np.ascontiguousarray(fit(picture, side)).copy()
    factor = scale * canvas.shape[1] / picture.shape[1]
    # one pixel in small pictures, two where it fills the screen
    weight = max(1, round(max(canvas.shape[:2]) / 640))
    letters = 0.55 * weight
    for one in sorted(found, key=lambda one: one.score):
        colour = _COLOURS[one.index % len(_COLOURS)]
        x1, y1, x2, y2 = (round(corner * factor) for corner in one.corners)
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, weight)
        text = f'{one.name} {one.score:.2f}'
        (width, height), base = cv2.getTextSize(text, _FONT, letters, weight)
        top = max(y1 - height - base, 0)
        left = min(max(x1, 0), max(canvas.shape[1] - width, 0))
        corner = (left + width, top + height + base)
        cv2.rectangle(canvas, (left, top), corner, colour, cv2.FILLED)
        place = (left, top + height + base // 2)
        cv2.putText(canvas, text, place, _FONT, letters, (16, 18, 22), weight, cv2.LINE_AA)
    return canvas
