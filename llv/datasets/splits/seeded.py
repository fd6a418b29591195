"""Seeded order of names that no library version can change, and lists of names in text files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from os import PathLike
from pathlib import Path, PurePosixPath


def seeded_order(stems: Iterable[str], seed: int = 0) -> list[str]:
    """Shuffle names the same way on every machine, Python and library version.

    The rule: lower-case the names, then sort them by the hexadecimal SHA-256 of
    ``f'{seed}:{name}'`` in UTF-8. It uses no random generator and does not depend on the order in
    which the names come. In a shell, a name's place is ``printf '0:2015_00001' | sha256sum``.

    Args:
        stems: Names, unique when case is ignored.
        seed: Number that starts the hashed text.

    Returns:
        The lower-case names in seeded order.

    Raises:
        ValueError: A name comes twice.
    """
    names = [stem.lower() for stem in stems]
    if len(set(names)) != len(names):
        raise ValueError('`stems` holds a name twice: give each picture once.')
    return sorted(names, key=lambda name: hashlib.sha256(f'{seed}:{name}'.encode()).hexdigest())


def read_split_file(path: str | PathLike[str]) -> dict[str, int]:
    """Read a list of pictures: a name, a stem or a path per line; blank lines and Windows line ends
    are fine.

    Args:
        path: The text file.

    Returns:
        Lower-case stem (name without folders and extension) to line number, in the order of the
        file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is empty or names a picture twice.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'`split_file` {path} does not exist: give a text file with one picture name per line.'
        )
    lines: dict[str, int] = {}
    text = path.read_text(encoding='utf-8-sig', errors='replace')
    for number, line in enumerate(text.splitlines(), 1):
        stem = PurePosixPath(line.strip().replace('\\', '/')).stem.lower()
        if not stem:
            continue
        if stem in lines:
            raise ValueError(
                f'{path}:{number}: `{line.strip()}` is already named in line {lines[stem]}: '
                'remove one of the two lines.'
            )
        lines[stem] = number
    if not lines:
        raise ValueError(f'`split_file` {path} names no picture: write one name per line.')
    return lines
