"""Put the nested folders of a segmentation set flat into rgb/{train,val} and labels/{train,val}.

Example:
    python tools/dataset_converters/flatten_segmentation.py acdc data/ACDC data/ACDC_night \\
        --subsets night/train night/val --label-folder new_gt_labelTrainIds

Read is the layout that `tools/check_dataset.py` checks; the example writes the folders that IAT was trained from. Names
stay as they are, pictures of reference are left out. Pictures without a label map, and label maps without a picture,
are named and left out too; the exit status then is 1.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import shutil
import sys
from pathlib import Path

from tqdm import tqdm

from llv.registry import DATASETS
from llv.utils.arguments import new_folder
from llv.utils.errors import friendly_errors

NAMES = ('acdc', 'cityscapes', 'dark_zurich', 'night_city', 'nighttime_driving')


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('name', choices=NAMES, metavar='NAME', help='data set: %(choices)s')
    parser.add_argument('data_root', metavar='DIR', help='its folder')
    parser.add_argument('out', type=new_folder, metavar='OUT_DIR', help='folder to write')
    parser.add_argument(
        '--subsets',
        nargs='+',
        metavar='SUBSET',
        help='take these: night/train, val, ... (default: all that have label maps)',
    )
    parser.add_argument(
        '--label-folder',
        default='labels',
        metavar='NAME',
        help='name of the folder of label maps (default: %(default)s)',
    )
    parser.add_argument(
        '--pictures',
        choices=('link', 'copy'),
        default='link',
        help='how pictures and label maps come to the new folder (default: %(default)s)',
    )
    return parser.parse_args()


def chosen(name: str, data_root: str, subsets: list[str] | None) -> list:
    """The parts to take.

    Raises:
        ValueError: There is no such part.
    """
    from llv.datasets.segmentation.checks import PARTS, parts_of

    if subsets is None:
        return [part for part in parts_of(name, data_root, own=True) if part.labels is not None]
    parts = {part.title: part for part in PARTS[name]}
    for subset in subsets:
        if subset not in parts:
            known = ', '.join(f'`{title}`' for title in parts)
            raise ValueError(f'`--subsets` {subset}: `{name}` has {known}.')
    return [parts[subset] for subset in dict.fromkeys(subsets)]


def add(plan: dict[Path, Path], source: Path, target: Path) -> None:
    """Note what goes where.

    Raises:
        ValueError: Two files of one name go to one folder.
    """
    other = plan.setdefault(target, source)
    if other != source:
        raise ValueError(
            f'`{source}` and `{other}` have one name and would come to one place: write them to '
            'different folders with `--subsets`.'
        )


def put(source: Path, target: Path, how: str) -> None:
    """Link or copy a file, unless it is there already.

    Raises:
        FileExistsError: Another file of this name is there.
    """
    if os.path.lexists(target):
        if target.exists() and (target.samefile(source) or filecmp.cmp(source, target)):
            return
        raise FileExistsError(
            f'`{target}` is there and is not `{source}`: choose another output folder, or empty it.'
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f'.{target.name}.part')
    part.unlink(missing_ok=True)
    if how == 'link':
        part.symlink_to(source.resolve())
    else:
        shutil.copy2(source, part)  # with its time, by which it is known again
    os.replace(part, target)


def main() -> int:
    """Flatten, and name what was left out; the exit code."""
    args = parse_args()
    DATASETS.get('ACDCDataset')  # without mmseg it says what is missing
    from llv.datasets.segmentation.checks import find_files

    plan: dict[Path, Path] = {}
    alone = []
    for part in chosen(args.name, args.data_root, args.subsets):
        files = find_files(part, args.data_root)
        for name, picture in files.pictures.items():
            if part.labels is not None and name not in files.labels:
                alone.append(picture)
                continue
            add(plan, picture, args.out / 'rgb' / part.split / picture.name)
            if part.labels is not None:
                label = files.labels[name]
                add(plan, label, args.out / args.label_folder / part.split / label.name)
        alone += [label for name, label in files.labels.items() if name not in files.pictures]
    for target, source in tqdm(plan.items(), unit='file'):
        put(source, target, args.pictures)
    pictures = sum(target.parent.parent.name == 'rgb' for target in plan)
    print(f'{args.out}: {pictures} pictures, {len(plan) - pictures} label maps')
    for path in alone:
        print(f'  left out, for it has no partner: {path}')
    return 1 if alone else 0


if __name__ == '__main__':
    with friendly_errors():
        sys.exit(main())
