"""Write label maps of train ids beside those of Cityscapes' label ids.

Example:
    python tools/dataset_converters/label_ids_to_train_ids.py data/cityscapes/gtFine
    python tools/dataset_converters/label_ids_to_train_ids.py data/NightCity/NightCity-label --workers 8

Every file below the folder whose name ends in `_labelIds.png` gets a partner that ends in `_labelTrainIds.png`: of the
34 ids the 19 that are trained on become 0 to 18, the others 255. Files that are there already stay, so that an
interrupted run goes on where it stopped. Files that cannot be mapped are named and get no partner; the exit status
then is 1.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from llv.utils.arguments import count
from llv.utils.errors import friendly_errors
from llv.utils.label_maps import (
    LABEL_IDS,
    LabelMapError,
    read_label_map,
    to_train_ids,
    unknown_ids,
    write_label_map,
)

IDS = LABEL_IDS[-1] + 1


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'data_root',
        type=Path,
        metavar='DIR',
        help='folder of label maps, searched with its subfolders',
    )
    parser.add_argument(
        '--in-suffix',
        default='_labelIds.png',
        metavar='TEXT',
        help='end of the names to read (default: %(default)s)',
    )
    parser.add_argument(
        '--out-suffix',
        default='_labelTrainIds.png',
        metavar='TEXT',
        help='end of the names to write (default: %(default)s)',
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='write files anew that are there already'
    )
    parser.add_argument(
        '--workers',
        type=count,
        default=1,
        metavar='N',
        help='files at a time (default: %(default)s)',
    )
    args = parser.parse_args()
    if args.in_suffix == args.out_suffix:
        parser.error('`--in-suffix` and `--out-suffix` are equal: label maps would be written over')
    if not args.out_suffix.lower().endswith('.png'):
        parser.error('`--out-suffix` ends in `.png`, for other formats change the ids')
    return args


def find_jobs(root: Path, suffix: str, out_suffix: str) -> list[tuple[Path, Path]]:
    """Label maps and their partners to be.

    Raises:
        FileNotFoundError: There is no such folder, or no file in it ends so.
    """
    if not root.is_dir():
        raise FileNotFoundError(f'The folder `{root}` is not there: check the path.')
    names = [path for path in sorted(root.rglob('*')) if not path.name.startswith('.')]
    # a short suffix such as `.png` fits what an earlier run wrote, too
    written = out_suffix if out_suffix.endswith(suffix) else None
    jobs = [
        (path, path.with_name(path.name.removesuffix(suffix) + out_suffix))
        for path in names
        if path.name.endswith(suffix) and not (written and path.name.endswith(written))
    ]
    if not jobs:
        ready = sum(path.name.endswith(out_suffix) for path in names)
        there = f', though {ready} end in `{out_suffix}` already' if ready else ''
        raise FileNotFoundError(
            f'No file below `{root}` ends in `{suffix}`{there}: name the folder of label maps, or '
            'their ending with `--in-suffix`.'
        )
    return jobs


def convert(source: Path, target: Path) -> set[int]:
    """Write one file; the ids that were in it.

    Raises:
        LabelMapError: It cannot be read, or holds ids that Cityscapes has not.
    """
    label_map = read_label_map(source)
    unknown = unknown_ids(label_map, IDS)
    if unknown:
        raise LabelMapError(
            f'The label map `{source}` has the ids {", ".join(map(str, unknown[:10]))}, which are no '
            f'label ids of Cityscapes (0 to {IDS - 1}): take the files of label ids.'
        )
    write_label_map(target, to_train_ids(label_map))
    return set(np.flatnonzero(np.bincount(label_map.ravel())).tolist())


def convert_all(jobs: list[tuple[Path, Path]], workers: int) -> Iterator[set[int] | LabelMapError]:
    """The ids of each file, or why it was not written."""

    def attempt(job: tuple[Path, Path]) -> set[int] | LabelMapError:
        try:
            return convert(*job)
        except LabelMapError as error:
            return error

    # threads, because decoding and encoding leave Python's lock
    with ThreadPoolExecutor(workers) as pool:
        yield from tqdm(pool.map(attempt, jobs), total=len(jobs), unit='file')


def main() -> int:
    """Convert, and name what could not be; the exit code."""
    args = parse_args()
    every = find_jobs(args.data_root, args.in_suffix, args.out_suffix)
    jobs = [job for job in every if args.overwrite or not os.path.lexists(job[1])]
    results = list(convert_all(jobs, args.workers))
    refused = [result for result in results if isinstance(result, LabelMapError)]
    ids = set().union(*(result for result in results if isinstance(result, set)))
    print(
        f'{args.data_root}: {len(jobs) - len(refused)} written, {len(every) - len(jobs)} were there '
        f'already, {len(refused)} refused'
    )
    for error in refused:
        print(f'  {error}')
    looks_converted = 255 in ids and not any(19 <= value < IDS for value in ids)
    if looks_converted:
        print(
            f'  The files that end in `{args.in_suffix}` look like train ids already (255, and nothing '
            f'from 19 to {IDS - 1}): if they are, delete what was written and use them.'
        )
    return 1 if refused or looks_converted else 0


if __name__ == '__main__':
    with friendly_errors():
        sys.exit(main())
