"""What it costs in quality to predict maps on a reduced picture (`estimate_scale`).

Example:
    python tools/analysis_tools/estimate_scale.py data/reference_pairs/input --references data/reference_pairs/gt \\
        --enhancers psenet-night-scenes psenet-sice --estimate-scales 0.5 0.25 --write docs/estimate_scale.md

For each enhancer and scale: PSNR of the cheap result to the exact one, mean and smallest over the pictures, and where
there are references by how much the PSNR to them changes. Float pictures, all values of the three channels.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

import torch
from tqdm import tqdm

from llv.apis import init_enhancer
from llv.datasets.enhancement import PictureFolder
from llv.models.enhancers import MapBasedEnhancer
from llv.utils.arguments import positive
from llv.utils.errors import friendly_errors
from llv.utils.markdown import around_markers, markdown_table, write_between_markers
from llv.utils.pictures import read_picture, to_tensor

MARK = 'estimate-scale'


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('pictures', metavar='DIR', help='folder of pictures')
    parser.add_argument('--references', metavar='DIR', help='folder of their well-lit partners')
    parser.add_argument(
        '--enhancers',
        nargs='+',
        required=True,
        metavar='NAME_OR_CONFIG',
        help='names of published weights or of enhancers, or config files',
    )
    parser.add_argument(
        '--estimate-scales',
        nargs='+',
        type=positive,
        default=[0.5, 0.25],
        metavar='SCALE',
        help='to compare with 1, the exact result (default: 0.5 0.25)',
    )
    parser.add_argument(
        '--write',
        type=Path,
        metavar='PAGE',
        help=f'put the table between the marks `begin {MARK}` and `end {MARK}` of a page',
    )
    args = parser.parse_args()
    if max(args.estimate_scales) > 1:
        parser.error(
            '`--estimate-scales` must be in (0, 1]: maps are predicted on smaller pictures'
        )
    return args


def psnr(x: torch.Tensor, y: torch.Tensor) -> float:
    """In dB, of pictures in [0, 1]; equal ones count as 100."""
    error = (x.double() - y.double()).square().mean()
    return min(-10 * error.log10().item(), 100.0)


@torch.no_grad()
def measure(name: str, records: list[dict], scales: list[float]) -> list[dict[str, str]]:
    """The rows of one enhancer."""
    enhancer = init_enhancer(name)
    if not isinstance(enhancer, MapBasedEnhancer):
        raise ValueError(f'`{name}` predicts no maps, so it has no `estimate_scale`; leave it out.')
    closeness = {scale: [] for scale in scales}
    change = {scale: [] for scale in scales}
    for record in tqdm(records, desc=name):
        picture = to_tensor(read_picture(record['img_path']))[None]
        enhancer.estimate_scale = 1.0
        exact = enhancer(picture).image
        reference = None
        if 'reference_path' in record:
            reference = to_tensor(read_picture(record['reference_path']))[None]
        for scale in scales:
            enhancer.estimate_scale = scale
            cheap = enhancer(picture).image
            closeness[scale].append(psnr(cheap, exact))
            if reference is not None:
                change[scale].append(psnr(cheap, reference) - psnr(exact, reference))
    return [
        {
            'weights': name,
            'scale': f'{scale:g}',
            'PSNR to the exact result (dB)': f'{sum(values) / len(values):.1f}',
            'smallest': f'{min(values):.1f}',
            'PSNR to the reference changes by': '–'
            if not change[scale]
            else f'{sum(change[scale]) / len(change[scale]):+.2f}',
        }
        for scale, values in closeness.items()
    ]


def main() -> None:
    """Measure, print and write."""
    args = parse_args()
    if args.write:
        around_markers(args.write, MARK)  # before the work
    prefix = dict(img=args.pictures)
    if args.references:
        prefix['reference'] = args.references
    records = PictureFolder(data_prefix=prefix).load_data_list()
    rows = [row for name in args.enhancers for row in measure(name, records, args.estimate_scales)]
    command = shlex.join(['python', *sys.argv])
    text = f'{markdown_table(rows)}\n\n{len(records)} pictures; `{command}`'
    print(text)
    if args.write:
        write_between_markers(args.write, MARK, text)


if __name__ == '__main__':
    with friendly_errors():
        main()
