"""FDDB: 2,845 pictures with 5,171 faces as ellipses (Jain and Learned-Miller, UM-CS-2010-009), read as its authors
publish it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llv.registry import DATASETS

from .errors import DatasetNotFoundError
from .fddb_files import FoldEntry, ellipse_boxes, find_folds, read_ellipses, read_fold_names
from .image_sizes import ImageSize, read_image_sizes
from .native import NativeDetDataset, listing, warn
from .picture_files import pictures_by_stem
from .repairs import tidy_box

_LAYOUT = (
    '`originalPics/YYYY/MM/DD/big/img_N.jpg` and `FDDB-folds/FDDB-fold-XX-ellipseList.txt` (the two '
    'official archives unpacked)'
)
_HOME = "FDDB's page at the computer vision lab of the University of Massachusetts (for research)"
OFFICIAL_COUNTS = dict(pictures=2845, faces=5171)


@DATASETS.register_module()
class FDDBDataset(NativeDetDataset):
    """FDDB, or other faces in its format, without conversion::

        data/FDDB/
          originalPics/2002/08/11/big/img_591.jpg ...
          FDDB-folds/FDDB-fold-01.txt ...
          FDDB-folds/FDDB-fold-01-ellipseList.txt ...

    Lists name pictures without extension; it is looked up. ``FDDB-fold-XX.txt`` gives the order where it is there,
    else the ellipse list does. The faces to train on are the ellipses' bounding boxes, clipped to the picture;
    :class:`~llv.evaluation.detection.fddb_metric.FDDBMetric` measures with the ellipses themselves. A face that lies
    wholly outside has no box. One line in the log sums the repairs.

    A record holds ``img_path``, ``img_id`` (from 0 in the order of the lists), ``height``, ``width``, ``name`` (path
    without extension, as results are submitted), ``fold``, ``ellipses`` (all of them, N times ``[major, minor, angle,
    x, y]``) and ``instances`` (``bbox``, ``bbox_label`` 0, ``ignore_flag`` 0, ``ellipse``). What the metric needs
    travels as meta keys of ``PackDetInputs``: ``name`` and ``ellipses``.

    Args:
        ann_file: The folder of the fold lists, relative to ``data_root``.
        data_prefix: ``img``, the folder that the listed paths start from.
        folds: Folds to read, in this order, from 1; None for all that are there.
        missing: ``'raise'`` or ``'skip'`` pictures that are absent or unreadable.
        apply_exif: Whether ``height`` and ``width`` follow the EXIF orientation, as mmcv's default loader does.
        filter_cfg, **kwargs: As for :class:`~llv.datasets.detection.native.NativeDetDataset`.

    Raises:
        DatasetNotFoundError: The folds or the pictures are not there.
        FileNotFoundError: Pictures are missing or unreadable (``missing='raise'``).
        ValueError: A list does not parse, or there is no such fold.
    """

    METAINFO = dict(classes=('face',), palette=[(230, 159, 0)])

    def __init__(
        self,
        *,
        ann_file: str = 'FDDB-folds',
        data_prefix: dict[str, str] | None = None,
        folds: int | Sequence[int] | None = None,
        missing: str = 'raise',
        apply_exif: bool = True,
        filter_cfg: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.folds = [folds] if isinstance(folds, int) else None if folds is None else list(folds)
        self.apply_exif = apply_exif
        super().__init__(
            ann_file=ann_file,
            data_prefix={'img': 'originalPics', **(data_prefix or {})},
            missing=missing,
            filter_cfg=filter_cfg,
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Read the folds and the sizes of their pictures."""
        folder, images = Path(self.ann_file), Path(self.data_prefix['img'])
        lists = find_folds(folder) if folder.is_dir() else {}
        absent = [] if lists else [folder / 'FDDB-fold-01-ellipseList.txt']
        absent += [] if images.is_dir() else [images]
        if absent:
            raise DatasetNotFoundError('FDDB', self.data_root, absent, _LAYOUT, _HOME)
        folds = list(lists) if self.folds is None else self.folds
        unknown = [fold for fold in folds if fold not in lists]
        if unknown or not folds or len(set(folds)) < len(folds):
            raise ValueError(
                f'`folds` must be among {listing(map(str, lists))}, each once, got `{self.folds}`.'
            )
        self.repairs = type(self.repairs)()
        entries = [(fold, entry) for fold in folds for entry in self._fold(lists[fold])]
        _check_names(folder, [entry for _, entry in entries])
        records = [
            self._record(fold, entry, path, size)
            for fold, entry, path, size in self._locate(images, entries)
        ]
        for number, record in enumerate(records):
            record['img_id'] = number
        what = 'all folds' if self.folds is None else f'folds {", ".join(map(str, folds))}'
        self._check_counts(len(lists) == 10 and self.folds is None, records)
        self.report('FDDB', what, records)
        return records

    def _fold(self, path: Path) -> list[FoldEntry]:
        """The pictures of a fold in official order."""
        entries = {entry.name: entry for entry in read_ellipses(path)}
        names_file = path.with_name(path.name[: -len('-ellipseList.txt')] + '.txt')
        if not names_file.is_file():
            return list(entries.values())
        names = read_fold_names(names_file)
        for name, times in Counter(names).items():
            if times > 1:
                text = f'{name} is named {times} times and read once'
                self.repairs.add('duplicate', str(names_file), text)
            if name not in entries:
                text = (
                    f'{name} has no ellipses in {path.name} and is read as a picture without faces'
                )
                self.repairs.add('list mismatch', str(names_file), text)
        for name, entry in entries.items():
            if name not in names:
                text = f'{name} is not in {names_file.name} and is not read'
                self.repairs.add('list mismatch', entry.where, text)
        return [
            entries.get(name) or FoldEntry(name, str(names_file), [], [])
            for name in dict.fromkeys(names)
        ]

    def _locate(
        self, images: Path, entries: Sequence[tuple[int, FoldEntry]]
    ) -> list[tuple[int, FoldEntry, Path, ImageSize]]:
        """The file and size of each picture; absent ones raise or are skipped."""
        problems: dict[str, list[str]] = {}
        folders: dict[Path, dict[str, Path]] = {}
        located = []
        for fold, entry in entries:
            path = images / entry.name
            if path.parent not in folders:
                folders[path.parent] = pictures_by_stem(path.parent, self.repairs)
            file = folders[path.parent].get(path.name)
            if file is None:
                problems.setdefault('without picture', []).append(entry.name)
            else:
                located.append((fold, entry, file))
        complete = []
        sizes = read_image_sizes(images, [file for _, _, file in located])
        for (fold, entry, file), size in zip(located, sizes, strict=True):
            if size is None:
                problems.setdefault('with an unreadable picture', []).append(entry.name)
            else:
                complete.append((fold, entry, file, size))
        remedy = 'unpack the official pictures again'
        self.settle_incomplete('FDDB', problems, len(entries), len(complete), remedy)
        return complete

    def _record(self, fold: int, entry: FoldEntry, path: Path, size: ImageSize) -> dict:
        width, height = size.shown(self.apply_exif)
        instances = []
        # ellipses of faces at the border reach beyond it: to clip their boxes mends nothing
        boxes = ellipse_boxes(entry.ellipses)
        clipped = boxes.clip(0, [width, height] * 2)
        meets = (clipped[:, 2:] > clipped[:, :2]).all(1, keepdims=True)
        boxes = np.where(meets, clipped, boxes)
        for ellipse, corners, line in zip(entry.ellipses, boxes, entry.lines, strict=True):
            bbox = tidy_box(corners, width, height, line, self.repairs)
            if bbox is not None:
                instances.append(
                    dict(bbox=list(bbox), bbox_label=0, ignore_flag=0, ellipse=list(ellipse))
                )
        return self.with_text(
            dict(
                img_path=str(path),
                height=height,
                width=width,
                instances=instances,
                name=entry.name,
                fold=fold,
                ellipses=[list(ellipse) for ellipse in entry.ellipses],
            )
        )

    def _check_counts(self, complete: bool, records: Sequence[dict]) -> None:
        """Ten folds are taken for the official set, whose size is known."""
        found = dict(
            pictures=len(records), faces=sum(len(record['ellipses']) for record in records)
        )
        if complete and found != OFFICIAL_COUNTS:
            warn(
                f'FDDB has {found["pictures"]} pictures with {found["faces"]} faces instead of '
                f'{OFFICIAL_COUNTS["pictures"]} with {OFFICIAL_COUNTS["faces"]}: results are not '
                'comparable with published ones.'
            )


def _check_names(folder: Path, entries: Sequence[FoldEntry]) -> None:
    """Refuse folds without pictures, and a picture that is in two of them.

    Raises:
        ValueError: So it is.
    """
    if not entries:
        raise ValueError(
            f'The lists in `{folder}` name no picture: download the annotations again.'
        )
    places: dict[str, str] = {}
    for entry in entries:
        if entry.name in places:
            raise ValueError(
                f'{entry.where}: `{entry.name}` is already listed at {places[entry.name]}: remove one of the two.'
            )
        places[entry.name] = entry.where
