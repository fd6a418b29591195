"""Write the annotations of DARK FACE, ExDark, FDDB or WIDER FACE as COCO JSON.

Example:
    python tools/dataset_converters/detection_to_coco.py exdark data/ExDark exdark_val.json \\
        --options protocol=exdark_official subset=val

llv's readers do the reading: boxes are clipped to the picture and those without area dropped. File names are relative
to the picture folder. ExDark's pictures keep ``light``, ``indoor``, ``folder`` and ``split``, FDDB's annotations
``ellipse`` (their boxes are those around the ellipses), WIDER FACE's ``invalid`` and ``attributes``. The exit
status is 0 only if no picture was skipped, else 1.
"""

from __future__ import annotations

import argparse
import sys

from llv.datasets.detection.coco_json import to_coco, write_json
from llv.datasets.detection.readers import READERS, open_dataset
from llv.utils.arguments import new_file
from llv.utils.config import KeyValueAction
from llv.utils.errors import friendly_errors


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'name', choices=sorted(READERS), metavar='NAME', help='data set: %(choices)s'
    )
    parser.add_argument('data_root', metavar='DIR', help='its folder')
    parser.add_argument('out', type=new_file, metavar='OUT_FILE', help='JSON file to write')
    parser.add_argument(
        '--options',
        nargs='+',
        action=KeyValueAction,
        default={},
        metavar='KEY=VALUE',
        help='further arguments of the reader: protocol=exdark_ruas subset=train,val light=Low '
        'split_file=mine.txt apply_exif=False and others',
    )
    parser.add_argument(
        '--missing',
        choices=['skip', 'raise'],
        default='skip',
        help='go on without pictures whose files are missing (named, exit status 1), or stop (default: %(default)s)',
    )
    return parser.parse_args()


def main() -> int:
    """Convert, and tell what was skipped; the exit code."""
    args = parse_args()
    dataset = open_dataset(args.name, args.data_root, missing=args.missing, **args.options)
    coco = to_coco(dataset, args.name)
    write_json(coco, args.out)
    print(f'{args.out}: {len(coco["images"])} pictures, {len(coco["annotations"])} boxes')
    skipped = dataset.repairs.counts['skipped']
    if skipped:
        print(f'{skipped} pictures skipped, named above')
    return 1 if skipped else 0


if __name__ == '__main__':
    with friendly_errors():
        sys.exit(main())
