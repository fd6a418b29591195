"""Is a detection dataset complete and sound? What its reader notes, and its numbers against the official ones."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.logging import MMLogger

from .fddb import OFFICIAL_COUNTS as FDDB_COUNTS
from .readers import open_dataset
from .repairs import Repair
from .wider_face_files import WIDER_COUNTS, WIDER_LISTS

_EXDARK_COUNTS = {'train': (3000, 10381), 'val': (1800, 6212), 'test': (2563, 7117)}
_PSEUDO_LABELS = 16
"""More boxes than this per picture, on average, are the output of a detector: published numbers of faces in the 6,000
pictures of DARK FACE are 50,399, 43,849 and 37,711, and a list of 225,713 detections circulates as labels."""


class Part(NamedTuple):
    """What is checked as one, and its official numbers."""

    title: str
    options: dict[str, Any]
    pictures: int
    boxes: int | None  # None: there is no agreed number


PARTS: dict[str, list[Part]] = {
    'darkface': [Part('all', {}, 6000, None)],
    'exdark': [
        Part(name, dict(protocol='exdark_official', subset=name), *counts)
        for name, counts in _EXDARK_COUNTS.items()
    ],
    'fddb': [Part('all', {}, FDDB_COUNTS['pictures'], FDDB_COUNTS['faces'])],
    'wider_face': [
        Part(name, dict(subset=name), counts['pictures'], counts['faces'])
        for name, counts in WIDER_COUNTS.items()
    ],
}
"""Parts of each dataset. ExDark's boxes were counted in a public copy of its annotations."""


def own_parts(name: str, data_root: str | os.PathLike[str]) -> list[Part]:
    """The parts of data of one's own: ExDark undivided, of WIDER FACE the subsets whose list is there."""
    if name == 'exdark':
        return [Part('all', {}, 0, None)]
    parts = PARTS[name]
    if name == 'wider_face':
        lists = Path(data_root) / 'wider_face_split'
        parts = [part for part in parts if (lists / WIDER_LISTS[part.title]).is_file()] or parts
    return parts


class Finding(NamedTuple):
    """What a check found: a line about the part, problems with its numbers, the reader's notes, its pictures."""

    summary: str
    problems: list[str]
    repairs: list[Repair]
    files: list[Path]


def check_part(
    name: str, part: Part, data_root: str | os.PathLike[str], official: bool = True
) -> Finding:
    """Read a part of a dataset and compare it.

    Args:
        name: Key of :data:`PARTS`.
        part: One of its parts.
        data_root: Folder of the dataset.
        official: False for data of one's own in the same format: numbers are not compared.

    Raises:
        DatasetNotFoundError, FileNotFoundError, ValueError: What the reader cannot go on after.
    """
    with _quiet():
        dataset = open_dataset(name, data_root, missing='skip', **part.options)
    records = [dataset.get_data_info(index) for index in range(len(dataset))]
    kept = sum(len(record['instances']) for record in records)
    listed = kept + dataset.repairs.counts['dropped']
    empty = sum(not record['instances'] for record in records)
    summary = f'{len(records)} pictures, {listed} boxes, {empty} pictures without boxes'
    problems = []
    if official and len(records) != part.pictures:
        problems.append(f'{len(records)} pictures instead of {part.pictures}')
    if official and part.boxes is not None and listed != part.boxes:
        problems.append(f'{listed} boxes instead of {part.boxes}')
    if name == 'darkface' and official and listed > _PSEUDO_LABELS * len(records):
        problems.append(
            f'{listed / len(records):.1f} boxes per picture: these are the output of a detector, not '
            'the labels of DARK FACE, which have about 8'
        )
    files = [Path(record['img_path']) for record in records]
    return Finding(summary, problems, dataset.repairs.entries, files)


def listed_repairs(repairs: list[Repair], limit: int | None) -> Iterator[str]:
    """The notes by kind, each with its place.

    Args:
        repairs: The notes.
        limit: How many of each kind, None for all.
    """
    kinds = dict.fromkeys(repair.kind for repair in repairs)
    for kind in kinds:
        those = [repair for repair in repairs if repair.kind == kind]
        for repair in those[:limit]:
            yield f'{kind}: {repair.where}: {repair.text}'
        if limit is not None and len(those) > limit:
            yield f'{kind}: {len(those) - limit} more (`--all` names them)'


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the reader's warnings out of the log: the checker names each thing itself."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
