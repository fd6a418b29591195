"""Night scenes on disk, in folders that mmdet's, mmseg's and paired-enhancement datasets read."""

import hashlib
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .folders import check_root, check_splits, write_all, write_json, write_picture
from .scene import CLASSES, GENERATOR_VERSION, NightScenes, Scene

LAYOUT = ('day', 'night', 'labels')


def fingerprint(size: tuple[int, int], mode: str) -> str:
    """sha256 of three generated scenes: equal where the generator draws the same pictures."""
    digest = hashlib.sha256()
    scenes = NightScenes(size, seed=0, mode=mode, split='fingerprint')
    for index in range(3):
        scene = scenes[index]
        for array in (scene.day, scene.night, scene.label_map, scene.boxes):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _names(index: int) -> str:
    return f'{index:06d}.png'


def _write_scene(index: int, folder: Path, scenes: NightScenes) -> dict[str, Any]:
    """Write what is missing of one scene and return what the annotation files need of it."""
    cv2.setNumThreads(1)
    scene: Scene = scenes[index]
    for part, pixels in zip(LAYOUT, (scene.day, scene.night, scene.label_map), strict=True):
        write_picture(folder / part / _names(index), pixels)
    return dict(
        boxes=scene.boxes.tolist(), labels=scene.labels.tolist(), night=scene.conditions.to_dict()
    )


def coco_annotations(
    records: list[dict[str, Any]], size: tuple[int, int], with_conditions: bool
) -> dict[str, Any]:
    """COCO detection annotations: image ids from 0, category ids as in the label map, from 1."""
    images, annotations = [], []
    for index, record in enumerate(records):
        image = dict(id=index, file_name=_names(index), height=size[0], width=size[1])
        images.append(image | (dict(night=record['night']) if with_conditions else {}))
        for (x1, y1, x2, y2), label in zip(record['boxes'], record['labels'], strict=True):
            width, height = x2 - x1, y2 - y1
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=index,
                    category_id=label + 1,
                    bbox=[x1, y1, width, height],
                    area=width * height,
                    iscrowd=0,
                )
            )
    categories = [dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)]
    return dict(
        info=dict(description='llv night scenes (synthetic)'),
        images=images,
        annotations=annotations,
        categories=categories,
    )


def _is_complete(root: Path, splits: Mapping[str, int]) -> bool:
    for split, count in splits.items():
        wanted = {_names(i) for i in range(count)}
        if any(
            not (root / 'annotations' / f'{split}_{light}.json').exists()
            for light in ('day', 'night')
        ):
            return False
        if any(
            not wanted <= set(os.listdir(root / split / part))
            for part in LAYOUT
            if (root / split / part).is_dir()
        ):
            return False
        if not all((root / split / part).is_dir() for part in LAYOUT):
            return False
    return True


def write_night_scenes(
    root: str | os.PathLike,
    splits: Mapping[str, int],
    size: tuple[int, int] = (192, 192),
    seed: int = 0,
    mode: str = 'local',
    workers: int = 1,
    progress: bool = True,
) -> str:
    """Write synthetic night scenes.

    Layout: ``<split>/{day,night}/000000.png`` (sRGB pictures of the same scene),
    ``<split>/labels/000000.png`` (label maps of both: 0 background, class k has k + 1),
    ``annotations/<split>_{day,night}.json`` (COCO, file names relative to ``<split>/day`` or
    ``<split>/night``) and ``dataset.json`` (settings).

    An interrupted run is finished by calling again, a bigger `splits` extends the folder, and files
    that are there already are not written again. The files do not depend on `workers`.

    Args:
        root: Folder to write; new, empty, or written by an earlier call with the same settings.
        splits: Number of scenes by split, such as ``dict(train=1500, val=300, unlabelled=1000)``.
        size: (H, W) in pixels.
        seed: Any integer.
        mode: 'local' or 'uniform'.
        workers: Processes; 1 works in the calling one.
        progress: Show a bar for each split.

    Returns:
        'written', or 'already there' if nothing was missing.

    Raises:
        FileExistsError: if `root` holds something else, or more scenes than asked for.
        ValueError: if an argument is out of range.
    """
    root = Path(root)
    check_splits(splits)
    size = NightScenes(size, seed, mode).size
    settings = dict(
        seed=seed,
        size=list(size),
        mode=mode,
        generator_version=GENERATOR_VERSION,
        fingerprint=fingerprint(size, mode),
    )
    earlier = check_root(root, settings, splits)
    counts = earlier.get('splits', {}) | dict(splits)
    if earlier.get('complete') and counts == earlier['splits'] and _is_complete(root, counts):
        return 'already there'

    (root / 'annotations').mkdir(parents=True, exist_ok=True)
    record = dict(
        description='llv night scenes (synthetic)',
        settings=settings,
        splits=counts,
        classes=list(CLASSES),
        complete=False,
    )
    write_json(root / 'dataset.json', record)
    for split, count in counts.items():
        for part in LAYOUT:
            (root / split / part).mkdir(parents=True, exist_ok=True)
        job = partial(
            _write_scene, folder=root / split, scenes=NightScenes(size, seed, mode, split)
        )
        records = write_all(job, split, count, workers, progress)
        for light in ('day', 'night'):
            write_json(
                root / 'annotations' / f'{split}_{light}.json',
                coco_annotations(records, size, with_conditions=light == 'night'),
            )
    write_json(root / 'dataset.json', record | dict(complete=True))
    return 'written'
