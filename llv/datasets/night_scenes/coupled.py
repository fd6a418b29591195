"""Scenes that are photographed small and dark, with large day pictures as targets, in the folders of RELLISUR."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .folders import check_root, check_splits, write_all, write_json, write_picture
from .painting import log_uniform, stream
from .render import DAY, Conditions, render_night
from .scene import CLASSES, GENERATOR_VERSION, NightScenes, _Canvas
from .strokes import draw_strokes
from .writer import coco_annotations

# Raised whenever the pictures of a given seed change.
COUPLED_VERSION = 1

STOPS = (-2.5, -3.0, -3.5, -4.0, -4.5)
"""Exposures of the dark pictures, those that RELLISUR's paper names."""

SCALES = (1, 2, 4)
"""Sides of the targets in units of the dark picture's."""

BLUR = (0.3, 0.6)
SHOT_NOISE = (1e-4, 4e-4)
READ_NOISE = (5e-4, 2e-3)

# Folder, number of the first scene and of the scene after the last: no scene of one split has the name of another's.
_SPLITS = {
    'train': ('Train', 0, 80000),
    'val': ('Val', 80000, 90000),
    'test': ('Test', 90000, 10**5),
}


@dataclass(frozen=True)
class CoupledScene:
    """One scene, small and dark, and as it should look.

    Attributes:
        dark: Stops (see :data:`STOPS`) to the picture, uint8 (H, W, 3), RGB order.
        targets: Scale (see :data:`SCALES`) to the day picture, uint8 (scale · H, scale · W, 3).
        conditions: Stops to light and noise.
        blur: Standard deviation of the lens' blur, in pixels of the dark picture.
        boxes: Boxes of the objects, float32 (n, 4), x1 y1 x2 y2 in pixels of the dark picture, right and lower edges
            exclusive: tight in the finest picture, so whole quarters here.
        labels: Class indices into ``CLASSES``, int64 (n,).
    """

    dark: dict[float, np.ndarray]
    targets: dict[int, np.ndarray]
    conditions: dict[float, Conditions]
    blur: float
    boxes: np.ndarray
    labels: np.ndarray


