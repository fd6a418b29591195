"""Fit the gains of `llv.FixedGain`: bring the mean of dark pictures to that of well-lit ones.

Example:
    python tools/analysis_tools/fit_fixed_gain.py data/night_scenes/train/night data/night_scenes/train/day \\
        --out gain.pth
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from tqdm import tqdm

from llv.datasets.enhancement import PictureFolder
from llv.models.enhancers import FixedGain, fit_fixed_gain
from llv.utils.arguments import new_file
from llv.utils.errors import friendly_errors
from llv.utils.pictures import read_picture, to_tensor


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'dark', metavar='DARK_DIR', help='folder of dark training pictures, searched recursively'
    )
    parser.add_argument(
        'target',
        metavar='GT_DIR',
        help='folder of well-lit pictures; they need not show the same scenes',
    )
    parser.add_argument(
        '--out',
        type=new_file,
        default=Path('fixed_gain.pth'),
        metavar='FILE',
        help='checkpoint to write (default: %(default)s)',
    )
    return parser.parse_args()


def pictures(folder: str) -> Iterator[torch.Tensor]:
    """The pictures of a folder, (3, H, W) RGB in [0, 1], with a progress bar."""
    records = PictureFolder(folder).load_data_list()
    for record in tqdm(records, desc=folder, unit='picture'):
        yield to_tensor(read_picture(record['img_path']))


def main() -> None:
    """Fit, print and save."""
    with friendly_errors():
        args = parse_args()
        gain = fit_fixed_gain(pictures(args.dark), pictures(args.target))
        args.out.parent.mkdir(parents=True, exist_ok=True)
        torch.save(FixedGain(gain.tolist()).state_dict(), args.out)
    red, green, blue = gain.tolist()
    print(f'gain R {red:.3f}, G {green:.3f}, B {blue:.3f}; saved to {args.out}')


if __name__ == '__main__':
    main()
