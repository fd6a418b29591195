"""Light pictures: files, folders and globs in, enhanced pictures out.

Example:
    python tools/enhance.py night.jpg --out lit
    python tools/enhance.py night.jpg 'walk/*.png' --enhancer ruas --weights lol.pt --out lit

Without `--enhancer` the weights that come with llv are used (`psenet-night-scenes`).

Names stay as they are relative to the given folder, or to the fixed part of the given glob.
Pictures that cannot be read or written are named with the reason, the others go on. Exit status: 0
all done, 1 some skipped, 2 nothing done because of a wrong argument.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from llv.apis import enhance, init_enhancer
from llv.apis.folders import check_writable, collect_pictures, plan_targets
from llv.utils.config import KeyValueAction
from llv.utils.errors import friendly_errors
from llv.utils.pictures import PictureError, read_picture, write_picture

DEFAULT = 'psenet-night-scenes'  # comes with llv, so that nothing needs to be fetched


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='picture, folder or quoted glob')
    parser.add_argument(
        '--enhancer',
        default=DEFAULT,
        metavar='NAME_OR_CONFIG',
        help='enhancer such as `ruas`, published weights such as `psenet-sice`, or a config file that '
        f'holds an enhancer (default: {DEFAULT})',
    )
    parser.add_argument(
        '--weights',
        metavar='FILE',
        help='weight file of the enhancer, or name of published weights',
    )
    parser.add_argument(
        '--options',
        nargs='+',
        action=KeyValueAction,
        default={},
        metavar='KEY=VALUE',
        help='arguments of the enhancer',
    )
    parser.add_argument('--out', required=True, type=Path, metavar='DIR', help='folder to write to')
    parser.add_argument('--device', default='cpu', help='such as `cuda:0` (default: cpu)')
    parser.add_argument(
        '-r', '--recursive', action='store_true', help='also take the folders inside given folders'
    )
    parser.add_argument('--suffix', default='', help='added to the names before the dot')
    parser.add_argument(
        '--side-by-side', action='store_true', help='write the input on the left of the result'
    )
    args = parser.parse_args()
    if args.weights and args.enhancer == DEFAULT:
        parser.error('`--weights` needs `--enhancer`: say whose weights they are')
    for key in ('enhancer', 'weights', 'device'):
        if key in args.options:
            parser.error(f'`{key}` has an argument of its own: give it as `--{key}`')
    return args


def main() -> int:
    """Run the tool; returns the exit status."""
    args = parse_args()
    started = time.monotonic()
    pictures, absent = collect_pictures(args.inputs, args.recursive, args.out)
    targets = plan_targets(pictures, args.out, args.suffix)
    module = init_enhancer(args.enhancer, args.weights, args.device, **args.options)
    check_writable(args.out)

    skipped = len(absent)
    for reason in absent:
        print(f'skipped: {reason}', file=sys.stderr)
    for source, target in tqdm(targets.items(), unit='picture', dynamic_ncols=True):
        try:
            lit = enhance(module, source)
            if args.side_by_side:
                lit = beside(read_picture(source), lit)
            write_picture(target, lit)
        except PictureError as error:
            skipped += 1
            tqdm.write(f'skipped: {error}', file=sys.stderr)
        except (RuntimeError, MemoryError) as error:
            if not ran_out_of_memory(error):
                raise
            skipped += 1
            tqdm.write(
                f'skipped: `{source}` needs more memory than `{args.device}` has free; shrink it '
                'or use another `--device`.',
                file=sys.stderr,
            )
    done = len(targets) + len(absent) - skipped
    print(
        f'{done} picture{"s" * (done != 1)} written to {args.out}, {skipped} skipped, '
        f'in {time.monotonic() - started:.1f} s, peak memory {peak_memory(args.device)}.'
    )
    return 1 if skipped else 0


def beside(source: np.ndarray, lit: np.ndarray) -> np.ndarray:
    """Input and result next to each other, uint8; a smaller input is enlarged by repetition."""
    if source.dtype == np.uint16:
        source = np.rint(source / 257).astype(np.uint8)
    scale = lit.shape[0] // source.shape[0]
    return np.concatenate([source.repeat(scale, 0).repeat(scale, 1), lit], axis=1)


def ran_out_of_memory(error: Exception) -> bool:
    """Also for the CPU, where torch raises a bare RuntimeError."""
    kinds = (torch.cuda.OutOfMemoryError, MemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in str(error)


def peak_memory(device: str) -> str:
    """Largest memory of this process so far, and on the accelerator."""
    unit = 1 if sys.platform == 'darwin' else 1024  # bytes there, KiB elsewhere
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
    if torch.device(device).type != 'cuda':
        return f'{host:.0f} MiB'
    return (
        f'{host:.0f} MiB and {torch.cuda.max_memory_allocated(device) / 2**20:.0f} MiB on the GPU'
    )


if __name__ == '__main__':
    with friendly_errors():
        sys.exit(main())
