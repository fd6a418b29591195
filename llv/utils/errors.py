"""One sentence instead of a traceback for what a user can put right."""

from __future__ import annotations

import linecache
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_PACKAGE = Path(__file__).resolve().parents[1]
# in an installed package the tools are inside of it
_OWN = {_PACKAGE, _PACKAGE.parent / 'tools'}
_UNREADABLE = 'failed to load image: '  # mmcv's loader over bytes that are no picture
_EMPTY = '!buf.empty()'  # OpenCV, which mmcv's loader gives the bytes without their name


class _Origin(NamedTuple):
    """Where an error comes from and what it says there."""

    kind: str
    text: str
    file: str
    line: int


@contextmanager
def friendly_errors() -> Iterator[None]:
    """Turn errors that a user can put right into one sentence on stderr and exit status 2.

    These are errors that llv raises on purpose, files that are not there, pictures that are damaged, and types that no
    registry knows; also where they come from a worker of a data loader. Everything else is a defect and keeps its
    traceback; with ``LLV_DEBUG=1`` in the environment so does everything.

    Example:
        >>> with friendly_errors():
        ...     main()
    """
    try:
        yield
    except Exception as error:
        sentence = None if os.environ.get('LLV_DEBUG') else explain(error)
        if sentence is None:
            raise
        sys.stdout.flush()
        print(f'error: {sentence}', file=sys.stderr, flush=True)
        sys.exit(2)


def explain(error: Exception) -> str | None:
    """The sentence for an error that a user can put right, None for a defect."""
    if isinstance(error, OSError) and error.filename is not None:
        # also those that libraries meet while they read what a config names
        return _closed(error.filename, error.strerror or type(error).__name__)
    origin = _origin(error)
    if origin is None:
        return None
    text = origin.text
    if origin.kind == 'AssertionError' and text.startswith(_UNREADABLE):
        return _unreadable(text.removeprefix(_UNREADABLE))
    if origin.kind == 'error' and _EMPTY in text:
        return (
            'A picture of the data set is an empty file; find it with `find <folder> -size 0`, and copy or download it '
            'again.'
        )
    # a worker's error has no attributes, only what Python prints of them
    closed = re.fullmatch(r"\[Errno \d+\] (.+?): '(.+)'", text)
    if closed:
        return _closed(closed[2], closed[1])
    if origin.kind == 'KeyError' and ' is not in the ' in text and 'registry' in text:
        name, _, rest = text.partition(' is not in the ')
        registry = rest.split(' registry')[0]
        return (
            f'`{name}` is no known type of the `{registry}` registry; check its spelling, its `package.` prefix and '
            'the `default_scope` of the config.'
        )
    return text if _raised_by_llv(origin) else None


def _closed(file: str, reason: str) -> str:
    return f'`{file}`: {reason.lower()}; check the path, also those inside the config.'


def _unreadable(file: str) -> str:
    return (
        f'The picture `{file}` is damaged or no picture; copy or download it again, '
        'or take it out of the annotations.'
    )


def _origin(error: Exception) -> _Origin | None:
    """The place of the error; for one that a data loader's worker met, read from the traceback that it became."""
    text = str(error.args[0]) if error.args else ''
    if re.match(r'Caught \w+ in DataLoader worker process \d+\.\nOriginal Traceback', text):
        return _worker_origin(text)
    trace = error.__traceback__
    if trace is None:
        return None
    while trace.tb_next is not None:
        trace = trace.tb_next
    return _Origin(type(error).__name__, text, trace.tb_frame.f_code.co_filename, trace.tb_lineno)


def _worker_origin(text: str) -> _Origin | None:
    # of a chain of errors the last block is the one that left the worker
    frames = list(re.finditer(r'^  File "(.+)", line (\d+), in .+\n(?:    .*\n)*', text, re.M))
    last = re.match(r'([\w.]+): (.*)', text[frames[-1].end() :], re.S) if frames else None
    if last is None:
        return None
    frame = frames[-1]
    kind = last[1].rpartition('.')[2]
    return _Origin(kind, last[2].rstrip('\n'), frame[1], int(frame[2]))


def _raised_by_llv(origin: _Origin) -> bool:
    """Whether a `raise` statement of this package or its tools made the error, not an operation that failed there."""
    if _OWN.isdisjoint(Path(origin.file).resolve().parents):
        return False
    return linecache.getline(origin.file, origin.line).lstrip().startswith('raise ')
