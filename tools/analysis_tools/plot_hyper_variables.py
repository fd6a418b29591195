"""Draw the hyper-variables ς and the objective Φ of a training in three levels over its iterations.

Example:
    python tools/analysis_tools/plot_hyper_variables.py work_dirs/trico_x2 --out hyper.svg

Reads what ``llv.PhasedGradientResponseLoop`` logged, over all starts of a run that was resumed.
"""

import argparse
from pathlib import Path

from llv.utils.arguments import new_file
from llv.utils.errors import friendly_errors
from llv.visualization.curves import read_scalars
from llv.visualization.hyper_variables import plot_hyper_variables

FORMATS = ('.png', '.svg', '.pdf')


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('work_dir', type=Path, metavar='DIR', help='work folder of the training')
    parser.add_argument('--title', default='', metavar='TEXT', help='set above the figure')
    parser.add_argument(
        '--out',
        type=new_file,
        required=True,
        metavar='FILE',
        help=f'figure to write, one of {", ".join(FORMATS)}',
    )
    return parser.parse_args()


def main() -> None:
    """Read, draw and save."""
    with friendly_errors():
        args = parse_args()
        if not args.work_dir.is_dir():
            raise FileNotFoundError(f'The work folder `{args.work_dir}` is not there; check it.')
        if args.out.suffix.lower() not in FORMATS:
            raise ValueError(f'`--out {args.out}` must end in {", ".join(FORMATS)}.')
        records = read_scalars(args.work_dir)
        figure = plot_hyper_variables(records, args.title)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(args.out, dpi=150)
    print(f'{len(records)} iterations drawn to {args.out}')


if __name__ == '__main__':
    main()
