"""Make the low, mid and over folders that FECNet, ECLNet and ERL train on from the raw sequences of SICE.

Example:
    python tools/dataset_converters/sice_to_exposures.py data/SICE data/SICE_exposures --long-side 1200

Of n exposures, dark to bright, under is the second, over the second-last and the middle one, rounded up, the
reference. Scenes of the authors' training list go to train, those of their test list to test. The authors' resized
copy is unpublished, and so are its size and its numbering (it counts to 590, SICE has 589 sequences): choose both
here, and state them with your figures.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from llv.datasets.enhancement.pairing import PICTURE_SUFFIXES, listing
from llv.datasets.enhancement.sice_files import chosen_exposures, find_sequences, part_folder
from llv.datasets.splits import sice_numbers
from llv.utils.arguments import count, new_folder
from llv.utils.errors import friendly_errors
from llv.utils.pictures import read_picture, write_picture

FOLDERS = ('low', 'mid', 'over')


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'data_root', metavar='DIR', help='folder with Dataset_Part1 and Dataset_Part2'
    )
    parser.add_argument(
        'out',
        type=new_folder,
        metavar='OUT_DIR',
        help='folder to write {train,test}/{low,mid,over} into',
    )
    parser.add_argument(
        '--long-side',
        type=count,
        metavar='PIXELS',
        help='shrink pictures to this longer side and write PNG (default: copy the files)',
    )
    parser.add_argument(
        '--parts',
        type=int,
        nargs='+',
        choices=(1, 2),
        default=(1, 2),
        metavar='PART',
        help='of the data set, 1, 2 or both (default: 1 2)',
    )
    parser.add_argument(
        '--first-of-part2',
        type=count,
        default=361,
        metavar='NUMBER',
        help='that sequence 1 of part 2 gets (default: %(default)s, after the 360 of part 1)',
    )
    parser.add_argument(
        '--unlisted',
        choices=('skip', 'train'),
        default='skip',
        help='what to do with scenes that are on neither list of the authors (default: %(default)s)',
    )
    parser.add_argument(
        '--keep-short',
        action='store_true',
        help='also take sequences of 2 to 4 exposures, where two of the three are one file',
    )
    args = parser.parse_args()
    if args.first_of_part2 < 361:
        parser.error('`--first-of-part2` is at least 361: part 1 has the numbers 1 to 360')
    return args


def put(source: Path, folder: Path, scene: int, long_side: int | None) -> None:
    """Copy a picture, or write it shrunk; one that is there already stays."""
    if any((folder / f'{scene}{suffix}').exists() for suffix in _both_cases(PICTURE_SUFFIXES)):
        return
    folder.mkdir(parents=True, exist_ok=True)
    if long_side is None:
        part = folder / f'{scene}{source.suffix}.part'
        shutil.copyfile(source, part)
        part.replace(folder / f'{scene}{source.suffix}')
        return
    picture = read_picture(source)
    if picture.dtype == np.uint16:
        picture = np.rint(picture / 257).astype(np.uint8)
    height, width = picture.shape[:2]
    scale = long_side / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    write_picture(folder / f'{scene}.png', picture)


def _both_cases(suffixes: tuple[str, ...]) -> list[str]:
    return [*suffixes, *(suffix.upper() for suffix in suffixes)]


def main() -> None:
    """Convert, and name what was left out."""
    args = parse_args()
    halves = {number: 'train' for number in sice_numbers('trainval')}
    halves |= {number: 'test' for number in sice_numbers('test')}
    jobs, short, unlisted = [], [], []
    for part in args.parts:
        for name, files in find_sequences(part_folder(args.data_root, part)).items():
            scene = int(name) + (args.first_of_part2 - 1 if part == 2 else 0)
            half = halves.get(scene, 'train' if args.unlisted == 'train' else None)
            if half is None:
                unlisted.append(str(scene))
            elif len(files) < (2 if args.keep_short else 5):
                short.append(str(scene))
            else:
                jobs.append((scene, half, files))
    for scene, half, files in tqdm(jobs, unit='scene'):
        for folder, place in zip(FOLDERS, chosen_exposures(len(files)), strict=True):
            put(files[place - 1], args.out / half / folder, scene, args.long_side)
    written = [half for _, half, _ in jobs]
    print(f'{args.out}: {written.count("train")} scenes in train, {written.count("test")} in test.')
    if short:
        print(f'{len(short)} scenes left out for having too few exposures: {listing(short, 60)}.')
    if unlisted:
        print(
            f'{len(unlisted)} scenes left out for being on no list of the authors '
            f'(`--unlisted train` takes them): {listing(unlisted, 60)}.'
        )


if __name__ == '__main__':
    with friendly_errors():
        sys.exit(main())
