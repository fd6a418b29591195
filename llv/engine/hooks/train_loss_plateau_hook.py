"""Lower the learning rate when training stalls."""

from __future__ import annotations

import math
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from llv.registry import HOOKS

_KEY = 'train_loss_plateau'


@HOOKS.register_module()
class TrainLossPlateauHook(Hook):
    """Multiply all learning rates by `factor` when the epoch mean of the training loss stops falling.

    mmengine's plateau scheduler watches validation metrics only. This one counts as torch's ``ReduceLROnPlateau``: an
    epoch is good if its mean is below best · (1 − threshold), and the cut comes after more than `patience` epochs
    in a row that are not. The mean is over all processes. Best value and count travel in checkpoints.

    Args:
        factor: Of each cut, between 0 and 1.
        patience: Bad epochs that are tolerated. For PSENet 10 made the published weights; its paper says 5.
        threshold: Relative.

    Raises:
        ValueError: `factor` is out of range; at the start of training, the loop does not count epochs.
    """

    def __init__(self, factor: float = 0.5, patience: int = 10, threshold: float = 1e-4) -> None:
        if not 0 < factor < 1:
            raise ValueError(f'`factor` must be between 0 and 1, but got {factor}.')
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self._loaded: dict[str, Any] | None = None
        self._start()

    def _start(self) -> None:
        self.best = math.inf
        self.bad_epochs = 0

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Note the state in the checkpoint."""
        self._loaded = checkpoint.get(_KEY)

    def before_train(self, runner: Runner) -> None:
        """Take the state of the checkpoint if the run is resumed from it."""
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise ValueError(
                '`TrainLossPlateauHook` compares epochs, but the training loop counts iterations; use '
                '`EpochBasedTrainLoop`, or remove the hook.'
            )
        self._start()
        if runner.iter > 0 and self._loaded is not None:
            self.best, self.bad_epochs = self._loaded['best'], self._loaded['bad_epochs']

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Add the state to the checkpoint."""
        checkpoint[_KEY] = dict(best=self.best, bad_epochs=self.bad_epochs)

    def before_train_epoch(self, runner: Runner) -> None:
        """Begin a mean."""
        self._losses: list[torch.Tensor] = []

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Note the loss of a step."""
        self._losses.append(torch.as_tensor(outputs['loss']).detach().double().mean())

    def after_train_epoch(self, runner: Runner) -> None:
        """Compare the epoch with the best one."""
        mean = torch.stack(self._losses).mean()
        all_reduce(mean, 'mean')
        value = mean.item()
        if value < self.best * (1 - self.threshold):
            self.best = value
            self.bad_epochs = 0
            return
        self.bad_epochs += 1
        if self.bad_epochs <= self.patience:
            return
        self.bad_epochs = 0
        for group in runner.optim_wrapper.param_groups:
            group['lr'] *= self.factor
        rates = ', '.join(f'{group["lr"]:.4g}' for group in runner.optim_wrapper.param_groups)
        runner.logger.info(
            f'The training loss has not fallen below {self.best:.6g} for {self.patience + 1} epochs; learning rates '
            f'are now {rates}.'
        )
