"""Run a tutorial cell by cell and write it as a page, with what it printed.

Example:
    python demo/tutorials/render.py demo/tutorials/photograph.py --write docs/tutorials/photograph.md

A tutorial is a Python script whose cells begin with `# %%` (editors run them one by one) and whose text stands in
`# %% [markdown]` cells. The cell `# %% settings` holds assignments that `--set` replaces, such as the sizes of a trial.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

CELL = re.compile(r'^# %%(.*)$', re.MULTILINE)
# lines of a log carry the time, so they would differ in each run
LOG = re.compile(r'^\d\d/\d\d [\d:]+ - mmengine - .*\n', re.MULTILINE)


def parse_args() -> argparse.Namespace:
    """Arguments of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('script', type=Path)
    parser.add_argument('--write', type=Path, metavar='PAGE', help='where to put the page')
    parser.add_argument(
        '--set', nargs='+', default=[], metavar='NAME=VALUE', help='settings to replace'
    )
    return parser.parse_args()


def main() -> None:
    """Run, and write or print."""
    args = parse_args()
    settings = {}
    for pair in args.set:
        name, separator, value = pair.partition('=')
        if not separator:
            raise SystemExit(f'`--set {pair}` has no `=`; write `name=value`.')
        settings[name] = value
    page = run(args.script, settings)[0]
    if args.write:
        args.write.write_text(page, encoding='utf-8')
    else:
        print(page)


def cells(script: Path) -> list[tuple[str, str]]:
    """Title and text of each cell; what stands before the first one is no part of the page."""
    parts = CELL.split(script.read_text(encoding='utf-8'))[1:]
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
    main()
