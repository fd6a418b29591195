"""Is a segmentation set complete and sound? Its folders, its partners, and its numbers against the official ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from llv.datasets.splits.acdc import ACDC_CONDITIONS, ACDC_COUNTS
from llv.utils.label_maps import LabelMapError, check_ids, label_problem, read_label_map

from .night_city import NIGHT_CITY_COUNTS

CLASSES = 19  # of Cityscapes, which all of these sets have
IGNORED = 255


class Part(NamedTuple):
    """What is checked as one: folders below the data root, ends of names, the official number of pictures."""

    title: str
    split: str
    pictures: str
    labels: str | None  # None: withheld, or there are none
    picture_suffix: str
    label_suffix: str
    count: int
    reference_suffix: str | None = None
    references: str | None = None


def _acdc(condition: str, split: str, count: int) -> Part:
    return Part(
        f'{condition}/{split}',
        split,
        f'rgb_anon/{condition}/{split}',
        None if split == 'test' else f'gt/{condition}/{split}',
        '_rgb_anon.png',
        '_gt_labelTrainIds.png',
        count,
        '_rgb_ref_anon.png',
        f'rgb_anon/{condition}/{split}_ref',
    )


def _dark_zurich(split: str, light: str, count: int, references: str | None = None) -> Part:
    return Part(
        split if light == 'night' and split != 'train' else f'{split}/{light}',
        split,
        f'rgb_anon/{split}/{light}',
        f'gt/{split}/{light}' if split == 'val' else None,
        '_rgb_anon.png',
        '_gt_labelTrainIds.png',
        count,
        '_ref_rgb_anon.png',
        references,
    )


def _cityscapes(split: str, count: int) -> Part:
    return Part(
        split,
        split,
        f'leftImg8bit/{split}',
        None if split == 'test' else f'gtFine/{split}',  # those of test are dummies
        '_leftImg8bit.png',
        '_gtFine_labelTrainIds.png',
        count,
    )


def _night_city(split: str, count: int) -> Part:
    return Part(
        split,
        split,
        f'NightCity-images/images/{split}',
        f'NightCity-label/label/{split}',
        '.png',
        '_labelTrainIds.png',
        count,
    )


PARTS: dict[str, list[Part]] = {
    'acdc': [
        _acdc(condition, split, count)
        for condition in ACDC_CONDITIONS
        for split, count in ACDC_COUNTS[condition].items()
    ],
    'cityscapes': [_cityscapes('train', 2975), _cityscapes('val', 500), _cityscapes('test', 1525)],
    'dark_zurich': [
        _dark_zurich('val', 'night', 50, 'rgb_anon/val_ref/day'),
        _dark_zurich('test', 'night', 151, 'rgb_anon/test_ref/day'),
        _dark_zurich('train', 'night', 2416),
        _dark_zurich('train', 'twilight', 2920),
        _dark_zurich('train', 'day', 3041),
    ],
    'night_city': [_night_city(split, count) for split, count in NIGHT_CITY_COUNTS.items()],
    'nighttime_driving': [
        Part(
            'test',
            'test',
            'leftImg8bit/test/night',
            'gtCoarse_daytime_trainvaltest/test/night',
            '_leftImg8bit.png',
            '_gtCoarse_labelTrainIds.png',
            50,
        )
    ],
}
"""Parts of each set, in the layout of its authors' archives and with their numbers."""


def parts_of(name: str, data_root: str | os.PathLike[str], own: bool = False) -> list[Part]:
    """The parts to look at: those whose pictures are there, and all that have labels.

    Parts without labels, which no config trains on or measures with, often are an archive of their own and may be
    absent.

    Args:
        name: Key of :data:`PARTS`.
        data_root: Folder of the set.
        own: Data of one's own in the layout of this set, which need not have all parts with labels either.
    """
    parts = PARTS[name]
    there = [part for part in parts if (Path(data_root) / part.pictures).is_dir()]
    if own and there:
        return there
    return [part for part in parts if part in there or part.labels is not None]


class Files(NamedTuple):
    """The files of a part; pictures and label maps by the path without ending that partners share."""

    pictures: dict[str, Path]
    labels: dict[str, Path]
    references: int

    def pairs(self) -> list[tuple[Path, Path]]:
        """Pictures and label maps of one name."""
        return [
            (file, self.labels[name]) for name, file in self.pictures.items() if name in self.labels
        ]


