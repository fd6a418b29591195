"""Running cells, one or several at a time, with the time that is left."""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from typing import Any

from llv.engine.settings import RunOptions
from llv.engine.upstream import upstream_digests
from llv.utils.errors import explain

from .cells import Cell, run_cell, run_upstream, use_threads
from .matrix import Matrix

Job = tuple[str, Callable[..., Any], tuple]


def run_all(cells: list[Cell], matrix: Matrix, options: RunOptions, workers: int) -> dict[str, str]:
    """Run what is missing and print what comes out.

    What fails is named with its reason, and the others go on.

    Returns:
        Reasons by the title of what failed.
    """
    missing = [cell for cell in cells if cell.record() is None]
    print(f'{matrix.title}: {len(cells) - len(missing)} of {len(cells)} cells are there.')
    failed = _run(list(_upstream_jobs(missing, options)), matrix, workers)
    failed |= _run(
        [(cell.point.title, run_cell, (cell, matrix, options)) for cell in missing],
        matrix,
        workers,
    )
    return failed


def _upstream_jobs(cells: list[Cell], options: RunOptions) -> Iterator[Job]:
    """What the cells build on, each once, so that no cell waits for the training of another."""
    seen = set()
    for cell in cells:
        for index, digest in enumerate(upstream_digests(cell.cfg, options)):
            if digest not in seen:
                seen.add(digest)
                stem = os.path.basename(cell.cfg.upstream[index]['config'])
                yield (
                    f'{stem}, seed {cell.point.seed}',
                    run_upstream,
                    (cell, index, options),
                )


def _run(jobs: list[Job], matrix: Matrix, workers: int) -> dict[str, str]:
    started, done, failed = time.monotonic(), 0, {}
    if not jobs:
        return failed
    for title, result, error in run_jobs(jobs, workers):
        done += 1
        spent = (time.monotonic() - started) / 60
        left = spent / done * (len(jobs) - done)
        if error is not None:
            failed[title] = error
            text = f'failed: {error}'
        elif result is not None:
            value = result['metrics'][matrix.metric]
            text = f'{matrix.metric} {"is no number" if value is None else format(value, ".1f")}'
        else:
            text = 'ready'
        print(f'[{done}/{len(jobs)}] {title}: {text} (about {left:.0f} min left)', flush=True)
    return failed


def run_jobs(jobs: list[Job], workers: int) -> Iterator[tuple[str, Any, str | None]]:
    """Title, result and error of each job as it ends."""
    if workers == 1:
        for title, function, arguments in jobs:
            yield title, *_attempt(function, arguments)
        return
    threads = max(1, (os.cpu_count() or 1) // workers)
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context('spawn'), initializer=use_threads, initargs=(threads,)
    )
    with pool:
        queue = iter(jobs)
        running = {}
        for title, function, arguments in _first(queue, workers):
            running[pool.submit(_attempt, function, arguments)] = title
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), *future.result()
                for title, function, arguments in _first(queue, 1):
                    running[pool.submit(_attempt, function, arguments)] = title


def _first(queue: Iterator[Job], count: int) -> Iterator[Job]:
    for _, job in zip(range(count), queue, strict=False):
        yield job


def _attempt(function: Callable[..., Any], arguments: tuple) -> tuple[Any, str | None]:
    try:
        return function(*arguments), None
    except Exception as error:
        return None, explain(error) or traceback.format_exc()
