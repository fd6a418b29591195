"""Drawn people, from the shoulders up: how one looks, and the pixels of it.

Coordinates (u, v) are in units of the half axes of the face's ellipse, v downwards, so the ellipse
is the unit circle: the eyes lie at v = -0.12, the chin at 1, the shoulders below.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .painting import log_uniform, tint

# Linear RGB reflectance of skin from light to dark, and of hair.
SKIN = ((0.62, 0.40, 0.29), (0.50, 0.30, 0.20), (0.36, 0.20, 0.12), (0.21, 0.105, 0.06),
        (0.09, 0.045, 0.028))  # fmt: skip
HAIR = ((0.012, 0.010, 0.009), (0.035, 0.018, 0.010), (0.11, 0.05, 0.025), (0.33, 0.22, 0.10),
        (0.32, 0.32, 0.32))  # fmt: skip
SCLERA = (0.62, 0.60, 0.58)
IRIS = (0.02, 0.018, 0.016)
KINDS = ('face', 'dummy', 'back')
# The picture of a person spans this many half axes around the centre of the face.
REACH_U, UP_V, DOWN_V = 1.75, 1.35, 3.2
# Half the width in pixels from which a person is drawn without supersampling.
_FINE = 14


@dataclass(frozen=True)
class Person:
    """One person to draw.

    Attributes:
        kind: 'face', or a distractor: 'dummy' (a head without features) or 'back' (of a head).
        x, y: Centre of the face in pixels; pixel i spans i..i + 1.
        half_width, half_height: Half axes of the face's ellipse in pixels.
        tilt: Turn of the head in the picture plane, radians, clockwise as one sees it.
        look: Seed of everything else: colours, hair, where it looks, what its mouth does.
    """

    kind: str
    x: float
    y: float
    half_width: float
    half_height: float
    tilt: float
    look: int

    @property
    def ellipse(self) -> tuple[float, float, float, float, float]:
        """Major and minor half axis, angle of the major one from the x axis in (-pi/2, pi/2], centre.

        The angle turns with y downwards, as OpenCV draws ellipses.
        """
        angle = self.tilt + np.pi / 2
        if angle > np.pi / 2:
            angle -= np.pi
        return self.half_height, self.half_width, float(angle), self.x, self.y

    def box(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """x1 y1 x2 y2 around the ellipse, in whole pixels, right and lower edges exclusive, clipped."""
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        across = np.hypot(self.half_width * cos, self.half_height * sin)
        along = np.hypot(self.half_width * sin, self.half_height * cos)
        edges = np.rint((self.x - across, self.y - along, self.x + across, self.y + along))
        return tuple(int(v) for v in np.clip(edges, 0, (size[1], size[0], size[1], size[0])))


class _Layers:
    """Colours painted over one another, with what they cover of the picture below."""

    def __init__(self, u: np.ndarray, v: np.ndarray, scale: tuple[float, float]) -> None:
        self.u, self.v, self.scale = u, v, scale
        self.colour = np.zeros((*u.shape, 3), np.float32)
        self.alpha = np.zeros((*u.shape, 1), np.float32)

    def cover(self, u: float, v: float, half_u: float, half_v: float) -> np.ndarray:
        """How much of each pixel an ellipse covers, 0..1, float32 (h, w, 1)."""
        radius = np.sqrt(((self.u - u) / half_u) ** 2 + ((self.v - v) / half_v) ** 2)
        pixels = min(half_u * self.scale[0], half_v * self.scale[1])
        return np.clip(0.5 - (radius - 1) * pixels, 0, 1)[..., None].astype(np.float32)

    def paint(self, cover: np.ndarray | float, colour: np.ndarray) -> None:
        self.colour += cover * (np.asarray(colour, np.float32) - self.colour)
        self.alpha += cover * (1 - self.alpha)


def draw_person(person: Person) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, int]:
    """The pixels of a person.

    Args:
        person: What to draw.

    Returns:
        ``colour``: linear reflectance times ``alpha``, float32 (h, w, 3);
        ``alpha``: cover by the whole person, float32 (h, w, 1);
        ``face``: cover by the face's ellipse alone, float32 (h, w);
        ``top``, ``left``: place of the window in the picture, possibly outside.
    """
    rng = np.random.default_rng(person.look)
    half_u, half_v = person.half_width, person.half_height
    cos, sin = np.float32(np.cos(person.tilt)), np.float32(np.sin(person.tilt))
    side = np.array((-REACH_U, REACH_U, -REACH_U, REACH_U)) * half_u
    down = np.array((-UP_V, -UP_V, DOWN_V, DOWN_V)) * half_v
    xs, ys = person.x + side * cos - down * sin, person.y + side * sin + down * cos
    left, top = int(np.floor(xs.min())), int(np.floor(ys.min()))
    width, height = int(np.ceil(xs.max())) - left, int(np.ceil(ys.max())) - top
    fine = int(np.clip(np.ceil(_FINE / half_u), 1, 4))
    x = (np.arange(width * fine, dtype=np.float32) + 0.5) / fine + (left - person.x)
    y = (np.arange(height * fine, dtype=np.float32) + 0.5) / fine + (top - person.y)
    u = (x[None] * cos + y[:, None] * sin) / np.float32(half_u)
    v = (y[:, None] * cos - x[None] * sin) / np.float32(half_v)
    layers = _Layers(u, v, (half_u * fine, half_v * fine))
    face = _paint_person(layers, person.kind, rng)
    parts = np.concatenate([layers.colour, layers.alpha, face], axis=2)
    if fine > 1:
        parts = cv2.resize(parts, (width, height), interpolation=cv2.INTER_AREA)
    return parts[..., :3], parts[..., 3:4], parts[..., 4], top, left


def _paint_person(layers: _Layers, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Paint all layers; returns the cover of the face's ellipse."""
    skin = np.array(SKIN[rng.integers(len(SKIN))], np.float32) * tint(rng, 0.06)
    skin *= np.float32(log_uniform(rng, 0.85, 1.15))
    hair = np.array(HAIR[rng.integers(len(HAIR))], np.float32) * np.float32(rng.uniform(0.8, 1.2))
    clothes = np.clip(log_uniform(rng, 0.03, 0.5) * tint(rng, 0.4), 0.02, 0.85)
    turn, fringe = rng.uniform(-0.22, 0.22), rng.uniform(-0.75, -0.4)
    bald, slant = rng.random() < 0.15, rng.uniform(0, 2 * np.pi)
    mouth = rng.uniform(0.26, 0.42), rng.uniform(0.06, 0.16)
    eye = rng.uniform(0.09, 0.13)

    layers.paint(layers.cover(0, 2.15, 1.7, 1.0), clothes)
    layers.paint(layers.cover(0, 1.1, 0.5, 0.4), skin * 0.7)  # the neck, in the chin's shadow
    scalp = 0.0 if bald else layers.cover(0, -0.12, 1.16, 1.16)
    layers.paint(scalp, hair)
    face = layers.cover(0, 0, 1, 1)
    if kind == 'back':
        layers.paint(face, skin if bald else hair)
        return face
    shade = 1 - 0.2 * (layers.u * np.cos(slant) + layers.v * np.sin(slant)).astype(np.float32)
    layers.paint(face, skin * np.clip(shade, 0.7, 1.3)[..., None])
    if kind == 'dummy':
        return face
    for side in (-1, 1):
        u = turn + 0.4 * side
        layers.paint(layers.cover(u, -0.12, 0.21, eye), SCLERA)
        layers.paint(layers.cover(u, -0.12, 0.1, eye), IRIS)
        layers.paint(layers.cover(u, -0.33, 0.24, 0.05), skin * 0.25)
    layers.paint(layers.cover(1.2 * turn, 0.18, 0.1, 0.2), skin * 0.7)
    layers.paint(layers.cover(turn, 0.55, *mouth), skin * np.array((0.5, 0.2, 0.2), np.float32))
    edge = (fringe - layers.v) * layers.scale[1] + 0.5
    layers.paint(scalp * np.clip(edge, 0, 1)[..., None].astype(np.float32), hair)
    return face
