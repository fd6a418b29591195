"""Draw the cosine between the gradients on under- and over-exposed pictures of several runs into one figure.

Example:
    python tools/analysis_tools/plot_gradient_agreement.py work_dirs/drbn_sice work_dirs/drbn_sice_erl \\
        --labels DRBN 'DRBN + ERL' --out agreement.svg

Runs are work folders, or files that `llv.GradientAgreementHook` wrote there. Those that share a label, the seeds of a
recipe, get one colour, and their mean on top.
"""

import argparse

from llv.engine.gradient_agreement import read_agreement
from llv.utils.arguments import count, new_file
from llv.utils.errors import friendly_errors
from llv.visualization.gradient_agreement import plot_gradient_agreement

FORMATS = ('.png', '.svg', '.pdf')


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('runs', nargs='+', metavar='RUN', help='work folder or file of a run')
    parser.add_argument(
        '--labels',
        nargs='+',
        metavar='LABEL',
        help='one for each run; runs with the same one belong together (default: their names)',
    )
    parser.add_argument(
        '--part', metavar='NAME', help='a part of the model that was measured by itself'
    )
    parser.add_argument(
        '--smooth',
        type=count,
        default=1,
        metavar='N',
        help='draw the moving mean of N measurements (default: %(default)s)',
    )
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
        labels = args.labels or args.runs
        if len(labels) != len(args.runs):
            raise ValueError(
                f'`--labels` must name each of the {len(args.runs)} runs, but names {len(labels)}.'
            )
        if args.out.suffix.lower() not in FORMATS:
            raise ValueError(f'`--out {args.out}` must end in {", ".join(FORMATS)}.')
        groups: dict[str, list] = {}
        for label, run in zip(labels, args.runs, strict=True):
            groups.setdefault(label, []).append(read_agreement(run))
        figure = plot_gradient_agreement(groups, args.part, args.smooth, args.title)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(args.out, dpi=150)
    print(f'{len(args.runs)} runs drawn to {args.out}')


if __name__ == '__main__':
    main()
