"""Thin parallel strokes, such as rails, wires and script: detail that a smaller picture loses."""

from __future__ import annotations

import numpy as np

from .painting import log_uniform
from .scene import REFLECTANCE

# one group of strokes in a square of so many units, on average
_SPACING = 22.0
_LENGTH = (4.0, 20.0)
_WIDTH = (0.35, 1.2)
_FACTOR = (1.8, 3.5)


def draw_strokes(rng: np.random.Generator, reflectance: np.ndarray, unit: float) -> None:
    """Paint groups of 1 to 6 parallel strokes over a picture, in place.

    A stroke is 4 to 20 units long and 0.35 to 1.2 wide, both log-uniform; those of a group have one width, direction
    and gap (0.8 to 2 widths). It makes what is below darker or brighter by a factor of 1.8 to 3.5, by equal chance
    unless that would exceed the range of reflectances.

    Args:
        rng: Source of all randomness.
        reflectance: Linear RGB, float (H, W, 3).
        unit: Side of a pixel of the smaller picture, in pixels of this one; 3 at least, or strokes are thinner than
            a pixel.
    """
    height, width = reflectance.shape[:2]
    for _ in range(max(1, round(height * width / (_SPACING * unit) ** 2))):
        centre = rng.uniform(0, height), rng.uniform(0, width)
        count = int(rng.integers(1, 7))
        length, thickness = (log_uniform(rng, *bounds) * unit for bounds in (_LENGTH, _WIDTH))
        pitch = thickness * (1 + rng.uniform(0.8, 2.0))
        angle = rng.uniform(0, np.pi)
        strength, brighter = np.log(log_uniform(rng, *_FACTOR)), rng.random() < 0.5
        reach = int(np.ceil(np.hypot(length, pitch * count) / 2 + thickness)) + 1
        rows = slice(max(0, int(centre[0]) - reach), min(height, int(centre[0]) + reach + 1))
        columns = slice(max(0, int(centre[1]) - reach), min(width, int(centre[1]) + reach + 1))
        y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - np.float32(centre[0])
        x = np.arange(columns.start, columns.stop, dtype=np.float32)[None] - np.float32(centre[1])
        along = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
        across = y * np.float32(np.cos(angle)) - x * np.float32(np.sin(angle))
        # distance from the axis of the nearest stroke
        nearest = np.clip(np.rint(across / pitch + (count - 1) / 2), 0, count - 1)
        off = np.abs(across - (nearest - (count - 1) / 2) * pitch)
        cover = np.clip((thickness + 1) / 2 - off, 0, 1)
        cover *= np.clip((length + 1) / 2 - np.abs(along), 0, 1)
        below = reflectance[rows, columns]
        level = float(below.mean())
        if level * np.exp(strength) > 0.85:
            brighter = False
        elif level * np.exp(-strength) < 0.025:
            brighter = True
        below *= np.exp((strength if brighter else -strength) * cover)[..., None]
        np.clip(below, *REFLECTANCE, out=below)
