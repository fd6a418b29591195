"""A report in one HTML file: text, tables, figures and pictures with boxes, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --faint: #626b75; --line: #dde1e6; --page: #fafbfc; --card: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e6ea; --faint: #98a1ab; --line: #343a41; --page: #15181c; --card: #1c2025; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1260px; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; letter-spacing: -.015em; }
h2 { font-size: 1.25rem; margin: 2.8rem 0 .6rem; padding-top: 1.2rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.6rem 0 .5rem; }
p { max-width: 76ch; margin: .5rem 0; }
.lead, .note, figcaption { color: var(--faint); }
.note, figcaption { font-size: .875rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .95rem; margin: .8rem 0 .4rem; }
th, td { padding: .38rem 1.1rem .38rem 0; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
thead th { color: var(--faint); font-weight: 500; border-bottom: 1px solid var(--ink); vertical-align: bottom; }
tbody tr { border-bottom: 1px solid var(--line); }
tbody th { font-weight: 600; font-size: .85rem; color: var(--faint); padding-top: 1rem; text-align: left; }
table.facts { width: auto; } table.facts td { text-align: left; white-space: normal; vertical-align: top; }
table.facts td:first-child { color: var(--faint); white-space: nowrap; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(370px, 100%), 1fr)); gap: 1rem; }
.figures figure { background: #fff; border: 1px solid var(--line); border-radius: 8px; padding: .7rem; color: #626b75; }
figure { margin: 0; } .figures img { display: block; width: 100%; height: auto; }
.figures figcaption { color: #626b75; }
.tiles { display: grid; gap: .9rem; justify-content: start; margin: .4rem 0 1.6rem; }
.tiles svg, .tiles img { display: block; width: 100%; height: auto; border-radius: 4px; background: #000; }
.tiles figcaption { line-height: 1.35; padding-top: .25rem; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; font-size: .9rem; margin: .6rem 0; }
.legend i { display: inline-block; width: .85em; height: .85em; border-radius: 2px; margin-right: .45em;
  vertical-align: -.08em; }
code, pre { font: .88em ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .7rem 1rem;
  overflow-x: auto; }
"""


@dataclass(frozen=True)
class Box:
    """A box on a picture.

    Attributes:
        corners: x1, y1, x2, y2 in pixels of the picture.
        label: Name of its class, a key of the palette.
        score: 0..1, or None for the ground truth.
    """

    corners: tuple[float, float, float, float]
    label: str
    score: float | None = None


@dataclass(frozen=True)
class Tile:
    """A picture of a gallery with its caption.

    Attributes:
        picture: (H, W, 3) uint8 RGB.
        caption: One line under the picture.
        boxes: Drawn on it; class and score show when the pointer rests on a box.
    """

    picture: np.ndarray
    caption: str
    boxes: Sequence[Box] = field(default_factory=tuple)