def shrink(linear: np.ndarray, factor: int) -> np.ndarray:
    """Means over squares of `factor` pixels, float (H, W, C) -> (H / factor, W / factor, C).

    In linear light this is what larger sensor pixels see.
    """
    height, width, channels = linear.shape
    squares = linear.reshape(height // factor, factor, width // factor, factor, channels)
    return squares.mean((1, 3))


class CoupledNightScenes(NightScenes):
    """Scenes like those of :class:`NightScenes`, by day in three sizes, and photographed small in five exposures.

    Thin strokes are added to them (see :func:`~llv.datasets.night_scenes.strokes.draw_strokes`), for without detail
    there is little that a small picture lacks. Strokes are no objects; where one lies on an object, its box stays.

    All in linear light. A target is the mean of the finest reflectance over squares of pixels, under even light. A
    dark picture comes from the same reflectance through an open lens (a Gaussian blur of 0.3 to 0.6 of its own pixels):
    the mean over squares of 4 pixels, times 2^E, and sensor noise of variance ``shot · signal + read²``, shot noise
    1e-4..4e-4 and read noise 5e-4..2e-3 of full scale, log-uniform. Then clipping, the sRGB curve and 8 bits. Lens and
    camera are those of the scene, noise is drawn for each picture.

    Picture i depends on (seed, split, i, size, stops or scale) only.

    Example:
        >>> scene = CoupledNightScenes((24, 32), seed=0)[3]
        >>> scene.dark[-4.5].shape, scene.targets[4].shape
        ((24, 32, 3), (96, 128, 3))

    Args:
        size: (H, W) of the dark pictures in pixels, 8 at least.
        seed: Any integer.
        split: Any name; one with other scenes.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self, size: tuple[int, int] = (96, 96), seed: int = 0, split: str = 'train'
    ) -> None:
        if len(size) != 2 or min(size) < 8:
            raise ValueError(
                f'`size` is (height, width) of the dark pictures with at least 8 pixels each, not {size}.'
            )
        self.dark_size = (int(size[0]), int(size[1]))
        super().__init__((4 * self.dark_size[0], 4 * self.dark_size[1]), seed, split=split)

    def conditions(self, index: int) -> dict[float, Conditions]:
        """The light and the noise of each dark picture of scene `index`, without the pictures."""
        rng = stream('camera', *self._key(index))
        shot = round(log_uniform(rng, *SHOT_NOISE), 8)
        read = round(log_uniform(rng, *READ_NOISE), 8)
        return {stops: Conditions(stops, (), (1.0, 1.0, 1.0), shot, read) for stops in STOPS}

    def blur(self, index: int) -> float:
        """The lens' blur of scene `index`, in pixels of the dark picture."""
        return round(float(stream('lens', *self._key(index)).uniform(*BLUR)), 4)

    def objects(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """``boxes`` and ``labels`` of scene `index`, without the pictures."""
        return self._objects(self._compose(stream('scene', *self._key(index))))

    def __getitem__(self, index: int) -> CoupledScene:
        if index < 0:
            raise IndexError(f'`index` is 0 or more, not {index}: the sequence has no end.')
        key = self._key(index)
        canvas = self._compose(stream('scene', *key))
        reflectance = canvas.reflectance
        blur, conditions = self.blur(index), self.conditions(index)
        soft = cv2.GaussianBlur(reflectance, (0, 0), 4 * blur, borderType=cv2.BORDER_REFLECT)
        small = shrink(soft, 4)
        dark = {
            stops: render_night(small, stream('dark', stops, *key), condition)
            for stops, condition in conditions.items()
        }
        targets = {
            scale: render_night(shrink(reflectance, 4 // scale), stream('target', scale, *key), DAY)
            for scale in SCALES
        }
        return CoupledScene(dark, targets, conditions, blur, *self._objects(canvas))

    def _objects(self, canvas: _Canvas) -> tuple[np.ndarray, np.ndarray]:
        boxes, labels, *_ = self._annotate(canvas)
        return boxes / 4, labels

    def _compose(self, rng: np.random.Generator) -> _Canvas:
        canvas = super()._compose(rng)
        draw_strokes(rng, canvas.reflectance, unit=4)
        return canvas

    def _key(self, index: int) -> tuple[Any, ...]:
        # with the version of the scenes, for another scene is another picture
        return (COUPLED_VERSION, GENERATOR_VERSION, self.seed, self.split, int(index), *self.size)


def scene_name(split: str, index: int) -> str:
    """The five digits of scene `index` of a split."""
    return f'{_SPLITS[split][1] + index:05d}'


def scene_files(split: str, index: int) -> dict[float | str, Path]:
    """Paths, below the root, of the pictures of a scene: by stops the dark ones, by ``'X1'``, ``'X2'``, ``'X4'`` the
    targets."""
    folder, name = Path(_SPLITS[split][0]), scene_name(split, index)
    dark = {stops: folder / 'LLLR' / f'{name}{stops:.1f}.png' for stops in STOPS}
    return dark | {f'X{scale}': folder / 'NLHR' / f'X{scale}' / f'{name}.png' for scale in SCALES}


def fingerprint(size: tuple[int, int]) -> str:
    """sha256 of three generated scenes: equal where the generator draws the same pictures."""
    digest = hashlib.sha256()
    scenes = CoupledNightScenes(size, seed=0, split='fingerprint')
    for index in range(3):
        scene = scenes[index]
        for picture in (*scene.dark.values(), *scene.targets.values()):
            digest.update(np.ascontiguousarray(picture).tobytes())
    return digest.hexdigest()


def _write_scene(index: int, root: Path, scenes: CoupledNightScenes) -> dict[str, Any]:
    """Write what is missing of one scene and return its record."""
    cv2.setNumThreads(1)
    files = scene_files(scenes.split, index)
    missing = {part: root / path for part, path in files.items() if not (root / path).exists()}
    if missing:
        scene = scenes[index]
        pictures = scene.dark | {f'X{scale}': picture for scale, picture in scene.targets.items()}
        for part, path in missing.items():
            write_picture(path, pictures[part])
        boxes, labels = scene.boxes, scene.labels
    else:
        boxes, labels = scenes.objects(index)
    camera = scenes.conditions(index)[STOPS[0]]
    return dict(
        scene=scene_name(scenes.split, index),
        stops=list(STOPS),
        blur=scenes.blur(index),
        shot_noise=camera.shot_noise,
        read_noise=camera.read_noise,
        boxes=boxes.tolist(),
        labels=labels.tolist(),
    )


def _box_files(root: Path, split: str) -> dict[str, Path]:
    """The files of boxes, by what they are for."""
    kinds = ('dark', *(f'X{scale}' for scale in SCALES))
    return {kind: root / 'annotations' / f'{split}_{kind}.json' for kind in kinds}


def _boxes(records: Sequence[Mapping[str, Any]], size: tuple[int, int], kind: str) -> dict:
    """COCO annotations of the dark pictures, one entry a file, or of the targets of one size."""
    dark = kind == 'dark'
    scale = 1 if dark else int(kind[1:])
    shots = [(record, stops) for record in records for stops in (STOPS if dark else (None,))]
    grown = [
        dict(boxes=(scale * np.array(record['boxes'])).tolist(), labels=record['labels'])
        for record, _ in shots
    ]
    content = coco_annotations(grown, [scale * side for side in size], with_conditions=False)
    for image, (record, stops) in zip(content['images'], shots, strict=True):
        image['file_name'] = f'{record["scene"]}{"" if stops is None else f"{stops:.1f}"}.png'
        if dark:
            image['ev'] = stops
    return content


def _record_file(root: Path, split: str) -> Path:
    return root / 'annotations' / f'{split}.json'


def _is_complete(root: Path, splits: Mapping[str, int]) -> bool:
    files = (
        path
        for split, count in splits.items()
        for path in (
            _record_file(root, split),
            *_box_files(root, split).values(),
            *(root / p for index in range(count) for p in scene_files(split, index).values()),
        )
    )
    return all(path.exists() for path in files)


def write_coupled_night_scenes(
    root: str | os.PathLike,
    splits: Mapping[str, int],
    size: tuple[int, int] = (96, 96),
    seed: int = 0,
    workers: int = 1,
    progress: bool = True,
) -> str:
    """Write small dark pictures and large day pictures of synthetic scenes, as ``llv.RELLISURDataset`` reads them:
    ``{Train,Val,Test}/LLLR/00000-2.5.png`` and ``{Train,Val,Test}/NLHR/{X1,X2,X4}/00000.png``.

    ``annotations/<split>.json`` holds each scene's stops, blur and noise, ``dataset.json`` the settings. The objects
    are in ``annotations/<split>_dark.json`` for the dark pictures, one entry a file, and in ``<split>_X1.json``,
    ``_X2.json`` and ``_X4.json`` for the targets (COCO, in pixels of these pictures; file names relative to
    ``Train/LLLR`` or ``Train/NLHR/X2`` and so on). A folder of an earlier version without them gets them.

    An interrupted run is finished by calling again, a bigger `splits` extends the folder, and files that are there
    already are not written again. The files do not depend on `workers`.

    Args:
        root: Folder to write; new, empty, or written by an earlier call with the same settings.
        splits: Number of scenes of ``train``, ``val`` and ``test``, or of some of these.
        size: (H, W) of the dark pictures in pixels.
        seed: Any integer.
        workers: Processes; 1 works in the calling one.
        progress: Show a bar for each split.

    Returns:
        'written', or 'already there' if nothing was missing.

    Raises:
        FileExistsError: `root` holds something else, or more scenes than asked for.
        ValueError: An argument is out of range.
    """
    root = Path(root)
    _check_splits(splits)
    size = CoupledNightScenes(size, seed).dark_size
    settings = dict(
        task='coupled',
        seed=seed,
        size=list(size),
        generator_version=[GENERATOR_VERSION, COUPLED_VERSION],
        fingerprint=fingerprint(size),
    )
    earlier = check_root(root, settings, splits)
    counts = earlier.get('splits', {}) | dict(splits)
    if earlier.get('complete') and counts == earlier['splits'] and _is_complete(root, counts):
        return 'already there'

    (root / 'annotations').mkdir(parents=True, exist_ok=True)
    description = 'llv night scenes, small and dark, with large day pictures (synthetic)'
    record = dict(
        description=description,
        settings=settings,
        splits=counts,
        classes=list(CLASSES),
        complete=False,
    )
    write_json(root / 'dataset.json', record)
    for split, count in counts.items():
        for path in scene_files(split, 0).values():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
        job = partial(_write_scene, root=root, scenes=CoupledNightScenes(size, seed, split))
        records = write_all(job, split, count, workers, progress)
        for kind, path in _box_files(root, split).items():
            write_json(path, _boxes(records, size, kind))
        objects = ('boxes', 'labels')
        cameras = [{k: v for k, v in record.items() if k not in objects} for record in records]
        write_json(_record_file(root, split), cameras)
    write_json(root / 'dataset.json', record | dict(complete=True))
    return 'written'


def _check_splits(splits: Mapping[str, int]) -> None:
    check_splits(splits)
    for split, count in splits.items():
        if split not in _SPLITS:
            raise ValueError(
                f'`{split}` is no split of coupled night scenes: take some of {", ".join(_SPLITS)}.'
            )
        _, first, end = _SPLITS[split]
        if count > end - first:
            raise ValueError(
                f'`{split}` has five-digit numbers for {end - first} coupled night scenes at most, not {count}: '
                'ask for fewer.'
            )
