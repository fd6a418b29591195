"""WIDER FACE: 32,203 pictures with 393,703 faces (Yang et al., CVPR 2016), read as its authors publish it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llv.registry import DATASETS

from .errors import DatasetNotFoundError, listing
from .image_sizes import ImageSize, read_image_sizes
from .native import NativeDetDataset, chosen, warn
from .picture_files import pictures_by_stem
from .repairs import tidy_box
from .wider_face_files import WIDER_COUNTS, WIDER_LISTS, WiderEntry, WiderFace, read_wider_list

_LAYOUT = (
    '`WIDER_train/images/<event>/`, `WIDER_val/images/<event>/` and `wider_face_split/` (the official '
    'archives unpacked)'
)
_HOME = 'the WIDER FACE page of the CUHK multimedia lab (for research)'


@DATASETS.register_module()
class WiderFaceDataset(NativeDetDataset):
    """WIDER FACE in its official lists, without conversion; mmdet's ``WIDERFaceDataset`` wants XML files that others
    have made::

        data/WIDER/
          WIDER_train/images/0--Parade/0_Parade_marchingband_1_849.jpg ...
          WIDER_val/images/ ...
          wider_face_split/wider_face_train_bbx_gt.txt ...

    Boxes (left, top, width, height) become corners clipped to the picture; those without area are dropped (27 in train
    and 11 in val). The kind of a picture and the case of its suffix do not matter. One line in the log sums the
    repairs; pictures that the official list does not name, and counts that are not the official ones, are told.

    A record holds ``img_path``, ``img_id`` (from 0 in the order of the list), ``height``, ``width``, ``event`` and
    ``instances`` (``bbox``, ``bbox_label`` 0, ``ignore_flag``, ``invalid`` and ``attributes``: blur, expression,
    illumination, occlusion, pose).

    Args:
        subset: ``train``, ``val`` or ``test`` (pictures without labels): gives ``ann_file`` and the picture folder.
        ann_file: The list, relative to ``data_root``; instead of the one of `subset`.
        data_prefix: ``img``, the folder of event folders; instead of the one of `subset`.
        ignore_invalid: Give faces that the annotators marked as invalid the ``ignore_flag`` 1: they are neither to be
            found nor mistakes. False treats them as any other face.
        dsfd_boxes: Prepare boxes as DSFD's training does: drop faces narrower or lower than 2 pixels or with a
            negative corner, and let a box end at x + w − 1, y + h − 1. DSFD does not look at the invalid flag:
            ``ignore_invalid=False`` belongs to it.
        missing: ``'raise'`` or ``'skip'`` pictures that are absent or unreadable.
        apply_exif: Whether ``height`` and ``width`` follow the EXIF orientation, as mmcv's default loader does.
        filter_cfg, **kwargs: As for :class:`~llv.datasets.detection.native.NativeDetDataset`.

    Raises:
        DatasetNotFoundError: The list or the pictures are not there.
        FileNotFoundError: Pictures are missing or unreadable (``missing='raise'``).
        ValueError: An argument is out of range, or the list does not parse.
    """

    METAINFO = dict(classes=('face',), palette=[(86, 180, 233)])

    def __init__(
        self,
        *,
        subset: str | None = None,
        ann_file: str = '',
        data_prefix: dict[str, str] | None = None,
        ignore_invalid: bool = True,
        dsfd_boxes: bool = False,
        missing: str = 'raise',
        apply_exif: bool = True,
        filter_cfg: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        prefix, official_list = dict(data_prefix or {}), False
        if subset is not None:
            (subset,) = chosen('subset', subset, WIDER_COUNTS)
            official_list = not ann_file
            ann_file = ann_file or f'wider_face_split/{WIDER_LISTS[subset]}'
            prefix.setdefault('img', f'WIDER_{subset}/images')
        elif not ann_file or 'img' not in prefix:
            raise ValueError(
                "`WiderFaceDataset` needs a `subset` ('train', 'val' or 'test'), or both `ann_file` "
                'and `data_prefix.img`.'
            )
        self.subset = subset
        self.official_list = official_list
        self.ignore_invalid = ignore_invalid
        self.dsfd_boxes = dsfd_boxes
        self.apply_exif = apply_exif
        super().__init__(
            ann_file=ann_file,
            data_prefix=prefix,
            missing=missing,
            filter_cfg=filter_cfg,
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Read the list and the sizes of its pictures."""
        path, images = Path(self.ann_file), Path(self.data_prefix['img'])
        there = [(path, path.is_file()), (images, images.is_dir())]
        absent = [place for place, found in there if not found]
        if absent:
            raise DatasetNotFoundError('WIDER FACE', self.data_root, absent, _LAYOUT, _HOME)
        self.repairs = type(self.repairs)()
        entries = read_wider_list(
            path, lambda where, text: self.repairs.add('count mismatch', where, text)
        )
        self._check_counts(entries)
        records = [self._record(*item) for item in self._locate(images, entries)]
        for number, record in enumerate(records):
            record['img_id'] = number
        self.report('WIDER FACE', self.subset or path.name, records)
        return records

    def _check_counts(self, entries: Sequence[WiderEntry]) -> None:
        expected = WIDER_COUNTS.get(self.subset)
        found = dict(pictures=len(entries), faces=sum(len(entry.faces) for entry in entries))
        if expected and found != expected:
            warn(
                f'WIDER FACE {self.subset} has {found["pictures"]} pictures with {found["faces"]} '
                f'faces instead of {expected["pictures"]} with {expected["faces"]}: results are not '
                'comparable with published ones.'
            )

    def _locate(
        self, images: Path, entries: Sequence[WiderEntry]
    ) -> list[tuple[WiderEntry, Path, ImageSize]]:
        """The file and size of each picture; absent ones raise or are skipped."""
        problems: dict[str, list[str]] = {}
        located = []
        folders: dict[Path, dict[str, Path]] = {}
        for entry in entries:
            path = images / entry.path
            if path.parent not in folders:
                folders[path.parent] = pictures_by_stem(path.parent, self.repairs)
            file = folders[path.parent].get(path.stem) or (path if path.is_file() else None)
            if file is None:
                problems.setdefault('without picture', []).append(entry.path)
            else:
                located.append((entry, file))
        if self.official_list:
            self._name_extra(images, {file for _, file in located}, folders)
        complete = []
        sizes = read_image_sizes(images, [file for _, file in located])
        for (entry, file), size in zip(located, sizes, strict=True):
            if size is None:
                problems.setdefault('with an unreadable picture', []).append(entry.path)
            else:
                complete.append((entry, file, size))
        remedy = 'unpack the official archives again'
        self.settle_incomplete('WIDER FACE', problems, len(entries), len(complete), remedy)
        return complete

    def _name_extra(
        self, images: Path, used: set[Path], folders: dict[Path, dict[str, Path]]
    ) -> None:
        """Tell pictures that the official list does not name."""
        extra = [
            file.relative_to(images).as_posix()
            for found in folders.values()
            for file in found.values()
            if file not in used
        ]
        for name in extra:
            self.repairs.add('not listed', name, f'not in `{self.ann_file}` and not used')
        if extra:
            warn(
                f'{len(extra)} pictures are not in `{self.ann_file}` and are not used: {listing(extra)}.'
            )

    def _record(self, entry: WiderEntry, path: Path, size: ImageSize) -> dict:
        width, height = size.shown(self.apply_exif)
        instances = []
        for face in entry.faces:
            bbox = self._box(face, width, height)
            if bbox is not None:
                instances.append(
                    dict(
                        bbox=list(bbox),
                        bbox_label=0,
                        ignore_flag=int(self.ignore_invalid and face.invalid),
                        invalid=face.invalid,
                        attributes=face.attributes,
                    )
                )
        return self.with_text(
            dict(
                img_path=str(path),
                height=height,
                width=width,
                instances=instances,
                event=entry.event,
            )
        )

    def _box(self, face: WiderFace, width: int, height: int) -> tuple[float, ...] | None:
        """Corners as trained on, None for a face that is dropped."""
        corners = [face.left, face.top, face.left + face.width, face.top + face.height]
        if self.dsfd_boxes:
            if min(face.width, face.height) < 2 or min(face.left, face.top) < 0:
                text = f'{face[:4]} is below 2 pixels or begins outside of the picture'
                self.repairs.add('dropped as by DSFD', face.where, text)
                return None
            corners[2:] = [corners[2] - 1, corners[3] - 1]
        return tidy_box(corners, width, height, face.where, self.repairs)