class HtmlReport:
    """Collects the parts of a report in order; :meth:`write` makes one self-contained file of them.

    All texts are plain text and escaped. Pictures and figures are embedded as base64.

    Example:
        >>> report = HtmlReport('Two numbers')
        >>> report.table(['what', 'AP50'], {'': [['day', '0.81'], ['night', '0.12']]})
        >>> report.write('report.html')

    Args:
        title: Title of the page.
        lead: One line under it.
    """

    def __init__(self, title: str, lead: str = '') -> None:
        self.title = title
        self._parts = [f'<h1>{escape(title)}</h1>']
        if lead:
            self._parts.append(f'<p class="lead">{escape(lead)}</p>')

    def heading(self, text: str, level: int = 2) -> None:
        """Start a section (level 2) or a part of one (level 3)."""
        self._parts.append(f'<h{level}>{escape(text)}</h{level}>')

    def text(self, text: str, note: bool = False) -> None:
        """A paragraph; `note` sets it smaller and fainter."""
        kind = ' class="note"' if note else ''
        self._parts.append(f'<p{kind}>{escape(text)}</p>')

    def code(self, text: str) -> None:
        """Lines in a fixed-width font."""
        self._parts.append(f'<pre>{escape(text)}</pre>')

    def facts(self, facts: Mapping[str, object]) -> None:
        """Names and values, one pair a line."""
        rows = ''.join(
            f'<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>'
            for name, value in facts.items()
        )
        self._parts.append(
            f'<div class="scroll"><table class="facts"><tbody>{rows}</tbody></table></div>'
        )

    def table(
        self,
        header: Sequence[str],
        groups: Mapping[str, Sequence[Sequence[object]]],
        note: str = '',
    ) -> None:
        """A table whose first column holds names and whose others hold numbers.

        Args:
            header: Names of the columns.
            groups: Rows by the title of their group; the title '' is not shown.
            note: Set under the table.

        Raises:
            ValueError: A row has another length than the header.
        """
        lines = []
        for title, rows in groups.items():
            if title:
                lines.append(
                    f'<tr><th colspan="{len(header)}" scope="colgroup">{escape(title)}</th></tr>'
                )
            for row in rows:
                if len(row) != len(header):
                    raise ValueError(
                        f'A row of `groups` has {len(row)} cells, but `header` has {len(header)}.'
                    )
                lines.append(
                    '<tr>' + ''.join(f'<td>{escape(str(cell))}</td>' for cell in row) + '</tr>'
                )
        head = ''.join(f'<th scope="col">{escape(name)}</th>' for name in header)
        self._parts.append(
            f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
        )
        if note:
            self.text(note, note=True)

    def figures(self, figures: Iterable[tuple[Figure, str]]) -> None:
        """Figures of matplotlib next to each other, each with its caption, as vector graphics."""
        cells = []
        for figure, caption in figures:
            buffer = io.BytesIO()
            figure.savefig(buffer, format='svg')
            source = _data_uri(buffer.getvalue(), 'image/svg+xml')
            caption = escape(caption)
            cells.append(
                f'<figure><img src="{source}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'
            )
        self._parts.append(f'<div class="figures">{"".join(cells)}</div>')

    def legend(self, palette: Mapping[str, Sequence[int]]) -> None:
        """Names with their colours, each an RGB triple of 0..255."""
        entries = ''.join(
            f'<span><i style="background:{_css(rgb)}"></i>{escape(name)}</span>'
            for name, rgb in palette.items()
        )
        self._parts.append(f'<div class="legend">{entries}</div>')

    def gallery(
        self,
        tiles: Sequence[Tile],
        palette: Mapping[str, Sequence[int]] | None = None,
        columns: int = 4,
        width: int = 288,
    ) -> None:
        """Pictures in rows, each shown at `width` CSS pixels.

        Args:
            tiles: Row by row.
            palette: RGB colours, 0..255, by the label of a box; needed where tiles have boxes.
            columns: Pictures in a row.
            width: At most this wide; narrower where the window is.

        Raises:
            ValueError: A box has a label that the palette lacks.
        """
        cells = ''.join(_tile(tile, palette or {}) for tile in tiles)
        style = f'grid-template-columns:repeat({columns},minmax(0,{width}px))'
        self._parts.append(f'<div class="tiles" style="{style}">{cells}</div>')

    def html(self) -> str:
        """The whole page."""
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<title>{escape(self.title)}</title><style>{_STYLE}</style></head>\n<body><main>\n'
            + '\n'.join(self._parts)
            + '\n</main></body></html>\n'
        )

    def write(self, path: str | os.PathLike) -> None:
        """Write the page; an earlier one stays whole until this one is."""
        path = Path(path)
        part = path.with_name(f'{path.name}.part')
        part.write_text(self.html(), encoding='utf-8')
        os.replace(part, path)


def _tile(tile: Tile, palette: Mapping[str, Sequence[int]]) -> str:
    height, width = tile.picture.shape[:2]
    caption = escape(tile.caption)
    shapes = ''.join(_rectangle(box, palette) for box in tile.boxes)
    return (
        f'<figure><svg viewBox="0 0 {width} {height}" role="img" aria-label="{caption}">'
        f'<image href="{_jpeg(tile.picture)}" width="{width}" height="{height}"/>{shapes}</svg>'
        f'<figcaption>{caption}</figcaption></figure>'
    )


def _rectangle(box: Box, palette: Mapping[str, Sequence[int]]) -> str:
    if box.label not in palette:
        raise ValueError(f'`palette` has no colour for the label `{box.label}`; add one.')
    x1, y1, x2, y2 = box.corners
    place = (
        f'x="{x1:.1f}" y="{y1:.1f}" width="{max(x2 - x1, 0):.1f}" height="{max(y2 - y1, 0):.1f}"'
    )
    line = 'fill="none" vector-effect="non-scaling-stroke"'
    title = box.label if box.score is None else f'{box.label} {box.score:.2f}'
    # a dark seam keeps the colour readable on bright pictures
    return (
        f'<rect {place} {line} stroke="#000" stroke-opacity=".55" stroke-width="4"/>'
        f'<rect {place} {line} pointer-events="all" stroke="{_css(palette[box.label])}" stroke-width="2">'
        f'<title>{escape(title)}</title></rect>'
    )


def _css(rgb: Sequence[int]) -> str:
    red, green, blue = rgb
    return f'rgb({int(red)},{int(green)},{int(blue)})'


def _jpeg(picture: np.ndarray) -> str:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(
            f'`picture` must be (H, W, 3) uint8, but got {picture.shape} {picture.dtype}.'
        )
    # a fifth of the bytes of PNG for noisy pictures; 95 leaves no artefacts to see
    _, data = cv2.imencode(
        '.jpg', np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 95]
    )
    return _data_uri(data.tobytes(), 'image/jpeg')


def _data_uri(data: bytes, kind: str) -> str:
    return f'data:{kind};base64,{base64.b64encode(data).decode()}'
