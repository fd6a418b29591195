"""How far a search has decided: entropies, and whether its genotype still changes."""

from __future__ import annotations

import json

from mmengine.runner import Runner
from torch import nn

from llv.search.searchable import searchable_modules

_LAST, _STABLE = 'search_genotype', 'search_stable'


class GenotypeWatch:
    """Logs the genotype, and counts how often in a row it was found unchanged.

    What it remembers is in the runner's message hub, which travels in checkpoints: a resumed search goes on counting.

    Args:
        runner: Gives logger and message hub.
        model: Has the searched modules.
        stop_after: How many checks in a row without a change settle the genotype. None: it never settles.
    """

    def __init__(self, runner: Runner, model: nn.Module, stop_after: int | None) -> None:
        self.runner = runner
        self.model = model
        self.stop_after = stop_after

    def forget(self) -> None:
        """Start anew; an earlier run of this process may have left something in the hub."""
        for name in (_LAST, _STABLE):
            self.runner.message_hub.pop_info(name)

    def check(self, counts: bool = True) -> None:
        """Log the genotype and compare it with that of the last check.

        Args:
            counts: False while a part of it cannot change yet: then it is no sign that nothing has.
        """
        hub = self.runner.message_hub
        found = {
            place: module.architecture.derive()
            for place, module in searchable_modules(self.model).items()
        }
        for place, edges in found.items():
            chosen = ', '.join(f'{edge} {candidate}' for edge, candidate in edges.items())
            self.runner.logger.info(f'Genotype of {place}: {chosen}')
        text = json.dumps(found)
        same = counts and text == hub.runtime_info.get(_LAST)
        hub.update_info(_LAST, text)
        hub.update_info(_STABLE, self.unchanged + 1 if same else 0)

    @property
    def unchanged(self) -> int:
        """How many checks in a row found no change."""
        return self.runner.message_hub.runtime_info.get(_STABLE, 0)

    @property
    def settled(self) -> bool:
        """Whether the search may end."""
        return self.stop_after is not None and self.unchanged >= self.stop_after


def mean_entropies(model: nn.Module) -> dict[str, float]:
    """Mean entropy of the edges of each searchable module, in nats, as ``entropy/<place>``."""
    return {
        f'entropy/{place}': sum(values) / len(values)
        for place, module in searchable_modules(model).items()
        if (values := list(module.architecture.entropies().values()))
    }
