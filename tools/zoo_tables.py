"""The zoo: every config that trains something, what came of it here and in the papers, and its published weights.

Example:
    python tools/zoo_tables.py --write docs/zoo.md
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import yaml

from llv.utils.errors import friendly_errors
from llv.utils.markdown import around_markers, markdown_table, write_between_markers

ROOT = Path(__file__).resolve().parents[1]
# folders of configs, in the order of the page; every metafile must be in one of them
GROUPS = {
    'Enhancers': (
        'ruas', 'psenet', 'zero_dce', 'sci', 'iat', 'drbn', 'sid', 'eclnet', 'fecnet', 'trico',
    ),
    'Learning across a batch': ('erl',),
    'Detectors': ('ssd', 'dark_face', 'wider_face', 'fddb'),
    'Segmentors': (
        'acdc', 'dark_zurich', 'nighttime_driving', 'night_city', 'cityscapes_dark',
    ),
    'Studies on generated scenes': ('night_scenes',),
}  # fmt: skip


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--index',
        type=Path,
        default=ROOT / 'model-index.yml',
        metavar='FILE',
        help='the list of metafiles (default: that of llv)',
    )
    parser.add_argument(
        '--write', metavar='PAGE', help='put the tables between the markers `zoo` of a page'
    )
    return parser.parse_args()


def main() -> None:
    """Read the metafiles and print or write."""
    with friendly_errors():
        args = parse_args()
        if args.write:
            around_markers(args.write, 'zoo')
        zoo = read_zoo(args.index)
        text = tables(zoo)
        if args.write:
            write_between_markers(args.write, 'zoo', text)
            print(f'{args.write} written: {sum(len(part["Models"]) for part in zoo)} configs.')
        else:
            print(text)


def read_zoo(index: str | os.PathLike) -> list[dict[str, Any]]:
    """The metafiles that an index lists, as they are, each with its ``folder`` inside `configs` added.

    Raises:
        FileNotFoundError: The index, or a metafile that it lists, is not there.
        ValueError: The index is none, or a metafile belongs to no group of the page.
    """
    index = Path(index)
    if not index.is_file():
        raise FileNotFoundError(f'The index `{index}` is not there; check the path.')
    zoo = []
    try:
        names = yaml.safe_load(index.read_text(encoding='utf-8'))['Import']
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError) as error:
        raise ValueError(
            f'`{index}` is no index: a YAML file with the metafiles behind `Import`; correct it.'
        ) from error
    for name in names:
        file = index.parent / name
        if not file.is_file():
            raise FileNotFoundError(f'`{index}` lists `{name}`, which is not there; correct it.')
        content = yaml.safe_load(file.read_text(encoding='utf-8'))
        folder = Path(name).parent.relative_to('configs')
        if not any(folder.parts[0] in folders for folders in GROUPS.values()):
            raise ValueError(
                f'`{name}` belongs to no group of the zoo; add `{folder.parts[0]}` to `GROUPS` of '
                'tools/zoo_tables.py.'
            )
        zoo.append(dict(content, folder=folder.as_posix()))
    return zoo


def tables(zoo: list[dict[str, Any]]) -> str:
    """The Markdown of the page: a heading and a table for each collection, links relative to `docs`."""
    lines = []
    for group, folders in GROUPS.items():
        lines.append(f'## {group}')
        rank = {folder: i for i, folder in enumerate(folders)}
        members = [part for part in zoo if part['folder'].partition('/')[0] in rank]
        members.sort(key=lambda part: (rank[part['folder'].partition('/')[0]], part['folder']))
        for part in members:
            for collection in part['Collections']:
                lines += collection_lines(collection, part['Models'])
    return '\n\n'.join(lines)


def collection_lines(collection: dict[str, Any], models: list[dict[str, Any]]) -> list[str]:
    """Heading, source and tables of one collection."""
    links = [f'[page]({relative(collection["README"])})']
    paper = collection.get('Paper')
    if paper:
        title = paper['Title']
        links.append(f'[{title}]({paper["URL"]})' if 'URL' in paper else f'*{title}*')
    lines = [f'### {collection["Name"]}', ' · '.join(links)]
    own = [model for model in models if model['In Collection'] == collection['Name']]
    if own:
        lines.append(markdown_table([row(model) for model in own]))
    published = collection.get('Published Weights')
    if published:
        lines.append(markdown_table([weights_row(entry) for entry in published]))
    return lines


def row(model: dict[str, Any]) -> dict[str, str]:
    """What the table shows of one config."""
    metadata = model['Metadata']
    parameters = metadata.get('Parameters')
    return {
        'config': f'[`{model["Name"]}`]({relative(model["Config"])})',
        'trained on': metadata['Training Data'],
        'parameters': '–' if parameters is None else f'{parameters:,}',
        'ours (paper)': results(model),
        'weights': f'`{model["Published Weights"]}`' if 'Published Weights' in model else '–',
    }


def results(model: dict[str, Any]) -> str:
    """Measured here, and behind it in brackets what the paper has, one data set after the other."""
    ours = {entry['Dataset']: entry for entry in model.get('Results', ())}
    theirs = {entry['Dataset']: entry for entry in model.get('Published', ())}
    cells = []
    for data in [*ours, *(name for name in theirs if name not in ours)]:
        mine = figures(ours[data]) if data in ours else 'not run'
        cells.append(f'{data}: {mine} ({figures(theirs[data]) if data in theirs else "–"})')
    return '; '.join(cells) or '–'


def figures(entry: dict[str, Any]) -> str:
    """The metrics of one result, with the number of seeds where it was measured here, linked to its page."""
    text = ', '.join(f'{name} {number(name, value)}' for name, value in entry['Metrics'].items())
    if 'Seeds' in entry:
        text += f', {entry["Seeds"]} seed{"s" * (entry["Seeds"] > 1)}'
    return f'[{text}]({relative(entry["Page"])})'


def number(metric: str, value: float) -> str:
    """A figure with the zeros that YAML drops: at least two decimals of PSNR, three of SSIM, one of others."""
    decimals = len(repr(float(value)).partition('.')[2])
    return f'{value:.{max(decimals, dict(PSNR=2, SSIM=3).get(metric, 1))}f}'


def weights_row(entry: dict[str, Any]) -> dict[str, str]:
    """What the table shows of one published file."""
    digest = entry.get('SHA256')
    source = entry['Source']
    return {
        '`weights=`': f'`{entry["Name"]}`',
        'trained on': entry['Training Data'],
        'licence': entry['License'],
        'sha256': 'not known' if digest is None else f'`{digest[:16]}`',
        'file': 'comes with llv' if '://' not in source else f'[at its authors]({source})',
    }


def relative(path: str) -> str:
    """A path of the repository, seen from `docs`."""
    return os.path.relpath(path, 'docs').replace(os.sep, '/')


if __name__ == '__main__':
    main()
