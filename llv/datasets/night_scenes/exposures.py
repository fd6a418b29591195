"""The scenes of day pictures photographed too dark and too bright, in the folders of SICE and of MSEC."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from llv.datasets.splits.enhancement import sice_numbers

from .folders import check_root, check_splits, write_all, write_json, write_picture
from .painting import log_uniform, stream
from .render import DAY, Conditions, render_night
from .scene import GENERATOR_VERSION, NightScenes

# Raised whenever the pictures of a given seed change.
EXPOSURES_VERSION = 1

STEPS: dict[str, dict[str, tuple[float, float]]] = {
    'sice': {'low': (-2.5, -1.5), 'over': (1.5, 2.5)},
    'msec': {
        'N1.5': (-1.5, -1.5),
        'N1': (-1.0, -1.0),
        '0': (0.0, 0.0),
        'P1': (1.0, 1.0),
        'P1.5': (1.5, 1.5),
    },
}
"""Layout to its exposures, each with the range of stops that it is drawn from, uniformly."""

SHOT_NOISE = (2e-4, 8e-4)
READ_NOISE = (1e-3, 4e-3)

# MSEC's folders; the retouched pictures of its expert C are what it is trained and tested on
_MSEC_FOLDERS = {
    'train': ('training', 'GT_IMAGES'),
    'val': ('validation', 'GT_IMAGES'),
    'test': ('testing', 'expert_c_testing_set'),
}
_SPLITS = tuple(_MSEC_FOLDERS)


@dataclass(frozen=True)
class ExposedScene:
    """One scene in several exposures.

    Attributes:
        day: The well-exposed picture, uint8 (H, W, 3), RGB order.
        pictures: Exposure (see :data:`STEPS`) to the picture, as `day`.
        conditions: Exposure to its stops and noise.
    """

    day: np.ndarray
    pictures: dict[str, np.ndarray]
    conditions: dict[str, Conditions]


class NightExposures(NightScenes):
    """The scenes of :class:`NightScenes` by day, and the same photographed too dark and too bright.

    A picture at E stops is a shot of its own: the signal ``s = 2^E · reflectance`` in linear light, Gaussian noise
    of variance ``shot · s + read²``, clipped to 0..1, the sRGB curve, rounded to 8 bits. One camera takes all pictures
    of a scene: shot noise 2e-4..8e-4 and read noise 1e-3..4e-3 of full scale, log-uniform.

    So much light is lost for good: what exceeds full scale is one white, and brought back to E = 0 the noise has the
    variance ``2^-E · shot · reflectance + 4^-E · read²``, growing as the light gets less. The day picture, at E = 0
    with less noise, is the reference.

    Picture i depends on (seed, split, i, size, exposure, stops) only.

    Args:
        size: (H, W) in pixels, 32 at least.
        seed: Any integer.
        layout: 'sice' (two exposures, -2.5..-1.5 and 1.5..2.5 stops, drawn for each scene) or 'msec' (-1.5, -1, 0, 1
            and 1.5 stops).
        split: Any name; one with other scenes.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self,
        size: tuple[int, int] = (192, 192),
        seed: int = 0,
        layout: str = 'sice',
        split: str = 'train',
    ) -> None:
        if layout not in STEPS:
            raise ValueError(f"`layout` is 'sice' or 'msec', not {layout!r}.")
        super().__init__(size, seed, split=split)
        self.layout = layout

    def conditions(self, index: int) -> dict[str, Conditions]:
        """The stops and the noise of each exposure of scene `index`, without its pictures."""
        rng = stream('camera', *self._key(index))
        shot = round(log_uniform(rng, *SHOT_NOISE), 8)
        read = round(log_uniform(rng, *READ_NOISE), 8)
        return {
            name: Conditions(round(float(rng.uniform(*stops)), 4), (), (1.0, 1.0, 1.0), shot, read)
            for name, stops in STEPS[self.layout].items()
        }

    def __getitem__(self, index: int) -> ExposedScene:
        if index < 0:
            raise IndexError(f'`index` is 0 or more, not {index}: the sequence has no end.')
        key = (GENERATOR_VERSION, self.seed, self.split, int(index), *self.size)
        reflectance = self._compose(stream('scene', *key)).reflectance
        conditions = self.conditions(index)
        pictures = {
            name: render_night(reflectance, stream('exposure', name, *self._key(index)), condition)
            for name, condition in conditions.items()
        }
        return ExposedScene(
            render_night(reflectance, stream('day', *key), DAY), pictures, conditions
        )

    def _key(self, index: int) -> tuple[Any, ...]:
        # with the version of the scenes, for another scene is another picture
        return (EXPOSURES_VERSION, GENERATOR_VERSION, self.seed, self.split, int(index), *self.size)


@cache
def _listed(split: str) -> tuple[int, ...]:
    return tuple(sice_numbers(split))


def scene_name(layout: str, split: str, index: int) -> str:
    """The name of scene `index` of a split.

    Numbers of SICE tell those that train from those held out, so they are those of the authors' lists, and where these
    end, 591 and on.
    """
    if layout == 'msec':
        return f'{index:06d}'
    listed = _listed(split)
    return str(listed[index] if index < len(listed) else 591 + index - len(listed))


