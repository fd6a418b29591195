"""ExDark: 7,363 pictures taken in the dark, 12 classes (Loh and Chan, CVIU 2019), read as its
authors publish it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mmdet.datasets import BaseDetDataset, CocoDataset
from mmengine.logging import print_log

from llv.datasets.splits import EXDARK_PROTOCOLS, exdark_subset, read_split_file
from llv.registry import DATASETS

from .errors import DatasetNotFoundError
from .exdark_files import (
    EXDARK_CLASSES,
    EXDARK_LIGHTS,
    EXDARK_TO_COCO,
    Box,
    Entry,
    find_files,
    nearest,
    pick_file,
    read_boxes,
    read_list,
)
from .image_sizes import ImageSize, read_image_sizes

_LAYOUT = (
    '`imageclasslist.txt`, `images/<Class>/` and `annotations/<Class>/` (the two official archives '
    'unpacked under these names)'
)
_HOME = (
    'the Exclusively-Dark-Image-Dataset repository of its authors (cs-chan on GitHub; for '
    'non-commercial research)'
)


@DATASETS.register_module()
class ExDarkDataset(BaseDetDataset):
    """ExDark in its official files, without conversion::

        data/ExDark/
          imageclasslist.txt
          images/Bicycle/2015_00001.png ...
          annotations/Bicycle/2015_00001.png.txt ...

    Pictures and annotations are looked up by class folder and stem; case and extension need not
    agree with the list. A box's class is the one of its annotation line, not of the folder. Boxes
    (left, top, width, height, taken as zero-based pixels) become corners ``x1, y1, x2, y2`` clipped
    to the picture; those without area are dropped. One line in the log counts all repairs, and
    :attr:`repairs` holds the numbers. Files are read from the local disk.

    A record holds ``img_path``, ``img_id`` (the running number of the name), ``height``, ``width``,
    ``instances`` (``bbox``, ``bbox_label``, ``ignore_flag`` 0) and, for one's own grouping,
    ``name``, ``folder``, ``light`` and ``indoor``.

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
        if protocol is not None:
            (protocol,) = _chosen('protocol', protocol, EXDARK_PROTOCOLS)
            if split_file is not None:
                raise ValueError(
                    '`protocol` and `split_file` both choose the pictures: give one of them.'
                )
            if subset is None:
                raise ValueError(
                    f'`protocol` `{protocol}` needs a `subset`: '
                    f'{_listing(EXDARK_PROTOCOLS[protocol])}.'
                )
            subset = _chosen('subset', subset, EXDARK_PROTOCOLS[protocol])
        elif subset is not None:
            raise ValueError(
                f'`subset` `{subset}` needs a `protocol`: {_listing(EXDARK_PROTOCOLS)}.'
            )
        if missing not in ('raise', 'skip'):
            raise ValueError(f"`missing` must be 'raise' or 'skip', got `{missing}`.")
        unknown = set(filter_cfg or ()) - {'filter_empty_gt', 'min_size'}
        if unknown:
            raise ValueError(
                '`filter_cfg` knows `filter_empty_gt` and `min_size`, not '
                f'{_listing(sorted(unknown))}.'
            )
        self.protocol = protocol
        self.subset: list[str] | None = subset
        self.seed = seed
        self.split_file = split_file
        self.light = None if light is None else _chosen('light', light, EXDARK_LIGHTS)
        self.indoor = indoor
        self.folders = None if folders is None else _chosen('folders', folders, EXDARK_CLASSES)
        self.missing = missing
        self.apply_exif = apply_exif
        self.repairs = dict(clipped=0, dropped=0, skipped=0)
        super().__init__(
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

        self.repairs = dict(clipped=0, dropped=0, skipped=0)
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
            )
            if self.return_classes:
                record.update(
                    text=self.metainfo['classes'],
                    caption_prompt=self.caption_prompt,
                    custom_entities=True,
                )
            records.append(record)
        self._report(records, turned)
        return records

    def filter_data(self) -> list[dict]:
        """Apply ``filter_cfg`` in training; a test keeps every picture."""
        if self.test_mode or not self.filter_cfg:
            return self.data_list
        filter_empty = self.filter_cfg.get('filter_empty_gt', False)
        min_size = self.filter_cfg.get('min_size', 0)
        kept = [
            record
            for record in self.data_list
            if (record['instances'] or not filter_empty)
            and min(record['width'], record['height']) >= min_size
        ]
        if not kept:
            raise ValueError(
                f'`filter_cfg` {self.filter_cfg} leaves none of the {len(self.data_list)} '
                'pictures: loosen it.'
            )
        return kept

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
        chosen: set[str] | None = None
        if self.split_file is not None:
            chosen = self._read_split(every)
        elif self.protocol is not None:
            stems = [entry.stem for entry in every]
            columns = [entry.split for entry in every]
            chosen = set()
            for subset in self.subset:
                part = exdark_subset(self.protocol, subset, stems, columns, self.seed)
                expected = EXDARK_PROTOCOLS[self.protocol][subset]
                if len(part) != expected:
                    _warn(
                        f'`{self.protocol}` {subset} has {len(part)} pictures instead of '
                        f'{expected}, because `{self.ann_file}` is not the complete official list: '
                        'results are not comparable.'
                    )
                chosen |= part
        entries = [
            entry
            for entry in every
            if (chosen is None or entry.stem.lower() in chosen)
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

    def _read_split(self, every: list[Entry]) -> set[str]:
        path = self.split_file
        if not os.path.isfile(path) and self.data_root:
            path = os.path.join(self.data_root, path)
        lines = read_split_file(path)
        unknown = [stem for stem in lines if stem not in {entry.stem.lower() for entry in every}]
        if unknown:
            raise ValueError(
                f'{path}:{lines[unknown[0]]}: {_listing(unknown)} not in `{self.ann_file}` '
                f'({len(unknown)} in all): remove these lines or use the list they belong to.'
            )
        return set(lines)

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
            if extra:
                _warn(
                    f'{len(extra)} {what} are not in `{self.ann_file}` and are not used: '
                    f'{_listing(extra)}.'
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

        if problems:
            skipped = len(entries) - len(complete)
            details = '; '.join(
                f'{len(names)} {what}: {_listing(names)}' for what, names in problems.items()
            )
            message = (
                f'{skipped} of {len(entries)} pictures of ExDark in `{self.data_root}` are '
                f'incomplete ({details})'
            )
            if self.missing == 'raise':
                raise FileNotFoundError(
                    f"{message}: unpack both official archives again, or pass `missing='skip'` "
                    'to go on without them.'
                )
            if not complete:
                raise FileNotFoundError(f'{message}: nothing is left to read.')
            _warn(f"{message}; they are skipped (`missing='skip'`), so results are not comparable.")
            self.repairs['skipped'] = skipped
        return complete

    def _instances(
        self, boxes: list[Box], labels: dict[str, int], width: int, height: int
    ) -> list[dict]:
        instances = []
        for box in boxes:
            if box.name not in labels:
                continue
            corners = (box.left, box.top, box.left + box.width, box.top + box.height)
            bbox = [
                min(max(value, 0.0), float(limit))
                for value, limit in zip(corners, (width, height) * 2, strict=True)
            ]
            if bbox[2] <= bbox[0] or bbox[3] <= bbox[1]:
                self.repairs['dropped'] += 1
                continue
            self.repairs['clipped'] += bbox != list(corners)
            instances.append(dict(bbox=bbox, bbox_label=labels[box.name], ignore_flag=0))
        return instances

    def _report(self, records: list[dict], turned: list[str]) -> None:
        if turned:
            _warn(
                f'{len(turned)} pictures have boxes that fit only with the EXIF orientation '
                f'{"ignored" if self.apply_exif else "applied"} ({_listing(turned)}): look at '
                'them, and change `apply_exif` and the `color_type` of `LoadImageFromFile` '
                'together if they are wrong.'
            )
        if self.protocol:
            what = f'{self.protocol} {"+".join(self.subset)}'
        else:
            what = self.split_file or 'without protocol'
        counts = [len(record['instances']) for record in records]
        print_log(
            f'ExDark ({what}): {len(records)} pictures with {sum(counts)} boxes, '
            f'{counts.count(0)} pictures without objects; {self.repairs["clipped"]} boxes clipped '
            f'to the picture, {self.repairs["dropped"]} dropped without area, '
            f'{self.repairs["skipped"]} pictures skipped.',
            logger='current',
            level=logging.INFO,
        )


def _chosen(argument: str, names: str | Sequence[str], options: Iterable[str]) -> list[str]:
    """``names`` as the options write them."""
    options = list(options)
    lower = {option.lower(): option for option in options}
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if str(name).lower() not in lower:
            raise ValueError(
                f'`{argument}` must be among {_listing(options, len(options))}, got `{name}`'
                f'{nearest(name, options)}.'
            )
    return list(dict.fromkeys(lower[name.lower()] for name in names))


def _fits_only(boxes: list[Box], fitting: tuple[int, int], failing: tuple[int, int]) -> bool:
    """Whether the boxes lie within one size and not within the other, give or take a pixel."""

    def fits(size: tuple[int, int]) -> bool:
        return all(
            box.left + box.width <= size[0] + 1 and box.top + box.height <= size[1] + 1
            for box in boxes
        )

    return fits(fitting) and not fits(failing)


def _listing(names: Iterable[str], limit: int = 10) -> str:
    names = list(names)
    return ', '.join(f'`{name}`' for name in names[:limit]) + (
        ', ...' if len(names) > limit else ''
    )


def _warn(message: str) -> None:
    print_log(message, logger='current', level=logging.WARNING)