def find_files(part: Part, data_root: str | os.PathLike[str]) -> Files:
    """Find a part's files. Pictures of reference (the same place by day) are counted and left out.

    Raises:
        FileNotFoundError: There are no pictures, or no folder of label maps where the part has one.
    """
    folder = Path(data_root) / part.pictures
    pictures = _by_name(folder, part.picture_suffix, but=part.reference_suffix)
    if not pictures:
        raise FileNotFoundError(
            f'No picture below `{folder}` ends in `{part.picture_suffix}`: name the folder that holds '
            f'`{part.pictures.split("/")[0]}`, or unpack the archive of pictures there.'
        )
    references: set[Path] = set()
    if part.reference_suffix is not None:
        for place in filter(None, (part.pictures, part.references)):
            references |= set(_by_name(Path(data_root) / place, part.reference_suffix).values())
    labels: dict[str, Path] = {}
    if part.labels is not None:
        folder = Path(data_root) / part.labels
        if not folder.is_dir():
            raise FileNotFoundError(
                f'The folder of label maps `{folder}` is not there: unpack the archive of labels beside '
                'that of pictures.'
            )
        labels = _by_name(folder, part.label_suffix)
    return Files(pictures, labels, len(references))


def _by_name(folder: Path, suffix: str, but: str | None = None) -> dict[str, Path]:
    """Files below a folder that end so, by relative path without the ending; hidden ones are left out."""
    return {
        path.relative_to(folder).as_posix().removesuffix(suffix): path
        for path in sorted(folder.rglob(f'*{suffix}'))
        if not path.name.startswith('.') and (but is None or not path.name.endswith(but))
    }


class Problem(NamedTuple):
    """A kind of problem, for counting, and one of its cases in a sentence without its full stop."""

    kind: str
    text: str


class Finding(NamedTuple):
    """What a check found: a line about the part, its problems, and its pictures, which still may be damaged inside."""

    summary: str
    problems: list[Problem]
    pictures: list[Path]


def check_part(
    part: Part, data_root: str | os.PathLike[str], official: bool = True, decode: bool = False
) -> Finding:
    """Look at a part: numbers, partners, sizes, channels and, if asked for, ids.

    Args:
        part: One of :func:`parts_of`.
        data_root: Folder of the set.
        official: Whether to compare the number of pictures with the official one.
        decode: Also decode the label maps, for their ids; else their headers alone are read.

    Raises:
        FileNotFoundError: The part has no pictures, or no folder of label maps.
    """
    files = find_files(part, data_root)
    summary = f'{len(files.pictures)} pictures'
    problems = []
    if official and len(files.pictures) != part.count:
        problems.append(
            Problem('number', f'{len(files.pictures)} pictures instead of {part.count}')
        )
    if part.labels is None:
        summary += ', label maps not looked for'
    else:
        summary += f', {len(files.labels)} label maps'
        problems += _label_problems(part, Path(data_root), files, decode)
    if files.references:
        summary += f', {files.references} reference pictures'
    return Finding(summary, problems, list(files.pictures.values()))


def _label_problems(part: Part, root: Path, files: Files, decode: bool) -> Iterator[Problem]:
    for name, picture in tqdm(files.pictures.items(), 'labels', unit='file', leave=False):
        # one that was not found is given a path, for the message
        label = files.labels.get(name, root / part.labels / f'{name}{part.label_suffix}')
        text = label_problem(picture, label)
        if text is not None:
            yield Problem('no label map' if name not in files.labels else 'unusable', text)
        elif decode:
            try:
                check_ids(read_label_map(label), CLASSES, IGNORED, label)
            except LabelMapError as error:
                yield Problem('unusable', str(error).removesuffix('.'))
    for name, label in files.labels.items():
        if name not in files.pictures:
            yield Problem(
                'no picture',
                f'the label map `{label}` has no picture `{name}{part.picture_suffix}`: unpack the '
                'archive of pictures, or delete it',
            )


def listed(problems: list[Problem], limit: int | None) -> Iterator[str]:
    """The problems by kind.

    Args:
        problems: What was found.
        limit: How many of each kind, None for all.
    """
    for kind in dict.fromkeys(problem.kind for problem in problems):
        texts = [problem.text for problem in problems if problem.kind == kind]
        yield from texts[:limit]
        if limit is not None and len(texts) > limit:
            yield f'{kind}: {len(texts) - limit} more (`--all` names them)'
