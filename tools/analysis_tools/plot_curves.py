"""Draw the precision-recall or ROC curves of several runs into one figure.

Example:
    python tools/analysis_tools/plot_curves.py dark.AP50.json lit.AP50.json --labels dark lit --out pr.svg

The files are those that `PerClassVOCMetric`, `DarkFaceMetric` and `FDDBMetric` write with `outfile_prefix`.
"""

import argparse
from pathlib import Path

from llv.evaluation.detection.curves import read_curves
from llv.utils.arguments import new_file, positive
from llv.utils.errors import friendly_errors
from llv.visualization.detection_curves import plot_detection_curves

FORMATS = ('.png', '.svg', '.pdf')


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('files', nargs='+', metavar='FILE', help='curves of a run, a .json file')
    parser.add_argument(
        '--labels', nargs='+', metavar='LABEL', help='names of the runs (default: of their files)'
    )
    parser.add_argument(
        '--classes', nargs='+', metavar='CLASS', help='draw only these classes (default: all)'
    )
    parser.add_argument(
        '--max-x',
        type=positive,
        metavar='X',
        help='where the horizontal axis ends (default: behind the curves)',
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
        labels = args.labels or [Path(file).stem for file in args.files]
        if len(labels) != len(args.files):
            raise ValueError(
                f'`--labels` must name each of the {len(args.files)} files, but names {len(labels)}.'
            )
        if len(set(labels)) < len(labels):
            raise ValueError('The runs share a name; give each its own by `--labels`.')
        if args.out.suffix.lower() not in FORMATS:
            raise ValueError(f'`--out {args.out}` must end in {", ".join(FORMATS)}.')
        runs = {label: read_curves(file) for label, file in zip(labels, args.files, strict=True)}
        figure = plot_detection_curves(runs, args.classes, args.max_x, args.title)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(args.out, dpi=150)
    print(f'{len(runs)} runs drawn to {args.out}')


if __name__ == '__main__':
    main()
