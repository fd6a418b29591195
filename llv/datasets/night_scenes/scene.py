"""Seeded synthetic scenes, each as a day and a night picture with the same boxes and label map."""

from dataclasses import dataclass

import cv2
import numpy as np

from .painting import LUMA, background, log_uniform, stream, texture, tint
from .render import DAY, MODES, Conditions, draw_conditions, render_night
from .shapes import CLASS_SHAPES, DISTRACTOR_SHAPES, Outline

# Raised whenever the pictures of a given seed change.
GENERATOR_VERSION = 1

CLASSES = tuple(CLASS_SHAPES)
PALETTE = ((228, 26, 28), (55, 126, 184), (77, 175, 74), (255, 217, 47), (166, 86, 206))

MIN_SIDE = 32
MIN_VISIBLE = 0.5
MAX_TILT = np.deg2rad(20)
DIAMETER = (22 / 192, 84 / 192)
REFLECTANCE = (0.02, 0.9)
_PLACEMENT_TRIES = 12


@dataclass(frozen=True)
class Scene:
    """One scene.

    Attributes:
        day, night: sRGB pictures, uint8 (H, W, 3), RGB order.
        boxes: Tight boxes of the visible pixels, float32 (n, 4), x1 y1 x2 y2 in pixels, right and
            lower edges exclusive.
        labels: Class indices into ``CLASSES``, int64 (n,).
        label_map: uint8 (H, W); 0 is background and distractors, class k has the value k + 1.
        instance_map: uint8 (H, W); 0 is background, object i has the value i + 1.
        conditions: Light and noise of the night picture.
    """

    day: np.ndarray
    night: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    label_map: np.ndarray
    instance_map: np.ndarray
    conditions: Conditions


class _Canvas:
    """Reflectance and instance map of one scene; later objects cover earlier ones."""

    def __init__(self, rng: np.random.Generator, size: tuple[int, int]) -> None:
        self.rng = rng
        self.size = size
        self.reflectance = background(rng, size)
        self.instances = np.zeros(size, np.int32)  # 0 ground, object k: k + 1 in order of placement
        self.full_area: list[int] = []  # pixels of each whole object, also those out of the picture
        self.classes: list[int] = []  # -1 for a distractor

    def place(self, outline: Outline, class_index: int) -> bool:
        """Paint an object where it and every class object under it stay visible enough."""
        rng = self.rng
        radius = 0.5 * log_uniform(rng, *DIAMETER) * min(self.size)
        reach = int(np.ceil(radius)) + 1
        shift_y, shift_x = rng.uniform(-0.5, 0.5, 2)
        v, u = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32) / np.float32(
            radius
        )
        u, v = u - shift_x / radius, v - shift_y / radius
        angle = rng.uniform(-MAX_TILT, MAX_TILT)
        u, v = u * np.cos(angle) - v * np.sin(angle), u * np.sin(angle) + v * np.cos(angle)
        cover = np.clip(0.5 - outline(u, v) * radius, 0, 1).astype(np.float32)
        mask = cover >= 0.5
        for _ in range(_PLACEMENT_TRIES):
            row, col = (int(rng.integers(0, side)) for side in self.size)
            top, left = row - reach, col - reach
            inner = (
                slice(max(0, -top), min(mask.shape[0], self.size[0] - top)),
                slice(max(0, -left), min(mask.shape[1], self.size[1] - left)),
            )
            outer = (
                slice(max(0, top), max(0, top) + inner[0].stop - inner[0].start),
                slice(max(0, left), max(0, left) + inner[1].stop - inner[1].start),
            )
            if self._leaves_all_visible(mask[inner], outer, int(mask.sum())):
                break
        else:
            return False
        self.full_area.append(int(mask.sum()))
        self.classes.append(class_index)
        self.instances[outer][mask[inner]] = len(self.classes)
        self._paint(cover[inner], outer, texture(rng, u, v)[inner])
        return True

    def _leaves_all_visible(self, mask: np.ndarray, window: tuple[slice, slice], area: int) -> bool:
        if mask.sum() < MIN_VISIBLE * area:
            return False
        covered = np.bincount(self.instances[window][mask], minlength=len(self.classes) + 1)[1:]
        if not covered.any():
            return True
        present = np.bincount(self.instances.ravel(), minlength=len(self.classes) + 1)[1:]
        enough = present - covered >= MIN_VISIBLE * np.array(self.full_area)
        return bool(np.all(enough | (np.array(self.classes) < 0)))

    def _paint(self, cover: np.ndarray, window: tuple[slice, slice], texture: np.ndarray) -> None:
        """Blend in a colour that differs from what lies around and below by a factor."""
        rng = self.rng
        below = self.reflectance[window]
        near = float((below @ LUMA).mean())
        factor = log_uniform(rng, 2.2, 3.6)
        brighter = rng.random() < 0.5
        if near * factor > 0.85:
            brighter = False
        elif near / factor < 0.025:
            brighter = True
        luminance = near * factor if brighter else near / factor
        colour = luminance * tint(rng, 0.2) * np.exp(texture)[..., None]
        colour = np.clip(colour, *REFLECTANCE)
        below += cover[..., None] * (colour - below)


