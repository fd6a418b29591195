"""A table of enhancers on pairs of dark and well-lit pictures, under one named protocol.

Example:
    python tools/analysis_tools/evaluate_enhancers.py --pairs data/LOL/eval15/low data/LOL/eval15/high \\
        --enhancers identity fixed_gain:fit gamma:fit mean_match ruas:lol.pt --protocol skimage --out table.md
    python tools/analysis_tools/evaluate_enhancers.py --rellisur data/RELLISUR-Dataset --scale 2 \\
        --enhancers trico:trico_x2.pth --protocol trico --metrics psnr ssim lpips rmse fsim

An enhancer is written NAME[:WEIGHTS][@KEY=VALUE,...], such as `ruas:lol.pt@denoise=False`; a Python file that defines
one is a name too. `fixed_gain:fit` and `gamma:fit` are the controls without weights, fitted on the pairs of `--fit
DARK GT`, or else on the other pairs of the table: by themselves they are never fitted on the pair that they light.

With `--rellisur` the enhancers enlarge by `--scale`, and a second table has a row for each exposure.

Exit status: 0 all measured, 1 some weight file is not there (its row says so; `--allow-missing` makes it 0), 2 nothing
done because of a wrong argument.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tqdm import tqdm

from llv.apis import enhancer_config, init_enhancer
from llv.datasets.enhancement import PictureFolder, RELLISURDataset
from llv.evaluation import (
    PROTOCOLS,
    QUALITY_METRICS,
    Protocol,
    average,
    by_group,
    check_metrics,
    get_protocol,
    load_scorers,
    measure,
)
from llv.models.enhancers.fixed_gain import fit_fixed_gain
from llv.utils.arguments import enhancer_entry, new_file
from llv.utils.errors import friendly_errors
from llv.utils.markdown import around_markers, write_between_markers
from llv.utils.pictures import read_picture, to_tensor

FOLDS = 10
MARK = 'reference-pairs'
PACKAGES = ('llv', 'torch', 'torchvision', 'numpy', 'torchmetrics', 'piq', 'pyiqa')


class MissingFile(Exception):
    """A file of an enhancer is not there; those of metrics and pictures end the run."""


class Pair(NamedTuple):
    """A dark picture and its well-lit partner; `ev` are the stops between them, where they are known."""

    name: str
    dark: str
    target: str
    ev: float | None = None


class Entry(NamedTuple):
    """An enhancer as it is written on the command line."""

    text: str
    name: str
    weights: str | None
    options: dict[str, Any]


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--pairs',
        nargs=2,
        metavar=('DARK_DIR', 'GT_DIR'),
        help='folders whose pictures have the same names, extensions aside',
    )
    parser.add_argument(
        '--pair',
        nargs=2,
        action='append',
        default=[],
        metavar=('DARK', 'GT'),
        help='two pictures; may be repeated',
    )
    parser.add_argument(
        '--rellisur', metavar='ROOT', help='the pairs of RELLISUR, or what has its folders'
    )
    parser.add_argument(
        '--scale',
        type=int,
        choices=(1, 2, 4),
        help='of its references, and so of the enhancers (default: 2)',
    )
    parser.add_argument('--subset', choices=('train', 'val', 'test'), help='of it (default: test)')
    parser.add_argument(
        '--enhancers',
        nargs='+',
        required=True,
        type=parse_entry,
        metavar='ENHANCER',
        help='a row each, such as `ruas:lol.pt`; see above',
    )
    parser.add_argument(
        '--fit', nargs=2, metavar=('DARK_DIR', 'GT_DIR'), help='pairs to fit the controls on'
    )
    parser.add_argument(
        '--protocol',
        default='skimage',
        choices=PROTOCOLS,
        help='rules of PSNR and SSIM (default: %(default)s)',
    )
    parser.add_argument(
        '--metrics',
        nargs='+',
        default=['psnr', 'ssim'],
        choices=QUALITY_METRICS,
        metavar='METRIC',
        help='a column each, of %(choices)s (default: psnr ssim)',
    )
    parser.add_argument(
        '--scorer',
        action='append',
        default=[],
        type=parse_scorer,
        dest='scorers',
        metavar='NAME=MODULE:FUNCTION',
        help='a figure from a function of yours, from a picture, (H, W, 3) uint8 RGB, to a number, such as '
        '`metaiqa=my_package.metaiqa:score`; may be repeated',
    )
    parser.add_argument(
        '--device',
        default='cpu',
        metavar='DEVICE',
        help='such as `cuda:0` (default: %(default)s)',
    )
    parser.add_argument(
        '--out', type=new_file, metavar='FILE', help='also write the table here, as Markdown'
    )
    parser.add_argument(
        '--write',
        type=Path,
        metavar='PAGE',
        help=f'put the table between the marks `begin {MARK}` and `end {MARK}` of a page',
    )
    parser.add_argument(
        '--json',
        type=new_file,
        metavar='FILE',
        help='also write the figures here, those of each pair too',
    )
    parser.add_argument(
        '--allow-missing', action='store_true', help='weight files that are not there are no error'
    )
    args = parser.parse_args()
    if not (args.pairs or args.pair or args.rellisur):
        parser.error(
            'no pictures: give `--pairs DARK_DIR GT_DIR`, `--pair DARK GT` or `--rellisur ROOT`'
        )
    if args.rellisur and (args.pairs or args.pair):
        parser.error('give either `--rellisur` or pairs: their references differ in size')
    if not args.rellisur and (args.scale or args.subset):
        parser.error('`--scale` and `--subset` are those of `--rellisur`, which is not given')
    if len(dict(args.scorers)) < len(args.scorers):
        parser.error('two of `--scorer` have one name')
    args.scale, args.subset = args.scale or 2, args.subset or 'test'
    fitted = [entry.text for entry in args.enhancers if entry.weights == 'fit']
    if fitted and not (args.fit or args.pairs or args.rellisur) and len(args.pair) < 2:
        parser.error(f'`{fitted[0]}` has nothing to be fitted on: give `--fit` or a second pair')
    return args


def parse_entry(text: str) -> Entry:
    """NAME[:WEIGHTS][@KEY=VALUE,...]; a name may be a config (`llv::ruas/x.py`)."""
    name, weights, options = enhancer_entry(text)
    if weights == 'fit' and (name not in FITTERS or options):
        raise argparse.ArgumentTypeError(
            f'`{text}` cannot be fitted: only {" and ".join(f"`{n}:fit`" for n in FITTERS)} can, without options'
        )
    return Entry(text, name, weights, options)


def parse_scorer(text: str) -> tuple[str, str]:
    """NAME=MODULE:FUNCTION."""
    name, equals, place = text.partition('=')
    if not (name and equals and place):
        raise argparse.ArgumentTypeError(f'`{text}` is not NAME=MODULE:FUNCTION')
    return name, place


def fit_gain(dark: Iterator[torch.Tensor], target: Iterator[torch.Tensor]) -> dict[str, Any]:
    """Options of `FixedGain`."""
    return dict(gain=fit_fixed_gain(dark, target).tolist())


def fit_power(dark: Iterator[torch.Tensor], target: Iterator[torch.Tensor]) -> dict[str, Any]:
    """Options of `Gamma`."""
    from llv.models.enhancers.gamma import fit_gamma

    return dict(gamma=float(fit_gamma(dark, target)))


FITTERS: dict[str, Callable[..., dict[str, Any]]] = dict(fixed_gain=fit_gain, gamma=fit_power)


def folder_pairs(dark: str, target: str) -> list[Pair]:
    """The pairs of two folders."""
    prefix = dict(img=dark, reference=target)
    records = PictureFolder(data_prefix=prefix, lazy_init=True).load_data_list()
    return [
        Pair(Path(record['img_path']).name, record['img_path'], record['reference_path'])
        for record in records
    ]


def rellisur_pairs(args: argparse.Namespace) -> list[Pair]:
    """The pairs of a subset of RELLISUR."""
    data = RELLISURDataset(args.rellisur, args.subset, args.scale, lazy_init=True)
    return [
        Pair(Path(r['img_path']).name, r['img_path'], r['reference_path'], r['ev'])
        for r in data.load_data_list()
    ]


def check_scale(entry: Entry, args: argparse.Namespace) -> None:
    """Refuse an enhancer whose pictures have not the size of the references."""
    if entry.weights == 'fit':
        found = 1
    else:  # the scale may be a matter of the weights
        found = build(entry, entry.weights, entry.options, args).scale
    if found != args.scale:
        raise ValueError(
            f'`{entry.text}` enlarges by {found}, but the references of `--scale {args.scale}` by {args.scale}; '
            f'take an enhancer that enlarges by {args.scale}, or another `--scale`.'
        )


def pictures(paths: list[str]) -> Iterator[torch.Tensor]:
    """(3, H, W) RGB in [0, 1]."""
    return (to_tensor(read_picture(path)) for path in paths)


def evaluate(entry: Entry, pairs: list[Pair], fit_on: list[Pair], args: argparse.Namespace) -> dict:
    """A row: the figures of an enhancer, or why there are none."""
    row = dict(enhancer=entry.text)
    try:
        if entry.weights == 'fit' and not fit_on:
            row['fitted'] = 'on the other pairs' if len(pairs) <= FOLDS else 'on other pairs'
            figures = cross_fitted(entry, pairs, args)
        else:
            options, weights = entry.options, entry.weights
            if entry.weights == 'fit':
                options, weights = fitted_options(entry, fit_on), None
                row['fitted'] = options
            figures = measured(entry.text, build(entry, weights, options, args), pairs, args)
    except MissingFile as error:
        return row | dict(n=0, error=str(error))
    row |= summary(list(figures.values()))
    exposures = by_group([pair.ev for pair in pairs], [figures[pair.name] for pair in pairs])
    if exposures:
        row['exposures'] = {str(ev): summary(members) for ev, members in exposures.items()}
    return row | dict(pairs=figures)


def summary(figures: list[dict[str, float]]) -> dict[str, Any]:
    """Number, means and infinite values of some pairs."""
    means, infinite = average(figures)
    return dict(n=len(figures), means=means, psnr_infinite=infinite)


def fitted_options(entry: Entry, pairs: list[Pair]) -> dict[str, Any]:
    """The options of a control that fit some pairs best."""
    dark, target = pictures([p.dark for p in pairs]), pictures([p.target for p in pairs])
    return FITTERS[entry.name](dark, target)


def cross_fitted(entry: Entry, pairs: list[Pair], args: argparse.Namespace) -> dict:
    """Each pair lit by a control that was fitted on others: on all others up to ten pairs, beyond on the pairs of the
    other nine of ten parts."""
    figures = {}
    for part in range(min(FOLDS, len(pairs))):
        others = [pair for i, pair in enumerate(pairs) if i % FOLDS != part]
        module = build(entry, None, fitted_options(entry, others), args)
        figures |= measured(entry.text, module, pairs[part::FOLDS], args)
    return {pair.name: figures[pair.name] for pair in pairs}


def build(
    entry: Entry, weights: str | None, options: dict[str, Any], args: argparse.Namespace
) -> torch.nn.Module:
    """The enhancer, ready to use."""
    try:
        return init_enhancer(entry.name, weights, args.device, **options)
    except FileNotFoundError as error:
        raise MissingFile(str(error)) from error


@torch.no_grad()
def measured(
    title: str, module: torch.nn.Module, pairs: list[Pair], args: argparse.Namespace
) -> dict[str, dict[str, float]]:
    """The figures of each pair."""
    protocol, figures = get_protocol(args.protocol), {}
    for pair in tqdm(pairs, desc=title, unit='picture', dynamic_ncols=True):
        images, target = (
            to_tensor(read_picture(path)).to(args.device) for path in (pair.dark, pair.target)
        )
        try:
            lit = module(images[None]).image[0]
        except FileNotFoundError as error:  # weights that a config names
            raise MissingFile(str(error)) from error
        figures[pair.name] = measure(lit, target, args.metrics, protocol, pair.name, args.functions)
    return figures


def markdown(rows: list[dict], args: argparse.Namespace, protocol: Protocol, count: int) -> str:
    """The table, its protocol and the command that makes it again."""
    heads, notes = heads_of(args), []
    lines = [
        '| enhancer | ' + ' | '.join(heads) + ' | pairs |',
        '|---' * (len(heads) + 2) + '|',
    ]
    for row in rows:
        title = f'`{row["enhancer"]}`'
        if 'error' in row:
            cells = ['file not there'] + ['–'] * (len(heads) - 1)
        else:
            cells = cells_of(row['means'])
            if row['psnr_infinite']:
                notes.append(
                    f'{title}: pairs of equal pictures, left out of the mean PSNR: {row["psnr_infinite"]}.'
                )
            if isinstance(row.get('fitted'), str):
                notes.append(f'{title}: fitted {row["fitted"]}, never on the pair that is lit.')
            elif 'fitted' in row:
                notes.append(f'{title}: fitted on the pairs of `--fit`: {shown(row["fitted"])}.')
        lines.append(f'| {title} | ' + ' | '.join(cells) + f' | {row["n"]} |')
    notes.insert(0, f'Protocol: {protocol}. Means over {count} pairs.')
    lines += exposure_table(rows, heads)
    return '\n'.join([*lines, '', *(f'{note}\n' for note in notes), f'`{command()}`', ''])


def heads_of(args: argparse.Namespace) -> list[str]:
    """Titles of the columns; which way a scorer is up is its own matter."""
    metrics = [QUALITY_METRICS[name] for name in args.metrics]
    heads = [f'{m.title} {"↑" if m.higher_is_better else "↓"}' for m in metrics]
    return heads + list(args.functions)


def cells_of(means: dict[str, float]) -> list[str]:
    """Means, with the digits of their metrics."""
    return [
        f'{value:.{QUALITY_METRICS[name].digits if name in QUALITY_METRICS else 4}f}'
        for name, value in means.items()
    ]


def exposure_table(rows: list[dict], heads: list[str]) -> list[str]:
    """A table with a row for each enhancer and exposure; none where the exposures are not known."""
    lines = [
        f'| `{row["enhancer"]}` | {ev} | '
        + ' | '.join(cells_of(part['means']))
        + f' | {part["n"]} |'
        for row in rows
        for ev, part in row.get('exposures', {}).items()
    ]
    titles = '| enhancer | EV | ' + ' | '.join(heads) + ' | pairs |'
    return ['', titles, '|---' * (len(heads) + 3) + '|', *lines] if lines else []


def shown(fitted: dict[str, Any]) -> str:
    """Fitted options, to four digits."""
    digits = {
        key: [f'{v:.4g}' for v in torch.tensor(value).view(-1)] for key, value in fitted.items()
    }
    return ', '.join(f'{key} {", ".join(values)}' for key, values in digits.items())


def command() -> str:
    """The command line, with the tool's path inside the repository."""
    tool = '/'.join(Path(__file__).resolve().parts[-3:])
    return 'python ' + shlex.join([tool, *sys.argv[1:]])


