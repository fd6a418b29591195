"""ExDark: 7,363 pictures taken in the dark, 12 classes (Loh and Chan, CVIU 2019), read as its
authors publish it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmdet.datasets import CocoDataset

from llv.datasets.splits import EXDARK_PROTOCOLS, exdark_subset
from llv.registry import DATASETS

from .errors import DatasetNotFoundError, listing, nearest
from .exdark_files import (
    EXDARK_CLASSES,
    EXDARK_LIGHTS,
    EXDARK_TO_COCO,
    Box,
    Entry,
    find_files,
    pick_file,
    read_boxes,
    read_list,
)
from .image_sizes import ImageSize, read_image_sizes
from .native import NativeDetDataset, chosen, chosen_part, warn
from .repairs import Repairs, tidy_box

_LAYOUT = (
    '`imageclasslist.txt`, `images/<Class>/` and `annotations/<Class>/` (the two official archives '
    'unpacked under these names)'
)
_HOME = (
    'the Exclusively-Dark-Image-Dataset repository of its authors (cs-chan on GitHub; for '
    'non-commercial research)'
)


@DATASETS.register_module()
class ExDarkDataset(NativeDetDataset):
    """ExDark in its official files, without conversion::

        data/ExDark/
          imageclasslist.txt
          images/Bicycle/2015_00001.png ...
          annotations/Bicycle/2015_00001.png.txt ...

    Pictures and annotations are looked up by class folder and stem; case and extension need not
    agree with the list. A box's class is the one of its annotation line, not of the folder. Boxes
    (left, top, width, height, taken as zero-based pixels) become corners ``x1, y1, x2, y2`` clipped
    to the picture; those without area are dropped. One line in the log counts all repairs, and
    :attr:`repairs` holds them with file and line. Files are read from the local disk.

    A record holds ``img_path``, ``img_id`` (the running number of the name), ``height``, ``width``,
    ``instances`` (``bbox``, ``bbox_label``, ``ignore_flag`` 0) and, for one's own grouping,
    ``name``, ``folder``, ``light``, ``indoor`` and ``split`` (the list's own column: 1 train, 2 val,
    3 test).

    A COCO detector is measured as it is with
    ``metainfo=dict(classes=CocoDataset.METAINFO['classes'])``: labels then are COCO's
    (:data:`EXDARK_TO_COCO`), and ``VOCMetric`` leaves the 68 classes without boxes out of the mean.
    Fewer classes keep only their boxes.

    Args:
        ann_file: The official list of pictures, relative to ``data_root``.
        data_prefix: The folders of class folders: ``img`` of pictures, ``ann`` of annotations.
        protocol: A key of :data:`~llv.datasets.splits.EXDARK_PROTOCOLS`, or None for every picture:
            ``exdark_official`` (3000/1800/2563, the list's own column), ``exdark_maet`` (5890/1473:
            our seeded 80/20 in MAET's proportion, not MAET's list) or ``exdark_ruas`` (5200/1200:
            our seeded draw in the numbers of RUAS, whose list is unpublished).
        subset: Subset or subsets of the protocol: ``train``, ``test`` and, in the official one,
            ``val``.
        seed: Seed of the two seeded protocols. The published name means seed 0; others serve to
            repeat an experiment.
        split_file: Instead of a protocol, a text file with one name, stem or path per line, such as
            MAET's own list; relative to ``data_root`` unless it exists as given.
        light: Keep these types of light (:data:`EXDARK_LIGHTS`).
        indoor: Keep indoor (True) or outdoor (False) pictures.
        folders: Keep pictures of these class folders.
        missing: ``'raise'`` or ``'skip'`` pictures whose file or annotation is absent or
            unreadable. Skipping is logged.
        apply_exif: Whether ``height`` and ``width`` follow the EXIF orientation, as mmcv's default
            loader does. False belongs to
            ``LoadImageFromFile(color_type='color_ignore_orientation')``.
        filter_cfg: In training only: ``filter_empty_gt`` drops pictures without objects,
            ``min_size`` those with a shorter side in pixels.
        **kwargs: Further arguments of mmdet's ``BaseDetDataset``: ``data_root``, ``pipeline``,
            ``test_mode``, ``metainfo`` ...

    Raises:
        DatasetNotFoundError: The list or one of the two folders is not there.
        FileNotFoundError: Pictures or annotations are missing or unreadable (``missing='raise'``).
        ValueError: An argument is out of range, a line of a file does not parse, or no picture is
            left.
    """

    METAINFO = dict(
        classes=EXDARK_CLASSES,
        palette=[
            (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178),
            (213, 94, 0), (204, 121, 167), (148, 103, 189), (140, 86, 75), (23, 190, 207),
            (220, 20, 60), (188, 189, 34),
        ],
    )  # fmt: skip

    def __init__(
        self,
        *,
        ann_file: str = 'imageclasslist.txt',
        data_prefix: dict[str, str] | None = None,
        protocol: str | None = None,
        subset: str | Sequence[str] | None = None,
        seed: int = 0,
        split_file: str | None = None,
        light: str | Sequence[str] | None = None,
        indoor: bool | None = None,
        folders: str | Sequence[str] | None = None,
        missing: str = 'raise',
        apply_exif: bool = True,
        filter_cfg: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        protocol, subset = chosen_part(protocol, subset, split_file, EXDARK_PROTOCOLS)
        self.protocol = protocol
        self.subset: list[str] | None = subset
        self.seed = seed
        self.split_file = split_file
        self.light = None if light is None else chosen('light', light, EXDARK_LIGHTS)
        self.indoor = indoor
        self.folders = None if folders is None else chosen('folders', folders, EXDARK_CLASSES)
        self.apply_exif = apply_exif
        super().__init__(
            missing=missing,
            ann_file=ann_file,
            data_prefix={'img': 'images', 'ann': 'annotations', **(data_prefix or {})},
            filter_cfg=filter_cfg,
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Read the chosen pictures' annotations and sizes."""
        images, annotations = Path(self.data_prefix['img']), Path(self.data_prefix['ann'])
        absent = [
            path
            for path, there in [
                (self.ann_file, os.path.isfile(self.ann_file)),
                (images, images.is_dir()),
                (annotations, annotations.is_dir()),
            ]
            if not there
        ]
        if absent:
            raise DatasetNotFoundError('ExDark', self.data_root, absent, _LAYOUT, _HOME)

        self.repairs = Repairs()
        labels = self._labels()
        every = read_list(self.ann_file)
        entries = self._select(every)
        turned = []
        records = []
        for entry, image, annotation, size in self._locate(every, entries, images, annotations):
            boxes = read_boxes(annotation)
            width, height = size.shown(self.apply_exif)
            if size.turned and _fits_only(boxes, (height, width), (width, height)):
                turned.append(entry.path)
            record = dict(
                img_path=str(image),
                img_id=entry.number,
                width=width,
                height=height,
                instances=self._instances(boxes, labels, width, height),
                name=entry.name,
                folder=entry.folder,
                light=entry.light,
                indoor=entry.indoor,
                split=entry.split,
            )
            records.append(self.with_text(record))
        self._report(records, turned)
        return records

    def _labels(self) -> dict[str, int]:
        """ExDark's class names to labels of ``metainfo['classes']``, which may be ExDark's or
        COCO's names."""
        classes = list(self.metainfo['classes'])
        known = [*EXDARK_CLASSES, *CocoDataset.METAINFO['classes']]
        for name in classes:
            if name not in known:
                raise ValueError(
                    f'`metainfo.classes` names `{name}`, which is no class of ExDark or COCO'
                    f'{nearest(name, known)}: correct the name.'
                )
        names = {name: name if name in classes else EXDARK_TO_COCO[name] for name in EXDARK_CLASSES}
        labels = {name: classes.index(other) for name, other in names.items() if other in classes}
        if not labels:
            raise ValueError('`metainfo.classes` names no class that ExDark has: add one.')
        return labels

    def _select(self, every: list[Entry]) -> list[Entry]:
        """The entries of protocol or split file that pass the filters."""
        wanted: set[str] | None = None
        if self.split_file is not None:
            known = (entry.stem.lower() for entry in every)
            wanted = self.read_split(self.split_file, known, self.ann_file)
        elif self.protocol is not None:
            stems = [entry.stem for entry in every]
            columns = [entry.split for entry in every]
            wanted = set()
            for subset in self.subset:
                part = exdark_subset(self.protocol, subset, stems, columns, self.seed)
                expected = EXDARK_PROTOCOLS[self.protocol][subset]
                if len(part) != expected:
                    warn(
                        f'`{self.protocol}` {subset} has {len(part)} pictures instead of '
                        f'{expected}, because `{self.ann_file}` is not the complete official list: '
                        'results are not comparable.'
                    )
                wanted |= part
        entries = [
            entry
            for entry in every
            if (wanted is None or entry.stem.lower() in wanted)
            and (self.light is None or entry.light in self.light)
            and (self.indoor is None or entry.indoor == self.indoor)
            and (self.folders is None or entry.folder in self.folders)
        ]
        if not entries:
            raise ValueError(
                f'No picture of `{self.ann_file}` is left by `protocol`, `subset`, `split_file`, '
                '`light`, `indoor` and `folders`: loosen them.'
            )
        return entries

    def _locate(
        self, every: list[Entry], entries: list[Entry], images: Path, annotations: Path
    ) -> list[tuple[Entry, Path, Path, ImageSize]]:
        """The files and the size of each entry; absent ones raise or are skipped, superfluous ones
        are named."""
        pictures, texts = find_files(images), find_files(annotations, '.txt')
        for what, found, suffix in (('pictures', pictures, ''), ('annotations', texts, '.txt')):
            names = {entry.key: entry.name + suffix for entry in every}
            extra = [
                f'{file.parent.name}/{file.name}'
                for key, files in found.items()
                for file in files
                if key not in names or (len(files) > 1 and file.name != names[key])
            ]
            for name in extra:
                self.repairs.add('not listed', name, f'not in `{self.ann_file}` and not used')
            if extra:
                warn(
                    f'{len(extra)} {what} are not in `{self.ann_file}` and are not used: '
                    f'{listing(extra)}.'
                )

        problems: dict[str, list[str]] = {}
        located = []
        for entry in entries:
            image = pick_file(pictures.get(entry.key, ()), entry.name)
            annotation = pick_file(texts.get(entry.key, ()), f'{entry.name}.txt')
            if image is None:
                problems.setdefault('without picture', []).append(entry.path)
            if annotation is None:
                problems.setdefault('without annotation', []).append(f'{entry.path}.txt')
            if image is not None and annotation is not None:
                located.append((entry, image, annotation))
        complete = []
        sizes = read_image_sizes(images, [image for _, image, _ in located])
        for (entry, image, annotation), size in zip(located, sizes, strict=True):
            if size is None:
                problems.setdefault('with an unreadable picture', []).append(entry.path)
            else:
                complete.append((entry, image, annotation, size))

        remedy = 'unpack both official archives again'
        self.settle_incomplete('ExDark', problems, len(entries), len(complete), remedy)
        return complete

    def _instances(
        self, boxes: list[Box], labels: dict[str, int], width: int, height: int
    ) -> list[dict]:
        instances = []
        for box in boxes:
            if box.name not in labels:
                continue
            corners = (box.left, box.top, box.left + box.width, box.top + box.height)
            bbox = tidy_box(corners, width, height, box.where, self.repairs)
            if bbox is None:
                continue
            instances.append(dict(bbox=list(bbox), bbox_label=labels[box.name], ignore_flag=0))
        return instances

    def _report(self, records: list[dict], turned: list[str]) -> None:
        for name in turned:
            text = 'its boxes fit only with the other `apply_exif`'
            self.repairs.add('orientation', name, text)
        if turned:
            warn(
                f'{len(turned)} pictures have boxes that fit only with the EXIF orientation '
                f'{"ignored" if self.apply_exif else "applied"} ({listing(turned)}): look at '
                'them, and change `apply_exif` and the `color_type` of `LoadImageFromFile` '
                'together if they are wrong.'
            )
        if self.protocol:
            what = f'{self.protocol} {"+".join(self.subset)}'
        else:
            what = self.split_file or 'without protocol'
        self.report('ExDark', what, records)


def _fits_only(boxes: list[Box], fitting: tuple[int, int], failing: tuple[int, int]) -> bool:
    """Whether the boxes lie within one size and not within the other, give or take a pixel."""

    def fits(size: tuple[int, int]) -> bool:
        return all(
            box.left + box.width <= size[0] + 1 and box.top + box.height <= size[1] + 1
            for box in boxes
        )

    return fits(fitting) and not fits(failing)
