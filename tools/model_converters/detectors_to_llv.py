"""Turn the published file of a face detector into a checkpoint of llv.

Example:
    python tools/model_converters/detectors_to_llv.py s3fd.pth --out s3fd_wider.pth
    python tools/model_converters/detectors_to_llv.py dsfd.pth --kind dsfd-release --out dsfd_r152_wider.pth

The tensors keep their values and get llv's names; the checkpoint serves as `load_from` of a config, and as the
checkpoint of `tools/test.py`. What it prints as `detector` is the model it belongs to, and `meta` keeps the sha256 of
the source. The dilation of fc6 leaves no trace in a file: a model of 1 or 6 needs `model.fc6_dilation` set by hand.
Whether a file may be passed on is a matter of its licence: the weights of the DSFD release are for academic
research only, so convert your own copy.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from llv.apis.convert_detectors import DETECTORS, convert_detector_file
from llv.utils.arguments import new_file
from llv.utils.errors import friendly_errors


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('official', type=Path, metavar='FILE', help='the published file')
    parser.add_argument(
        '--kind', choices=DETECTORS, help='of detector (default: found out from the file)'
    )
    parser.add_argument('--out', required=True, type=new_file, metavar='FILE', help='file to write')
    return parser.parse_args()


def main() -> None:
    """Convert and say what was found."""
    with friendly_errors():
        args = parse_args()
        meta = convert_detector_file(args.official, args.out, args.kind)
    for key, value in meta.items():
        print(f'{key:12s} {value}')
    print(f'{args.out} written; use it as `load_from` of a config.')


if __name__ == '__main__':
    main()
