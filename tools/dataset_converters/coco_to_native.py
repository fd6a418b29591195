"""Write a COCO JSON in the official format of DARK FACE, ExDark or WIDER FACE.

Example:
    python tools/dataset_converters/coco_to_native.py faces.json data/faces/images data/MyFaces \\
        --format darkface

It undoes detection_to_coco.py, and brings data of one's own into a format that the code of others reads. What the
format cannot hold is left out, counted and named.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from llv.datasets.detection.coco_json import Picture, read_coco
from llv.datasets.detection.native_writers import (
    Written,
    write_dark_face,
    write_exdark,
    write_wider_face,
)
from llv.datasets.detection.picture_files import HOW, put_picture
from llv.utils.arguments import new_folder
from llv.utils.errors import friendly_errors

SPLITS = dict(train=1, val=2, test=3)


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('json', metavar='FILE', help='annotations, COCO JSON')
    parser.add_argument(
        'images', type=Path, metavar='IMAGE_DIR', help='folder that its file names start from'
    )
    parser.add_argument('out', type=new_folder, metavar='OUT_DIR', help='folder to write')
    parser.add_argument(
        '--format',
        required=True,
        choices=('darkface', 'exdark', 'wider_face'),
        help='what to write',
    )
    parser.add_argument(
        '--pictures',
        choices=HOW,
        default='link',
        help='how pictures come to the new folder (default: %(default)s)',
    )
    parser.add_argument(
        '--category',
        metavar='NAME',
        help='darkface, wider_face: class to write (default: face, or the only one)',
    )
    parser.add_argument(
        '--subset',
        choices=('train', 'val'),
        default='train',
        help='wider_face: the one to write (default: %(default)s)',
    )
    exdark = parser.add_argument_group('exdark: of pictures for which the JSON does not say it')
    exdark.add_argument('--light', metavar='TYPE', help='type of light: Low, Ambient, ...')
    place = exdark.add_mutually_exclusive_group()
    place.add_argument(
        '--indoor', dest='indoor', action='store_true', default=None, help='taken in a room'
    )
    place.add_argument('--outdoor', dest='indoor', action='store_false', help='taken outside')
    exdark.add_argument('--split', choices=SPLITS, help='part of the official division')
    return parser.parse_args()


def convert(args: argparse.Namespace) -> Written:
    """Read the JSON and write the format asked for."""
    pictures = read_coco(args.json)

    def put(picture: Picture, target: Path) -> None:
        put_picture(args.images / picture.file_name, target, args.pictures)

    if args.format == 'darkface':
        return write_dark_face(pictures, args.out, put, args.category)
    if args.format == 'wider_face':
        return write_wider_face(pictures, args.out, put, args.subset, args.category)
    return write_exdark(pictures, args.out, put, args.light, args.indoor, SPLITS.get(args.split))


def main(limit: int = 20) -> None:
    """Convert, and name what was left out."""
    args = parse_args()
    written = convert(args)
    print(f'{args.out}: {written.pictures} pictures, {written.boxes} boxes')
    entries = written.repairs.entries
    for kind, where, text in entries[:limit]:
        print(f'  {kind}: {where}: {text}')
    if len(entries) > limit:
        print(f'  ... {len(entries)} left out in all')


if __name__ == '__main__':
    with friendly_errors():
        main()
