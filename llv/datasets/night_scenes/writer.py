"""Night scenes on disk, in folders that mmdet's, mmseg's and paired-enhancement datasets read."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from .scene import CLASSES, GENERATOR_VERSION, NightScenes, Scene

LAYOUT = ('day', 'night', 'labels')


def _write_atomic(path: Path, data: bytes) -> None:
    """A killed run leaves `*.part` files, which no dataset reads and the next run overwrites."""
    part = path.with_name(path.name + '.part')
    part.write_bytes(data)
    os.replace(part, path)


def _write_json(path: Path, content: Any) -> None:
    _write_atomic(path, (json.dumps(content, indent=1) + '\n').encode())


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
        path = folder / part / _names(index)
        if not path.exists():
            bgr = pixels[..., ::-1] if pixels.ndim == 3 else pixels
            _, data = cv2.imencode('.png', bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])
            _write_atomic(path, data.tobytes())
    return dict(
        boxes=scene.boxes.tolist(), labels=scene.labels.tolist(), night=scene.conditions.to_dict()
    )


def _records(
    count: int, folder: Path, scenes: NightScenes, workers: int
) -> Iterator[dict[str, Any]]:
    job = partial(_write_scene, folder=folder, scenes=scenes)
    if workers <= 1:
        yield from map(job, range(count))
        return
    # spawn: a forked child may inherit locks held by the threads of OpenCV or torch
    with ProcessPoolExecutor(workers, mp_context=get_context('spawn')) as pool:
        yield from pool.map(job, range(count), chunksize=16)


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


def _check_root(root: Path, settings: dict[str, Any], splits: Mapping[str, int]) -> dict[str, Any]:
    """The `dataset.json` of an earlier run that this one may extend, or an empty dict."""
    record = root / 'dataset.json'
    if not record.exists():
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise FileExistsError(
                f'`{root}` exists and holds no night scenes (no dataset.json): choose another one.'
            )
        return {}
    try:
        earlier = json.loads(record.read_text())
        there = dict(earlier['settings'])
        counts = dict(earlier['splits'])
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f'`{record}` cannot be read as the record of a night-scenes folder: '
            'remove the folder or choose another.'
        ) from None
    for name, value in settings.items():
        if there.get(name) != value:
            raise FileExistsError(
                f'`{root}` holds night scenes with {name}={there.get(name)}, not {value}: '
                'choose another folder or remove it.'
            )
    for split, count in splits.items():
        if counts.get(split, 0) > count:
            raise FileExistsError(
                f'`{root}` already holds {counts[split]} scenes in `{split}`, more than the '
                f'{count} asked for: choose another folder or ask for at least as many.'
            )
    return earlier


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
    for split, count in splits.items():
        if not split.isidentifier() or split == 'annotations':
            raise ValueError(
                f'`{split}` is no name for a split: use letters, digits and underscores.'
            )
        if count < 1:
            raise ValueError(f'`splits` needs at least one scene in `{split}`, not {count}.')
    if not splits:
        raise ValueError('`splits` names no split: give one such as train=1500.')
    size = NightScenes(size, seed, mode).size
    settings = dict(
        seed=seed,
        size=list(size),
        mode=mode,
        generator_version=GENERATOR_VERSION,
        fingerprint=fingerprint(size, mode),
    )
    earlier = _check_root(root, settings, splits)
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
    _write_json(root / 'dataset.json', record)
    for split, count in counts.items():
        for part in LAYOUT:
            (root / split / part).mkdir(parents=True, exist_ok=True)
        scenes = NightScenes(size, seed, mode, split)
        records = list(
            tqdm(
                _records(count, root / split, scenes, workers),
                desc=split,
                total=count,
                unit='scene',
                disable=not progress,
            )
        )
        for light in ('day', 'night'):
            _write_json(
                root / 'annotations' / f'{split}_{light}.json',
                coco_annotations(records, size, with_conditions=light == 'night'),
            )
    _write_json(root / 'dataset.json', record | dict(complete=True))
    return 'written'
