"""What do the three levels of TriCo give, and can losses learn their weights? Trains all arms of a study, and tells.

Example:
    python tools/make_night_scenes.py data/night_coupled_48 --coupled --size 48 --splits train=240 val=4 test=24
    python tools/analysis_tools/tri_level_study.py configs/night_scenes/tri_level/study.yml --workers 2 \\
        --write docs/tri_level.md --json docs/tri_level.json

What is missing is trained; an interrupted study goes on where it stopped when the command is given again.
`llv/benchmark/tri_level/study_file.py` shows what the file holds.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

# Threads of torch that spin while they wait take the time of the other worker. Read when torch is imported.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')

from llv.utils.arguments import count, new_file, new_folder, whole_number
from llv.utils.errors import friendly_errors

if TYPE_CHECKING:
    from llv.benchmark.tri_level.cells import Cell
    from llv.benchmark.tri_level.study_file import Study


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
        default=Path('work_dirs/tri_level'),
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
        '--decoys', nargs='*', metavar='DECOY', help='only these, and none (default: all)'
    )
    parser.add_argument(
        '--report-only', action='store_true', help='report what is there, train nothing'
    )
    parser.add_argument(
        '--write',
        type=Path,
        metavar='PAGE',
        help='put the tables between the marks `begin tri-level-…` of a page; figures go to `figures` beside it',
    )
    parser.add_argument('--json', type=new_file, metavar='FILE', help='also write the figures here')
    return parser.parse_args()


def main() -> int:
    """Train, measure and write; returns the exit status."""
    args = parse_args()
    from llv.benchmark.relation.jobs import run_all
    from llv.benchmark.relation.recorder import write_json
    from llv.benchmark.report import describe_machine
    from llv.benchmark.tri_level.best_gain import measure_best_gains
    from llv.benchmark.tri_level.cells import plan_cells, run_cell
    from llv.benchmark.tri_level.report import parts, results_text, summary
    from llv.benchmark.tri_level.scores import Scores
    from llv.benchmark.tri_level.study_file import read_study
    from llv.engine.settings import RunOptions
    from llv.utils.markdown import around_markers, write_between_markers

    study = read_study(args.study).restricted(args.seeds, args.arms, args.decoys)
    for name in parts(Scores(study, ())) if args.write else ():  # before an hour of training
        around_markers(args.write, name)
    options = RunOptions(upstream_dir=str(args.work_dir.resolve() / 'upstream'))
    there = Path(study.data, 'dataset.json').is_file()
    if not args.report_only and not there:
        raise FileNotFoundError(
            f'The pictures of the study, `{study.data}`, are not there; write them with `python '
            f'tools/make_night_scenes.py {study.data} --coupled --size 48 --splits train=240 val=4 test=24`.'
        )
    cells = plan_cells(study, args.work_dir, options)
    started = time.monotonic()
    failed = {} if args.report_only else run_all(cells, options, args.workers, run_cell)
    records = [record for cell in cells if (record := cell.record()) is not None]
    scores = Scores(study, records)
    baselines = measure_best_gains(cells[0].cfg) if records and there else {}
    machine = describe_machine()
    facts = '; '.join(f'{name} {value}' for name, value in machine.items())
    note = f'{len(records)} of {len(cells)} trainings and cascades; {facts}.'
    if args.write:
        texts = parts(scores, baselines)
        texts['tri-level-results'] += f'\n\n{note}'
        texts |= write_figures(study, cells, args.write) if records else {}
        for name, text in texts.items():
            write_between_markers(args.write, name, text)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        command = shlex.join(['python', *sys.argv])
        found = summary(scores, records, baselines)
        write_json(args.json, dict(command=command, machine=machine, **found))
    minutes = (time.monotonic() - started) / 60
    print(f'\n{results_text(scores, baselines)}\n\n{note} {minutes:.1f} minutes.')
    return 1 if failed else 0


def write_figures(study: Study, cells: Sequence[Cell], page: Path) -> dict[str, str]:
    """Draw what there is beside a page; returns the texts of the parts that show it."""
    from llv.benchmark.tri_level.pictures import convergence_figure, features_figure, write_figure

    folder, texts, lines = page.parent / 'figures', {}, []
    for arm, decoy in study.convergence:
        mine = [cell for cell in cells if (cell.point.arm, cell.point.decoy) == (arm, decoy)]
        title = f'{arm}, decoy {decoy}'
        figure = convergence_figure([c.folder for c in mine if c.record()], title)
        if figure is not None:
            slug = re.sub(r'[^a-z0-9.]+', '-', title.lower())
            file = folder / f'{page.stem}_{slug}.svg'
            write_figure(figure, file)
            lines.append(f'![Hyper-variables and objective: {title}](figures/{file.name})')
    if lines:
        texts['tri-level-convergence'] = '\n\n'.join(lines)
    for cell in cells:
        if cell.point.arm == study.features and cell.point.decoy == study.plain:
            if not cell.weights.is_file():
                continue
            file = folder / f'{page.stem}_features.png'
            write_figure(features_figure(cell.cfg, cell.weights), file)
            texts['tri-level-features'] = (
                f'![Features before and after the modulators](figures/{file.name})\n\n'
                f'{cell.point.arm}, seed {cell.point.seed}.'
            )
            break
    return texts


if __name__ == '__main__':
    with friendly_errors():
        sys.exit(main())
