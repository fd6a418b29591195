"""Does it help an enhancer that the samples of a batch are related? Trains all arms and controls of a study, and tells.

Example:
    python tools/make_night_scenes.py data/night_exposures --exposures sice --size 96
    python tools/analysis_tools/relation_study.py configs/night_scenes/relation/study.yml --workers 2 \\
        --write docs/relation.md --json docs/relation.json

What is missing is trained; an interrupted study goes on where it stopped when the command is given again. Modules are
trained once a seed and shared by all arms. `llv/benchmark/relation/study_file.py` shows what the file holds.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from pathlib import Path

# Threads of torch that spin while they wait take the time of the other worker. Read when torch is imported.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

from llv.utils.arguments import count, new_file, new_folder, whole_number
from llv.utils.errors import friendly_errors


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'study', type=Path, metavar='STUDY', help='YAML file that lists what to train'
    )
    parser.add_argument(
        '--work-dir',
        type=new_folder,
        default=Path('work_dirs/relation'),
        metavar='DIR',
        help='folder of the runs (default: %(default)s)',
    )
    parser.add_argument(
        '--workers',
        type=count,
        default=1,
        metavar='N',
        help='trainings at a time (default: %(default)s)',
    )
    parser.add_argument(
        '--seeds',
        type=whole_number,
        nargs='+',
        metavar='SEED',
        help='in the place of those of the file',
    )
    parser.add_argument(
        '--arms', nargs='+', metavar='ARM', help='only these, and the baseline (default: all)'
    )
    parser.add_argument(
        '--sweeps',
        nargs='*',
        metavar='SWEEP',
        help='only these; none where nothing follows (default: all)',
    )
    parser.add_argument(
        '--report-only', action='store_true', help='report what is there, train nothing'
    )
    parser.add_argument(
        '--write',
        type=Path,
        metavar='PAGE',
        help='put the tables between the marks `begin relation-…` of a page; figures go to `figures` beside it',
    )
    parser.add_argument(
        '--table',
        type=Path,
        metavar='PAGE',
        help='put the main table between the marks `begin relation` of another page',
    )
    parser.add_argument('--json', type=new_file, metavar='FILE', help='also write the figures here')
    return parser.parse_args()


def main() -> int:
    """Train, measure and write; returns the exit status."""
    args = parse_args()
    from llv.benchmark.relation.cells import plan_cells
    from llv.benchmark.relation.figure import curve_figure, write_figure
    from llv.benchmark.relation.jobs import run_all
    from llv.benchmark.relation.recorder import write_json
    from llv.benchmark.relation.report import parts, results_text, summary
    from llv.benchmark.relation.scores import Scores
    from llv.benchmark.relation.study_file import read_study
    from llv.benchmark.report import describe_machine
    from llv.engine.settings import RunOptions
    from llv.utils.markdown import around_markers, write_between_markers

    study = read_study(args.study).restricted(args.seeds, args.arms, args.sweeps)
    for name in parts(Scores(study, ())) if args.write else ():  # before hours of training
        around_markers(args.write, name)
    if args.table:
        around_markers(args.table, 'relation')
    options = RunOptions(upstream_dir=str(args.work_dir.resolve() / 'upstream'))
    cells = plan_cells(study, args.work_dir, options)
    root = Path(cells[0].cfg.train_dataloader.dataset.data_root)
    if not args.report_only and not root.is_dir():
        raise FileNotFoundError(
            f'The pictures of the study, `{root}`, are not there; write them with `python tools/make_night_scenes.py '
            f'{root} --exposures sice --size 96`.'
        )
    started = time.monotonic()
    failed = {} if args.report_only else run_all(cells, options, args.workers)
    records = [record for cell in cells if (record := cell.record()) is not None]
    scores = Scores(study, records)
    machine = describe_machine()
    facts = '; '.join(f'{name} {value}' for name, value in machine.items())
    note = f'{len(records)} of {len(cells)} trainings; {facts}.'
    if args.write:
        for name, text in parts(scores).items():
            if name == 'relation-results':
                text = f'{text}\n\n{note}'
            if name == 'relation-curve' and records:
                drawing = args.write.parent / 'figures' / f'{args.write.stem}_curve.svg'
                write_figure(curve_figure(scores), drawing)
                text = f'![PSNR and gain over the iterations](figures/{drawing.name})\n\n{text}'
            write_between_markers(args.write, name, text)
    if args.table:
        write_between_markers(args.table, 'relation', f'{results_text(scores)}\n\n{note}')
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        command = shlex.join(['python', *sys.argv])
        write_json(args.json, dict(command=command, machine=machine, **summary(scores, records)))
    print(f'\n{results_text(scores)}\n\n{note} {(time.monotonic() - started) / 60:.1f} minutes.')
    return 1 if failed else 0


if __name__ == '__main__':
    with friendly_errors():
        sys.exit(main())