def versions() -> dict[str, str]:
    """What the figures were measured with."""
    found = dict(python=platform.python_version())
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def main() -> int:
    """Run the tool; returns the exit status."""
    args = parse_args()
    if args.write is not None:
        around_markers(args.write, MARK)  # before the work
    check_metrics(args.metrics)
    args.functions = load_scorers(dict(args.scorers), taken=list(QUALITY_METRICS))
    protocol = get_protocol(args.protocol)
    pairs = folder_pairs(*args.pairs) if args.pairs else []
    pairs += rellisur_pairs(args) if args.rellisur else []
    pairs += [Pair(Path(dark).name, dark, target) for dark, target in args.pair]
    names = [pair.name for pair in pairs]
    if len(set(names)) < len(names):  # then their paths tell them apart
        pairs = [pair._replace(name=pair.dark) for pair in pairs]
    fit_on = folder_pairs(*args.fit) if args.fit else []
    for entry in args.enhancers:  # mistakes are told before hours of measuring
        if entry.weights != 'fit':
            with suppress(FileNotFoundError):  # gets a row
                enhancer_config(entry.name, **entry.options)
        if args.rellisur:
            with suppress(MissingFile):  # gets a row too
                check_scale(entry, args)

    rows = [evaluate(entry, pairs, fit_on, args) for entry in args.enhancers]
    missing = [row for row in rows if 'error' in row]
    for row in missing:
        print(f'not measured: `{row["enhancer"]}`: {row["error"]}', file=sys.stderr)
    table = markdown(rows, args, protocol, len(pairs))
    print(table)
    report = dict(
        command=command(),
        versions=versions(),
        protocol=asdict(protocol),
        metrics=args.metrics,
        scorers=dict(args.scorers),
        enhancers=finite(rows),
    )
    for path, text in (
        (args.out, table),
        (args.json, json.dumps(report, indent=1, ensure_ascii=False) + '\n'),
    ):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding='utf-8')
    if args.write is not None:
        write_between_markers(args.write, MARK, table)
    return 1 if missing and not args.allow_missing else 0


def finite(value: Any) -> Any:
    """Infinite numbers, which JSON lacks, as the text `inf`."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return 'inf' if isinstance(value, float) and math.isinf(value) else value


if __name__ == '__main__':
    with friendly_errors():
        sys.exit(main())
