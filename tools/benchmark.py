"""Run a matrix of enhancers, models, strategies and seeds from one YAML file, and report it.

Example:
    python tools/benchmark.py configs/night_scenes/label_efficiency/matrix.yml --workers 2
    python tools/benchmark.py demo/new_enhancer/widths.yml --report-only --write my_page.md

What is missing is trained or evaluated; an interrupted run goes on where it stopped when the command is given again.
Results are in `work_dirs/<folder>_<name>`, after the file: `index.html`, `results.md`, `results.csv`, `results.json`.
`llv/benchmark/matrix.py` shows what the file holds.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

# Threads of torch that spin while they wait take the time of the other worker. Read when torch is imported.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

from llv.utils.arguments import count, new_folder, whole_number
from llv.utils.errors import friendly_errors


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'matrix', type=Path, metavar='MATRIX', help='YAML file that lists what to train'
    )
    parser.add_argument(
        '--work-dir',
        type=new_folder,
        metavar='DIR',
        help='folder of runs and report (default: work_dirs/<folder>_<name>, after the file)',
    )
    parser.add_argument(
        '--workers',
        type=count,
        default=1,
        metavar='N',
        help='cells at a time (default: %(default)s)',
    )
    parser.add_argument(
        '--seeds',
        type=whole_number,
        nargs='+',
        metavar='SEED',
        help='in the place of those of the file',
    )
    parser.add_argument(
        '--report-only', action='store_true', help='write the report of what is there'
    )
    parser.add_argument(
        '--write',
        type=Path,
        metavar='PAGE',
        help='page with `<!-- begin MARK -->` and `<!-- end MARK -->` to fill',
    )
    parser.add_argument(
        '--mark',
        default='results',
        metavar='MARK',
        help='name of these marks (default: %(default)s)',
    )
    parser.add_argument('--no-pretrained', action='store_true', help='start from random weights')
    return parser.parse_args()


def main() -> int:
    """Run and report; returns the exit status."""
    args = parse_args()
    from llv.benchmark.cells import check_starts, plan_cells
    from llv.benchmark.matrix_file import read_matrix
    from llv.benchmark.report import results_text, write_report
    from llv.benchmark.workers import run_all
    from llv.engine.settings import RunOptions
    from llv.utils.markdown import around_markers, write_between_markers

    matrix = read_matrix(args.matrix, args.seeds)
    if args.write:  # before hours of training
        around_markers(args.write, args.mark)
    name = f'{args.matrix.resolve().parent.name}_{args.matrix.stem}'
    work_dir = args.work_dir or Path('work_dirs', name)
    options = RunOptions(
        no_pretrained=args.no_pretrained, upstream_dir=str(work_dir.resolve() / 'upstream')
    )
    cells = plan_cells(matrix, work_dir, options)
    if not args.report_only:
        check_starts(cells)
    started = time.monotonic()
    failed = {} if args.report_only else run_all(cells, matrix, options, args.workers)
    records = []
    for cell in cells:
        title, record = cell.point.title, cell.record()
        if record is not None:
            records.append(dict(record, folder=str(cell.folder)))
        elif title in failed:
            records.append(dict(cell=cell.point.cell, failed=failed[title]))
    results = write_report(work_dir, matrix, records)
    if args.write:
        write_between_markers(args.write, args.mark, results_text(results, matrix))
    print(
        f'{sum("metrics" in record for record in records)} of {len(cells)} cells in {work_dir / "index.html"}, '
        f'{(time.monotonic() - started) / 60:.1f} minutes.'
    )
    return 1 if failed else 0


if __name__ == '__main__':
    with friendly_errors():
        sys.exit(main())