def scene_files(layout: str, split: str, index: int) -> dict[str, Path]:
    """Paths, below the root, of the pictures of a scene: of each exposure, and of ``'day'``."""
    name = scene_name(layout, split, index)
    if layout == 'sice':
        half = Path('test' if split == 'test' else 'train')
        folders = {exposure: exposure for exposure in STEPS['sice']} | {'day': 'mid'}
        return {exposure: half / folder / f'{name}.png' for exposure, folder in folders.items()}
    half, target = _MSEC_FOLDERS[split]
    inputs = {
        suffix: Path(half, 'INPUT_IMAGES', f'{name}_{suffix}.png') for suffix in STEPS['msec']
    }
    return inputs | {'day': Path(half, target, f'{name}.png')}


def fingerprint(size: tuple[int, int], layout: str) -> str:
    """sha256 of three generated scenes: equal where the generator draws the same pictures."""
    digest = hashlib.sha256()
    scenes = NightExposures(size, seed=0, layout=layout, split='fingerprint')
    for index in range(3):
        scene = scenes[index]
        for picture in (scene.day, *scene.pictures.values()):
            digest.update(np.ascontiguousarray(picture).tobytes())
    return digest.hexdigest()


def _write_scene(index: int, root: Path, scenes: NightExposures) -> dict[str, Any]:
    """Write what is missing of one scene and return its record."""
    cv2.setNumThreads(1)
    files = scene_files(scenes.layout, scenes.split, index)
    missing = {part: root / path for part, path in files.items() if not (root / path).exists()}
    if missing:
        scene = scenes[index]
        for part, path in missing.items():
            write_picture(path, scene.day if part == 'day' else scene.pictures[part])
    conditions = scenes.conditions(index)
    camera = next(iter(conditions.values()))
    return dict(
        scene=scene_name(scenes.layout, scenes.split, index),
        stops={name: condition.exposure_ev for name, condition in conditions.items()},
        shot_noise=camera.shot_noise,
        read_noise=camera.read_noise,
    )


def _record_file(root: Path, split: str) -> Path:
    return root / 'annotations' / f'{split}.json'


def _is_complete(root: Path, splits: Mapping[str, int], layout: str) -> bool:
    return all(
        _record_file(root, split).exists()
        and all(
            (root / path).exists()
            for index in range(count)
            for path in scene_files(layout, split, index).values()
        )
        for split, count in splits.items()
    )


def write_night_exposures(
    root: str | os.PathLike,
    splits: Mapping[str, int],
    size: tuple[int, int] = (192, 192),
    seed: int = 0,
    layout: str = 'sice',
    workers: int = 1,
    progress: bool = True,
) -> str:
    """Write synthetic scenes in several exposures.

    * ``sice``: ``{train,test}/{low,mid,over}/1.png`` as ``llv.SICEDataset`` reads it; ``mid``, the day picture, is the
      reference. The scenes of ``val`` are in ``train``, under the numbers that the reader holds out;
    * ``msec``: ``training/INPUT_IMAGES/000000_{N1.5,N1,0,P1,P1.5}.png`` and ``training/GT_IMAGES/000000.png``, so in
      ``validation`` and in ``testing``, where the references are in ``expert_c_testing_set``, as ``llv.MSECDataset``
      reads it.

    ``annotations/<split>.json`` holds each scene's stops and noise, ``dataset.json`` the settings. The day pictures are
    those of ``write_night_scenes`` with equal seed, size and split.

    An interrupted run is finished by calling again, a bigger `splits` extends the folder, and files that are there
    already are not written again. The files do not depend on `workers`.

    Args:
        root: Folder to write; new, empty, or written by an earlier call with the same settings.
        splits: Number of scenes of ``train``, ``val`` and ``test``, or of some of these.
        size: (H, W) in pixels.
        seed: Any integer.
        layout: 'sice' or 'msec'.
        workers: Processes; 1 works in the calling one.
        progress: Show a bar for each split.

    Returns:
        'written', or 'already there' if nothing was missing.

    Raises:
        FileExistsError: `root` holds something else, or more scenes than asked for.
        ValueError: An argument is out of range.
    """
    root = Path(root)
    _check_splits(splits, layout)
    size = NightExposures(size, seed, layout).size
    settings = dict(
        task='exposures',
        layout=layout,
        seed=seed,
        size=list(size),
        generator_version=[GENERATOR_VERSION, EXPOSURES_VERSION],
        fingerprint=fingerprint(size, layout),
    )
    earlier = check_root(root, settings, splits)
    counts = earlier.get('splits', {}) | dict(splits)
    if earlier.get('complete') and counts == earlier['splits']:
        if _is_complete(root, counts, layout):
            return 'already there'

    (root / 'annotations').mkdir(parents=True, exist_ok=True)
    description = 'llv night scenes in several exposures (synthetic)'
    record = dict(description=description, settings=settings, splits=counts, complete=False)
    write_json(root / 'dataset.json', record)
    for split, count in counts.items():
        for path in scene_files(layout, split, 0).values():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
        scenes = NightExposures(size, seed, layout, split)
        job = partial(_write_scene, root=root, scenes=scenes)
        write_json(_record_file(root, split), write_all(job, split, count, workers, progress))
    write_json(root / 'dataset.json', record | dict(complete=True))
    return 'written'


def _check_splits(splits: Mapping[str, int], layout: str) -> None:
    check_splits(splits)
    for split in splits:
        if split not in _SPLITS:
            raise ValueError(
                f'`{split}` is no split of exposures: take some of {", ".join(_SPLITS)}.'
            )
    held_out = len(_listed('val'))
    if layout == 'sice' and splits.get('val', 0) > held_out:
        raise ValueError(
            f'`val` in the layout of SICE has {held_out} scenes at most, not {splits["val"]}: its reader tells them '
            'from those that train by number.'
        )
