"""Scenes with faces on disk, as DARK FACE, COCO and FDDB keep theirs."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .faces import FACES_VERSION, FaceScene, NightFaces
from .folders import check_root, check_splits, write_all, write_atomic, write_json, write_picture

FORMATS = ('darkface', 'coco', 'fddb')
# FDDB has ten folds.
FOLDS = 10


def fingerprint(size: tuple[int, int], mode: str) -> str:
    """sha256 of three generated scenes: equal where the generator draws the same pictures."""
    digest = hashlib.sha256()
    scenes = NightFaces(size, seed=0, mode=mode, split='fingerprint')
    for index in range(3):
        scene = scenes[index]
        for array in (scene.day, scene.night, scene.boxes):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def fddb_path(number: int) -> str:
    """Path of picture `number` (from 1) below `originalPics`, without extension, as in FDDB's lists."""
    return f'2002/01/{_fold(number):02d}/big/img_{number}'


def _fold(number: int) -> int:
    return (number - 1) % FOLDS + 1


def darkface_label(boxes: Sequence[Sequence[float]]) -> str:
    """A label file of DARK FACE: the number of faces, then a line "xmin ymin xmax ymax" for each."""
    lines = [str(len(boxes)), *(' '.join(str(int(v)) for v in box) for box in boxes)]
    return '\n'.join(lines) + '\n'


def fddb_ellipses(path: str, ellipses: Sequence[Sequence[float]]) -> str:
    """The entry of a picture in FDDB's ellipse lists: path, number of faces, a line for each."""
    lines = [' '.join(f'{v:.6f}' for v in ellipse) + '  1' for ellipse in ellipses]
    return '\n'.join([path, str(len(ellipses)), *lines]) + '\n'


def _pictures(folder: Path, number: int, formats: Sequence[str]) -> dict[Path, str]:
    """The picture files of a scene, and which of its pictures each is."""
    files = {}
    if 'darkface' in formats or 'coco' in formats:
        files = {
            folder / 'image' / f'{number}.png': 'night',
            folder / 'day' / f'{number}.png': 'day',
        }
    if 'fddb' in formats:
        files[folder / 'originalPics' / f'{fddb_path(number)}.jpg'] = 'day'
    return files


def _files(folder: Path, number: int, formats: Sequence[str]) -> list[Path]:
    """All files of a scene."""
    labels = [folder / 'label' / f'{number}.txt'] if 'darkface' in formats else []
    return [*_pictures(folder, number, formats), *labels]


def _split_files(root: Path, split: str, formats: Sequence[str]) -> list[Path]:
    """The files that describe a whole split."""
    files = []
    if 'coco' in formats:
        files += [root / 'annotations' / f'{split}_{light}.json' for light in ('day', 'night')]
    if 'fddb' in formats:
        folds = root / split / 'FDDB-folds'
        for fold in range(1, FOLDS + 1):
            stem = f'FDDB-fold-{fold:02d}'
            files += [folds / f'{stem}.txt', folds / f'{stem}-ellipseList.txt']
    return files


def _write_scene(
    index: int, folder: Path, scenes: NightFaces, formats: Sequence[str]
) -> dict[str, Any]:
    """Write what is missing of one scene and return what the files of the split need of it."""
    cv2.setNumThreads(1)
    scene: FaceScene = scenes[index]
    boxes = scene.boxes.tolist()
    for path in _files(folder, index + 1, formats):
        path.parent.mkdir(parents=True, exist_ok=True)
    for path, light in _pictures(folder, index + 1, formats).items():
        write_picture(path, getattr(scene, light))
    if 'darkface' in formats:
        path = folder / 'label' / f'{index + 1}.txt'
        if not path.exists():
            write_atomic(path, darkface_label(boxes).encode())
    return dict(boxes=boxes, ellipses=scene.ellipses.tolist(), night=scene.conditions.to_dict())


def _coco(records: list[dict[str, Any]], size: tuple[int, int], light: str) -> dict[str, Any]:
    """COCO annotations; image ids are the numbers of the pictures, from 1."""
    images, annotations = [], []
    for number, record in enumerate(records, 1):
        image = dict(id=number, file_name=f'{number}.png', height=size[0], width=size[1])
        images.append(image | (dict(night=record['night']) if light == 'night' else {}))
        for x1, y1, x2, y2 in record['boxes']:
            box = dict(bbox=[x1, y1, x2 - x1, y2 - y1], area=(x2 - x1) * (y2 - y1), iscrowd=0)
            annotations.append(dict(id=len(annotations) + 1, image_id=number, category_id=1) | box)
    return dict(
        info=dict(description='llv night scenes of faces (synthetic)'),
        images=images,
        annotations=annotations,
        categories=[dict(id=1, name='face')],
    )


