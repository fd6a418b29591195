"""One sentence instead of a traceback for what a user can put right."""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


@contextmanager
def friendly_errors() -> Iterator[None]:
    """Turn errors that a user can put right into one sentence on stderr and exit status 2.

    These are errors that llv raises on purpose, files that are not there, and types that no registry knows. Everything
    else is a defect and keeps its traceback; with ``LLV_DEBUG=1`` in the environment so does everything.

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
        reason = (error.strerror or type(error).__name__).lower()
        return f'`{error.filename}`: {reason}; check the path, also those inside the config.'
    text = str(error.args[0]) if error.args else ''
    if isinstance(error, KeyError) and ' is not in the ' in text and 'registry' in text:
        name, _, rest = text.partition(' is not in the ')
        registry = rest.split(' registry')[0]
        return (
            f'`{name}` is no known type of the `{registry}` registry; check its spelling, its `package.` prefix and '
            'the `default_scope` of the config.'
        )
    return text if _raised_by_llv(error) else None


def _raised_by_llv(error: Exception) -> bool:
    """Whether a `raise` statement of this package made the error, not an operation that failed in it."""
    trace = error.__traceback__
    if trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    file = trace.tb_frame.f_code.co_filename
    if _PACKAGE not in Path(file).resolve().parents:
        return False
    return linecache.getline(file, trace.tb_lineno).lstrip().startswith('raise ')
