"""Search a space whose networks have all been trained, and say how far from the best the searches end.

Example:
    python tools/analysis_tools/tabular_search.py table interaction
    python tools/analysis_tools/tabular_search.py search interaction
    python tools/analysis_tools/tabular_search.py report --write docs/search_tabular.md

`table` trains the 81 networks of a task with each seed, `search` runs each method with each seed, and `report` looks
up in the table what the searches found. The first two go on where they were stopped: what their file holds is not done
again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from llv.utils.arguments import count, new_folder, not_negative
from llv.utils.errors import friendly_errors
from llv.utils.markdown import around_markers, write_between_markers

FOLDER = Path('docs/search_tabular')
TASKS = ('interaction', 'control')


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest='command', required=True)
    table = commands.add_parser('table', help='train all networks of a task')
    search = commands.add_parser('search', help='run all methods on a task')
    for command, seeds, steps in ((table, 3, 'of a training'), (search, 10, 'of each level')):
        command.add_argument('task', choices=TASKS, help='what the networks learn')
        command.add_argument(
            '--seed-count',
            type=count,
            default=seeds,
            metavar='N',
            help='number of seeds (default: %(default)s)',
        )
        command.add_argument(
            '--steps',
            type=count,
            metavar='N',
            help=f'{steps} (default: as published); for a new file',
        )
    search.add_argument(
        '--methods',
        nargs='+',
        metavar='METHOD',
        help='only these of cooperative, global, independent, beta=0, random (default: all)',
    )
    search.add_argument(
        '--weight-decay',
        type=not_negative,
        metavar='DECAY',
        help='of the weights of candidates; only for a new file',
    )
    search.add_argument(
        '--name', metavar='NAME', help='of a second file of searches: searches_TASK_NAME.json'
    )
    report = commands.add_parser('report', help='tables of regrets')
    report.add_argument(
        '--write',
        type=Path,
        metavar='PAGE',
        help='put the tables between the marks `begin results` and `end results` of a page',
    )
    for command in (table, search, report):
        command.add_argument(
            '--work-dir',
            type=new_folder,
            default=FOLDER,
            metavar='DIR',
            help='folder of table_TASK.json and searches_TASK.json (default: %(default)s)',
        )
    return parser.parse_args()


def main() -> None:
    """Read the arguments and do it."""
    with friendly_errors():
        args = parse_args()
        if args.command == 'report':
            report(args.work_dir, args.write)
            return
        if args.command == 'table':
            file = args.work_dir / f'table_{args.task}.json'
            make_table(file, args.task, args.seed_count, args.steps)
        else:
            name = f'_{args.name}' if args.name else ''
            file = args.work_dir / f'searches_{args.task}{name}.json'
            changed = dict(iters=args.steps, weight_decay=args.weight_decay)
            changed = {key: value for key, value in changed.items() if value is not None}
            make_study(file, args.task, args.seed_count, changed, args.methods)


def make_table(file: Path, task: str, seeds: int, steps: int | None) -> None:
    """Train what lacks in a table."""
    from llv.benchmark.tabular.table import Table, read_table, write_table
    from llv.benchmark.tabular.training import SETTINGS, train_network

    settings = {**SETTINGS, **({} if steps is None else dict(steps=steps))}
    table = read_table(file) if file.is_file() else Table(task, settings)
    check_same(file, (table.task, table.settings), (task, settings))
    for genotype, seed in tqdm(table.missing(range(seeds)), desc=task, unit='network'):
        table.add(genotype, seed, train_network(task, genotype, seed, **settings))
        write_table(file, table)


def make_study(
    file: Path, task: str, seeds: int, changed: dict[str, float], methods: list[str] | None
) -> None:
    """Run the searches that lack; `changed` are settings other than the usual ones."""
    from llv.benchmark.tabular.study import (
        METHODS,
        SETTINGS,
        Study,
        read_study,
        search,
        write_study,
    )

    for method in methods or ():
        if method not in METHODS:
            raise ValueError(f'`--methods` must be of {", ".join(METHODS)}, but one is `{method}`.')
    settings = {**SETTINGS, **changed}
    study = read_study(file) if file.is_file() else Study(task, settings)
    check_same(file, (study.task, study.settings), (task, settings))
    lacking = [pair for pair in study.missing(seeds) if not methods or pair[0] in methods]
    for method, seed in tqdm(lacking, desc=task, unit='search'):
        study.add(method, seed, search(task, method, seed, **settings))
        write_study(file, study)


def check_same(file: Path, found: tuple[str, dict], wanted: tuple[str, dict]) -> None:
    """Raise a ValueError where a file is of another task or other settings."""
    if found != wanted:
        raise ValueError(
            f'`{file}` holds results of {found[0]} with {found[1]}, but these would be of {wanted[0]} with '
            f'{wanted[1]}; give another `--work-dir`.'
        )


def report(folder: Path, page: Path | None) -> None:
    """Print the report, or write it into a page."""
    from llv.benchmark.tabular.report import report_text
    from llv.benchmark.tabular.study import read_study
    from llv.benchmark.tabular.table import read_table

    if page is not None:
        around_markers(page, 'results')  # before anything is read, whether it has that part
    parts = []
    for task in TASKS:
        # by name, the usual settings first
        studies = [read_study(file) for file in sorted(folder.glob(f'searches_{task}*.json'))]
        parts.append(report_text(read_table(folder / f'table_{task}.json'), *studies))
    text = '\n\n'.join(parts)
    if page is None:
        print(text)
    else:
        write_between_markers(page, 'results', text)


if __name__ == '__main__':
    main()
