"""What a search found: genotype, α, and how large the derived network is."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmengine.model import BaseModel, is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import Dataset

from llv.models.data_preprocessors import EnhancedDataPreprocessor
from llv.search.derivation import derived_complexity
from llv.search.genotype_file import write_genotype
from llv.search.searchable import derive_genotype

from .alpha_file import save_alpha


def write_result(runner: Runner) -> Path | None:
    """Write ``genotype.json`` and ``alpha.pth`` into the work folder of a search that has ended.

    The genotype says how many parameters and multiply-accumulates the derived network has, at the size of the first
    training picture, enhancer included.

    Returns:
        The genotype's file; None in the processes that write nothing.
    """
    if not is_main_process():
        return None
    file = Path(runner.work_dir, 'genotype.json')
    write_genotype(file, found_genotype(runner))
    save_alpha(file.with_name('alpha.pth'), _inner(runner))
    return file


def found_genotype(runner: Runner) -> dict[str, Any]:
    """The genotype of all that is searched in a trained model, with its size and with the settings of the search.

    Args:
        runner: Of a search, or of another training of a supernet, of which no settings are told.

    Raises:
        ValueError: The model has no searchable module.
    """
    model, loop = _inner(runner), runner.train_loop
    facts: dict[str, Any] = dict(search={})
    if hasattr(loop, 'strategy'):
        facts['search'] = dict(
            strategy=loop.strategy,
            order=loop.order,
            iterations=loop.iter,
            seed=runner.seed,
            config=Path(runner.cfg.filename or '').name,
        )
    try:
        measured, size = measurable(model), picture_size(loop.dataloader.dataset)
        facts.update(derived_complexity(measured, size, forward=forward_of(measured)))
        facts['search']['size'] = list(size)
    except Exception as error:  # noqa: BLE001 - of any model; the genotype is worth more than its size
        print_log(
            f'The derived network could not be measured ({error}).', 'current', logging.WARNING
        )
    return derive_genotype(model, **facts)


def measurable(model: nn.Module) -> nn.Module:
    """A copy on the CPU that takes a single picture: batch normalisation in training refuses maps of one pixel."""
    copied = copy.deepcopy(model).cpu()
    for module in copied.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
    return copied


def forward_of(model: BaseModel) -> Callable[[Tensor], Any]:
    """Runs a model, with the enhancer in its preprocessor, on float (N, 3, H, W) RGB in [0, 1]."""

    def forward(images: Tensor) -> Any:
        preprocessor = model.data_preprocessor
        if isinstance(preprocessor, EnhancedDataPreprocessor):
            images = preprocessor.enhancer(images).image
        return model(images, mode='tensor')

    return forward


def picture_size(dataset: Dataset) -> Sequence[int]:
    """Height and width of the first picture of a data set, behind its pipeline."""
    return tuple(dataset[0]['inputs'].shape[-2:])


def _inner(runner: Runner) -> nn.Module:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
