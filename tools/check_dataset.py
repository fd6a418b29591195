"""Check that a data set is complete and sound.

Example:
    python tools/check_dataset.py lol_v1 data/LOL --check-sizes --decode
    python tools/check_dataset.py darkface data/DarkFace --decode
    python tools/check_dataset.py acdc data/ACDC --subsets night/train night/val --decode

Prints, for each subset, how many pictures there are and should be, and names everything that is missing or has no
partner. Of detection sets (darkface, exdark, fddb, wider_face) it also compares the number of boxes, and names with
file and line what readers mend or drop: boxes beyond the picture or without area, numbers that disagree, names that
come twice. Of segmentation sets (acdc, cityscapes, dark_zurich, night_city, nighttime_driving) it names label maps that
are in colour, of another size than their picture or, with `--decode`, hold ids that no class has. The exit code is 0 if
all is well and 1 if something was found.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from llv.datasets.enhancement import (
    FiveKDataset,
    LOLDataset,
    MSECDataset,
    PictureFolder,
    RELLISURDataset,
    SICEDataset,
    SICESequenceDataset,
)
from llv.datasets.enhancement.pairing import Part
from llv.datasets.enhancement.picture_set import PictureSet
from llv.datasets.enhancement.picture_size import shown_size
from llv.registry import DATASETS
from llv.utils.errors import friendly_errors
from llv.utils.pictures import PictureError, read_picture


class Subset(NamedTuple):
    """What is checked as one."""

    title: str
    kind: type[PictureSet]
    arguments: dict[str, Any]


def _subsets(kind: type[PictureSet], names: str, **arguments: Any) -> list[Subset]:
    return [Subset(name, kind, dict(subset=name, **arguments)) for name in names.split()]


SETS: dict[str, list[Subset]] = {
    'lol_v1': _subsets(LOLDataset, 'train test', version='v1'),
    'lol_v2_real': _subsets(LOLDataset, 'train test', version='v2-real'),
    'lol_v2_synthetic': _subsets(LOLDataset, 'train test', version='v2-synthetic'),
    'fivek': _subsets(FiveKDataset, 'train test'),
    'fivek_ruas': _subsets(FiveKDataset, 'train test', protocol='ruas'),
    'sice': _subsets(SICEDataset, 'trainval test'),
    'sice_part1': [Subset('part 1', SICESequenceDataset, dict(part=1))],
    'sice_part2': [Subset('part 2', SICESequenceDataset, dict(part=2))],
    'sice_zero_dce': [Subset('train', PictureFolder, dict(expected=2002))],
    'msec': _subsets(MSECDataset, 'train val')
    + [
        Subset(f'test, expert {expert.upper()}', MSECDataset, dict(subset='test', expert=expert))
        for expert in 'abcde'
    ],
    'rellisur': [
        Subset(f'{subset}, X{scale}', RELLISURDataset, dict(subset=subset, scale=scale))
        for subset in ('train', 'val', 'test')
        for scale in (1, 2, 4)
    ],
    'night_scenes_pairs': [
        Subset(
            name,
            PictureFolder,
            dict(data_prefix=dict(img=f'{name}/night', reference=f'{name}/day')),
        )
        for name in ('train', 'val')
    ],
}


DETECTION = ('darkface', 'exdark', 'fddb', 'wider_face')
SEGMENTATION = ('acdc', 'cityscapes', 'dark_zurich', 'night_city', 'nighttime_driving')
LIMIT = 10


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'name',
        choices=sorted([*SETS, *DETECTION, *SEGMENTATION]),
        metavar='NAME',
        help='data set: %(choices)s',
    )
    parser.add_argument('data_root', metavar='DIR', help='its folder')
    parser.add_argument(
        '--subsets',
        nargs='+',
        metavar='SUBSET',
        help='check these alone, such as `train` (default: all)',
    )
    parser.add_argument(
        '--check-sizes',
        action='store_true',
        help='compare the sizes of partners (segmentation: they always are)',
    )
    parser.add_argument(
        '--decode', action='store_true', help='decode every file to find damaged ones (slow)'
    )
    parser.add_argument(
        '--own',
        action='store_true',
        help="detection, segmentation: data of one's own in this format, without official numbers",
    )
    parser.add_argument(
        '--all',
        action='store_true',
        help=f'detection, segmentation: name everything, not {LIMIT} of each kind',
    )
    args = parser.parse_args()
    if args.name in DETECTION and args.check_sizes:
        parser.error(f'`--check-sizes` compares partners, and pictures of `{args.name}` have none')
    if args.name in SETS and (args.own or args.all):
        option = '--own' if args.own else '--all'
        parser.error(f'`{option}` is for detection and segmentation sets, not for `{args.name}`')
    return args


def files_of(part: Part) -> list[Path]:
    """Pictures and references, each once."""
    return [*part.pictures.values(), *(part.references or {}).values()]


def naming(what: str, names: list[str]) -> list[str]:
    """One problem for each name, or none."""
    return [f'{what}: {name}' for name in names]


def problems_of(dataset: PictureSet, parts: list[Part]) -> Iterator[str]:
    """What is wrong with the names and numbers of a data set."""
    for unit, found, expected in dataset.counts(parts):
        if expected is not None and found != expected:
            yield f'{found} {unit} instead of {expected}'
    for part in parts:
        yield from naming(f'not in {part.picture_folder}', part.absent)
        yield from naming(f'no reference in {part.reference_folder}', part.without_reference)
        yield from naming(f'no picture in {part.picture_folder}', part.without_picture)
        if part.look_alikes():
            yield f'perhaps partners: {part.look_alikes()}'


def other_sizes(part: Part, scale: int) -> Iterator[str]:
    """Partners whose pictures, shown upright, differ in width or height, where references are `scale` times as large;
    files without a readable header are left to `damaged`."""
    known: dict[Path, tuple[int, int] | None] = {}
    for name, picture in tqdm(part.pictures.items(), 'sizes', unit='picture', leave=False):
        reference = (part.references or {}).get(part.partner(name))
        if reference is None:
            continue
        for path in (picture, reference):
            if path not in known:
                known[path] = shown_size(path)
        first, second = known[picture], known[reference]
        if first and second and second != tuple(scale * side for side in first):
            yield (
                f'sizes differ{f", not by {scale}" if scale > 1 else ""}: {picture} is '
                f'{first[0]}x{first[1]}, {reference} {second[0]}x{second[1]}'
            )


def damaged(files: list[Path], whole: bool) -> Iterator[str]:
    """Files that do not decode: as a whole, or their headers alone."""
    for path in tqdm(files, 'decode', unit='file', leave=False):
        if not whole and shown_size(path) is not None:
            continue
        try:
            read_picture(path)
        except PictureError as error:
            yield str(error)


def main() -> int:
    """Check and print; the exit status."""
    args = parse_args()
    if not Path(args.data_root).is_dir():
        raise FileNotFoundError(f'The folder `{args.data_root}` is not there; check the path.')
    if args.name in DETECTION:
        total = check_detection(args)
    elif args.name in SEGMENTATION:
        total = check_segmentation(args)
    else:
        total = check_pictures(args)
    if total is None:
        return 2
    print('complete' if total == 0 else f'{total} problem{"s" * (total != 1)} found')
    return 1 if total else 0


def chosen(args: argparse.Namespace, subsets: list) -> list | None:
    """The subsets asked for, or None after an error message."""
    if not args.subsets:
        return subsets
    unknown = set(args.subsets) - {subset.title for subset in subsets}
    if unknown:
        known = ', '.join(f'`{subset.title}`' for subset in subsets)
        print(
            f'error: `--subsets` {", ".join(sorted(unknown))}: `{args.name}` has {known}.',
            file=sys.stderr,
        )
        return None
    return [subset for subset in subsets if subset.title in args.subsets]


def check_detection(args: argparse.Namespace) -> int | None:
    """Check a detection set; the number of problems, None if an argument is wrong."""
    DATASETS.get('DarkFaceDataset')  # without mmdet it says what is missing
    from llv.datasets.detection.checks import PARTS, check_part, listed_repairs, own_parts

    every = own_parts(args.name, args.data_root) if args.own and not args.subsets else None
    parts = chosen(args, every or PARTS[args.name])
    if parts is None:
        return None
    total = 0
    seen: set[tuple[str, ...]] = set()  # one superfluous file is noted in every subset
    for part in parts:
        try:
            found = check_part(args.name, part, args.data_root, official=not args.own)
        except (FileNotFoundError, ValueError) as error:
            print(f'{part.title}:\n  {error}')
            total += 1
            continue
        print(f'{part.title}: {found.summary}')
        repairs = [repair for repair in found.repairs if repair not in seen]
        seen.update(repairs)
        problems = found.problems + (list(damaged(found.files, whole=True)) if args.decode else [])
        for line in [*problems, *listed_repairs(repairs, None if args.all else LIMIT)]:
            print(f'  {line}')
        total += len(problems) + len(repairs)
    return total


def check_segmentation(args: argparse.Namespace) -> int | None:
    """Check a segmentation set; the number of problems, None if an argument is wrong."""
    DATASETS.get('ACDCDataset')  # without mmseg it says what is missing
    from llv.datasets.segmentation.checks import PARTS, Problem, check_part, listed, parts_of

    every = PARTS[args.name] if args.subsets else parts_of(args.name, args.data_root, args.own)
    parts = chosen(args, every)
    if parts is None:
        return None
    total = 0
    for part in parts:
        try:
            found = check_part(part, args.data_root, official=not args.own, decode=args.decode)
        except FileNotFoundError as error:
            print(f'{part.title}:\n  {error}')
            total += 1
            continue
        print(f'{part.title}: {found.summary}')
        bad = damaged(found.pictures, whole=True) if args.decode else ()
        problems = found.problems + [Problem('damaged', text) for text in bad]
        for line in listed(problems, None if args.all else LIMIT):
            print(f'  {line}')
        total += len(problems)
    return total


def check_pictures(args: argparse.Namespace) -> int | None:
    """Check a set of pictures and references; the number of problems, None if an argument is wrong."""
    subsets = chosen(args, SETS[args.name])
    if subsets is None:
        return None
    total = 0
    seen: set[Path] = set()
    for title, kind, arguments in subsets:
        try:
            dataset = kind(data_root=args.data_root, lazy_init=True, **arguments)
            parts = dataset.parts()
        except (FileNotFoundError, ValueError) as error:
            print(f'{title}:\n  {error}')
            total += 1
            continue
        pairs = sum(len(part.pictures) - len(part.without_reference) for part in parts)
        kinds = 'pictures' if all(part.references is None for part in parts) else 'pairs'
        print(f'{title}: {pairs} {kinds}')
        problems = list(problems_of(dataset, parts))
        if args.check_sizes:
            problems += [
                problem
                for part in parts
                for problem in other_sizes(part, arguments.get('scale', 1))
            ]
        files = {path: None for part in parts for path in files_of(part) if path not in seen}
        seen.update(files)
        problems += (
            damaged(list(files), whole=args.decode) if args.check_sizes or args.decode else []
        )
        for problem in problems:
            print(f'  {problem}')
        total += len(problems)
    return total


if __name__ == '__main__':
    with friendly_errors():
        sys.exit(main())
