"""Maps of an enhancer, such as its illumination, as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from torch import Tensor

# what is looked for where nobody says: what divides the picture, or is its exponent
MAPS = ('illumination', 'gamma')


def choose_map(
    maps: Mapping[str, Tensor], names: Sequence[str] = MAPS
) -> tuple[str, Tensor] | None:
    """The first map of these names that can be shown.

    Args:
        maps: ``Enhancement.maps`` of a batch.
        names: In the order of preference. ``'gamma'`` also finds ``'stages.1.gamma'``, the map of a stage of a
            cascade, of the first stage that has one.

    Returns:
        Its name and the map, (N, 1, h, w) or (N, 3, h, w), or None where there is none: values for a whole
        picture, such as one exponent, and maps of other numbers of channels cannot be shown.
    """
    for wanted in names:
        for name, value in maps.items():
            if name == wanted or name.endswith(f'.{wanted}'):
                if (
                    value.ndim == 4
                    and value.shape[1] in (1, 3)
                    and value.shape[2] * value.shape[3] > 1
                ):
                    return name, value
    return None


def map_picture(values: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Show a map: one channel by colours, three channels as a picture.

    One channel goes from its least to its greatest value through the colours of ``viridis``, in which equal steps look
    equal. Three channels are shown as they are where they lie in [0, 1]; else all three together are scaled from their
    least to their greatest value. Values that are not finite are shown as the least one.

    Args:
        values: (h, w, 1) or (h, w, 3).

    Returns:
        (h, w, 3) uint8 RGB, the least and the greatest finite value; 0 and 0 where no value is finite.

    Raises:
        ValueError: Another number of channels.
    """
    if values.ndim != 3 or values.shape[2] not in (1, 3):
        raise ValueError(
            f'`values` must be of shape (h, w, 1) or (h, w, 3), but got {values.shape}.'
        )
    finite = np.isfinite(values)
    low, high = (
        (float(values[finite].min()), float(values[finite].max())) if finite.any() else (0.0, 0.0)
    )
    as_it_is = values.shape[2] == 3 and low >= 0 and high <= 1
    start, width = (0.0, 1.0) if as_it_is else (low, high - low or 1.0)
    levels = (np.where(finite, values, low) - start) / width * 255
    levels = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    if values.shape[2] == 1:
        levels = cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[..., ::-1]
    return np.ascontiguousarray(levels), low, high


def with_caption(picture: np.ndarray, text: str) -> np.ndarray:
    """Print a line over the lower edge of a picture, white on black, as large as fits.

    Args:
        picture: (H, W, 3) uint8 RGB.
        text: ASCII.

    Returns:
        A new picture of the same size.
    """
    font, height, width = cv2.FONT_HERSHEY_SIMPLEX, *picture.shape[:2]
    (long, tall), below = cv2.getTextSize(text, font, 1.0, 1)
    size = min(0.95 * width / long, 0.1 * height / (tall + below), 1.0)
    band = min(round(1.3 * size * (tall + below)) + 1, height)
    shown = picture.copy()
    shown[height - band :] = 0
    place = (round(0.025 * width), height - 1 - round(size * below))
    cv2.putText(shown, text, place, font, size, (255, 255, 255), 1, cv2.LINE_AA)
    return shown
