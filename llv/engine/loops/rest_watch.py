"""Whether numbers that are trained have come to rest."""

from __future__ import annotations

from collections.abc import Mapping

from mmengine.runner import Runner
from torch import Tensor

_LAST, _ENDED = 'hyper_variables_before', 'first_stage_ended'


class RestWatch:
    """Compares positive scalars with what they were some iterations ago.

    What it remembers is in the runner's message hub, which travels in checkpoints.

    Args:
        runner: Gives logger and message hub.
        scalars: By name.
        tolerance: Largest relative change that counts as rest. None: nothing does.
        window: Iterations between two looks.
    """

    def __init__(
        self, runner: Runner, scalars: Mapping[str, Tensor], tolerance: float | None, window: int
    ) -> None:
        self.runner = runner
        self.scalars = scalars
        self.tolerance = tolerance
        self.window = window

    def forget(self) -> None:
        """Start anew from the scalars as they are; an earlier run of this process may have left something."""
        self.runner.message_hub.pop_info(_ENDED)
        self.runner.message_hub.update_info(_LAST, self._now())

    def look(self, iterations: int) -> None:
        """Compare, if it is time to, after as many iterations."""
        if self.tolerance is None or iterations % self.window:
            return
        hub, now = self.runner.message_hub, self._now()
        before = hub.runtime_info[_LAST]
        change = max(abs(now[name] / before[name] - 1) for name in now)
        hub.update_info(_LAST, now)
        if change < self.tolerance:
            hub.update_info(_ENDED, iterations)
            self.runner.logger.info(
                f'No hyper-variable has changed by more than {change:.2%} in {self.window} iterations; the first stage '
                'ends.'
            )

    @property
    def ended(self) -> int | None:
        """After how many iterations they were at rest; None while they are not."""
        return self.runner.message_hub.runtime_info.get(_ENDED)

    def _now(self) -> dict[str, float]:
        return {name: scalar.item() for name, scalar in self.scalars.items()}
