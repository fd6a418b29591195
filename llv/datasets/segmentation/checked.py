"""What the readers of segmentation sets have in common: a faulty set is refused before anything is trained."""

from __future__ import annotations

import difflib
import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any, ClassVar

from mmcv.transforms import LoadAnnotations
from mmengine.fileio import list_dir_or_file
from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset

from llv.datasets.enhancement.pairing import listing
from llv.utils.label_maps import LabelMapError, check_ids, label_problem, read_label_map

_REFERENCE = re.compile(r'_(rgb_ref|ref_rgb)_anon\.\w+$')
_REFERENCE_FOLDERS = frozenset(('train_ref', 'val_ref', 'test_ref'))
_SAMPLE = 8
"""Label maps that are decoded before training: a set of the wrong ids shows in any of them."""


class CheckedSegDataset(BaseSegDataset):
    """Base of the readers: mmseg's, and everything it would find out late, or never, found out when it is read.

    * Folders that are not there, or without any picture of the suffix.
    * Every pair by its headers: label maps that are missing, in colour, of more than 8 bits, or of another size than
      their picture. 4,000 pairs take about a second on a local disk.
    * Ids that no class has, such as Cityscapes' label ids instead of train ids, in 8 label maps spread evenly over
      the set; :class:`llv.CheckLabelMap` looks at all of them while they are loaded.
    * Pictures of the same place in good weather and daylight (``*_rgb_ref_anon.png`` of ACDC, ``*_ref_rgb_anon.png``
      of Dark Zurich, and whatever lies in ``train_ref``, ``val_ref`` or ``test_ref``) have no labels and are no night
      pictures. Where a wide suffix or folder takes them in they are left out and one line in the log says so, because
      what is left is what was wanted; where nothing else is left that is an error.

    A set whose ``data_prefix`` has no ``seg_map_path`` has no labels: it is read with ``test_mode=True`` alone, and
    ``LoadAnnotations`` is taken out of its pipeline, with a line in the log.

    A record is mmseg's (``img_path``, ``seg_map_path``, ``label_map``, ``reduce_zero_label``, ``seg_fields``) and
    ``num_classes``, for :class:`llv.CheckLabelMap`. Records are sorted by path, those of an ``ann_file``
    come in its order. Files are read from the local disk.

    Args:
        missing: ``'raise'`` or ``'skip'`` pictures whose picture or label map is missing, unreadable or does not fit
            the other. Skipping is logged.
        **kwargs: Further arguments of mmseg's ``BaseSegDataset``: ``data_root``, ``data_prefix`` (``img_path``,
            ``seg_map_path``), ``img_suffix``, ``seg_map_suffix``, ``ann_file`` (a text file with one name a line,
            once each, relative to ``img_path`` and without suffix), ``metainfo``, ``pipeline``, ``test_mode``,
            ``indices`` ...

    Raises:
        FileNotFoundError: Folders, pictures or label maps are not there.
        LabelMapError: Label maps do not fit their pictures or have unknown ids.
        ValueError: An argument is out of range.
    """

    NAME: ClassVar[str] = 'The data set'
    LAYOUT: ClassVar[str] = (
        'pictures below `img_path` and label maps of the same names below `seg_map_path`'
    )
    HOME: ClassVar[str] = 'its authors'

    def __init__(self, *, missing: str = 'raise', **kwargs: Any) -> None:
        if missing not in ('raise', 'skip'):
            raise ValueError(f"`missing` must be 'raise' or 'skip', got `{missing}`.")
        backend = (kwargs.get('backend_args') or {}).get('backend', 'local')
        if backend != 'local':
            raise ValueError(
                f'`backend_args` names `{backend}`, but this reader looks at the headers of local '
                "files: copy the data to the local disk, or use mmseg's own reader."
            )
        self.missing = missing
        super().__init__(**kwargs)

    # what a reader of one set may change ----------------------------------------------------------

    def folders(self) -> list[str]:
        """Folders to search, relative to ``img_path`` and ``seg_map_path`` alike."""
        return ['']

    def part(self) -> str:
        """Which part of the set this is, for the log."""
        shown = self.ann_file or self.data_prefix['img_path']
        return os.path.relpath(shown, self.data_root) if self.data_root else str(shown)

    def choose(self, names: list[str]) -> list[str]:
        """The pictures to read among all that were found."""
        return names

    # reading --------------------------------------------------------------------------------------

    def load_data_list(self) -> list[dict]:
        """Find, check and list the pictures."""
        if not self.data_prefix.get('img_path'):
            raise ValueError('`data_prefix` has no `img_path`: name the folder of pictures.')
        labelled = bool(self.data_prefix.get('seg_map_path'))
        if not labelled and not self.test_mode:
            raise ValueError(
                f'{self.NAME} is read without labels, but training needs them: name `seg_map_path` in '
                '`data_prefix`, or pass `test_mode=True`.'
            )
        names = list(self._listed() if self.ann_file else self._found(labelled))
        names = self.choose(self._without_references(names))
        records = self._complete([self._record(name, labelled) for name in names])
        if labelled:
            self._check_some(records)
        else:
            self._load_no_labels()
        what = 'pictures' if labelled else 'pictures without labels'
        log(f'{self.NAME} ({self.part()}): {len(records)} {what}.')
        return records

    def _record(self, name: str, labelled: bool) -> dict[str, Any]:
        record = dict(
            img_path=os.path.join(self.data_prefix['img_path'], name + self.img_suffix),
            label_map=self.label_map,
            reduce_zero_label=self.reduce_zero_label,
            seg_fields=[],
            num_classes=len(self.metainfo['classes']),
        )
        if labelled:
            folder = self.data_prefix['seg_map_path']
            record['seg_map_path'] = os.path.join(folder, name + self.seg_map_suffix)
        return record

    def _listed(self) -> Iterator[str]:
        """The names of ``ann_file``."""
        if not os.path.isfile(self.ann_file):
            raise FileNotFoundError(
                f'`ann_file` `{self.ann_file}` is not there: give a text file with one name a line, '
                f'relative to `img_path` and without `{self.img_suffix}`, or leave it out.'
            )
        text = Path(self.ann_file).read_text(encoding='utf-8-sig')
        lines = filter(None, map(str.strip, text.splitlines()))
        names = [line.removesuffix(self.img_suffix) for line in lines]
        if not names:
            raise ValueError(f'`ann_file` `{self.ann_file}` names no picture: write one a line.')
        # it would count twice in every figure
        if twice := [name for name, number in Counter(names).items() if number > 1]:
            raise ValueError(
                f'`ann_file` `{self.ann_file}` names pictures more than once ({listing(twice, 3)}): name '
                'each once; `RepeatDataset` shows pictures several times.'
            )
        yield from names

    def _found(self, labelled: bool) -> Iterator[str]:
        """The names of all pictures below the folders."""
        images = [os.path.join(self.data_prefix['img_path'], folder) for folder in self.folders()]
        labels = []
        if labelled:
            parent = self.data_prefix['seg_map_path']
            labels = [os.path.join(parent, folder) for folder in self.folders()]
        absent = [folder.rstrip('/') for folder in images + labels if not os.path.isdir(folder)]
        if absent:
            raise FileNotFoundError(
                f'{self.NAME} was not found in `data_root` `{self.data_root}`, which lacks '
                f'{listing(absent)}: the folder should hold {self.LAYOUT}; get the data from '
                f'{self.HOME}, or correct `data_root` and `data_prefix`.'
            )
        names: list[str] = []
        for image, folder in zip(images, self.folders(), strict=True):
            files = sorted(list_dir_or_file(image, list_dir=False, recursive=True))
            taken = [file for file in files if file.endswith(self.img_suffix)]
            if not taken:
                others = f' but {listing(files, 3)}' if files else ''
                raise FileNotFoundError(
                    f'{self.NAME} has no picture `*{self.img_suffix}` below `{image}`{others}: unpack '
                    'the archive of pictures there, or correct `img_suffix` and `data_prefix`.'
                )
            names += [os.path.join(folder, file).removesuffix(self.img_suffix) for file in taken]
        yield from sorted(names)

    def _without_references(self, names: list[str]) -> list[str]:
        references = {name for name in names if is_reference(name + self.img_suffix)}
        if not references:
            return names
        kept = [name for name in names if name not in references]
        shown = listing(sorted(PurePath(name).name + self.img_suffix for name in references), 3)
        if not kept:
            raise FileNotFoundError(
                f'{self.NAME} has nothing but {len(references)} reference pictures ({shown}) below '
                f'`{self.data_prefix["img_path"]}`, taken in good light and without labels: point '
                '`data_prefix` at the folder without `_ref` and correct `img_suffix`, or read them '
                'with `llv.PictureFolder`.'
            )
        warn(
            f'{self.NAME}: {len(references)} reference pictures, taken in good light and without '
            f'labels, are left out ({shown}); `img_suffix` or `data_prefix` is wider than need be.'
        )
        return kept

    def _complete(self, records: list[dict]) -> list[dict]:
        """The records whose files are there and fit each other; raises or warns of the others."""
        absent: list[str] = []
        faulty: list[str] = []
        first = {}
        complete = []
        for record in records:
            image, label = record['img_path'], record.get('seg_map_path')
            if not os.path.isfile(image):
                problem = f'the picture `{image}` is not there: correct `{self.ann_file}`'
            else:
                problem = label and label_problem(image, label)
            if not problem:
                complete.append(record)
                continue
            there = os.path.isfile(image) and os.path.isfile(label)
            kind = faulty if there else absent
            kind.append(os.path.relpath(label if os.path.isfile(image) else image, self.data_root))
            first.setdefault(there, problem)
        if not absent and not faulty:
            return complete
        counts = [f'{len(absent)} missing: {listing(absent, 5)}'] if absent else []
        counts += [f'{len(faulty)} faulty: {listing(faulty, 5)}'] if faulty else []
        message = (
            f'{len(absent) + len(faulty)} of {len(records)} pictures or label maps of {self.NAME} in '
            f'`{self.data_root}` cannot be used ({"; ".join(counts)})'
        )
        if self.missing == 'skip' and complete:
            warn(f"{message}; they are skipped (`missing='skip'`), so results are not comparable.")
            return complete
        message += f': {first[not absent]}'
        if self.missing == 'raise':
            message += ", or pass `missing='skip'` to go on without them"
        if absent:
            raise FileNotFoundError(f'{message}.')
        raise LabelMapError(f'{message}.')

    def _check_some(self, records: Sequence[dict]) -> None:
        """Decode a few label maps, spread evenly, and refuse unknown ids."""
        classes = len(self.METAINFO.get('classes', self.metainfo['classes']))
        step = (len(records) - 1) / max(1, _SAMPLE - 1)
        for index in sorted({round(step * number) for number in range(_SAMPLE)}):
            path = records[index]['seg_map_path']
            label_map = read_label_map(path)
            check_ids(label_map, classes + self.reduce_zero_label, self.ignore_index, path)

    def _load_no_labels(self) -> None:
        """Take ``LoadAnnotations`` out of the pipeline, also where several views are made."""
        pipelines = [self.pipeline]
        for step in self.pipeline.transforms:
            pipelines += getattr(step, 'subroutines', [])
        left_out = False
        for pipeline in pipelines:
            steps = [step for step in pipeline.transforms if not isinstance(step, LoadAnnotations)]
            left_out |= len(steps) < len(pipeline.transforms)
            pipeline.transforms = steps
        if left_out:
            log(f'{self.NAME} ({self.part()}): no labels, so `LoadAnnotations` is left out.')


def is_reference(path: str | os.PathLike[str]) -> bool:
    """Whether a path is that of a reference picture of ACDC or Dark Zurich, by its name or folder."""
    path = PurePath(path)
    return bool(_REFERENCE.search(path.name)) or not _REFERENCE_FOLDERS.isdisjoint(path.parts[:-1])


def chosen(argument: str, names: str | Sequence[str], options: Iterable[str]) -> list[str]:
    """``names`` as a list, each once.

    Raises:
        ValueError: A name is no option, or there is none.
    """
    options = list(options)
    names = [names] if isinstance(names, str) else list(names)
    for name in names or ['nothing']:
        if name not in options:
            near = difflib.get_close_matches(str(name), options, n=1)
            raise ValueError(
                f'`{argument}` must be among {listing(options)}, got `{name}`'
                + (f', nearest is `{near[0]}`.' if near else '.')
            )
    return list(dict.fromkeys(names))


def log(message: str) -> None:
    """A line in the log."""
    print_log(message, logger='current', level=logging.INFO)


def warn(message: str) -> None:
    """A warning in the log."""
    print_log(message, logger='current', level=logging.WARNING)
