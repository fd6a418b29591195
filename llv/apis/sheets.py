"""Comparison sheets: a picture and what several enhancers make of it, side by side on one page."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import nn

from llv.utils.pictures import PHOTOGRAPH_SUFFIXES, PictureError, read_photograph, to_tensor

from .enhancers import init_enhancer
from .inference import enhance
from .large import OutOfMemory

PANEL = 640  # longer side of a picture on the sheet at most, and of a tiny one at least half of it
_COLUMNS = 4
_GAP = 16
_FONT_SIZES = range(22, 11, -1)
_FILES = ('.py', '.json', '.yaml', '.yml')
_INK, _PAPER = (32, 32, 32), (255, 255, 255)


class Panel(NamedTuple):
    """A picture of a sheet, (H, W, 3) uint8 RGB, and the lines under it."""

    picture: np.ndarray
    lines: Sequence[str]


def init_enhancers(names: Sequence[str], device: str = 'cpu') -> dict[str, nn.Module]:
    """The enhancers of a sheet by what stands under their pictures.

    Args:
        names: Names of enhancers or of published weights, or config files; see :func:`llv.apis.init_enhancer`.
        device: Where to put them.

    Returns:
        Caption -> enhancer: the name, of a config file that without folder and suffix, unless two share it; one that
        has nothing learned but could have is said to be untrained.

    Raises:
        ValueError, FileNotFoundError: As :func:`llv.apis.init_enhancer`.
    """
    names = list(dict.fromkeys(map(os.fspath, names)))
    stems = [Path(name).stem if name.endswith(_FILES) else name for name in names]
    found = {}
    for name, stem in zip(names, stems, strict=True):
        module = init_enhancer(name, device=device)
        caption = stem if stems.count(stem) == 1 else name
        learns = any(p.requires_grad for p in module.parameters())
        if learns and getattr(module, 'weights', None) is None:
            caption += ' (untrained)'
        found[caption] = module
    return found


def comparison_sheet(
    modules: Mapping[str, nn.Module],
    picture: str | os.PathLike,
    reference: str | os.PathLike | None = None,
) -> np.ndarray:
    """Light a picture with several enhancers and put the results on one sheet.

    Args:
        modules: Caption -> enhancer.
        picture: File of the picture, which is shown first.
        reference: File of its well-lit partner, which is shown last; then PSNR over all values of the 8-bit results
            stands under every picture of its size.

    Returns:
        (H, W, 3) uint8 RGB; see :func:`draw_sheet`.

    Raises:
        PictureError: A file cannot be read, or the reference has the size of none of the pictures.
        OutOfMemory: An enhancer, which is named, needs more memory than there is.
    """
    dark = read_photograph(picture)
    source = _eight_bits(dark)
    partner = None if reference is None else _eight_bits(read_photograph(reference))
    size = _size_on_sheet(source)
    compared = 0
    panels = []
    for caption, module in (('input', None), *modules.items()):
        lit = source if module is None else _light(module, dark, caption)
        lines = [caption]
        if partner is not None and partner.shape == lit.shape:
            compared += 1
            lines.append(f'PSNR {_psnr(lit, partner):.2f} dB')
        # results are not kept at their full size, so any number of enhancers fits into memory
        panels.append(Panel(_resized(lit, size), lines))
    if partner is not None:
        if not compared:
            sizes = [f'{p.shape[1]}×{p.shape[0]}' for p in (partner, source)]
            raise PictureError(
                f'The reference `{reference}` has {sizes[0]} pixels, which is the size of no result of the picture '
                f'`{picture}` with {sizes[1]}; give the partner of this picture.'
            )
        panels.append(Panel(_resized(partner, size), ['reference']))
    return draw_sheet(panels)


def find_reference(folder: Path, name: Path) -> Path:
    """The partner of a picture in a folder: the same relative name, or the same with another suffix.

    Args:
        folder: Of the references.
        name: Of the picture, relative to the folder of the pictures.

    Raises:
        PictureError: There is none, or there are several.
    """
    same = folder / name
    if same.is_file():
        return same
    place = same.parent
    others = [
        path
        for path in (sorted(place.iterdir()) if place.is_dir() else ())
        if path.stem == name.stem and path.suffix.lower() in PHOTOGRAPH_SUFFIXES
    ]
    if len(others) != 1:
        what = 'several references' if others else 'no reference'
        raise PictureError(
            f'There is {what} of `{name}` in `{folder}`; references have the names of their pictures.'
        )
    return others[0]


def draw_sheet(panels: Sequence[Panel]) -> np.ndarray:
    """Pictures on white paper with their lines centred under them, at most four in a row.

    Args:
        panels: One or more; pictures of one size look best.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    rows = math.ceil(len(panels) / _COLUMNS)
    columns = math.ceil(len(panels) / rows)
    width = max(panel.picture.shape[1] for panel in panels)
    height = max(panel.picture.shape[0] for panel in panels)
    fonts = {size: _font(size) for size in _FONT_SIZES}
    line_height = round(1.4 * max(fonts))
    caption = line_height * max(len(panel.lines) for panel in panels)
    cell = width + _GAP, height + caption + _GAP
    sheet = Image.new('RGB', (columns * cell[0] + _GAP, rows * cell[1] + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        left, top = _GAP + column * cell[0], _GAP + row * cell[1]
        picture = panel.picture
        inset = (width - picture.shape[1]) // 2, height - picture.shape[0]
        sheet.paste(Image.fromarray(picture), (left + inset[0], top + inset[1]))
        for number, line in enumerate(panel.lines):
            text, font = _fitted(draw, line, fonts, width + _GAP // 2)
            middle = left + width / 2, top + height + (number + 0.5) * line_height
            draw.text(middle, text, _INK, font, anchor='mm')
    return np.asarray(sheet)


def _light(module: nn.Module, picture: np.ndarray, caption: str) -> np.ndarray:
    try:
        return enhance(module, picture)
    except OutOfMemory as error:
        raise OutOfMemory(
            f'needs more memory than there is behind `{caption}`; leave that out, or shrink the picture.'
        ) from error


def _psnr(picture: np.ndarray, reference: np.ndarray) -> float:
    """In dB, infinite for equal pictures."""
    error = (to_tensor(picture).double() - to_tensor(reference).double()).square().mean()
    return -10 * float(torch.log10(error))


def _eight_bits(picture: np.ndarray) -> np.ndarray:
    return picture if picture.dtype == np.uint8 else np.rint(picture / 257).astype(np.uint8)


def _size_on_sheet(picture: np.ndarray) -> tuple[int, int]:
    """Width and height: large pictures are reduced, small ones enlarged by a whole number."""
    height, width = picture.shape[:2]
    longer = max(height, width)
    scale = PANEL / longer if longer > PANEL else max(PANEL // longer, 1)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if picture.shape[1::-1] == size:
        return picture
    # enlarged pixels stay squares, so that nobody takes a blur for the enhancer's
    filter_ = Image.Resampling.LANCZOS if picture.shape[1] > size[0] else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(picture).resize(size, filter_))


def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings: it knows many languages, and every version of Pillow can draw it."""
    import matplotlib

    return ImageFont.truetype(
        os.path.join(matplotlib.get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf'), size
    )


def _fitted(
    draw: ImageDraw.ImageDraw, text: str, fonts: Mapping[int, ImageFont.FreeTypeFont], width: int
) -> tuple[str, ImageFont.FreeTypeFont]:
    """A line in the largest font that it fits with; one that never does loses its beginning."""
    for font in fonts.values():
        if draw.textlength(text, font) <= width:
            return text, font
    while len(text) > 1 and draw.textlength(f'…{text}', font) > width:
        text = text[1:]
    return f'…{text}', font
