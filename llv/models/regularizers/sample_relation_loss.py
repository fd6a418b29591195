"""The regulariser of ERL: results should relate to each other as the references do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from llv.registry import MODELS

from .batch_correlation_module import BatchCorrelationModule
from .checks import check_pair, warn_of_one
from .module_file import read_module

_TRANSFORMERS = ('trained', 'random')


@MODELS.register_module()
class SampleRelationLoss:
    """α · mean |T(results) - T(references)|, T the frozen encoder and transformer of a batch-correlation module.

    Huang et al., "Learning Sample Relationship for Exposure Correction", CVPR 2023, Section 3.3. The two batches go
    through T by themselves: in one pass results would attend to references. Features depend on the other pictures of
    a batch, so those of the references cannot be kept.

    No ``nn.Module``: whoever holds it gets no parameters, buffers or children by it, and a copy of its holder (EMA)
    shares it, since nothing in it changes. It reads its weights at the first call, so that testing, which needs none of
    this, does without the file; from then on it follows the device of the results. All runs in float32.

    Args:
        module: Options of :class:`BatchCorrelationModule`; None takes what the weight file says.
        weights: Checkpoint of ``llv.BatchCorrelationModel`` of its second stage; where the transformer is random, that
            of the first stage will do.
        loss_weight: α; 0.1 is published.
        transformer: ``'trained'``; ``'random'`` is the ablation "without pretext", whose transformer is as drawn.
        seed: Of that draw; other random numbers stay as they are.

    Raises:
        ValueError: An option has no such value; at a call, `weights` belong to other options or to another network, or
            the batches do not fit each other.
        FileNotFoundError: At a call, the weight file is not there.
    """

    def __init__(
        self,
        module: Mapping[str, Any] | None = None,
        weights: str | None = None,
        loss_weight: float = 0.1,
        transformer: str = 'trained',
        seed: int = 0,
    ) -> None:
        if transformer not in _TRANSFORMERS:
            raise ValueError(
                f'`transformer` must be one of {", ".join(_TRANSFORMERS)}, but got {transformer!r}.'
            )
        if not loss_weight >= 0:
            raise ValueError(f'`loss_weight` must be at least 0, but got {loss_weight}.')
        self.options = None if module is None else dict(module)
        self.weights = None if weights is None else str(weights)
        self.loss_weight = loss_weight
        self.transformer = transformer
        self.seed = seed
        self._module: BatchCorrelationModule | None = None
        self._warned = False

    @property
    def module(self) -> BatchCorrelationModule:
        """Encoder and transformer, frozen and in eval mode; read from the file when first asked for."""
        if self._module is None:
            if self.weights is None:
                raise ValueError(
                    '`SampleRelationLoss` has no `weights`; train `llv.BatchCorrelationModel` first, or let `upstream` '
                    'of the config do so.'
                )
            parts = ['encoder', 'transformer'] if self.transformer == 'trained' else ['encoder']
            # what a new network draws must not change the training around it
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                module = read_module(self.weights, self.options, parts)
            self._module = module.drop('fusion', 'decoder').requires_grad_(False).eval()
        return self._module

    def __call__(self, results: Tensor, references: Tensor) -> dict[str, Tensor]:
        """``loss_relation``, a scalar with a gradient to the results alone.

        One picture relates to nothing: the loss is then 0, still with a graph.

        Args:
            results: (B, 3, H, W) RGB, usually in [0, 1], attached to the graph.
            references: The same shape, in the same order; used without gradient.
        """
        check_pair(results, references)
        module = self.module.to(results.device)
        with torch.autocast(results.device.type, enabled=False):
            results, references = results.float(), references.detach().float()
            if len(results) < 2:
                if not self._warned:
                    self._warned = True
                    warn_of_one('`SampleRelationLoss` is 0 for it')
                return dict(loss_relation=0 * results.sum())
            with torch.no_grad():
                aim = module.relate(references)
            distance = (module.relate(results) - aim).abs().mean()
        return dict(loss_relation=self.loss_weight * distance)

    def __deepcopy__(self, memo: dict) -> SampleRelationLoss:
        return self
