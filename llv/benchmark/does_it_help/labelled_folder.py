"""A user's own labelled pictures, read without the dataset class of a config."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mmengine.dataset import BaseDataset

from llv.utils.label_maps import check_ids, label_problem, read_label_map
from llv.utils.pictures import READABLE_SUFFIXES

Records = list[dict[str, Any]]


class ListedPictures(BaseDataset):
    """A set of records that are known already, behind a config's pipeline.

    Args:
        records: As the pipeline's steps want them; see :func:`read_labels`.
        classes: Names by label.
        pipeline: Configs of its steps.
    """

    def __init__(
        self, records: Records, classes: Sequence[str], pipeline: Sequence[dict[str, Any]]
    ) -> None:
        self._records = records
        super().__init__(
            metainfo=dict(classes=tuple(classes)), pipeline=list(pipeline), test_mode=True
        )

    def load_data_list(self) -> Records:
        """The records."""
        return self._records


def read_labels(
    images: Path, annotations: Path, classes: Sequence[str], segments: bool, reduce_zero: bool
) -> Records:
    """The labelled pictures of a folder.

    Args:
        images: Folder of pictures.
        annotations: A COCO JSON, a folder of PASCAL VOC's XML files, or (for segmentors) a folder of label maps that
            have the names of their pictures.
        classes: Of the model, by label.
        segments: Whether the model is a segmentor.
        reduce_zero: Whether label 0 of its label maps stands for none, as the config's own set says.

    Raises:
        FileNotFoundError: Folders, files or pictures that labels name are not there, or there are no labels.
        ValueError: The labels are of another kind than the model's, of other classes, or damaged.
    """
    if not images.is_dir():
        raise FileNotFoundError(
            f'The folder of pictures `{images}` is not there; check `--images`.'
        )
    if not annotations.exists():
        raise FileNotFoundError(f'The labels `{annotations}` are not there; check `--annotations`.')
    if segments:
        return _from_label_maps(images, annotations, classes, reduce_zero)
    if annotations.is_file():
        return _from_coco(images, annotations, classes)
    return _from_voc(images, annotations, classes)


def without_labels(images: Path, records: Records) -> int:
    """How many pictures of a folder, without those in folders inside of it, are not among the records."""
    labelled = {Path(record['img_path']) for record in records}
    return sum(
        file.suffix.lower() in READABLE_SUFFIXES and file not in labelled
        for file in images.iterdir()
    )


def _from_coco(images: Path, file: Path, classes: Sequence[str]) -> Records:
    from llv.datasets.detection.coco_json import read_coco

    pictures = read_coco(file)
    _check_names(file, (box.name for picture in pictures for box in picture.instances), classes)
    records, absent = [], []
    for picture in pictures:
        places = (images / picture.file_name, images / picture.file_name.name)
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            absent.append(str(picture.file_name))
            continue
        instances = [
            dict(
                bbox=list(item.box),
                bbox_label=classes.index(item.name),
                ignore_flag=int(item.ignored),
            )
            for item in picture.instances
        ]
        records.append(_record(path, picture.fields.get('id', len(records)), instances))
    _check_present(file, absent, images)
    return records


def _from_voc(images: Path, folder: Path, classes: Sequence[str]) -> Records:
    if not any(folder.glob('*.xml')) and (folder / 'Annotations').is_dir():
        folder = folder / 'Annotations'
    files = sorted(folder.glob('*.xml'))
    if not files:
        raise FileNotFoundError(
            f'The folder `{folder}` holds no label file `*.xml` of a detection set; give the folder of '
            'PASCAL VOC annotations, or a COCO JSON.'
        )
    pictures = _pictures(images)
    records, absent = [], []
    for file in files:
        instances = _read_xml(file, classes)
        if file.stem in pictures:
            records.append(_record(pictures[file.stem], len(records), instances))
        else:
            absent.append(file.name)
    _check_present(folder, absent, images)
    return records


def _read_xml(file: Path, classes: Sequence[str]) -> list[dict[str, Any]]:
    instances = []
    try:
        for item in ET.parse(file).getroot().iter('object'):
            box = item.find('bndbox')
            # from 1 in the files, as mmdet's reader takes them
            bbox = [float(box.find(key).text) - 1 for key in ('xmin', 'ymin', 'xmax', 'ymax')]
            difficult = item.findtext('difficult')
            instances.append((item.findtext('name'), bbox, int(difficult or 0)))
    except (ET.ParseError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f'`{file}` is no annotation of PASCAL VOC ({error}); correct or remove it.'
        ) from error
    _check_names(file, (name for name, *_ in instances), classes)
    return [
        dict(bbox=bbox, bbox_label=classes.index(name), ignore_flag=difficult)
        for name, bbox, difficult in instances
    ]


def _from_label_maps(
    images: Path, folder: Path, classes: Sequence[str], reduce_zero: bool
) -> Records:
    if folder.is_file():
        raise ValueError(
            f'The model is a segmentor, but `{folder}` is a file; give the folder of its label maps.'
        )
    pictures, label_maps = _pictures(images), _pictures(folder)
    shared = [stem for stem in sorted(label_maps) if stem in pictures]
    if not label_maps:
        raise FileNotFoundError(
            f'The folder `{folder}` holds no label map; give the folder of pictures whose pixels are class ids.'
        )
    _check_present(
        folder, [label_maps[s].name for s in sorted(set(label_maps) - set(shared))], images
    )
    for stem in shared:
        problem = label_problem(pictures[stem], label_maps[stem])
        if problem:
            raise ValueError(f'{problem[0].upper()}{problem[1:]}.')
        # 255 is ignored; where 0 stands for none, class k is k + 1
        ids = read_label_map(label_maps[stem])
        check_ids(ids, len(classes) + reduce_zero, 255, label_maps[stem])
    return [
        dict(
            img_path=str(pictures[stem]),
            seg_map_path=str(label_maps[stem]),
            label_map=None,
            reduce_zero_label=reduce_zero,
            seg_fields=[],
            num_classes=len(classes),
        )
        for stem in shared
    ]


def _record(path: Path, number: Any, instances: list[dict[str, Any]]) -> dict[str, Any]:
    return dict(img_path=str(path), img_id=number, instances=instances)


def _pictures(folder: Path) -> dict[str, Path]:
    """Pictures by name without suffix."""
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() in READABLE_SUFFIXES and file.is_file():
            other = found.setdefault(file.stem, file)
            if other is not file:
                raise ValueError(
                    f'`{other}` and `{file}` have one name, so nobody knows which one is labelled; move one away.'
                )
    return found


def _check_names(file: Path, names: Iterable[str | None], classes: Sequence[str]) -> None:
    unknown = sorted({str(name) for name in names if name not in classes})
    if unknown:
        shown = ', '.join(f'`{name}`' for name in unknown[:5])
        raise ValueError(
            f'`{file}` has objects of {shown}, which the model does not know (its classes: {_listed(classes)}); '
            "rename them to the model's, or remove them."
        )


def _check_present(labels: Path, absent: list[str], images: Path) -> None:
    if absent:
        raise FileNotFoundError(
            f'`{labels}` labels {len(absent)} picture{"s" * (len(absent) > 1)} that `{images}` lacks '
            f'({_listed(absent)}); correct `--images`, or remove these labels.'
        )


def _listed(names: Sequence[str], most: int = 5) -> str:
    return ', '.join(names[:most]) + (f' … {len(names)} in all' if len(names) > most else '')
