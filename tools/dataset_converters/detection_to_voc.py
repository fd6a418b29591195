"""Write the annotations of DARK FACE, ExDark or WIDER FACE as the XML files of PASCAL VOC.

Example:
    python tools/dataset_converters/detection_to_voc.py darkface data/DarkFace data/DarkFaceVOC --list train \\
        --options protocol=darkface_ruas subset=train

Written are ``Annotations``, ``ImageSets/Main/<list>.txt`` and, as links or copies, ``JPEGImages/<name>.jpg``, as
mmdet's ``XMLDataset`` reads them: it takes one from every coordinate, so one is added to every coordinate. Decimals are
rounded, for VOC knows whole numbers only. FDDB's ellipses have no place in these files: it has COCO JSON alone. The
exit status is 0 only if no picture was skipped, else 1.
"""

from __future__ import annotations

import argparse
import sys

from llv.datasets.detection.picture_files import HOW
from llv.datasets.detection.readers import READERS, open_dataset
from llv.datasets.detection.voc_xml import write_voc
from llv.utils.arguments import new_folder
from llv.utils.config import KeyValueAction
from llv.utils.errors import friendly_errors


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'name',
        choices=sorted(set(READERS) - {'fddb'}),
        metavar='NAME',
        help='data set: %(choices)s',
    )
    parser.add_argument('data_root', metavar='DIR', help='its folder')
    parser.add_argument('out', type=new_folder, metavar='OUT_DIR', help='folder to write')
    parser.add_argument(
        '--list',
        default='all',
        metavar='NAME',
        help='name of the list of pictures: train, ... (default: %(default)s)',
    )
    parser.add_argument(
        '--pictures',
        choices=HOW,
        default='link',
        help='how pictures come to JPEGImages (default: %(default)s)',
    )
    parser.add_argument(
        '--options',
        nargs='+',
        action=KeyValueAction,
        default={},
        metavar='KEY=VALUE',
        help='further arguments of the reader: protocol=exdark_ruas subset=train,val and others',
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
    pictures, boxes = write_voc(dataset, args.out, args.list, args.pictures)
    print(f'{args.out}: {pictures} pictures, {boxes} boxes')
    skipped = dataset.repairs.counts['skipped']
    if skipped:
        print(f'{skipped} pictures skipped, named above')
    return 1 if skipped else 0


if __name__ == '__main__':
    with friendly_errors():
        sys.exit(main())
