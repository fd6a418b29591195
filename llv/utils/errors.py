"""One sentence instead of a traceback for what a user can put right."""

from __future__ import annotations

import linecache
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_PACKAGE = Path(__file__).resolve().parents[1]
# in an installed package the tools are inside of it
_OWN = {_PACKAGE, _PACKAGE.parent / 'tools', _PACKAGE.parent / 'demo'}
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

    These are errors that llv raises on purpose, files that are not there, pictures that are damaged, types that no
    registry knows, and arguments that the classes of a config refuse; also where they come from a worker of a data
    loader. Everything else is a defect and keeps its traceback; with ``LLV_DEBUG=1`` in the environment so does
    everything. Ctrl+C is one word and exit status 130.

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
    except KeyboardInterrupt:
        if os.environ.get('LLV_DEBUG'):
            raise
        # a line of its own: the terminal stands behind `^C` or a progress bar
        print('\ninterrupted', file=sys.stderr, flush=True)
        sys.exit(130)


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
    if _raised_by_llv(origin):
        return text
    if _keeps_from_building(error, origin):
        reason = ' '.join(text.split())
        return f'The config cannot be built ({origin.kind}: {reason}); correct it, or the options that change it.'
    return None


def _keeps_from_building(error: Exception, origin: _Origin) -> bool:
    """Whether a class that a config names refuses its arguments: Python for it, or a statement of its own."""
    frames = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    builder = [frame for frame in frames if frame.co_name == 'build_from_cfg']
    if not builder:
        return False
    if frames[-1] is builder[-1]:
        return re.search('unexpected keyword argument|missing .* required', origin.text) is not None
    package = Path(builder[-1].co_filename).parents[2]  # where mmengine and its like are
    inside = (
        Path(origin.file).relative_to(package) if package in Path(origin.file).parents else None
    )
    if inside is None or not inside.parts[0].startswith('mm'):
        return False
    return linecache.getline(origin.file, origin.line).lstrip().startswith(('raise ', 'assert '))


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
