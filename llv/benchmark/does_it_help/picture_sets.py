"""The pictures that a model is measured on, and what is labelled in them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DefaultScope

from llv.registry import DATASETS

from .detections import Boxes
from .labelled_folder import ListedPictures, read_labels, without_labels


@dataclass(frozen=True)
class PictureSet:
    """Labelled pictures behind a config's test pipeline.

    Attributes:
        dataset: Gives the pictures, in their order.
        source: Config of the config's own set, whose pipeline it has.
        loader: Config of the loader without its dataset.
        classes: Names by label.
        segments: Whether label maps are predicted, not boxes.
        objects: Of each picture; empty for segmentors, whose labels come with the pictures.
        ignore_index: Label of pixels that do not count.
        unlabelled: Pictures of a user's folder that nobody labelled.
    """

    dataset: BaseDataset
    source: dict[str, Any]
    loader: dict[str, Any]
    classes: tuple[str, ...]
    segments: bool
    objects: tuple[Boxes, ...]
    ignore_index: int = 255
    unlabelled: int = 0

    @property
    def paths(self) -> list[str]:
        """File of each picture."""
        return [self.dataset.get_data_info(i)['img_path'] for i in range(len(self.dataset))]

    def files(self) -> list[str]:
        """Every file that a prediction or a count of pixels rests on."""
        records = (self.dataset.get_data_info(i) for i in range(len(self.dataset)))
        return [
            str(record[key])
            for record in records
            for key in ('img_path', 'seg_map_path')
            if record.get(key)
        ]


def open_picture_set(cfg: Config, images: str | None, annotations: str | None) -> PictureSet:
    """The config's own test set, or the labelled folder behind its pipeline.

    Args:
        cfg: Config of a detector or a segmentor.
        images: Folder of pictures in the place of the config's; None for its own.
        annotations: Their labels, see :func:`llv.benchmark.does_it_help.labelled_folder.read_labels`.

    Raises:
        ValueError: The config has no test set or no classes, or the labels do not fit; also as :func:`read_labels`.
    """
    scope = cfg.get('default_scope') or 'mmengine'
    segments = scope == 'mmseg'
    loader = cfg.get('test_dataloader') or (images and cfg.get('val_dataloader'))
    if not loader:
        raise ValueError(
            'The config has no test set; set `test_dataloader`, whose pipeline own pictures need too.'
        )
    loader = Config(dict(loader=loader)).loader.to_dict()
    own = loader.pop('dataset')
    unlabelled = 0
    with DefaultScope.overwrite_default_scope(scope):
        if images is None:
            dataset = DATASETS.build(own)
            dataset.full_init()
        else:
            # for its classes; its files need not be here
            template = DATASETS.build(dict(own, lazy_init=True))
            classes = _classes(template)
            reduce_zero = bool(getattr(template, 'reduce_zero_label', False))
            records = read_labels(Path(images), Path(annotations), classes, segments, reduce_zero)
            unlabelled = without_labels(Path(images), records)
            dataset = ListedPictures(records, classes, _pipeline(own, segments))
    evaluators = cfg.get('test_evaluator') or []
    evaluators = evaluators if isinstance(evaluators, (list, tuple)) else [evaluators]
    objects = () if segments else _objects(dataset, evaluators if images is None else [])
    ignored = next((e['ignore_index'] for e in evaluators if 'ignore_index' in e), 255)
    return PictureSet(
        dataset, own, loader, _classes(dataset), segments, objects, ignored, unlabelled
    )


def _classes(dataset: BaseDataset) -> tuple[str, ...]:
    classes = dataset.metainfo.get('classes')
    if not classes:
        raise ValueError(
            'The test set of the config names no classes; give its dataset `metainfo=dict(classes=...)`.'
        )
    return tuple(classes)


def _pipeline(own: Mapping[str, Any], segments: bool) -> list[dict[str, Any]]:
    while 'pipeline' not in own and isinstance(own.get('dataset'), Mapping):
        own = own['dataset']
    steps = list(own.get('pipeline') or ())
    if segments:
        return steps
    # boxes are compared in the picture's own coordinates; masks, which it may ask for, are not there
    return [step for step in steps if not _name(step['type']).endswith('LoadAnnotations')]


def _objects(dataset: BaseDataset, evaluators: Sequence[Mapping[str, Any]]) -> tuple[Boxes, ...]:
    """As mmdet's ``CocoMetric`` has them: of its ``ann_file`` where it has one, else of the records."""
    records = [dataset.get_data_info(index) for index in range(len(dataset))]
    files = [
        e['ann_file'] for e in evaluators if _name(e['type']) == 'CocoMetric' and e.get('ann_file')
    ]
    labels = getattr(dataset, 'cat2label', None)
    if files and labels and os.path.isfile(files[0]):
        return _objects_of_json(files[0], records, labels)
    pictures = []
    for record in records:
        if 'instances' not in record:
            raise ValueError(
                f'`{record.get("img_path")}` has no `instances` among its labels; give `--images` and `--annotations`.'
            )
        rows = [
            (*_left_top_width_height(item['bbox']), item['bbox_label'], item.get('ignore_flag', 0))
            for item in record['instances']
        ]
        pictures.append(_boxes(rows))
    return tuple(pictures)


def _objects_of_json(
    file: str, records: Sequence[Mapping[str, Any]], labels: Mapping[int, int]
) -> tuple[Boxes, ...]:
    rows: dict[Any, list[tuple]] = {record['img_id']: [] for record in records}
    content = json.loads(Path(file).read_text(encoding='utf-8'))
    for item in content.get('annotations') or ():
        if item['image_id'] in rows and item['category_id'] in labels:
            row = (*item['bbox'], labels[item['category_id']], item.get('iscrowd', 0))
            rows[item['image_id']].append(row)
    return tuple(_boxes(rows[record['img_id']]) for record in records)


def _left_top_width_height(corners: Sequence[float]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = corners
    return x1, y1, x2 - x1, y2 - y1


def _boxes(rows: Sequence[tuple]) -> Boxes:
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Boxes(table[:, :4], table[:, 4].astype(np.int64), table[:, 5] > 0)


def _name(kind: Any) -> str:
    name = kind if isinstance(kind, str) else getattr(kind, '__name__', str(kind))
    return name.rpartition('.')[2]
