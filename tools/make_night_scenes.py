"""Write a folder of synthetic night scenes (COCO boxes, label maps, day-night pairs), of faces, of exposures, or small
and dark with large day pictures.

Example:
    python tools/make_night_scenes.py data/night_scenes --splits train=1500 val=300 unlabelled=1000
    python tools/make_night_scenes.py data/night_faces --faces --size 192 --format darkface coco fddb
    python tools/make_night_scenes.py data/night_exposures --exposures sice --size 96
    python tools/make_night_scenes.py data/night_coupled --coupled
"""

import argparse
import os
import sys

from llv.datasets.night_scenes import (
    write_coupled_night_scenes,
    write_night_exposures,
    write_night_faces,
    write_night_scenes,
)
from llv.datasets.night_scenes.exposures import STEPS
from llv.datasets.night_scenes.face_writer import FORMATS
from llv.utils.arguments import count, new_folder, picture_size, whole_number
from llv.utils.errors import friendly_errors

SPLITS = [('train', 1500), ('val', 300)]
# the numbers of scenes that SICE has
EXPOSURE_SPLITS = [('train', 482), ('val', 30), ('test', 30)]
# the numbers of scenes that RELLISUR has
COUPLED_SPLITS = [('train', 722), ('val', 43), ('test', 85)]


def split_count(text: str) -> tuple[str, int]:
    name, _, count = text.partition('=')
    if not name.isidentifier() or not count.isdigit() or int(count) < 1:
        raise argparse.ArgumentTypeError(
            f'`{text}` is not of the form NAME=COUNT, for example train=1500'
        )
    return name, int(count)


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'out',
        type=new_folder,
        metavar='DIR',
        help='folder to write (an interrupted one is finished)',
    )
    parser.add_argument(
        '--splits',
        nargs='+',
        type=split_count,
        metavar='NAME=COUNT',
        help='splits and their numbers of scenes (default: train=1500 val=300; with --exposures '
        'train=482 val=30 test=30; with --coupled train=722 val=43 test=85)',
    )
    parser.add_argument(
        '--size',
        type=picture_size,
        metavar='HxW',
        help='height x width of the pictures, or one side of a square (default: 192; with --coupled, '
        'where the dark pictures have it, 96)',
    )
    parser.add_argument(
        '--seed',
        type=whole_number,
        default=0,
        metavar='SEED',
        help='of the scenes: the same one draws the same again (default: %(default)s)',
    )
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
        '--coupled',
        action='store_true',
        help='small and dark, and by day in one, two and four times the size, in the folders of RELLISUR',
    )
    parser.add_argument(
        '--format',
        nargs='+',
        choices=FORMATS,
        metavar='FORMAT',
        help=f'with --faces: any of {", ".join(FORMATS)} (default: darkface coco)',
    )
    parser.add_argument(
        '--workers',
        type=count,
        default=os.cpu_count() or 1,
        metavar='N',
        help='processes (default: as many as there are cores)',
    )
    args = parser.parse_args()
    if args.format and not args.faces:
        parser.error('`--format` chooses how faces are written: add `--faces`.')
    if args.exposures and (args.faces or args.mode):
        parser.error('`--exposures` takes neither `--faces` nor `--mode`: leave them out.')
    if args.coupled and (args.exposures or args.faces or args.mode):
        parser.error(
            '`--coupled` takes neither `--exposures` nor `--faces` nor `--mode`: leave them out.'
        )
    args.size = args.size or ((96, 96) if args.coupled else (192, 192))
    if args.coupled:
        args.splits = args.splits or COUPLED_SPLITS
    args.splits = args.splits or (EXPOSURE_SPLITS if args.exposures else SPLITS)
    names = [name for name, _ in args.splits]
    if len(set(names)) < len(names):
        parser.error(f'`--splits` names a split twice: {" ".join(names)}')
    return args


def main() -> None:
    """Write what was asked for."""
    args = parse_args()
    if args.coupled:
        write, kind = write_coupled_night_scenes, {}
    elif args.exposures:
        write, kind = write_night_exposures, dict(layout=args.exposures)
    else:
        write = write_night_faces if args.faces else write_night_scenes
        kind = dict(mode=args.mode or 'local')
    if args.format:
        kind['formats'] = args.format
    outcome = write(
        args.out,
        dict(args.splits),
        size=args.size,
        seed=args.seed,
        workers=args.workers,
        progress=sys.stderr.isatty(),
        **kind,
    )
    print(f'{args.out}: {outcome}')


if __name__ == '__main__':
    with friendly_errors():
        main()
