"""Running the trainings of a study, one or several at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from llv.benchmark.workers import run_jobs
from llv.engine.settings import RunOptions

from .cells import Cell, run_cell


def run_all(
    cells: Sequence[Cell],
    options: RunOptions,
    workers: int,
    run: Callable[..., dict[str, Any]] = run_cell,
) -> dict[str, str]:
    """Run what is missing and print what comes out.

    What fails is named with its reason, and the others go on.

    Args:
        cells: With ``record()`` and ``point.title``.
        options: As given on the command line.
        workers: Processes.
        run: Takes a cell and the options, and returns its record with ``metrics.psnr``.

    Returns:
        Reasons by the title of what failed.
    """
    missing = [cell for cell in cells if cell.record() is None]
    print(f'{len(cells) - len(missing)} of {len(cells)} trainings are there.', flush=True)
    jobs = [(cell.point.title, run, (cell, options)) for cell in missing]
    started, failed = time.monotonic(), {}
    for done, (title, record, error) in enumerate(run_jobs(jobs, workers), 1):
        left = (time.monotonic() - started) / 60 / done * (len(jobs) - done)
        if error is not None:
            failed[title] = error
            text = f'failed: {error}'
        else:
            text = f'PSNR {record["metrics"]["psnr"]:.2f}'
        print(f'[{done}/{len(jobs)}] {title}: {text} (about {left:.0f} min left)', flush=True)
    return failed
