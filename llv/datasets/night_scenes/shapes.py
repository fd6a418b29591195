"""Outlines of objects as distances: negative inside, positive outside, 0 on the edge.

Each function takes coordinates (u, v) in units of the object's radius. No outline leaves the unit
circle, so that any rotation fits the same window.
"""

from collections.abc import Callable

import numpy as np

Outline = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _box(u: np.ndarray, v: np.ndarray, half_u: float, half_v: float) -> np.ndarray:
    return np.maximum(np.abs(u) - half_u, np.abs(v) - half_v)


def disc(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Radius 1."""
    return np.hypot(u, v) - 1


def square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Half side 0.707, so its corners lie at distance 1."""
    return _box(u, v, 0.707, 0.707)


def triangle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Equilateral, its corners at distance 1."""
    return np.maximum(v, np.abs(u) * 0.866 - v * 0.5) - 0.5


def cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Two bars of 1.9 × 0.56 at right angles."""
    return np.minimum(_box(u, v, 0.95, 0.28), _box(u, v, 0.28, 0.95))


def ring(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Between the radii 0.56 and 1."""
    return np.abs(np.hypot(u, v) - 0.78) - 0.22


def bar(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A distractor of 1.96 × 0.34."""
    return _box(u, v, 0.98, 0.17)


def ellipse(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A distractor of half axes 1 and 0.3."""
    return (np.hypot(u, v / 0.3) - 1) * 0.3


def corner(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A distractor of two bars that meet at their ends."""
    return np.minimum(_box(u + 0.45, v, 0.2, 0.75), _box(u, v + 0.55, 0.65, 0.2))


CLASS_SHAPES: dict[str, Outline] = dict(
    disc=disc, square=square, triangle=triangle, cross=cross, ring=ring
)
DISTRACTOR_SHAPES: tuple[Outline, ...] = (bar, ellipse, corner)
