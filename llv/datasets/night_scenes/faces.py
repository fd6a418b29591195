"""Seeded synthetic crowds, each as a day and a night picture with the same faces."""

from dataclasses import dataclass, replace

import numpy as np

from .painting import background, log_uniform, stream, tint
from .people import Person, draw_person
from .render import DAY, MODES, Conditions, draw_conditions, render_night
from .scene import MIN_SIDE

# Raised whenever the pictures of a given seed change.
FACES_VERSION = 1

MIN_WIDTH = 4.0
MAX_WIDTH = 0.28  # of the shorter side of the picture
MIN_DISTRACTOR = 12.0  # smaller heads show no features that would tell them from faces
MIN_VISIBLE = 0.5
MAX_TILT = np.deg2rad(20)
EMPTY_SHARE = 0.04
OCCLUDED_SHARE = 0.15
_PLACEMENT_TRIES = 8


@dataclass(frozen=True)
class FaceScene:
    """One scene with faces.

    Attributes:
        day, night: sRGB pictures, uint8 (H, W, 3), RGB order.
        boxes: Around whole faces, also where something hides a part, clipped to the picture,
            float32 (n, 4), x1 y1 x2 y2 in whole pixels, right and lower edges exclusive.
        ellipses: Outlines of whole faces, float64 (n, 5): major and minor half axis in pixels, angle
            of the major axis from the horizontal in (-pi/2, pi/2] (y downwards), centre x, y.
        face_map: Visible pixels of faces, uint8 (H, W); face i has the value i + 1.
        conditions: Light and noise of the night picture.
    """

    day: np.ndarray
    night: np.ndarray
    boxes: np.ndarray
    ellipses: np.ndarray
    face_map: np.ndarray
    conditions: Conditions


class _Crowd:
    """Reflectance and faces of one scene; people in front cover those behind."""

    def __init__(self, rng: np.random.Generator, size: tuple[int, int]) -> None:
        self.size = size
        self.reflectance = background(rng, size)
        self.face_map = np.zeros(size, np.uint8)
        self.faces: list[Person] = []
        self.whole: list[int] = []  # pixels of each whole face, also those out of the picture

    def place(self, person: Person, shifts: np.ndarray) -> bool:
        """Paint a person where its own face and every face behind it stay visible enough.

        Args:
            person: Whom to paint.
            shifts: Moves (x, y) to try one after the other, in whole pixels, int (tries, 2).

        Returns:
            Whether there was such a place.
        """
        colour, alpha, face, top, left = draw_person(person)
        is_face, is_solid = face >= 0.5, alpha[..., 0] >= 0.5
        whole = int(is_face.sum())
        for right, down in shifts.tolist():
            inner, outer = self._overlap(face.shape, top + down, left + right)
            seen = int(is_face[inner].sum())
            if seen and seen >= MIN_VISIBLE * whole and self._leaves_enough(is_solid[inner], outer):
                break
        else:
            return False
        below = self.reflectance[outer]
        below += colour[inner] - alpha[inner] * below
        self.face_map[outer][is_solid[inner]] = 0
        if person.kind == 'face':
            self.faces.append(replace(person, x=person.x + right, y=person.y + down))
            self.whole.append(whole)
            self.face_map[outer][is_face[inner]] = len(self.faces)
        return True

    def hide_part(self, face: Person, rng: np.random.Generator) -> None:
        """Put a board in front of a part of a face, unless that would hide too much of one."""
        x1, y1, x2, y2 = face.box(self.size)
        reach_x, reach_y = (round(rng.uniform(0.1, 0.5) * side) for side in (x2 - x1, y2 - y1))
        share, side = rng.uniform(0.15, 0.45), rng.integers(4)
        cut_x, cut_y = round(share * (x2 - x1)), round(share * (y2 - y1))
        x1, x2 = (x1 - reach_x, x1 + cut_x) if side == 0 else (x1 - reach_x, x2 + reach_x)
        y1, y2 = (y1 - reach_y, y1 + cut_y) if side == 1 else (y1 - reach_y, y2 + reach_y)
        if side == 2:
            x1 = x2 - reach_x - cut_x
        if side == 3:
            y1 = y2 - reach_y - cut_y
        window = np.s_[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)]
        colour = np.clip(log_uniform(rng, 0.04, 0.5) * tint(rng, 0.3), 0.02, 0.85)
        if self._leaves_enough(np.ones(self.face_map[window].shape, bool), window):
            self.reflectance[window] = colour
            self.face_map[window] = 0

    def _overlap(self, shape: tuple[int, int], top: int, left: int) -> tuple[tuple, tuple]:
        """The part of a window that is in the picture, in coordinates of either."""
        starts = [max(0, -low) for low in (top, left)]
        stops = [
            max(start, min(length, side - low))
            for start, length, side, low in zip(starts, shape, self.size, (top, left), strict=True)
        ]
        inner = tuple(slice(a, b) for a, b in zip(starts, stops, strict=True))
        outer = tuple(
            slice(max(a + low, 0), max(b + low, 0))
            for a, b, low in zip(starts, stops, (top, left), strict=True)
        )
        return inner, outer

    def _leaves_enough(self, mask: np.ndarray, window: tuple[slice, slice]) -> bool:
        covered = np.bincount(self.face_map[window][mask], minlength=len(self.faces) + 1)[1:]
        if not covered.any():
            return True
        present = np.bincount(self.face_map.ravel(), minlength=len(self.faces) + 1)[1:]
        enough = present - covered >= MIN_VISIBLE * np.array(self.whole)
        return bool(np.all(enough | (covered == 0)))


