"""The scene loss joins the task loss without a subclassed detector."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from llv.models.data_preprocessors import EnhancedDataPreprocessor
from llv.models.data_preprocessors.enhanced_data_preprocessor import HeldGroup
from llv.models.enhancers.base import BaseEnhancer
from llv.models.losses.weighting import mean_over_groups
from llv.models.regularizers.attachment import Attachment, attach
from llv.registry import HOOKS


@HOOKS.register_module()
class EnhancerLossHook(Hook):
    """Train with ℓ_t + λ·ℓ_s: add the enhancer's own loss to the model's loss dict.

    It works through a forward hook on the inner model, so it also works under DDP, with gradient accumulation
    and with AMP.
    Its entries are named ``enhancer_loss_*`` (mmengine sums every entry with "loss" in its name). The loss is the mean
    over pictures; losses that relate samples to each other need pictures of one size.

    Args:
        loss_weight: The trade-off λ. 0 adds nothing and costs nothing. The RUAS journal paper names λ without a
            value; 1 is our choice.
        regularizer: Config of what judges the lit pictures of a batch beside ℓ_s, such as ``llv.SampleRelationLoss``.
            It needs references, has a weight of its own, which λ does not scale, and works without ℓ_s, too (λ = 0).

    Raises:
        ValueError: At the start of training, when the model has no trainable enhancer in its preprocessor, or when
            a transform of the pipeline would spoil stacked references (``llv.StackReference``).
    """

    def __init__(self, loss_weight: float = 1.0, regularizer: dict | None = None) -> None:
        if loss_weight < 0:
            raise ValueError(f'`loss_weight` must be at least 0, but got {loss_weight}.')
        self.loss_weight = loss_weight
        self.regularizer = attach(regularizer)
        self._handle: Any = None

    def before_train(self, runner: Runner) -> None:
        """Attach to the inner model."""
        if self.loss_weight == 0 and self.regularizer is None:
            return
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        preprocessor = model.data_preprocessor
        if not isinstance(preprocessor, EnhancedDataPreprocessor):
            # no TypeError, which mmengine would raise anew from its own file
            raise ValueError(
                '`EnhancerLossHook` needs a model behind an enhancer, but its data preprocessor is '
                f'`{type(preprocessor).__name__}`; wrap it with `llv.EnhancedDataPreprocessor` or `--enhancer`.'
            )
        if preprocessor.frozen:
            raise ValueError(
                '`EnhancerLossHook` has nothing to train because the enhancer is frozen; set `frozen=False`, or '
                '`loss_weight=0` without a `regularizer`.'
            )
        if find_spec('mmcv'):  # transforms need it, hooks do not
            from llv.datasets.transforms.stacked_reference import check_stacked

            loader = getattr(runner, 'train_dataloader', None)
            check_stacked(getattr(loader, 'dataset', None))
        preprocessor.holding = True
        added = _AddedLosses(self.loss_weight, self.regularizer)
        self._handle = model.register_forward_hook(added, with_kwargs=True)

    def after_train(self, runner: Runner) -> None:
        """Detach."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
            model = runner.model.module if is_model_wrapper(runner.model) else runner.model
            model.data_preprocessor.holding = False


class _AddedLosses:
    """Holds no module that is copied, so that a model that carries it can be deep-copied by EMA."""

    def __init__(self, loss_weight: float, regularizer: Attachment | None) -> None:
        self.loss_weight = loss_weight
        self.regularizer = regularizer

    def __call__(
        self, model: nn.Module, args: tuple, kwargs: dict, output: Any
    ) -> dict[str, Tensor] | None:
        mode = kwargs.get('mode', args[2] if len(args) > 2 else 'tensor')
        if mode != 'loss' or not isinstance(output, dict):
            return None
        held = model.data_preprocessor.pop_held()
        if not held:
            return None
        enhancer = model.data_preprocessor.enhancer
        # under AMP the hook runs inside autocast; scene losses hold exponentials and small differences
        with torch.autocast(held[0].images.device.type, enabled=False):
            losses = [self._losses(enhancer, group) for group in held]
        added = mean_over_groups(losses, [len(group.images) for group in held])
        return {**output, **{f'enhancer_{name}': value for name, value in added.items()}}

    def _losses(self, enhancer: BaseEnhancer, group: HeldGroup) -> dict[str, Tensor]:
        """The weighted losses of pictures of one size."""
        losses: dict[str, Tensor] = {}
        if self.loss_weight:
            scene = enhancer.loss(group.enhancement, group.images, group.references)
            losses = {name: self.loss_weight * value for name, value in scene.items()}
        if self.regularizer is not None:
            losses.update(self.regularizer(enhancer, group.enhancement, group.references))
        return losses
