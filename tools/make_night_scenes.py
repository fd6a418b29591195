"""Write a folder of synthetic night scenes (COCO boxes, label maps, day-night pairs), of faces, or of exposures.

Examples:
    python tools/make_night_scenes.py data/night_scenes --splits train=1500 val=300 unlabelled=1000
    python tools/make_night_scenes.py data/night_faces --faces --size 192 --format darkface coco fddb
    python tools/make_night_scenes.py data/night_exposures --exposures sice --size 96
"""

import argparse
import os
import sys

from llv.datasets.night_scenes import (
    write_night_exposures,
    write_night_faces,
    write_night_scenes,
)
from llv.datasets.night_scenes.exposures import STEPS
from llv.datasets.night_scenes.face_writer import FORMATS

SPLITS = [('train', 1500), ('val', 300)]
# the numbers of scenes that SICE has
EXPOSURE_SPLITS = [('train', 482), ('val', 30), ('test', 30)]


def split_count(text: str) -> tuple[str, int]:
    name, _, count = text.partition('=')
    if not name.isidentifier() or not count.isdigit() or int(count) < 1:
        raise argparse.ArgumentTypeError(
            f'`{text}` is not of the form NAME=COUNT, for example train=1500'
        )
    return name, int(count)


def picture_size(sides: list[int]) -> tuple[int, int]:
    """(height, width) from one side of a square or from both."""
    if len(sides) > 2:
        raise ValueError(
            f'`--size` takes the side of a square, or height and width, not {len(sides)} numbers.'
        )
    return sides[0], sides[-1]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Write synthetic night scenes, each by day and by night.'
    )
    parser.add_argument('root', help='folder to write (an interrupted one is finished)')
    parser.add_argument(
        '--splits',
        nargs='+',
        type=split_count,
        metavar='NAME=COUNT',
        help='splits and their numbers of scenes (default: train=1500 val=300; with --exposures '
        'train=482 val=30 test=30)',
    )
    parser.add_argument(
        '--size',
        nargs='+',
        type=int,
        metavar='PIXELS',
        default=(192,),
        help='side of square pictures, or height and width (default: 192)',
    )
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--mode',
        choices=('local', 'uniform'),
        help='light at night; local (default): lamps, exposure, colour vary; uniform: one dim light',
    )
    parser.add_argument(
        '--faces', action='store_true', help='crowds with faces in place of objects of five classes'
    )
    parser.add_argument(
        '--exposures',
        choices=tuple(STEPS),
        help='by day alone, and photographed too dark and too bright, in the folders of this set',
    )
    parser.add_argument(
        '--format',
        nargs='+',
        choices=FORMATS,
        metavar='FORMAT',
        help=f'with --faces: any of {", ".join(FORMATS)} (default: darkface coco)',
    )
    parser.add_argument(
        '--workers', type=int, default=os.cpu_count() or 1, help='processes (default: all cores)'
    )
    args = parser.parse_args()
    if args.format and not args.faces:
        parser.error('`--format` chooses how faces are written: add `--faces`.')
    if args.exposures and (args.faces or args.mode):
        parser.error('`--exposures` takes neither `--faces` nor `--mode`: leave them out.')
    args.splits = args.splits or (EXPOSURE_SPLITS if args.exposures else SPLITS)
    return args


def main() -> int:
    args = parse_args()
    names = [name for name, _ in args.splits]
    if len(set(names)) < len(names):
        print(f'`--splits` names a split twice: {" ".join(names)}.', file=sys.stderr)
        return 1
    if args.exposures:
        write, kind = write_night_exposures, dict(layout=args.exposures)
    else:
        write = write_night_faces if args.faces else write_night_scenes
        kind = dict(mode=args.mode or 'local')
    if args.format:
        kind['formats'] = args.format
    try:
        outcome = write(
            args.root,
            dict(args.splits),
            size=picture_size(args.size),
            seed=args.seed,
            workers=args.workers,
            progress=sys.stderr.isatty(),
            **kind,
        )
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f'{args.root}: {outcome}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
