"""What the writers of generated folders share: files whole or absent, and the record of a folder."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm


def write_atomic(path: Path, data: bytes) -> None:
    """A killed run leaves `*.part` files, which no dataset reads and the next run overwrites."""
    part = path.with_name(path.name + '.part')
    part.write_bytes(data)
    os.replace(part, path)


def write_json(path: Path, content: Any) -> None:
    """Write JSON with one item a line."""
    write_atomic(path, (json.dumps(content, indent=1) + '\n').encode())


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """Write RGB (H, W, 3) or a map (H, W), uint8, unless it is there; JPEG by the name, else PNG."""
    if path.exists():
        return
    bgr = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    if path.suffix == '.jpg':
        _, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])
    else:
        _, data = cv2.imencode('.png', bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    write_atomic(path, data.tobytes())


def check_splits(splits: Mapping[str, int]) -> None:
    """Refuse names and numbers that make no split.

    Raises:
        ValueError: if `splits` is empty, a name is no identifier, or a number is below 1.
    """
    for split, count in splits.items():
        if not split.isidentifier() or split == 'annotations':
            raise ValueError(
                f'`{split}` is no name for a split: use letters, digits and underscores.'
            )
        if count < 1:
            raise ValueError(f'`splits` needs at least one scene in `{split}`, not {count}.')
    if not splits:
        raise ValueError('`splits` names no split: give one such as train=1500.')


def check_root(root: Path, settings: dict[str, Any], splits: Mapping[str, int]) -> dict[str, Any]:
    """The `dataset.json` of an earlier run that this one may extend, or an empty dict.

    Raises:
        FileExistsError: if `root` holds something else, other settings, or more scenes.
        ValueError: if its record is damaged.
    """
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
    held, wanted = (kind.get('task', 'objects') for kind in (there, settings))
    if held != wanted:
        raise FileExistsError(
            f'`{root}` holds night scenes of {held}, not of {wanted}: choose another folder.'
        )
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


def write_all(
    job: Callable[[int], dict[str, Any]], split: str, count: int, workers: int, progress: bool
) -> list[dict[str, Any]]:
    """The results of a job that writes one scene, in the order of the scenes 0..count - 1."""
    bar = dict(desc=split, total=count, unit='scene', disable=not progress)
    return list(tqdm(_run(job, count, workers), **bar))


def _run(
    job: Callable[[int], dict[str, Any]], count: int, workers: int
) -> Iterator[dict[str, Any]]:
    if workers <= 1:
        yield from map(job, range(count))
        return
    # spawn: a forked child may inherit locks held by the threads of OpenCV or torch
    with ProcessPoolExecutor(workers, mp_context=get_context('spawn')) as pool:
        yield from pool.map(job, range(count), chunksize=16)
