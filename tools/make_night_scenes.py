"""Write a folder of synthetic night scenes (COCO boxes, label maps, day-night pairs).

Example:
    python tools/make_night_scenes.py data/night_scenes --splits train=1500 val=300 unlabelled=1000
"""

import argparse
import os
import sys

from llv.datasets.night_scenes import write_night_scenes


def split_count(text: str) -> tuple[str, int]:
    name, _, count = text.partition('=')
    if not name.isidentifier() or not count.isdigit() or int(count) < 1:
        raise argparse.ArgumentTypeError(
            f'`{text}` is not of the form NAME=COUNT, for example train=1500'
        )
    return name, int(count)


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
        default=[('train', 1500), ('val', 300)],
        help='splits and their numbers of scenes (default: train=1500 val=300)',
    )
    parser.add_argument(
        '--size',
        nargs=2,
        type=int,
        metavar=('HEIGHT', 'WIDTH'),
        default=(192, 192),
        help='picture size in pixels (default: 192 192)',
    )
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--mode',
        choices=('local', 'uniform'),
        default='local',
        help='local: lamps, exposure, colour vary; uniform: one dim light',
    )
    parser.add_argument(
        '--workers', type=int, default=os.cpu_count() or 1, help='processes (default: all cores)'
    )
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    names = [name for name, _ in args.splits]
    if len(set(names)) < len(names):
        print(f'`--splits` names a split twice: {" ".join(names)}.', file=sys.stderr)
        return 1
    try:
        outcome = write_night_scenes(
            args.root,
            dict(args.splits),
            size=tuple(args.size),
            seed=args.seed,
            mode=args.mode,
            workers=args.workers,
        )
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f'{args.root}: {outcome}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