class NightScenes:
    """An endless, seeded sequence of synthetic scenes by day and by night.

    Textured ground, 2 to 8 objects of five classes (told apart by shape alone; colour, texture and
    size are independent of the class) tilted by up to 20 degrees, up to 4 distractors of no class,
    occlusion. An object is brighter or darker than what surrounds it by a factor of 2.2 to 3.6 with
    equal chance: it stands out by its reflectance, and no absolute brightness belongs to objects.
    Every object shows at least half of its area: placements that would hide more are not made, so
    none lacks its box.

    Picture i depends on (seed, split, i, size, mode) only, so a bigger set extends a smaller one,
    and the scenes and day pictures of the two modes are the same. Bytes are reproducible for one
    version of numpy and OpenCV.

    Example:
        >>> scene = NightScenes(seed=0)[3]
        >>> scene.night.shape, scene.boxes.shape[1]
        ((192, 192, 3), 4)

    Args:
        size: (H, W) in pixels, each at least 32. Object diameters follow the shorter side: 22 to 84
            pixels at 192.
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

    def __getitem__(self, index: int) -> Scene:
        if index < 0:
            raise IndexError(f'`index` is 0 or more, not {index}: the sequence has no end.')
        key = (GENERATOR_VERSION, self.seed, self.split, int(index), *self.size)
        canvas = self._compose(stream('scene', *key))
        day = render_night(canvas.reflectance, stream('day', *key), DAY)
        night_rng = stream('night', *key, self.mode)
        conditions = draw_conditions(night_rng, self.size, self.mode)
        night = render_night(canvas.reflectance, night_rng, conditions)
        return Scene(day, night, *self._annotate(canvas), conditions)

    def _compose(self, rng: np.random.Generator) -> _Canvas:
        canvas = _Canvas(rng, self.size)
        order = [True] * int(rng.integers(2, 9)) + [False] * int(rng.integers(0, 5))
        for is_object in rng.permutation(order):
            if is_object:
                index = int(rng.integers(0, len(CLASSES)))
                canvas.place(CLASS_SHAPES[CLASSES[index]], index)
            else:
                canvas.place(DISTRACTOR_SHAPES[int(rng.integers(0, len(DISTRACTOR_SHAPES)))], -1)
        return canvas

    @staticmethod
    def _annotate(canvas: _Canvas) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        classes = np.array(canvas.classes, np.int64)
        is_object = classes >= 0
        new_value = np.zeros(len(classes) + 1, np.uint8)
        new_value[1:][is_object] = np.arange(1, is_object.sum() + 1)
        instances = new_value[canvas.instances]
        labels = classes[is_object]
        label_map = np.concatenate([[0], labels + 1]).astype(np.uint8)[instances]
        boxes = np.zeros((len(labels), 4), np.float32)
        for i in range(len(labels)):
            mask = (instances == i + 1).astype(np.uint8)
            x, y, width, height = cv2.boundingRect(mask)
            boxes[i] = x, y, x + width, y + height
        return boxes, labels, label_map, instances