def _write_split(
    root: Path,
    split: str,
    records: list[dict[str, Any]],
    size: tuple[int, int],
    formats: Sequence[str],
) -> None:
    if 'coco' in formats:
        (root / 'annotations').mkdir(exist_ok=True)
        for light in ('day', 'night'):
            write_json(root / 'annotations' / f'{split}_{light}.json', _coco(records, size, light))
    if 'fddb' in formats:
        folds = root / split / 'FDDB-folds'
        folds.mkdir(exist_ok=True)
        for fold in range(1, FOLDS + 1):
            numbers = [n for n in range(1, len(records) + 1) if _fold(n) == fold]
            paths = ''.join(f'{fddb_path(n)}\n' for n in numbers)
            entries = (fddb_ellipses(fddb_path(n), records[n - 1]['ellipses']) for n in numbers)
            stem = f'FDDB-fold-{fold:02d}'
            write_atomic(folds / f'{stem}.txt', paths.encode())
            write_atomic(folds / f'{stem}-ellipseList.txt', ''.join(entries).encode())


def _is_complete(root: Path, splits: Mapping[str, int], formats: Sequence[str]) -> bool:
    return all(
        path.exists()
        for split, count in splits.items()
        for path in (
            *_split_files(root, split, formats),
            *(p for n in range(1, count + 1) for p in _files(root / split, n, formats)),
        )
    )


def write_night_faces(
    root: str | os.PathLike,
    splits: Mapping[str, int],
    size: tuple[int, int] = (192, 192),
    seed: int = 0,
    mode: str = 'local',
    formats: Sequence[str] = ('darkface', 'coco'),
    workers: int = 1,
    progress: bool = True,
) -> str:
    """Write synthetic night scenes of faces.

    Layout, scenes numbered from 1 without leading zeros as in DARK FACE:

    * ``darkface``: ``<split>/image/1.png`` (night), ``<split>/label/1.txt`` (number of faces, then
      "xmin ymin xmax ymax" a line); ``<split>/day/1.png`` is the same scene by day;
    * ``coco``: the pictures of ``image`` and ``day``, ``annotations/<split>_{night,day}.json``;
    * ``fddb``: ``<split>/originalPics/2002/01/01/big/img_1.jpg`` (day, for FDDB's pictures are
      bright), ``<split>/FDDB-folds/FDDB-fold-01{,-ellipseList}.txt`` ... in ten folds.

    ``dataset.json`` keeps the settings. An interrupted run is finished by calling again, bigger
    `splits` and further `formats` extend the folder, and files that are there already are not
    written again. The files do not depend on `workers`.

    Args:
        root: Folder to write; new, empty, or written by an earlier call with the same settings.
        splits: Number of scenes by split, such as ``dict(train=1500, val=300)``.
        size: (H, W) in pixels.
        seed: Any integer.
        mode: 'local' or 'uniform'.
        formats: Any of 'darkface', 'coco' and 'fddb'.
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
    if not formats or set(formats) - set(FORMATS):
        raise ValueError(f'`formats` takes any of {", ".join(FORMATS)}, not {list(formats)}.')
    size = NightFaces(size, seed, mode).size
    settings = dict(
        task='faces',
        seed=seed,
        size=list(size),
        mode=mode,
        generator_version=FACES_VERSION,
        fingerprint=fingerprint(size, mode),
    )
    earlier = check_root(root, settings, splits)
    counts = earlier.get('splits', {}) | dict(splits)
    every = [name for name in FORMATS if name in {*formats, *earlier.get('formats', ())}]
    same = (counts, every) == (earlier.get('splits'), earlier.get('formats'))
    if earlier.get('complete') and same and _is_complete(root, counts, every):
        return 'already there'

    root.mkdir(parents=True, exist_ok=True)
    record = dict(
        description='llv night scenes of faces (synthetic)',
        settings=settings,
        splits=counts,
        classes=['face'],
        formats=every,
        complete=False,
    )
    write_json(root / 'dataset.json', record)
    for split, count in counts.items():
        scenes = NightFaces(size, seed, mode, split)
        job = partial(_write_scene, folder=root / split, scenes=scenes, formats=every)
        _write_split(root, split, write_all(job, split, count, workers, progress), size, every)
    write_json(root / 'dataset.json', record | dict(complete=True))
    return 'written'
