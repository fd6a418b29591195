"""Architectures of the scene module and of the task module, searched together.

Algorithm 1 of Liu et al., "Learning with Nested Scene Modeling and Cooperative Architecture Search for Low-Light
Vision", with the repairs that its released code needs: the whole model is kept through the virtual step, and both
streams are shuffled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import get_rank
from mmengine.model import is_model_wrapper
from mmengine.runner import IterBasedTrainLoop, Runner
from torch import Tensor, nn

from llv.engine.hooks import EnhancerLossHook
from llv.engine.hypergradient import hypergradient
from llv.engine.passes import only_trainable, undisturbed
from llv.registry import LOOPS

from .alpha_file import load_alpha, read_alpha
from .genotype_watch import GenotypeWatch, mean_entropies
from .manual_steps import step_by_mean
from .search_cost import LevelCost
from .search_levels import Level, divide, left_out
from .search_losses import EnhancedLosses, losses_of
from .search_optimizers import (
    build_optimizers,
    check_step_size,
    step_size_at,
    virtual_step,
)
from .streams import Stream, endless_loader

_STRATEGIES = ('cooperative', 'global', 'independent')


@LOOPS.register_module()
class CooperativeSearchLoop(IterBasedTrainLoop):
    """Search scene and task architecture together.

    Each level has architecture weights α and other weights ω. A step of a level moves α by the hypergradient
    (:func:`llv.engine.hypergradient.hypergradient`: training batch for ω' and the second-order term, validation batch
    for the rest), then ω by the training loss of the level at the new α:

    ======  ======================  =====================================
    level   ω is trained by         α is judged by
    ======  ======================  =====================================
    scene   ℓ_s                     ℓ_s + β · ℓ_t, at the current ω_t
    task    ℓ_t                     ℓ_t
    ======  ======================  =====================================

    ``global`` is one level with ℓ_s + ℓ_t for everything. ``independent`` searches the scene module by ℓ_s alone in the
    first `scene_iters` iterations and the task module, behind it, in the others.

    **Where the losses come from.** Behind an enhancer in ``llv.EnhancedDataPreprocessor`` ℓ_s is the enhancer's loss
    and ℓ_t what the model returns (without ``EnhancerLossHook``, whose λ has no place here). ``llv.EnhancementModel``
    with RUAS and noise removal has the two losses of its two modules. In any other model `scene_losses` tells the
    entries of the loss dict apart; where it is None, all of them are ℓ_t.

    ``optim_wrapper`` of the config is that of ω, of both levels; what differs between them goes into its
    ``paramwise_cfg``. Schedulers hold for it alone. The virtual step takes its momentum (of SGD), and the learning rate
    and weight decay that it has for the first weight of the level, unless told otherwise. Under ``--amp`` passes run in
    bfloat16, but those whose small difference is the second-order term, in float32.

    The extra passes leave no trace: with the same α, ω goes the way of plain training to the bit, also through batch
    normalisation and dropout. A resumed search ends with the α of one that was never interrupted. In several processes
    gradients are averaged, so α is the same in all of them.

    Args:
        runner: Given by the runner.
        dataloader: The training stream; given by the runner. Shuffled and without end also where mmengine's sampler is
            told otherwise.
        max_iters: Training batches of the level that moves in each iteration.
        valid_dataloader: The stream that α is judged on, as ``train_dataloader``; other pictures than those.
        strategy: ``cooperative``, ``global`` or ``independent``.
        scene: Places of the scene module in the model. None: the enhancer in the preprocessor, if it can be trained; in
            ``llv.EnhancementModel`` the scene module of RUAS, or the enhancer that has no task module.
        task: Places of the task module; ``rest`` is everything else. Other parameters stay as they are.
        scene_losses: Regular expression for the names of the scene losses in the model's loss dict.
        beta: β. The paper gives no value, the released code has 1.
        order: 2, or 1 to leave the virtual step out.
        hvp_loss: Loss of the finite difference: ``train``, as the formula has it, or ``validation``, as released.
        exact: Second derivatives by autograd; see :func:`llv.engine.hypergradient.hypergradient`.
        radius: R · ‖v‖ of the finite difference.
        step_size: ξ. None: the learning rate of ω; a pair: from the first to the second along a cosine. In the released
            code it falls from 0.005 to 0.001, while the rate of ω stays at 0.005.
        virtual_weight_decay: κ of the virtual step. None: that of the optimizer of ω. In the released code it is 3e-4,
            while ω has none.
        arch_optimizer: Optimizer of α.
        scene_steps: Steps of the scene level, or of the one level of ``global``, in an iteration.
        task_steps: Steps of the task level in an iteration in which it moves.
        task_interval: Every how many iterations the task level moves, beginning with the first. A level that is alone
            moves always.
        scene_iters: For ``independent``; None: half of them.
        alpha_from: An ``alpha.pth`` to start from, in the place of small random numbers.
        check_interval: Every how many iterations the genotype is logged and compared with the one before.
        stop_after: Stop when as many comparisons in a row found no change. None: never.
        cost_weight: Factor of the expected multiply-accumulates of a level, of those of its largest choice, in what its
            α is judged by; counted at the size of the first training picture.
        val_begin, val_interval: As :class:`mmengine.runner.IterBasedTrainLoop`, for the usual validation.

    Raises:
        ValueError: An argument is out of its range, there is nothing to search, a stream is empty, the optimizer is one
            that does not fit, or the model cannot be measured for `cost_weight`; before anything is trained.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: dict,
        max_iters: int,
        valid_dataloader: dict | None = None,
        strategy: str = 'cooperative',
        scene: str | Sequence[str] | None = None,
        task: str | Sequence[str] = 'rest',
        scene_losses: str | None = None,
        beta: float = 1.0,
        order: int = 2,
        hvp_loss: str = 'train',
        exact: bool = False,
        radius: float = 0.01,
        step_size: float | Sequence[float] | None = None,
        virtual_weight_decay: float | None = None,
        arch_optimizer: dict | None = None,
        scene_steps: int = 1,
        task_steps: int = 1,
        task_interval: int = 10,
        scene_iters: int | None = None,
        alpha_from: str | None = None,
        check_interval: int = 100,
        stop_after: int | None = None,
        cost_weight: float = 0.0,
        val_begin: int = 1,
        val_interval: int = 1000,
    ) -> None:
        for name, value, known in (
            ('strategy', strategy, _STRATEGIES),
            ('hvp_loss', hvp_loss, ('train', 'validation')),
            ('order', order, (1, 2)),
        ):
            if value not in known:
                listed = ', '.join(map(str, known))
                raise ValueError(f'`{name}` must be one of {listed}, but got {value!r}.')
        _check_least(0, beta=beta, cost_weight=cost_weight)
        _check_least(1, scene_steps=scene_steps, task_steps=task_steps)
        _check_least(1, task_interval=task_interval, check_interval=check_interval)
        _check_least(1, stop_after=1 if stop_after is None else stop_after)
        _check_least(0, virtual_weight_decay=virtual_weight_decay or 0)
        check_step_size(step_size)
        if not radius > 0:
            raise ValueError(f'`radius` must be above 0, but got {radius}.')
        if strategy == 'independent':
            scene_iters = max_iters // 2 if scene_iters is None else scene_iters
            if not 0 < scene_iters < max_iters:
                raise ValueError(
                    f'`scene_iters` must lie between 0 and `max_iters={max_iters}`, but got {scene_iters}.'
                )
        if valid_dataloader is None:
            raise ValueError(
                'A search judges architectures on pictures of their own; give `train_cfg.valid_dataloader`.'
            )
        self.model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self.levels = divide(self.model, scene, task, beta, strategy)
        self.losses = losses_of(self.model, scene_losses)
        if isinstance(self.losses, EnhancedLosses) and any(
            isinstance(hook, EnhancerLossHook) for hook in runner.hooks
        ):
            raise ValueError(
                '`CooperativeSearchLoop` takes the scene loss from the enhancer itself; remove `llv.EnhancerLossHook`.'
            )
        if alpha_from is not None:
            read_alpha(alpha_from, self.model)  # loaded later, after `load_from`
        runner.optim_wrapper = build_optimizers(runner, self.model, self.levels, arch_optimizer)
        if runner.param_schedulers is not None and (
            not isinstance(runner.param_schedulers, dict) or 'type' in runner.param_schedulers
        ):
            runner.param_schedulers = dict(weights=runner.param_schedulers, arch=[])

        seed = runner.seed or 0
        loader = endless_loader(runner, dataloader, 'train_dataloader', seed)
        super().__init__(runner, loader, max_iters, val_begin, val_interval)
        # another seed, lest the two streams draw the same numbers for their random transforms
        valid = endless_loader(runner, valid_dataloader, 'train_cfg.valid_dataloader', seed + 1)
        self.streams = (Stream(loader), Stream(valid))

        self.strategy = strategy
        self.order = order
        self.hvp_loss = hvp_loss
        self.exact = exact
        self.radius = radius
        self.step_size = step_size
        self.virtual_weight_decay = virtual_weight_decay
        self.scene_steps = scene_steps
        self.task_steps = task_steps
        self.task_interval = task_interval
        self.scene_iters = scene_iters
        self.alpha_from = alpha_from
        self.check_interval = check_interval
        self.cost_weight = cost_weight
        self._cost: LevelCost | None = None
        self._watch = GenotypeWatch(runner, self.model, stop_after)
        self._planned_iters = self._max_iters

    def run(self) -> nn.Module:
        """Search."""
        if self.alpha_from is not None and self._iter == 0:
            load_alpha(self.alpha_from, self.model)
        if self.cost_weight:
            self._cost = LevelCost(self.model, self.dataloader.dataset)
        for level in self.levels:
            self.runner.logger.info(
                f'Level {level.name}: {sum(p.numel() for p in level.alpha)} architecture weights, '
                f'{sum(p.numel() for p in level.omega)} other weights.'
            )
        for place in left_out(self.model, self.levels):
            self.runner.logger.warning(
                f'No level moves the architecture weights of {place}; its genotype will be that of the start.'
            )
        if self._iter == 0:
            self._watch.forget()
        self.stop_training = self._watch.settled
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        drawn = sum(self._pairs(iteration) for iteration in range(self._iter))
        try:
            for stream in self.streams:
                if drawn:
                    stream.skip(drawn)
            while self._iter < self._max_iters and not self.stop_training:
                self.runner.model.train()
                self.run_iter()
                if (
                    self.runner.val_loop is not None
                    and self._iter >= self.val_begin
                    and (self._iter % self.val_interval == 0 or self._iter == self._max_iters)
                ):
                    self.runner.val_loop.run()
        finally:
            for stream in self.streams:
                stream.close()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_iter(self) -> None:
        """Move the levels whose turn it is."""
        iteration = self._iter
        train, valid = self.streams
        pairs = [(train.take(), valid.take()) for _ in range(self._pairs(iteration))]
        batch = pairs[0][0]
        self.runner.call_hook('before_train_iter', batch_idx=iteration, data_batch=batch)
        logs: dict[str, float] = {}
        for level, steps in self._due(iteration):
            for step in range(steps):
                logs.update(self._move(level, *pairs[step], step))
        logs.update(mean_entropies(self.model))
        if (iteration + 1) % self.check_interval == 0:
            self._check_genotype()
        self.runner.call_hook(
            'after_train_iter', batch_idx=iteration, data_batch=batch, outputs=logs
        )
        self._iter += 1

    def _due(self, iteration: int) -> list[tuple[Level, int]]:
        """The levels that move in an iteration, each with the number of its steps."""
        if len(self.levels) == 1:
            level = self.levels[0]
            return [(level, self.task_steps if level.name == 'task' else self.scene_steps)]
        scene, task = self.levels
        if self.strategy == 'independent':
            if iteration < self.scene_iters:
                return [(scene, self.scene_steps)]
            return [(task, self.task_steps)]
        due = [(scene, self.scene_steps)]
        if iteration % self.task_interval == 0:
            due.append((task, self.task_steps))
        return due

    def _pairs(self, iteration: int) -> int:
        """Batches of each stream that an iteration takes; the levels look at the same ones."""
        return max(steps for _, steps in self._due(iteration))

    def _move(self, level: Level, train: Any, valid: Any, step: int) -> dict[str, float]:
        """One step of α and one of ω."""
        logs = {}
        if level.alpha:
            logs[f'{level.name}/validation_loss'] = self._move_alpha(level, train, valid, step)
        if level.omega:
            with only_trainable(self.model, level.omega):
                losses = self._parts(train, level.objective, dict.fromkeys(level.objective, 1.0))
                total = losses.pop('loss')
                gradients = torch.autograd.grad(total, level.omega, allow_unused=True)
            self._step('weights', level.omega, gradients)
            logs[f'{level.name}/loss'] = total.item()
            logs.update({f'{level.name}/{name}': value.item() for name, value in losses.items()})
        return logs

    def _move_alpha(self, level: Level, train: Any, valid: Any, step: int) -> float:
        seed = self.runner.seed or 0
        place = (self._iter, get_rank(), step, self.levels.index(level))

        def judged() -> Tensor:
            loss = run(valid, level.validation, 1)
            return loss + self.cost_weight * self._cost(level) if self._cost else loss

        def run(batch: Any, parts: dict[str, float], number: int, precise: bool = False) -> Tensor:
            with undisturbed(self.model, seed, *place, number):
                return self._parts(batch, tuple(parts), parts, precise)['loss']

        objective = dict.fromkeys(level.objective, 1.0)
        perturbed = objective if self.hvp_loss == 'train' else level.validation
        virtual = virtual_step(self.runner.optim_wrapper['weights'], level.omega)
        virtual['step_size'] = step_size_at(
            self.step_size, virtual['step_size'], self._iter / self._planned_iters
        )
        if self.virtual_weight_decay is not None:
            virtual['weight_decay'] = self.virtual_weight_decay
        with only_trainable(self.model, (*level.alpha, *level.omega)):
            found = hypergradient(
                level.alpha,
                level.omega,
                lambda: run(train, objective, 0),
                judged,
                **virtual,
                # in half precision the weights themselves are rounded by more than they are moved
                perturbed_loss=lambda: run(train, perturbed, 0, precise=True),
                order=self.order,
                exact=self.exact,
                radius=self.radius,
            )
        if not all(gradient.isfinite().all() for gradient in found.total):
            raise FloatingPointError(
                f'The gradient of the architecture weights ({level.name}) is not finite in iteration {self._iter + 1}; '
                'lower `step_size` or the learning rates.'
            )
        self._step('arch', level.alpha, found.total)
        return found.validation_loss

    def _parts(
        self, batch: Any, parts: Sequence[str], factors: dict[str, float], precise: bool = False
    ) -> dict[str, Tensor]:
        """Named losses of a batch, and their weighted sum as ``loss``."""
        if precise:
            device = next(self.model.parameters()).device.type
            context = torch.autocast(device, enabled=False)
        else:
            context = self.runner.optim_wrapper['weights'].optim_context(self.model)
        with context:
            found = self.losses(batch, parts)
        named = {name: value for part in parts for name, value in found[part].items()}
        total = sum(factors[part] * sum(found[part].values()) for part in parts)
        return {**named, 'loss': total}

    def _step(
        self, optimizer: str, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]
    ) -> None:
        """Step of the optimizer ``weights`` or ``arch``."""
        step_by_mean(self.runner.optim_wrapper[optimizer], parameters, gradients)

    def _check_genotype(self) -> None:
        """Log the genotype, and stop where it has not changed for long."""
        # until its turn the task module of an independent search does not change
        last_moves = self._due(self._iter)[-1][0] is self.levels[-1]
        self._watch.check(counts=self.strategy != 'independent' or last_moves)
        if self._watch.settled and self._iter + 1 < self._max_iters:
            self.runner.logger.info(
                f'The genotype has not changed for {self._watch.unchanged} checks; the search ends.'
            )
            self.stop_training = True
            # hooks save and log after the last iteration, which is this one
            self._max_iters = self._iter + 1


def _check_least(least: float, **values: float) -> None:
    for name, value in values.items():
        if not value >= least:  # not a number neither
            raise ValueError(f'`{name}` must be at least {least}, but got {value}.')
