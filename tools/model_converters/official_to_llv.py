"""Turn a published weight file into a checkpoint of llv.

Example:
    python tools/model_converters/official_to_llv.py sice.pth --enhancer psenet --out psenet_sice.pth
    python tools/model_converters/official_to_llv.py lol.pt --enhancer ruas --options version=RUAS_A --out ruas_lol.pth

Official files load as they are with `weights=`; a checkpoint of llv opens without the rest of what they hold, has the
names of llv, and keeps in `meta` where it came from. It holds what the enhancer uses: for RUAS choose the `version`.
Whether it may be passed on is a matter of the licence of the file. A checkpoint of a training run with llv is cut down
to its enhancer in the same way; that is how the weights that come with llv were made.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from llv.apis.convert import convert_official
from llv.utils.arguments import new_file
from llv.utils.config import KeyValueAction
from llv.utils.errors import friendly_errors


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('official', type=Path, metavar='FILE', help='the published file')
    parser.add_argument(
        '--enhancer',
        metavar='NAME_OR_CONFIG',
        help='such as `psenet`; may be left out where the table of published weights knows the file',
    )
    parser.add_argument(
        '--licence', metavar='TEXT', help='of the file, where the table does not know it'
    )
    parser.add_argument('--out', required=True, type=new_file, metavar='FILE', help='file to write')
    parser.add_argument(
        '--options',
        nargs='+',
        action=KeyValueAction,
        default={},
        metavar='KEY=VALUE',
        help='arguments of the enhancer',
    )
    return parser.parse_args()


def main() -> None:
    """Convert and say what was found."""
    with friendly_errors():
        args = parse_args()
        meta = convert_official(
            args.official, args.out, args.enhancer, args.licence, **args.options
        )
    for key, value in meta.items():
        print(f'{key:12s} {value}')
    print(f'{args.out} written; use it with `weights={args.out}`.')


if __name__ == '__main__':
    main()
