"""Markdown tables, and putting them into pages that people write around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def markdown_table(rows: Sequence[Mapping[str, str]]) -> str:
    """A table with the keys of the first row as its head, columns of equal width.

    >>> print(markdown_table([dict(name='a', ms='1'), dict(name='bcdef', ms='12')]))
    | name  | ms  |
    |-------|-----|
    | a     | 1   |
    | bcdef | 12  |
    """
    names = list(rows[0])
    cells = [names, *([str(row[name]).replace('|', r'\|') for name in names] for row in rows)]
    widths = [max(3, *(len(row[k]) for row in cells)) for k in range(len(names))]
    lines = [
        '| ' + ' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + ' |'
        for row in cells
    ]
    lines.insert(1, '|' + '|'.join('-' * (width + 2) for width in widths) + '|')
    return '\n'.join(lines)


def write_between_markers(path: str | Path, name: str, text: str) -> None:
    """Replace what stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->`` in a page.

    Args:
        path: Page to rewrite.
        name: Name of the generated part.
        text: What to put there.

    Raises:
        FileNotFoundError: There is no such page.
        ValueError: It has not exactly one pair of these markers, in order.
    """
    before, after = around_markers(path, name)
    page = f'{before}<!-- begin {name} -->\n\n{text.strip()}\n\n<!-- end {name} -->{after}'
    Path(path).write_text(page, encoding='utf-8')


def around_markers(path: str | Path, name: str) -> tuple[str, str]:
    """What stands before and behind the part `name` of a page; to find out before long work whether it has one.

    Args:
        path: The page.
        name: Name of the generated part.

    Raises:
        FileNotFoundError, ValueError: As :func:`write_between_markers`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'The page `{path}` is not there; check the path.')
    begin, end = f'<!-- begin {name} -->', f'<!-- end {name} -->'
    page = path.read_text(encoding='utf-8', errors='replace')
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    if page.count(begin) != 1 or page.count(end) != 1 or end not in rest:
        raise ValueError(f'`{path}` must hold the lines `{begin}` and `{end}` once, in this order.')
    return before, after
