"""What the arguments of command lines may be: functions for `type=`, with messages that say what is wrong."""

from __future__ import annotations

import ast
import math
import re
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any


def whole_number(text: str) -> int:
    """A whole number from 0, for `type=` of an argument."""
    if not re.fullmatch('[0-9]+', text):
        raise ArgumentTypeError(f'must be a whole number from 0, but got {text!r}')
    return int(text)


def count(text: str) -> int:
    """A whole number from 1, for `type=` of an argument."""
    if not re.fullmatch('0*[1-9][0-9]*', text):
        raise ArgumentTypeError(f'must be a whole number from 1, but got {text!r}')
    return int(text)


def positive(text: str) -> float:
    """A finite number above 0, for `type=` of an argument."""
    value = _number(text)
    if not value > 0:
        raise ArgumentTypeError(f'must be a number above 0, but got {text!r}')
    return value


def not_negative(text: str) -> float:
    """A finite number from 0, for `type=` of an argument."""
    value = _number(text)
    if not value >= 0:
        raise ArgumentTypeError(f'must be a number from 0, but got {text!r}')
    return value


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def picture_size(text: str) -> tuple[int, int]:
    """(height, width) in pixels of ``720x1080``, or of ``96`` for a square; for `type=` of an argument.

    Example:
        >>> picture_size('720x1080'), picture_size('96')
        ((720, 1080), (96, 96))
    """
    match = re.fullmatch('([1-9][0-9]*)(?:x([1-9][0-9]*))?', text)
    if match is None:
        raise ArgumentTypeError(
            f'must be HEIGHTxWIDTH such as 720x1080, or one side of a square, but got {text!r}'
        )
    return int(match[1]), int(match[2] or match[1])


def new_file(text: str) -> Path:
    """A file to write, for `type=` of an argument: that it cannot be one is told before the work."""
    path = Path(text)
    if path.is_dir():
        raise ArgumentTypeError(f'`{text}` is a folder: name the file in it')
    _check_parents(path)
    return path


def new_folder(text: str) -> Path:
    """A folder to write to, for `type=` of an argument: that it cannot be one is told before the work."""
    path = Path(text)
    if path.exists() and not path.is_dir():
        raise ArgumentTypeError(f'`{text}` is a file: name a folder')
    _check_parents(path)
    return path


def _check_parents(path: Path) -> None:
    for parent in path.parents:
        if parent.exists():
            if not parent.is_dir():
                raise ArgumentTypeError(f'`{path}` cannot be written: `{parent}` is a file')
            return


def enhancer_entry(text: str) -> tuple[str, str | None, dict[str, Any]]:
    """Name, weights and options of ``NAME[:WEIGHTS][@KEY=VALUE,...]``, for `type=` of an argument.

    A name may be that of a config (``llv::ruas/x.py``) or of a Python file.

    Example:
        >>> enhancer_entry('ruas:lol.pt@denoise=False')
        ('ruas', 'lol.pt', {'denoise': False})
    """
    form = 'NAME[:WEIGHTS][@KEY=VALUE,...]'
    head, options = text, {}
    split = re.fullmatch(r'(.+?)@(\w+=.*)', text, re.S)
    if split:
        head = split[1]
        for part in re.split(r',(?=\w+=)', split[2]):
            key, _, value = part.partition('=')
            if key in ('weights', 'device', 'enhancer') or key in options:
                raise ArgumentTypeError(
                    f'`{key}` in `{text}` is no option, or is twice; see {form}'
                )
            try:
                options[key] = ast.literal_eval(value)
            except (ValueError, SyntaxError):  # a word
                options[key] = value
    name, weights = re.fullmatch(r'((?:[^:]|::)*)(?::(.*))?', head, re.S).groups()
    # a path may have the sign in it, a name has not
    if not name or weights == '' or ('@' in name and '/' not in name):
        raise ArgumentTypeError(f'`{text}` is not {form}')
    return name, weights, options
