"""Write an enhancer as an ONNX file, and check that the file computes the same.

Example:
    python tools/export_onnx.py --enhancer ruas --weights lol.pt --out ruas.onnx --check night.jpg 64x48

Input `images`: float32 (N, 3, H, W) RGB in [0, 1]. Output `enhanced`: the same, clamped. N, H and W are free; the
metadata of the file says the smallest H and W. Exit status: 0 the file is right, 1 it differs on a check, 2 nothing was
written because of a wrong argument or an enhancer that ONNX cannot hold.
"""

from __future__ import annotations

import argparse
import sys

import torch

from llv.apis import init_enhancer
from llv.apis.export import check_batches, compare_onnx, export_onnx
from llv.utils.arguments import new_file, not_negative
from llv.utils.config import KeyValueAction
from llv.utils.errors import friendly_errors


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--enhancer',
        required=True,
        metavar='NAME_OR_CONFIG',
        help='such as `ruas`, a Python file that defines one, or a config file that holds one',
    )
    parser.add_argument(
        '--weights',
        metavar='FILE',
        help='weight file, or name of published weights; random ones if left out',
    )
    parser.add_argument(
        '--options',
        nargs='+',
        action=KeyValueAction,
        default={},
        metavar='KEY=VALUE',
        help='arguments of the enhancer',
    )
    parser.add_argument('--out', required=True, type=new_file, metavar='FILE', help='file to write')
    parser.add_argument(
        '--check',
        nargs='*',
        default=[],
        metavar='PICTURE_OR_HxW',
        help='pictures, or sizes of random ones, to check beside the built-in sizes',
    )
    parser.add_argument(
        '--tolerance',
        type=not_negative,
        default=1e-4,
        metavar='DIFFERENCE',
        help='largest difference to PyTorch that passes (default: %(default)s; a grey level is 4e-3)',
    )
    return parser.parse_args()


def main() -> int:
    """Export and check; returns the exit status."""
    args = parse_args()
    torch.manual_seed(0)
    enhancer = init_enhancer(args.enhancer, args.weights, **args.options)
    # read before the export, which takes long: a wrong name is told at once
    batches = check_batches(args.check, enhancer.minimum_size)
    about = export_onnx(enhancer, args.out)
    differences = compare_onnx(enhancer, args.out, list(batches.values()))
    for name, difference in zip(batches, differences, strict=True):
        print(f'{name:24s} largest difference {difference:.1e}')
    for key, value in about.items():
        print(f'{key:24s} {value}')
    size = args.out.stat().st_size
    if max(differences) > args.tolerance:
        print(
            f'`{args.out}` differs from PyTorch by more than {args.tolerance:g}; do not use it.',
            file=sys.stderr,
        )
        return 1
    print(
        f'{args.out} written ({size / 1024:.0f} KiB), equal to PyTorch within {args.tolerance:g}.'
    )
    return 0


if __name__ == '__main__':
    with friendly_errors():
        sys.exit(main())
