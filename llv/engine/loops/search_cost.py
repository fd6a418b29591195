"""What the network costs that a level is expected to become."""

from __future__ import annotations

from torch import Tensor, nn
from torch.utils.data import Dataset

from llv.search.derivation import candidate_costs, expected_cost
from llv.search.searchable import searchable_modules

from .search_levels import Level
from .search_result import forward_of, measurable, picture_size


class LevelCost:
    """Expected multiply-accumulates of a level, as a share of those of its largest choice.

    Args:
        model: Has the searched modules; measured as a copy on the CPU.
        dataset: Its first picture gives the size.

    Raises:
        ValueError: The model does not run on pictures alone.
    """

    def __init__(self, model: nn.Module, dataset: Dataset) -> None:
        self.model = model
        measured, size = measurable(model), picture_size(dataset)
        try:
            self.tables = candidate_costs(measured, size, forward=forward_of(measured))
        except Exception as error:  # of any model
            reason = ' '.join(str(error).split()).rstrip('.')
            raise ValueError(
                f'`cost_weight` needs a model that runs on pictures alone, which `{type(model).__name__}` does not '
                f'({reason}); set it to 0.'
            ) from error

    def __call__(self, level: Level) -> Tensor | float:
        """A scalar in 0..1 that can be differentiated by the α of the level; 0 where nothing of it costs anything."""
        alpha = {id(parameter) for parameter in level.alpha}
        expected, largest = 0.0, 0.0
        for place, module in searchable_modules(self.model).items():
            if id(module.architecture.arch_alpha) in alpha:
                expected = expected + expected_cost(module.architecture, self.tables[place])
                largest += self.tables[place].max(dim=1).values.sum().item()
        return expected / largest if largest else 0.0
