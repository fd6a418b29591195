"""What there is: every registered enhancer, its size, and the published weights it takes by name.

Example:
    python tools/list_enhancers.py --size 720x1080
    python tools/list_enhancers.py --write docs/enhancers.md
    python tools/list_enhancers.py ruas demo/new_enhancer/lantern.py
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
from typing import Any

from llv.apis import enhancer_config, registered_enhancers
from llv.models.enhancers.base import BaseEnhancer
from llv.models.enhancers.build import build_enhancer
from llv.models.enhancers.published import PUBLISHED
from llv.utils.arguments import new_file, picture_size
from llv.utils.complexity import count_macs, count_parameters
from llv.utils.errors import friendly_errors
from llv.utils.markdown import around_markers, markdown_table, write_between_markers


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'names',
        nargs='*',
        metavar='NAME',
        help='such as `ruas`, or a Python file with one of your own (default: all registered ones)',
    )
    parser.add_argument(
        '--size',
        type=picture_size,
        default=(720, 1080),
        metavar='HxW',
        help='height x width that multiply-accumulates are counted at (default: 720x1080)',
    )
    parser.add_argument('--json', type=new_file, metavar='FILE', help='also write the figures here')
    parser.add_argument(
        '--write',
        metavar='PAGE',
        help='put the tables between the markers `enhancers` of a Markdown page',
    )
    return parser.parse_args()


def main() -> None:
    """Count and print."""
    with friendly_errors():
        args = parse_args()
        if args.write:
            around_markers(args.write, 'enhancers')
        names = [enhancer_config(name)['type'] for name in args.names]
        kinds = registered_enhancers()  # now also those in the files that were named
        names = names or sorted(kinds)
        rows = [describe(name, kinds[name], args.size) for name in names]
        if args.json:
            args.json.parent.mkdir(parents=True, exist_ok=True)
            figures = json.dumps(dict(size=args.size, enhancers=rows), indent=2)
            args.json.write_text(figures + '\n', encoding='utf-8')
        if args.write:
            write_between_markers(args.write, 'enhancers', tables(rows, args.size))
            print(f'{args.write} written: {len(rows)} enhancers.')
        else:
            print(tables(rows, args.size))


def describe(name: str, kind: type[BaseEnhancer], size: tuple[int, int]) -> dict[str, Any]:
    """What the tables show of one enhancer, built with its default options.

    Numbers are None for those that cannot be built without options.
    """
    entry: dict[str, Any] = dict(
        name=name.removeprefix('llv.'),
        about=about(kind),
        parameters=None,
        macs=None,
        receptive_field=None,
    )
    required = [
        p.name
        for p in inspect.signature(kind).parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if not required:
        module = build_enhancer(dict(type=kind)).eval()
        entry.update(
            parameters=count_parameters(module),
            macs=count_macs(module, size),
            receptive_field=module.receptive_field,
        )
    entry['needs'] = required
    entry['weights'] = [
        dict(
            name=row.name,
            trained_on=row.trained_on,
            licence=row.licence,
            source=f'{row.repository}/{row.path}',
            input_range=row.input_range,
            colour_order=row.colour_order,
        )
        for row in PUBLISHED.values()
        if row.enhancer == kind.__name__
    ]
    return entry


def about(kind: type[BaseEnhancer]) -> str:
    """The first line of its description, without Sphinx's roles."""
    line = (inspect.getdoc(kind) or '').partition('\n')[0].rstrip('.')
    return re.sub(r':\w+:(?=`)', '', line)


def tables(rows: list[dict[str, Any]], size: tuple[int, int]) -> str:
    """The Markdown of both tables."""
    enhancers = [
        {
            'enhancer': f'`{row["name"]}`',
            'what it is': row['about'],
            'parameters': '–' if row['parameters'] is None else f'{row["parameters"]:,}',
            f'GMACs at {size[0]}×{size[1]}': '–'
            if row['macs'] is None
            else f'{row["macs"] / 1e9:.3f}',
            'sees': sight(row),
        }
        for row in rows
    ]
    weights = [
        {
            '`weights=`': f'`{entry["name"]}`',
            'enhancer': f'`{row["name"]}`',
            'trained on': entry['trained_on'],
            'licence': entry['licence'],
            'input': f'{entry["colour_order"]}, {entry["input_range"]}',
            'source': entry['source'],
        }
        for row in rows
        for entry in row['weights']
    ]
    parts = [markdown_table(enhancers)]
    if weights:
        parts.append(markdown_table(weights))
    return '\n\n'.join(parts)


def sight(row: dict[str, Any]) -> str:
    """How much of the picture one pixel of the result depends on."""
    if row['parameters'] is None:
        return '–'
    reach = row['receptive_field']
    if reach is None:
        return 'the whole picture'
    return f'{reach} pixel{"s" * (reach != 1)}'


if __name__ == '__main__':
    main()
