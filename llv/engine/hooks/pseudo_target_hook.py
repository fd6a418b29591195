"""What the progressive training of PSENet needs of the run around it."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, get_dist_info
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner, find_latest_checkpoint

from llv.models.pseudo_target_model import PseudoTargetModel, TargetPair
from llv.registry import HOOKS
from llv.utils.checkpoint import load_checkpoint


@HOOKS.register_module()
class PseudoTargetHook(Hook):
    """Leave the first update out, and let resumed runs go on with the kept batch and its targets.

    The pair that :class:`llv.models.PseudoTargetModel` keeps from step to step lies beside each checkpoint of
    mmengine's ``CheckpointHook``, one file a process (``epoch_3.pending_rank0.pth``; tensors only, 24 bytes a pixel),
    and goes when the checkpoint goes. Where the pair of a checkpoint is not there, a resumed run starts like a new one:
    its first step makes targets and updates nothing.

    Raises:
        ValueError: At the start of training, when the model is another.
    """

    # after the checkpoint hook, for the processes that write no checkpoint
    priority = 'LOWEST'

    def __init__(self) -> None:
        self._saved: str | None = None  # the checkpoint beside which the last pair lies

    def before_train(self, runner: Runner) -> None:
        """Bring the pair of the checkpoint back."""
        model = _inner(runner)
        if not isinstance(model, PseudoTargetModel):
            raise ValueError(
                f'`PseudoTargetHook` belongs to `llv.PseudoTargetModel`, but the model is `{type(model).__name__}`; '
                'remove the hook or change the model.'
            )
        model.pending = None
        self._saved = runner.message_hub.runtime_info.get('last_ckpt')
        if runner.iter == 0 or not model.lag:
            return
        checkpoint = runner._load_from or find_latest_checkpoint(runner.work_dir)
        pairs = None if checkpoint is None else _read(_beside(checkpoint), runner)
        # either all processes go on or none
        agreed = torch.tensor(int(pairs is not None))
        all_reduce(agreed, 'min')
        if agreed:
            model.pending = pairs
        else:
            print_log(
                f'The pending targets of `{checkpoint}` are not there, so training goes on without an update in its '
                'first step.',
                logger='current',
                level=logging.WARNING,
            )

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Hide the update from a step that has nothing older to train on."""
        if _inner(runner).waits:
            runner.optim_wrapper.update_params = _no_update

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Bring the update back; save where the checkpoint hook has saved."""
        vars(runner.optim_wrapper).pop('update_params', None)
        self._follow(runner, runner.iter + 1)

    def after_train_epoch(self, runner: Runner) -> None:
        """Save where the checkpoint hook has saved."""
        self._follow(runner, runner.iter)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Save before the checkpoint itself is there, so that it never lies without its pair."""
        self._follow(runner, checkpoint['meta']['iter'])

    def _follow(self, runner: Runner, iteration: int) -> None:
        """Write the pair if there is a new checkpoint, and remove those of checkpoints that are gone."""
        path = runner.message_hub.runtime_info.get('last_ckpt')
        model = _inner(runner)
        # also called for the best checkpoint, which is an older one's twin and no point to resume from
        if path is None or path == self._saved or model.pending is None:
            return
        self._saved = path
        file = _beside(path)
        rank, world_size = get_dist_info()
        state = dict(
            iteration=iteration,
            world_size=world_size,
            pairs=[(pair.images.cpu(), pair.target.cpu()) for pair in model.pending],
        )
        partial = file.with_suffix('.partial')
        torch.save(state, partial)
        os.replace(partial, file)
        if rank == 0:
            # only this process knows which checkpoints are gone already
            for old in file.parent.glob('*.pending_rank*.pth'):
                stem = old.name.rpartition('.pending_rank')[0]
                if stem != Path(path).stem and not old.with_name(f'{stem}.pth').is_file():
                    old.unlink()


def _no_update(*args: Any, **kwargs: Any) -> None:
    """Stands for an optimizer wrapper's ``update_params``."""


def _inner(runner: Runner) -> PseudoTargetModel:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def _beside(checkpoint: str) -> Path:
    """The file of this process for the pair of a checkpoint."""
    path = Path(checkpoint)
    return path.with_name(f'{path.stem}.pending_rank{get_dist_info()[0]}.pth')


def _read(file: Path, runner: Runner) -> list[TargetPair] | None:
    """The pair in a file, None if it is not that of the iteration and the number of processes of this run."""
    if not file.is_file():
        return None
    device = next(_inner(runner).parameters()).device
    state = load_checkpoint(file, map_location=device)
    if (state['iteration'], state['world_size']) != (runner.iter, get_dist_info()[1]):
        return None
    return [TargetPair(images, target) for images, target in state['pairs']]
