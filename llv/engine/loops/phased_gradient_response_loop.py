"""TriCo's training: loss weights, illumination and refinement as three levels."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import torch
from mmengine.dist import get_rank
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import OPTIMIZERS
from mmengine.runner import IterBasedTrainLoop, Runner
from torch import Tensor, nn

from llv.engine.passes import fresh, undisturbed
from llv.models.data_preprocessors.references import stack_references
from llv.models.losses.weighting import mean_over_groups
from llv.registry import LOOPS
from llv.utils.grouping import group_by_size

from .gradient_response import GradientResponse
from .manual_steps import wrapper_of
from .rest_watch import RestWatch
from .streams import Stream, endless_loader

# of the paper
HYPER_OPTIMIZER = dict(type='Adam', lr=1e-4)
_OBJECTIVES = ('printed', 'content')
_CRITERION = ('hyper', 'values', 'objective', 'hyper_gradient', 'slopes', 'content', 'project')
_ENHANCER = ('illumination_parameters', 'refinement_parameters', 'scene_loss')

Group = tuple[Tensor, Tensor | None]


@LOOPS.register_module()
class PhasedGradientResponseLoop(IterBasedTrainLoop):
    """Train an enhancer whose losses weigh themselves, and whose two parts answer each other.

    The **first stage** moves the hyper-variables ς of the scene loss and all weights ω of the enhancer, the **second**
    the weights ω_i of the illumination and ω_s of the refinement, with ς at rest. Each has an upper level that is
    judged on pictures of its own; how they move says
    :class:`llv.engine.loops.gradient_response.GradientResponse`. Optimizers and ω are carried over from stage to stage.

    For ``llv.EnhancementModel`` with an enhancer that has ``illumination_parameters()``, ``refinement_parameters()``
    and a ``scene_loss`` as :class:`llv.models.losses.TriCoLoss`.

    ``optim_wrapper`` of the config is that of ω; ω_i and ω_s have one optimizer each (``illum``, ``refine``), made of
    it, and its ``clip_grad`` clips real steps by the norm of all that moves. Schedulers hold for these two. Virtual
    steps are plain gradient steps with the rate of ``refine``. Enhancers run in float32: there is no mixed precision.

    By its passes, an iteration of the first stage costs 3.7 iterations of plain training, one of the second 5. A
    resumed training ends with the weights of one that was never interrupted. In several processes gradients are
    averaged, so ς and ω are the same in all of them.

    Args:
        runner: Given by the runner.
        dataloader: The lower pictures; given by the runner. Shuffled and without end, also where mmengine's sampler is
            told otherwise.
        max_iters: Batches of each stream.
        upper_dataloader: As ``train_dataloader``, with pictures of other scenes than those.
        s1_iters: Length of the first stage.
        upper_objective: ``printed``: the upper level is judged by Φ as the lower one, as in the paper; ``content``: by
            the content loss alone, which ς cannot make small without making pictures better.
        coupled: False leaves the virtual step out of both stages: the levels move in turn, each by its own gradient.
        coupled_every: Every how many iterations there is a virtual step.
        use_s1: False: ς stays at ``hyper_init`` of the loss, and the second stage begins at once.
        use_s2: False: what follows the first stage is plain training of ω, on both sets of pictures as if they were
            one.
        s1_tolerance: The first stage ends early where no ς has changed by more than this share in `s1_window`
            iterations (0.005 is sensible). None: never. Schedules are not moved.
        s1_window: Iterations between two looks.
        hyper_optimizer: Optimizer of ς, at a constant rate.
        radius: ε · ‖h‖ of the finite differences.
        val_begin, val_interval: As :class:`mmengine.runner.IterBasedTrainLoop`, for the usual validation.

    Raises:
        ValueError: An argument is out of its range, the enhancer lacks something, a stream is empty, or the optimizer
            is one that does not fit; before anything is trained.
        FloatingPointError: A gradient is not finite; names the iteration.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: dict,
        max_iters: int,
        upper_dataloader: dict | None = None,
        s1_iters: int = 15000,
        upper_objective: str = 'printed',
        coupled: bool = True,
        coupled_every: int = 1,
        use_s1: bool = True,
        use_s2: bool = True,
        s1_tolerance: float | None = None,
        s1_window: int = 1000,
        hyper_optimizer: dict | None = None,
        radius: float = 0.01,
        val_begin: int = 1,
        val_interval: int = 1000,
    ) -> None:
        if upper_objective not in _OBJECTIVES:
            raise ValueError(
                f'`upper_objective` must be one of {", ".join(_OBJECTIVES)}, but got {upper_objective!r}.'
            )
        for name, value in (('coupled_every', coupled_every), ('s1_window', s1_window)):
            if not (isinstance(value, int) and value >= 1):
                raise ValueError(f'`{name}` must be an integer from 1, but got {value!r}.')
        if not (isinstance(s1_iters, int) and s1_iters >= 0):
            raise ValueError(f'`s1_iters` must be an integer from 0, but got {s1_iters!r}.')
        for name, value in (('radius', radius), ('s1_tolerance', s1_tolerance)):
            if value is not None and not value > 0:
                raise ValueError(f'`{name}` must be above 0, but got {value!r}.')
        if upper_objective == 'content' and use_s1 and not coupled:
            raise ValueError(
                "`upper_objective='content'` tells nothing about the hyper-variables without the virtual step; set "
                '`coupled=True` or `use_s1=False`.'
            )
        if upper_dataloader is None:
            raise ValueError(
                'The upper levels are judged on pictures of their own; give `train_cfg.upper_dataloader`.'
            )
        self.model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self.enhancer = _enhancer(self.model)
        self.criterion = self.enhancer.scene_loss
        if upper_objective == 'content' and 'c' not in self.criterion.hyper:
            raise ValueError(
                "`upper_objective='content'` needs the content loss; take `c` out of `leave_out`."
            )
        runner.optim_wrapper, max_norm = self._optimizers(runner, hyper_optimizer)
        schedulers = runner.param_schedulers
        if schedulers is not None and not (
            isinstance(schedulers, dict) and 'type' not in schedulers
        ):
            runner.param_schedulers = dict(
                hyper=[], illum=schedulers, refine=copy.deepcopy(schedulers)
            )

        seed = runner.seed or 0
        loader = endless_loader(runner, dataloader, 'train_dataloader', seed)
        super().__init__(runner, loader, max_iters, val_begin, val_interval)
        # another seed, lest the two streams draw the same numbers for their random transforms
        upper = endless_loader(runner, upper_dataloader, 'train_cfg.upper_dataloader', seed + 1)
        self.lower, self.upper = Stream(loader), Stream(upper)
        self._upper_share = len(upper.dataset) / (len(upper.dataset) + len(loader.dataset))

        self.s1_iters = s1_iters if use_s1 else 0
        self.use_s2 = use_s2
        self.coupled = coupled
        self.coupled_every = coupled_every
        self._watch = RestWatch(runner, self.criterion.hyper, s1_tolerance, s1_window)
        self.response = GradientResponse(
            self.criterion,
            self.enhancer.illumination_parameters(),
            self.enhancer.refinement_parameters(),
            runner.optim_wrapper,
            content=upper_objective == 'content',
            radius=radius,
            max_norm=max_norm,
        )

    def run(self) -> nn.Module:
        """Train."""
        if self._iter == 0:
            self._watch.forget()
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        try:
            for stream, of_upper in ((self.lower, False), (self.upper, True)):
                drawn = sum(self._draws(i)[of_upper] for i in range(self._iter))
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
            for stream in (self.lower, self.upper):
                stream.close()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_iter(self) -> None:
        """One iteration of the stage whose turn it is."""
        iteration, stage = self._iter, self.stage(self._iter)
        draws_lower, draws_upper = self._draws(iteration)
        lower = self.lower.take() if draws_lower else None
        upper = self.upper.take() if draws_upper else None
        batch = upper if lower is None else lower
        self.runner.call_hook('before_train_iter', batch_idx=iteration, data_batch=batch)
        coupled = self.coupled and iteration % self.coupled_every == 0
        try:
            if stage == 0:
                logs = self.response.plain(partial(self._values, self._groups(batch)))
            else:
                step = self.response.first_stage if stage == 1 else self.response.second_stage
                below, above = self._groups(lower), self._groups(upper)
                logs = step(
                    partial(self._extra, below, 0),
                    partial(self._extra, above, 1),
                    partial(self._values, below),
                    coupled,
                )
        except FloatingPointError as error:
            raise FloatingPointError(f'{error} (iteration {iteration + 1})') from None
        logs['stage'] = stage
        if stage == 1:
            self._watch.look(iteration + 1)
        self.runner.call_hook(
            'after_train_iter', batch_idx=iteration, data_batch=batch, outputs=logs
        )
        self._iter += 1

    def stage(self, iteration: int) -> int:
        """1 or 2; 0 for plain training."""
        ended = self._watch.ended
        if iteration < (self.s1_iters if ended is None else min(ended, self.s1_iters)):
            return 1
        return 2 if self.use_s2 else 0

    def _draws(self, iteration: int) -> tuple[bool, bool]:
        """Whether an iteration takes a batch of the lower and one of the upper pictures."""
        if self.stage(iteration):
            return True, True
        # batches in proportion to the pictures of each set
        upper = int((iteration + 1) * self._upper_share) > int(iteration * self._upper_share)
        return not upper, upper

    def _groups(self, batch: Any) -> list[Group]:
        """Pictures of one size with their references."""
        data = self.model.data_preprocessor(fresh(batch), True)
        inputs, samples = data['inputs'], data.get('data_samples')
        return [
            (torch.stack([inputs[i] for i in indices]), stack_references(samples, indices))
            for indices in group_by_size(inputs)
        ]

    def _values(self, groups: list[Group]) -> dict[str, Tensor]:
        """L_u of a batch."""
        found = [
            self.criterion.values(self.enhancer(images), images, references)
            for images, references in groups
        ]
        return mean_over_groups(found, [len(images) for images, _ in groups])

    def _extra(self, groups: list[Group], number: int) -> dict[str, Tensor]:
        """L_u of a batch by a pass that leaves no trace and sees the same random numbers every time."""
        place = (self.runner.seed or 0, self._iter, get_rank(), number)
        with undisturbed(self.enhancer, *place):
            return self._values(groups)

    def _optimizers(
        self, runner: Runner, hyper_optimizer: dict | None
    ) -> tuple[OptimWrapperDict, float | None]:
        """``hyper``, ``illum`` and ``refine``, and the norm to clip to."""
        config = dict(runner.optim_wrapper)
        if str(config.get('type', 'OptimWrapper')).removeprefix('mmengine.') != 'OptimWrapper':
            raise ValueError(
                f'Enhancers train in float32, but `optim_wrapper.type` is `{config["type"]}`; set `OptimWrapper`, and '
                'leave `--amp` out.'
            )
        if config.get('accumulative_counts', 1) != 1:
            raise ValueError(
                '`optim_wrapper.accumulative_counts` does not fit steps of several passes; remove it and take larger '
                'batches.'
            )
        clip = dict(config.pop('clip_grad', None) or {})
        max_norm = clip.pop('max_norm', None)
        if clip:
            raise ValueError(
                f'`optim_wrapper.clip_grad` takes `max_norm` alone here, but got `{next(iter(clip))}`; remove it.'
            )
        hyper = OPTIMIZERS.build(
            dict(hyper_optimizer or HYPER_OPTIMIZER, params=list(self.criterion.hyper.values()))
        )
        return OptimWrapperDict(
            hyper=OptimWrapper(hyper),
            illum=wrapper_of(runner, config, self.enhancer.illumination_parameters()),
            refine=wrapper_of(runner, config, self.enhancer.refinement_parameters()),
        ), max_norm


def _enhancer(model: nn.Module) -> nn.Module:
    """The enhancer of a model, with all that the loop needs of it."""
    enhancer = getattr(model, 'enhancer', None)
    if enhancer is None:
        raise ValueError(
            f'`PhasedGradientResponseLoop` trains an enhancer by itself, but got `{type(model).__name__}`; take '
            '`llv.EnhancementModel`.'
        )
    lacking = [name for name in _ENHANCER if getattr(enhancer, name, None) is None]
    if not lacking:
        lacking = [
            f'scene_loss.{name}' for name in _CRITERION if not hasattr(enhancer.scene_loss, name)
        ]
    if lacking:
        raise ValueError(
            f'`{type(enhancer).__name__}` has no `{lacking[0]}`, which `PhasedGradientResponseLoop` trains by; take '
            '`llv.TriCo` with a `llv.TriCoLoss`.'
        )
    return enhancer
