"""Fetching files into the user cache, verified before they are used."""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.request
from pathlib import Path
from urllib.error import URLError

_TIMEOUT = 30  # seconds without a byte
_CHUNK = 1 << 20


def cache_folder() -> Path:
    """Where llv keeps what it fetched: ``$XDG_CACHE_HOME/llv``, else ``~/.cache/llv``."""
    base = os.environ.get('XDG_CACHE_HOME')
    return (Path(base) if base else Path.home() / '.cache') / 'llv'


def sha256_of(path: str | os.PathLike) -> str:
    """The sha256 of a file in hex."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def download(url: str, target: Path, sha256: str) -> None:
    """Fetch a file; nothing appears at `target` unless it is complete and the right one.

    Args:
        url: Where it is.
        target: Where it goes; folders are made.
        sha256: What its digest must begin with, in hex.

    Raises:
        OSError: It cannot be fetched or written.
        ValueError: It is another file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f'.{target.name}.')
    try:
        with os.fdopen(handle, 'wb') as file:
            try:
                with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
                    while chunk := answer.read(_CHUNK):
                        file.write(chunk)
            except URLError as error:  # its text alone, without `<urlopen error …>`
                raise OSError(getattr(error, 'reason', error)) from error
        if not sha256_of(temporary).startswith(sha256):
            raise ValueError(
                f'What `{url}` gave is not the published file (its sha256 differs), so it was thrown away; get the '
                f'file from its authors and put it at `{target}`.'
            )
        os.replace(temporary, target)
    finally:
        Path(temporary).unlink(missing_ok=True)
