"""What the demo says on the terminal while mmengine's logs go to a file."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from llv.visualization import read_scalars

LINES = 4  # while one network is trained


class Progress:
    """Numbered steps with the time that has passed and about what is left.

    Args:
        work: Seconds that each step takes on an idle machine with two cores, in the order of the steps. Only
            their ratio matters once the first is done.
    """

    def __init__(self, work: list[float]) -> None:
        self.terminal = sys.stdout
        self.work = work
        self.started = time.monotonic()
        self._step = -1
        self._step_started = self.started
        self._done = self._spent = 0.0  # work and time of the steps that were not reused

    def step(self, title: str) -> None:
        """Start the next step."""
        self._finish()
        self._step += 1
        left = clock(self._left(0.0))
        self.say(
            f'[{self._step + 1}/{len(self.work)}] {title}  ({clock(self.elapsed)} elapsed, about {left} left)'
        )

    def reused(self) -> None:
        """The present step was there already, so its time says nothing about the speed of the machine."""
        self.work[self._step] = 0.0
        self._step_started = time.monotonic()
        self.say('      reused from an earlier run; `--fresh` starts over')

    def say(self, text: str) -> None:
        """A line on the terminal."""
        print(text, file=self.terminal, flush=True)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @contextlib.contextmanager
    def watch(self, folder: Path, iterations: int) -> Iterator[None]:
        """Say a few times how far a training is, from the scalars that it logs.

        Args:
            folder: Where its work folder is, directly or anywhere inside.
            iterations: Its length.
        """
        stop = threading.Event()
        begin = time.time()

        def loop() -> None:
            said = 0
            while not stop.wait(1.0):
                files = [
                    f for f in folder.glob('**/vis_data/scalars.json') if f.stat().st_mtime >= begin
                ]
                if not files:
                    continue
                newest = max(files, key=lambda file: file.stat().st_mtime)
                records = read_scalars(newest.parents[2])
                if not records or records[-1]['step'] * LINES < iterations * (said + 1):
                    continue
                last = records[-1]
                said = last['step'] * LINES // iterations
                left = clock(self._left(min(last['step'] / iterations, 1)))
                self.say(
                    f'      step {last["step"]}/{iterations}  loss {last["loss"]:.3f}  '
                    f'{last["time"]:.2f} s a step  ({clock(self.elapsed)} elapsed, about {left} left)'
                )

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _finish(self) -> None:
        if self._step >= 0 and self.work[self._step]:
            self._done += self.work[self._step]
            self._spent += time.monotonic() - self._step_started
        self._step_started = time.monotonic()

    def _left(self, part: float) -> float:
        """Seconds left when this part of the present step is done."""
        here = self.work[self._step]
        done = self._done + here * part
        spent = self._spent + (time.monotonic() - self._step_started if part else 0.0)
        pace = spent / done if done else 1.0
        return pace * (here * (1 - part) + sum(self.work[self._step + 1 :]))


def clock(seconds: float) -> str:
    """Minutes and seconds."""
    seconds = round(seconds)
    return f'{seconds // 60}:{seconds % 60:02d}'


@contextlib.contextmanager
def logs_to(file: Path) -> Iterator[None]:
    """Send what libraries print and log to a file; the file of an earlier run is continued."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # stays open: loggers keep the stream that they found
    stream = file.open('a', encoding='utf-8', buffering=1)
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        yield