class NightFaces:
    """An endless sequence of scenes with faces: ``NightFaces(seed=0)[5]`` is scene 5.

    A scene has up to three groups of one to five people on a textured ground, each drawn from the
    shoulders up, with skin, hair, clothes, looks and expressions of their own. Faces are from 4
    pixels wide, whatever the size of the picture, to 28 % of its shorter side; those of a group are
    of similar size and stand close. People in front cover those behind, and boards hide parts of
    some faces, but every face shows at least half of its ellipse. Distractors are heads without
    features and heads seen from behind: colour and outline alone find no faces. One scene in 25 is
    without people.

    Picture i depends on (seed, split, i, size, mode) only, so a bigger set extends a smaller one,
    and the scenes and day pictures of the two modes are the same. Bytes are reproducible for one
    version of numpy and OpenCV.

    Example:
        >>> scene = NightFaces(seed=0)[3]
        >>> scene.night.shape, scene.boxes.shape[1], scene.ellipses.shape[1]
        ((192, 192, 3), 4, 5)

    Args:
        size: (H, W) in pixels, each at least 32.
        seed: Any integer.
        mode: 'local' (hard) or 'uniform' (control), see
            :func:`~llv.datasets.night_scenes.render.draw_conditions`.
        split: Any name; each names a sequence of its own.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(
        self,
        size: tuple[int, int] = (192, 192),
        seed: int = 0,
        mode: str = 'local',
        split: str = 'train',
    ) -> None:
        if len(size) != 2 or min(size) < MIN_SIDE:
            raise ValueError(
                f'`size` is (height, width) with at least {MIN_SIDE} pixels each, not {size}.'
            )
        if mode not in MODES:
            raise ValueError(f"`mode` is 'local' or 'uniform', not {mode!r}.")
        self.size = (int(size[0]), int(size[1]))
        self.seed = int(seed)
        self.mode = mode
        self.split = split

    def __getitem__(self, index: int) -> FaceScene:
        if index < 0:
            raise IndexError(f'`index` is 0 or more, not {index}: the sequence has no end.')
        key = ('faces', FACES_VERSION, self.seed, self.split, int(index), *self.size)
        crowd = self._compose(stream('scene', *key))
        day = render_night(crowd.reflectance, stream('day', *key), DAY)
        night_rng = stream('night', *key, self.mode)
        conditions = draw_conditions(night_rng, self.size, self.mode)
        night = render_night(crowd.reflectance, night_rng, conditions)
        boxes = np.array([face.box(self.size) for face in crowd.faces], np.float32).reshape(-1, 4)
        ellipses = np.array([face.ellipse for face in crowd.faces], np.float64).reshape(-1, 5)
        return FaceScene(day, night, boxes, ellipses, crowd.face_map, conditions)

    def _compose(self, rng: np.random.Generator) -> _Crowd:
        crowd = _Crowd(rng, self.size)
        if rng.random() < EMPTY_SHARE:
            return crowd
        places = [place for _ in range(rng.integers(1, 4)) for place in self._group(rng)]
        for kind, width, (x, y), shifts in sorted(places, key=lambda place: place[1]):  # far first
            half, aspect = width / 2, rng.uniform(1.22, 1.45)
            tilt, look = float(rng.uniform(-MAX_TILT, MAX_TILT)), int(rng.integers(2**62))
            crowd.place(Person(kind, x, y, half, half * aspect, tilt, look), shifts)
        for face in list(crowd.faces):
            if rng.random() < OCCLUDED_SHARE:
                crowd.hide_part(face, rng)
        return crowd

    def _group(self, rng: np.random.Generator) -> list[tuple[str, float, np.ndarray, np.ndarray]]:
        """Kind, width, place and moves to try of the people of one group."""
        limit = max(MAX_WIDTH * min(self.size), MIN_WIDTH)
        usual = log_uniform(rng, MIN_WIDTH, limit)
        count = int(rng.integers(1, 6))
        middle = rng.uniform(0, 1, 2) * self.size[::-1]
        people = []
        for i in range(count):
            width = float(np.clip(usual * rng.uniform(0.8, 1.25), MIN_WIDTH, limit))
            kind = 'face'
            if width >= MIN_DISTRACTOR and rng.random() < 0.25:
                kind = ('dummy', 'back')[rng.integers(2)]
            beside = np.array(((i - (count - 1) / 2) * 1.5 * width, 0.0))
            # each further try may go further from the group
            spread = np.linspace(0.3, 3, _PLACEMENT_TRIES)[:, None] * width
            shifts = np.rint(spread * rng.standard_normal((_PLACEMENT_TRIES, 2))).astype(int)
            people.append((kind, width, middle + beside, shifts))
        return people
