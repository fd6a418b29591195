"""Run a tutorial cell by cell and write it as a page, with what it printed.

Example:
    python demo/tutorials/render.py demo/tutorials/photograph.py --out docs/tutorials/photograph.md \\
        --options folder=docs/tutorials/figures

A tutorial is a Python script whose cells begin with `# %%` (editors run them one by one) and whose text stands in
`# %% [markdown]` cells. The cell `# %% settings` holds assignments that `--options` replaces, such
as the sizes of a trial.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from llv.utils.arguments import new_file
from llv.utils.config import KeyValueAction
from llv.utils.errors import friendly_errors

CELL = re.compile(r'^# %%(.*)$', re.MULTILINE)
# lines of a log carry the time, so they would differ in each run
LOG = re.compile(r'^\d\d/\d\d [\d:]+ - mmengine - .*\n', re.MULTILINE)


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('script', type=Path, metavar='SCRIPT', help='the tutorial')
    parser.add_argument(
        '--out', type=new_file, metavar='FILE', help='page to write (default: it is printed)'
    )
    parser.add_argument(
        '--options',
        nargs='+',
        action=KeyValueAction,
        default={},
        metavar='KEY=VALUE',
        help='settings to replace',
    )
    return parser.parse_args()


def main() -> None:
    """Run, and write or print."""
    args = parse_args()
    page = run(args.script, args.options)[0]
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(page, encoding='utf-8')
    else:
        print(page)


def cells(script: Path) -> list[tuple[str, str]]:
    """Title and text of each cell; what stands before the first one is no part of the page.

    Raises:
        FileNotFoundError: The tutorial is not there.
        ValueError: It has no cells.
    """
    if not script.is_file():
        raise FileNotFoundError(f'The tutorial `{script}` is not there; check the path.')
    parts = CELL.split(script.read_text(encoding='utf-8', errors='replace'))[1:]
    if not parts:
        raise ValueError(f'`{script}` is no tutorial: it has no cells, which begin with `# %%`.')
    return [
        (title.strip(), text.strip()) for title, text in zip(parts[::2], parts[1::2], strict=True)
    ]


def run(script: Path, settings: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Run the cells of a tutorial in one namespace.

    Args:
        script: The tutorial.
        settings: Values that replace those of its settings cell; texts become numbers where they look like such.

    Returns:
        The page, and the names that the tutorial has defined.

    Raises:
        ValueError: There is no such setting.
    """
    names: dict[str, Any] = dict(__name__='__main__')
    parts = [f'<!-- made by demo/tutorials/render.py from {script.name}: change that one -->']
    for title, text in cells(script):
        if title == '[markdown]':
            parts.append(re.sub(r'^# ?', '', text, flags=re.MULTILINE))
            continue
        shown = io.StringIO()
        with redirect_stdout(shown):
            exec(compile(text, str(script), 'exec'), names)
        if title == 'settings':
            unknown = settings.keys() - names.keys()
            if unknown:
                raise ValueError(f'`{script.name}` has no setting `{min(unknown)}`; see its cell.')
            names.update({name: literal(value) for name, value in settings.items()})
        parts.append(f'```python\n{text}\n```')
        printed = LOG.sub('', shown.getvalue()).rstrip()
        if printed:
            parts.append(f'```text\n{printed}\n```')
    return '\n\n'.join(parts) + '\n', names


def literal(value: Any) -> Any:
    """A text as the Python value it spells, else as it is."""
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value


if __name__ == '__main__':
    with friendly_errors():
        main()
