"""Light pictures and videos: files, folders and globs in, enhanced ones out.

Example:
    python tools/enhance.py night.jpg --out lit
    python tools/enhance.py night.jpg 'walk/*.png' --enhancer ruas --weights lol.pt --out lit
    python tools/enhance.py walk.mp4 --temporal-smoothing 0.5 --out lit
    python tools/enhance.py night.jpg --compare psenet-night-scenes ruas-night-scenes clahe --out sheets

Without `--enhancer` the weights that come with llv are used (`psenet-night-scenes`). docs/enhance.md says more.

Names stay as they are relative to the given folder, or to the fixed part of the given glob.
What cannot be read or written is named with the reason, the others go on. Exit status: 0
all done, 1 some skipped or damaged, 2 nothing done because of a wrong argument.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from llv.apis import enhance, init_enhancer
from llv.apis.folders import check_writable, collect_pictures, plan_targets
from llv.apis.inference import check_finite, light
from llv.apis.large import OutOfMemory, check_tile, memory_advice, ran_out_of_memory
from llv.apis.sheets import comparison_sheet, find_reference, init_enhancers
from llv.apis.temporal import SteadyLight
from llv.apis.video import CRF, VIDEO_SUFFIXES, enhance_video
from llv.utils.arguments import count, new_folder, not_negative
from llv.utils.config import KeyValueAction
from llv.utils.errors import friendly_errors
from llv.utils.pictures import PHOTOGRAPH_SUFFIXES, PictureError, read_photograph, write_picture

DEFAULT = 'psenet-night-scenes'  # comes with llv, so that nothing needs to be fetched
# what belongs to one enhancer, or to its results alone
ALONE = ('enhancer', 'weights', 'options', 'side_by_side', 'tile', 'temporal_smoothing')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'inputs', nargs='+', metavar='INPUT', help='picture, video, folder or quoted glob'
    )
    parser.add_argument(
        '--enhancer',
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
    parser.add_argument(
        '--out', required=True, type=new_folder, metavar='DIR', help='folder to write to'
    )
    parser.add_argument(
        '--device',
        default='cpu',
        metavar='DEVICE',
        help='such as `cuda:0` (default: %(default)s)',
    )
    parser.add_argument(
        '-r', '--recursive', action='store_true', help='also take the folders inside given folders'
    )
    parser.add_argument(
        '--suffix',
        metavar='TEXT',
        help='added to the names before the dot (default: none, `_compared` for sheets)',
    )
    parser.add_argument(
        '--side-by-side', action='store_true', help='write the input on the left of the result'
    )
    parser.add_argument(
        '--tile',
        type=count,
        metavar='PIXELS',
        help='light large pictures in tiles of this side, which saves memory and changes nothing; for '
        'enhancers that see a finite number of pixels',
    )
    videos = parser.add_argument_group('videos')
    videos.add_argument(
        '--temporal-smoothing',
        type=not_negative,
        default=0.0,
        metavar='SECONDS',
        help='time constant of the average of maps and exposure over the frames, for enhancers that predict maps; '
        '0, the default, lights every frame by itself',
    )
    videos.add_argument(
        '--crf',
        type=float,
        default=CRF,
        metavar='NUMBER',
        help='quality of H.264 from 0 (without loss) to 51 (worst) (default: %(default)s)',
    )
    sheets = parser.add_argument_group(
        'comparison sheets, one for each picture, instead of results'
    )
    sheets.add_argument(
        '--compare',
        nargs='+',
        action='extend',
        metavar='NAME_OR_CONFIG',
        help='names of enhancers or of published weights, or config files',
    )
    sheets.add_argument(
        '--references',
        type=Path,
        metavar='DIR',
        help='folder of well-lit partners of the same names: shown too, with the PSNR of each result',
    )
    args = parser.parse_args()
    if args.compare:
        for key in ALONE:
            if getattr(args, key):
                option = key.replace('_', '-')
                parser.error(f'`--{option}` does not go with `--compare`: leave one of them out')
    elif args.references:
        parser.error('`--references` needs `--compare`: it is the sheets that show them')
    if args.weights and not args.enhancer:
        parser.error('`--weights` needs `--enhancer`: say whose weights they are')
    if args.tile is not None and args.temporal_smoothing:
        parser.error('`--temporal-smoothing` keeps maps of whole frames: leave `--tile` out')
    if not 0 <= args.crf <= 51:
        parser.error('`--crf` must be from 0 to 51')
    for key in ('enhancer', 'weights', 'device'):
        if key in args.options:
            parser.error(f'`{key}` has an argument of its own: give it as `--{key}`')
    return args


def main() -> int:
    """Run the tool; returns the exit status."""
    args = parse_args()
    started = time.monotonic()
    taken = PHOTOGRAPH_SUFFIXES if args.compare else PHOTOGRAPH_SUFFIXES | VIDEO_SUFFIXES
    sources, absent = collect_pictures(args.inputs, args.recursive, args.out, taken)
    suffix = args.suffix if args.suffix is not None else '_compared' if args.compare else ''
    targets = plan_targets(sources, args.out, suffix)
    work = compare_with(args, sources) if args.compare else light_with(args)
    check_writable(args.out)

    say = lambda kind, text: tqdm.write(f'{kind}: {text}', file=sys.stderr)  # noqa: E731
    for reason in absent:
        say('skipped', reason)
    written = dict(picture=0, video=0, sheet=0)
    skipped, damaged = len(absent), 0
    for source, target in tqdm(targets.items(), unit='file', dynamic_ncols=True):
        try:
            kind, damage = work(source, target, say)
        except PictureError as error:
            skipped += 1
            say('skipped', error)
        except OutOfMemory as error:
            skipped += 1
            say('skipped', f'`{source}` {error}')
        except (RuntimeError, MemoryError) as error:
            if not ran_out_of_memory(error):
                raise
            skipped += 1
            say('skipped', f'`{source}` needs more memory than there is; shrink it.')
        else:
            written[kind] += 1
            if damage is not None:
                damaged += 1
                say('damaged', damage)
    parts = [f'{n} {kind}{"s" * (n != 1)}' for kind, n in written.items() if n] or ['0 pictures']
    print(
        f'{" and ".join(parts)} written to {args.out}, {skipped} skipped, '
        + f'{damaged} damaged, ' * bool(damaged)
        + f'in {time.monotonic() - started:.1f} s, peak memory {peak_memory(args.device)}.'
    )
    return 1 if skipped or damaged else 0


Say = Callable[[str, object], None]
Work = Callable[[Path, Path, Say], tuple[str, str | None]]


def light_with(args: argparse.Namespace) -> Work:
    """What lights one file: from source and target to what it was and what is damaged in it."""
    module = init_enhancer(args.enhancer or DEFAULT, args.weights, args.device, **args.options)
    if args.tile is not None:
        check_tile(module, args.tile)
    if args.temporal_smoothing:
        SteadyLight(
            module, args.temporal_smoothing
        )  # refuses what it cannot smooth before the work

    def picture(source: Path, target: Path) -> None:
        dark = read_photograph(source)
        lit = enhance(module, dark, args.tile)
        if args.side_by_side:
            lit = beside(dark, lit)
        write_picture(target, lit)

    def video(source: Path, target: Path, say: Say) -> str | None:
        steady = SteadyLight(module, args.temporal_smoothing) if args.temporal_smoothing else None

        def frame(images: Tensor, seconds: float) -> Tensor:
            if steady is None:
                lit = light(module, images, args.tile)
            else:
                with memory_advice(module):
                    lit = steady(images, seconds)
                    check_finite(module, lit)
            if not args.side_by_side:
                return lit
            scale = lit.shape[2] // images.shape[2]
            larger = images.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
            return torch.cat([larger.to(lit.device), lit], dim=3)

        with tqdm(desc=source.name, unit='frame', leave=False, dynamic_ncols=True) as bar:

            def progress(done: int, expected: int | None) -> None:
                if bar.total != expected:
                    bar.total = expected
                    bar.refresh()  # also where all is done before the next look at the clock
                bar.update(done - bar.n)

            report = enhance_video(frame, source, target, args.crf, progress)
        for note in report.notes:
            say('note', note)
        return report.damage

    def work(source: Path, target: Path, say: Say) -> tuple[str, str | None]:
        if source.suffix.lower() in VIDEO_SUFFIXES:
            return 'video', video(source, target, say)
        return 'picture', picture(source, target)

    return work


def compare_with(args: argparse.Namespace, names: dict[Path, Path]) -> Work:
    """What makes a sheet of one picture."""
    modules = init_enhancers(args.compare, args.device)
    if args.references is not None and not args.references.is_dir():
        raise ValueError(
            f'The folder of references `{args.references}` is not there; check the path.'
        )

    def work(source: Path, target: Path, say: Say) -> tuple[str, str | None]:
        if source.suffix.lower() in VIDEO_SUFFIXES:
            raise PictureError(f'`{source}` is a video; sheets compare pictures, save one frame.')
        reference = None
        if args.references is not None:
            reference = find_reference(args.references, names[source])
        write_picture(target, comparison_sheet(modules, source, reference))
        return 'sheet', None

    return work


def beside(source: np.ndarray, lit: np.ndarray) -> np.ndarray:
    """Input and result next to each other, uint8; a smaller input is enlarged by repetition."""
    if source.dtype == np.uint16:
        source = np.rint(source / 257).astype(np.uint8)
    scale = lit.shape[0] // source.shape[0]
    return np.concatenate([source.repeat(scale, 0).repeat(scale, 1), lit], axis=1)


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
