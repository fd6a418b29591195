"""Detection datasets as COCO JSON, and back to records."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from mmengine.dataset import BaseDataset

_RECORD_KEYS = {
    'img_path', 'img_id', 'height', 'width', 'instances', 'sample_idx',
    'text', 'caption_prompt', 'custom_entities',
}  # fmt: skip
_INSTANCE_KEYS = {'bbox', 'bbox_label', 'ignore_flag'}


def to_coco(dataset: BaseDataset, description: str) -> dict:
    """The records of a dataset as a COCO dictionary.

    Picture ids are those of the dataset where they are numbers, else places from 1; category ids count from 0 in the
    order of the classes; boxes are ``left, top, width, height``, and ``iscrowd`` is 1 for those to be ignored. File
    names are relative to the picture folder. What else a record holds (``light`` of ExDark, for example) is kept as a
    field of the picture, what else an instance holds (``ellipse`` of FDDB) as one of the annotation.

    Args:
        dataset: A detection dataset whose ``data_prefix['img']`` is the picture folder.
        description: Name of the dataset, for ``info``.
    """
    records = [dataset.get_data_info(index) for index in range(len(dataset))]
    numbered = all(type(record['img_id']) is int for record in records)
    images, annotations = [], []
    for place, record in enumerate(records, 1):
        image_id = record['img_id'] if numbered else place
        images.append(
            dict(
                id=image_id,
                file_name=relative_name(dataset, record),
                width=record['width'],
                height=record['height'],
                **_extras(record, _RECORD_KEYS),
            )
        )
        for instance in record['instances']:
            x1, y1, x2, y2 = instance['bbox']
            annotations.append(
                dict(
                    id=len(annotations) + 1,  # pycocotools takes id 0 for "no match"
                    image_id=image_id,
                    category_id=instance['bbox_label'],
                    bbox=[x1, y1, x2 - x1, y2 - y1],
                    area=(x2 - x1) * (y2 - y1),
                    iscrowd=int(instance['ignore_flag']),
                    **_extras(instance, _INSTANCE_KEYS),
                )
            )
    categories = [
        dict(id=label, name=name) for label, name in enumerate(dataset.metainfo['classes'])
    ]
    chosen = {
        key: getattr(dataset, key)
        for key in ('protocol', 'subset', 'seed', 'split_file', 'folds')
        if hasattr(dataset, key)
    }
    info = dict(description=description, **chosen)
    return dict(info=info, images=images, annotations=annotations, categories=categories)


def relative_name(dataset: BaseDataset, record: dict) -> str:
    """The picture's path relative to the dataset's picture folder."""
    return Path(record['img_path']).relative_to(dataset.data_prefix['img']).as_posix()


def _extras(values: dict, known: set[str]) -> dict:
    return {key: value for key, value in values.items() if key not in known and value is not None}


def write_json(content: Any, path: str | os.PathLike[str]) -> None:
    """Write through a rename: an interrupted run leaves no half file.

    Raises:
        ValueError: The path is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f'`{path}` is a folder: name the JSON file to write.')
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        'w', encoding='utf-8', dir=path.parent, suffix='.tmp', delete=False
    ) as stream:
        json.dump(content, stream, default=_plain)
    os.chmod(stream.name, 0o644)
    os.replace(stream.name, path)


def _plain(value: Any) -> Any:
    """Arrays and scalars of NumPy as JSON knows them."""
    if hasattr(value, 'tolist'):
        return value.tolist()
    raise TypeError(f'{type(value).__name__} is no type of JSON.')


class Instance(NamedTuple):
    """An annotation: class, corners x1, y1, x2, y2, whether to be ignored, and all of its fields."""

    name: str
    box: tuple[float, float, float, float]
    ignored: bool
    fields: dict


class Picture(NamedTuple):
    """A picture of a COCO JSON with its annotations in the order of their ids' lines."""

    file_name: PurePosixPath
    fields: dict
    instances: list[Instance]


def read_coco(path: str | os.PathLike[str]) -> list[Picture]:
    """Read a COCO JSON.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no COCO JSON of boxes, or has no picture.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'The COCO JSON `{path}` does not exist: correct the path.')
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        names = {item['id']: item['name'] for item in content['categories']}
        pictures = {
            item['id']: Picture(PurePosixPath(item['file_name']), item, [])
            for item in content['images']
        }
        for item in content['annotations']:
            x, y, width, height = (float(value) for value in item['bbox'])
            if not all(map(math.isfinite, (x, y, width, height))):
                raise ValueError(f'annotation {item["id"]} has a box that is no number')
            pictures[item['image_id']].instances.append(
                Instance(
                    names[item['category_id']],
                    (x, y, x + width, y + height),
                    bool(item.get('iscrowd', 0)),
                    item,
                )
            )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f'`{path}` is no COCO JSON of boxes ({type(error).__name__}: {error}): '
            'it needs `images`, `annotations` and `categories`.'
        ) from None
    if len(pictures) != len(content['images']):
        raise ValueError(f'`{path}` gives two pictures one `id`: number them anew.')
    if not pictures:
        raise ValueError(f'`{path}` has no picture: give the JSON of another set.')
    return list(pictures.values())


def check_stems(paths: Iterable[PurePosixPath]) -> None:
    """Refuse pictures that share a stem.

    Raises:
        ValueError: Two pictures have one stem, which a format without folders cannot tell apart.
    """
    found: dict[str, PurePosixPath] = {}
    for path in paths:
        if path.stem.lower() in found:
            raise ValueError(
                f'`{found[path.stem.lower()]}` and `{path}` have one name, and the format has no '
                'folders to tell them apart: rename one of the two.'
            )
        found[path.stem.lower()] = path
    return found
